//! Arrays that are indexed without a panic (in release builds: with debug assertions, an index behind the end is one).

use core::ops::{Index, IndexMut};

use crate::lanes::LANES;
use crate::parts::Count;
use crate::place::Plain;
use crate::simd::Simd;

/// An array whose index cannot panic: behind the end lies its first element.
///
/// Emitted loops never go there. But only when it optimises for speed does the compiler see that; elsewhere every array would
/// keep a comparison and a panic, and with the panic the code that prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Table<T, const N: usize>(pub [T; N]);

// SAFETY: an array of such types.
unsafe impl<T: Plain, const N: usize> Plain for Table<T, N> {}

impl<T, const N: usize> Index<usize> for Table<T, N> {
    type Output = T;

    #[inline(always)]
    fn index(&self, i: usize) -> &T {
        const { assert!(N > 0, "a first element") };
        debug_assert!(i < N, "{i} of {N}");
        let i = if i < N { i } else { 0 };
        // SAFETY: less than N, which is not 0.
        unsafe { self.0.get_unchecked(i) }
    }
}

impl<T, const N: usize> IndexMut<usize> for Table<T, N> {
    #[inline(always)]
    fn index_mut(&mut self, i: usize) -> &mut T {
        const { assert!(N > 0, "a first element") };
        debug_assert!(i < N, "{i} of {N}");
        let i = if i < N { i } else { 0 };
        // SAFETY: less than N, which is not 0.
        unsafe { self.0.get_unchecked_mut(i) }
    }
}

impl<T, const N: usize> Table<T, N> {
    /// SPAN neighbours from index `i` on: a window on a row, in which indices are constants. Behind the last such window lies the
    /// first.
    #[inline(always)]
    pub fn window<const SPAN: usize>(&self, i: usize) -> &Table<T, SPAN> {
        const { assert!(SPAN <= N, "a window inside the row") };
        debug_assert!(i <= N - SPAN, "{SPAN} from {i} of {N}");
        let i = if i <= N - SPAN { i } else { 0 };
        // SAFETY: i + SPAN <= N, so that many elements exist; a table is an array.
        unsafe { &*core::ptr::from_ref(self).cast::<T>().add(i).cast() }
    }

    /// [`window`](Self::window), to write.
    #[inline(always)]
    pub fn window_mut<const SPAN: usize>(&mut self, i: usize) -> &mut Table<T, SPAN> {
        const { assert!(SPAN <= N, "a window inside the row") };
        debug_assert!(i <= N - SPAN, "{SPAN} from {i} of {N}");
        let i = if i <= N - SPAN { i } else { 0 };
        // SAFETY: as above, and borrowed for writing.
        unsafe { &mut *core::ptr::from_mut(self).cast::<T>().add(i).cast() }
    }

    /// Copies all elements; unlike an assignment, not by way of the stack where nothing is optimised.
    #[inline(always)]
    pub fn copy_from(&mut self, from: &Self)
    where
        T: Copy,
    {
        // SAFETY: as many elements on both sides, which can be copied; what is borrowed for writing is not what is read. (Slices would
        // compare their lengths, and keep a panic.)
        unsafe { core::ptr::copy_nonoverlapping(from, self, 1) };
    }
}

/// Asks for part number `part` of `parts` equal parts of what the table holds at `i`, if it holds that: its way from memory
/// takes longer than a block of short rows, but not longer than the one before it.
#[inline(always)]
pub fn prefetch<S: Simd, T: Plain, const N: usize>(s: S, table: &Table<T, N>, i: usize, part: usize, parts: usize) {
    let Some(next) = table.0.get(i) else { return };
    const { assert!(align_of::<T>() >= 4, "numbers") };
    // SAFETY: the same memory as 32-bit numbers, 16 at a time; every bit pattern is a value of both.
    let next =
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(next).cast::<[u32; LANES]>(), size_of::<T>() / 64) };
    let len = next.len().ceil_over(parts);
    for line in next.iter().skip(part * len).take(len) {
        s.prefetch(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "2 of 2"))]
    fn behind_the_end_lies_the_first() {
        let mut x = Table([Table([1, 2]), Table([3, 4])]);
        x[1][1] = 5;
        assert_eq!((x[1][1], x[2][1], x[usize::MAX][7]), (5, 2, 1));
    }
}
