//! Element-wise functions of one, two or more arguments.

use tract_onnx::pb::tensor_proto::DataType;

use crate::diagnostics::Code;
use crate::import::node::{NodeContext, bad, problem};
use crate::import::{Outcome, tensors};
use crate::ir::{Binary, DType, Op, Unary, ValueId, Zero};

/// Converts the operators of this family; `None` for others.
pub(super) fn convert(cx: &mut NodeContext<'_>, op: &str) -> Option<Outcome<ValueId>> {
    if let Some(function) = plain_unary(op) {
        return Some(cx.operand(0).and_then(|x| cx.unary(function, x)));
    }
    if let Some(function) = plain_binary(op) {
        return Some(binary(cx, function));
    }
    Some(match op {
        "Sign" => cx.operand(0).and_then(|x| cx.apply(Op::Sign(Zero::Zero), &[x])),
        "LeakyRelu" => with(cx, ["alpha"], [0.01], |[alpha]| Unary::LeakyRelu(alpha)),
        "Elu" => with(cx, ["alpha"], [1.0], |[alpha]| Unary::Elu(alpha)),
        "HardSigmoid" => with(cx, ["alpha", "beta"], [0.2, 0.5], |[alpha, beta]| Unary::HardSigmoid(alpha, beta)),
        "Clip" => clip(cx),
        "PRelu" => prelu(cx),
        "Where" => three(cx).and_then(|operands| cx.apply(Op::Where, &operands)),
        "Min" => chain(cx, Binary::Min),
        "Max" => chain(cx, Binary::Max),
        "Sum" => chain(cx, Binary::Add),
        "Mean" => mean(cx),
        "Pow" => pow(cx),
        "Mod" => modulo(cx),
        "Selu" => selu(cx),
        "Softsign" => softsign(cx),
        "Mish" => mish(cx),
        "Gelu" => gelu(cx),
        "Cast" => cast(cx),
        "CastLike" => cast_like(cx),
        "Identity" => cx.operand(0),
        _ => return None,
    })
}

fn plain_unary(op: &str) -> Option<Unary> {
    Some(match op {
        "Relu" => Unary::Relu,
        "Sigmoid" => Unary::Sigmoid,
        "HardSwish" => Unary::HardSwish,
        "Tanh" => Unary::Tanh,
        "Softplus" => Unary::Softplus,
        "Erf" => Unary::Erf,
        "Neg" => Unary::Neg,
        "Abs" => Unary::Abs,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sqrt" => Unary::Sqrt,
        "Reciprocal" => Unary::Reciprocal,
        "Round" => Unary::Round,
        "Floor" => Unary::Floor,
        "Ceil" => Unary::Ceil,
        "Not" => Unary::Not,
        _ => return None,
    })
}

fn plain_binary(op: &str) -> Option<Binary> {
    Some(match op {
        "Add" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Equal" => Binary::Equal,
        "Less" => Binary::Less,
        "LessOrEqual" => Binary::LessOrEqual,
        "Greater" => Binary::Greater,
        "GreaterOrEqual" => Binary::GreaterOrEqual,
        "And" => Binary::And,
        "Or" => Binary::Or,
        "Xor" => Binary::Xor,
        _ => return None,
    })
}

fn binary(cx: &mut NodeContext<'_>, function: Binary) -> Outcome<ValueId> {
    let (a, b) = (cx.operand(0)?, cx.operand(1)?);
    cx.binary(function, a, b)
}

fn three(cx: &NodeContext<'_>) -> Outcome<[ValueId; 3]> {
    Ok([cx.operand(0)?, cx.operand(1)?, cx.operand(2)?])
}

/// A function of one argument with float attributes.
fn with<const N: usize>(
    cx: &mut NodeContext<'_>,
    names: [&str; N],
    mut values: [f32; N],
    function: impl FnOnce([f32; N]) -> Unary,
) -> Outcome<ValueId> {
    for (value, name) in values.iter_mut().zip(names) {
        *value = cx.float(name, *value)?;
    }
    let x = cx.operand(0)?;
    cx.unary(function(values), x)
}

