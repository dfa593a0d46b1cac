//! Binary convolution: exact integer dot products of packed signs, k - 2 * popcount(x ^ w).
//!
//! Sixteen output channels are the lanes of a vector; a word of the input is broadcast to all of them, so there are
//! no horizontal sums. For each 16 output channels the driver walks over all pixels, so that their weights stay in
//! the nearest cache.

use core::marker::PhantomData;
use core::ops::Range;

use super::tile::{At, Epilogue, band_of, prefetch_part};
use super::window::{Axis, fits};
use crate::simd::Simd;
use crate::weights::Le;

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
    /// Padded taps count nothing (their bits in the frame must be 0) instead of the frame's +1 or -1.
    pub zero_padding: bool,
}

impl BinaryShape {
    /// Words of one group of a pixel.
    #[inline(always)]
    pub const fn words(&self) -> usize {
        self.channels.div_ceil(64)
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
    const fn group_outputs(&self) -> usize {
        match self.output[2].checked_div(self.groups) {
            Some(outputs) => outputs,
            None => 0,
        }
    }

    /// Rows of 16 weight words of one block of 16 output channels.
    #[inline(always)]
    const fn block_words(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.words()
    }

    #[inline(always)]
    const fn axis(&self, i: usize) -> Axis {
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
    fn is_valid(&self, bits: usize, weights: usize) -> bool {
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
            && fits(&[self.kernel[0], self.kernel[1], self.words(), 16, self.output[2].div_ceil(16) + self.groups])
            && bits >= self.n * self.image_words()
            && weights >= self.groups * self.group_outputs().div_ceil(16) * self.block_words()
    }
}

/// The inner loops of one geometry, unrolled by whoever knows it.
pub trait Taps {
    /// The geometry.
    const SHAPE: BinaryShape;

    /// Counts the differing bits of P neighbouring output pixels and 16 output channels, over all taps.
    /// `x` starts at the word of the first pixel's first tap; `w` is `[kh * kw * words]` rows of 16 words.
    fn dot<S: Simd, const P: usize>(s: S, x: &[u64], w: &[[Le<u64>; 16]]) -> [S::Acc; P];
}

/// [`Taps`] of a geometry known only at run time.
pub trait Dot {
    /// As [`Taps::dot`].
    fn dot<S: Simd, const P: usize>(&self, s: S, x: &[u64], w: &[[Le<u64>; 16]]) -> [S::Acc; P];
}

struct OfTaps<T>(PhantomData<T>);

impl<T: Taps> Dot for OfTaps<T> {
    #[inline(always)]
    fn dot<S: Simd, const P: usize>(&self, s: S, x: &[u64], w: &[[Le<u64>; 16]]) -> [S::Acc; P] {
        T::dot::<S, P>(s, x, w)
    }
}

/// Any geometry, by loops over its taps.
#[derive(Clone, Copy, Debug)]
pub struct Looped(pub BinaryShape);

impl Dot for Looped {
    #[inline(always)]
    fn dot<S: Simd, const P: usize>(&self, s: S, x: &[u64], w: &[[Le<u64>; 16]]) -> [S::Acc; P] {
        let shape = &self.0;
        let mut acc = [s.acc_zero(); P];
        let words = shape.words();
        let pixel = shape.pixel_words();
        for ky in 0..shape.kernel[0] {
            for kx in 0..shape.kernel[1] {
                let x_at = ky * shape.dilations[0] * shape.row_words() + kx * shape.dilations[1] * pixel;
                let w_at = (ky * shape.kernel[1] + kx) * words;
                run_with(s, &mut acc, x, x_at, words, shape.step(), w, w_at);
            }
        }
        acc
    }
}

/// [`Taps::dot`] by loops, for a geometry that is not worth unrolling.
#[inline(always)]
pub fn looped_dot<T: Taps, S: Simd, const P: usize>(s: S, x: &[u64], w: &[[Le<u64>; 16]]) -> [S::Acc; P] {
    Looped(T::SHAPE).dot::<S, P>(s, x, w)
}

/// Counts over `LEN` neighbouring words: pixel p compares `x[x_at + p * STEP + j]` with `w[w_at + j]`. Counts nothing
/// when they do not all exist.
#[inline(always)]
pub fn run<S: Simd, const P: usize, const LEN: usize, const STEP: usize>(
    s: S,
    acc: &mut [S::Acc; P],
    x: &[u64],
    x_at: usize,
    w: &[[Le<u64>; 16]],
    w_at: usize,
) {
    run_with(s, acc, x, x_at, LEN, STEP, w, w_at);
}

/// [`run`] with a length and a step known only at run time.
#[allow(clippy::too_many_arguments)] // the operands of one instruction, so to say
#[inline(always)]
pub fn run_with<S: Simd, const P: usize>(
    s: S,
    acc: &mut [S::Acc; P],
    x: &[u64],
    x_at: usize,
    len: usize,
    step: usize,
    w: &[[Le<u64>; 16]],
    w_at: usize,
) {
    let span = step.saturating_mul(P.saturating_sub(1)).saturating_add(len);
    let (Some(x), Some(w)) = (x.get(x_at..).and_then(|x| x.get(..span)), w.get(w_at..).and_then(|w| w.get(..len)))
    else {
        return;
    };
    // SAFETY: p < P and j < len, the length of `w`, so p * step + j < span, which is the length of `x`.
    s.xor_popcnt_run(acc, w, |p, j| unsafe { *x.get_unchecked(p * step + j) });
}

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
    binary_conv_with::<S, E, _, P>(s, &T::SHAPE, &OfTaps::<T>(PhantomData), bits, weights, epilogue);
}

/// [`binary_conv`] of a geometry known only at run time.
#[inline(always)]
pub fn binary_conv_with<S: Simd, E: Epilogue, D: Dot, const P: usize>(
    s: S,
    shape: &BinaryShape,
    dot: &D,
    bits: &[u64],
    weights: &[Le<u64>],
    epilogue: &mut E,
) {
    const { assert!(P <= 8, "tiles of more pixels are not unrolled") };
    let weights = weights.as_chunks::<16>().0;
    if !shape.is_valid(bits.len(), weights.len()) {
        return;
    }
    let conv = Conv { s, shape, dot, bits };
    if shape.groups == 1 || shape.group_outputs().is_multiple_of(16) {
        let size = shape.block_words();
        for (i, block) in weights.chunks_exact(size).enumerate() {
            let channel = i * 16;
            if channel >= shape.output[2] {
                break;
            }
            let group = if shape.groups == 1 { 0 } else { channel / shape.group_outputs() };
            let next = weights.get((i + 1) * size..).and_then(|w| w.get(..size)).unwrap_or_default();
            conv.block::<E, P>(group, channel, block, next, epilogue);
        }
    } else {
        for channel in (0..shape.output[2]).step_by(16) {
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

/// Taps whose population counts are kept at hand; those of larger kernels are counted again at each border pixel.
const CACHED_TAPS: usize = 25;

/// 0 before the range, 1 inside, 2 behind.
#[inline(always)]
fn place(range: &Range<usize>, i: usize) -> usize {
    usize::from(i >= range.start) + usize::from(i >= range.end)
}

struct Conv<'a, S, D> {
    s: S,
    shape: &'a BinaryShape,
    dot: &'a D,
    bits: &'a [u64],
}

/// 16 output channels of one group: their weights, how many bits each tap has set, and what is at hand of
/// [`Conv::signs`].
struct Block<'a, S: Simd, const CACHED: usize> {
    weights: &'a [[Le<u64>; 16]],
    tap_counts: [S::Acc; CACHED],
    /// By row and column, each of which is first, inside or last.
    signs: [[S::F; 3]; 3],
}

impl<S: Simd, D: Dot> Conv<'_, S, D> {
    #[inline(always)]
    fn prepare<'a>(&self, weights: &'a [[Le<u64>; 16]]) -> Block<'a, S, CACHED_TAPS> {
        let s = self.s;
        let [height, width, _] = self.shape.output;
        let all = s.splat((self.shape.kernel[0] * self.shape.kernel[1] * self.shape.channels) as f32);
        let mut block = Block { weights, tap_counts: [s.acc_zero(); CACHED_TAPS], signs: [[all; 3]; 3] };
        if self.corrects() {
            for (count, tap) in block.tap_counts.iter_mut().zip(weights.chunks_exact(self.shape.words())) {
                for w in tap {
                    *count = s.popcnt_w(*count, w);
                }
            }
            if self.is_thin() {
                let columns = [0, self.shape.axis(1).interior(width).start, width - 1];
                for (i, y) in [0, self.shape.axis(0).interior(height).start, height - 1].into_iter().enumerate() {
                    for (j, &x) in columns.iter().enumerate() {
                        block.signs[i][j] = self.signs(&block, y, x);
                    }
                }
            }
        }
        block
    }

    /// Whether there is a pixel with a tap outside the image that must not count.
    #[inline(always)]
    fn corrects(&self) -> bool {
        let interior = |i: usize| self.shape.axis(i).interior(self.shape.output[i]) == (0..self.shape.output[i]);
        self.shape.zero_padding && !(interior(0) && interior(1))
    }

    /// Whether the border is at most one pixel wide, so that [`Block::signs`] knows them all.
    #[inline(always)]
    fn is_thin(&self) -> bool {
        (0..2).all(|i| {
            let inside = self.shape.axis(i).interior(self.shape.output[i]);
            inside.start <= 1 && self.shape.output[i] - inside.end <= 1
        })
    }

    /// The words from the first tap of an output pixel on.
    #[inline(always)]
    fn first_tap(&self, group: usize, image: usize, y: usize, x: usize) -> &[u64] {
        let shape = self.shape;
        let row = y * shape.strides[0] + shape.frame[0] - shape.pads[0];
        let column = x * shape.strides[1] + shape.frame[1] - shape.pads[1];
        let at = image * shape.image_words() + row * shape.row_words() + column * shape.pixel_words();
        self.bits.get(at + group * shape.words()..).unwrap_or_default()
    }

    /// How many bits tap number `tap` has set.
    #[inline(always)]
    fn tap_count<const C: usize>(&self, block: &Block<'_, S, C>, tap: usize) -> S::Acc {
        if let Some(count) = block.tap_counts.get(tap) {
            return *count;
        }
        let words = self.shape.words();
        let mut count = self.s.acc_zero();
        for w in block.weights.iter().skip(tap * words).take(words) {
            count = self.s.popcnt_w(count, w);
        }
        count
    }

    /// What twice the counted bits are to be taken from, for the dot product: how many signs there are, and twice what
    /// was counted too much, for a frame of zeros differs from a weight wherever its bit is 1.
    #[inline(always)]
    fn signs<const C: usize>(&self, block: &Block<'_, S, C>, y: usize, x: usize) -> S::F {
        let s = self.s;
        let shape = self.shape;
        let [kh, kw] = shape.kernel;
        let mut taps = kh * kw;
        let mut excess = s.acc_zero();
        if self.corrects() {
            let (rows, columns) = (shape.axis(0).taps(y), shape.axis(1).taps(x));
            for ky in 0..kh {
                for kx in 0..kw {
                    if !(rows.contains(&ky) && columns.contains(&kx)) {
                        excess = s.acc_add(excess, self.tap_count(block, ky * kw + kx));
                        taps -= 1;
                    }
                }
            }
        }
        s.sub(s.splat((taps * shape.channels) as f32), s.dot(excess, s.splat(0.0)))
    }

    /// [`Conv::signs`] from those at hand for the row.
    #[inline(always)]
    fn signs_at<const C: usize>(&self, block: &Block<'_, S, C>, line: &[S::F; 3], y: usize, x: usize) -> S::F {
        if !self.corrects() {
            line[1]
        } else if self.is_thin() {
            line[place(&self.shape.axis(1).interior(self.shape.output[1]), x)]
        } else {
            self.signs(block, y, x)
        }
    }

    /// All pixels of 16 output channels that belong to one group.
    #[inline(always)]
    fn block<E: Epilogue, const P: usize>(
        &self,
        group: usize,
        channel: usize,
        weights: &[[Le<u64>; 16]],
        next: &[[Le<u64>; 16]],
        epilogue: &mut E,
    ) {
        let shape = self.shape;
        let [height, width, _] = shape.output;
        let block = self.prepare(weights);
        let thin = self.is_thin();
        let rows = shape.axis(0).interior(height);
        for image in 0..shape.n {
            let band = band_of(epilogue, image, height);
            for y in band.clone() {
                if height > 1 {
                    prefetch_part(self.s, next, y - band.start, band.len());
                }
                let line = block.signs[if thin { place(&rows, y) } else { 1 }];
                let mut at = At::start(epilogue, [height, width], image, y, channel);
                // A constant condition, so that the loop is not even compiled where it is false.
                if const { P > 1 && S::TILES > 1 } {
                    while at.x + P <= width {
                        let acc = self.dot.dot::<S, P>(self.s, self.first_tap(group, image, y, at.x), block.weights);
                        unrolled!(P, p => {
                            epilogue.tile(self.s, self.s.dot(acc[p], self.signs_at(&block, &line, y, at.x)), at);
                            at.x += 1;
                            at.pixel += 1;
                        });
                    }
                }
                while at.x < width {
                    let [acc] = self.dot.dot::<S, 1>(self.s, self.first_tap(group, image, y, at.x), block.weights);
                    epilogue.tile(self.s, self.s.dot(acc, self.signs_at(&block, &line, y, at.x)), at);
                    at.x += 1;
                    at.pixel += 1;
                }
                epilogue.end_row(self.s, at);
            }
        }
    }

    /// All pixels of 16 output channels that belong to several groups, whose outputs do not come in sixteens: each
    /// group's 16 lanes are computed, and those in question are picked.
    #[inline(always)]
    fn mixed_block<E: Epilogue>(&self, channel: usize, weights: &[[Le<u64>; 16]], epilogue: &mut E) {
        let shape = self.shape;
        let s = self.s;
        let [height, width, channels] = shape.output;
        let outputs = shape.group_outputs();
        let block_words = shape.block_words();
        for image in 0..shape.n {
            for y in band_of(epilogue, image, height) {
                let mut at = At::start(epilogue, [height, width], image, y, channel);
                while at.x < width {
                    let mut lanes = [0.0; 16];
                    let mut filled = 0;
                    while filled < 16 && channel + filled < channels {
                        let c = channel + filled;
                        let (group, inner) = (c / outputs, c % outputs);
                        let number = group * outputs.div_ceil(16) + inner / 16;
                        let weights = weights.get(number * block_words..(number + 1) * block_words).unwrap_or_default();
                        let block = Block::<S, 0> { weights, tap_counts: [], signs: [[s.splat(0.0); 3]; 3] };
                        let [acc] = self.dot.dot::<S, 1>(s, self.first_tap(group, image, y, at.x), weights);
                        let v = s.to_array(s.dot(acc, self.signs(&block, y, at.x)));
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
