//! A graph as text: one line per node, the same for the same graph, small enough to be read.
//!
//! ```text
//! graph "main"
//! %x: f32[1,3,32,32] = input
//! %y: f32[1,64,30,30] = Conv(%x, f32[64,3,3,3] random(7)) {kernel 3x3, strides 1x1, pads 0,0,0,0}
//! return %y
//! ```
//!
//! `{}` shows long constants by a hash where they have no [spelling](super::constants); `{:#}` writes out all that the graph
//! holds, also the names of nodes (`as`), the operators they stand for (`of`) and the values of the file (`from`), and
//! [`super::parse`] reads it back.

use std::fmt;

use sha2::{Digest, Sha256};

use super::constants::{spelling, spelling_of_bits};
use crate::exact::Affine;
use crate::ir::BinaryWeights;
use crate::ir::{Data, Graph, Layout, Op, Origin, Tensor, Value, ValueId, Window};

/// Constants up to this many elements are written out.
const INLINE: usize = 4;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = f.alternate();
        writeln!(f, "graph {:?}", self.name)?;
        if self.exact_zeros {
            writeln!(f, "exact zeros")?;
        }
        for &input in &self.inputs {
            let value = self.value(input);
            writeln!(f, "{}: {} = input{}", name(value), type_of(value), origin(value.origin.as_ref(), full))?;
        }
        for node in &self.nodes {
            let output = self.value(node.output);
            write!(f, "{}: {} = {}(", name(output), type_of(output), name_of(&node.op))?;
            for (i, &input) in node.inputs.iter().enumerate() {
                let separator = if i == 0 { "" } else { ", " };
                write!(f, "{separator}{}", self.operand(input, full))?;
            }
            write!(f, ")")?;
            let details = details(&node.op, full);
            if !details.is_empty() {
                write!(f, " {{{}}}", details.join(", "))?;
            }
            if full && node.name != output.name {
                write!(f, " as {:?}", node.name)?;
            }
            if full && !node.parts.is_empty() {
                let parts: Vec<&str> = node.parts.iter().map(|part| part.word()).collect();
                write!(f, " of {:?}", parts.join(" + "))?;
            }
            write!(f, "{}", origin(output.origin.as_ref(), full))?;
            if let Some(reason) = &node.reason {
                write!(f, " ; {reason}")?;
            }
            writeln!(f)?;
        }
        let outputs: Vec<String> = self.outputs.iter().map(|&output| self.operand(output, full)).collect();
        writeln!(f, "return {}", outputs.join(", "))?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

/// `%x`, or `%"a name with spaces"`.
fn name(value: &Value) -> String {
    let bare = !value.name.is_empty() && value.name.chars().all(is_bare) && !value.name.ends_with(':');
    if bare { format!("%{}", value.name) } else { format!("%{:?}", value.name) }
}

/// Characters of a name that needs no quotes.
pub(super) fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_./-:".contains(c)
}

/// ` from "y"[1,4,4,3] by 0,3,1,2 between 0.0,1.0`: the value of the file.
pub(super) fn origin(origin: Option<&Origin>, full: bool) -> String {
    let Some(origin) = origin.filter(|_| full) else { return String::new() };
    let by = origin.permutation.as_ref().map_or(String::new(), |p| format!(" by {}", list(p)));
    let between = origin.between.map_or(String::new(), |[a, b]| format!(" between {a:?},{b:?}"));
    format!(" from {:?}[{}]{by}{between}", origin.name, list(&origin.shape))
}

impl Graph {
    fn operand(&self, id: ValueId, full: bool) -> String {
        let value = self.value(id);
        match &value.constant {
            None => name(value),
            Some(tensor) if tensor.shape.is_empty() => elements(tensor),
            Some(tensor) => {
                let spelled = tensor.as_f32().filter(|v| v.len() > INLINE).and_then(spelling);
                let elements = match spelled {
                    Some(spelled) => spelled,
                    None if full || tensor.len() <= INLINE => format!("{{{}}}", elements(tensor)),
                    None => format!("#{}", hash(tensor)),
                };
                // A block that holds it is named after it.
                let numbered = value.name.strip_prefix("constant").is_some_and(|n| n.parse::<u32>().is_ok());
                let called = if full && !numbered { format!(" called {:?}", value.name) } else { String::new() };
                format!("{} {elements}{called}", type_of(value))
            }
        }
    }
}

