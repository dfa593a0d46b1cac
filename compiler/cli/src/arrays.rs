//! Arrays in files, `.npy` and `.npz`, for tensors of a network: one, or a stack of them along the first axis.

use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};

use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};
use xnorc::ir::network::{Network, TensorId};
use xnorc::ir::{DType, Data, Tensor};
use xnorc::npy::{self, Array};

/// An array with its name, which may be empty.
pub type Named = (String, Array);

/// The arrays of a file, with their names; that of a `.npy` has none.
///
/// # Errors
/// A file that cannot be read, or is neither.
pub fn open(path: &Path) -> Result<Vec<Named>, Diagnostics> {
    let bytes = std::fs::read(path).map_err(|e| problem(path, format!("cannot be read: {e}")))?;
    let refused = |e: String| problem(path, format!("cannot be read: {e}"));
    if bytes.starts_with(b"PK") {
        return members(bytes).map_err(refused);
    }
    Ok(vec![(String::new(), Array::new(bytes).map_err(refused)?)])
}

fn members(bytes: Vec<u8>) -> Result<Vec<(String, Array)>, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|e| e.to_string())?;
        let file = member.name().map_err(|e| e.to_string())?.into_owned();
        let Some(name) = file.strip_suffix(".npy") else { continue };
        let mut bytes = Vec::new();
        // Its size is what the file says of itself; what is there counts.
        member.read_to_end(&mut bytes).map_err(|e| format!("{file}: {e}"))?;
        arrays.push((name.to_owned(), Array::new(bytes).map_err(|e| format!("{file}: {e}"))?));
    }
    if arrays.is_empty() { Err("the archive holds no .npy".to_owned()) } else { Ok(arrays) }
}

/// The only array of a file, or the one that is named behind it, as in `mnist.npz:x_test`.
///
/// # Errors
/// Those of [`open`]; several arrays, or none of that name.
pub fn single(path: &Path) -> Result<Array, Diagnostics> {
    let text = path.to_string_lossy();
    let (path, member) = match text.rsplit_once(".npz:") {
        Some((file, name)) => (PathBuf::from(format!("{file}.npz")), Some(name)),
        None => (path.to_owned(), None),
    };
    let path = &path;
    let mut arrays = open(path)?;
    if let Some(member) = member {
        let found = arrays.iter().position(|(name, _)| name == member);
        return match found {
            Some(position) => Ok(arrays.swap_remove(position).1),
            None => Err(problem(path, format!("holds no array {member:?}"))),
        };
    }
    match (arrays.len(), arrays.pop()) {
        (1, Some((_, array))) => Ok(array),
        (_, last) => {
            let names: Vec<String> = arrays.into_iter().chain(last).map(|(name, _)| format!("{name:?}")).collect();
            let message = format!("holds {} arrays ({}) where one is wanted", names.len(), names.join(", "));
            let help = "name it behind the file, as in FILE.npz:NAME";
            Err(Diagnostic::error(Code::Io, place(path), message).help(help).into())
        }
    }
}

/// Files in sets of `count` arrays each; an `.npz` has a set by itself. `None` where the last set is not whole.
pub fn sets(paths: &[PathBuf], count: usize) -> Option<Vec<&[PathBuf]>> {
    let (mut sets, mut rest) = (Vec::new(), paths);
    while let Some(first) = rest.first() {
        let alone = first.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
        let (set, others) = rest.split_at_checked(if alone { 1 } else { count.max(1) })?;
        sets.push(set);
        rest = others;
    }
    Some(sets)
}

/// Values for some tensors of a network (its inputs, or its outputs): a sample, or as many as were stacked.
///
/// A network whose tensors begin with an axis of N pictures takes them N at a time, from a stack of any number. The last sample
/// is then filled up with the last picture.
#[derive(Clone, Debug)]
pub struct Stack {
    tensors: Vec<Stacked>,
    /// In the stack.
    count: usize,
    /// In a sample.
    batch: usize,
}

/// An array, the shape of the tensor that it is for, and the type of its elements where it is an input of integers.
type Stacked = (Vec<usize>, Array, Option<DType>);

/// How an array is a stack for a tensor: pictures in it, and in a sample. `batched`: whether the first axis of a tensor is of pictures.
fn counts(array: &[usize], tensor: &[usize], batched: bool) -> Option<(usize, usize)> {
    let solid = |shape: &[usize]| shape.iter().copied().filter(|&e| e != 1).collect::<Vec<_>>();
    if let ([count, picture @ ..], [batch, rest @ ..]) = (array, tensor)
        && batched
        && tensor.len() > 1
        && solid(picture) == solid(rest)
    {
        return Some((*count, *batch));
    }
    // Axes of extent 1 may be missing or too many.
    if solid(array) == solid(tensor) {
        return Some((1, 1));
    }
    match array {
        [count, sample @ ..] if solid(sample) == solid(tensor) => Some((*count, 1)),
        _ => None,
    }
}

