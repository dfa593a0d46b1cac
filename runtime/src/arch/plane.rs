//! Planes of bits in plain words: what processors without vectors count down the lanes with.

use crate::weights::Le;

/// Bits of a plane: those of a register.
pub(crate) const PLANE: usize = if usize::BITS < 64 { 32 } else { 64 };

/// A plane, of which the first PLANE bits are used.
#[cfg(not(target_pointer_width = "64"))]
pub(crate) type Plane = u32;
/// A plane.
#[cfg(target_pointer_width = "64")]
pub(crate) type Plane = u64;

/// No bit.
#[inline(always)]
pub(crate) fn none() -> Plane {
    0
}

/// Channels `PLANE * part..` of a row; zeros behind its end.
#[inline(always)]
pub(crate) fn plane<const W: usize>(row: &[Le<u32>; W], part: usize) -> Plane {
    const WORDS: usize = PLANE / 32;
    let mut plane = 0;
    if part < W / WORDS {
        for word in 0..WORDS {
            plane |= (row[WORDS * part + word].get() as Plane) << (32 * word);
        }
    }
    plane
}

/// Carry and sum of three.
#[inline(always)]
pub(crate) fn full_adder(a: Plane, b: Plane, c: Plane) -> (Plane, Plane) {
    let differ = a ^ b;
    (a & b | differ & c, differ ^ c)
}

/// Carry and sum of two.
#[inline(always)]
pub(crate) fn half_adder(a: Plane, b: Plane) -> (Plane, Plane) {
    (a & b, a ^ b)
}

/// Gives the numbers whose bits are in the planes, 16 at a time.
#[inline(always)]
pub(crate) fn spread<const N: usize>(planes: &[Plane; N], put: impl FnMut(usize, [u16; 16])) {
    const WORDS: usize = PLANE / 32;
    let words = planes.map(|plane| core::array::from_fn::<u32, WORDS, _>(|word| (plane >> (32 * word)) as u32));
    spread_words(&words, put);
}

/// Gives the numbers whose bits are in planes of W words, 16 at a time.
#[inline(always)]
pub(crate) fn spread_words<const N: usize, const W: usize>(
    planes: &[[u32; W]; N],
    mut put: impl FnMut(usize, [u16; 16]),
) {
    for half in 0..2 * W {
        let mut counts = [0; 16];
        for (eighth, counts) in counts.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            // Eight bits of each plane, a byte each; then, transposed, the bits of a number in each byte.
            let shift = 16 * (half % 2) + 8 * eighth;
            let (mut low, mut high) = ([0; 8], [0; 8]);
            for (k, plane) in planes.iter().enumerate() {
                let byte = (plane[half / 2] >> shift) as u8;
                if k < 8 {
                    low[k] = byte
                } else if k < 16 {
                    high[k - 8] = byte
                }
            }
            let low = transposed(low);
            let high = if N > 8 { transposed(high) } else { [0; 8] };
            for (i, count) in counts.iter_mut().enumerate() {
                *count = u16::from(low[i]) | u16::from(high[i]) << 8;
            }
        }
        put(half, counts);
    }
}

/// Bit i of byte j becomes bit j of byte i. (Warren, Hacker's Delight, section 7-3.)
#[inline(always)]
fn transposed(rows: [u8; 8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    let (mut x, mut y) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    let swapped = |x: u32, shift: u32, mask: u32| {
        let t = (x ^ x >> shift) & mask;
        x ^ t ^ t << shift
    };
    // Squares of one bit in those of two, of two in those of four, and then those of four.
    x = swapped(swapped(x, 7, 0x00aa_00aa), 14, 0x0000_cccc);
    y = swapped(swapped(y, 7, 0x00aa_00aa), 14, 0x0000_cccc);
    let (low, high) = (x & 0x0f0f_0f0f | y << 4 & 0xf0f0_f0f0, x >> 4 & 0x0f0f_0f0f | y & 0xf0f0_f0f0);
    let ([a, b, c, d], [e, f, g, h]) = (low.to_le_bytes(), high.to_le_bytes());
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_change_places() {
        for i in 0..8 {
            for j in 0..8 {
                let (mut from, mut to) = ([0; 8], [0; 8]);
                from[j] = 1 << i;
                to[i] = 1 << j;
                assert_eq!(transposed(from), to);
            }
        }
    }
}
