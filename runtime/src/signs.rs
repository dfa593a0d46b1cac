//! Packed sign bits as emitted loops write them: rows of pixels of 64-bit words, within a frame of padding.

use core::marker::PhantomData;
use core::ops::Range;

use crate::lanes::LANES;
use crate::parts::{over, words};
use crate::table::Table;
use crate::team::Part;

/// A pixel's words; bit `i` of word `j` of a group is channel `64 * j + i` of it, 1 for +1; bits behind the last are 0.
type Pixel<const N: usize> = [u64; N];

/// Where the quarter of a word that holds its bits `16 * i..` lies in memory.
#[inline(always)]
const fn quarter(i: usize) -> usize {
    if cfg!(target_endian = "big") { i ^ 3 } else { i }
}

/// The sign bits of a tensor of C channels in groups of G, in N words a pixel and rows of W pixels, I of them inside the frame, to be
/// written; or the part of it that one thread has.
// Both widths are types, so that no loop over a row compares its pixels with them.
#[derive(Debug)]
pub struct SignsMut<'a, const W: usize, const I: usize, const N: usize, const C: usize, const G: usize> {
    /// The first pixel of row 0 that is not in the frame.
    first: *mut Pixel<N>,
    rows: Range<usize>,
    blocks: Range<usize>,
    of: PhantomData<&'a mut Pixel<N>>,
}

// SAFETY: it is an exclusive reference to some of the bits of a tensor, none of which shares 16 bits with another part's.
unsafe impl<const W: usize, const I: usize, const N: usize, const C: usize, const G: usize> Send
    for SignsMut<'_, W, I, N, C, G>
{
}

impl<'a, const W: usize, const I: usize, const N: usize, const C: usize, const G: usize> SignsMut<'a, W, I, N, C, G> {
    /// All of it, the frame (top, left, bottom, right) filled with `ones` or zeros, and zeros wherever blocks do not fill whole
    /// words. No rows where the frame leaves another width than I.
    #[inline(always)]
    pub fn new(rows: &'a mut [[Pixel<N>; W]], [top, left, bottom, right]: [usize; 4], ones: bool) -> Self {
        const { assert!(G > 0 && C.is_multiple_of(G) && N == C / G * words(G), "the words of a pixel hold its groups") };
        let height = rows.len().saturating_sub(top.saturating_add(bottom));
        let width = W.saturating_sub(left.saturating_add(right));
        prepare::<W, N, G>(rows, [top, left], [height, width], ones);
        let inside = rows.get_mut(top..).and_then(|rows| rows.as_flattened_mut().get_mut(left..)).unwrap_or_default();
        let height = if width == I && I > 0 { height } else { 0 };
        Self { first: inside.as_mut_ptr(), rows: 0..height, blocks: 0..C.div_ceil(LANES), of: PhantomData }
    }

    /// 16 channels of a row; nothing where this part has none.
    #[inline(always)]
    pub fn line(&mut self, row: usize, block: usize) -> SignLine<'_, I, N, C, G> {
        let here =
            self.rows.start <= row && row < self.rows.end && self.blocks.start <= block && block < self.blocks.end;
        if here {
            // SAFETY: `row` is one of the tensor's rows inside the frame.
            let first = unsafe { self.first.add(row * W) };
            let whole = self.blocks == (0..C.div_ceil(LANES));
            SignLine { first, here, block, whole, of: PhantomData }
        } else {
            SignLine { first: core::ptr::dangling_mut(), here, block, whole: false, of: PhantomData }
        }
    }
}

impl<const W: usize, const I: usize, const N: usize, const C: usize, const G: usize> Part
    for SignsMut<'_, W, I, N, C, G>
{
    #[inline(always)]
    fn split_rows(self, row: usize) -> (Self, Self) {
        let Range { start, end } = self.rows;
        let row = row.max(start).min(end);
        (Self { rows: start..row, blocks: self.blocks.clone(), ..self }, Self { rows: row..end, ..self })
    }

    #[inline(always)]
    fn split_blocks(self, block: usize) -> (Self, Self) {
        let Range { start, end } = self.blocks;
        // Blocks that do not begin on 16 bits of their own cannot be written at the same time.
        let block = if Self::ALIGNED { block.max(start).min(end) } else { end };
        (Self { blocks: start..block, rows: self.rows.clone(), ..self }, Self { blocks: block..end, ..self })
    }
}

