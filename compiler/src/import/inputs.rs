//! The model's inputs: types, and dimensions that must be known.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::builder::Builder;
use super::proto::{DimensionProto, GraphProto, ValueInfoProto};
use super::{Options, at};
use crate::diagnostics::{Code, Diagnostic, Diagnostics, Outcome};
use crate::ir::{Origin, ValueId, size};
use crate::ops::element::{self, DataType};

/// What a file says of one extent.
enum Extent {
    Known(usize),
    /// By its name; an unnamed one is called `INPUT[AXIS]`.
    Unknown(String),
    /// 0, under the name by which the user can still bind it.
    Zero(String),
}

/// Adds the inputs. Initializers that are listed as inputs (as files of IR version 3 must) are none.
pub(super) fn declare<'a>(
    graph: &GraphProto<'a>,
    options: &Options,
    builder: &mut Builder,
    values: &mut HashMap<&'a str, Option<ValueId>>,
    diagnostics: &mut Diagnostics,
) {
    let initializers: HashSet<&str> = (graph.initializer.iter())
        .chain(graph.sparse_initializer.iter().filter_map(|t| t.values.as_ref()))
        .map(|t| t.name)
        .collect();
    let inputs: Vec<&ValueInfoProto<'a>> =
        graph.input.iter().filter(|input| !initializers.contains(input.name)).collect();
    let mut bound: BTreeMap<String, usize> = BTreeMap::new();
    let known = names(&inputs);
    for (name, extent) in &options.dims {
        let problem = if *extent == 0 {
            Some(Diagnostic::error(Code::DynamicDimension, None, format!("dimension {name:?} cannot be 0")))
        } else if !known.contains(name) {
            Some(Diagnostic::error(Code::Unbound, None, format!("the model has no dimension {name:?}")).help(
                if known.is_empty() {
                    "every dimension of its inputs is fixed".to_owned()
                } else {
                    format!("its dimensions are {}", known.join(", "))
                },
            ))
        } else {
            None
        };
        diagnostics.0.extend(problem);
        bound.insert(name.clone(), (*extent).max(1));
    }
    // A batch bound to 1 here is 1 wherever its name stands.
    for input in &inputs {
        if let Some(Extent::Unknown(name)) = extents(input).into_iter().flatten().next()
            && !bound.contains_key(&name)
        {
            builder.graph.notes.push(format!("dimension {name:?} of input {:?} was taken as 1", input.name));
            bound.insert(name, 1);
        }
    }
    for input in inputs {
        let value = declare_one(input, &bound, builder)
            .map_err(|problem| diagnostics.push(at(format!("input {:?}", input.name))(problem)));
        if values.contains_key(input.name) {
            let message = "two inputs have this name";
            diagnostics.push(Diagnostic::error(Code::Cycle, format!("input {:?}", input.name), message));
        }
        values.insert(input.name, value.ok());
    }
}

fn declare_one(input: &ValueInfoProto<'_>, bound: &BTreeMap<String, usize>, builder: &mut Builder) -> Outcome<ValueId> {
    let elem_type = match input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()) {
        Some(tensor) => tensor.elem_type,
        None => return Err(Diagnostic::error(Code::Unsupported, None, "it is not a tensor")),
    };
    let dtype = element::dtype(elem_type).ok_or_else(|| {
        let message = format!("elements of {} are not supported", element::type_name(elem_type));
        Diagnostic::error(Code::Unsupported, None, message)
    })?;
    let extents = extents(input).ok_or_else(|| {
        Diagnostic::error(Code::DynamicDimension, None, "its number of dimensions is not given")
            .help("export the model with a fixed input shape")
    })?;
    let (mut open, mut empty) = (Vec::new(), Vec::new());
    let mut shape = Vec::with_capacity(extents.len());
    for extent in extents {
        let (name, list) = match extent {
            Extent::Known(extent) => {
                shape.push(extent);
                continue;
            }
            Extent::Unknown(name) => (name, &mut open),
            Extent::Zero(name) => (name, &mut empty),
        };
        match bound.get(&name) {
            Some(&extent) => shape.push(extent),
            None => list.push(name),
        }
    }
    if let Some(name) = empty.first() {
        let message = format!("it is empty: {} is 0", empty.join(", "));
        return Err(Diagnostic::error(Code::Unsupported, None, message).help(format!(
            "export with an input that holds something; if 0 stands for any extent, bind it with --dim {name}=N"
        )));
    }
    if !open.is_empty() {
        let flags: Vec<String> = open.iter().map(|name| format!("--dim {name}=N")).collect();
        let message = format!("its dimension(s) {} are not known", open.join(", "));
        return Err(Diagnostic::error(Code::DynamicDimension, None, message)
            .help(format!("bind them with {}", flags.join(" "))));
    }
    if size(&shape).is_none_or(|n| n >= 1 << 31) {
        return Err(Diagnostic::error(Code::TooLarge, None, format!("its shape {shape:?} is too large")));
    }
    note_narrow(elem_type, "input", input.name, builder);
    let kind = DataType::of(elem_type);
    let dtype = kind.and_then(element::face).unwrap_or(dtype);
    let id = builder.graph.add_value(input.name, shape.clone(), dtype);
    builder.graph.values[id.0 as usize].origin = Some(Origin::new(input.name.to_owned(), shape));
    builder.graph.inputs.push(id);
    // Everything behind it works on floats that hold the integers.
    let held = if dtype.is_integer() { builder.held(id, input.name)? } else { id };
    builder.kinds.extend(kind.map(|kind| (held, kind)));
    Ok(held)
}

/// Remarks that an input or output of another float type is f32 in the compiled model.
pub(super) fn note_narrow(elem_type: i32, what: &str, name: &str, builder: &mut Builder) {
    let kind = element::type_name(elem_type);
    if matches!(kind.as_str(), "float16" | "bfloat16" | "double") {
        builder.graph.notes.push(format!("{what} {name:?} is {kind} in the file, and f32 in the compiled model"));
    }
}

/// The extents of an input; `None` when even their number is unknown.
fn extents(input: &ValueInfoProto<'_>) -> Option<Vec<Extent>> {
    let tensor = input.r#type.as_ref()?.tensor_type.as_ref()?;
    let extent = |(axis, dim): (usize, &DimensionProto<'_>)| {
        let own = || format!("{}[{axis}]", input.name);
        match (dim.dim_value, dim.dim_param) {
            (Some(extent @ 1..), _) => Extent::Known(usize::try_from(extent).unwrap_or(usize::MAX)),
            // Old exporters write 0 for a batch that they do not know; on other axes it says what it says.
            (Some(0), _) if axis > 0 => Extent::Zero(own()),
            (None, name) if !name.is_empty() => Extent::Unknown(name.to_owned()),
            _ => Extent::Unknown(own()),
        }
    };
    Some(tensor.shape.as_ref()?.dim.iter().enumerate().map(extent).collect())
}

/// The names of all unknown extents, sorted.
fn names(inputs: &[&ValueInfoProto<'_>]) -> Vec<String> {
    let extents = inputs.iter().filter_map(|input| extents(input)).flatten();
    let mut names: Vec<String> = extents
        .filter_map(|extent| match extent {
            Extent::Unknown(name) | Extent::Zero(name) => Some(name),
            Extent::Known(_) => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}
