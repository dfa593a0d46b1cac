//! Counting down the lanes: the dot products of signs without a population count.
//!
//! The lanes are output channels, a bit each, as many as a vector or a word has ([`Simd::PLANE`]). For each set bit of the input,
//! the *row* of weights it meets (a bit for each output channel) is added to the channels' sums. The sums are *planes*: plane `k`
//! holds bit `k` of the sum of every channel, so that an addition is a few logical operations for all of them, and most
//! additions are those of carry-save adders, three planes of one weight to one of the same and one of twice the weight.
//! With S, the set bits that meet a weight of +1, the dot product of k signs is
//!
//! ```text
//! k - 2 popcount(x ^ w) = k - 2 (popcount(x) + popcount(w) - 2 S) = (k - 2 popcount(w)) - 2 popcount(x) + 4 S
//! ```
//!
//! whose first term is known when the code is written, and whose second is the same for all channels. Half of the rows, those
//! under a 0, are never read. (Vertical counters: Wegner, A technique for counting ones in a binary computer, 1960; trees of
//! carry-save adders: Harley and Seal, in Warren, Hacker's Delight; rows selected by the set bits of the activations: ours.)

use crate::parts::Count;
use crate::simd::Simd;
use crate::table::Table;
use crate::weights::Le;

/// The set bits of a pixel of C channels, as the rows of weights that they meet: M times eight of them, filled up with rows of
/// zeros.
#[derive(Clone, Copy, Debug)]
pub struct SetBits<const C: usize, const M: usize> {
    /// Numbers of rows. None is more than C, which is that of the row of zeros.
    rows: [[u16; 8]; M],
    /// Eights in use.
    eights: usize,
    /// Set bits.
    len: usize,
}

impl<const C: usize, const M: usize> SetBits<C, M> {
    /// Of a pixel of zeros.
    pub const NONE: Self = Self { rows: [[0; 8]; M], eights: 0, len: 0 };

    /// Of a pixel's words.
    #[inline(always)]
    pub fn list(&mut self, words: &[u64]) {
        const { assert!(M == C.div_ceil(8) && C <= u16::MAX as usize, "room for all") };
        let rows = self.rows.as_flattened_mut();
        // SAFETY: there is room for all channels.
        let len = unsafe { append(rows.as_mut_ptr(), 0, [0, C, 1], words) };
        self.len = len;
        self.eights = len.ceil_over(8);
        self.rows.as_flattened_mut().get_mut(len..8 * self.eights).unwrap_or_default().fill(C as u16);
    }

    /// How many there are.
    #[inline(always)]
    #[expect(clippy::len_without_is_empty, reason = "a number among others")]
    pub fn len(&self) -> usize {
        self.len
    }
}

/// Appends the set bits of a pixel to `len` numbers, as its channels, counted from `first` on, times `step`; gives how many there are then.
///
/// # Safety
/// Behind the `len` numbers there is room for `channels` more.
#[inline(always)]
pub(crate) unsafe fn append(
    numbers: *mut u16,
    mut len: usize,
    [first, channels, step]: [usize; 3],
    words: &[u64],
) -> usize {
    let mut channel = 0;
    for word in words {
        for shift in (0..64).step_by(usize::BITS as usize) {
            // Channels from there on, which are all that is looked at.
            let rest = channels.saturating_sub(channel);
            let bits = (*word >> shift) as usize;
            let mut bits = if rest < usize::BITS as usize { bits & ((1 << rest) - 1) } else { bits };
            while bits != 0 {
                let number = step * (first + channel + bits.trailing_zeros() as usize);
                // SAFETY: each channel comes once, and there is room for all, as the caller says.
                unsafe { numbers.add(len).write(number as u16) };
                bits &= bits - 1;
                len += 1;
            }
            channel += usize::BITS as usize;
        }
    }
    len
}

