//! The element types of ONNX, by the numbers that files give them.

use crate::ir::DType;

/// Declares the element types: number and name.
macro_rules! data_types {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        /// An element type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum DataType { $($name = $number,)* }

        impl DataType {
            /// The type of this number.
            pub(crate) fn of(number: i32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// For messages.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

data_types! {
    Float = 1, "float";
    Uint8 = 2, "uint8";
    Int8 = 3, "int8";
    Uint16 = 4, "uint16";
    Int16 = 5, "int16";
    Int32 = 6, "int32";
    Int64 = 7, "int64";
    String = 8, "string";
    Bool = 9, "bool";
    Float16 = 10, "float16";
    Double = 11, "double";
    Uint32 = 12, "uint32";
    Uint64 = 13, "uint64";
    Complex64 = 14, "complex64";
    Complex128 = 15, "complex128";
    Bfloat16 = 16, "bfloat16";
    Float8e4m3fn = 17, "float8e4m3fn";
    Float8e4m3fnuz = 18, "float8e4m3fnuz";
    Float8e5m2 = 19, "float8e5m2";
    Float8e5m2fnuz = 20, "float8e5m2fnuz";
    Uint4 = 21, "uint4";
    Int4 = 22, "int4";
    Float4e2m1 = 23, "float4e2m1";
    Float8e8m0 = 24, "float8e8m0";
    Uint2 = 25, "uint2";
    Int2 = 26, "int2";
}

/// The element type that stands for an ONNX one; `None` for those that xnorc does not know.
pub(crate) fn dtype(elem_type: i32) -> Option<DType> {
    use DataType::*;
    Some(match DataType::of(elem_type)? {
        Float | Float16 | Bfloat16 | Double => DType::F32,
        Int2 | Int4 | Int8 | Int16 | Int32 | Int64 => DType::I64,
        Uint2 | Uint4 | Uint8 | Uint16 | Uint32 | Uint64 => DType::I64,
        Bool => DType::Bool,
        _ => return None,
    })
}

/// The element type of an input or output of the compiled model, for one of the file.
pub(crate) fn face(kind: DataType) -> Option<DType> {
    use DataType::*;
    Some(match kind {
        Uint2 | Uint4 | Uint8 => DType::U8,
        Int2 | Int4 | Int8 => DType::I8,
        Uint16 => DType::U16,
        Int16 => DType::I16,
        Uint32 => DType::U32,
        Int32 => DType::I32,
        Int64 | Uint64 => DType::I64,
        _ => return None,
    })
}

impl DataType {
    /// Bits of an integer, and whether it has a sign; `None` for what is no integer.
    pub(crate) fn integer(self) -> Option<(u32, bool)> {
        use DataType::*;
        Some(match self {
            Int2 => (2, true),
            Int4 => (4, true),
            Int8 => (8, true),
            Int16 => (16, true),
            Int32 => (32, true),
            Int64 => (64, true),
            Uint2 => (2, false),
            Uint4 => (4, false),
            Uint8 => (8, false),
            Uint16 => (16, false),
            Uint32 => (32, false),
            Uint64 => (64, false),
            _ => return None,
        })
    }

    /// The least and the largest value of an integer of at most 32 bits.
    pub(crate) fn range(self) -> Option<(i64, i64)> {
        match self.integer()? {
            (bits @ 1..=32, true) => Some((-1 << (bits - 1), (1 << (bits - 1)) - 1)),
            (bits @ 1..=32, false) => Some((0, (1 << bits) - 1)),
            _ => None,
        }
    }
}

/// The name of an ONNX element type.
pub(crate) fn type_name(elem_type: i32) -> String {
    DataType::of(elem_type).map_or_else(|| format!("type {elem_type}"), |t| t.name().to_owned())
}
