//! Counting down the lanes with pixels as lanes: the dot products of signs for as many pixels at a time as a vector has bits.
//!
//! The equation, the planes of sums and the carry-save adders are those of [`crate::set_bits`]. There the set bits of the input select
//! rows of weights; here the weights, which are known when the code is written, select planes of the input: a plane is a bit of the
//! sign of one input channel under one tap, for all pixels of some rows ([`PixelPlanes`]). A tap that is a row further down is the
//! same plane some bytes on, so that what is in memory is once per column of taps.
//!
//! Output channels share their additions, four at a time: each tap belongs to the part of those of the four whose weight is +1 there,
//! one of fifteen (under a tap where none is, nothing is read). The planes of each part are added once ([`add_taps`]), and the sum of
//! each output is that of the eight parts it is in ([`of_four`]). So K taps take 15/16 K additions of planes for four outputs, where
//! each alone takes K/2 of them.
//!
//! (Bits of many numbers side by side, as planes: bit slicing, Biham, A fast new DES implementation in software, 1997. Sums of subsets
//! that many share: the method of Four Russians, Arlazarov et al., 1970. Both for the products of binary layers, the planes selected
//! by weights, and sharing among outputs: ours.)

use crate::set_bits::{add_carry, add_eight};
use crate::simd::Simd;
use crate::table::Table;
use crate::weights::Le;

/// The packed signs of a pixel, as emitted loops have them.
pub trait Pixel {
    /// Channels `64 * i..` of it.
    fn word(&self, i: usize) -> u64;
    /// Channels that are +1.
    fn ones(&self) -> u16;
}

impl Pixel for u64 {
    #[inline(always)]
    fn word(&self, _: usize) -> u64 {
        *self
    }

    #[inline(always)]
    fn ones(&self) -> u16 {
        self.count_ones() as u16
    }
}

impl<const N: usize> Pixel for Table<u64, N> {
    #[inline(always)]
    fn word(&self, i: usize) -> u64 {
        self.0.get(i).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn ones(&self) -> u16 {
        self.0.iter().map(|word| word.count_ones() as u16).sum()
    }
}

/// Bytes that an addition may read from where a tap's plane begins: a strip of 256 pixels, in parts of whatever a plane is.
const READ: usize = 64;

/// T planes of bits, B bytes each: bit `i` of byte `j` of a row is that of pixel `8 * j + i`. (From the beginning of a line of the
/// cache on, so that planes of 64 bytes lie in one each.)
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct PixelPlanes<const B: usize, const T: usize>(Table<[u8; B], T>);

impl<const B: usize, const T: usize> PixelPlanes<B, T> {
    /// No bit is set.
    pub const NONE: Self = Self(Table([[0; B]; T]));

    /// Writes a row of `width` pixels, from byte `at` of the planes on, for K columns of taps: the first plane of each, which has
    /// channel 0 of C, and by how many pixels it is further on, less than 32. Pixel x is that of column `stride * x` of the line. What
    /// lies behind the last pixel is overwritten, up to 8 bytes for each 64 pixels less the furthest column ([`Self::step`]): the rows
    /// are written from the first to the last.
    #[inline(always)]
    pub fn put<S: Simd, P: Pixel, const C: usize, const K: usize>(
        &mut self,
        s: S,
        at: usize,
        line: &[P],
        [stride, width]: [usize; 2],
        columns: [[usize; 2]; K],
    ) {
        let furthest = columns.iter().fold(0, |furthest, [_, by]| *by.max(&furthest));
        let step = Self::step(furthest);
        if columns.iter().any(|[first, _]| first + C > T) || at + width.saturating_sub(1) / step * step / 8 + 8 > B {
            return;
        }
        for word in 0..C.div_ceil(64) {
            for from in (0..width).step_by(step) {
                let mut bits = [[0; 64]; 2];
                for (half, bits) in bits.iter_mut().enumerate() {
                    let from = from + 32 * half;
                    if from < width + furthest {
                        let mut pixels = [0; 32];
                        let columns = line.get(stride * from..).unwrap_or_default().iter().step_by(stride.max(1));
                        for (pixel, signs) in pixels.iter_mut().zip(columns) {
                            *pixel = signs.word(word);
                        }
                        *bits = s.turned(&pixels);
                    }
                }
                let [low, high] = &bits;
                for (c, (low, high)) in low.iter().zip(high).enumerate().take(C - 64 * word) {
                    let bits = u64::from(*low) | u64::from(*high) << 32;
                    for [first, by] in columns {
                        let bits = (bits >> (by % 64)).to_le_bytes();
                        // SAFETY: a plane of C of them, of which the last is inside, and bytes of it up to the last of those that are
                        // furthest behind: as was looked at above.
                        unsafe {
                            let plane = self.0.0.as_mut_ptr().add(first + 64 * word + c).cast::<u8>();
                            plane.add(at + from / 8).cast::<[u8; 8]>().write(bits);
                        }
                    }
                }
            }
        }
    }

