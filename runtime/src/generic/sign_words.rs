//! Signs packed where they are multiplied with signs: rows of numbers as words of bits.

use crate::lanes::LANES;
use crate::simd::Simd;
use crate::weights::Le;

/// The signs of K numbers in W words, a bit each: 1 for what is not negative, and 0 behind the last.
#[inline(always)]
pub fn pack_signs<S: Simd, const K: usize, const W: usize>(s: S, row: &[f32; K]) -> [u64; W] {
    const { assert!(W == K.div_ceil(64), "the words of a row hold its signs") };
    let mut words = [0; W];
    let (blocks, rest) = row.as_chunks::<LANES>();
    let mut at = 0_usize;
    for block in blocks {
        let mask = u64::from(s.ge(s.load(block), s.splat(0.0)));
        if let Some(word) = words.get_mut(at / 64) {
            *word |= mask << (at % 64);
        }
        at += LANES;
    }
    for x in rest {
        if let Some(word) = words.get_mut(at / 64) {
            *word |= u64::from(*x >= 0.0) << (at % 64);
        }
        at += 1;
    }
    words
}

/// The signs of the first 16 rows, word by word, a row in each lane; zeros where there is none.
#[inline(always)]
pub fn pack_lanes<S: Simd, const K: usize, const W: usize>(s: S, rows: &[[f32; K]]) -> [[Le<u64>; LANES]; W] {
    let mut lanes = [[Le::<u64>::new(0); LANES]; W];
    for (at, row) in rows.iter().take(LANES).enumerate() {
        for (word, bits) in lanes.iter_mut().zip(pack_signs::<S, K, W>(s, row)) {
            if let Some(lane) = word.get_mut(at) {
                *lane = Le::<u64>::new(bits);
            }
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Kernel;

    struct Pack;

    impl Kernel for Pack {
        type Output = ([u64; 2], [[Le<u64>; 16]; 2]);

        fn run<S: Simd>(self, s: S) -> Self::Output {
            let mut rows = [[-1.0; 83]; 3];
            for (row, at) in rows.iter_mut().zip([0, 70, 82]) {
                row[at] = 0.0;
                row[63] = 2.0;
            }
            (pack_signs(s, &rows[1]), pack_lanes(s, &rows[..2]))
        }
    }

    #[test]
    fn a_bit_for_each_number() {
        let (row, lanes) = crate::dispatch::dispatch(Pack);
        assert_eq!(row, [1 << 63, 1 << 6]);
        assert_eq!(lanes[0][0].get(), 1 << 63 | 1);
        assert_eq!([lanes[1][0].get(), lanes[1][1].get(), lanes[1][2].get()], [0, 1 << 6, 0]);
    }
}
