//! Constants of the file as tensors: every encoding and element type, sizes checked before anything is allocated.

use std::borrow::Cow;

use super::external::ExternalFiles;
use super::proto::TensorProto;
use super::wire::Broken;
use crate::diagnostics::Outcome;
use crate::diagnostics::{Code, Diagnostic};
use crate::half::{brain, half};
use crate::ir::{Data, Tensor, size};
use crate::ops::element::{DataType, dtype, type_name};

/// `data_location` of a constant whose data are in another file.
const EXTERNAL: i32 = 1;

/// Reads a constant.
pub(super) fn read(proto: &TensorProto<'_>, files: &mut ExternalFiles) -> Outcome<Tensor> {
    let bad = |message: String| Diagnostic::error(Code::BadInitializer, None, message);
    let broken = |why: Broken| bad(why.to_owned());
    let dims = proto.dims.ints(|d| d as i64).map_err(broken)?;
    let shape = (dims.iter())
        .map(|&d| usize::try_from(d).map_err(|_| bad(format!("a negative extent among {dims:?}"))))
        .collect::<Outcome<Vec<usize>>>()?;
    let too_large =
        || Diagnostic::error(Code::TooLarge, None, format!("extents {shape:?} are beyond what a file can hold"));
    let len = size(&shape).ok_or_else(too_large)?;
    if proto.has_segment {
        return Err(bad("data in segments are not supported".to_owned()));
    }
    let (Some(_), Some(kind)) = (dtype(proto.data_type), DataType::of(proto.data_type)) else {
        return Err(bad(format!("elements of {} are not supported", type_name(proto.data_type))));
    };
    let wanted = match per_byte(kind) {
        1 => len.checked_mul(size_of(kind)).ok_or_else(too_large)?,
        several => len.div_ceil(several),
    };
    let bytes: Option<Cow<'_, [u8]>> = if proto.data_location == EXTERNAL {
        Some(Cow::Owned(files.read(&proto.external_data, wanted)?))
    } else if proto.raw_data.is_empty() {
        None
    } else {
        Some(Cow::Borrowed(proto.raw_data))
    };
    let data = match bytes {
        Some(bytes) if bytes.len() == wanted => from_bytes(kind, &bytes, len),
        Some(bytes) => {
            return Err(bad(format!(
                "{} bytes of data for {} elements of {}, which take {wanted}",
                bytes.len(),
                shape_text(&shape),
                type_name(proto.data_type)
            )));
        }
        None => from_fields(kind, proto, len).map_err(broken)?,
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

/// Elements in a byte.
fn per_byte(kind: DataType) -> usize {
    match kind.integer() {
        Some((bits @ 1..8, _)) => 8 / bits as usize,
        _ => 1,
    }
}

/// Integers of less than a byte: the first one in the lowest bits.
fn unpacked(kind: DataType, bytes: impl IntoIterator<Item = u8>, len: usize) -> Data {
    let (bits, is_signed) = kind.integer().expect("an integer");
    let number = |byte: u8, k: u32| {
        let low = (byte >> (bits * k)) & ((1 << bits) - 1);
        let negative = is_signed && low >> (bits - 1) == 1;
        i64::from(low) - if negative { 1 << bits } else { 0 }
    };
    let all = bytes.into_iter().flat_map(|byte| (0..8 / bits).map(move |k| number(byte, k)));
    Data::I64(all.take(len).collect())
}

/// Little-endian elements; `None` when one does not fit.
fn from_bytes(kind: DataType, bytes: &[u8], len: usize) -> Option<Data> {
    use DataType::*;
    if per_byte(kind) > 1 {
        return Some(unpacked(kind, bytes.iter().copied(), len));
    }
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
fn from_fields(kind: DataType, proto: &TensorProto<'_>, len: usize) -> Result<Option<Data>, Broken> {
    use DataType::*;
    let small = &proto.int32_data;
    if per_byte(kind) > 1 {
        // A number of 32 bits holds a byte.
        return Ok(Some(unpacked(kind, small.ints(|x| x as u8)?, len)));
    }
    Ok(Some(match kind {
        Float => Data::F32(proto.float_data.fixed(f32::from_le_bytes)?),
        Double => Data::F32(proto.double_data.fixed(|bytes| f64::from_le_bytes(bytes) as f32)?),
        Float16 => Data::F32(small.ints(|x| half(x as u16))?),
        Bfloat16 => Data::F32(small.ints(|x| brain(x as u16))?),
        Int64 => Data::I64(proto.int64_data.ints(|x| x as i64)?),
        Uint32 | Uint64 => {
            let numbers = proto.uint64_data.ints(|x| x)?;
            let signed: Option<_> = numbers.into_iter().map(|x| i64::try_from(x).ok()).collect();
            return Ok(signed.map(Data::I64));
        }
        Bool => Data::Bool(small.ints(|x| x as i32 != 0)?),
        // Of an integer of 32 bits the low ones count, whatever its length in the file.
        _ => Data::I64(small.ints(|x| i64::from(x as i32))?),
    }))
}
