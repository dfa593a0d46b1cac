//! A folder per class: `train/CLASS/picture.jpg`, `val/CLASS/picture.jpg`, as ImageNet is usually unpacked. `val` has the
//! test pictures; those that best epochs are chosen on may have a folder beside it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::decode::is_picture;
use super::{Dataset, Part, Source};
use crate::problem::{Problems, Result};

pub(super) fn load(folder: &Path, validation: Option<&Path>) -> Result<Dataset> {
    let (train, test) = (folder.join("train"), folder.join("val"));
    let validation = validation.map(|name| folder.join(name));
    let mut problems = Problems::default();
    let mut folders = |of: &Path| match entries(of) {
        Ok(entries) => entries.into_iter().filter(|path| path.is_dir()).map(|path| name(&path)).collect(),
        Err(mut more) => {
            problems.0.append(&mut more.0);
            Vec::new()
        }
    };
    let classes: Vec<String> = folders(&train);
    let others: Vec<(&PathBuf, Vec<String>)> =
        validation.iter().chain([&test]).map(|part| (part, folders(part))).collect();
    if !problems.0.is_empty() {
        return Err(problems);
    }
    let known: HashSet<&String> = classes.iter().collect();
    for (part, others) in others {
        for other in others.iter().filter(|other| !known.contains(other)) {
            let what = format_args!("is a class of which there are no training pictures in \"{}\"", train.display());
            problems.0.append(&mut Problems::file(&part.join(other), what).0);
        }
    }
    let part = |folder: &Path| -> Result<Part> {
        let (mut paths, mut labels) = (Vec::new(), Vec::new());
        for (label, class) in classes.iter().enumerate() {
            let class = folder.join(class);
            // A class without test pictures is no mistake.
            for path in if class.is_dir() { entries(&class)? } else { Vec::new() } {
                if is_picture(&path) {
                    paths.push(path);
                    labels.push(label as u32);
                }
            }
        }
        Ok(Part { source: Source::Files(paths), labels })
    };
    let (train, validation, test) = (part(&train)?, validation.map(|folder| part(&folder)).transpose()?, part(&test)?);
    problems.or(Dataset { train, validation, test, classes })
}

/// The picture files that somebody names: files as they are, of folders those in them and in the folders below whose names
/// are those of pictures, in the order of the names.
///
/// Beside them, every folder that cannot be read or has no pictures.
pub fn pictures(named: &[PathBuf]) -> (Vec<PathBuf>, Problems) {
    let (mut found, mut problems) = (Vec::new(), Problems::default());
    for path in named {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let before = found.len();
        let told = problems.0.len();
        below(path, &mut found, &mut problems);
        if found.len() == before && problems.0.len() == told {
            problems.0.append(&mut Problems::file(path, "is a folder without pictures (.jpg, .jpeg, .png)").0);
        }
    }
    (found, problems)
}

/// The pictures in a folder, and in those below it; what is only linked to is no folder, so that no way leads in circles.
fn below(folder: &Path, found: &mut Vec<PathBuf>, problems: &mut Problems) {
    let entries = match entries(folder) {
        Ok(entries) => entries,
        Err(mut more) => return problems.0.append(&mut more.0),
    };
    for path in entries {
        if path.is_dir() {
            if !path.is_symlink() {
                below(&path, found, problems);
            }
        } else if is_picture(&path) {
            found.push(path);
        }
    }
}

/// What is in a folder, in the order of the names, which is the same everywhere.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |e: std::io::Error| Problems::file(folder, format_args!("cannot be read as a folder: {e}"));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        paths.push(entry.map_err(wrong)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
