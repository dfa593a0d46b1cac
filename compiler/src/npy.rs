//! NumPy's `.npy` files, as far as tensors of this crate need them: little-endian f16, f32, f64, integers and
//! bool, C order, versions 1 to 3. Source: `numpy.lib.format`.

use crate::half::half;
use crate::ir::{Data, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";

/// An array in a file, its elements as they lie there: a stack of pictures in bytes stays one.
#[derive(Clone, Debug)]
pub struct Array {
    /// Extents.
    pub shape: Vec<usize>,
    kind: Kind,
    file: Vec<u8>,
    /// Where the elements begin.
    start: usize,
}

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    F16,
    F32,
    F64,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    Bool,
}

impl Kind {
    const ALL: [(&str, Self, usize); 11] = [
        ("<f2", Self::F16, 2),
        ("<f4", Self::F32, 4),
        ("<f8", Self::F64, 8),
        ("|i1", Self::I8, 1),
        ("|u1", Self::U8, 1),
        ("<i2", Self::I16, 2),
        ("<u2", Self::U16, 2),
        ("<i4", Self::I32, 4),
        ("<u4", Self::U32, 4),
        ("<i8", Self::I64, 8),
        ("|b1", Self::Bool, 1),
    ];

    fn size(self) -> usize {
        Self::ALL.iter().find(|(_, kind, _)| *kind == self).map_or(1, |(.., size)| *size)
    }
}

impl Array {
    /// Takes a file, and looks at all but its elements.
    ///
    /// # Errors
    /// A sentence saying what is wrong with the file.
    pub fn new(file: Vec<u8>) -> Result<Self, String> {
        let truncated = || "the file is truncated".to_owned();
        let rest = file.strip_prefix(MAGIC).ok_or("not a .npy file")?;
        let (&[major, _], rest) = rest.split_first_chunk::<2>().ok_or_else(truncated)?;
        let (header_len, rest) = match major {
            1 => {
                let (len, rest) = rest.split_first_chunk::<2>().ok_or_else(truncated)?;
                (usize::from(u16::from_le_bytes(*len)), rest)
            }
            2 | 3 => {
                let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
                (u32::from_le_bytes(*len) as usize, rest)
            }
            _ => return Err(format!("version {major} of the .npy format is not known")),
        };
        let (header, body) = rest.split_at_checked(header_len).ok_or_else(truncated)?;
        let header = std::str::from_utf8(header).map_err(|_| "the header is not text")?;
        let shape = parse_shape(field(header, "shape")?)?;
        if shape.len() > 1 && !field(header, "fortran_order")?.starts_with("False") {
            return Err("the array is in Fortran order; save it with numpy.ascontiguousarray".to_owned());
        }
        let descr = field(header, "descr")?;
        let quote =
            descr.chars().next().filter(|c| matches!(c, '\'' | '"')).ok_or("structured arrays are not supported")?;
        let name = descr[1..].split(quote).next().unwrap_or_default();
        let kind = Kind::ALL.into_iter().find(|(n, ..)| *n == name);
        let (_, kind, size) = kind.ok_or_else(|| format!("elements of type {name:?} are not supported"))?;
        let len = shape.iter().try_fold(1_usize, |n, &extent| n.checked_mul(extent));
        let wanted = len.and_then(|n| n.checked_mul(size)).ok_or("the array is too large")?;
        if body.len() != wanted {
            return Err(format!("{} bytes of data where {shape:?} takes {wanted}", body.len()));
        }
        let start = file.len() - body.len();
        Ok(Self { shape, kind, file, start })
    }

    /// Whether the elements are whole numbers of one byte, as pictures have them.
    pub fn is_bytes(&self) -> bool {
        self.kind == Kind::U8
    }

    /// So many elements from the one with that index on, in row-major order; floats become f32, integers i64. Fewer where
    /// there are not so many.
    pub fn elements(&self, first: usize, count: usize) -> Data {
        let body = &self.file[self.start..];
        let size = self.kind.size();
        let byte = |element: usize| element.saturating_mul(size).min(body.len());
        let body = &body[byte(first)..byte(first.saturating_add(count))];
        macro_rules! elements {
            ($t:ty, $n:literal, $to:ty) => {
                body.as_chunks::<$n>().0.iter().map(|&b| <$t>::from_le_bytes(b) as $to).collect()
            };
        }
        match self.kind {
            Kind::F16 => Data::F32(body.as_chunks::<2>().0.iter().map(|&b| half(u16::from_le_bytes(b))).collect()),
            Kind::F32 => Data::F32(elements!(f32, 4, f32)),
            Kind::F64 => Data::F32(elements!(f64, 8, f32)),
            Kind::I8 => Data::I64(elements!(i8, 1, i64)),
            Kind::U8 => Data::I64(elements!(u8, 1, i64)),
            Kind::I16 => Data::I64(elements!(i16, 2, i64)),
            Kind::U16 => Data::I64(elements!(u16, 2, i64)),
            Kind::I32 => Data::I64(elements!(i32, 4, i64)),
            Kind::U32 => Data::I64(elements!(u32, 4, i64)),
            Kind::I64 => Data::I64(elements!(i64, 8, i64)),
            Kind::Bool => Data::Bool(body.iter().map(|&b| b != 0).collect()),
        }
    }

