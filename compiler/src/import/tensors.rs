//! Constants of the file as tensors: every encoding and element type, sizes checked before anything is allocated.

use std::borrow::Cow;

use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

use super::Outcome;
use super::external::ExternalFiles;
use crate::diagnostics::{Code, Diagnostic};
use crate::half::{brain, half};
use crate::ir::{DType, Data, Tensor, size};

/// The element type that stands for an ONNX one; `None` for those that xnorc does not know.
pub(crate) fn dtype(elem_type: i32) -> Option<DType> {
    use DataType::*;
    Some(match DataType::try_from(elem_type).ok()? {
        Float | Float16 | Bfloat16 | Double => DType::F32,
        Int8 | Int16 | Int32 | Int64 | Uint8 | Uint16 | Uint32 | Uint64 => DType::I64,
        Bool => DType::Bool,
        _ => return None,
    })
}

/// The name of an ONNX element type.
pub(crate) fn type_name(elem_type: i32) -> String {
    DataType::try_from(elem_type).map_or_else(|_| format!("type {elem_type}"), |t| t.as_str_name().to_lowercase())
}

/// Reads a constant.
pub(super) fn read(proto: &TensorProto, files: &mut ExternalFiles) -> Outcome<Tensor> {
    let bad = |message: String| Diagnostic::error(Code::BadInitializer, None, message);
    let shape = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).map_err(|_| bad(format!("a negative extent among {:?}", proto.dims))))
        .collect::<Outcome<Vec<usize>>>()?;
    let too_large =
        || Diagnostic::error(Code::TooLarge, None, format!("extents {shape:?} are beyond what a file can hold"));
    let len = size(&shape).ok_or_else(too_large)?;
    if proto.segment.is_some() {
        return Err(bad("data in segments are not supported".to_owned()));
    }
    let (Some(_), Ok(kind)) = (dtype(proto.data_type), DataType::try_from(proto.data_type)) else {
        return Err(bad(format!("elements of {} are not supported", type_name(proto.data_type))));
    };
    let wanted = len.checked_mul(size_of(kind)).ok_or_else(too_large)?;
    let bytes: Option<Cow<'_, [u8]>> = if proto.data_location == Some(DataLocation::External as i32) {
        Some(Cow::Owned(files.read(&proto.external_data, wanted)?))
    } else if proto.raw_data.is_empty() {
        None
    } else {
        Some(Cow::Borrowed(&proto.raw_data))
    };
    let data = match bytes {
        Some(bytes) if bytes.len() == wanted => from_bytes(kind, &bytes),
        Some(bytes) => {
            return Err(bad(format!(
                "{} bytes of data for {} elements of {}, which take {wanted}",
                bytes.len(),
                shape_text(&shape),
                type_name(proto.data_type)
            )));
        }
        None => from_fields(kind, proto),
    }
    .ok_or_else(|| bad("an unsigned integer beyond the range of 64-bit signed ones".to_owned()))?;
    let held = match &data {
        Data::F32(v) => v.len(),
        Data::I64(v) => v.len(),
        Data::Bool(v) => v.len(),
    };
    if held != len {
        return Err(bad(format!("{held} elements of data for the extents {shape:?}")));
    }
    Ok(Tensor { shape, data })
}

fn shape_text(shape: &[usize]) -> String {
    let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", extents.join(","))
}

fn size_of(kind: DataType) -> usize {
    use DataType::*;
    match kind {
        Int8 | Uint8 | Bool => 1,
        Float16 | Bfloat16 | Int16 | Uint16 => 2,
        Float | Int32 | Uint32 => 4,
        _ => 8,
    }
}

/// Little-endian elements; `None` when one does not fit.
fn from_bytes(kind: DataType, bytes: &[u8]) -> Option<Data> {
    use DataType::*;
    macro_rules! elements {
        ($t:ty, $n:literal, $f:expr) => {
            bytes.as_chunks::<$n>().0.iter().map(|&b| $f(<$t>::from_le_bytes(b))).collect()
        };
    }
    Some(match kind {
        Float => Data::F32(elements!(f32, 4, |x| x)),
        Double => Data::F32(elements!(f64, 8, |x| x as f32)),
        Float16 => Data::F32(elements!(u16, 2, half)),
        Bfloat16 => Data::F32(elements!(u16, 2, brain)),
        Int8 => Data::I64(elements!(i8, 1, i64::from)),
        Uint8 => Data::I64(elements!(u8, 1, i64::from)),
        Int16 => Data::I64(elements!(i16, 2, i64::from)),
        Uint16 => Data::I64(elements!(u16, 2, i64::from)),
        Int32 => Data::I64(elements!(i32, 4, i64::from)),
        Uint32 => Data::I64(elements!(u32, 4, i64::from)),
        Int64 => Data::I64(elements!(i64, 8, |x| x)),
        Uint64 => {
            let numbers: Vec<u64> = elements!(u64, 8, |x| x);
            Data::I64(numbers.into_iter().map(|x| i64::try_from(x).ok()).collect::<Option<_>>()?)
        }
        Bool => Data::Bool(bytes.iter().map(|&b| b != 0).collect()),
        _ => return None,
    })
}

/// Elements in the typed fields; `None` when one does not fit.
fn from_fields(kind: DataType, proto: &TensorProto) -> Option<Data> {
    use DataType::*;
    let small = &proto.int32_data;
    Some(match kind {
        Float => Data::F32(proto.float_data.clone()),
        Double => Data::F32(proto.double_data.iter().map(|&x| x as f32).collect()),
        Float16 => Data::F32(small.iter().map(|&x| half(x as u16)).collect()),
        Bfloat16 => Data::F32(small.iter().map(|&x| brain(x as u16)).collect()),
        Int64 => Data::I64(proto.int64_data.clone()),
        Uint32 | Uint64 => Data::I64(proto.uint64_data.iter().map(|&x| i64::try_from(x).ok()).collect::<Option<_>>()?),
        Bool => Data::Bool(small.iter().map(|&x| x != 0).collect()),
        _ => Data::I64(small.iter().map(|&x| i64::from(x)).collect()),
    })
}
