//! Pictures on their way into a network: from a stack or a folder, in its layout, prepared.

use std::path::{Path, PathBuf};

use super::decode::{self, Decoded};
use crate::arrays::{list, place, problem, single};
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};
use xnorc::ir::{Data, Tensor};
use xnorc::npy::Array;

/// The order of the axes of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Channel by channel.
    Nchw,
    /// Pixel by pixel.
    Nhwc,
}

/// What becomes of a value: `(x * scale - mean) / std`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preparation {
    /// 1/255 of bytes, else 1, when `None`.
    pub scale: Option<f32>,
    /// One for all channels, or one each; none are 0.
    pub mean: Vec<f32>,
    /// One for all channels, or one each; none are 1.
    pub std: Vec<f32>,
    /// Of a stack, where it is not the model's; of the model's input, for pictures from a folder, where its shape does not
    /// tell.
    pub layout: Option<Layout>,
}

/// Pictures for a model.
#[derive(Debug)]
pub struct Pictures {
    source: Source,
    /// What the model takes: height and width are known, unless its pictures are flat.
    channels: usize,
    model: Layout,
    len: usize,
    preparation: Preparation,
    /// Names of classes, if folders have them.
    classes: Vec<String>,
}

#[derive(Debug)]
enum Source {
    Stack {
        array: Array,
        /// Rows, columns, channels, of pictures that lie otherwise than the model's.
        turned: Option<[usize; 3]>,
    },
    Folder {
        files: Vec<(PathBuf, Option<usize>)>,
    },
}

impl Pictures {
    /// Looks at a stack (`.npy`, `.npz`) or a folder, for a model whose input has that shape.
    ///
    /// # Errors
    /// Files that cannot be read; pictures of another size, or several, with what to do.
    pub fn open(path: &Path, input: &[usize], preparation: &Preparation) -> Result<Self, Diagnostics> {
        let picture = &input[1.min(input.len())..];
        // Three axes that tell channels from rows: a picture has 1, 3 or 4 of them.
        let few = |extent: usize| matches!(extent, 1 | 3 | 4);
        let own = match *picture {
            [first, _, last] if few(last) && !few(first) => Layout::Nhwc,
            _ => Layout::Nchw,
        };
        let folder = path.is_dir();
        let model = preparation.layout.filter(|_| folder).unwrap_or(own);
        let channels = extents(picture, model).map_or(1, |[.., channels]| channels);
        let len = picture.iter().product();
        let mut pictures = Self {
            source: Source::Folder { files: Vec::new() },
            channels,
            model,
            len,
            preparation: preparation.clone(),
            classes: Vec::new(),
        };
        if folder {
            pictures.folder(path, picture)?
        } else {
            pictures.stack(path, picture)?
        }
        for (values, option) in [(&preparation.mean, "--mean"), (&preparation.std, "--std")] {
            if values.len() > 1 && values.len() != pictures.channels {
                let (given, wanted) = (values.len(), pictures.channels);
                let message =
                    format!("{option} has {given} numbers, but pictures of this model have {wanted} channels");
                return Err(Diagnostic::error(Code::ShapeMismatch, None, message).into());
            }
        }
        Ok(pictures)
    }

