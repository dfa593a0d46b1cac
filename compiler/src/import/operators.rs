//! From an ONNX node to operators of the graph: which domain it belongs to; [`crate::ops`] knows the rest.

use super::node::Conversion;
use super::sweep::control;
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::ops;
use crate::ops::node::{Node as _, bad, problem};

/// Domains of QONNX and its forerunners: binary and quantised layers as Brevitas and FINN write them.
const QUANTIZED_DOMAINS: [&str; 3] = ["qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"];

/// onnxruntime's own: its quantiser writes some of these, its optimiser the others.
const MICROSOFT: &str = "com.microsoft";

/// An operator of opset 17 that onnxruntime's optimiser writes into files of every opset, and that means the same there.
const OF_ANY_OPSET: &str = "LayerNormalization";

/// Whether the compiler itself knows what such an operator means.
pub(super) fn is_known(domain: &str, op: &str) -> bool {
    match domain {
        "" => ops::first_opset(op).is_some() || control::is_known(op),
        MICROSOFT => ops::knows_q_linear(op),
        domain => QUANTIZED_DOMAINS.contains(&domain) && ops::knows_quantized(op),
    }
}

/// Converts a node; gives its results, `None` for those that nothing uses.
pub(super) fn convert(cx: &mut Conversion<'_>) -> Outcome<ops::Results> {
    match (cx.domain(), cx.op_type()) {
        (domain, op) if domain == "prim" || op.starts_with("prim::") || op == "PythonOp" => Err(python(op)),
        ("" | "ai.onnx", op) => match premature(cx).or_else(|| surplus(cx)) {
            Some(problem) => Err(problem),
            None => ops::convert(cx, op).unwrap_or_else(|| Err(unknown(cx))),
        },
        (domain, op) if QUANTIZED_DOMAINS.contains(&domain) => {
            ops::convert_quantized(cx, op).unwrap_or_else(|| Err(unknown(cx)))
        }
        (domain @ MICROSOFT, op) => ops::convert_q_linear(cx, op).unwrap_or_else(|| Err(optimised(domain, op))),
        (domain @ "com.microsoft.nchwc", op) => Err(optimised(domain, op)),
        (domain, _) => Err(problem(Code::UnknownDomain, format!("operators of the domain {domain:?} are not known"))
            .help("export the model with standard operators only")),
    }
}

fn unknown(cx: &Conversion<'_>) -> Diagnostic {
    let opset = if cx.opset() == i64::MAX { String::new() } else { format!(" of opset {}", cx.opset()) };
    problem(Code::UnknownOperator, format!("the operator {}{opset} is not supported", cx.op_type()))
        .help("write that part of the model in other operators, or leave it out of the export and compute it outside")
}

/// An operator of a later opset than the file's: another engine refuses it, or takes it for what it will not be.
fn premature(cx: &Conversion<'_>) -> Option<Diagnostic> {
    let (op, opset) = (cx.op_type(), cx.opset());
    let since = ops::first_opset(op).filter(|&since| since > opset && op != OF_ANY_OPSET)?;
    let message = format!("the file uses opset {opset}, and {op} is an operator from opset {since} on");
    Some(bad(message).help(format!("the file is not valid: export it with opset {since} or newer, or without {op}")))
}

/// An operand more than the operator knows.
fn surplus(cx: &Conversion<'_>) -> Option<Diagnostic> {
    let most = ops::most_operands(cx.op_type(), cx.opset())?;
    let given = cx.operands().iter().rposition(Option::is_some).map_or(0, |i| i + 1);
    let opset = if cx.opset() == i64::MAX { String::new() } else { format!(" of opset {}", cx.opset()) };
    (given > most).then(|| {
        let message = format!("it is given {given} operands, and {}{opset} takes {most} at most", cx.op_type());
        bad(message).help("the file is not valid: onnx.checker.check_model tells more")
    })
}

/// An operator that onnxruntime makes of others.
fn optimised(domain: &str, op: &str) -> Diagnostic {
    problem(Code::UnknownDomain, format!("{op} of the domain {domain:?} is made by onnxruntime's optimiser, and only it knows it"))
        .help("give the original file: this one was saved by onnxruntime after it had optimised it (optimized_model_filepath)")
}

fn python(op: &str) -> Diagnostic {
    problem(Code::PythonOp, format!("{op} is a function of Python or TorchScript, which no ONNX engine can run"))
        .help("give the autograd.Function a `symbolic` method, or export a plain forward pass")
}
