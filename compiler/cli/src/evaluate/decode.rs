//! PNG and JPEG files as bytes.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

use png::{ColorType, Transformations};
use zune_core::bytestream::{ZByteReaderTrait, ZCursor};
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// A picture, row by row, pixel by pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) width: usize,
    pub(super) height: usize,
    /// 1 or 3.
    pub(super) channels: usize,
    pub(super) bytes: Vec<u8>,
}

/// Whether a file is read at all, by the ending of its name.
pub(super) fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg"))
}

const PNG: &[u8] = b"\x89PNG";

/// Width and height, from the beginning of a file.
pub(super) fn size(path: &Path) -> Result<(usize, usize), String> {
    let mut reader = BufReader::new(File::open(path).map_err(|e| e.to_string())?);
    if reader.fill_buf().map_err(|e| e.to_string())?.starts_with(PNG) {
        let mut decoder = png::Decoder::new(reader);
        let header = decoder.read_header_info().map_err(|e| e.to_string())?;
        return Ok((header.width as usize, header.height as usize));
    }
    reader.rewind().map_err(|e| e.to_string())?;
    let mut decoder = jpeg(reader);
    decoder.decode_headers().map_err(|e| format!("neither PNG nor JPEG: {e}"))?;
    let info = decoder.info().ok_or("it has no size")?;
    Ok((usize::from(info.width), usize::from(info.height)))
}

/// The whole picture. Transparency is dropped, 16 bits become 8.
pub(super) fn read(path: &Path) -> Result<Decoded, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    if bytes.starts_with(PNG) { from_png(&bytes) } else { from_jpeg(&bytes) }
}

fn from_png(bytes: &[u8]) -> Result<Decoded, String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("it is too large")?];
    let info = reader.next_frame(&mut bytes).map_err(|e| e.to_string())?;
    bytes.truncate(info.buffer_size());
    let (all, channels) = match info.color_type {
        ColorType::Grayscale => (1, 1),
        ColorType::GrayscaleAlpha => (2, 1),
        ColorType::Rgba => (4, 3),
        _ => (3, 3),
    };
    if all != channels {
        bytes = bytes.chunks_exact(all).flat_map(|pixel| &pixel[..channels]).copied().collect();
    }
    Ok(Decoded { width: info.width as usize, height: info.height as usize, channels, bytes })
}

fn jpeg<T: ZByteReaderTrait>(reader: T) -> JpegDecoder<T> {
    JpegDecoder::new_with_options(reader, DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB))
}

fn from_jpeg(bytes: &[u8]) -> Result<Decoded, String> {
    let mut decoder = jpeg(ZCursor::new(bytes));
    let bytes = decoder.decode().map_err(|e| format!("neither PNG nor JPEG: {e}"))?;
    let info = decoder.info().ok_or("it has no size")?;
    Ok(Decoded { width: usize::from(info.width), height: usize::from(info.height), channels: 3, bytes })
}

impl Decoded {
    /// In so many channels, 1 or 3: grey in three equal ones, colours as their luminance (ITU-R BT.601, as most do).
    pub(super) fn into_channels(self, channels: usize) -> Self {
        let bytes = match (self.channels, channels) {
            (1, 3) => self.bytes.iter().flat_map(|&grey| [grey; 3]).collect(),
            (3, 1) => {
                let luminance = |pixel: &[u8]| {
                    let [r, g, b] = [0, 1, 2].map(|i| u32::from(pixel[i]));
                    ((19_595 * r + 38_470 * g + 7_471 * b + 0x8000) >> 16) as u8
                };
                self.bytes.chunks_exact(3).map(luminance).collect()
            }
            _ => return self,
        };
        Self { channels, bytes, ..self }
    }
}
