//! Matrix products.

use crate::diagnostics::Code;
use crate::import::Outcome;
use crate::import::node::{NodeContext, problem};
use crate::ir::{Binary, Op, ValueId};

/// Converts the operators of this family; `None` for others.
pub(super) fn convert(cx: &mut NodeContext<'_>, op: &str) -> Option<Outcome<ValueId>> {
    Some(match op {
        "MatMul" => matmul(cx),
        "Gemm" => gemm(cx),
        _ => return None,
    })
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
