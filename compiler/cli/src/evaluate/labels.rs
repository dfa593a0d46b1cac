//! What is right: classes of pictures, from files.

use std::collections::HashMap;
use std::path::Path;

use super::pictures::Pictures;
use crate::arrays::{place, problem, single};
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};
use xnorc::ir::{Data, Tensor};

/// The class of each picture: from an array of whole numbers (`.npy`, `.npz`), or a text with a number per line, or with the
/// name of a picture's file and a number.
///
/// # Errors
/// A file that cannot be read; something that is no class; more or fewer than there are pictures.
pub fn read(path: &Path, pictures: &Pictures) -> Result<Vec<usize>, Diagnostics> {
    let is_array = path.to_string_lossy().contains(".npz") || path.extension().is_some_and(|e| e == "npy");
    let labels = if is_array { from_array(path)? } else { from_text(path, pictures)? };
    if labels.len() != pictures.count() {
        let message = format!("{} labels, but there are {} pictures", labels.len(), pictures.count());
        return Err(Diagnostic::error(Code::ShapeMismatch, place(path), message).into());
    }
    Ok(labels)
}

fn from_array(path: &Path) -> Result<Vec<usize>, Diagnostics> {
    let Tensor { shape, data } = single(path)?.tensor();
    if shape.iter().filter(|&&extent| extent != 1).count() > 1 {
        let help = "one whole number per picture is wanted; of scores, take numpy.argmax(labels, axis=1)";
        let message = format!("labels of shape {shape:?}");
        return Err(Diagnostic::error(Code::ShapeMismatch, place(path), message).help(help).into());
    }
    let labels: Option<Vec<usize>> = match data {
        Data::I64(values) => values.into_iter().map(|v| usize::try_from(v).ok()).collect(),
        Data::F32(values) => values.into_iter().map(|v| (v >= 0.0 && v.fract() == 0.0).then_some(v as usize)).collect(),
        Data::Bool(values) => Some(values.into_iter().map(usize::from).collect()),
    };
    labels.ok_or_else(|| problem(path, "holds numbers that are no classes: 0, 1, 2... are".to_owned()))
}

fn from_text(path: &Path, pictures: &Pictures) -> Result<Vec<usize>, Diagnostics> {
    let text = std::fs::read_to_string(path).map_err(|e| problem(path, format!("cannot be read: {e}")))?;
    let mut labels = Vec::new();
    let mut named = HashMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split([',', ';', '\t']).map(|cell| cell.trim().trim_matches('"')).collect();
        match (&cells[..], cells.last().and_then(|cell| cell.parse::<usize>().ok())) {
            ([_], Some(label)) => labels.push(label),
            ([name, _], Some(label)) => {
                named.insert((*name).to_owned(), label);
            }
            // The names of the columns.
            (_, None) if number == 0 => {}
            _ => {
                let message = format!("line {}: {line:?} is no label", number + 1);
                let help = "a line is a class (0, 1, 2...), or the name of a picture's file, a comma, and its class";
                return Err(Diagnostic::error(Code::Io, place(path), message).help(help).into());
            }
        }
    }
    if named.is_empty() {
        return Ok(labels);
    }
    let Some(files) = pictures.files() else {
        // Pictures of a stack have no names: the order counts.
        return Err(problem(path, "names files of pictures, but the pictures are a stack".to_owned()));
    };
    let label = |file: &&Path| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let found = named.get(&*name).or_else(|| named.get(&*stem)).copied();
        found.ok_or_else(|| problem(path, format!("has no label for {name:?}")))
    };
    files.iter().map(label).collect()
}
