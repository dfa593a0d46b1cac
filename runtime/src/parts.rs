//! Division, and slices in parts, without a panic.
//!
//! What `core` has for these panics where a divisor or a length is 0. Optimised for speed, the compiler sees that none is;
//! optimised for size, it leaves such functions uninlined, and the panics with them. These are always inlined and have none.

/// Division of numbers that are counts of something.
pub(crate) trait Count {
    /// The quotient; 0 where there is none.
    fn over(self, divisor: usize) -> usize;
    /// The remainder; 0 where there is none.
    fn beyond(self, divisor: usize) -> usize;
    /// The quotient, rounded up; 0 where there is none.
    fn ceil_over(self, divisor: usize) -> usize;
}

/// [`Count::over`] in constants.
#[inline(always)]
pub(crate) const fn over(x: usize, divisor: usize) -> usize {
    match x.checked_div(divisor) {
        Some(quotient) => quotient,
        None => 0,
    }
}

/// 64-bit words that so many bits take.
#[inline(always)]
pub(crate) const fn words(bits: usize) -> usize {
    bits / 64 + !bits.is_multiple_of(64) as usize
}

impl Count for usize {
    #[inline(always)]
    fn over(self, divisor: usize) -> usize {
        over(self, divisor)
    }

    #[inline(always)]
    fn beyond(self, divisor: usize) -> usize {
        if divisor == 0 { 0 } else { self % divisor }
    }

    #[inline(always)]
    fn ceil_over(self, divisor: usize) -> usize {
        self.over(divisor) + usize::from(self.beyond(divisor) != 0)
    }
}

/// As `chunks_exact_mut`; no parts of no elements.
#[inline(always)]
pub(crate) fn parts_mut<T>(x: &mut [T], size: usize) -> PartsMut<'_, T> {
    PartsMut { rest: x, size }
}

/// [`parts_mut`].
pub(crate) struct PartsMut<'a, T> {
    rest: &'a mut [T],
    size: usize,
}

impl<'a, T> Iterator for PartsMut<'a, T> {
    type Item = &'a mut [T];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a mut [T]> {
        let (part, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(self.size)?;
        self.rest = rest;
        (self.size > 0).then_some(part)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[test]
    fn parts_are_those_of_core() {
        for len in 0..10 {
            let mut x: Vec<usize> = (0..len).collect();
            for size in 1..12 {
                let mut y = x.clone();
                assert!(parts_mut(&mut x, size).eq(y.chunks_exact_mut(size)));
                let counts = (len.over(size), len.beyond(size), len.ceil_over(size));
                assert_eq!(counts, (len / size, len % size, len.div_ceil(size)));
            }
            assert_eq!(parts_mut(&mut x, 0).count(), 0);
            assert_eq!((len.over(0), len.beyond(0), len.ceil_over(0)), (0, 0, 0));
        }
    }
}