/// Adds the planes that the macro `plane` gives for eight numbers to those of ones, twos and fours; gives the carry. (No closure: one
/// would not be compiled for the level.)
macro_rules! add_eight {
    ($s:ident, $sums:ident, $plane:ident, $numbers:expr) => {{
        let [a, b, c, d, e, f, g, h] = *$numbers;
        let (two, ones) = $s.full_adder($plane!(a), $plane!(b), $sums[0]);
        let (other, ones) = $s.full_adder($plane!(c), $plane!(d), ones);
        let (four, twos) = $s.full_adder(two, other, $sums[1]);
        let (two, ones) = $s.full_adder($plane!(e), $plane!(f), ones);
        let (other, ones) = $s.full_adder($plane!(g), $plane!(h), ones);
        let (more, twos) = $s.full_adder(two, other, twos);
        let (carry, fours) = $s.full_adder(four, more, $sums[2]);
        ($sums[0], $sums[1], $sums[2]) = (ones, twos, fours);
        carry
    }};
}
pub(crate) use add_eight;

/// Adds a carry to some of the planes of the sums. (Written out, as of a loop what optimises for size would leave the planes in memory.)
macro_rules! add_carry {
    ($s:ident, $sums:ident, $carry:expr; $($plane:literal)*) => {{
        let mut carry = $carry;
        $(if let Some(sum) = $sums.get_mut($plane) {
            (carry, *sum) = $s.half_adder(*sum, carry);
        })*
        let _ = carry;
    }};
}
pub(crate) use add_carry;

/// The rows of weights of a tap: W words of 32 output channels for each of R - 1 channels, and one of zeros.
pub type Rows<const W: usize, const R: usize> = Table<[Le<u32>; W], R>;

/// Rows of words.
pub const fn rows_of_words<const W: usize, const R: usize>(words: [[u32; W]; R]) -> Rows<W, R> {
    let mut rows = Table([[Le::<u32>::new(0); W]; R]);
    let mut row = 0;
    while row < R {
        let mut word = 0;
        while word < W {
            rows.0[row][word] = Le::<u32>::new(words[row][word]);
            word += 1;
        }
        row += 1;
    }
    rows
}

