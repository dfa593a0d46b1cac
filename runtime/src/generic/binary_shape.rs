//! The geometry of a binary convolution.

use core::ops::Range;

use super::window::{Axis, fits};
use crate::parts::{self, Count};

/// Geometry of a binary convolution over framed sign bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryShape {
    /// Images.
    pub n: usize,
    /// Height and width of the input, without the frame.
    pub input: [usize; 2],
    /// Top, left, bottom, right: the frame around each image of the input. At least the padding.
    pub frame: [usize; 4],
    /// Input channels of one group.
    pub channels: usize,
    /// Groups.
    pub groups: usize,
    /// Height, width, channels of all groups.
    pub output: [usize; 3],
    /// Height, width.
    pub kernel: [usize; 2],
    /// Vertical, horizontal.
    pub strides: [usize; 2],
    /// Vertical, horizontal.
    pub dilations: [usize; 2],
    /// Top, left.
    pub pads: [usize; 2],
    /// Padded taps are left out instead of counting the frame's +1 or -1.
    pub zero_padding: bool,
}

impl BinaryShape {
    /// Words of one group of a pixel.
    #[inline(always)]
    pub const fn words(&self) -> usize {
        parts::words(self.channels)
    }

    /// Words of a pixel.
    #[inline(always)]
    pub const fn pixel_words(&self) -> usize {
        self.groups * self.words()
    }

    /// Words of a row of the input, frame included.
    #[inline(always)]
    pub const fn row_words(&self) -> usize {
        (self.frame[1] + self.input[1] + self.frame[3]) * self.pixel_words()
    }

    /// Words of an image of the input, frame included.
    #[inline(always)]
    pub const fn image_words(&self) -> usize {
        (self.frame[0] + self.input[0] + self.frame[2]) * self.row_words()
    }

    /// Words from a pixel's first tap to the same tap of the next pixel.
    #[inline(always)]
    pub const fn step(&self) -> usize {
        self.strides[1] * self.pixel_words()
    }

    /// Output channels of one group.
    #[inline(always)]
    pub(super) const fn group_outputs(&self) -> usize {
        match self.output[2].checked_div(self.groups) {
            Some(outputs) => outputs,
            None => 0,
        }
    }

    /// Rows of 16 weight words of one block of 16 output channels.
    #[inline(always)]
    pub(super) const fn block_words(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.words()
    }

    #[inline(always)]
    pub(super) const fn axis(&self, i: usize) -> Axis {
        Axis {
            input: self.input[i],
            kernel: self.kernel[i],
            stride: self.strides[i],
            dilation: self.dilations[i],
            pad: self.pads[i],
        }
    }

    /// Whether every read of the driver lies inside the frame, and the operands are long enough.
    #[inline(always)]
    pub(super) fn is_valid(&self, bits: usize, weights: usize) -> bool {
        let inside = |i: usize| {
            let (o, k, s, d) = (self.output[i], self.kernel[i], self.strides[i], self.dilations[i]);
            let extent = self.frame[i] + self.input[i] + self.frame[i + 2];
            // The last element under the last output, in the frame's coordinates.
            o > 0 && k > 0 && d > 0 && self.frame[i] >= self.pads[i] && {
                let last = (o - 1).checked_mul(s).zip((k - 1).checked_mul(d)).and_then(|(o, k)| o.checked_add(k));
                last.and_then(|last| last.checked_add(self.frame[i] - self.pads[i])).is_some_and(|last| last < extent)
            }
        };
        let small = self.frame.iter().chain(&self.input).chain(&self.pads).all(|&e| e < 1 << 24);
        small
            && inside(0)
            && inside(1)
            && self.groups > 0
            && self.channels > 0
            && self.output[2] > 0
            && self.output[2].is_multiple_of(self.groups)
            && fits(&[self.n, self.output[0], self.output[1], self.output[2]])
            && fits(&[
                self.n,
                self.frame[0] + self.input[0] + self.frame[2],
                self.frame[1] + self.input[1] + self.frame[3],
                self.groups,
                self.words(),
            ])
            && fits(&[self.kernel[0], self.kernel[1], self.words(), 16, self.output[2].ceil_over(16) + self.groups])
            && bits >= self.n * self.image_words()
            && weights >= self.groups * self.group_outputs().ceil_over(16) * self.block_words()
    }
    /// The taps along an axis (0: vertical, 1: horizontal) that count for output `o`.
    #[inline(always)]
    pub(super) fn taps(&self, i: usize, o: usize) -> Range<usize> {
        if self.zero_padding { self.axis(i).taps(o) } else { 0..self.kernel[i] }
    }

    /// The columns, all of whose taps count.
    #[inline(always)]
    pub(super) fn interior(&self) -> Range<usize> {
        let width = self.output[1];
        if self.zero_padding { self.axis(1).interior(width) } else { 0..width }
    }

    /// Whether only the first column has taps left of the image, and only the last one right of it.
    #[inline(always)]
    pub(super) fn is_thin(&self) -> bool {
        let width = self.output[1];
        width > 1 && self.taps(1, 1).start == 0 && self.taps(1, width - 2).end == self.kernel[1]
    }

    /// Words between a pixel's first tap and the end of the last tap of the pixel `pixels - 1` steps further right.
    #[inline(always)]
    pub(super) const fn span(&self, pixels: usize) -> usize {
        (self.kernel[0] - 1) * self.dilations[0] * self.row_words()
            + (self.kernel[1] - 1) * self.dilations[1] * self.pixel_words()
            + (pixels - 1) * self.step()
            + self.words()
    }
}

/// A geometry known at compile time.
pub trait Taps {
    /// The geometry.
    const SHAPE: BinaryShape;
}
