//! Packed sign bits: `[n][top + h + bottom][left + w + right][group][word]` of 64-bit words; bit `i` of word `j` is
//! channel `64 * j + i` of its group, 1 for +1; bits behind the last channel of a group are 0.

use crate::generic::tile::At;
use crate::parts::{Count, parts_mut, words};
use crate::team::cut_mut;

/// Extents of packed sign bits, in pixels and channels, and the frame of padding around each image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitShape {
    /// Images.
    pub n: usize,
    /// Height, without the frame.
    pub h: usize,
    /// Width, without the frame.
    pub w: usize,
    /// Channels of all groups.
    pub c: usize,
    /// Groups of channels, each of which starts on a word.
    pub groups: usize,
    /// Top, left, bottom, right.
    pub frame: [usize; 4],
    /// Whether the channels of the frame are 1 (+1) instead of 0.
    pub frame_ones: bool,
}

impl BitShape {
    /// Channels of one group.
    #[inline(always)]
    pub const fn group_channels(&self) -> usize {
        match self.c.checked_div(self.groups) {
            Some(channels) => channels,
            None => 0,
        }
    }

    /// Words of one group of a pixel.
    #[inline(always)]
    pub const fn words_per_group(&self) -> usize {
        words(self.group_channels())
    }

    /// Words of a pixel.
    #[inline(always)]
    pub const fn pixel_words(&self) -> usize {
        self.groups * self.words_per_group()
    }

    /// Words of a row, frame included.
    #[inline(always)]
    pub const fn row_words(&self) -> usize {
        (self.frame[1] + self.w + self.frame[3]) * self.pixel_words()
    }

    /// Words of all images, frames included.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.n * (self.frame[0] + self.h + self.frame[2]) * self.row_words()
    }

    /// True when there is no word.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Packed sign bits being written, tile by tile: those of all rows, or of a band of them.
#[derive(Debug)]
pub struct BitsMut<'a> {
    /// The words from the first pixel row on (behind the frame above it), as quarters, so that the 16 bits of a tile are one
    /// store.
    quarters: &'a mut [u16],
    /// Image of the first row.
    image: usize,
}

/// Where the quarter of a word that holds its bits `16 * i..` lies in memory.
#[inline(always)]
const fn quarter(i: usize) -> usize {
    if cfg!(target_endian = "big") { i ^ 3 } else { i }
}