impl<const W: usize, const I: usize, const N: usize, const C: usize, const G: usize> SignsMut<'_, W, I, N, C, G> {
    /// Whether no two blocks share 16 bits of a word.
    const ALIGNED: bool = C == G || G.is_multiple_of(LANES);
}

/// The signs of 16 channels of a pixel, a bit each; 0 behind the last.
#[inline(always)]
pub fn signs_of<const N: usize, const C: usize, const G: usize>(pixel: &Table<u64, N>, block: usize) -> u16 {
    let mut mask = 0;
    let channel = block * LANES;
    for (i, c) in (channel..C.min(channel + LANES)).enumerate() {
        let (group, inner) = (over(c, G), c % if G == 0 { 1 } else { G });
        mask |= ((pixel[group * words(G) + inner / 64] >> (inner % 64) & 1) as u16) << i;
    }
    mask
}

/// 16 channels of a row of [`SignsMut`].
#[derive(Debug)]
pub struct SignLine<'a, const I: usize, const N: usize, const C: usize, const G: usize> {
    first: *mut Pixel<N>,
    /// Whether there is such a line.
    here: bool,
    block: usize,
    /// Whether the part has all blocks of its pixels.
    #[allow(dead_code)] // A network that sets no whole words does without what reads it.
    whole: bool,
    of: PhantomData<&'a mut Pixel<N>>,
}

impl<const I: usize, const N: usize, const C: usize, const G: usize> SignLine<'_, I, N, C, G> {
    /// Writes a word of pixel `x`: all of its channels.
    #[inline(always)]
    pub fn set_word(&mut self, x: usize, word: usize, bits: u64) {
        if x < I && word < N && self.whole {
            // SAFETY: a word of one of the I pixels of a line that is there, all of whose blocks are this part's.
            unsafe { *self.first.add(x).cast::<u64>().add(word) = bits }
        }
    }

    /// Sets those of pixel `x`: bit `i` of the mask is channel `16 * block + i`. What is behind the last channel is left out.
    #[inline(always)]
    pub fn set(&mut self, x: usize, mask: u16) {
        self.set_some(x, u16::MAX, mask);
    }

    /// The same of some lanes, a bit for each; the others stay.
    #[inline(always)]
    pub fn set_some(&mut self, x: usize, lanes: u16, mask: u16) {
        if !self.here || x >= I {
            return;
        }
        // SAFETY: the line's I pixels exist.
        let pixel = unsafe { self.first.add(x).cast::<u16>() };
        let channel = self.block * LANES;
        if C == G || G.is_multiple_of(LANES) {
            let (group, inner) =
                if C == G { (0, channel) } else { (over(channel, G), channel % if G == 0 { 1 } else { G }) };
            let rest = G.saturating_sub(inner);
            let mask = if !G.is_multiple_of(LANES) && rest < LANES { mask & ((1 << rest) - 1) } else { mask };
            let word = group * words(G) + inner / 64;
            // SAFETY: a quarter of one of the N words of a pixel, which only this line writes: blocks begin on 16 bits of
            // their own, and a block that exists is inside its group.
            let place = unsafe { &mut *pixel.add(word * 4 + quarter(inner / LANES % 4)) };
            let mask = if lanes == u16::MAX { mask } else { *place & !lanes | mask & lanes };
            if cfg!(target_arch = "x86_64") {
                // As bytes, as AVX2 has them: of one number LLVM would put both vectors into one first, which takes longer.
                let bytes = (&raw mut *place).cast::<u8>();
                // SAFETY: the two bytes of the quarter.
                unsafe { (*bytes, *bytes.add(1)) = (mask as u8, (mask >> 8) as u8) }
            } else {
                *place = mask;
            }
        } else {
            // A block may span groups, each of which starts on a word of its own.
            for (i, c) in (channel..C.min(channel + LANES)).enumerate().filter(|(i, _)| lanes >> i & 1 == 1) {
                let (group, inner) = (over(c, G), c % if G == 0 { 1 } else { G });
                let word = group * words(G) + inner / 64;
                let bit = 1 << (inner % LANES);
                // SAFETY: as above; such blocks belong to one thread.
                unsafe {
                    let place = pixel.add(word * 4 + quarter(inner / LANES % 4));
                    *place = if mask >> i & 1 == 1 { *place | bit } else { *place & !bit };
                }
            }
        }
    }
}