    fn stack(&mut self, path: &Path, picture: &[usize]) -> Result<(), Diagnostics> {
        let array = single(path)?;
        let solid = |shape: &[usize]| shape.iter().copied().filter(|&e| e != 1).collect::<Vec<_>>();
        let given = array.shape[1.min(array.shape.len())..].to_vec();
        let (own, other) = match self.model {
            Layout::Nchw => (Layout::Nchw, Layout::Nhwc),
            Layout::Nhwc => (Layout::Nhwc, Layout::Nchw),
        };
        // The model's axes in the other order.
        let turned = match *picture {
            [c, h, w] if own == Layout::Nchw => Some([h, w, c]),
            [h, w, c] => Some([c, h, w]),
            _ => None,
        };
        let same = solid(&given) == solid(picture) || picture.len() == 1 && given.iter().product::<usize>() == self.len;
        let turns = turned.is_some_and(|turned| given == turned);
        let turned = match self.preparation.layout {
            Some(layout) if layout == other && turns => true,
            Some(layout) if layout == own && same => false,
            None if same || turns => !same,
            _ => {
                let shape = &array.shape;
                let message = format!("pictures of shape {shape:?}, but the model takes [N, {}]", list(picture));
                let help = "a stack has the pictures along its first axis, in the model's size; `--layout nhwc` or nchw says \
                            which axis of it has the channels";
                return Err(Diagnostic::error(Code::ShapeMismatch, place(path), message).help(help).into());
            }
        };
        let extents = extents(picture, own).unwrap_or([1, self.len, 1]);
        if array.shape[0] == 0 {
            return Err(problem(path, "holds no pictures".to_owned()));
        }
        self.source = Source::Stack { array, turned: turned.then_some(extents) };
        Ok(())
    }

    fn folder(&mut self, path: &Path, picture: &[usize]) -> Result<(), Diagnostics> {
        let entries = sorted(path)?;
        let folders: Vec<&PathBuf> = entries.iter().filter(|entry| entry.is_dir()).collect();
        let mut files = Vec::new();
        if folders.is_empty() {
            files.extend(entries.iter().filter(|file| decode::is_picture(file)).map(|file| (file.clone(), None)));
        }
        for (class, folder) in folders.into_iter().enumerate() {
            self.classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
            let mut all = Vec::new();
            below(folder, &mut all)?;
            files.extend(all.into_iter().map(|file| (file, Some(class))));
        }
        if files.is_empty() {
            let help = "pictures are .png, .jpg or .jpeg files, in a folder for each class, or in one with --labels";
            return Err(Diagnostic::error(Code::Io, place(path), "holds no pictures").help(help).into());
        }
        let size = extents(picture, self.model).map(|[h, w, _]| (h, w));
        if !matches!(self.channels, 1 | 3) {
            let message = format!("the model takes {} channels, but pictures have 1 or 3", self.channels);
            let help =
                "`--layout nhwc` or nchw says which axis of its input has the channels; a stack can have any number";
            return Err(Diagnostic::error(Code::ShapeMismatch, place(path), message).help(help).into());
        }
        let mut wrong = Vec::new();
        for (file, _) in &files {
            let (width, height) = decode::size(file).map_err(|e| problem(file, format!("cannot be read: {e}")))?;
            match size {
                Some((h, w)) if (h, w) != (height, width) => wrong.push((file, width, height)),
                None if width * height != self.len => match width * height * 3 == self.len {
                    true => self.channels = 3,
                    false => wrong.push((file, width, height)),
                },
                _ => {}
            }
        }
        if let Some((file, width, height)) = wrong.first() {
            let others = match wrong.len() - 1 {
                0 => String::new(),
                1 => ", as one other does not have".to_owned(),
                others => format!(", as {others} others do not have"),
            };
            let wanted = size.map_or(format!("{} values", self.len), |(h, w)| format!("{w}x{h} pixels"));
            let message = format!("a picture of {width}x{height} pixels, but the model takes {wanted}{others}");
            let size = size.map_or("WxH".to_owned(), |(h, w)| format!("{w}x{h}"));
            let help = format!(
                "resize and crop them as for training, for instance by `magick mogrify -resize {size}^ -gravity center \
                 -extent {size}`"
            );
            return Err(Diagnostic::error(Code::ShapeMismatch, place(file), message).help(help).into());
        }
        self.source = Source::Folder { files };
        Ok(())
    }

    /// How many.
    pub fn count(&self) -> usize {
        match &self.source {
            Source::Stack { array, .. } => array.shape[0],
            Source::Folder { files } => files.len(),
        }
    }