fn type_of(value: &Value) -> String {
    format!("{}[{}]", value.dtype.name(), list(&value.shape))
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

pub(super) fn bits(weights: &BinaryWeights, full: bool) -> Vec<String> {
    let signs = &weights.signs;
    let written = || signs.iter().map(|&plus| if plus { '+' } else { '-' }).collect::<String>();
    let elements = match spelling_of_bits(signs).filter(|_| signs.len() > 16) {
        Some(spelled) => spelled,
        None if full || signs.len() <= 16 => written(),
        None => {
            let mut hasher = Sha256::new();
            hasher.update(signs.iter().map(|&plus| u8::from(plus)).collect::<Vec<_>>());
            format!("#{}", digits(hasher))
        }
    };
    let zeros = (weights.zeros != 0).then(|| format!("zeros {}", weights.zeros));
    let deviation = (weights.deviation != 0.0).then(|| format!("deviation {:?}", weights.deviation));
    [format!("weights bits[{}] {elements}", signs.len())].into_iter().chain(zeros).chain(deviation).collect()
}

fn maps_of(maps: &[Affine], full: bool) -> String {
    match maps {
        [first, rest @ ..] if rest.iter().all(|map| map == first) => format!("maps[{}] each {first}", maps.len()),
        few if full || few.len() <= INLINE => {
            let few: Vec<String> = few.iter().map(Affine::to_string).collect();
            format!("maps[{}] {}", maps.len(), few.join(" "))
        }
        many => {
            let mut hasher = Sha256::new();
            for map in many {
                map.coefficients().iter().for_each(|x| hasher.update(x.to_le_bytes()));
            }
            format!("maps[{}] #{}", many.len(), digits(hasher))
        }
    }
}

/// The name of an operator, as printed.
pub(crate) fn name_of(op: &Op) -> String {
    match op {
        Op::Unary(function) => function.name().to_owned(),
        Op::Binary(function) => function.name().to_owned(),
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
        parts.push(format!("value {:?}", window.pad_value));
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
pub(super) fn details(op: &Op, full: bool) -> Vec<String> {
    match op {
        Op::Sign(zero) => vec![format!("zero {zero:?}").to_lowercase()],
        Op::Unary(function) => {
            let parameters = function.parameter_names().iter().zip(function.parameters());
            parameters.map(|(name, value)| format!("{name} {value:?}")).collect()
        }
        Op::Cast(to) => vec![format!("to {to:?}").to_lowercase()],
        Op::Conv { window, groups, layout } => {
            window_of(window).into_iter().chain(groups_of(*groups)).chain(layout_of(*layout)).collect()
        }
        Op::BinaryConv { window, groups, weights } => {
            window_of(window).into_iter().chain(groups_of(*groups)).chain(bits(weights, full)).collect()
        }
        Op::BinaryMatMul { weights } => bits(weights, full),
        Op::SignProduct { zero_one } => {
            let said = std::iter::zip(*zero_one, ["left 0 and 1", "right 0 and 1"]);
            said.filter(|(zero_one, _)| *zero_one).map(|(_, text)| text.to_owned()).collect()
        }
        Op::Affine { axis, maps } => vec![format!("axis {axis}"), maps_of(maps, full)],
        Op::MaxPool { window, layout } => window_of(window).into_iter().chain(layout_of(*layout)).collect(),
        Op::AveragePool { window, count_include_pad, ceil_extra, layout } => {
            let counted = count_include_pad.then(|| "counting pads".to_owned());
            let ceil = (*ceil_extra != [0, 0]).then(|| format!("ceil {}", list(ceil_extra)));
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