impl<'a> BitsMut<'a> {
    /// Writes the frame, and zeros wherever tiles do not write whole words. When there are fewer words than
    /// [`BitShape::len`], nothing is ever written.
    #[inline(always)]
    pub fn new(words: &'a mut [u64], shape: &BitShape) -> Self {
        let words = words.get_mut(..shape.len()).unwrap_or_default();
        prepare(words, shape);
        let words = words.get_mut(shape.frame[0] * shape.row_words()..).unwrap_or_default();
        // SAFETY: the same memory as four times as many u16; their alignment is smaller and every bit pattern is a
        // value of both types. The exclusive borrow of the words moves into the new slice.
        let quarters = unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u16>(), words.len() * 4) };
        Self { quarters, image: 0 }
    }

    /// The first `rows` rows of a band that begins at row `first` of all images, and the rest; `shape` is that of
    /// [`BitsMut::new`].
    #[inline(always)]
    pub fn cut(self, shape: &BitShape, first: usize, rows: usize) -> (Self, Self) {
        let image = first.saturating_add(rows).checked_div(shape.h).unwrap_or(0);
        let between = image.saturating_sub(self.image).saturating_mul(shape.frame[0] + shape.frame[2]);
        let words = rows.saturating_add(between).saturating_mul(shape.row_words());
        let (first, rest) = cut_mut(self.quarters, words.saturating_mul(4));
        (Self { quarters: first, image: self.image }, Self { quarters: rest, image })
    }

    /// Sets the bits of 16 channels: bit `i` of the mask is channel `at.channel + i`. Channels behind the last are
    /// left out. `shape` is that of [`BitsMut::new`]; it comes with each call, as a constant, because divisions by what
    /// is only read from memory would take longer than the tile.
    #[inline(always)]
    pub fn set(&mut self, shape: &BitShape, at: At, mask: u16) {
        // Wrapping, as a place far outside must not panic; where it leads to is checked below.
        let mut row = at.row;
        // A constant condition: a single image has no frames between its rows.
        if shape.n > 1 {
            let frames = at.image.wrapping_sub(self.image).wrapping_mul(shape.frame[0] + shape.frame[2]);
            row = row.wrapping_add(frames);
        }
        let columns = shape.frame[1] + shape.w + shape.frame[3];
        let column = row.wrapping_mul(columns).wrapping_add(shape.frame[1]).wrapping_add(at.x);
        let pixel = column.wrapping_mul(shape.pixel_words());
        let channels = shape.group_channels();
        if channels == 0 {
            return;
        }
        if shape.groups == 1 || channels.is_multiple_of(16) {
            let (group, channel) = if shape.groups == 1 {
                (0, at.channel)
            } else {
                (at.channel.over(channels), at.channel.beyond(channels))
            };
            if channel >= channels || group >= shape.groups {
                return;
            }
            let rest = channels - channel;
            let mask = if rest < 16 { mask & ((1 << rest) - 1) } else { mask };
            let word = pixel.wrapping_add(group * shape.words_per_group() + channel / 64);
            if let Some(bits) = self.quarters.get_mut(word.wrapping_mul(4).wrapping_add(quarter(channel / 16 % 4))) {
                *bits = mask;
            }
        } else {
            // A tile may span groups, each of which starts on a word of its own.
            for (i, c) in (at.channel..shape.c.min(at.channel.saturating_add(16))).enumerate() {
                let (group, channel) = (c.over(channels), c.beyond(channels));
                let word = pixel.wrapping_add(group * shape.words_per_group() + channel / 64);
                if let Some(bits) = self.quarters.get_mut(word.wrapping_mul(4).wrapping_add(quarter(channel / 16 % 4)))
                {
                    let bit = 1 << (channel % 16);
                    *bits = if mask >> i & 1 == 1 { *bits | bit } else { *bits & !bit };
                }
            }
        }
    }
}

impl BitsMut<'_> {
    /// Writes a whole word, counted from the first pixel row on.
    pub(crate) fn set_word(&mut self, word: usize, bits: u64) {
        for i in 0..4 {
            if let Some(q) = self.quarters.get_mut(word * 4 + quarter(i)) {
                *q = (bits >> (16 * i)) as u16;
            }
        }
    }
}

/// Writes the frame; zeros the inside where tiles do not cover every bit of every word.
#[inline(always)]
fn prepare(words: &mut [u64], shape: &BitShape) {
    if !shape.group_channels().is_multiple_of(64) {
        words.fill(0);
    }
    let [top, left, bottom, right] = shape.frame;
    let (pixel, row) = (shape.pixel_words(), shape.row_words());
    if top + left + bottom + right == 0 || pixel == 0 || row == 0 || words.is_empty() {
        return;
    }
    let rows = top + shape.h + bottom;
    for image in parts_mut(words, rows * row) {
        for (y, line) in parts_mut(image, row).enumerate() {
            if y < top || y >= top + shape.h {
                frame(line, shape);
            } else {
                frame(line.get_mut(..left * pixel).unwrap_or_default(), shape);
                frame(line.get_mut((left + shape.w) * pixel..).unwrap_or_default(), shape);
            }
        }
    }
}

/// Fills whole pixels with the frame's bits.
#[inline(always)]
fn frame(pixels: &mut [u64], shape: &BitShape) {
    if !shape.frame_ones {
        pixels.fill(0);
    } else if shape.group_channels().is_multiple_of(64) {
        pixels.fill(u64::MAX);
    } else {
        let last = (1u64 << (shape.group_channels() % 64)) - 1;
        for group in parts_mut(pixels, shape.words_per_group()) {
            group.fill(u64::MAX);
            if let Some(word) = group.last_mut() {
                *word = last;
            }
        }
    }
}
