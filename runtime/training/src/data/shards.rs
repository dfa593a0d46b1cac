//! Tar files as WebDataset writes them: `NAME.jpg`, `NAME.cls` side by side, a few thousand pictures in each.
//!
//! The headers are read once, and where each picture lies is kept; so everything that chooses pictures by their numbers
//! does so here too, and an epoch taken up again goes on as it would have gone on.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::decode::decode;
use super::{Dataset, Part, Raster, Source};
use crate::config::ShardsConfig;
use crate::problem::{Problems, Result};

/// Labels are below; what is more is no label.
const CLASSES: u64 = 1 << 20;

/// Pictures in tar files.
#[derive(Clone, Debug)]
pub(super) struct Shards {
    files: Arc<Vec<PathBuf>>,
    /// In the order of the files, and of each in its own.
    places: Vec<Place>,
    /// How many come next to draw from.
    buffer: usize,
}

/// Where a picture lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    file: u32,
    size: u32,
    start: u64,
}

pub(super) fn load(folder: &Path, config: &ShardsConfig) -> Result<Dataset> {
    let mut problems = Problems::default();
    let mut names = None;
    if let Some(path) = config.classes.as_ref().map(|name| folder.join(name)) {
        match std::fs::read_to_string(&path) {
            Ok(text) => names = Some(text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()),
            Err(e) => problems.0.append(&mut Problems::file(&path, format_args!("cannot be read: {e}")).0),
        }
    }
    let classes = names.as_ref().map_or(CLASSES, |names| names.len() as u64);
    let mut part = |pattern: &String| match read_part(folder, pattern, config.buffer, classes) {
        Ok(part) => Some(part),
        Err(mut more) => {
            problems.0.append(&mut more.0);
            None
        }
    };
    let (train, test, validation) = (part(&config.train), part(&config.test), config.validation.as_ref().map(part));
    let (Some(train), Some(test), true) = (train, test, problems.0.is_empty()) else { return Err(problems) };
    let validation = validation.flatten();
    let labels = [Some(&train), validation.as_ref(), Some(&test)].into_iter().flatten().flat_map(|part| &part.labels);
    let classes = labels.max().map_or(0, |&label| label + 1);
    let classes = names.unwrap_or_else(|| (0..classes).map(|label| label.to_string()).collect());
    Ok(Dataset { train, validation, test, classes })
}

fn read_part(folder: &Path, pattern: &str, buffer: usize, classes: u64) -> Result<Part> {
    let files = matching(folder, pattern)?;
    let read: Vec<_> = files.par_iter().map(|path| scan(path, classes)).collect();
    let (mut problems, mut places, mut labels) = (Problems::default(), Vec::new(), Vec::new());
    for (file, read) in (0..).zip(read) {
        match read {
            Ok(pictures) => {
                for (start, size, label) in pictures {
                    places.push(Place { file, size, start });
                    labels.push(label);
                }
            }
            Err(mut more) => problems.0.append(&mut more.0),
        }
    }
    problems.or(Part { source: Source::Shards(Shards { files: Arc::new(files), places, buffer }), labels })
}

/// The files of a pattern: those that are named, and those that are there where it leaves something open.
fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let (mut files, mut problems) = (Vec::new(), Problems::default());
    for name in expanded(pattern) {
        if !name.contains(['*', '?', '[']) {
            files.push(folder.join(name));
            continue;
        }
        let whole = format!("{}/{name}", glob::Pattern::escape(&folder.to_string_lossy()));
        let found = glob::glob(&whole).map(|paths| paths.filter_map(std::result::Result::ok).collect::<Vec<_>>());
        match found {
            Ok(found) if found.is_empty() => {
                problems.add(folder.display(), format_args!("no file there is called `{name}`"));
            }
            Ok(found) => files.extend(found),
            Err(e) => problems.add(folder.display(), format_args!("`{name}` is no pattern of names: {e}")),
        }
    }
    let mut seen = HashSet::new();
    files.retain(|path| seen.insert(path.clone()));
    problems.or(files)
}

/// Every text that `{a,b}` and `{00..12}` stand for.
fn expanded(pattern: &str) -> Vec<String> {
    let parts = pattern.split_once('{').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once('}')?;
        Some((before, inside, after))
    });
    let Some((before, inside, after)) = parts else { return vec![pattern.to_owned()] };
    let range = inside.split_once("..").and_then(|(first, last)| {
        let (from, to) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        Some((from..=to).map(|n| format!("{n:0width$}", width = first.len())).collect::<Vec<_>>())
    });
    let choices = range.unwrap_or_else(|| inside.split(',').map(str::to_owned).collect());
    let rest = expanded(after);
    choices.iter().flat_map(|choice| rest.iter().map(move |rest| format!("{before}{choice}{rest}"))).collect()
}