/// Adds the rows of a tap that a pixel's set bits meet to the N planes of the sums: those of the output channels
/// `PLANE * part..`.
#[inline(always)]
pub fn add_rows<S: Simd, const N: usize, const C: usize, const M: usize, const W: usize, const R: usize>(
    s: S,
    mut sums: [S::Plane; N],
    set: &SetBits<C, M>,
    weights: &Rows<W, R>,
    part: usize,
) -> [S::Plane; N] {
    const {
        assert!(C < R && N > 4 && N <= 16, "a row of zeros behind those of the channels, and planes for the sums of 16")
    };
    // Said once, so that no row is asked whether it has that part.
    if part >= (4 * W).ceil_over(size_of::<S::Plane>()) {
        return sums;
    }
    macro_rules! plane {
        ($row:ident) => {
            // SAFETY: the number of a row is at most C, which is less than R.
            s.plane(unsafe { weights.0.get_unchecked(usize::from($row)) }, part)
        };
    }
    // Sixteen rows, to the plane of eights as well.
    macro_rules! sixteen {
        ($first:expr, $second:expr) => {{
            let (first, second) = (add_eight!(s, sums, plane, $first), add_eight!(s, sums, plane, $second));
            let (carry, eights) = s.full_adder(first, second, sums[3]);
            sums[3] = eights;
            carry
        }};
    }
    // None of their numbers is more than C.
    let (pairs, rest) = set.rows.get(..set.eights).unwrap_or_default().as_chunks();
    // Every other carry waits for the next, so that the planes above are touched once for 32 rows.
    let (mut waiting, mut odd) = (s.no_plane(), false);
    for [first, second] in pairs {
        let carry = sixteen!(first, second);
        if odd {
            let (carry, sixteens) = s.full_adder(waiting, carry, sums[4]);
            sums[4] = sixteens;
            add_carry!(s, sums, carry; 5 6 7 8 9 10 11 12 13 14 15);
        } else {
            waiting = carry;
        }
        odd = !odd;
    }
    if odd {
        add_carry!(s, sums, waiting; 4 5 6 7 8 9 10 11 12 13 14 15);
    }
    if let [last] = rest {
        let carry = add_eight!(s, sums, plane, last);
        add_carry!(s, sums, carry; 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }
    sums
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::testing::words;
    use crate::{Kernel, Level, dispatch_at};

    /// Counts two pixels of 100 channels for 512 output channels.
    struct Counts<'a> {
        pixels: &'a [[u64; 2]; 2],
        weights: &'a Rows<16, 101>,
        start: &'a [[Le<i16>; 16]; 32],
        counts: &'a mut [[u16; 16]; 32],
        dots: &'a mut [[f32; 16]; 32],
    }

    impl Kernel for Counts<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let mut set = [SetBits::<100, 13>::NONE; 2];
            for (set, words) in set.iter_mut().zip(self.pixels) {
                set.list(words);
            }
            for part in 0..512 / S::PLANE {
                let mut sums = [s.no_plane(); 9];
                for set in &set {
                    sums = add_rows(s, sums, set, self.weights, part);
                }
                s.spread(&sums, |block, of| self.counts[S::PLANE / 16 * part + block] = of);
            }
            let ones = set[0].len() + set[1].len();
            for ((dots, counts), start) in self.dots.iter_mut().zip(&*self.counts).zip(self.start) {
                s.store(dots, s.dot_counts(counts, start, ones));
            }
        }
    }

    #[test]
    fn every_level_counts_the_set_bits_under_weights_of_one() {
        let mut words = words();
        let mut word = move || (words() >> 32) as u32;
        for round in 0..64 {
            // Few bits, half of them, nearly all, all and none.
            let mut pixels = [[0_u64; 2]; 2];
            for channel in 0..100 {
                for pixel in &mut pixels {
                    let set = round == 1 || round != 2 && word() % 64 < 2 * round;
                    pixel[channel / 64] |= u64::from(set) << (channel % 64);
                }
            }
            let mut rows = Table([[Le::<u32>::new(0); 16]; 101]);
            rows.0[..100]
                .iter_mut()
                .flatten()
                .for_each(|w| *w = Le::<u32>::new(if round == 1 { u32::MAX } else { word() }));
            let start: [[Le<i16>; 16]; 32] =
                core::array::from_fn(|_| core::array::from_fn(|_| Le::<i16>::new(word() as i16 / 40)));
            let bit = |x: &[u64; 2], channel: usize| x[channel / 64] >> (channel % 64) & 1;
            let ones: u64 = (0..100).map(|c| bit(&pixels[0], c) + bit(&pixels[1], c)).sum();
            for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                let (mut counts, mut dots) = ([[0; 16]; 32], [[0.0; 16]; 32]);
                let (counts_of, dots_of) = (&mut counts, &mut dots);
                let kernel =
                    Counts { pixels: &pixels, weights: &rows, start: &start, counts: counts_of, dots: dots_of };
                dispatch_at(level, kernel);
                for output in 0..512 {
                    let meets = |c: &usize| rows.0[*c][output / 32].get() >> (output % 32) & 1 == 1;
                    let expected: u64 = (0..100).filter(meets).map(|c| bit(&pixels[0], c) + bit(&pixels[1], c)).sum();
                    let at = (output / 16, output % 16);
                    assert_eq!(u64::from(counts[at.0][at.1]), expected, "{level:?}, round {round}, output {output}");
                    let dot = i64::from(start[at.0][at.1].get()) - 2 * ones as i64 + 4 * expected as i64;
                    assert_eq!(dots[at.0][at.1], dot as f32, "{level:?}, round {round}, output {output}");
                }
            }
        }
    }
}
