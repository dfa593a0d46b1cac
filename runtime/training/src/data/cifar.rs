//! The binary files of CIFAR-10 and CIFAR-100: records of one or two label bytes and 3 × 32 × 32 bytes, channel by
//! channel.

use std::path::Path;

use super::{Dataset, Part, Source};
use crate::problem::{Problems, Result};

const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE;

/// `data_batch_1.bin` to `data_batch_5.bin`, `test_batch.bin`: one label.
pub(super) fn load_10(folder: &Path) -> Result<Dataset> {
    let train: Vec<String> = (1..=5).map(|i| format!("data_batch_{i}.bin")).collect();
    load(folder, &train, "test_batch.bin", 1, 10)
}

/// `train.bin`, `test.bin`: a coarse label, then the fine one, which is used.
pub(super) fn load_100(folder: &Path) -> Result<Dataset> {
    load(folder, &["train.bin".to_owned()], "test.bin", 2, 100)
}

fn load(folder: &Path, train: &[String], test: &str, labels: usize, classes: u32) -> Result<Dataset> {
    let mut problems = Problems::default();
    let mut part = |names: &[String]| {
        let (mut bytes, mut all) = (Vec::new(), Vec::new());
        for name in names {
            if let Err(mut more) = read(&folder.join(name), labels, classes, &mut bytes, &mut all) {
                problems.0.append(&mut more.0);
            }
        }
        Part { source: Source::Memory { bytes, channels: 3, size: [SIDE; 2] }, labels: all }
    };
    let (train, test) = (part(train), part(&[test.to_owned()]));
    problems.or(Dataset {
        train,
        validation: None,
        test,
        classes: (0..classes).map(|label| label.to_string()).collect(),
    })
}

fn read(path: &Path, labels: usize, classes: u32, bytes: &mut Vec<u8>, all: &mut Vec<u32>) -> Result {
    let data = std::fs::read(path).map_err(|e| Problems::file(path, format_args!("cannot be read: {e}")))?;
    let record = labels + 3 * PIXELS;
    if data.is_empty() || data.len() % record != 0 {
        let what = format_args!("has {} bytes, which is no whole number of records of {record}", data.len());
        return Err(Problems::file(path, what));
    }
    for (i, record) in data.chunks_exact(record).enumerate() {
        let label = u32::from(record[labels - 1]);
        if label >= classes {
            return Err(Problems::file(path, format_args!("record {i} has label {label} of {classes} classes")));
        }
        all.push(label);
        let planes = &record[labels..];
        bytes.extend((0..PIXELS).flat_map(|p| [planes[p], planes[PIXELS + p], planes[2 * PIXELS + p]]));
    }
    Ok(())
}
