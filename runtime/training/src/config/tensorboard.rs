//! Whether and where TensorBoard finds how training goes.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// `tensorboard = true`, or a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TensorBoard {
    /// Nothing is written.
    #[default]
    Off,
    /// In a folder `tensorboard` of the results.
    On,
    /// In this folder, relative to the configuration file.
    Folder(PathBuf),
}

impl TensorBoard {
    /// Whether nothing is written.
    pub fn is_off(&self) -> bool {
        *self == Self::Off
    }

    /// The folder, of results in `output`; each step has one of its own in it.
    pub fn folder(&self, output: &Path) -> Option<PathBuf> {
        match self {
            Self::Off => None,
            Self::On => Some(output.join("tensorboard")),
            Self::Folder(folder) => Some(folder.clone()),
        }
    }

    /// With another folder made of a named one.
    #[must_use]
    pub fn map(self, change: impl FnOnce(PathBuf) -> PathBuf) -> Self {
        match self {
            Self::Folder(folder) => Self::Folder(change(folder)),
            other => other,
        }
    }
}

impl Serialize for TensorBoard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::On => serializer.serialize_bool(true),
            Self::Folder(folder) => folder.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for TensorBoard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = TensorBoard;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a folder")
            }
            fn visit_bool<E: Error>(self, on: bool) -> Result<TensorBoard, E> {
                Ok(if on { TensorBoard::On } else { TensorBoard::Off })
            }
            fn visit_str<E: Error>(self, folder: &str) -> Result<TensorBoard, E> {
                Ok(TensorBoard::Folder(folder.into()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
