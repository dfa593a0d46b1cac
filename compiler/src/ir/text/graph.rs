//! A graph as text: one line per node, the same for the same graph, small enough for a snapshot.
//!
//! ```text
//! graph "main"
//! %x: f32[1,3,32,32] = input
//! %y: f32[1,64,30,30] = Conv(%x, f32[64,3,3,3] #1f2e3d4c) {kernel 3x3, strides 1x1, pads 0,0,0,0}
//! return %y
//! ```

use std::fmt;

use sha2::{Digest, Sha256};

use crate::ir::network::BinaryWeights;
use crate::ir::{DType, Data, Graph, Layout, Op, Tensor, Value, ValueId, Window};

/// Constants up to this many elements are written out.
const INLINE: usize = 4;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "graph {:?}", self.name)?;
        for &input in &self.inputs {
            writeln!(f, "%{}: {} = input", self.value(input).name, type_of(self.value(input)))?;
        }
        for node in &self.nodes {
            let output = self.value(node.output);
            write!(f, "%{}: {} = {}(", output.name, type_of(output), name_of(&node.op))?;
            for (i, &input) in node.inputs.iter().enumerate() {
                let separator = if i == 0 { "" } else { ", " };
                write!(f, "{separator}{}", self.operand(input))?;
            }
            write!(f, ")")?;
            let details = details(&node.op);
            if !details.is_empty() {
                write!(f, " {{{}}}", details.join(", "))?;
            }
            if let Some(reason) = &node.reason {
                write!(f, " ; {reason}")?;
            }
            writeln!(f)?;
        }
        let outputs: Vec<String> = self.outputs.iter().map(|&output| self.operand(output)).collect();
        writeln!(f, "return {}", outputs.join(", "))?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

impl Graph {
    fn operand(&self, id: ValueId) -> String {
        let value = self.value(id);
        match &value.constant {
            None => format!("%{}", value.name),
            Some(tensor) if tensor.shape.is_empty() => elements(tensor),
            Some(tensor) if tensor.len() <= INLINE => format!("{} {{{}}}", type_of(value), elements(tensor)),
            Some(tensor) => format!("{} #{}", type_of(value), hash(tensor)),
        }
    }
}