/// Bounds as attributes (opset < 11) or operands, each of which may be absent, or empty.
fn clip(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    if cx.opset() < 11 {
        let low = cx.float("min", f32::NEG_INFINITY)?;
        let high = cx.float("max", f32::INFINITY)?;
        return cx.unary(Unary::Clip(low, high), x);
    }
    let (low, high) = (cx.optional(1), cx.optional(2));
    let known = |bound: Option<ValueId>| bound.is_none_or(|id| cx.constant(id).is_some());
    if cx.dtype(x) == DType::F32 && known(low) && known(high) {
        let low = cx.float_parameter(1, "lower bound")?.unwrap_or(f32::NEG_INFINITY);
        let high = cx.float_parameter(2, "upper bound")?.unwrap_or(f32::INFINITY);
        if low.is_nan() || high.is_nan() {
            return Err(bad("a bound is not a number"));
        }
        return if (low, high) == (f32::NEG_INFINITY, f32::INFINITY) {
            Ok(x)
        } else {
            cx.unary(Unary::Clip(low, high), x)
        };
    }
    let x = low.map_or(Ok(x), |low| cx.binary(Binary::Max, x, low))?;
    high.map_or(Ok(x), |high| cx.binary(Binary::Min, x, high))
}

fn prelu(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, slope) = (cx.operand(0)?, cx.operand(1)?);
    cx.apply(Op::PRelu, &[x, slope])
}

fn operands(cx: &NodeContext<'_>) -> Outcome<Vec<ValueId>> {
    let operands = (0..cx.operand_count()).map(|i| cx.operand(i)).collect::<Outcome<Vec<_>>>()?;
    if operands.is_empty() { Err(bad("it has no operands")) } else { Ok(operands) }
}

fn chain(cx: &mut NodeContext<'_>, function: Binary) -> Outcome<ValueId> {
    let operands = operands(cx)?;
    operands[1..].iter().try_fold(operands[0], |result, &operand| cx.binary(function, result, operand))
}

fn mean(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let sum = chain(cx, Binary::Add)?;
    let count = cx.scalar(cx.operand_count() as f32);
    if cx.operand_count() == 1 { Ok(sum) } else { cx.binary(Binary::Div, sum, count) }
}

/// Base and exponent may be of different types; the result has the base's.
fn pow(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (base, exponent) = (cx.operand(0)?, cx.operand(1)?);
    match (cx.dtype(base), cx.dtype(exponent)) {
        (DType::F32, DType::I64) => {
            let exponent = cx.apply(Op::Cast(DType::F32), &[exponent])?;
            cx.binary(Binary::Pow, base, exponent)
        }
        (DType::I64, DType::F32) => {
            let base = cx.apply(Op::Cast(DType::F32), &[base])?;
            let power = cx.binary(Binary::Pow, base, exponent)?;
            cx.apply(Op::Cast(DType::I64), &[power])
        }
        _ => cx.binary(Binary::Pow, base, exponent),
    }
}

/// The sign of the dividend for floats (`fmod = 1`), that of the divisor for integers: the two that exporters write.
fn modulo(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    if cx.flag("fmod")? != (cx.dtype(x) == DType::F32) {
        return Err(bad("fmod must be 1 for floats and 0 for integers"));
    }
    binary(cx, Binary::Mod)
}

fn selu(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let gamma = cx.float("gamma", 1.050_701)?;
    let elu = with(cx, ["alpha"], [1.673_263_2], |[alpha]| Unary::Elu(alpha))?;
    let gamma = cx.scalar(gamma);
    cx.binary(Binary::Mul, elu, gamma)
}

fn softsign(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
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

/// All float types are one here, and all integer types, so that most casts vanish.
fn cast(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let code = cx.int("to")?.ok_or_else(|| bad("attribute \"to\" is missing"))?;
    let code = i32::try_from(code).unwrap_or(DataType::Undefined as i32);
    let to = tensors::dtype(code).ok_or_else(|| {
        problem(Code::UnknownOperator, format!("a cast to {} is not supported", tensors::type_name(code)))
    })?;
    cast_to(cx, x, to)
}

fn cast_like(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, like) = (cx.operand(0)?, cx.operand(1)?);
    cast_to(cx, x, cx.dtype(like))
}

fn cast_to(cx: &mut NodeContext<'_>, x: ValueId, to: DType) -> Outcome<ValueId> {
    if cx.dtype(x) == to { Ok(x) } else { cx.apply(Op::Cast(to), &[x]) }
}