/// Writes the frame; zeros the inside where blocks do not cover every bit of every word.
#[inline(always)]
fn prepare<const W: usize, const N: usize, const G: usize>(
    rows: &mut [[Pixel<N>; W]],
    [top, left]: [usize; 2],
    [height, width]: [usize; 2],
    ones: bool,
) {
    if !G.is_multiple_of(64) {
        rows.as_flattened_mut().as_flattened_mut().fill(0);
        if !ones {
            return;
        }
    } else if top == 0 && left == 0 && width == W && height == rows.len() {
        return;
    }
    let bottom = top.saturating_add(height);
    for (y, row) in rows.iter_mut().enumerate() {
        if y < top || y >= bottom {
            frame::<N, G>(row, ones);
        } else {
            frame::<N, G>(row.get_mut(..left).unwrap_or_default(), ones);
            frame::<N, G>(row.get_mut(left.saturating_add(width)..).unwrap_or_default(), ones);
        }
    }
}

/// Fills whole pixels with the frame's bits.
#[inline(always)]
fn frame<const N: usize, const G: usize>(pixels: &mut [Pixel<N>], ones: bool) {
    for pixel in pixels {
        for (word, bits) in pixel.iter_mut().enumerate() {
            // Words of the group that are full; the last may not be.
            let last = (word + 1) % words(G).max(1) == 0;
            let full = if last && !G.is_multiple_of(64) { (1 << (G % 64)) - 1 } else { u64::MAX };
            *bits = if ones { full } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    /// Every bit of every channel, in parts, beside a frame; C channels in groups of G.
    fn check<const N: usize, const C: usize, const G: usize>(ones: bool) {
        let sign = |y: usize, x: usize, c: usize| (y * 31 + x * 17 + c * 7 + c / 5).is_multiple_of(3);
        for row in 0..4 {
            for block in 0..4 {
                let mut rows = [[[0xdead_beef_u64; N]; 6]; 5];
                let signs = SignsMut::<6, 3, N, C, G>::new(&mut rows, [1, 2, 1, 1], ones);
                let (a, b) = signs.split_rows(row);
                let ((a, c), (b, d)) = (a.split_blocks(block), b.split_blocks(block));
                for mut part in [a, b, c, d] {
                    for y in 0..4 {
                        for block in 0..C.div_ceil(16) + 1 {
                            let mut line = part.line(y, block);
                            for x in 0..4 {
                                // Lanes behind the last channel hold anything.
                                let mask = (0..16).fold(0, |mask, i| {
                                    let c = block * 16 + i;
                                    mask | u16::from(c >= C || sign(y, x, c)) << i
                                });
                                line.set(x, mask);
                            }
                        }
                    }
                }
                for (y, pixels) in rows.iter().enumerate() {
                    for (x, pixel) in pixels.iter().enumerate() {
                        let mut expected = [0; N];
                        let inside = (1..4).contains(&y) && (2..5).contains(&x);
                        for c in 0..C {
                            let bit = if inside { sign(y - 1, x - 2, c) } else { ones };
                            expected[c / G * G.div_ceil(64) + c % G / 64] |= u64::from(bit) << (c % G % 64);
                        }
                        assert_eq!(*pixel, expected, "{C} channels in groups of {G}: pixel {y}, {x}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_bit_is_in_its_place() {
        for ones in [false, true] {
            check::<1, 64, 64>(ones);
            check::<1, 20, 20>(ones);
            check::<2, 100, 100>(ones);
            check::<2, 64, 32>(ones);
            check::<3, 30, 10>(ones);
            check::<4, 140, 70>(ones);
        }
    }
}