impl Stack {
    /// Of files that hold an array for each of the tensors, in this order, or of one `.npz` that has them all by name.
    ///
    /// # Errors
    /// Files that cannot be read; arrays of other shapes; stacks of different numbers.
    pub fn read(paths: &[impl AsRef<Path>], network: &Network, ids: &[TensorId]) -> Result<Self, Diagnostics> {
        let each = paths.len() == ids.len();
        let mut files: Vec<(&Path, Vec<Named>)> = Vec::new();
        for path in paths {
            files.push((path.as_ref(), open(path.as_ref())?));
        }
        let mut arrays = Vec::new();
        for (index, &id) in ids.iter().enumerate() {
            let Some((path, found)) = files.get_mut(if each { index } else { 0 }) else { continue };
            let name = &network.tensor(id).name;
            let position = match found.iter().position(|(given, _)| given == name) {
                // Of one array nobody asks the name.
                None if each && found.len() == 1 => Some(0),
                position => position,
            };
            let Some(position) = position else {
                let names: Vec<String> = found.iter().map(|(name, _)| format!("{name:?}")).collect();
                let others = if names.is_empty() { String::new() } else { format!(", but {}", names.join(", ")) };
                return Err(problem(path, format!("holds no array {name:?}{others}")));
            };
            arrays.push((*path, found.swap_remove(position).1));
        }
        // Inputs whose first axes are not the same have no pictures there.
        let firsts: Vec<_> = network.inputs.iter().map(|&id| network.tensor(id).shape.first()).collect();
        let batched = firsts.windows(2).all(|pair| pair[0] == pair[1]);
        let mut tensors: Vec<Stacked> = Vec::new();
        let mut all: Option<(usize, usize)> = None;
        for ((path, array), &id) in arrays.into_iter().zip(ids) {
            let tensor = network.tensor(id);
            let Some(counts) = counts(&array.shape, &tensor.shape, batched) else {
                let (given, wanted) = (&array.shape, &tensor.shape);
                let message = format!("an array of shape {given:?}, but \"{}\" has {wanted:?}", tensor.name);
                let help = format!(
                    "an array of that shape, or a stack of them: [N, {}]",
                    list(&wanted[1.min(wanted.len())..])
                );
                return Err(Diagnostic::error(Code::ShapeMismatch, place(path), message).help(help).into());
            };
            let first = *all.get_or_insert(counts);
            if first != counts || counts.0 == 0 {
                let message = match counts.0 {
                    0 => "an empty stack".to_owned(),
                    count => format!("a stack of {count} where the first one has {}", first.0),
                };
                return Err(Diagnostic::error(Code::ShapeMismatch, place(path), message).into());
            }
            let integer = tensor.integer().filter(|_| network.inputs.contains(&id));
            tensors.push((tensor.shape.clone(), array, integer));
        }
        let (count, batch) = all.unwrap_or((1, 1));
        Ok(Self { tensors, count, batch })
    }

    /// Pictures.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Pictures in a sample.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Samples: inferences that take them all.
    pub fn samples(&self) -> usize {
        self.count.div_ceil(self.batch)
    }

    /// How many pictures of a sample are of the stack, and not there to fill it up.
    pub fn own(&self, sample: usize) -> usize {
        self.batch.min(self.count - (sample * self.batch).min(self.count))
    }

    /// The values of a sample, by tensor.
    pub fn sample(&self, index: usize) -> Vec<Tensor> {
        let own = self.own(index);
        let tensor = |(shape, array, integer): &Stacked| {
            let picture = shape.iter().product::<usize>() / self.batch;
            let first = index * self.batch * picture;
            let mut data = array.elements(first, own * picture);
            let last = array.elements(first + (own.max(1) - 1) * picture, picture);
            (own..self.batch).for_each(|_| append(&mut data, &last));
            let tensor = Tensor { shape: shape.clone(), data };
            integer.map_or_else(|| tensor.clone(), |dtype| tensor.converted(dtype))
        };
        self.tensors.iter().map(tensor).collect()
    }
}

fn append(data: &mut Data, more: &Data) {
    match (data, more) {
        (Data::F32(data), Data::F32(more)) => data.extend_from_slice(more),
        (Data::I64(data), Data::I64(more)) => data.extend_from_slice(more),
        (Data::Bool(data), Data::Bool(more)) => data.extend_from_slice(more),
        _ => {}
    }
}

/// Outputs of samples, put together again.
#[derive(Clone, Debug)]
pub struct Collected(Option<Tensor>);

impl Collected {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(None)
    }

    /// Adds an output of a sample of which so many pictures are wanted: all of it, or the first rows.
    pub fn add(&mut self, tensor: &Tensor, own: usize, batch: usize) {
        let mut shape = tensor.shape.clone();
        // Without an axis of pictures it gets one.
        if shape.first() != Some(&batch) {
            shape.insert(0, 1);
        }
        let mut data = tensor.data.clone();
        if shape[0] > own {
            let len = tensor.len() / shape[0] * own;
            shape[0] = own;
            match &mut data {
                Data::F32(values) => values.truncate(len),
                Data::I64(values) => values.truncate(len),
                Data::Bool(values) => values.truncate(len),
            }
        }
        match &mut self.0 {
            None => self.0 = Some(Tensor { shape, data }),
            Some(all) => {
                all.shape[0] += shape[0];
                append(&mut all.data, &data);
            }
        }
    }

    /// All of them, along the first axis.
    pub fn tensor(self) -> Option<Tensor> {
        self.0
    }
}

impl Default for Collected {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes an array.
///
/// # Errors
/// What the file system says.
pub fn write(path: &Path, tensor: &Tensor) -> Result<(), Diagnostics> {
    xnorc::write_if_changed(path, &npy::write(tensor)).map_err(|e| problem(path, format!("cannot be written: {e}")))
}

/// Extents, as numpy writes them between brackets.
pub(crate) fn list(extents: &[usize]) -> String {
    extents.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// A file, as a place.
pub(crate) fn place(path: &Path) -> String {
    format!("file \"{}\"", path.display())
}

/// A problem with a file.
pub(crate) fn problem(path: &Path, message: String) -> Diagnostics {
    Diagnostic::error(Code::Io, place(path), message).into()
}

#[cfg(test)]
mod tests;
