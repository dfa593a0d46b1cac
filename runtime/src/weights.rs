//! Weights as they lie in the program: bytes, little-endian, read in place.

use crate::place::Plain;

/// A number that is little-endian in memory, whatever the processor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Le<T>(T);

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Le<$integer> {
            /// To little-endian.
            #[inline(always)]
            pub const fn new(x: $integer) -> Self {
                Self(x.to_le())
            }

            /// From little-endian.
            #[inline(always)]
            pub const fn get(self) -> $integer {
                <$integer>::from_le(self.0)
            }
        }
    )*};
}

integers! { u64, u32, u16, i16, usize }

impl Le<f32> {
    /// To little-endian.
    #[inline(always)]
    pub const fn new(x: f32) -> Self {
        Self(f32::from_bits(x.to_bits().to_le()))
    }

    /// From little-endian.
    #[inline(always)]
    pub const fn get(self) -> f32 {
        f32::from_bits(u32::from_le(self.0.to_bits()))
    }
}

/// The bytes of a network's weights, aligned to a cache line:
/// `static WEIGHTS: Weights<{ include_bytes!("w.bin").len() }> = Weights(*include_bytes!("w.bin"));`
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Weights<const N: usize>(pub [u8; N]);

impl<const N: usize> Weights<N> {
    /// A view of type T from byte AT on: `WEIGHTS.at::<768, [[Le<f32>; 16]; 2]>()`.
    #[inline(always)]
    pub const fn at<const AT: usize, T: Plain>(&self) -> &T {
        const {
            assert!(AT.is_multiple_of(align_of::<T>()) && align_of::<T>() <= 64, "parameters are aligned");
            assert!(AT <= N && size_of::<T>() <= N - AT, "parameters inside the file");
        };
        // SAFETY: the bytes of a T from AT on lie inside the field, which is aligned to 64, as it is the one of `Weights`; every
        // bit pattern is a value of a `Plain` type.
        unsafe { &*self.0.as_ptr().add(AT).cast() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static W: Weights<24> =
        Weights([1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 128, 63, 0, 0, 0, 64, 255, 255, 255, 255, 255, 255, 255, 255]);

    #[test]
    fn reads_little_endian() {
        assert_eq!(W.at::<0, Le<u64>>().get(), 0x0807_0605_0403_0201);
        assert_eq!(*W.at::<8, [Le<f32>; 2]>(), [Le::<f32>::new(1.0), Le::<f32>::new(2.0)]);
        assert_eq!(W.at::<4, Le<u32>>().get(), 0x0807_0605);
        assert_eq!(W.at::<8, [[Le<f32>; 1]; 2]>()[1], [Le::<f32>::new(2.0)]);
    }
}
