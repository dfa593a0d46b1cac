//! Protobuf's wire format, read without copying: a message is a run of fields, and what is large in a field stays where it
//! lies in the file.
//!
//! A field is a number, a kind and a payload. Numbers that are not known are skipped, as the format wants it; a kind that
//! does not fit the number makes the file no ONNX file.

/// Why bytes are no message.
pub(super) type Broken = &'static str;

/// One field of a message.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    /// Which field of its message.
    pub(super) number: u64,
    /// Messages around it.
    pub(super) depth: usize,
    kind: Kind,
    /// The bytes of the value, without the length of those that have one.
    raw: &'a [u8],
}

/// How deep messages may stand in each other: graphs of nodes with graphs of their own have three for each, and reading them
/// takes stack.
const DEEPEST: usize = 128;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Varint,
    Fixed64,
    Bytes,
    Fixed32,
}

/// Calls `each` with every field of a message that stands in `depth` others, in order.
pub(super) fn fields<'a>(
    mut rest: &'a [u8],
    depth: usize,
    mut each: impl FnMut(Field<'a>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    if depth > DEEPEST {
        return Err("messages that stand too deep in each other");
    }
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let (kind, length) = match tag & 7 {
            0 => {
                let length = rest.iter().position(|byte| byte & 0x80 == 0).ok_or(TRUNCATED)? + 1;
                (Kind::Varint, length)
            }
            1 => (Kind::Fixed64, 8),
            2 => {
                let length = varint(&mut rest)?;
                (Kind::Bytes, usize::try_from(length).map_err(|_| TRUNCATED)?)
            }
            5 => (Kind::Fixed32, 4),
            _ => return Err("a field of a kind that ONNX does not use"),
        };
        let (raw, behind) = rest.split_at_checked(length).ok_or(TRUNCATED)?;
        rest = behind;
        if tag >> 3 == 0 {
            return Err("a field of number 0");
        }
        each(Field { number: tag >> 3, depth, kind, raw })?;
    }
    Ok(())
}

const TRUNCATED: Broken = "the bytes end in the middle of a field";
const KIND: Broken = "a field of another kind than ONNX gives it";

/// A number of seven bits a byte, lowest first; moves behind it.
fn varint(rest: &mut &[u8]) -> Result<u64, Broken> {
    let mut value = 0;
    for (i, &byte) in rest.iter().enumerate() {
        // The tenth byte holds the one bit that is left.
        if i == 9 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            *rest = &rest[i + 1..];
            return Ok(value);
        }
    }
    Err(if rest.len() < 10 { TRUNCATED } else { "a number of more than 64 bits" })
}

impl<'a> Field<'a> {
    fn of(&self, kind: Kind) -> Result<&'a [u8], Broken> {
        if self.kind == kind { Ok(self.raw) } else { Err(KIND) }
    }

    /// An integer; negative ones are written as their 64-bit complement.
    pub(super) fn int(&self) -> Result<i64, Broken> {
        Ok(varint(&mut self.of(Kind::Varint)?)? as i64)
    }

    /// An integer of 32 bits; of a longer one the low bits count.
    pub(super) fn int32(&self) -> Result<i32, Broken> {
        Ok(self.int()? as i32)
    }

    /// A float.
    pub(super) fn float(&self) -> Result<f32, Broken> {
        let bytes = self.of(Kind::Fixed32)?;
        Ok(f32::from_le_bytes(bytes.try_into().map_err(|_| KIND)?))
    }

    /// Bytes, or a message within.
    pub(super) fn bytes(&self) -> Result<&'a [u8], Broken> {
        self.of(Kind::Bytes)
    }

    /// Text.
    pub(super) fn text(&self) -> Result<&'a str, Broken> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a name that is not UTF-8")
    }
}

/// A list of numbers as it lies in the file: many packed into one field, or each in a field of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers<'a>(Vec<&'a [u8]>);

impl<'a> Numbers<'a> {
    /// Adds those of one more field.
    pub(super) fn push(&mut self, field: Field<'a>) {
        self.0.push(field.raw);
    }

    /// Those that are written in `N` bytes each.
    pub(super) fn fixed<const N: usize, T>(&self, number: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Broken> {
        let mut numbers = Vec::with_capacity(self.0.iter().map(|run| run.len() / N).sum());
        for run in &self.0 {
            let (whole, rest) = run.as_chunks::<N>();
            if !rest.is_empty() {
                return Err(TRUNCATED);
            }
            numbers.extend(whole.iter().map(|&bytes| number(bytes)));
        }
        Ok(numbers)
    }

    /// Those that are written as integers of varying length.
    pub(super) fn ints<T>(&self, number: impl Fn(u64) -> T) -> Result<Vec<T>, Broken> {
        // Every number ends in a byte without the high bit.
        let count = self.0.iter().flat_map(|run| run.iter()).filter(|&byte| byte & 0x80 == 0).count();
        let mut numbers = Vec::with_capacity(count);
        for run in &self.0 {
            let mut rest = *run;
            while !rest.is_empty() {
                numbers.push(number(varint(&mut rest)?));
            }
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<u64>, Broken> {
        let mut numbers = Vec::new();
        fields(bytes, 0, |field| {
            numbers.push(field.number);
            Ok(())
        })?;
        Ok(numbers)
    }

    #[test]
    fn each_kind_of_field_and_each_way_to_be_broken() {
        // Field 1: 300; field 2: text "ab"; field 3: eight bytes; field 16: four bytes.
        let good = [
            &[0x08, 0xac, 0x02][..],
            &[0x12, 2, b'a', b'b'],
            &[0x19, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x85, 0x01, 0, 0, 0x80, 0x3f],
        ];
        let all = good.concat();
        assert_eq!(read(&all), Ok(vec![1, 2, 3, 16]));
        fields(&all, 0, |field| {
            match field.number {
                1 => assert_eq!(field.int(), Ok(300)),
                2 => assert_eq!(field.text(), Ok("ab")),
                16 => assert_eq!(field.float(), Ok(1.0)),
                _ => assert_eq!(field.int(), Err(KIND)),
            }
            Ok(())
        })
        .unwrap();
        let ends: Vec<usize> = good
            .iter()
            .scan(0, |end, part| {
                *end += part.len();
                Some(*end)
            })
            .collect();
        for length in 1..all.len() {
            assert_eq!(read(&all[..length]).is_ok(), ends.contains(&length), "{length}");
        }
        for broken in [&[0x0b, 0][..], &[0x00, 1], &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]]
        {
            assert!(read(broken).is_err(), "{broken:x?}");
        }
        let mut long = &[0xff; 11][..];
        assert!(varint(&mut long).is_err());
        let mut most = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..];
        assert_eq!(varint(&mut most), Ok(u64::MAX));
    }

    #[test]
    fn numbers_packed_and_single() {
        let mut numbers = Numbers::default();
        let bytes = [&[0x0a, 3, 1, 0xac, 0x02][..], &[0x08, 7]].concat();
        fields(&bytes, 0, |field| {
            numbers.push(field);
            Ok(())
        })
        .unwrap();
        assert_eq!(numbers.ints(|x| x), Ok(vec![1, 300, 7]));
        assert_eq!(numbers.fixed(|b: [u8; 1]| b[0]), Ok(vec![1, 0xac, 2, 7]));
        assert_eq!(numbers.fixed(u16::from_le_bytes), Err(TRUNCATED));
    }
}
