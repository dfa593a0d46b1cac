//! Element-wise operators, with NumPy's broadcasting.

use super::strided::{Rows, broadcast_strides};
use super::{each_type, floats};
use crate::exact::Affine;
use crate::ir::{Binary, DType, Data, Shape, Tensor, Unary, Zero, broadcast};

fn broadcast_or(a: &Tensor, b: &Tensor) -> Result<Shape, String> {
    broadcast(&a.shape, &b.shape).ok_or_else(|| format!("{:?} and {:?} do not broadcast", a.shape, b.shape))
}

pub(super) fn sign(zero: Zero, x: &Tensor) -> Result<Tensor, String> {
    let shape = x.shape.clone();
    match &x.data {
        Data::F32(v) => {
            let signs = match zero {
                Zero::Plus => v.iter().map(|&x| if x >= 0.0 { 1.0 } else { -1.0 }).collect(),
                Zero::Minus => v.iter().map(|&x| if x > 0.0 { 1.0 } else { -1.0 }).collect(),
                Zero::Zero => v.iter().map(|&x| f32::from(x > 0.0) - f32::from(x < 0.0)).collect(),
            };
            Ok(Tensor { shape, data: Data::F32(signs) })
        }
        Data::I64(v) if zero == Zero::Zero => {
            Ok(Tensor { shape, data: Data::I64(v.iter().map(|x| x.signum()).collect()) })
        }
        _ => Err(format!("Sign of {:?}", x.dtype())),
    }
}

pub(super) fn unary(function: Unary, x: &Tensor) -> Result<Tensor, String> {
    let data = match (&x.data, function) {
        (Data::F32(v), _) => Data::F32(unary_f32(function, v)?),
        (Data::I64(v), Unary::Neg) => Data::I64(v.iter().map(|x| x.wrapping_neg()).collect()),
        (Data::I64(v), Unary::Abs) => Data::I64(v.iter().map(|x| x.wrapping_abs()).collect()),
        (Data::Bool(v), Unary::Not) => Data::Bool(v.iter().map(|x| !x).collect()),
        _ => return Err(format!("{function:?} of {:?}", x.dtype())),
    };
    Ok(Tensor { shape: x.shape.clone(), data })
}

