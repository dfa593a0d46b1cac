//! The format of [safetensors](https://github.com/huggingface/safetensors): a length, a JSON header that says where each
//! tensor lies, and the tensors.

use std::collections::BTreeMap;

use burn::tensor::{DType, TensorData};
use serde::Deserialize;

/// A tensor of a file, as f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Row-major.
    pub shape: Vec<usize>,
    /// As many as the shape says.
    pub data: Vec<f32>,
}

/// An entry of the header.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// Every tensor of floating point by its name; whole numbers, such as counts of batches, are left out.
///
/// # Errors
/// A sentence behind "is no file of safetensors: ".
pub(super) fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Values>, String> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or("it is cut off")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|&n| n <= rest.len());
    let (header, tensors) = rest.split_at(length.ok_or("it is cut off, or does not begin with a header's length")?);
    let header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|e| format!("its header: {e}"))?;
    let mut all = BTreeMap::new();
    for (name, value) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let entry: Entry = serde_json::from_value(value).map_err(|e| format!("tensor `{name}`: {e}"))?;
        let (dtype, size) = match entry.dtype.as_str() {
            "F64" => (DType::F64, 8),
            "F32" => (DType::F32, 4),
            "F16" => (DType::F16, 2),
            "BF16" => (DType::BF16, 2),
            _ => continue,
        };
        let [start, end] = entry.data_offsets;
        let count = entry.shape.iter().try_fold(size, |n: usize, &d| n.checked_mul(d));
        let data = tensors
            .get(start..end)
            .filter(|data| Some(data.len()) == count)
            .ok_or_else(|| format!("tensor `{name}`: bytes {start} to {end} are not {:?} of it", entry.shape))?;
        let data = TensorData::from_bytes_vec(data.to_vec(), entry.shape.clone(), dtype).convert::<f32>();
        let data = data.try_into_vec().map_err(|e| format!("tensor `{name}`: {e:?}"))?;
        all.insert(name, Values { shape: entry.shape, data });
    }
    Ok(all)
}
