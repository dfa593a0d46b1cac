//! Binary convolution: exact integer dot products of packed signs, k - 2 * popcount(x ^ w).
//!
//! Sixteen output channels are the lanes of a vector; a word of the input is broadcast to all of them, so there are
//! no horizontal sums. For each 16 output channels the driver walks over all pixels, so that their weights stay in
//! the nearest cache. Taps in zero padding are left out, not corrected: k is the number of signs that were compared.

use super::binary_dot::{self, Rows};
use super::binary_shape::{BinaryShape, Taps};
use super::tile::{At, Epilogue, band_of, prefetch_part};
use crate::level::Level;
use crate::parts::{Count, parts, steps};
use crate::simd::Simd;
use crate::weights::Le;

/// A binary convolution whose geometry is known at compile time; tiles of P pixels.
///
/// `bits`: packed signs with the frame of `T::SHAPE`. `weights`: for each group, for each 16 output channels of the
/// group, `[kh][kw][words][16]`, zero words where there is no channel; bit i of word j is channel 64 j + i of the
/// group; bits behind the last channel are 0 in both operands. Calls nothing when the operands do not fit the shape.
#[inline(always)]
pub fn binary_conv<T: Taps, S: Simd, E: Epilogue, const P: usize>(
    s: S,
    bits: &[u64],
    weights: &[Le<u64>],
    epilogue: &mut E,
) {
    binary_conv_with::<S, E, P>(s, &T::SHAPE, bits, weights, epilogue);
}

/// [`binary_conv`] of a geometry known only at run time.
#[inline(always)]
pub fn binary_conv_with<S: Simd, E: Epilogue, const P: usize>(
    s: S,
    shape: &BinaryShape,
    bits: &[u64],
    weights: &[Le<u64>],
    epilogue: &mut E,
) {
    const { assert!(P <= 8, "tiles of more pixels are not unrolled") };
    let weights = weights.as_chunks::<16>().0;
    if !shape.is_valid(bits.len(), weights.len()) {
        return;
    }
    let conv = Conv { s, shape, bits };
    if shape.groups == 1 || shape.group_outputs().is_multiple_of(16) {
        let size = shape.block_words();
        for (i, block) in parts(weights, size).enumerate() {
            let channel = i * 16;
            if channel >= shape.output[2] {
                break;
            }
            let group = if shape.groups == 1 { 0 } else { channel.over(shape.group_outputs()) };
            let next = weights.get((i + 1) * size..).and_then(|w| w.get(..size)).unwrap_or_default();
            conv.block::<E, P>(group, channel, block, next, epilogue);
        }
    } else {
        for channel in steps(shape.output[2], 16) {
            conv.mixed_block(channel, weights, epilogue);
        }
    }
}

/// The body for each pixel of a tile of `$n`, at most 8, its index a constant: the counters of a tile can only stay in
/// registers when no loop runs over them, and the body is too large for the compiler to unroll it by itself.
macro_rules! unrolled {
    ($n:expr, $p:ident => $body:block) => {
        unrolled!($n, $p => $body, 0 1 2 3 4 5 6 7)
    };
    ($n:expr, $p:ident => $body:block, $($i:literal)*) => {
        $(if const { $i < $n } {
            let $p = const { if $i < $n { $i } else { 0 } };
            $body
        })*
    };
}

struct Conv<'a, S> {
    s: S,
    shape: &'a BinaryShape,
    bits: &'a [u64],
}

