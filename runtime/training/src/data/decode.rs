//! The bytes of a picture file as a picture.

use std::path::Path;

use super::Raster;
use crate::problem::{Problems, Result};

/// Reads one picture file: RGB, or grey where `channels` is 1.
///
/// # Errors
/// A file that cannot be read, or is no picture.
pub fn read(path: &Path, channels: usize) -> Result<Raster> {
    let bytes = std::fs::read(path).map_err(|e| Problems::file(path, format_args!("cannot be read: {e}")))?;
    decode(&bytes, channels).map_err(|what| Problems::file(path, what))
}

/// As [`read`], of what is in the file; what is wrong with it otherwise. The kind of file is told by its content: what is
/// called .jpg is not always one.
pub(super) fn decode(bytes: &[u8], channels: usize) -> std::result::Result<Raster, String> {
    let picture = image::load_from_memory(bytes).map_err(|e| format!("is no picture: {e}"))?;
    let size = [picture.height() as usize, picture.width() as usize];
    if size.contains(&0) {
        return Err("is a picture without pixels".to_owned());
    }
    let bytes = if channels == 1 { picture.into_luma8().into_raw() } else { picture.into_rgb8().into_raw() };
    Ok(Raster { channels, size, bytes })
}

/// Whether a file is a picture by its name.
pub(super) fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|e| matches!(e.as_str(), "jpg" | "jpeg" | "png"))
}
