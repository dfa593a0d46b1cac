//! Matrix products, of real numbers and of signs.

use super::node::{NodeContext, problem};
use super::strided::{Rows, broadcast_strides};
use super::{AtRunTime, Form, Infer, Onnx, Operator, WholeCost, floats, mismatch, mismatched};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::BinaryWeights;
use crate::ir::{Binary, DType, Data, Op, Shape, Tensor, ValueId, broadcast};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("MatMul", 1, matmul).operands(2), Onnx::one("Gemm", 7, gemm).operands(3)];

/// NumPy's matmul.
pub(super) struct MatMul;

impl Operator for MatMul {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        Ok((product(&given.floats(0)?.shape, &given.floats(1)?.shape)?, DType::F32))
    }

    /// Sums in f64.
    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let &[a, b] = inputs else { return Err(mismatched(inputs)) };
        let (u, v) = (floats(a)?, floats(b)?);
        let mismatch = || format!("a matrix product of {:?} and {:?}", a.shape, b.shape);
        if a.shape.is_empty() || b.shape.is_empty() {
            return Err(mismatch());
        }
        // A vector is a matrix of one row or column, which the result then loses.
        let left = if a.shape.len() == 1 { vec![1, a.shape[0]] } else { a.shape.clone() };
        let right = if b.shape.len() == 1 { vec![b.shape[0], 1] } else { b.shape.clone() };
        let (left_batch, [m, k]) = split(&left);
        let (right_batch, [rows, n]) = split(&right);
        if k != rows {
            return Err(mismatch());
        }
        let batch = broadcast(left_batch, right_batch).ok_or_else(mismatch)?;
        let strides = |shape: &[usize]| broadcast_strides(shape, &batch).ok_or_else(mismatch);
        let walk = Rows::new(&batch, [&strides(left_batch)?, &strides(right_batch)?]);
        let mut result = Vec::with_capacity(batch.iter().product::<usize>() * m * n);
        let mut sums = vec![0.0_f64; n];
        walk.for_each([0, 0], |[i, j]| {
            for step in 0..walk.len {
                let i = (i as usize + step * walk.steps[0] as usize) * m * k;
                let j = (j as usize + step * walk.steps[1] as usize) * k * n;
                for row in u[i..][..m * k].chunks_exact(k.max(1)) {
                    sums.fill(0.0);
                    for (&x, column) in row.iter().zip(v[j..][..k * n].chunks_exact(n.max(1))) {
                        for (sum, &w) in sums.iter_mut().zip(column) {
                            *sum += f64::from(x) * f64::from(w);
                        }
                    }
                    result.extend(sums.iter().map(|&sum| sum as f32));
                }
            }
        });
        let mut shape = batch;
        if a.shape.len() > 1 {
            shape.push(m);
        }
        if b.shape.len() > 1 {
            shape.push(n);
        }
        // A product over no elements at all is zero.
        result.resize(shape.iter().product(), 0.0);
        Ok(Tensor { shape, data: Data::F32(result) })
    }

    fn work(&self, inputs: &[&Tensor]) -> Option<usize> {
        Some(inputs.first().and_then(|a| a.shape.last().copied()).unwrap_or(1))
    }

    fn whole(&self) -> Option<&dyn AtRunTime> {
        Some(self)
    }
}

/// Of two tensors known only at run time, each with the batch of the result or none.
impl AtRunTime for MatMul {
    fn kind(&self) -> String {
        "matmul".to_owned()
    }

    fn reason(&self) -> &'static str {
        "both factors are known only at run time"
    }

    fn form(&self) -> Form {
        Form::Product
    }

    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> WholeCost {
        let depth = inputs[0].last().copied().unwrap_or(1);
        WholeCost { macs: (output.iter().product::<usize>() * depth) as u64, ..WholeCost::default() }
    }

    /// The products are added up in order, in f32 and with fused multiply-add: so the emitted code does it.
    fn run(&self, inputs: &[&Tensor], shape: &[usize]) -> Result<Tensor, String> {
        let &[a, b] = inputs else { return Err(mismatched(inputs)) };
        let (Some(x), Some(y)) = (a.as_f32(), b.as_f32()) else { return Err("a product of no floats".to_owned()) };
        let (Some(&[m, k]), Some(&[depth, n])) = (a.shape.last_chunk(), b.shape.last_chunk()) else {
            return Err("a product of vectors".to_owned());
        };
        let len: usize = shape.iter().product();
        let batch = len / (m * n).max(1);
        // An operand without a batch of its own is the same for all.
        let stride = |len: usize, matrix: usize| if len == matrix { 0 } else { matrix };
        let (left, right) = (stride(x.len(), m * k), stride(y.len(), k * n));
        let wanted = |stride: usize, matrix: usize| if stride == 0 { matrix } else { batch * matrix };
        if k != depth || len != batch * m * n || x.len() != wanted(left, m * k) || y.len() != wanted(right, k * n) {
            return Err(format!("{:?} times {:?} is not {shape:?}", a.shape, b.shape));
        }
        let mut values = Vec::with_capacity(len);
        for i in 0..len {
            let (image, row, column) = (i / (m * n), i / n % m, i % n);
            let products = (0..k).map(|j| (x[image * left + row * k + j], y[image * right + j * n + column]));
            values.push(products.fold(0.0_f32, |sum, (x, y)| x.mul_add(y, sum)));
        }
        Ok(Tensor::f32(shape, values))
    }
}

