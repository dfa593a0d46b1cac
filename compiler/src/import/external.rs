//! Data that lie in files beside the model: read from the model's own folder, and nowhere else; or given as bytes.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::proto::StringStringEntryProto;
use crate::diagnostics::Outcome;
use crate::diagnostics::{Code, Diagnostic};

/// The external files of one model.
pub(super) struct ExternalFiles {
    folder: Option<PathBuf>,
    /// By the file's own name.
    given: Vec<(String, Arc<[u8]>)>,
    /// Each file read so far, once.
    pub(super) read: Vec<PathBuf>,
    open: Vec<ExternalFile>,
}

struct ExternalFile {
    location: String,
    file: Source,
    /// In bytes.
    size: u64,
    /// Bytes read so far, those read twice counted twice.
    read: u64,
}

enum Source {
    File(File),
    Bytes(Cursor<Arc<[u8]>>),
}

impl Source {
    fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(bytes)),
            Self::Bytes(cursor) => cursor.seek(SeekFrom::Start(offset)).and_then(|_| cursor.read_exact(bytes)),
        }
    }
}

fn problem(message: String) -> Diagnostic {
    Diagnostic::error(Code::ExternalData, None, message)
}

impl ExternalFiles {
    pub(super) fn new(folder: Option<PathBuf>, given: Vec<(String, Arc<[u8]>)>) -> Self {
        Self { folder, given, read: Vec::new(), open: Vec::new() }
    }

    /// Bytes that were read, as far as the files hold them: a file that is read again and again is no larger for it.
    pub(super) fn size(&self) -> usize {
        let bytes = self.open.iter().map(|f| f.read.min(f.size)).sum::<u64>();
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// The `wanted` bytes that the entries `location`, `offset` and `length` point at. Nothing is allocated before
    /// the file is known to hold them.
    pub(super) fn read(&mut self, entries: &[StringStringEntryProto<'_>], wanted: usize) -> Outcome<Vec<u8>> {
        let entry = |key: &str| entries.iter().find(|e| e.key == key).map(|e| e.value);
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
        let at = match self.open.iter().position(|f| f.location == location) {
            Some(at) => at,
            None => self.open(location)?,
        };
        let ExternalFile { file, size, read, .. } = &mut self.open[at];
        if offset.checked_add(wanted as u64).is_none_or(|end| end > *size) {
            // The same words for every constant: they become one line.
            return Err(problem(format!("{location:?} ends, after {size} bytes, before the data of the constant"))
                .help("the data file is truncated or belongs to another model"));
        }
        *read = read.saturating_add(wanted as u64);
        let mut bytes = vec![0; wanted];
        file.read_at(offset, &mut bytes).map_err(|error| problem(format!("{location:?} cannot be read: {error}")))?;
        Ok(bytes)
    }

    fn open(&mut self, location: &str) -> Outcome<usize> {
        let name = Path::new(location).file_name().and_then(|name| name.to_str());
        if let Some((_, bytes)) = self.given.iter().find(|(given, _)| Some(given.as_str()) == name) {
            let (size, file) = (bytes.len() as u64, Source::Bytes(Cursor::new(Arc::clone(bytes))));
            self.open.push(ExternalFile { location: location.to_owned(), file, size, read: 0 });
            return Ok(self.open.len() - 1);
        }
        let folder = self.folder.as_ref().ok_or_else(|| {
            problem(format!("the data lie in {location:?}, but the model was given without that file"))
                .help("give the file together with the model")
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
        let unreadable = |error| {
            problem(format!("{location:?} cannot be opened: {error}"))
                .help("the model keeps its weights in this file: put it beside the model under this name")
        };
        // Symbolic links are followed first, so that none leads outside.
        let real = path.canonicalize().map_err(unreadable)?;
        if !real.starts_with(folder.canonicalize().map_err(unreadable)?) {
            return Err(leaves());
        }
        let metadata = real.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(problem(format!("{location:?} is not a file")));
        }
        let file = Source::File(File::open(&real).map_err(unreadable)?);
        self.read.push(path);
        self.open.push(ExternalFile { location: location.to_owned(), file, size: metadata.len(), read: 0 });
        Ok(self.open.len() - 1)
    }
}