fn type_of(value: &Value) -> String {
    let dtype = match value.dtype {
        DType::F32 => "f32",
        DType::I64 => "i64",
        DType::Bool => "bool",
    };
    format!("{dtype}[{}]", list(&value.shape))
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

fn elements(tensor: &Tensor) -> String {
    match &tensor.data {
        // `{:?}` tells 1.0 from the integer 1 and writes the shortest digits that read back the same.
        Data::F32(v) => v.iter().map(|x| format!("{x:?}")).collect::<Vec<_>>().join(","),
        Data::I64(v) => list(v),
        Data::Bool(v) => list(v),
    }
}

/// A few digits that tell two constants apart.
fn digits(hasher: Sha256) -> String {
    hasher.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn hash(tensor: &Tensor) -> String {
    let bytes: Vec<u8> = match &tensor.data {
        Data::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Data::Bool(v) => v.iter().map(|&x| u8::from(x)).collect(),
    };
    let mut hasher = Sha256::new();
    hasher.update(bytes);
    digits(hasher)
}

fn bits(weights: &BinaryWeights) -> String {
    let mut hasher = Sha256::new();
    hasher.update(weights.signs.iter().map(|&plus| u8::from(plus)).collect::<Vec<_>>());
    let zeros = if weights.zeros == 0 { String::new() } else { format!(", {} zeros", weights.zeros) };
    format!("weights bits[{}] #{}{zeros}", weights.signs.len(), digits(hasher))
}

/// The name of an operator, as printed.
pub(crate) fn name_of(op: &Op) -> String {
    match op {
        Op::Unary(function) => {
            let name = format!("{function:?}");
            name.split('(').next().unwrap_or_default().to_owned()
        }
        Op::Binary(function) => format!("{function:?}"),
        Op::Reduce { kind, .. } => format!("Reduce{kind:?}"),
        Op::Softmax { log: true, .. } => "LogSoftmax".to_owned(),
        _ => {
            let name = format!("{op:?}");
            name.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

fn window_of(window: &Window) -> Vec<String> {
    let [kh, kw] = window.kernel;
    let [sy, sx] = window.strides;
    let mut parts = vec![format!("kernel {kh}x{kw}"), format!("strides {sy}x{sx}")];
    if window.dilations != [1, 1] {
        parts.push(format!("dilations {}x{}", window.dilations[0], window.dilations[1]));
    }
    parts.push(format!("pads {}", list(&window.pads)));
    if window.pad_value != 0.0 {
        parts.push(format!("pad value {}", window.pad_value));
    }
    parts
}

fn layout_of(layout: Layout) -> Option<String> {
    (layout == Layout::ChannelsLast).then(|| "channels last".to_owned())
}

fn groups_of(groups: usize) -> Option<String> {
    (groups != 1).then(|| format!("groups {groups}"))
}

/// The parameters of an operator; defaults are left out.
pub(super) fn details(op: &Op) -> Vec<String> {
    use crate::ir::Unary::Clip;
    match op {
        Op::Sign(zero) => vec![format!("zero {zero:?}").to_lowercase()],
        Op::Unary(Clip(low, high)) => vec![format!("{low:?}..{high:?}")],
        Op::Unary(function) => {
            let attributes = function.row().attributes.iter().zip(function.parameters());
            attributes.map(|((name, _), value)| format!("{name} {value:?}")).collect()
        }
        Op::Cast(to) => vec![format!("to {to:?}").to_lowercase()],
        Op::Conv { window, groups, layout } => {
            window_of(window).into_iter().chain(groups_of(*groups)).chain(layout_of(*layout)).collect()
        }
        Op::BinaryConv { window, groups, weights } => {
            window_of(window).into_iter().chain(groups_of(*groups)).chain([bits(weights)]).collect()
        }
        Op::BinaryMatMul { weights } => vec![bits(weights)],
        Op::Affine { axis, maps } => {
            let mut hasher = Sha256::new();
            for map in maps.iter() {
                map.coefficients().iter().for_each(|x| hasher.update(x.to_le_bytes()));
            }
            vec![format!("axis {axis}"), format!("maps[{}] #{}", maps.len(), digits(hasher))]
        }
        Op::MaxPool { window, layout } => window_of(window).into_iter().chain(layout_of(*layout)).collect(),
        Op::AveragePool { window, count_include_pad, ceil_extra, layout } => {
            let counted = count_include_pad.then(|| "count include pad".to_owned());
            let ceil = (*ceil_extra != [0, 0]).then(|| format!("ceil extra {}", list(ceil_extra)));
            window_of(window).into_iter().chain(counted).chain(ceil).chain(layout_of(*layout)).collect()
        }
        Op::Reduce { axes, keepdims, .. } => {
            [Some(format!("axes {}", list(axes))), keepdims.then(|| "keepdims".to_owned())]
                .into_iter()
                .flatten()
                .collect()
        }
        Op::Transpose(perm) => vec![format!("perm {}", list(perm))],
        Op::Concat { axis } | Op::Gather { axis } | Op::Softmax { axis, .. } => vec![format!("axis {axis}")],
        Op::Slice { starts, steps } => {
            let steps = steps.iter().any(|&s| s != 1).then(|| format!("steps {}", list(steps)));
            [format!("starts {}", list(starts))].into_iter().chain(steps).collect()
        }
        Op::Pad { before, after, value } => {
            vec![format!("before {}", list(before)), format!("after {}", list(after)), format!("value {value:?}")]
        }
        Op::ArgMax { axis, keepdims, last } => {
            [Some(format!("axis {axis}")), keepdims.then(|| "keepdims".to_owned()), last.then(|| "last".to_owned())]
                .into_iter()
                .flatten()
                .collect()
        }
        Op::Binary(_) | Op::PRelu | Op::Where | Op::MatMul | Op::Reshape | Op::Expand | Op::ScatterNd => Vec::new(),
    }
}
