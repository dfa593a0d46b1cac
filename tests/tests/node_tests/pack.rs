//! The file of cases, as `export.py` writes it.

use prost::Message as _;
use tract_onnx::pb::{ModelProto, TensorProto};
use xnorc::ir::{Data, Tensor};

const MAGIC: &[u8] = b"NODES1\n";

/// One case: a model of one node (or a function written out), inputs, and what it answers.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) operator: String,
    pub(crate) name: String,
    pub(crate) opset: u32,
    pub(crate) model: ModelProto,
    /// Empty when they are no tensors.
    pub(crate) inputs: Vec<TensorProto>,
    pub(crate) outputs: Vec<TensorProto>,
}

/// Reads all cases.
pub(crate) fn read(bytes: &[u8]) -> Vec<Case> {
    let mut rest = bytes.strip_prefix(MAGIC).expect("a file of node tests");
    let mut cases = Vec::new();
    while !rest.is_empty() {
        let text = |rest: &mut &[u8]| String::from_utf8(take(rest).to_vec()).expect("UTF-8");
        let (operator, name) = (text(&mut rest), text(&mut rest));
        let opset = number(&mut rest);
        let model = ModelProto::decode(take(&mut rest)).expect("a model");
        let tensors = |rest: &mut &[u8]| -> Vec<TensorProto> {
            (0..number(rest)).map(|_| TensorProto::decode(take(rest)).expect("a tensor")).collect()
        };
        let (inputs, outputs) = (tensors(&mut rest), tensors(&mut rest));
        cases.push(Case { operator, name, opset, model, inputs, outputs });
    }
    cases
}

/// Writes cases.
pub(crate) fn write(cases: &[&Case]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for case in cases {
        put(&mut bytes, case.operator.as_bytes());
        put(&mut bytes, case.name.as_bytes());
        bytes.extend(case.opset.to_le_bytes());
        put(&mut bytes, &case.model.encode_to_vec());
        for tensors in [&case.inputs, &case.outputs] {
            bytes.extend((tensors.len() as u32).to_le_bytes());
            tensors.iter().for_each(|tensor| put(&mut bytes, &tensor.encode_to_vec()));
        }
    }
    bytes
}

fn number(rest: &mut &[u8]) -> u32 {
    let (head, tail) = rest.split_at(4);
    *rest = tail;
    u32::from_le_bytes(head.try_into().expect("four bytes"))
}

fn take<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let len = number(rest) as usize;
    let (head, tail) = rest.split_at(len);
    *rest = tail;
    head
}

fn put(bytes: &mut Vec<u8>, data: &[u8]) {
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
}

/// How precisely a value of that element type can be told: relative.
pub(crate) fn precision(elements: i32) -> f64 {
    match elements {
        10 => 1e-3,
        16 => 1e-2,
        _ => 1e-5,
    }
}

/// The tensor, its elements as the compiler holds them; `None` for element types that it does not know.
///
/// Written here once more, so that a fault of the importer's own reading is seen.
pub(crate) fn tensor(proto: &TensorProto) -> Option<Tensor> {
    let shape: Vec<usize> = proto.dims.iter().map(|&d| d as usize).collect();
    let raw = &proto.raw_data;
    macro_rules! all {
        ($t:ty) => {
            raw.chunks_exact(size_of::<$t>()).map(|b| <$t>::from_le_bytes(b.try_into().expect("whole elements")))
        };
    }
    let floats = |values: Vec<f32>| Some(Data::F32(values));
    let ints = |values: Vec<i64>| Some(Data::I64(values));
    let data = match proto.data_type {
        1 if raw.is_empty() => floats(proto.float_data.clone()),
        7 if raw.is_empty() => ints(proto.int64_data.clone()),
        1 => floats(all!(f32).collect()),
        2 => ints(all!(u8).map(i64::from).collect()),
        3 => ints(all!(i8).map(i64::from).collect()),
        4 => ints(all!(u16).map(i64::from).collect()),
        5 => ints(all!(i16).map(i64::from).collect()),
        6 => ints(all!(i32).map(i64::from).collect()),
        7 => ints(all!(i64).collect()),
        9 => Some(Data::Bool(raw.iter().map(|&b| b != 0).collect())),
        10 => floats(all!(u16).map(half).collect()),
        11 => floats(all!(f64).map(|x| x as f32).collect()),
        12 => ints(all!(u32).map(i64::from).collect()),
        13 => ints(all!(u64).map(|x| x as i64).collect()),
        16 => floats(all!(u16).map(|x| f32::from_bits(u32::from(x) << 16)).collect()),
        21 => ints(narrow(raw, 4, false, shape.iter().product())),
        22 => ints(narrow(raw, 4, true, shape.iter().product())),
        25 => ints(narrow(raw, 2, false, shape.iter().product())),
        26 => ints(narrow(raw, 2, true, shape.iter().product())),
        _ => None,
    }?;
    let tensor = Tensor { shape, data };
    let held = match &tensor.data {
        Data::F32(v) => v.len(),
        Data::I64(v) => v.len(),
        Data::Bool(v) => v.len(),
    };
    (held == tensor.len()).then_some(tensor)
}

/// The first `len` integers of so many bits, the lowest bits of a byte first.
fn narrow(raw: &[u8], bits: usize, signed: bool, len: usize) -> Vec<i64> {
    let values =
        raw.iter().flat_map(|&byte| (0..8 / bits).map(move |i| i64::from(byte) >> (bits * i) & ((1 << bits) - 1)));
    let negative = |value: i64| signed && value >> (bits - 1) == 1;
    values.take(len).map(|value| if negative(value) { value - (1 << bits) } else { value }).collect()
}

fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction / 1024.0 * 2.0_f32.powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}