    /// Pixels that are written at a time where the furthest column of taps is so many further on: whole bytes of the 64.
    const fn step(furthest: usize) -> usize {
        (64 - furthest % 32) / 8 * 8
    }
}

/// Taps of a layer that reads planes: bytes from the first of them on, eight at a time.
#[derive(Clone, Copy, Debug)]
pub struct Taps<'a, const B: usize, const T: usize> {
    /// None is so large that what is read there would end behind the planes.
    eights: &'a [[Le<u16>; 8]],
}

impl<'a, const B: usize, const T: usize> Taps<'a, B, T> {
    /// Of a list; none of one with a tap that is not inside the planes.
    #[inline(always)]
    pub fn new(eights: &'a [[Le<u16>; 8]]) -> Self {
        const { assert!(B * T >= READ, "planes that can be read") };
        let most = eights.as_flattened().iter().fold(0, |most, tap| tap.get().max(most));
        Self { eights: if usize::from(most) <= B * T - READ { eights } else { &[] } }
    }

    /// Those from one end to the next: part `i` of a list of parts, whose first begins at the first end.
    #[inline(always)]
    pub fn part(self, ends: &[Le<u32>; 16], i: usize) -> Self {
        let end = |i: usize| ends.get(i).map_or(0, |end| end.get() as usize);
        Self { eights: self.eights.get(end(i.wrapping_sub(1))..end(i)).unwrap_or_default() }
    }
}

/// The sums of some of the taps: planes of N bits of part `part` of 256 pixels.
#[inline(always)]
pub fn add_taps<S: Simd, const N: usize, const B: usize, const T: usize>(
    s: S,
    planes: &PixelPlanes<B, T>,
    taps: Taps<'_, B, T>,
    part: usize,
) -> [S::Plane; N] {
    const { assert!(N > 4, "planes for the sums of 16") };
    let mut sums = [s.no_plane(); N];
    let size = size_of::<S::Plane>();
    let offset = if part < READ / size { part * size } else { 0 };
    let start = planes.0.0.as_ptr().cast::<u8>().wrapping_add(offset);
    macro_rules! plane {
        ($tap:ident) => {
            // SAFETY: a tap is at most the planes' size less READ, and a part ends before READ.
            unsafe { s.plane_at(start.add(usize::from($tap.get()))) }
        };
    }
    let (pairs, rest) = taps.eights.as_chunks();
    for [first, second] in pairs {
        let first = add_eight!(s, sums, plane, first);
        let second = add_eight!(s, sums, plane, second);
        let carry;
        (carry, sums[3]) = s.full_adder(first, second, sums[3]);
        add_carry!(s, sums, carry; 4 5 6 7 8 9 10 11 12 13 14 15);
    }
    if let [last] = rest {
        let carry = add_eight!(s, sums, plane, last);
        add_carry!(s, sums, carry; 3 4 5 6 7 8 9 10 11 12 13 14 15);
    }
    sums
}

/// The sum of numbers of A bits, which has A bits or one more.
#[inline(always)]
fn sum<S: Simd, const A: usize, const R: usize>(s: S, a: &[S::Plane; A], b: &[S::Plane; A]) -> [S::Plane; R] {
    const { assert!(A <= R, "room for the sum") };
    let (mut sum, mut carry) = ([s.no_plane(); R], s.no_plane());
    for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
        (carry, *sum) = s.full_adder(*a, *b, carry);
    }
    if let Some(last) = sum.get_mut(A) {
        *last = carry;
    }
    sum
}

