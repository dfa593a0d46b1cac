//! Element-wise functions on single floats, for gates and for operands that need broadcasting.
//!
//! Each gives the same bits as its vector form.

/// max(x, 0); NaN stays.
pub fn relu(x: f32) -> f32 {
    max(0.0, x)
}

/// x < 0 ? slope * x : x
pub fn leaky(x: f32, slope: f32) -> f32 {
    if x < 0.0 { slope * x } else { x }
}

/// x > threshold ? x : 0; NaN stays.
pub fn thresholded(x: f32, threshold: f32) -> f32 {
    if x <= threshold { 0.0 } else { x }
}

/// min(max(x, low), high); NaN stays.
pub fn clip(x: f32, low: f32, high: f32) -> f32 {
    min(high, max(low, x))
}

/// clip(alpha * x + beta, 0, 1)
pub fn hard_sigmoid(x: f32, alpha: f32, beta: f32) -> f32 {
    clip(alpha * x + beta, 0.0, 1.0)
}

/// x * hard_sigmoid(x, 1/6, 1/2)
pub fn hard_swish(x: f32) -> f32 {
    x * hard_sigmoid(x, 1.0 / 6.0, 0.5)
}

/// x / step to the nearest integer, ties to even, within ±2^22; NaN stays.
pub fn quantize(x: f32, step: f32) -> f32 {
    // The sum has no bits behind the point left.
    (clip(x / step, -4_194_304.0, 4_194_304.0) + 12_582_912.0) - 12_582_912.0
}

/// -x
pub fn neg(x: f32) -> f32 {
    -x
}

/// |x|
pub fn abs(x: f32) -> f32 {
    f32::from_bits(x.to_bits() & 0x7fff_ffff)
}

/// 1 / x
pub fn reciprocal(x: f32) -> f32 {
    1.0 / x
}

/// 1 for 0, else 0
pub fn not(x: f32) -> f32 {
    truth(x == 0.0)
}

/// The smaller of two; NaN where one of them is.
pub fn min(a: f32, b: f32) -> f32 {
    if a < b || a.is_nan() { a } else { b }
}

/// The larger of two; NaN where one of them is.
pub fn max(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

/// The remainder with the sign of the divisor, as ONNX's `Mod` with `fmod = 0`.
pub fn modulo(a: f32, b: f32) -> f32 {
    let remainder = a % b;
    if remainder != 0.0 && (remainder < 0.0) != (b < 0.0) { remainder + b } else { remainder }
}

/// A row of a table by its number: from the end where that is below zero, and within the table.
pub fn row(index: f32, extent: usize) -> usize {
    let index = index as i64;
    let index = if index < 0 { index.wrapping_add(extent as i64) } else { index };
    index.max(0).min(extent as i64 - 1) as usize
}

/// 1 for true, 0 for false.
pub fn truth(condition: bool) -> f32 {
    if condition { 1.0 } else { 0.0 }
}
