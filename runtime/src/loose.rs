//! Multiply-add that rounds twice where one rounding would be emulated in f64: by the user's choice alone.
//!
//! Emulation to the bit costs several times as much as the product and the sum themselves. Whoever gives up the same bits on
//! every processor can do without it; what has the instruction still uses it. Without a floating-point unit nothing changes either:
//! one rounding in integers takes 1 to 4 per cent more instructions than a product and a sum in software (counted on Cortex-M0, M3
//! and RV32IMC, the Fashion-MNIST network), which is not worth other bits.

use crate::level::Level;
use crate::simd::{Kernel, Simd, sealed::Sealed};
use crate::weights::Le;

/// A kernel that may round twice.
pub(crate) struct Loosely<K>(pub(crate) K);

impl<K: Kernel> Kernel for Loosely<K> {
    type Output = K::Output;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> K::Output {
        if const { S::FUSED } { self.0.run(s) } else { self.0.run(Loose(s)) }
    }
}

/// The same lanes, whose multiply-add is a product and a sum.
#[derive(Clone, Copy, Debug)]
struct Loose<S>(S);

/// An operation that is that of the lanes. One a call, so that what a network does not use can be left out of its crate.
macro_rules! same {
    ($name:ident($($operand:ident: $ty:ty),*) -> $result:ty) => {
        #[inline(always)]
        fn $name(self, $($operand: $ty),*) -> $result {
            self.0.$name($($operand),*)
        }
    };
}

impl<S> Sealed for Loose<S> {}

impl<S: Simd> Simd for Loose<S> {
    const LEVEL: Level = S::LEVEL;
    const TILES: usize = S::TILES;
    const PICKS: bool = S::PICKS;
    const FUSED: bool = S::FUSED;
    const PLANE: usize = S::PLANE;
    type F = S::F;
    type Acc = S::Acc;
    type Plane = S::Plane;

    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // A sum that is one of two NaNs takes the first on some processors: which is open, as of every NaN.
        self.0.add(self.0.mul(a, b), c)
    }
    same!(splat(x: f32) -> Self::F);
    same!(splat_quads(x: [f32; 4]) -> Self::F);
    same!(pick(x: &[f32; 16], which: &[u32; 16], behind: u32) -> Self::F);
    same!(load(x: &[f32; 16]) -> Self::F);
    same!(store(y: &mut [f32; 16], v: Self::F) -> ());
    same!(load_le(x: &[Le<f32>; 16]) -> Self::F);
    same!(add(a: Self::F, b: Self::F) -> Self::F);
    same!(sub(a: Self::F, b: Self::F) -> Self::F);
    same!(mul(a: Self::F, b: Self::F) -> Self::F);
    same!(div(a: Self::F, b: Self::F) -> Self::F);
    same!(min(a: Self::F, b: Self::F) -> Self::F);
    same!(max(a: Self::F, b: Self::F) -> Self::F);
    same!(ge(a: Self::F, b: Self::F) -> u16);
    same!(le(a: Self::F, b: Self::F) -> u16);
    same!(lt(a: Self::F, b: Self::F) -> u16);
    same!(within(a: Self::F, low: Self::F, high: Self::F) -> u16);
    same!(select(mask: u16, a: Self::F, b: Self::F) -> Self::F);
    same!(select_negative(x: Self::F, a: Self::F, b: Self::F) -> Self::F);
    same!(acc_zero() -> Self::Acc);
    same!(xor_popcnt(acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc);
    same!(widen(acc: Self::Acc) -> Self::Acc);
    same!(dot(acc: Self::Acc, k: Self::F) -> Self::F);
    same!(dot_ge(acc: Self::Acc, k: i32, low: &[Le<i16>; 16]) -> u16);
    same!(no_plane() -> Self::Plane);
    same!(and(a: Self::Plane, b: Self::Plane) -> Self::Plane);
    same!(xor(a: Self::Plane, b: Self::Plane) -> Self::Plane);
    same!(or(a: Self::Plane, b: Self::Plane) -> Self::Plane);
    same!(half_adder(a: Self::Plane, b: Self::Plane) -> (Self::Plane, Self::Plane));
    same!(full_adder(a: Self::Plane, b: Self::Plane, c: Self::Plane) -> (Self::Plane, Self::Plane));
    same!(dot_counts(counts: &[u16; 16], start: &[Le<i16>; 16], ones: usize) -> Self::F);
    same!(to_array(v: Self::F) -> [f32; 16]);
    same!(from_array(lanes: [f32; 16]) -> Self::F);
    #[inline(always)]
    fn prefetch<T>(self, x: &[T; 16]) {
        self.0.prefetch(x);
    }
    #[inline(always)]
    fn rolled<T>(self, x: &[T]) -> &[T] {
        self.0.rolled(x)
    }
    #[inline(always)]
    fn plane<const W: usize>(self, row: &[Le<u32>; W], part: usize) -> Self::Plane {
        self.0.plane(row, part)
    }
    #[inline(always)]
    unsafe fn plane_at(self, from: *const u8) -> Self::Plane {
        // SAFETY: the caller's promise.
        unsafe { self.0.plane_at(from) }
    }
    same!(turned(words: &[u64; 32]) -> [u32; 64]);
    #[inline(always)]
    fn columns<const N: usize>(self, sums: &[[[Self::Plane; N]; 4]; 4], put: impl FnMut(usize, [u16; 16])) {
        self.0.columns(sums, put);
    }
    #[inline(always)]
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], put: impl FnMut(usize, [u16; 16])) {
        self.0.spread(planes, put);
    }
}

#[cfg(all(test, feature = "sources"))]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use crate::SOURCES;

    /// The functions of a file that stand one level deep, those of `impl Simd` among them.
    fn functions(text: &str) -> impl Iterator<Item = &str> {
        text.lines().filter_map(|line| {
            let rest = line.strip_prefix("    fn ").or_else(|| line.strip_prefix("    same!("))?;
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
        })
    }

    /// A level's own form of what the trait has a form of would be lost here without an error, and with it its speed.
    #[test]
    fn what_a_level_has_of_its_own_is_used() {
        let text = |file: &str| SOURCES.iter().find(|(path, _)| *path == file).expect("a file of this crate").1;
        let (all, here): (Vec<_>, Vec<_>) =
            (functions(text("simd.rs")).collect(), functions(text("loose.rs")).collect());
        let mut own: Vec<_> = SOURCES
            .iter()
            .filter(|(path, _)| path.starts_with("arch/"))
            .flat_map(|(_, text)| functions(text))
            .collect();
        // A run of multiply-adds is one of these here.
        own.retain(|name| all.contains(name) && *name != "fma_run");
        assert!(own.contains(&"splat_quads") && own.len() > 40, "{own:?}");
        let lost: Vec<_> = own.into_iter().filter(|name| !here.contains(name)).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
}