/// A sample of a tar file while its files go by.
#[derive(Default)]
struct Sample {
    name: String,
    picture: Option<(u64, u32)>,
    label: Option<u64>,
}

/// Where each picture of a tar file begins, its size, and its label.
fn scan(path: &Path, classes: u64) -> Result<Vec<(u64, u32, u32)>> {
    let wrong = |e: std::io::Error| Problems::file(path, format_args!("cannot be read as a tar file: {e}"));
    let mut file = File::open(path).map_err(wrong)?;
    let length = file.metadata().map_err(wrong)?.len();
    let mut first = [0; 2];
    if file.read_exact(&mut first).is_ok() && first == [0x1f, 0x8b] {
        return Err(Problems::file(path, "is compressed, and pictures cannot be found in it: unpack it with gunzip"));
    }
    file.seek(SeekFrom::Start(0)).map_err(wrong)?;
    let (mut found, mut sample) = (Vec::new(), Sample::default());
    let mut lacking = (0usize, String::new());
    let mut end = |sample: Sample| match (sample.picture, sample.label) {
        (Some((start, size)), Some(label)) if label < classes => found.push((start, size, label as u32)),
        (None, None) => {}
        _ => {
            lacking.0 += 1;
            if lacking.0 == 1 {
                lacking.1 = sample.name;
            }
        }
    };
    for entry in tar::Archive::new(file).entries_with_seek().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let (start, size) = (entry.raw_file_position(), entry.size());
        if start.checked_add(size).is_none_or(|end| end > length) {
            return Err(Problems::file(path, "is cut off: load it again"));
        }
        let whole = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // The name ends at the first dot behind the last folder.
        let file = whole.rfind('/').map_or(0, |slash| slash + 1);
        let Some(dot) = whole[file..].find('.').map(|dot| file + dot) else { continue };
        let (name, ending) = (&whole[..dot], whole[dot + 1..].to_ascii_lowercase());
        if sample.name != name {
            end(std::mem::replace(&mut sample, Sample { name: name.to_owned(), ..Sample::default() }));
        }
        match ending.as_str() {
            "jpg" | "jpeg" | "png" => sample.picture = u32::try_from(size).ok().map(|size| (start, size)),
            "cls" => {
                let mut text = String::new();
                sample.label = entry.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            }
            "json" if sample.label.is_none() => {
                let value: Option<serde_json::Value> = serde_json::from_reader(entry).ok();
                sample.label = value.and_then(|value| value.get("label")?.as_u64());
            }
            _ => {}
        }
    }
    end(sample);
    if lacking.0 > 0 {
        let what = format_args!(
            "{} of its pictures lack a label, or labels a picture, the first is `{}`: each has beside it a `.cls` with a \
             number below {classes}, or a `.json` with such a `label`",
            lacking.0, lacking.1
        );
        return Err(Problems::file(path, what));
    }
    Ok(found)
}

impl Shards {
    /// One picture.
    pub(super) fn picture(&self, index: usize) -> Result<Raster> {
        let place = self.places[index];
        let path = &self.files[place.file as usize];
        let mut bytes = vec![0; place.size as usize];
        let read = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(place.start))?;
            file.read_exact(&mut bytes)
        });
        let wrong = |what: String| Problems::file(path, format_args!("the picture at byte {} {what}", place.start));
        read.map_err(|e| wrong(format!("cannot be read: {e}")))?;
        decode(&bytes, 3).map_err(wrong)
    }

    /// Those with these numbers.
    pub(super) fn chosen(&self, numbers: &[usize]) -> Self {
        Self { places: numbers.iter().map(|&i| self.places[i]).collect(), ..self.clone() }
    }

    /// An order of all: the files at random, and of their pictures each time one of those that come next.
    pub(super) fn order(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        let mut files: Vec<Vec<usize>> = Vec::new();
        for (number, place) in self.places.iter().enumerate() {
            match files.last_mut().filter(|file| self.places[file[0]].file == place.file) {
                Some(file) => file.push(number),
                None => files.push(vec![number]),
            }
        }
        files.shuffle(random);
        let mut order = Vec::with_capacity(self.places.len());
        let mut buffer = Vec::with_capacity(self.buffer.min(self.places.len()));
        for number in files.into_iter().flatten() {
            if buffer.len() < self.buffer {
                buffer.push(number);
            } else {
                let drawn = random.random_range(0..buffer.len());
                order.push(std::mem::replace(&mut buffer[drawn], number));
            }
        }
        buffer.shuffle(random);
        order.append(&mut buffer);
        order
    }
}
