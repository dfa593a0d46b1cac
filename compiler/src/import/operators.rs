//! From an ONNX node to operators of the graph: which domain it belongs to; [`crate::ops`] knows the rest.

use super::Outcome;
use super::node::{NodeContext, problem};
use crate::diagnostics::{Code, Diagnostic};
use crate::ops;

/// Domains of QONNX and its forerunners: binary and quantised layers as Brevitas and FINN write them.
const QUANTIZED_DOMAINS: [&str; 3] = ["qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"];

/// Converts a node; gives its results, `None` for those that nothing uses.
pub(super) fn convert(cx: &mut NodeContext<'_>) -> Outcome<ops::Results> {
    let results = match (cx.domain(), cx.op_type()) {
        (domain, op) if domain == "prim" || op.starts_with("prim::") || op == "PythonOp" => Err(python(op)),
        ("" | "ai.onnx", op) => ops::convert(cx, op).unwrap_or_else(|| Err(unknown(cx))),
        (domain, op) if QUANTIZED_DOMAINS.contains(&domain) => {
            ops::convert_quantized(cx, op).unwrap_or_else(|| Err(unknown(cx)))
        }
        (domain, _) => Err(problem(Code::UnknownDomain, format!("operators of the domain {domain:?} are not known"))
            .help("export the model with standard operators only")),
    }?;
    if let Some(i) = (results.len()..cx.output_count()).find(|&i| cx.output_used(i)) {
        return Err(problem(Code::Unsupported, format!("its result {i} is used, which has no compiled form")));
    }
    cx.finish(&results);
    Ok(results)
}

fn unknown(cx: &NodeContext<'_>) -> Diagnostic {
    let opset = if cx.opset() == i64::MAX { String::new() } else { format!(" of opset {}", cx.opset()) };
    problem(Code::UnknownOperator, format!("the operator {}{opset} is not supported", cx.op_type()))
}

fn python(op: &str) -> Diagnostic {
    problem(Code::PythonOp, format!("{op} is a function of Python or TorchScript, which no ONNX engine can run"))
        .help("give the autograd.Function a `symbolic` method, or export a plain forward pass")
}
