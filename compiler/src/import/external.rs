//! Data that lie in files beside the model: read from the model's own folder, and nowhere else.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use tract_onnx::pb::StringStringEntryProto;

use super::Outcome;
use crate::diagnostics::{Code, Diagnostic};

/// The external files of one model.
pub(super) struct ExternalFiles {
    folder: Option<PathBuf>,
    /// Each file read so far, once.
    pub(super) read: Vec<PathBuf>,
    open: Vec<(String, File, u64)>,
}

fn problem(message: String) -> Diagnostic {
    Diagnostic::error(Code::ExternalData, None, message)
}

impl ExternalFiles {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, read: Vec::new(), open: Vec::new() }
    }

    /// The `wanted` bytes that the entries `location`, `offset` and `length` point at. Nothing is allocated before
    /// the file is known to hold them.
    pub(super) fn read(&mut self, entries: &[StringStringEntryProto], wanted: usize) -> Outcome<Vec<u8>> {
        let entry = |key: &str| entries.iter().find(|e| e.key == key).map(|e| e.value.as_str());
        let number = |key: &str| {
            entry(key)
                .map(|text| text.trim().parse::<u64>().map_err(|_| problem(format!("{key} {text:?} is not a number"))))
                .transpose()
        };
        let location = entry("location").ok_or_else(|| problem("no location is given".to_owned()))?;
        let offset = number("offset")?.unwrap_or(0);
        if let Some(length) = number("length")?
            && length != wanted as u64
        {
            return Err(problem(format!("{length} bytes in {location:?} for a constant that takes {wanted}")));
        }
        let at = match self.open.iter().position(|(name, ..)| name == location) {
            Some(at) => at,
            None => self.open(location)?,
        };
        let (_, file, size) = &mut self.open[at];
        if offset.checked_add(wanted as u64).is_none_or(|end| end > *size) {
            return Err(problem(format!("{wanted} bytes at offset {offset} of {location:?}, which has {size} bytes"))
                .help("the data file is truncated or belongs to another model"));
        }
        let mut bytes = vec![0; wanted];
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| problem(format!("{location:?} cannot be read: {error}")))?;
        Ok(bytes)
    }

    fn open(&mut self, location: &str) -> Outcome<usize> {
        let folder = self.folder.as_ref().ok_or_else(|| {
            problem(format!("the data lie in {location:?}, but the model was given without a folder"))
        })?;
        let leaves = || {
            problem(format!("{location:?} leaves the model's folder"))
                .help("external data must lie beside the model or below it")
        };
        let relative = Path::new(location);
        if relative.as_os_str().is_empty()
            || relative.components().any(|c| !matches!(c, Component::Normal(_) | Component::CurDir))
        {
            return Err(leaves());
        }
        let path = folder.join(relative);
        let unreadable = |error| problem(format!("{location:?} cannot be opened: {error}"));
        // Symbolic links are followed first, so that none leads outside.
        let real = path.canonicalize().map_err(unreadable)?;
        if !real.starts_with(folder.canonicalize().map_err(unreadable)?) {
            return Err(leaves());
        }
        let metadata = real.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(problem(format!("{location:?} is not a file")));
        }
        let file = File::open(&real).map_err(unreadable)?;
        self.read.push(path);
        self.open.push((location.to_owned(), file, metadata.len()));
        Ok(self.open.len() - 1)
    }
}
