//! The IDX files of the MNIST family: a magic number (0, 0, 8 for bytes, number of dimensions), the dimensions as
//! big-endian 32-bit numbers, the bytes.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::{Dataset, Part, Source};
use crate::problem::{Problems, Result};

pub(super) fn load(folder: &Path) -> Result<Dataset> {
    let mut problems = Problems::default();
    let mut part = |name: &str| match read_part(folder, name) {
        Ok(part) => Some(part),
        Err(mut more) => {
            problems.0.append(&mut more.0);
            None
        }
    };
    let (Some(train), Some(test)) = (part("train"), part("t10k")) else { return Err(problems) };
    let classes = train.labels.iter().chain(&test.labels).max().map_or(0, |&label| label + 1);
    Ok(Dataset { train, validation: None, test, classes: (0..classes).map(|label| label.to_string()).collect() })
}

fn read_part(folder: &Path, name: &str) -> Result<Part> {
    let (pictures, dims) = read(folder, &format!("{name}-images-idx3-ubyte"), 3)?;
    let (labels, _) = read(folder, &format!("{name}-labels-idx1-ubyte"), 1)?;
    if labels.len() != dims[0] {
        let what = format_args!("{} pictures but {} labels", dims[0], labels.len());
        return Err(Problems::one(format_args!("the files {name}-*-ubyte in \"{}\"", folder.display()), what));
    }
    let labels = labels.into_iter().map(u32::from).collect();
    Ok(Part { source: Source::Memory { bytes: pictures, channels: 1, size: [dims[1], dims[2]] }, labels })
}

/// The bytes and the dimensions of a file, `rank` of them; with `.gz` behind its name if it is not there without.
fn read(folder: &Path, name: &str, rank: usize) -> Result<(Vec<u8>, Vec<usize>)> {
    let plain = folder.join(name);
    let zipped = folder.join(format!("{name}.gz"));
    let path: PathBuf = if plain.exists() { plain } else { zipped };
    let raw = std::fs::read(&path).map_err(|e| Problems::file(&path, format_args!("cannot be read: {e}")))?;
    let data = if path.extension().is_some_and(|e| e == "gz") {
        let mut data = Vec::new();
        GzDecoder::new(&raw[..])
            .read_to_end(&mut data)
            .map_err(|e| Problems::file(&path, format_args!("is damaged: {e}")))?;
        data
    } else {
        raw
    };
    let wrong = |what: String| Problems::file(&path, what);
    let header = 4 + 4 * rank;
    if data.len() < header || data[..4] != [0, 0, 8, rank as u8] {
        return Err(wrong(format!("is no IDX file of bytes with {rank} dimensions")));
    }
    let dims: Vec<usize> =
        data[4..header].chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
    let expected = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let body = data.len() - header;
    if expected != Some(body) {
        return Err(wrong(format!("says it has {dims:?} bytes, but has {body}: it is cut off or damaged")));
    }
    Ok((data[header..].to_vec(), dims))
}