/// Functions that a float cannot give exactly are computed in f64 and rounded once.
fn unary_f32(function: Unary, v: &[f32]) -> Result<Vec<f32>, String> {
    fn map(v: &[f32], f: impl Fn(f32) -> f32) -> Vec<f32> {
        v.iter().map(|&x| f(x)).collect()
    }
    fn wide(v: &[f32], f: impl Fn(f64) -> f64) -> Vec<f32> {
        v.iter().map(|&x| f(f64::from(x)) as f32).collect()
    }
    Ok(match function {
        Unary::Relu => map(v, |x| if x > 0.0 { x } else { 0.0 }),
        Unary::LeakyRelu(alpha) => map(v, |x| if x < 0.0 { alpha * x } else { x }),
        Unary::Clip(low, high) => map(v, |x| {
            let x = if x < low { low } else { x };
            if x > high { high } else { x }
        }),
        Unary::Sigmoid => wide(v, |x| 1.0 / (1.0 + (-x).exp())),
        Unary::HardSigmoid(alpha, beta) => wide(v, |x| (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0)),
        Unary::HardSwish => wide(v, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        Unary::Tanh => wide(v, f64::tanh),
        Unary::Elu(alpha) => wide(v, |x| if x < 0.0 { f64::from(alpha) * x.exp_m1() } else { x }),
        Unary::Softplus => wide(v, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        Unary::Erf => wide(v, erf),
        Unary::Neg => map(v, |x| -x),
        Unary::Abs => map(v, f32::abs),
        Unary::Exp => wide(v, f64::exp),
        Unary::Log => wide(v, f64::ln),
        Unary::Sqrt => map(v, f32::sqrt),
        Unary::Reciprocal => map(v, f32::recip),
        Unary::Round => map(v, f32::round_ties_even),
        Unary::Floor => map(v, f32::floor),
        Unary::Ceil => map(v, f32::ceil),
        Unary::Not => return Err("Not of floats".to_owned()),
    })
}

/// erf(x) = 2 / sqrt(pi) * exp(-x^2) * sum of 2^n x^(2n+1) / (2n+1)!!: every term positive, so nothing cancels.
fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let a = x.abs();
    if a > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (a, a, 1.0);
    while term > sum * 1e-17 {
        term *= 2.0 * a * a / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    (std::f64::consts::FRAC_2_SQRT_PI * (-a * a).exp() * sum).copysign(x)
}

/// Applies a function to pairs of elements, broadcasting both operands to `shape`.
fn zip<T: Copy, R>(a: (&[T], &[usize]), b: (&[T], &[usize]), shape: &[usize], f: impl Fn(T, T) -> R) -> Vec<R> {
    let strides = |operand: &[usize]| broadcast_strides(operand, shape).unwrap_or_else(|| vec![0; shape.len()]);
    let rows = Rows::new(shape, [&strides(a.1), &strides(b.1)]);
    let (a, b, len) = (a.0, b.0, rows.len);
    let mut result = Vec::with_capacity(shape.iter().product());
    rows.for_each([0, 0], |[i, j]| {
        let (i, j) = (i as usize, j as usize);
        match rows.steps {
            [1, 1] => result.extend(a[i..][..len].iter().zip(&b[j..][..len]).map(|(&x, &y)| f(x, y))),
            [1, 0] => {
                let y = b[j];
                result.extend(a[i..][..len].iter().map(|&x| f(x, y)));
            }
            [0, 1] => {
                let x = a[i];
                result.extend(b[j..][..len].iter().map(|&y| f(x, y)));
            }
            [p, q] => result.extend((0..len).map(|k| f(a[i + k * p as usize], b[j + k * q as usize]))),
        }
    });
    result
}

pub(super) fn binary(function: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor, String> {
    use Binary::*;
    let shape = broadcast_or(a, b)?;
    let data = match (&a.data, &b.data) {
        (Data::F32(u), Data::F32(v)) => {
            let (u, v, s) = ((&u[..], &a.shape[..]), (&v[..], &b.shape[..]), &shape[..]);
            match function {
                Add => Data::F32(zip(u, v, s, |x, y| x + y)),
                Sub => Data::F32(zip(u, v, s, |x, y| x - y)),
                Mul => Data::F32(zip(u, v, s, |x, y| x * y)),
                Div => Data::F32(zip(u, v, s, |x, y| x / y)),
                Pow => Data::F32(zip(u, v, s, |x, y| f64::from(x).powf(f64::from(y)) as f32)),
                Min => Data::F32(zip(u, v, s, |x, y| if y < x { y } else { x })),
                Max => Data::F32(zip(u, v, s, |x, y| if y > x { y } else { x })),
                Mod => Data::F32(zip(u, v, s, |x, y| x % y)),
                Equal => Data::Bool(zip(u, v, s, |x, y| x == y)),
                Less => Data::Bool(zip(u, v, s, |x, y| x < y)),
                LessOrEqual => Data::Bool(zip(u, v, s, |x, y| x <= y)),
                Greater => Data::Bool(zip(u, v, s, |x, y| x > y)),
                GreaterOrEqual => Data::Bool(zip(u, v, s, |x, y| x >= y)),
                And | Or | Xor => return Err(format!("{function:?} of floats")),
            }
        }
        (Data::I64(u), Data::I64(v)) => {
            if matches!(function, Div | Mod) && v.contains(&0) {
                return Err("division of an integer by zero".to_owned());
            }
            let (u, v, s) = ((&u[..], &a.shape[..]), (&v[..], &b.shape[..]), &shape[..]);
            match function {
                Add => Data::I64(zip(u, v, s, i64::wrapping_add)),
                Sub => Data::I64(zip(u, v, s, i64::wrapping_sub)),
                Mul => Data::I64(zip(u, v, s, i64::wrapping_mul)),
                Div => Data::I64(zip(u, v, s, i64::wrapping_div)),
                Pow => Data::I64(zip(u, v, s, |x, y| (x as f64).powf(y as f64) as i64)),
                Min => Data::I64(zip(u, v, s, i64::min)),
                Max => Data::I64(zip(u, v, s, i64::max)),
                // The sign of the divisor, as ONNX has it for integers (`fmod = 0`).
                Mod => Data::I64(zip(u, v, s, |x, y| {
                    let r = x.wrapping_rem(y);
                    if r != 0 && (r < 0) != (y < 0) { r + y } else { r }
                })),
                Equal => Data::Bool(zip(u, v, s, |x, y| x == y)),
                Less => Data::Bool(zip(u, v, s, |x, y| x < y)),
                LessOrEqual => Data::Bool(zip(u, v, s, |x, y| x <= y)),
                Greater => Data::Bool(zip(u, v, s, |x, y| x > y)),
                GreaterOrEqual => Data::Bool(zip(u, v, s, |x, y| x >= y)),
                And | Or | Xor => return Err(format!("{function:?} of integers")),
            }
        }
        (Data::Bool(u), Data::Bool(v)) => {
            let (u, v, s) = ((&u[..], &a.shape[..]), (&v[..], &b.shape[..]), &shape[..]);
            match function {
                And => Data::Bool(zip(u, v, s, |x, y| x & y)),
                Or => Data::Bool(zip(u, v, s, |x, y| x | y)),
                Xor => Data::Bool(zip(u, v, s, |x, y| x ^ y)),
                Equal => Data::Bool(zip(u, v, s, |x, y| x == y)),
                _ => return Err(format!("{function:?} of booleans")),
            }
        }
        _ => return Err(format!("{function:?} of {:?} and {:?}", a.dtype(), b.dtype())),
    };
    Ok(Tensor { shape, data })
}

pub(super) fn prelu(x: &Tensor, slope: &Tensor) -> Result<Tensor, String> {
    if broadcast_or(x, slope)? != x.shape {
        return Err(format!("a slope of shape {:?} for {:?}", slope.shape, x.shape));
    }
    let data =
        zip((floats(x)?, &x.shape), (floats(slope)?, &slope.shape), &x.shape, |x, s| if x < 0.0 { s * x } else { x });
    Ok(Tensor { shape: x.shape.clone(), data: Data::F32(data) })
}

pub(super) fn select(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor, String> {
    fn pick<T: Copy>(condition: &[bool], a: &[T], b: &[T], rows: &Rows<3>, len: usize) -> Vec<T> {
        let mut result = Vec::with_capacity(len);
        rows.for_each([0; 3], |at| {
            let position = |operand: usize, k: usize| at[operand] as usize + k * rows.steps[operand] as usize;
            result.extend(
                (0..rows.len).map(|k| if condition[position(0, k)] { a[position(1, k)] } else { b[position(2, k)] }),
            );
        });
        result
    }
    let Data::Bool(flags) = &condition.data else { return Err("a condition that is not boolean".to_owned()) };
    let shape = broadcast(&broadcast_or(a, b)?, &condition.shape)
        .ok_or_else(|| format!("a condition of shape {:?} does not broadcast", condition.shape))?;
    let strides = |operand: &[usize]| broadcast_strides(operand, &shape).unwrap_or_else(|| vec![0; shape.len()]);
    let rows = Rows::new(&shape, [&strides(&condition.shape), &strides(&a.shape), &strides(&b.shape)]);
    let len = shape.iter().product();
    let data = match (&a.data, &b.data) {
        (Data::F32(a), Data::F32(b)) => Data::F32(pick(flags, a, b, &rows, len)),
        (Data::I64(a), Data::I64(b)) => Data::I64(pick(flags, a, b, &rows, len)),
        (Data::Bool(a), Data::Bool(b)) => Data::Bool(pick(flags, a, b, &rows, len)),
        _ => return Err(format!("a choice between {:?} and {:?}", a.dtype(), b.dtype())),
    };
    Ok(Tensor { shape, data })
}

pub(super) fn cast(x: &Tensor, to: DType) -> Tensor {
    let data = match (&x.data, to) {
        (_, DType::F32) => Data::F32(x.to_f32()),
        // Towards zero, as ONNX has it.
        (Data::F32(v), DType::I64) => Data::I64(v.iter().map(|&x| x as i64).collect()),
        (Data::Bool(v), DType::I64) => Data::I64(v.iter().map(|&x| i64::from(x)).collect()),
        (Data::F32(v), DType::Bool) => Data::Bool(v.iter().map(|&x| x != 0.0).collect()),
        (Data::I64(v), DType::Bool) => Data::Bool(v.iter().map(|&x| x != 0).collect()),
        (same, _) => each_type!(same, v => v.clone()),
    };
    Tensor { shape: x.shape.clone(), data }
}

/// One map per index of `axis`, in f64, rounded once.
pub(super) fn affine(x: &Tensor, axis: usize, maps: &[Affine]) -> Result<Tensor, String> {
    let values = floats(x)?;
    if x.shape.get(axis) != Some(&maps.len()) {
        return Err(format!("{} maps along axis {axis} of {:?}", maps.len(), x.shape));
    }
    let inner: usize = x.shape[axis + 1..].iter().product();
    let coefficients: Vec<[f64; 4]> = maps.iter().map(Affine::coefficients).collect();
    let mut result = Vec::with_capacity(values.len());
    if inner == 1 {
        for row in values.chunks_exact(maps.len().max(1)) {
            result.extend(row.iter().zip(&coefficients).map(|(&x, c)| Affine::evaluate(c, x)));
        }
    } else {
        for (i, plane) in values.chunks_exact(inner.max(1)).enumerate() {
            let c = &coefficients[i % maps.len()];
            result.extend(plane.iter().map(|&x| Affine::evaluate(c, x)));
        }
    }
    Ok(Tensor { shape: x.shape.clone(), data: Data::F32(result) })
}
