//! The messages of the ONNX format, as far as the compiler reads them: names and data stay where they lie in the file.
//!
//! Field numbers are those of the format's own description, `onnx.proto`. What has no meaning for inference (training,
//! documentation, metadata) is skipped.

use super::wire::{Broken, Field, Numbers, fields};

/// A message that can be read.
pub(super) trait Message<'a>: Default {
    /// Takes in one field.
    fn field(&mut self, field: Field<'a>) -> Result<(), Broken>;

    /// Reads the whole message, which stands in `depth` others.
    fn read(bytes: &'a [u8], depth: usize) -> Result<Self, Broken> {
        let mut message = Self::default();
        fields(bytes, depth, |field| message.field(field))?;
        Ok(message)
    }
}

/// Declares messages: a field is taken by the expression behind its number.
macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $number:literal, $read:expr;)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name<'a> { $($(#[$field_doc])* pub(super) $field: $type,)* }

        impl<'a> Message<'a> for $name<'a> {
            fn field(&mut self, field: Field<'a>) -> Result<(), Broken> {
                match field.number {
                    $($number => {
                        let take: fn(&mut $type, Field<'a>) -> Result<(), Broken> = $read;
                        take(&mut self.$field, field)
                    })*
                    _ => Ok(()),
                }
            }
        }
    )*};
}

fn int(to: &mut i64, field: Field<'_>) -> Result<(), Broken> {
    *to = field.int()?;
    Ok(())
}

fn kind(to: &mut i32, field: Field<'_>) -> Result<(), Broken> {
    *to = field.int32()?;
    Ok(())
}

fn float(to: &mut f32, field: Field<'_>) -> Result<(), Broken> {
    *to = field.float()?;
    Ok(())
}

fn text<'a>(to: &mut &'a str, field: Field<'a>) -> Result<(), Broken> {
    *to = field.text()?;
    Ok(())
}

fn texts<'a>(to: &mut Vec<&'a str>, field: Field<'a>) -> Result<(), Broken> {
    to.push(field.text()?);
    Ok(())
}

fn bytes<'a>(to: &mut &'a [u8], field: Field<'a>) -> Result<(), Broken> {
    *to = field.bytes()?;
    Ok(())
}

fn bytes_each<'a>(to: &mut Vec<&'a [u8]>, field: Field<'a>) -> Result<(), Broken> {
    to.push(field.bytes()?);
    Ok(())
}

fn numbers<'a>(to: &mut Numbers<'a>, field: Field<'a>) -> Result<(), Broken> {
    to.push(field);
    Ok(())
}

fn message<'a, M: Message<'a>>(to: &mut Option<M>, field: Field<'a>) -> Result<(), Broken> {
    // A message that stands in two parts is their union, as the wire format wants it.
    let held = to.get_or_insert_default();
    fields(field.bytes()?, field.depth + 1, |inner| held.field(inner))
}

fn messages<'a, M: Message<'a>>(to: &mut Vec<M>, field: Field<'a>) -> Result<(), Broken> {
    to.push(M::read(field.bytes()?, field.depth + 1)?);
    Ok(())
}

/// A message that may hold others of its own kind.
fn boxed<'a, M: Message<'a>>(to: &mut Option<Box<M>>, field: Field<'a>) -> Result<(), Broken> {
    *to = Some(Box::new(M::read(field.bytes()?, field.depth + 1)?));
    Ok(())
}

/// Only whether something is there.
fn present(to: &mut bool, _: Field<'_>) -> Result<(), Broken> {
    *to = true;
    Ok(())
}