/// The sums of four outputs, of N bits, from those of parts that they share, of P bits: output i is in those parts whose number has bit
/// i. D and Q are the bits of the sums of two and of four parts.
#[inline(always)]
pub fn of_four<S: Simd, const P: usize, const D: usize, const Q: usize, const N: usize>(
    s: S,
    parts: &[[S::Plane; P]; 16],
) -> [[S::Plane; N]; 4] {
    let none = [[s.no_plane(); Q]; 4];
    // By the first two outputs that a part is of, whatever it has of the others, and the other way round.
    let (mut low, mut high) = (none, none);
    for i in 1..4 {
        let two: [[S::Plane; D]; 2] = [sum(s, &parts[i], &parts[4 + i]), sum(s, &parts[8 + i], &parts[12 + i])];
        low[i] = sum(s, &two[0], &two[1]);
        let two: [[S::Plane; D]; 2] =
            [sum(s, &parts[4 * i], &parts[4 * i + 1]), sum(s, &parts[4 * i + 2], &parts[4 * i + 3])];
        high[i] = sum(s, &two[0], &two[1]);
    }
    [sum(s, &low[1], &low[3]), sum(s, &low[2], &low[3]), sum(s, &high[1], &high[3]), sum(s, &high[2], &high[3])]
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use crate::testing::words;
    use crate::{Kernel, Level, dispatch_at};

    const ROWS: usize = 5;
    const EIGHTS: usize = 3;
    /// A row of 21 pixels, and three columns of taps over it; two rows of taps.
    const WIDTH: usize = 21;
    const CHANNELS: usize = 70;
    const BYTES: usize = ROWS * EIGHTS + 8;
    const PLANES: usize = 3 * CHANNELS + READ.div_ceil(BYTES);

    /// Counts for 16 outputs.
    struct Counts<'a> {
        pixels: &'a [[Table<u64, 2>; WIDTH + 2]; ROWS + 1],
        eights: &'a [[Le<u16>; 8]],
        ends: &'a [[Le<u32>; 16]; 4],
        counts: &'a mut [[u16; 16]; 256],
    }

    impl Kernel for Counts<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let mut planes = PixelPlanes::<BYTES, PLANES>::NONE;
            for (y, row) in self.pixels.iter().enumerate() {
                let columns = [[0, 0], [CHANNELS, 1], [2 * CHANNELS, 2]];
                planes.put::<S, _, CHANNELS, 3>(s, y * EIGHTS, row, [1, WIDTH], columns);
            }
            let taps = Taps::new(self.eights);
            for part in 0..256_usize.div_ceil(S::PLANE) {
                let mut sums = [[[s.no_plane(); 9]; 4]; 4];
                for (sums, ends) in sums.iter_mut().zip(self.ends) {
                    let mut parts = [[s.no_plane(); 9]; 16];
                    for (i, sums) in parts.iter_mut().enumerate().skip(1) {
                        *sums = add_taps(s, &planes, taps.part(ends, i), part);
                    }
                    *sums = of_four::<S, 9, 9, 9, 9>(s, &parts);
                }
                s.columns(&sums, |pixel, of| self.counts[S::PLANE * part + pixel] = of);
            }
        }
    }

    #[test]
    fn every_level_counts_what_the_weights_select() {
        let mut words = words();
        let mut word = move || (words() >> 32) as u32;
        for round in 0..24 {
            // Bits and weights: few, half of them, nearly all, all and none.
            let mut bit = |of: u32| of == 1 || of != 2 && word() % 24 < 2 * of;
            let mut pixels = [[Table([0_u64; 2]); WIDTH + 2]; ROWS + 1];
            for pixel in pixels.as_flattened_mut() {
                for c in 0..CHANNELS {
                    pixel[c / 64] |= u64::from(bit(round)) << (c % 64);
                }
            }
            let weights: Vec<[bool; 16]> =
                (0..2 * 3 * CHANNELS).map(|_| core::array::from_fn(|_| bit(round * 5 % 24))).collect();
            let place = |tap: usize| (tap % (3 * CHANNELS)) * BYTES + tap / (3 * CHANNELS) * EIGHTS;
            let (mut eights, mut ends) = (Vec::new(), [[Le::<u32>::new(0); 16]; 4]);
            for (four, ends) in ends.iter_mut().enumerate() {
                let (first, parts) = ends.split_first_mut().unwrap();
                *first = Le::<u32>::new(eights.len() as u32);
                for (i, end) in (1..).zip(parts) {
                    let is_in = |tap: &usize| (0..4).all(|o| weights[*tap][4 * four + o] == (i >> o & 1 == 1));
                    let mut taps: Vec<usize> = (0..weights.len()).filter(is_in).map(place).collect();
                    taps.resize(taps.len().next_multiple_of(8), 3 * CHANNELS * BYTES);
                    let (of, _) = taps.as_chunks::<8>();
                    eights.extend(of.iter().map(|of| of.map(|tap| Le::<u16>::new(tap as u16))));
                    *end = Le::<u32>::new(eights.len() as u32);
                }
            }
            for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                let mut counts = [[0; 16]; 256];
                dispatch_at(level, Counts { pixels: &pixels, eights: &eights, ends: &ends, counts: &mut counts });
                for (y, x) in (0..ROWS).flat_map(|y| (0..WIDTH).map(move |x| (y, x))) {
                    for output in 0..16 {
                        let is_set = |tap: usize| {
                            let (ky, kx, c) = (tap / (3 * CHANNELS), tap / CHANNELS % 3, tap % CHANNELS);
                            pixels[y + ky][x + kx][c / 64] >> (c % 64) & 1 == 1
                        };
                        let expected = (0..weights.len()).filter(|&tap| weights[tap][output] && is_set(tap)).count();
                        let got = counts[8 * EIGHTS * y + x][output];
                        assert_eq!(usize::from(got), expected, "{level:?}, round {round}: {y}, {x}, output {output}");
                    }
                }
            }
        }
    }

    /// Writes a row.
    struct Row<'a> {
        line: &'a [Table<u64, 2>],
        of: [usize; 2],
        columns: [[usize; 2]; 3],
    }

    impl Kernel for Row<'_> {
        type Output = PixelPlanes<24, 210>;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Output {
            let mut planes = PixelPlanes::NONE;
            planes.put::<S, _, CHANNELS, 3>(s, 0, self.line, self.of, self.columns);
            planes
        }
    }

    #[test]
    fn rows_of_any_width_are_written() {
        let mut words = words();
        let mut word = move || {
            let word = words();
            word ^ word >> 29
        };
        for (width, stride) in (1..=130).flat_map(|width| (1..=3).map(move |stride| (width, stride))) {
            let line: Vec<_> = (0..stride * (width + 31)).map(|_| Table([word(), word()])).collect();
            for by in [[0, 0, 0], [0, 1, 2], [0, 9, 31]] {
                let columns = core::array::from_fn(|k| [k * CHANNELS, by[k]]);
                for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
                    let planes = dispatch_at(level, Row { line: &line, of: [stride, width], columns });
                    for (k, c, x) in
                        (0..3 * CHANNELS * width).map(|i| (i / width / CHANNELS, i / width % CHANNELS, i % width))
                    {
                        let wanted = line[stride * (x + by[k])][c / 64] >> (c % 64) & 1;
                        let got = planes.0[k * CHANNELS + c][x / 8] >> (x % 8) & 1;
                        assert_eq!(u64::from(got), wanted, "{level:?}, {width} by {stride}, {by:?}: {k}, {c}, {x}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_tap_outside_the_planes_is_none() {
        let taps = |tap: usize| [[Le::<u16>::new(0); 8], [Le::<u16>::new(tap as u16); 8]];
        let last = BYTES * PLANES - READ;
        assert_eq!(Taps::<BYTES, PLANES>::new(&taps(last)).eights.len(), 2);
        assert_eq!(Taps::<BYTES, PLANES>::new(&taps(last + 1)).eights.len(), 0);
    }
}
