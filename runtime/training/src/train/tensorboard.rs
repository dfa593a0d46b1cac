//! Event files for TensorBoard: the figures of every epoch, as they are in `state.json`.
//!
//! A file is a sequence of records, each its length (u64), a checksum of that, a message, a checksum of that, all
//! little-endian (TensorFlow's `record_writer.h`); the messages are `Event`s (`event.proto`, `summary.proto`). A record
//! per epoch is appended, so that TensorBoard shows it while it goes on. What an interruption cut off, or another
//! training left, is cut away first: every epoch is there once.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message as _;

use super::{Epoch, State};
use crate::problem::{Problems, Result};

/// TensorBoard looks for `tfevents` in names.
const NAME: &str = "events.out.tfevents.0.xnorc";

/// The first record of every file.
const VERSION: &str = "brain.Event:2";

#[derive(Clone, PartialEq, prost::Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// Brings the file in `folder` up to date with `state`: what is there stays, what is missing is appended.
///
/// # Errors
/// A file that cannot be read or written.
pub(super) fn write(folder: &Path, state: &State) -> Result {
    let path = folder.join(NAME);
    let wrong = |e: std::io::Error| Problems::file(&path, format_args!("cannot be written: {e}"));
    fs::create_dir_all(folder).map_err(wrong)?;
    let there = match fs::read(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(wrong(e)),
        read => read.unwrap_or_default(),
    };
    let events = events(state);
    let (mut same, mut kept) = (0, 0);
    while let Some((event, end)) = record(&there, kept)
        && events.get(same) == Some(&Event { wall_time: 0.0, ..event })
    {
        (same, kept) = (same + 1, end);
    }
    if same == events.len() && kept == there.len() {
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    let mut more = Vec::new();
    for event in events.into_iter().skip(same) {
        frame(&Event { wall_time: now, ..event }.encode_to_vec(), &mut more);
    }
    let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(&path).map_err(wrong)?;
    if kept < there.len() {
        file.set_len(kept as u64).map_err(wrong)?;
    }
    file.seek(SeekFrom::End(0)).and_then(|_| file.write_all(&more)).map_err(wrong)
}

/// All that is told of a step, without the time.
fn events(state: &State) -> Vec<Event> {
    let first = Event { file_version: Some(VERSION.to_owned()), ..Event::default() };
    let mut all = vec![first];
    all.extend(state.epochs.iter().map(|epoch| event(epoch.epoch, &scalars(epoch))));
    if let Some(tested) = &state.test {
        let values = [("accuracy/test, best epoch", tested.best.top1), ("accuracy/test, last epoch", tested.last.top1)];
        all.push(event(state.epochs.len(), &values));
    }
    all
}

fn event(epoch: usize, values: &[(&str, f64)]) -> Event {
    let value = |&(tag, value): &(&str, f64)| Value { tag: tag.to_owned(), simple_value: Some(value as f32) };
    let summary = Summary { value: values.iter().map(value).collect() };
    Event { step: epoch as i64, summary: Some(summary), ..Event::default() }
}

/// The figures of an epoch; losses that are not used are left out.
fn scalars(epoch: &Epoch) -> Vec<(&'static str, f64)> {
    let mut all = vec![
        ("accuracy/training", epoch.accuracy),
        ("accuracy/validation", epoch.validation_accuracy),
        ("accuracy/validation, top 5", epoch.validation_top5),
        ("loss/training", epoch.loss),
        ("loss/validation", epoch.validation_loss),
    ];
    let parts = [
        ("loss/training, labels", epoch.labels),
        ("loss/training, logits", epoch.logits),
        ("loss/training, attention", epoch.attention),
    ];
    all.extend(parts.into_iter().filter(|&(_, value)| value != 0.0));
    all.extend([("rate", epoch.rate), ("seconds", epoch.seconds)]);
    all
}

/// The record that begins at `start`, and where it ends; nothing where none is whole.
fn record(bytes: &[u8], start: usize) -> Option<(Event, usize)> {
    let rest = bytes.get(start..)?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (check, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*check) != checksum(length) {
        return None;
    }
    let size = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (message, rest) = rest.split_at_checked(size)?;
    let (check, _) = rest.split_first_chunk::<4>()?;
    let whole = u32::from_le_bytes(*check) == checksum(message);
    Some((Event::decode(message).ok().filter(|_| whole)?, start + 8 + 4 + size + 4))
}

fn frame(message: &[u8], out: &mut Vec<u8>) {
    let length = (message.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(checksum(&length).to_le_bytes());
    out.extend(message);
    out.extend(checksum(message).to_le_bytes());
}

/// CRC-32C, masked as TensorFlow does: turned by 15 bits, plus a number.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Shares, Tested};

    fn state(epochs: usize) -> State {
        let epoch = |n: usize| Epoch { epoch: n, loss: 1.0 / n as f64, logits: 0.25, rate: 0.1, ..Epoch::default() };
        State { epochs: (1..=epochs).map(epoch).collect(), best: 1, test: None }
    }

    /// CRC-32C bit by bit.
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
        })
    }

    /// The fields of a message: number, and bytes; those of eight and four bytes as they are, numbers as eight.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                value |= u64::from(byte & 127) << shift;
                if byte < 128 {
                    break;
                }
            }
            value
        }
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let size = match key & 7 {
                0 => {
                    all.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                    continue;
                }
                1 => 8,
                2 => varint(&mut bytes) as usize,
                5 => 4,
                other => panic!("wire type {other}"),
            };
            all.push((key >> 3, bytes[..size].to_vec()));
            bytes = &bytes[size..];
        }
        all
    }

    /// What is in a file, by a reader of its own: step, tag and value of each; the file's version as a tag.
    fn read(folder: &Path) -> Vec<(u64, String, f32)> {
        let bytes = fs::read(folder.join(NAME)).unwrap();
        let (mut rest, mut all) = (&bytes[..], Vec::new());
        let masked = |bytes: &[u8]| crc(bytes).rotate_left(17).wrapping_add(0xa282_ead8).to_le_bytes();
        while !rest.is_empty() {
            let size = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(
                (masked(&rest[..8]).as_slice(), masked(&rest[12..12 + size]).as_slice()),
                (&rest[8..12], &rest[12 + size..16 + size])
            );
            let event = fields(&rest[12..12 + size]);
            rest = &rest[16 + size..];
            let of = |number| event.iter().find(|field| field.0 == number).map(|field| field.1.clone());
            assert!(f64::from_le_bytes(of(1).unwrap().try_into().unwrap()) > 1.7e9);
            let step = of(2).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
            all.extend(of(3).map(|version| (step, String::from_utf8(version).unwrap(), 0.0)));
            for (_, value) in fields(&of(5).unwrap_or_default()) {
                let value = fields(&value);
                let tag = String::from_utf8(value[0].1.clone()).unwrap();
                all.push((step, tag, f32::from_le_bytes(value[1].1.clone().try_into().unwrap())));
            }
        }
        all
    }

    #[test]
    fn every_epoch_is_there_once() {
        assert_eq!(crc(b"123456789"), 0xe306_9283);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let path = folder.join(NAME);
        let steps = |folder: &Path| -> Vec<u64> {
            read(folder).into_iter().filter(|value| value.1 == "loss/training").map(|value| value.0).collect()
        };
        write(folder, &state(1)).unwrap();
        let first = read(folder);
        assert_eq!(first[0], (0, VERSION.to_owned(), 0.0));
        let tags: Vec<&str> = first[1..].iter().map(|value| value.1.as_str()).collect();
        assert_eq!(tags[3..], ["loss/training", "loss/validation", "loss/training, logits", "rate", "seconds"]);
        assert_eq!((first[4].clone(), first[6].2), ((1, "loss/training".to_owned(), 1.0), 0.25));
        let bytes = fs::read(&path).unwrap();
        // Nothing new; then two epochs at once, behind what is there.
        write(folder, &state(1)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        write(folder, &state(3)).unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!((steps(folder), whole.starts_with(&bytes)), (vec![1, 2, 3], true));
        // Cut off in a record, by a full disk; a byte that is another one; epochs that are not kept.
        for damaged in [
            whole[..whole.len() - 5].to_vec(),
            whole.iter().enumerate().map(|(i, &b)| if i == bytes.len() + 30 { b ^ 1 } else { b }).collect(),
        ] {
            fs::write(&path, damaged).unwrap();
            write(folder, &state(3)).unwrap();
            assert_eq!(steps(folder), [1, 2, 3]);
            assert!(fs::read(&path).unwrap().starts_with(&bytes));
        }
        write(folder, &state(2)).unwrap();
        assert_eq!(steps(folder), [1, 2]);
        // Another training in the same folder.
        let mut other = state(2);
        other.epochs[0].loss = 7.0;
        let shares = |top1| Shares { loss: 0.5, top1, top5: 1.0 };
        other.test = Some(Tested { best: shares(0.75), last: shares(0.5) });
        write(folder, &other).unwrap();
        let read = read(folder);
        assert_eq!((steps(folder), read[4].2), (vec![1, 2], 7.0));
        assert_eq!(read.last().unwrap(), &(2, "accuracy/test, last epoch".to_owned(), 0.5));
    }
}
