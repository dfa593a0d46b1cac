//! What the CPU computes itself: loops over slices, behind operations of [`nn`](crate::nn).
//!
//! burn's CPU backend has every operation, but the ones a training step spends its time in leave half of two cores
//! idle: batch normalisation and element-wise operations run on one thread, and the backward passes of a convolution
//! transpose and copy whole batches. Here each is one parallel pass, in the widest instructions there are.
//!
//! Every sum has an order of its own, by pictures and places, so that results are the same bits for any number of
//! threads, and for every instruction set that has a fused multiply-add.

pub(crate) mod buffers;
pub(crate) mod convolution;
pub(crate) mod element;
pub(crate) mod mean;
pub(crate) mod norm;
mod planes;
pub(crate) mod prelu;
pub(crate) mod shared_norm;
mod sweep;
#[cfg(test)]
mod tests;

use pulp::{Simd, WithSimd};

/// Runs `operation` with the widest instructions of this machine.
///
/// [`pulp::Arch`] would leave out AVX2 unless a feature of `pulp` is on that rebuilds everything under burn.
#[inline]
pub(crate) fn with_simd<O: WithSimd>(operation: O) -> O::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = pulp::x86::V4::try_new() {
            return Simd::vectorize(simd, operation);
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return Simd::vectorize(simd, operation);
        }
    }
    pulp::Arch::new().dispatch(operation)
}

/// Compiles the loops of `body` for each instruction set and runs the widest.
#[inline]
pub(crate) fn vectorised<R>(body: impl FnOnce() -> R) -> R {
    struct Loops<F>(F);

    impl<R, F: FnOnce() -> R> WithSimd for Loops<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> R {
            (self.0)()
        }
    }

    with_simd(Loops(body))
}

/// Partial sums side by side: the widest vector there is, on every machine, so that all add up in one order.
const LANES: usize = 16;

/// Σ f(x).
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += f(*x));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += f(*x));
    sums.iter().sum()
}

/// Σ f(x, y).
#[inline(always)]
fn sum_of_pairs(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let ((whole_x, rest_x), (whole_y, rest_y)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in whole_x.iter().zip(whole_y) {
        sums.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum += f(*x, *y));
    }
    sums.iter_mut().zip(rest_x.iter().zip(rest_y)).for_each(|(sum, (x, y))| *sum += f(*x, *y));
    sums.iter().sum()
}
