//! Planes of bits in plain words: what processors without vectors count down the lanes with.

use crate::weights::Le;

/// A plane: the bits of a register.
pub(crate) type Plane = Le<usize>;

/// Bits of both.
#[inline(always)]
pub(crate) fn and(a: Plane, b: Plane) -> Plane {
    Plane::new(a.get() & b.get())
}

/// Bits of one of them.
#[inline(always)]
pub(crate) fn xor(a: Plane, b: Plane) -> Plane {
    Plane::new(a.get() ^ b.get())
}

/// Bits of either, of which none is in both.
#[inline(always)]
pub(crate) fn or(a: Plane, b: Plane) -> Plane {
    xor(a, b)
}

/// Gives the numbers whose bits are in the planes, 16 at a time.
#[inline(always)]
pub(crate) fn spread<const N: usize>(planes: &[Plane; N], mut put: impl FnMut(usize, [u16; 16])) {
    // Written out, as of a loop what optimises for size would leave the bytes in memory.
    macro_rules! transposed {
        ($shift:expr; $($plane:literal)*) => {
            transposed([$(planes.get($plane).map_or(0, |plane| (plane.get() >> $shift) as u8)),*])
        };
    }
    // Eight bits of each plane are a byte each; transposed, the bits of a number are.
    macro_rules! eight {
        ($shift:expr) => {{
            let low = transposed!($shift; 0 1 2 3 4 5 6 7);
            let high = if const { N > 8 } { transposed!($shift; 8 9 10 11 12 13 14 15) } else { [0; 8] };
            (low, high)
        }};
    }
    for half in 0..size_of::<Plane>() / 2 {
        let ((a, b), (c, d)) = (eight!(16 * half), eight!(16 * half + 8));
        macro_rules! numbers {
            ($($i:literal)*) => {
                [$(u16::from_le_bytes([a[$i], b[$i]])),*, $(u16::from_le_bytes([c[$i], d[$i]])),*]
            };
        }
        put(half, numbers!(0 1 2 3 4 5 6 7));
    }
}

/// Bit i of byte j becomes bit j of byte i. (Warren, Hacker's Delight, section 7-3.)
#[inline(always)]
fn transposed([a, b, c, d, e, f, g, h]: [u8; 8]) -> [u8; 8] {
    // In halves, which fit into the registers of small processors: squares of one bit and of two inside, then those of four.
    let x = swapped(swapped(u32::from_le_bytes([a, b, c, d]), 7, 0x00aa_00aa), 14, 0x0000_cccc);
    let y = swapped(swapped(u32::from_le_bytes([e, f, g, h]), 7, 0x00aa_00aa), 14, 0x0000_cccc);
    let (low, high) = (x & 0x0f0f_0f0f | y << 4 & 0xf0f0_f0f0, x >> 4 & 0x0f0f_0f0f | y & 0xf0f0_f0f0);
    (u64::from(low) | u64::from(high) << 32).to_le_bytes()
}

/// The bits of a mask and those so far to the left change places.
#[inline(always)]
fn swapped(x: u32, shift: u32, mask: u32) -> u32 {
    let differ = (x ^ x >> shift) & mask;
    x ^ differ ^ differ << shift
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
