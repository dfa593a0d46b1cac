//! Functions that become several operators of the graph.

use super::Onnx;
use super::node::{NodeContext, bad};
use crate::diagnostics::Outcome;
use crate::ir::{Binary, Unary, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("Selu", 6, selu),
    Onnx::one("Softsign", 1, softsign),
    Onnx::one("Mish", 18, mish),
    Onnx::one("Gelu", 20, gelu),
    Onnx::one("Identity", 1, |cx| cx.operand(0)),
];

/// gamma * Elu(x), with an alpha of its own.
fn selu(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let gamma = cx.float("gamma", 1.050_701)?;
    let alpha = cx.float("alpha", 1.673_263_2)?;
    let x = cx.operand(0)?;
    let elu = cx.unary(Unary::Elu(alpha), x)?;
    let gamma = cx.scalar(gamma);
    cx.binary(Binary::Mul, elu, gamma)
}

fn softsign(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    softsign_of(cx, x)
}

/// x / (1 + |x|)
pub(super) fn softsign_of(cx: &mut NodeContext<'_>, x: ValueId) -> Outcome<ValueId> {
    let one = cx.scalar(1.0);
    let size = cx.unary(Unary::Abs, x)?;
    let divisor = cx.binary(Binary::Add, size, one)?;
    cx.binary(Binary::Div, x, divisor)
}

fn mish(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let softplus = cx.unary(Unary::Softplus, x)?;
    let factor = cx.unary(Unary::Tanh, softplus)?;
    cx.binary(Binary::Mul, x, factor)
}

/// x * (1 + erf(x / sqrt 2)) / 2, or its approximation by tanh.
fn gelu(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let (one, half) = (cx.scalar(1.0), cx.scalar(0.5));
    let inner = match cx.text("approximate")?.as_deref() {
        None | Some("none") => {
            let scale = cx.scalar(std::f32::consts::FRAC_1_SQRT_2);
            let scaled = cx.binary(Binary::Mul, x, scale)?;
            cx.unary(Unary::Erf, scaled)?
        }
        Some("tanh") => {
            let (factor, scale) = (cx.scalar(0.044_715), cx.scalar((2.0 / std::f32::consts::PI).sqrt()));
            let square = cx.binary(Binary::Mul, x, x)?;
            let cubic = cx.binary(Binary::Mul, square, factor)?;
            let correction = cx.binary(Binary::Add, cubic, one)?;
            let corrected = cx.binary(Binary::Mul, x, correction)?;
            let scaled = cx.binary(Binary::Mul, corrected, scale)?;
            cx.unary(Unary::Tanh, scaled)?
        }
        Some(other) => return Err(bad(format!("the approximation {other:?} is not known"))),
    };
    let raised = cx.binary(Binary::Add, inner, one)?;
    let halved = cx.binary(Binary::Mul, raised, half)?;
    cx.binary(Binary::Mul, x, halved)
}
