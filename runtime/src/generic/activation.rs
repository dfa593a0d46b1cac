//! Element-wise functions of a tile.

use crate::simd::Simd;

/// max(x, 0); NaN stays.
#[inline(always)]
pub fn relu<S: Simd>(s: S, v: S::F) -> S::F {
    s.max(s.splat(0.0), v)
}

/// x < 0 ? slope * x : x, with one slope for all channels.
#[inline(always)]
pub fn leaky<S: Simd>(s: S, v: S::F, slope: f32) -> S::F {
    let slopes = s.splat(slope);
    if slope > 0.0 && slope <= 1.0 { prelu_max(s, v, slopes) } else { prelu(s, v, slopes) }
}

/// x < 0 ? slope * x : x
#[inline(always)]
pub fn prelu<S: Simd>(s: S, v: S::F, slope: S::F) -> S::F {
    s.select_negative(v, s.mul(slope, v), v)
}

/// [`prelu`] of slopes of at most 1 that are finite and not zero: the larger of `slope * x` and x, to the bit. For processors that have it
/// as one instruction, where a choice takes several.
#[inline(always)]
pub fn prelu_max<S: Simd>(s: S, v: S::F, slope: S::F) -> S::F {
    match cfg!(any(target_arch = "x86_64", target_arch = "wasm32")) {
        true => s.max(s.mul(slope, v), v),
        false => prelu(s, v, slope),
    }
}

/// min(max(x, low), high); NaN stays.
#[inline(always)]
pub fn clip<S: Simd>(s: S, v: S::F, low: f32, high: f32) -> S::F {
    s.min(s.splat(high), s.max(s.splat(low), v))
}

/// clamp(alpha * x + beta, 0, 1), with a rounding after the product and one after the sum.
#[inline(always)]
pub fn hard_sigmoid<S: Simd>(s: S, v: S::F, alpha: f32, beta: f32) -> S::F {
    clip(s, s.add(s.mul(s.splat(alpha), v), s.splat(beta)), 0.0, 1.0)
}

/// x * clamp(x / 6 + 1/2, 0, 1), where x / 6 is x times the f32 nearest to 1/6.
#[inline(always)]
pub fn hard_swish<S: Simd>(s: S, v: S::F) -> S::F {
    s.mul(v, hard_sigmoid(s, v, 1.0 / 6.0, 0.5))
}

/// x / step to the nearest integer, ties to even, within ±2^22; NaN stays.
#[inline(always)]
pub fn quantize<S: Simd>(s: S, v: S::F, step: f32) -> S::F {
    let bits = s.splat(12_582_912.0);
    let v = clip(s, s.div(v, s.splat(step)), -4_194_304.0, 4_194_304.0);
    s.sub(s.add(v, bits), bits)
}

/// -x
#[inline(always)]
pub fn neg<S: Simd>(s: S, v: S::F) -> S::F {
    s.sub(s.splat(-0.0), v)
}

/// |x|
#[inline(always)]
pub fn abs<S: Simd>(s: S, v: S::F) -> S::F {
    s.map(v, f32::abs)
}

/// 1 / x
#[inline(always)]
pub fn reciprocal<S: Simd>(s: S, v: S::F) -> S::F {
    s.div(s.splat(1.0), v)
}

/// Any function, lane by lane: for those that are not worth a vector version.
#[inline(always)]
pub fn map_lanes_with<S: Simd>(s: S, v: S::F, f: impl Fn(f32) -> f32) -> S::F {
    s.map_long(v, f)
}