    /// Names of the classes, of a folder that has a folder for each.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Classes of the pictures, by their folders.
    pub fn labels(&self) -> Option<Vec<usize>> {
        match &self.source {
            Source::Folder { files } => files.iter().map(|(_, class)| *class).collect(),
            Source::Stack { .. } => None,
        }
    }

    /// The names of the files, of a folder.
    pub fn files(&self) -> Option<Vec<&Path>> {
        match &self.source {
            Source::Folder { files } => Some(files.iter().map(|(file, _)| file.as_path()).collect()),
            Source::Stack { .. } => None,
        }
    }

    /// Values of one picture: so many as the model takes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the model takes none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A picture as the model takes it.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn picture(&self, index: usize) -> Result<Vec<f32>, Diagnostics> {
        let (mut values, bytes) = match &self.source {
            Source::Stack { array, turned } => {
                let data = array.elements(index * self.len, self.len);
                let values = match data {
                    Data::F32(values) => values,
                    data => Tensor { shape: vec![self.len], data }.to_f32(),
                };
                let values = match turned {
                    Some(extents) if self.model == Layout::Nchw => planar(&values, *extents),
                    Some(extents) => interleaved(&values, *extents),
                    None => values,
                };
                (values, array.is_bytes())
            }
            Source::Folder { files } => {
                let file = &files[index].0;
                let decoded = decode::read(file).map_err(|e| problem(file, format!("cannot be read: {e}")))?;
                let Decoded { width, height, channels, bytes } = decoded.into_channels(self.channels);
                let values: Vec<f32> = bytes.into_iter().map(f32::from).collect();
                let planar_wanted = self.model == Layout::Nchw && channels > 1;
                (if planar_wanted { planar(&values, [height, width, channels]) } else { values }, true)
            }
        };
        self.prepare(&mut values, bytes);
        Ok(values)
    }

    fn prepare(&self, values: &mut [f32], bytes: bool) {
        let Preparation { scale, mean, std, .. } = &self.preparation;
        // A division, as most do it, so that the values are theirs to the bit.
        let divided = bytes && scale.is_none();
        let scale = scale.unwrap_or(1.0);
        let pixels = self.len / self.channels.max(1);
        for (i, value) in values.iter_mut().enumerate() {
            let channel = if self.model == Layout::Nchw { i / pixels.max(1) } else { i % self.channels };
            let of = |list: &[f32], none: f32| match list {
                [] => none,
                [one] => *one,
                each => each.get(channel).copied().unwrap_or(none),
            };
            let scaled = if divided { *value / 255.0 } else { *value * scale };
            *value = (scaled - of(mean, 0.0)) / of(std, 1.0);
        }
    }
}

/// Rows, columns and channels of a picture, unless it is flat.
fn extents(picture: &[usize], layout: Layout) -> Option<[usize; 3]> {
    match (picture, layout) {
        (&[c, h, w], Layout::Nchw) | (&[h, w, c], Layout::Nhwc) => Some([h, w, c]),
        (&[h, w], _) => Some([h, w, 1]),
        _ => None,
    }
}

/// Pixel by pixel to channel by channel.
fn planar(values: &[f32], [h, w, c]: [usize; 3]) -> Vec<f32> {
    (0..c).flat_map(|channel| (0..h * w).map(move |pixel| values[pixel * c + channel])).collect()
}

/// Channel by channel to pixel by pixel.
fn interleaved(values: &[f32], [h, w, c]: [usize; 3]) -> Vec<f32> {
    (0..h * w).flat_map(|pixel| (0..c).map(move |channel| values[channel * h * w + pixel])).collect()
}

/// What a folder holds, by name; what is hidden is not looked at.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Diagnostics> {
    let refused = |e: std::io::Error| problem(folder, format!("cannot be read: {e}"));
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Diagnostics> {
    for entry in sorted(folder)? {
        if entry.is_dir() {
            below(&entry, files)?;
        } else if decode::is_picture(&entry) {
            files.push(entry);
        }
    }
    Ok(())
}
