//! Pixels and channels change places: what counting with pixels as lanes begins and ends with, in vectors of any length.

/// Vectors of bytes, in one or several parts of 16.
pub(super) trait Bytes: Copy {
    /// Parts of a vector.
    const PARTS: usize;
    /// Zeros.
    ///
    /// # Safety
    /// The vectors' instructions must be available: so in all of this module.
    unsafe fn none() -> Self;
    /// In each part two words: words `2 * i` and `2 * i + 1` of that part's sixteen, the first part's being those from `first` on.
    ///
    /// # Safety
    /// See [`Bytes::none`]; `first` is 0, or 16 where there is one part, and `i` less than 8.
    unsafe fn pairs(words: &[u64; 32], first: usize, i: usize) -> Self;
    /// The low halves of the parts of both, byte by byte in turns.
    ///
    /// # Safety
    /// See [`Bytes::none`].
    unsafe fn low(self, other: Self) -> Self;
    /// The high halves.
    ///
    /// # Safety
    /// See [`Bytes::none`].
    unsafe fn high(self, other: Self) -> Self;
    /// Bit p of number j is bit j of byte p.
    ///
    /// # Safety
    /// See [`Bytes::none`].
    unsafe fn masks(self) -> [u32; 8];
    /// Bits `mask` of the bytes of x, `SHIFT` further to the left, and those of y change places.
    ///
    /// # Safety
    /// See [`Bytes::none`].
    unsafe fn swapped<const SHIFT: i32>(x: Self, y: Self, mask: u8) -> (Self, Self);
    /// Gives 16 numbers for each part, whose low and high bytes are in turns: the first eight, and the others.
    ///
    /// # Safety
    /// See [`Bytes::none`].
    unsafe fn numbers(first: Self, second: Self) -> [[u16; 16]; 2];
}

/// Vectors interleaved byte by byte, the first with the one half of them further on: of the bits of a byte's place (its vector's number,
/// then its own within a part), the first becomes the last.
macro_rules! shuffled {
    ($x:expr, $half:literal) => {{
        let from = $x;
        let mut to = from;
        for i in 0..$half {
            to[2 * i] = from[i].low(from[$half + i]);
            to[2 * i + 1] = from[i].high(from[$half + i]);
        }
        to
    }};
}

/// The numbers of [`Bytes::masks`], where an instruction gives the highest bit of each byte, and one doubles bytes.
#[cfg(not(target_arch = "aarch64"))]
macro_rules! masks {
    ($x:expr, $tops:ident, $add:ident) => {{
        let (mut x, mut masks) = ($x, [0; 8]);
        for mask in masks.iter_mut().rev() {
            *mask = $tops(x) as u32;
            x = $add(x, x);
        }
        masks
    }};
}
#[cfg(not(target_arch = "aarch64"))]
pub(super) use masks;

/// Bit p of number c is bit c of word p.
///
/// # Safety
/// See [`Bytes::none`].
#[inline(always)]
pub(super) unsafe fn turned<B: Bytes>(words: &[u64; 32]) -> [u32; 64] {
    let mut bits = [0; 64];
    let mut first = 0;
    while first < 32 {
        // SAFETY: the caller's promise.
        unsafe {
            let mut pairs = [B::none(); 8];
            for (i, pair) in pairs.iter_mut().enumerate() {
                *pair = B::pairs(words, first, i);
            }
            // Vector i, byte p: byte i of word p.
            let bytes = shuffled!(shuffled!(shuffled!(shuffled!(pairs, 4), 4), 4), 4);
            for (bits, byte) in bits.as_chunks_mut::<8>().0.iter_mut().zip(bytes) {
                for (bits, mask) in bits.iter_mut().zip(byte.masks()) {
                    *bits |= mask << first;
                }
            }
        }
        first += 16 * B::PARTS;
    }
    bits
}

/// Gives the 16 numbers of each lane, whose bits are in that lane of their planes.
///
/// # Safety
/// See [`Bytes::none`].
#[inline(always)]
pub(super) unsafe fn columns<B: Bytes, const N: usize>(sums: &[[[B; N]; 4]; 4], mut put: impl FnMut(usize, [u16; 16])) {
    // SAFETY: the caller's promise.
    let mut groups = [[[unsafe { B::none() }; 8]; 2]; 16];
    for k in 0..if N < 16 { N } else { 16 } {
        // SAFETY: as above.
        let mut plane = [unsafe { B::none() }; 16];
        for (plane, sum) in plane.iter_mut().zip(sums.as_flattened()) {
            *plane = sum[k];
        }
        // SAFETY: as above.
        let bytes = unsafe { shuffled!(shuffled!(shuffled!(shuffled!(plane, 8), 8), 8), 8) };
        // Eight lanes of the 16 numbers in each part.
        for (group, bytes) in groups.iter_mut().zip(bytes) {
            group.as_flattened_mut()[k] = bytes;
        }
    }
    for (group, [low, high]) in groups.into_iter().enumerate() {
        // SAFETY: as above.
        let low = unsafe { bits_turned(low) };
        // SAFETY: as above.
        let high = if N > 8 { unsafe { bits_turned(high) } } else { high };
        for (lane, (low, high)) in low.into_iter().zip(high).enumerate() {
            // SAFETY: as above.
            let numbers = unsafe { B::numbers(low.low(high), low.high(high)) };
            for (part, numbers) in numbers.into_iter().enumerate().take(B::PARTS) {
                put(128 * part + 8 * group + lane, numbers);
            }
        }
    }
}

/// Bit j of each byte of vector k becomes bit k of that of vector j. (Warren, Hacker's Delight, 7-3.)
///
/// # Safety
/// See [`Bytes::none`].
#[inline(always)]
unsafe fn bits_turned<B: Bytes>(mut x: [B; 8]) -> [B; 8] {
    macro_rules! swapped {
        ($shift:literal, $mask:literal: $($i:literal)*) => {
            $((x[$i], x[$i + $shift]) = B::swapped::<$shift>(x[$i], x[$i + $shift], $mask);)*
        };
    }
    // SAFETY: the caller's promise.
    unsafe {
        swapped!(4, 0x0f: 0 1 2 3);
        swapped!(2, 0x33: 0 1 4 5);
        swapped!(1, 0x55: 0 2 4 6);
    }
    x
}
