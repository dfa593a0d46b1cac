//! Counting down the lanes where memory is all alike: the sums of one pixel stay in registers over its whole window, and one
//! function counts for all geometries.

use crate::dispatch::dispatch;
use crate::parts::Count;
use crate::set_bits::{add_carry, add_eight};
use crate::set_row::Run;
use crate::simd::{Kernel, Simd};
use crate::weights::Le;

/// Adds the rows of weights of a window to N planes of sums, those of the output channels `PLANE * part..`.
///
/// # Safety
/// The part begins within the rows of all of them.
#[inline(always)]
unsafe fn add_runs<S: Simd, const N: usize, const BYTES: bool>(
    s: S,
    mut sums: [S::Plane; N],
    runs: &[Run<'_, BYTES>],
    part: usize,
) -> [S::Plane; N] {
    const { assert!(N > 4 && N <= 16, "planes for the sums of 16") };
    // Every other carry of 16 waits for the next, so that the planes above are touched once for 32 rows.
    let (mut waiting, mut odd) = (s.no_plane(), false);
    macro_rules! sixteen {
        ($carry:expr) => {
            if odd {
                let (carry, sixteens) = s.full_adder(waiting, $carry, sums[4]);
                sums[4] = sixteens;
                add_carry!(s, sums, carry; 5 6 7 8 9 10 11 12 13 14 15);
            } else {
                waiting = $carry;
            }
            odd = !odd;
        };
    }
    for run in runs {
        macro_rules! plane {
            ($number:ident) => {
                // SAFETY: one of the run's; the part by the caller's promise.
                unsafe { run.plane(s, $number, part) }
            };
        }
        let (sixteens, rest) = run.numbers().as_chunks::<16>();
        for [a, b, c, d, e, f, g, h, rest @ ..] in sixteens {
            let first = add_eight!(s, sums, plane, &[*a, *b, *c, *d, *e, *f, *g, *h]);
            let second = add_eight!(s, sums, plane, rest);
            let carry;
            (carry, sums[3]) = s.full_adder(first, second, sums[3]);
            sixteen!(carry);
        }
        // Of what is left, up to 15, there is one carry to the plane of sixteens at most.
        let mut carry = s.no_plane();
        let (pairs, last) = rest.as_chunks::<2>();
        macro_rules! add {
            ($two:expr) => {
                let (four, twos) = s.half_adder(sums[1], $two);
                let (eight, fours) = s.half_adder(sums[2], four);
                let (sixteen, eights) = s.half_adder(sums[3], eight);
                (sums[1], sums[2], sums[3]) = (twos, fours, eights);
                carry = s.or(carry, sixteen);
            };
        }
        for [a, b] in pairs {
            let (a, b) = (*a, *b);
            let two;
            (two, sums[0]) = s.full_adder(plane!(a), plane!(b), sums[0]);
            add!(two);
        }
        if let [a] = last {
            let a = *a;
            let two;
            (two, sums[0]) = s.half_adder(sums[0], plane!(a));
            add!(two);
        }
        sixteen!(carry);
    }
    if odd {
        add_carry!(s, sums, waiting; 4 5 6 7 8 9 10 11 12 13 14 15);
    }
    sums
}

/// Adds the rows of weights of a window to the N planes of parts `part..` of the sums, of as many parts as there are vectors for; gives how many.
/// `start`: the planes of a part at first; `end` takes them then.
///
/// # Safety
/// There are `parts` parts within the rows of all runs, and this is one of them.
#[inline(always)]
unsafe fn add_parts<S: Simd, const N: usize, const BYTES: bool>(
    s: S,
    runs: &[Run<'_, BYTES>],
    part: usize,
    parts: usize,
    start: impl Fn(usize) -> [S::Plane; N],
    mut end: impl FnMut(usize, [S::Plane; N]),
) -> usize {
    let _ = parts;
    #[cfg(xnorc_planes = "neon")]
    macro_rules! together {
        ($parts:literal) => {
            if const { BYTES && size_of::<S::Plane>() == size_of::<u32>() } && parts - part >= $parts {
                let mut planes = crate::arch::neon32::Planes::<N, $parts>::new();
                for i in 0..$parts {
                    for (plane, first) in planes.sums.iter_mut().zip(start(part + i)) {
                        // SAFETY: a plane is a word.
                        plane[i] = unsafe { (&raw const first).cast::<u32>().read_unaligned() };
                    }
                }
                for run in runs {
                    // SAFETY: the run's rows have these words, as the caller says.
                    unsafe { planes.add(run.numbers(), run.start(part)) }
                }
                for i in 0..$parts {
                    // SAFETY: as above.
                    let plane = |of: &[u32; $parts]| unsafe { (&raw const of[i]).cast::<S::Plane>().read_unaligned() };
                    end(part + i, planes.sums.each_ref().map(plane));
                }
                return $parts;
            }
        };
    }
    #[cfg(xnorc_planes = "neon")]
    {
        together!(4);
        together!(2);
    }
    // SAFETY: the caller's promise.
    end(part, unsafe { add_runs(s, start(part), runs, part) });
    1
}

/// Counts the set bits under a pixel's window that meet a weight of +1, in sums of N bits: `[block of channels][channel]`.
// Once for all layers whose sums and outputs are as wide.
#[inline(never)]
pub fn window_counts<S: Simd, const N: usize, const BYTES: bool>(
    s: S,
    runs: &[Run<'_, BYTES>],
    counts: &mut [[u16; 16]],
) {
    let (mut part, parts) = (0, (32 * Run::words(runs)).ceil_over(S::PLANE));
    while part < parts {
        let spread = |part, sums| {
            s.spread(&sums, |block, of| {
                if let Some(counts) = counts.get_mut(S::PLANE / 16 * part + block) {
                    *counts = of;
                }
            });
        };
        // SAFETY: a part of the words of all.
        part += unsafe { add_parts(s, runs, part, parts, |_| [s.no_plane(); N], spread) };
    }
}

/// [`window_counts`] for networks in integers: a channel behind the other.
#[inline(always)]
pub fn count_window<const N: usize, const BYTES: bool>(runs: &[Run<'_, BYTES>], counts: &mut [u16]) {
    dispatch(Window::<N, BYTES> { runs, counts });
}

/// A window of them.
struct Window<'a, const N: usize, const BYTES: bool> {
    runs: &'a [Run<'a, BYTES>],
    counts: &'a mut [u16],
}

impl<const N: usize, const BYTES: bool> Kernel for Window<'_, N, BYTES> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        window_counts::<S, N, BYTES>(s, self.runs, self.counts.as_chunks_mut().0);
    }
}

