//! The geometry of a real-valued convolution.

use super::window::{Axis, fits};
use crate::parts::{Count, over};

/// Geometry of a real-valued convolution over a dense `[n][h][w][c]` tensor. A fully connected layer over m rows is one
/// with input `[1, m, k]`, output `[1, m, c]` and a 1x1 kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealShape {
    /// Images.
    pub n: usize,
    /// Height, width, channels of all groups.
    pub input: [usize; 3],
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
    /// Groups.
    pub groups: usize,
}

impl RealShape {
    #[inline(always)]
    pub(crate) const fn axis(&self, i: usize) -> Axis {
        Axis {
            input: self.input[i],
            kernel: self.kernel[i],
            stride: self.strides[i],
            dilation: self.dilations[i],
            pad: self.pads[i],
        }
    }

    /// Input channels of one group.
    #[inline(always)]
    pub(crate) const fn group_inputs(&self) -> usize {
        over(self.input[2], self.groups)
    }

    /// Output channels of one group.
    #[inline(always)]
    pub(crate) const fn group_outputs(&self) -> usize {
        over(self.output[2], self.groups)
    }

    /// Rows of 16 weights of one block of 16 output channels.
    #[inline(always)]
    pub(crate) const fn block_rows(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.group_inputs()
    }

    /// Whether the extents make sense and no index overflows.
    #[inline(always)]
    pub(crate) fn is_valid(&self) -> bool {
        let [h, w, c] = self.input;
        let [oh, ow, oc] = self.output;
        let axis = |i: usize| {
            let a = self.axis(i);
            let last = a.stride.checked_mul(self.output[i]).zip(a.dilation.checked_mul(a.kernel));
            last.and_then(|(o, k)| o.checked_add(k)).is_some() && a.input.checked_add(a.pad).is_some()
        };
        self.groups > 0
            && c.is_multiple_of(self.groups)
            && oc.is_multiple_of(self.groups)
            && c > 0
            && oc > 0
            && self.kernel[0] > 0
            && self.kernel[1] > 0
            && axis(0)
            && axis(1)
            && fits(&[self.n, h, w, c])
            && fits(&[self.n, oh, ow, oc])
            && fits(&[self.kernel[0], self.kernel[1], self.input[2], 16, oc.ceil_over(16) + self.groups])
    }
}
