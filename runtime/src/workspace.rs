//! The memory that a network works in, and memory for its inputs and outputs, where the caller wants it on the heap.

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
use crate::place::Plain;
#[cfg(feature = "alloc")]
use alloc::boxed::Box;

/// What one inference works in: REAL numbers and BITS words of signs. What it holds before does not matter.
///
/// It can be far larger than a stack: let it be a `static` (of zeros, which take no place in the program's file), or use
/// `boxed`, with the feature `alloc`. `Box::new(Workspace::new())` lies on the stack first where nothing is optimised.
#[repr(C, align(64))]
#[derive(Clone, Debug)]
pub struct Workspace<const REAL: usize, const BITS: usize> {
    /// Real-valued tensors.
    pub real: [f32; REAL],
    /// Sign bits.
    pub bits: [u64; BITS],
}

impl<const REAL: usize, const BITS: usize> Workspace<REAL, BITS> {
    /// Zeros; fit for a `static`.
    pub const fn new() -> Self {
        Self { real: [0.0; REAL], bits: [0; BITS] }
    }

    /// Zeros, on the heap, without a way over the stack.
    #[cfg(feature = "alloc")]
    pub fn boxed() -> Box<Self> {
        // SAFETY: numbers whose bits are all zero, and padding.
        unsafe { zeroed() }
    }
}

impl<const REAL: usize, const BITS: usize> Default for Workspace<REAL, BITS> {
    fn default() -> Self {
        Self::new()
    }
}

/// An array of zeros on the heap, without a way over the stack: for the input or output of a network.
#[cfg(feature = "alloc")]
pub fn boxed<T: Plain>() -> Box<T> {
    // SAFETY: every bit pattern is a T.
    unsafe { zeroed() }
}

/// # Safety
/// A T may be all zeros.
#[cfg(feature = "alloc")]
pub(crate) unsafe fn zeroed<T>() -> Box<T> {
    let layout = core::alloc::Layout::new::<T>();
    if layout.size() == 0 {
        // SAFETY: nothing is read behind this pointer, which is aligned and not null.
        return unsafe { Box::from_raw(core::ptr::dangling_mut()) };
    }
    // SAFETY: the size is not 0.
    let memory = unsafe { alloc::alloc::alloc_zeroed(layout) };
    if memory.is_null() {
        alloc::alloc::handle_alloc_error(layout);
    }
    // SAFETY: allocated as a box allocates, and, by the caller's promise, a value.
    unsafe { Box::from_raw(memory.cast()) }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_zero_and_aligned() {
        // Larger than the stack of a test's thread.
        let work = Workspace::<4_000_000, 3>::boxed();
        assert!(work.real.iter().all(|&x| x == 0.0) && work.bits == [0; 3]);
        assert_eq!(core::ptr::from_ref(&*work) as usize % 64, 0);
        assert!(Workspace::<0, 0>::boxed().real.is_empty());
        assert_eq!(*boxed::<[f32; 5]>(), [0.0; 5]);
        assert_eq!(*boxed::<[i64; 0]>(), []);
        let work = Workspace::<2, 2>::default();
        assert_eq!((work.real, work.bits), ([0.0; 2], [0; 2]));
    }
}