impl<S: Simd> Conv<'_, S> {
    /// The words from the first tap of an output pixel on.
    #[inline(always)]
    fn first_tap(&self, group: usize, image: usize, y: usize, x: usize) -> &[u64] {
        let shape = self.shape;
        let row = y * shape.strides[0] + shape.frame[0] - shape.pads[0];
        let column = x * shape.strides[1] + shape.frame[1] - shape.pads[1];
        let at = image * shape.image_words() + row * shape.row_words() + column * shape.pixel_words();
        self.bits.get(at + group * shape.words()..).unwrap_or_default()
    }

    /// Signs under so many rows and columns of taps.
    #[inline(always)]
    fn signs(&self, rows: usize, columns: usize) -> S::F {
        self.s.splat((rows * columns * self.shape.channels) as f32)
    }

    /// The dot products of one pixel.
    #[inline(always)]
    fn pixel(&self, group: usize, image: usize, y: usize, x: usize, w: Rows<'_>) -> S::F {
        let (rows, columns) = (self.shape.taps(0, y), self.shape.taps(1, x));
        let signs = self.signs(rows.len(), columns.len());
        let acc = binary_dot::pixel(self.s, self.shape, self.first_tap(group, image, y, x), w, rows, columns);
        self.s.dot(acc, signs)
    }

    /// All pixels of 16 output channels that belong to one group.
    #[inline(always)]
    fn block<E: Epilogue, const P: usize>(
        &self,
        group: usize,
        channel: usize,
        w: Rows<'_>,
        next: Rows<'_>,
        epilogue: &mut E,
    ) {
        let shape = self.shape;
        let [height, width, _] = shape.output;
        // Where tiles may lie: anywhere, when only their first and last pixel can be special.
        let tiles = if shape.is_thin() { 0..width } else { shape.interior() };
        for image in 0..shape.n {
            let band = band_of(epilogue, image, height);
            for y in band.clone() {
                if height > 1 {
                    prefetch_part(self.s, next, y - band.start, band.len());
                }
                let mut at = At::start(epilogue, [height, width], image, y, channel);
                epilogue.start_row(self.s, at);
                // A constant condition, so that the loops are not even compiled where it is false.
                if const { P > 1 && S::TILES > 1 } {
                    while at.x < tiles.start {
                        self.single(group, w, &mut at, epilogue);
                    }
                    while at.x + P <= tiles.end {
                        self.tile::<E, P>(group, w, &mut at, epilogue);
                    }
                }
                while at.x < width {
                    self.single(group, w, &mut at, epilogue);
                }
                epilogue.end_row(self.s, at);
            }
        }
    }

    #[inline(always)]
    fn single<E: Epilogue>(&self, group: usize, w: Rows<'_>, at: &mut At, epilogue: &mut E) {
        epilogue.tile(self.s, self.pixel(group, at.image, at.y, at.x, w), *at);
        at.x += 1;
        at.pixel += 1;
    }

    /// P pixels.
    #[inline(always)]
    fn tile<E: Epilogue, const P: usize>(&self, group: usize, w: Rows<'_>, at: &mut At, epilogue: &mut E) {
        let (s, shape) = (self.s, self.shape);
        let width = shape.output[1];
        let rows = shape.taps(0, at.y);
        let x = self.first_tap(group, at.image, at.y, at.x);
        let columns = |x: usize| shape.taps(1, x).len();
        let inner = self.signs(rows.len(), shape.kernel[1]);
        let left = columns(0) < shape.kernel[1] && (P == width || at.x == 0);
        let right = columns(width - 1) < shape.kernel[1] && (P == width || at.x + P == width);
        let first = if left { self.signs(rows.len(), columns(0)) } else { inner };
        let last = if right { self.signs(rows.len(), columns(width - 1)) } else { inner };
        let cut = [
            if left { shape.kernel[1] - columns(0) } else { 0 },
            if right { shape.kernel[1] - columns(width - 1) } else { 0 },
        ];
        // Where counters are wide, one code for all cases, whose loops the compiler leaves rolled: unrolled, the registers do not
        // suffice. Narrow counters must know at compile time when they are full, and loops over a few words pay only unrolled.
        let rolled = matches!(S::LEVEL, Level::Avx512) && shape.kernel[1] * shape.words() >= 4;
        let acc = match (left, right) {
            _ if rolled => binary_dot::tile::<S, P>(s, shape, x, w, rows, cut),
            // What cannot happen is not compiled.
            (false, false) => binary_dot::tile::<S, P>(s, shape, x, w, rows, [0, 0]),
            (true, false) => binary_dot::tile::<S, P>(s, shape, x, w, rows, [cut[0], 0]),
            (false, true) => binary_dot::tile::<S, P>(s, shape, x, w, rows, [0, cut[1]]),
            (true, true) if P == width => binary_dot::tile::<S, P>(s, shape, x, w, rows, cut),
            (true, true) => return,
        };
        unrolled!(P, p => {
            let signs = if p == 0 { first } else if p + 1 == P { last } else { inner };
            epilogue.tile(s, s.dot(acc[p], signs), *at);
            at.x += 1;
            at.pixel += 1;
        });
    }

    /// All pixels of 16 output channels that belong to several groups, whose outputs do not come in sixteens: each
    /// group's 16 lanes are computed, and those in question are picked.
    #[inline(always)]
    fn mixed_block<E: Epilogue>(&self, channel: usize, weights: Rows<'_>, epilogue: &mut E) {
        let shape = self.shape;
        let s = self.s;
        let [height, width, channels] = shape.output;
        let outputs = shape.group_outputs();
        let block_words = shape.block_words();
        for image in 0..shape.n {
            for y in band_of(epilogue, image, height) {
                let mut at = At::start(epilogue, [height, width], image, y, channel);
                epilogue.start_row(s, at);
                while at.x < width {
                    let mut lanes = [0.0; 16];
                    let mut filled = 0;
                    while filled < 16 && channel + filled < channels {
                        let c = channel + filled;
                        let (group, inner) = (c.over(outputs), c.beyond(outputs));
                        let number = group * outputs.ceil_over(16) + inner / 16;
                        let w = weights.get(number * block_words..(number + 1) * block_words).unwrap_or_default();
                        let v = s.to_array(self.pixel(group, image, y, at.x, w));
                        // Up to the end of this block, of its group, of this tile.
                        let first = inner % 16;
                        let run = (16 - first).min(outputs - inner).min(16 - filled);
                        let from = v.iter().skip(first).take(run);
                        for (lane, &v) in lanes.iter_mut().skip(filled).zip(from) {
                            *lane = v;
                        }
                        filled += run;
                    }
                    epilogue.tile(s, s.from_array(lanes), at);
                    at.x += 1;
                    at.pixel += 1;
                }
                epilogue.end_row(s, at);
            }
        }
    }
}