fn product(a: &[usize], b: &[usize]) -> Outcome<Shape> {
    let wrong = || mismatch(format!("a matrix product of shapes {a:?} and {b:?}"));
    if a.is_empty() || b.is_empty() {
        return Err(wrong());
    }
    let (left, right) = (a.len().saturating_sub(2), b.len().saturating_sub(2));
    let rows = if b.len() == 1 { b[0] } else { b[right] };
    if a[a.len() - 1] != rows {
        return Err(wrong());
    }
    let mut shape = broadcast(&a[..left], &b[..right]).ok_or_else(wrong)?;
    if a.len() > 1 {
        shape.push(a[left]);
    }
    if b.len() > 1 {
        shape.push(b[right + 1]);
    }
    Ok(shape)
}

fn split(shape: &[usize]) -> (&[usize], [usize; 2]) {
    let (batch, matrix) = shape.split_at(shape.len() - 2);
    (batch, [matrix[0], matrix[1]])
}

/// x `[..., K]`, whose every element is -1 or +1; weights `[M][K]`.
pub(super) struct BinaryMatMul<'a>(pub(super) &'a BinaryWeights);

impl Operator for BinaryMatMul<'_> {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let shape = &given.first()?.shape;
        let (&k, outer) = shape.split_last().ok_or_else(|| mismatch("a product with a scalar".to_owned()))?;
        Ok(([outer, &[self.0.signs.len() / k.max(1)]].concat(), DType::F32))
    }

    /// Exact integers.
    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let (&[x], weights) = (inputs, self.0) else { return Err(mismatched(inputs)) };
        let values = floats(x)?;
        let (&k, outer) = x.shape.split_last().ok_or("a scalar")?;
        if k == 0 || !weights.signs.len().is_multiple_of(k) {
            return Err(format!("{} weights for {:?}", weights.signs.len(), x.shape));
        }
        let m = weights.signs.len() / k;
        let signs: Vec<i32> = weights.signs.iter().map(|&plus| if plus { 1 } else { -1 }).collect();
        let mut result = Vec::with_capacity(values.len() / k * m);
        for row in values.chunks_exact(k) {
            let row = whole_numbers(row)?;
            result.extend(signs.chunks_exact(k).map(|w| dot(&row, w) as f32));
        }
        Ok(Tensor { shape: [outer, &[m]].concat(), data: Data::F32(result) })
    }
}

pub(super) fn dot(x: &[i32], w: &[i32]) -> i32 {
    x.iter().zip(w).map(|(x, w)| x * w).sum()
}

/// -1, +1 (or 0, where a sign met a zero) as integers.
pub(super) fn whole_numbers(values: &[f32]) -> Result<Vec<i32>, String> {
    values
        .iter()
        .map(|&x| match x {
            1.0 => Ok(1),
            -1.0 => Ok(-1),
            0.0 => Ok(0),
            _ => Err(format!("{x} is not a sign")),
        })
        .collect()
}

fn matmul(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (a, b) = (cx.operand(0)?, cx.operand(1)?);
    cx.apply(Op::MatMul, &[a, b])
}

/// alpha * A' * B' + beta * C; the factors go into the constants.
fn gemm(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (a, b, c) = (cx.operand(0)?, cx.operand(1)?, cx.optional(2));
    let shapes = [cx.shape(a), cx.shape(b)];
    if shapes.iter().any(|shape| shape.len() != 2) {
        return Err(problem(Code::ShapeMismatch, format!("Gemm of shapes {:?} and {:?}", shapes[0], shapes[1])));
    }
    let a = if cx.flag("transA")? { cx.transpose(a, vec![1, 0])? } else { a };
    let b = if cx.flag("transB")? { cx.transpose(b, vec![1, 0])? } else { b };
    let (alpha, beta) = (cx.float("alpha", 1.0)?, cx.float("beta", 1.0)?);
    // Whether there is a C or not; what comes of the factors otherwise is a constant, and looked at as one.
    if beta.is_infinite() {
        return Err(problem(Code::BadInitializer, format!("its factor beta is {beta}")));
    }
    let b = scaled(cx, b, alpha)?;
    let product = cx.apply(Op::MatMul, &[a, b])?;
    let Some(c) = c.filter(|_| beta != 0.0) else { return Ok(product) };
    let c = scaled(cx, c, beta)?;
    let sum = cx.binary(Binary::Add, product, c)?;
    if cx.shape(sum) == cx.shape(product) {
        Ok(sum)
    } else {
        let message = format!("a bias of shape {:?} for a product of shape {:?}", cx.shape(c), cx.shape(product));
        Err(problem(Code::ShapeMismatch, message))
    }
}

fn scaled(cx: &mut NodeContext<'_>, x: ValueId, factor: f32) -> Outcome<ValueId> {
    if factor == 1.0 {
        return Ok(x);
    }
    let factor = cx.scalar(factor);
    cx.binary(Binary::Mul, x, factor)
}