/// The signs of a pixel's dot products less their thresholds, 16 channels at a time, without their counts: in planes of N bits.
///
/// With a dot product of `start + 4 count - 2 ones`, where `start` has the threshold in it, its sign is +1 if `start / 2 + 2 count` is
/// at least `ones`, rounded down or not. So the sums begin with `start / 2`: the first of M planes is its lowest bit, to which nothing is
/// added, and the others are those of the sums. Whatever even number makes all of it positive is in `least`, too, which is compared.
// Once for all layers whose sums and outputs are as wide.
#[inline(never)]
pub fn window_signs<S: Simd, const N: usize, const M: usize, const W: usize, const BYTES: bool>(
    s: S,
    runs: &[Run<'_, BYTES>],
    start: &[[Le<u32>; W]; M],
    least: usize,
    signs: &mut [u16],
) {
    const { assert!(M == N + 1, "planes for the sums, and one below") };
    let words = Run::words(runs);
    let (mut part, parts) = (0, (32 * if words < W { words } else { W }).ceil_over(S::PLANE));
    while part < parts {
        let first = |part| {
            let mut sums = [s.no_plane(); N];
            // Written out, so that they stay in registers.
            macro_rules! each {
                ($($plane:literal)*) => {
                    $(if let (Some(sum), Some(row)) = (sums.get_mut($plane), start.get($plane + 1)) {
                        *sum = s.plane(row, part);
                    })*
                };
            }
            each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            sums
        };
        let compare = |part, sums: [S::Plane; N]| {
            // From the lowest bit on: where the two differ, this one decides, and those below it where they are the same.
            let mut plus = s.full_plane();
            macro_rules! compared {
                ($plane:expr, $bit:expr) => {
                    let both = s.and(plus, $plane);
                    plus = if least >> $bit & 1 == 1 { both } else { s.xor(s.xor(plus, $plane), both) };
                };
            }
            compared!(s.plane(&start[0], part), 0);
            macro_rules! all {
                ($($plane:literal)*) => {
                    $(if let Some(sum) = sums.get($plane) {
                        compared!(*sum, ($plane + 1));
                    })*
                };
            }
            all!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            for i in 0..S::PLANE / 16 {
                if let Some(signs) = signs.get_mut(S::PLANE / 16 * part + i) {
                    // SAFETY: two bytes of a plane.
                    *signs = u16::from_le_bytes(unsafe { (&raw const plus).cast::<[u8; 2]>().add(i).read() });
                }
            }
        };
        // SAFETY: a part of the words of all.
        part += unsafe { add_parts(s, runs, part, parts, first, compare) };
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::words;
    use crate::{Level, Rows, SetRow, dispatch_at};

    const CHANNELS: usize = 70;
    /// Words of output channels.
    const WORDS: usize = 16;
    const STEP: usize = 4 * WORDS;
    /// An even number that makes what the dot products start from positive.
    const EVEN: usize = 1 << 10;

    type Line = SetRow<CHANNELS, 6, { 5 * CHANNELS }, STEP>;
    type Lines = [[[u64; 2]; 5]; 2];
    type Weights = [Rows<WORDS, { 3 * CHANNELS }>; 2];

    /// Two rows of three taps over pixels `at..at + 3` of two rows of five.
    struct Over<'a> {
        at: usize,
        pixels: &'a Lines,
        weights: &'a Weights,
        /// Half of what the dot products start from, as planes.
        start: &'a [[Le<u32>; WORDS]; 12],
        counts: &'a mut [[u16; 16]; 32],
        signs: &'a mut [u16; 32],
    }

    impl Kernel for Over<'_> {
        type Output = usize;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> usize {
            let mut set = [Line::NONE; 2];
            let mut runs = [Run::NONE; 2];
            for (set, row) in set.iter_mut().zip(self.pixels) {
                // What was there before is gone.
                for words in [&[[u64::MAX; 2]; 5], row] {
                    set.clear();
                    words.iter().for_each(|words| set.push(words));
                }
            }
            for ((run, set), weights) in runs.iter_mut().zip(&set).zip(self.weights) {
                *run = set.run::<3, WORDS, { 3 * CHANNELS }, true>(self.at, weights);
            }
            let ones = runs[0].len() + runs[1].len();
            window_counts::<S, 9, true>(s, &runs, self.counts);
            window_signs::<S, 11, 12, WORDS, true>(s, &runs, self.start, ones + EVEN, self.signs);
            ones
        }
    }

    #[test]
    fn every_level_counts_the_set_bits_under_weights_of_one() {
        let mut words = words();
        let mut word = move || (words() >> 32) as u32;
        for round in 0..64 {
            // Few bits, half of them, nearly all, all and none; those behind the last channel do not count.
            let mut pixels: Lines = [[[0; 2]; 5]; 2];
            for pixel in pixels.as_flattened_mut() {
                for channel in 0..CHANNELS {
                    let set = round == 1 || round != 2 && word() % 64 < 2 * round;
                    pixel[channel / 64] |= u64::from(set) << (channel % 64);
                }
                pixel[1] |= u64::from(word()) << 40;
            }
            let mut weights: Weights = [crate::Table([[Le::<u32>::new(0); WORDS]; 3 * CHANNELS]); 2];
            for row in weights.iter_mut().flat_map(|rows| &mut rows.0) {
                *row = core::array::from_fn(|_| Le::<u32>::new(if round == 1 { u32::MAX } else { word() }));
            }
            let starts: [i32; 512] = core::array::from_fn(|_| word() as i16 as i32 / 40);
            let mut start = [[Le::<u32>::new(0); WORDS]; 12];
            for (output, value) in starts.iter().enumerate() {
                let half = (value.div_euclid(2) + EVEN as i32) as u32;
                for (k, plane) in start.iter_mut().enumerate() {
                    plane[output / 32] = Le::<u32>::new(plane[output / 32].get() | (half >> k & 1) << (output % 32));
                }
            }
            let at = round as usize % 3;
            let bit = |row: usize, tap: usize, c: usize| pixels[row][at + tap][c / 64] >> (c % 64) & 1 == 1;
            let taps = || (0..2 * 3 * CHANNELS).map(|i| (i / 3 / CHANNELS, i / CHANNELS % 3, i % CHANNELS));
            for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                let (mut counts, mut signs) = ([[0; 16]; 32], [0; 32]);
                let (pixels, weights, start) = (&pixels, &weights, &start);
                let window = Over { at, pixels, weights, start, counts: &mut counts, signs: &mut signs };
                let ones = dispatch_at(level, window);
                assert_eq!(
                    ones,
                    taps().filter(|(row, tap, c)| bit(*row, *tap, *c)).count(),
                    "{level:?}, round {round}"
                );
                for (output, start) in starts.iter().enumerate() {
                    let meets = |(row, tap, c): &(usize, usize, usize)| {
                        let weights = &weights[*row].0[tap * CHANNELS + c];
                        bit(*row, *tap, *c) && weights[output / 32].get() >> (output % 32) & 1 == 1
                    };
                    let expected = taps().filter(meets).count();
                    let (block, lane) = (output / 16, output % 16);
                    let message = std::format!("{level:?}, round {round}, output {output}");
                    assert_eq!(usize::from(counts[block][lane]), expected, "{message}");
                    let dot = start - 2 * ones as i32 + 4 * expected as i32;
                    assert_eq!(signs[block] >> lane & 1 == 1, dot >= 0, "{message}");
                }
            }
        }
    }

    /// No list says what is not there.
    #[test]
    fn there_is_no_run_beyond_the_pixels() {
        let mut row = SetRow::<2, 4, 6, 1>::NONE;
        let weights: Rows<1, 4> = crate::Table([[Le::<u32>::new(0)]; 4]);
        let len = |row: &SetRow<2, 4, 6, 1>, at| row.run::<2, 1, 4, false>(at, &weights).len();
        (0..5).for_each(|_| row.push(&[3]));
        assert_eq!([0, 1, 2, 3, 9].map(|at| len(&row, at)), [4, 4, 0, 0, 0]);
        row.clear();
        row.push(&[1]);
        assert_eq!([0, 1].map(|at| len(&row, at)), [0, 0]);
        row.push(&[7]);
        assert_eq!([0, 1].map(|at| len(&row, at)), [3, 0]);
    }
}
