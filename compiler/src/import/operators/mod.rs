//! The ONNX operators, each in terms of [`crate::ir::Op`]; one file per family.

mod elementwise;
mod layout;
mod linear;
mod normalize;
mod quantize;
mod reduce;
mod select;
mod spatial;
mod window;

use super::Outcome;
use super::node::{NodeContext, problem};
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::ValueId;

/// Domains of QONNX and its forerunners: binary and quantised layers as Brevitas and FINN write them.
const QUANTIZED_DOMAINS: [&str; 3] = ["qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"];

/// Converts a node; gives its results, `None` for those that nothing uses.
pub(super) fn convert(cx: &mut NodeContext<'_>) -> Outcome<Vec<Option<ValueId>>> {
    let results = match (cx.domain(), cx.op_type()) {
        (domain, op) if domain == "prim" || op.starts_with("prim::") || op == "PythonOp" => Err(python(op)),
        ("" | "ai.onnx", op) => standard(cx, op),
        (domain, op) if QUANTIZED_DOMAINS.contains(&domain) => match quantize::convert(cx, op) {
            Some(result) => result.map(one),
            None => Err(unknown(cx)),
        },
        (domain, _) => Err(problem(Code::UnknownDomain, format!("operators of the domain {domain:?} are not known"))
            .help("export the model with standard operators only")),
    }?;
    if let Some(i) = (results.len()..cx.output_count()).find(|&i| cx.output_used(i)) {
        return Err(problem(Code::Unsupported, format!("its result {i} is used, which has no compiled form")));
    }
    cx.finish(&results);
    Ok(results)
}

fn standard(cx: &mut NodeContext<'_>, op: &str) -> Outcome<Vec<Option<ValueId>>> {
    if let Some(results) =
        normalize::convert(cx, op).or_else(|| layout::convert_many(cx, op)).or_else(|| reduce::convert_many(cx, op))
    {
        return results;
    }
    let families =
        [elementwise::convert, linear::convert, spatial::convert, layout::convert, reduce::convert, select::convert];
    match families.iter().find_map(|family| family(cx, op)) {
        Some(result) => result.map(one),
        None => Err(unknown(cx)),
    }
}

fn one(value: ValueId) -> Vec<Option<ValueId>> {
    vec![Some(value)]
}

fn unknown(cx: &NodeContext<'_>) -> Diagnostic {
    let opset = if cx.opset() == i64::MAX { String::new() } else { format!(" of opset {}", cx.opset()) };
    problem(Code::UnknownOperator, format!("the operator {}{opset} is not supported", cx.op_type()))
}

fn python(op: &str) -> Diagnostic {
    problem(Code::PythonOp, format!("{op} is a function of Python or TorchScript, which no ONNX engine can run"))
        .help("give the autograd.Function a `symbolic` method, or export a plain forward pass")
}