    /// All of it.
    pub fn tensor(&self) -> Tensor {
        Tensor { shape: self.shape.clone(), data: self.elements(0, usize::MAX) }
    }
}

/// Reads an array. Floats become f32, integers i64.
///
/// # Errors
/// A sentence saying what is wrong with the file.
pub fn read(bytes: &[u8]) -> Result<Tensor, String> {
    Ok(Array::new(bytes.to_vec())?.tensor())
}

/// The text behind a key of the header, which is a Python dictionary.
fn field<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    ['\'', '"']
        .iter()
        .find_map(|quote| header.split_once(&format!("{quote}{key}{quote}:")))
        .map(|(_, value)| value.trim_start())
        .ok_or_else(|| format!("the header has no {key:?}"))
}

fn parse_shape(text: &str) -> Result<Vec<usize>, String> {
    let inner = text.strip_prefix('(').and_then(|t| t.split_once(')')).ok_or("the shape is not a tuple")?.0;
    inner
        .split(',')
        .map(str::trim)
        .filter(|extent| !extent.is_empty())
        .map(|extent| extent.parse().map_err(|_| format!("{extent:?} is not an extent")))
        .collect()
}

/// Writes an array, version 1, as NumPy would.
pub fn write(tensor: &Tensor) -> Vec<u8> {
    let extents: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
    let comma = if extents.len() == 1 { "," } else { "" };
    let descr = match tensor.data {
        Data::F32(_) => "<f4",
        Data::I64(_) => "<i8",
        Data::Bool(_) => "|b1",
    };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}", extents.join(", "));
    // The data begin at a multiple of 64 bytes; the header ends with a newline.
    let start = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64);
    while MAGIC.len() + 4 + header.len() + 1 < start {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    match &tensor.data {
        Data::F32(v) => bytes.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        Data::I64(v) => bytes.extend(v.iter().flat_map(|x| x.to_le_bytes())),
        Data::Bool(v) => bytes.extend(v.iter().map(|&x| u8::from(x))),
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for tensor in [
            Tensor::f32([2, 3], vec![1.0, -2.5, 0.0, f32::INFINITY, 1e-45, 7.0]),
            Tensor::i64([2], vec![i64::MIN, 3]),
            Tensor::f32([], vec![3.0]),
            Tensor::bool([3, 1], vec![true, false, true]),
        ] {
            let bytes = write(&tensor);
            let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
            assert_eq!(start % 64, 0);
            assert_eq!(read(&bytes).unwrap(), tensor);
        }
    }

    fn with_header(version: u8, header: &str, body: &[u8]) -> Vec<u8> {
        let len = header.len() as u32;
        let len = if version == 1 { (len as u16).to_le_bytes().to_vec() } else { len.to_le_bytes().to_vec() };
        [MAGIC, &[version, 0], &len, header.as_bytes(), body].concat()
    }

    #[test]
    fn other_forms() {
        let double = with_header(2, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", &2.5_f64.to_le_bytes());
        assert_eq!(read(&double).unwrap(), Tensor::f32([1], vec![2.5]));
        let half = with_header(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (2,)}", &[0x00, 0xc0, 0x01, 0x00]);
        assert_eq!(read(&half).unwrap(), Tensor::f32([2], vec![-2.0, (-24_f32).exp2()]));
        let byte = with_header(3, "{\"descr\": \"|u1\", \"fortran_order\": False, \"shape\": (2, 1)}", &[255, 1]);
        assert_eq!(read(&byte).unwrap(), Tensor::i64([2, 1], vec![255, 1]));
        // A part of it; and what is not there.
        let array = Array::new(write(&Tensor::f32([3], vec![1.0, 2.0, 3.0]))).unwrap();
        assert_eq!(array.elements(1, 1), Data::F32(vec![2.0]));
        assert_eq!(array.elements(2, usize::MAX), Data::F32(vec![3.0]));
        assert_eq!(array.elements(4, 1), Data::F32(vec![]));
    }

    #[test]
    fn bad_files() {
        let case = |header: &str, body: &[u8]| read(&with_header(1, header, body)).unwrap_err();
        assert_eq!(read(b"PK").unwrap_err(), "not a .npy file");
        assert_eq!(read(b"\x93NUMPY\x01\x00\xff").unwrap_err(), "the file is truncated");
        assert_eq!(
            case("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", &[0; 4]),
            "the array is in Fortran order; save it with numpy.ascontiguousarray"
        );
        assert_eq!(
            case("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", &[0; 4]),
            "4 bytes of data where [2] takes 8"
        );
        assert_eq!(
            case("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", &[0; 4]),
            "elements of type \">f4\" are not supported"
        );
        assert_eq!(
            case("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", &[]),
            "the array is too large"
        );
        for header in ["", "{'descr':", "{'descr': '<f4', 'fortran_order': False, 'shape': 3}", "é'descr': é"] {
            case(header, &[]);
        }
    }
}
