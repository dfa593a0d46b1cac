//! Memory as typed views: the tensors that an emitted block works on, where the plan put them in the scratch memory.
//!
//! What could be wrong about a place is a constant (its offset, its type, the size of the memory), so that it is an error
//! when the program is compiled, and nothing when it runs.

use crate::weights::Le;

/// Types of which every bit pattern is a value, without padding: what memory may be seen as.
///
/// # Safety
/// It must be so.
// A network in integers has no other use for it than `boxed`.
#[cfg_attr(not(feature = "alloc"), allow(dead_code))]
pub unsafe trait Plain: Copy {}
// SAFETY: numbers, and arrays of such types.
unsafe impl Plain for f32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for i64 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for i16 {}
// SAFETY: as above.
unsafe impl Plain for usize {}
// SAFETY: as above; one field, which is such a type.
unsafe impl<T: Plain> Plain for Le<T> {}
// SAFETY: as above.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// A view of type T from element AT of a memory on.
#[derive(Clone, Copy, Debug)]
pub struct Place<const AT: usize, T>(core::marker::PhantomData<T>);

/// One place in a memory of elements E, or several, in the order of their offsets and none over another.
///
/// # Safety
/// `views` must stay between START and END, and give no element twice.
pub unsafe trait Places<E> {
    /// References to them.
    type Views<'a>;
    /// The first element.
    const START: usize;
    /// The one behind the last.
    const END: usize;
    /// The views.
    ///
    /// # Safety
    /// The elements up to END must be valid for reading and writing as long as the views live, and nobody else's.
    unsafe fn views<'a>(memory: *mut E) -> Self::Views<'a>;
}

// SAFETY: the elements from AT on that are as many bytes as a T.
unsafe impl<E: Plain, T: Plain + 'static, const AT: usize> Places<E> for Place<AT, T> {
    type Views<'a> = &'a mut T;
    const START: usize = AT;
    const END: usize = {
        assert!(align_of::<T>() <= align_of::<E>() && size_of::<T>().is_multiple_of(size_of::<E>()));
        AT + size_of::<T>() / size_of::<E>()
    };

    #[inline(always)]
    unsafe fn views<'a>(memory: *mut E) -> &'a mut T {
        // SAFETY: AT is at most END, up to which the memory is the caller's promise; it is aligned for E, which is enough for
        // T; every bit pattern is a value of both.
        unsafe { &mut *memory.add(AT).cast::<T>() }
    }
}

macro_rules! several {
    ($first:ident $($name:ident)*) => {
        // SAFETY: each place begins where the one before it has ended, or later.
        unsafe impl<E, $first: Places<E>, $($name: Places<E>),*> Places<E> for ($first, $($name),*) {
            type Views<'a> = ($first::Views<'a>, $($name::Views<'a>),*);
            const START: usize = $first::START;
            const END: usize = {
                let end = $first::END;
                $(
                    assert!(end <= $name::START, "places in order");
                    let end = $name::END;
                )*
                end
            };

            #[inline(always)]
            unsafe fn views<'a>(memory: *mut E) -> Self::Views<'a> {
                // SAFETY: the caller's promise, for parts of the memory that do not overlap.
                unsafe { ($first::views(memory), $($name::views(memory)),*) }
            }
        }
    };
}

several!(A B);
several!(A B C);
several!(A B C D);
several!(A B C D F);
several!(A B C D F G);
several!(A B C D F G H);
several!(A B C D F G H I);

/// Arrays that can be seen as something else of the same elements.
pub trait Memory<E: Plain> {
    /// Views of some places of it: `memory.places::<(Place<0, [f32; 4]>, Place<16, [[f32; 4]; 2]>)>()`. More than eight are tuples of
    /// tuples.
    fn places<P: Places<E>>(&mut self) -> P::Views<'_>;
    /// All of it under another shape: `memory.shaped::<[[f32; 2]; 3]>()`.
    fn shaped<T: Plain>(&self) -> &T;
    /// [`shaped`](Memory::shaped), to write.
    fn shaped_mut<T: Plain>(&mut self) -> &mut T;
}

impl<E: Plain, const N: usize> Memory<E> for [E; N] {
    #[inline(always)]
    fn places<P: Places<E>>(&mut self) -> P::Views<'_> {
        const { assert!(P::END <= N, "places inside the memory") };
        // SAFETY: every place ends inside the memory, which is borrowed exclusively for as long as the views live.
        unsafe { P::views(self.as_mut_ptr()) }
    }

    #[inline(always)]
    fn shaped<T: Plain>(&self) -> &T {
        const { assert!(align_of::<T>() <= align_of::<E>() && size_of::<T>() == size_of::<[E; N]>(), "the same elements") };
        // SAFETY: as many bytes, aligned as well; every bit pattern is a value of both.
        unsafe { &*self.as_ptr().cast() }
    }

    #[inline(always)]
    fn shaped_mut<T: Plain>(&mut self) -> &mut T {
        const { assert!(align_of::<T>() <= align_of::<E>() && size_of::<T>() == size_of::<[E; N]>(), "the same elements") };
        // SAFETY: as above, and borrowed for writing.
        unsafe { &mut *self.as_mut_ptr().cast() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_lie_where_they_are_said_to() {
        let mut memory: [f32; 20] = core::array::from_fn(|i| i as f32);
        let (a, (b, c)) = memory.places::<(Place<1, [[f32; 2]; 3]>, (Place<7, f32>, Place<16, [f32; 4]>))>();
        assert_eq!((a[2][1], *b, c[3]), (6.0, 7.0, 19.0));
        a[0][0] = -1.0;
        assert_eq!(memory[1], -1.0);
        assert_eq!(memory.shaped::<[[f32; 5]; 4]>()[3][4], 19.0);
        memory.shaped_mut::<[[f32; 10]; 2]>()[1][0] = 3.0;
        assert_eq!(memory[10], 3.0);
    }
}
