//! A folder per class: `train/CLASS/picture.jpg`, `val/CLASS/picture.jpg`, as ImageNet is usually unpacked. `val` has the
//! test pictures; those that best epochs are chosen on may have a folder beside it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Dataset, Part, Raster, Source};
use crate::problem::{Problems, Result};

pub(super) fn load(folder: &Path, validation: Option<&Path>) -> Result<Dataset> {
    let (train, test) = (folder.join("train"), folder.join("val"));
    let validation = validation.map(|name| folder.join(name));
    let classes = entries(&train)?.into_iter().filter(|path| path.is_dir()).map(|path| name(&path)).collect::<Vec<_>>();
    let mut problems = Problems::default();
    let known: HashSet<&String> = classes.iter().collect();
    for part in validation.iter().chain([&test]) {
        let others = entries(part)?.into_iter().filter(|path| path.is_dir()).map(|path| name(&path));
        for other in others.filter(|other| !known.contains(other)) {
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

/// Reads one picture as RGB.
pub(super) fn read(path: &Path) -> Result<Raster> {
    let bytes = std::fs::read(path).map_err(|e| Problems::file(path, format_args!("cannot be read: {e}")))?;
    // By content: what is called .jpg is not always one.
    let picture = image::load_from_memory(&bytes)
        .map_err(|e| Problems::file(path, format_args!("is no picture: {e}")))?
        .into_rgb8();
    let size = [picture.height() as usize, picture.width() as usize];
    if size.contains(&0) {
        return Err(Problems::file(path, "is a picture without pixels"));
    }
    Ok(Raster { channels: 3, size, bytes: picture.into_raw() })
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

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|e| matches!(e.as_str(), "jpg" | "jpeg" | "png"))
}