messages! {
    /// The file.
    ModelProto {
        ir_version: i64 = 1, int;
        producer_name: &'a str = 2, text;
        graph: Option<GraphProto<'a>> = 7, message;
        opset_import: Vec<OperatorSetIdProto<'a>> = 8, messages;
        functions: Vec<FunctionProto<'a>> = 25, messages;
    }

    /// A function of the file's own: a graph without types, which nodes call by its name.
    FunctionProto {
        name: &'a str = 1, text;
        input: Vec<&'a str> = 4, texts;
        output: Vec<&'a str> = 5, texts;
        attribute: Vec<&'a str> = 6, texts;
        node: Vec<NodeProto<'a>> = 7, messages;
        opset_import: Vec<OperatorSetIdProto<'a>> = 9, messages;
        domain: &'a str = 10, text;
        /// Attributes that a call may leave out, with what they are then.
        attribute_proto: Vec<AttributeProto<'a>> = 11, messages;
        overload: &'a str = 13, text;
    }

    /// The version of a domain's operators.
    OperatorSetIdProto {
        domain: &'a str = 1, text;
        version: i64 = 2, int;
    }

    /// A graph.
    GraphProto {
        node: Vec<NodeProto<'a>> = 1, messages;
        name: &'a str = 2, text;
        initializer: Vec<TensorProto<'a>> = 5, messages;
        input: Vec<ValueInfoProto<'a>> = 11, messages;
        output: Vec<ValueInfoProto<'a>> = 12, messages;
        sparse_initializer: Vec<SparseTensorProto<'a>> = 15, messages;
    }

    /// A node.
    NodeProto {
        input: Vec<&'a str> = 1, texts;
        output: Vec<&'a str> = 2, texts;
        name: &'a str = 3, text;
        op_type: &'a str = 4, text;
        attribute: Vec<AttributeProto<'a>> = 5, messages;
        domain: &'a str = 7, text;
        /// Which of several functions of one name.
        overload: &'a str = 8, text;
    }

    /// An attribute of a node: one of many kinds, as `type` says.
    AttributeProto {
        name: &'a str = 1, text;
        f: f32 = 2, float;
        i: i64 = 3, int;
        s: &'a [u8] = 4, bytes;
        t: Option<TensorProto<'a>> = 5, message;
        g: Option<Box<GraphProto<'a>>> = 6, boxed;
        floats: Numbers<'a> = 7, numbers;
        ints: Numbers<'a> = 8, numbers;
        strings: Vec<&'a [u8]> = 9, bytes_each;
        /// An [`AttributeType`]; 0 in files older than the field.
        kind: i32 = 20, kind;
        ref_attr_name: &'a str = 21, text;
    }

    /// A constant: its elements are raw, in one of the lists, or in another file.
    TensorProto {
        dims: Numbers<'a> = 1, numbers;
        /// A [`DataType`].
        data_type: i32 = 2, kind;
        has_segment: bool = 3, present;
        float_data: Numbers<'a> = 4, numbers;
        int32_data: Numbers<'a> = 5, numbers;
        int64_data: Numbers<'a> = 7, numbers;
        name: &'a str = 8, text;
        raw_data: &'a [u8] = 9, bytes;
        double_data: Numbers<'a> = 10, numbers;
        uint64_data: Numbers<'a> = 11, numbers;
        external_data: Vec<StringStringEntryProto<'a>> = 13, messages;
        /// 1: in another file.
        data_location: i32 = 14, kind;
    }

    /// A constant of which only some elements are given.
    SparseTensorProto {
        values: Option<TensorProto<'a>> = 1, message;
    }

    /// A key and its value.
    StringStringEntryProto {
        key: &'a str = 1, text;
        value: &'a str = 2, text;
    }

    /// An input or output.
    ValueInfoProto {
        name: &'a str = 1, text;
        r#type: Option<TypeProto<'a>> = 2, message;
    }

    /// A type; sequences, maps and the like leave `tensor_type` empty.
    TypeProto {
        tensor_type: Option<TensorTypeProto<'a>> = 1, message;
    }

    /// The type of a tensor.
    TensorTypeProto {
        elem_type: i32 = 1, kind;
        shape: Option<TensorShapeProto<'a>> = 2, message;
    }

    /// Extents.
    TensorShapeProto {
        dim: Vec<DimensionProto<'a>> = 1, messages;
    }

    /// One extent: a number, a name, or nothing.
    DimensionProto {
        dim_value: Option<i64> = 1, |to, field| { *to = Some(field.int()?); Ok(()) };
        dim_param: &'a str = 2, text;
    }
}

/// What an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttributeType {
    Float = 1,
    Int = 2,
    String = 3,
    Tensor = 4,
    Graph = 5,
    Floats = 6,
    Ints = 7,
    Strings = 8,
}

impl AttributeType {
    /// For messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Int => "int",
            Self::String => "string",
            Self::Tensor => "tensor",
            Self::Graph => "graph",
            Self::Floats => "floats",
            Self::Ints => "ints",
            Self::Strings => "strings",
        }
    }
}
