//! Normalisations, and the operators that know a training mode.

use std::sync::Arc;

use super::Onnx;
use super::node::{NodeContext, bad, problem};
use crate::diagnostics::Outcome;
use crate::diagnostics::{Code, Diagnostic};
use crate::exact::Affine;
use crate::ir::{Binary, DType, Op, Reduction, Unary, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("BatchNormalization", 7, batch_normalization).operands(5),
    Onnx::one("Dropout", 7, dropout).growing(&[(1, 1), (12, 3)]),
    Onnx::one("LayerNormalization", 17, layer_normalization).operands(3),
];

fn training(message: &str) -> Diagnostic {
    problem(Code::TrainingMode, message).help("call model.eval() before the export, or export with training=False")
}

fn batch_normalization(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    if cx.flag("training_mode")? {
        return Err(training("it normalises with the statistics of the batch"));
    }
    if (1..cx.output_count()).any(|i| cx.output_used(i)) {
        return Err(training("the statistics that it updates are used"));
    }
    // Before the attribute the mode was told by the number of results, used or not; an exporter that means inference
    // declares one, or leaves the others without a name.
    if cx.opset() < 14 && (1..cx.output_count()).any(|i| cx.output_named(i)) {
        return Err(training("it declares the statistics that it updates, and so normalises with those of the batch"));
    }
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let &[_, channels, ..] = &shape[..] else {
        return Err(problem(Code::ShapeMismatch, format!("its operand has shape {shape:?}, without channels")));
    };
    let epsilon = cx.float("epsilon", 1e-5)?;
    let mut parameters = [const { Vec::new() }; 4];
    for (i, (what, values)) in ["scale", "bias", "mean", "variance"].iter().zip(&mut parameters).enumerate() {
        let tensor = cx.parameter(i + 1, what)?.ok_or_else(|| bad(format!("its {what} is missing")))?;
        if tensor.dtype() != DType::F32 || tensor.len() != channels {
            let message = format!("a {what} of shape {:?} for {channels} channels", tensor.shape);
            return Err(problem(Code::ShapeMismatch, message));
        }
        *values = tensor.to_f32();
        if let Some(c) = values.iter().position(|v| !v.is_finite()) {
            return Err(problem(Code::BadInitializer, format!("its {what} of channel {c} is {}", values[c])));
        }
    }
    if !epsilon.is_finite() {
        return Err(bad(format!("epsilon is {epsilon}")));
    }
    let [gamma, beta, mean, variance] = parameters;
    let maps = (0..channels)
        .map(|c| {
            Affine::batch_norm(gamma[c], beta[c], mean[c], variance[c], epsilon).ok_or_else(|| {
                problem(Code::BadInitializer, format!("the variance of channel {c}, {}, is not positive", variance[c]))
            })
        })
        .collect::<Outcome<Vec<_>>>()?;
    cx.apply(Op::Affine { axis: 1, maps: Arc::new(maps) }, &[x])
}

fn dropout(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    if let Some(mode) = cx.optional(2) {
        let off = cx.constant(mode).is_some_and(|mode| mode.to_f32().iter().all(|&flag| flag == 0.0));
        if !off {
            return Err(training("it drops elements at random"));
        }
    }
    if cx.output_used(1) {
        return Err(training("the mask of dropped elements is used"));
    }
    cx.operand(0)
}

/// In terms of its steps, over the axes from `axis` on.
fn layer_normalization(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, scale, bias) = (cx.operand(0)?, cx.operand(1)?, cx.optional(2));
    let rank = cx.shape(x).len();
    let first = cx.axis(cx.int("axis")?.unwrap_or(-1), rank)?;
    let epsilon = cx.float("epsilon", 1e-5)?;
    let normal = standardised(cx, x, (first..rank).collect(), epsilon)?;
    let scaled = cx.binary(Binary::Mul, normal, scale)?;
    let result = bias.map_or(Ok(scaled), |bias| cx.binary(Binary::Add, scaled, bias))?;
    if cx.shape(result) == cx.shape(x) {
        Ok(result)
    } else {
        let message = format!("a scale of shape {:?} for a value of shape {:?}", cx.shape(scale), cx.shape(x));
        Err(problem(Code::ShapeMismatch, message))
    }
}

/// x without its mean, divided by the square root of its variance and epsilon, over axes.
pub(super) fn standardised(cx: &mut NodeContext<'_>, x: ValueId, axes: Vec<usize>, epsilon: f32) -> Outcome<ValueId> {
    let mean = Op::Reduce { kind: Reduction::Mean, axes, keepdims: true };
    let centre = cx.apply(mean.clone(), &[x])?;
    let centred = cx.binary(Binary::Sub, x, centre)?;
    let square = cx.binary(Binary::Mul, centred, centred)?;
    let variance = cx.apply(mean, &[square])?;
    let epsilon = cx.scalar(epsilon);
    let variance = cx.binary(Binary::Add, variance, epsilon)?;
    let deviation = cx.unary(Unary::Sqrt, variance)?;
    cx.binary(Binary::Div, centred, deviation)
}
