//! How a case can be put to the compiler. ONNX's cases give everything at run time, shapes and weights included, which
//! no real model does: where that is refused, the same case is tried as a model would hold it.

use prost::Message as _;
use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto, ValueInfoProto, type_proto};
use xnorc::ir::Tensor;

use crate::pack::{self, Case};

/// How a case is put, in the order they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Everything at run time.
    AsIs,
    /// Shapes, axes, conditions and other operands that are no floats are initializers.
    Integers,
    /// All but the first operand of floats are initializers.
    Parameters,
    /// Integers and booleans enter and leave as floats, behind a Cast.
    Cast,
    /// The same with all but the first operand as initializers.
    CastParameters,
    /// All operands are initializers: evaluated when compiled.
    Folded,
    /// As is, and the results behind the first are not asked for.
    FirstResult,
    /// The same with all but the first operand as initializers.
    FirstResultParameters,
}

impl Way {
    pub(crate) const ALL: [Way; 8] = [
        Way::AsIs,
        Way::Integers,
        Way::Parameters,
        Way::Cast,
        Way::CastParameters,
        Way::Folded,
        Way::FirstResult,
        Way::FirstResultParameters,
    ];

    /// How many of the results are asked for.
    pub(crate) fn results(self, all: usize) -> usize {
        match self {
            Way::FirstResult | Way::FirstResultParameters => all.min(1),
            _ => all,
        }
    }

    /// As the table says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Way::AsIs => "as is",
            Way::Integers | Way::Parameters => "as initializers",
            Way::Cast | Way::CastParameters => "cast",
            Way::Folded => "folded",
            Way::FirstResult | Way::FirstResultParameters => "first result",
        }
    }
}

const FLOAT: i32 = 1;
/// float, float16, double, bfloat16
const FLOATS: [i32; 4] = [FLOAT, 10, 11, 16];

fn elements(value: &ValueInfoProto) -> Option<i32> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    Some(tensor.elem_type)
}

fn set_elements(value: &mut ValueInfoProto, elements: i32) {
    if let Some(type_proto::Value::TensorType(tensor)) = value.r#type.as_mut().and_then(|t| t.value.as_mut()) {
        tensor.elem_type = elements;
    }
}

fn cast(from: &str, to: &str, elements: i32) -> NodeProto {
    let to_type = AttributeProto { name: "to".into(), r#type: 2, i: i64::from(elements), ..AttributeProto::default() };
    NodeProto {
        op_type: "Cast".into(),
        input: vec![from.into()],
        output: vec![to.into()],
        attribute: vec![to_type],
        ..NodeProto::default()
    }
}

/// A case as the compiler gets it.
pub(crate) struct Put {
    pub(crate) model: Vec<u8>,
    pub(crate) inputs: Vec<Tensor>,
}

/// Puts a case in that way; `None` where that is no other way than one before.
pub(crate) fn put(case: &Case, way: Way) -> Option<Put> {
    let mut model: ModelProto = case.model.clone();
    let graph = model.graph.as_mut()?;
    let kinds: Vec<i32> = graph.input.iter().map(|v| elements(v).unwrap_or(0)).collect();
    let is_float = |i: usize| FLOATS.contains(&kinds[i]);
    let first_float = (0..kinds.len()).find(|&i| is_float(i));
    let kept: Vec<usize> = match way {
        Way::AsIs | Way::Cast | Way::FirstResult => (0..kinds.len()).collect(),
        Way::Integers => (0..kinds.len()).filter(|&i| is_float(i)).collect(),
        Way::Parameters | Way::FirstResultParameters => vec![first_float?],
        Way::CastParameters => (0..kinds.len().min(1)).collect(),
        Way::Folded => Vec::new(),
    };
    if way != Way::AsIs && case.inputs.len() != kinds.len() {
        return None;
    }
    match way {
        Way::FirstResult | Way::FirstResultParameters if graph.output.len() < 2 => return None,
        Way::Integers | Way::Parameters | Way::CastParameters | Way::FirstResultParameters
            if kept.len() == kinds.len() || kept.is_empty() =>
        {
            return None;
        }
        Way::Folded if kinds.is_empty() => return None,
        _ => {}
    }
    let inputs = std::mem::take(&mut graph.input);
    let mut tensors = Vec::new();
    let mut casts = 0;
    for (i, mut value) in inputs.into_iter().enumerate() {
        let proto = case.inputs.get(i);
        if !kept.contains(&i) {
            graph.initializer.push(proto?.clone());
            continue;
        }
        // What holds no elements (or none the compiler knows) it must refuse.
        let mut tensor = proto.and_then(pack::tensor).unwrap_or_else(|| Tensor::f32([0], Vec::new()));
        if matches!(way, Way::Cast | Way::CastParameters) && !is_float(i) {
            // A batch of none is taken as one.
            if tensor.shape.first() == Some(&0) {
                return None;
            }
            tensor = Tensor::f32(tensor.shape.clone(), tensor.to_f32());
            let name = format!("{}.float", value.name);
            graph.node.insert(0, cast(&name, &value.name, kinds[i]));
            value.name = name;
            set_elements(&mut value, FLOAT);
            casts += 1;
        }
        tensors.push(tensor);
        graph.input.push(value);
    }
    if matches!(way, Way::FirstResult | Way::FirstResultParameters) {
        graph.output.truncate(1);
    }
    if matches!(way, Way::Cast | Way::CastParameters) {
        for output in &mut graph.output {
            if !FLOATS.contains(&elements(output)?) {
                let name = format!("{}.float", output.name);
                graph.node.push(cast(&output.name, &name, FLOAT));
                output.name = name;
                set_elements(output, FLOAT);
                casts += 1;
            }
        }
        if casts == 0 {
            return None;
        }
    }
    Some(Put { model: model.encode_to_vec(), inputs: tensors })
}
