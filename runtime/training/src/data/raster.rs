//! A picture as bytes, and what can be done to it as such.

use image::imageops::{self, FilterType};
use image::{GrayImage, ImageBuffer, Pixel, RgbImage};

/// A picture: bytes of rows × columns × channels (1 or 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    /// 1, or 3: red, green, blue.
    pub channels: usize,
    /// Rows and columns.
    pub size: [usize; 2],
    /// Row by row, the channels of a pixel side by side.
    pub bytes: Vec<u8>,
}

impl Raster {
    /// The part of `size` whose upper left corner is at `at`, which may lie outside: black is there.
    pub fn cut(&self, at: [isize; 2], size: [usize; 2]) -> Self {
        let mut bytes = vec![0; self.channels * size[0] * size[1]];
        // Where a row of the part and one of the picture overlap: pixels of the picture, and the first of the part.
        let columns = at[1].clamp(0, self.size[1] as isize)..(at[1] + size[1] as isize).clamp(0, self.size[1] as isize);
        let (first, many) = ((columns.start - at[1]) as usize, (columns.end - columns.start) as usize);
        for (r, row) in bytes.chunks_exact_mut(self.channels * size[1]).enumerate() {
            let Some(from) = self.row(at[0] + r as isize) else { continue };
            if many > 0 {
                let from = &from[columns.start as usize * self.channels..][..many * self.channels];
                row[first * self.channels..][..from.len()].copy_from_slice(from);
            }
        }
        Self { channels: self.channels, size, bytes }
    }

    /// Left and right exchanged.
    pub fn mirrored(mut self) -> Self {
        for row in self.bytes.chunks_exact_mut(self.channels * self.size[1]) {
            let pixels = self.size[1];
            for c in 0..pixels / 2 {
                for k in 0..self.channels {
                    row.swap(c * self.channels + k, (pixels - 1 - c) * self.channels + k);
                }
            }
        }
        self
    }

    /// Scaled to another size, with a triangle filter as wide as the scale asks for.
    pub fn scaled(self, size: [usize; 2]) -> Self {
        if self.size == size {
            return self;
        }
        let (channels, [rows, columns]) = (self.channels, self.size);
        let bytes = if channels == 1 {
            GrayImage::from_raw(columns as u32, rows as u32, self.bytes).map(|i| scale(&i, size))
        } else {
            RgbImage::from_raw(columns as u32, rows as u32, self.bytes).map(|i| scale(&i, size))
        };
        Self { channels, size, bytes: bytes.unwrap_or_default() }
    }

    /// Turned about its centre, counter-clockwise, by so many degrees; black comes in. Bilinear.
    pub fn turned(&self, degrees: f32) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let [rows, columns] = self.size;
        let centre = [(rows as f32 - 1.0) / 2.0, (columns as f32 - 1.0) / 2.0];
        let mut bytes = vec![0; self.bytes.len()];
        for (r, row) in bytes.chunks_exact_mut(self.channels * columns).enumerate() {
            for (c, pixel) in row.chunks_exact_mut(self.channels).enumerate() {
                let (y, x) = (r as f32 - centre[0], c as f32 - centre[1]);
                let (fy, fx) = (centre[0] + cos * y + sin * x, centre[1] + cos * x - sin * y);
                self.sample(fy, fx, pixel);
            }
        }
        Self { channels: self.channels, size: self.size, bytes }
    }

    /// The colour at a place between pixels.
    fn sample(&self, y: f32, x: f32, pixel: &mut [u8]) {
        let (top, left) = (y.floor(), x.floor());
        let (down, right) = (y - top, x - left);
        for (k, value) in pixel.iter_mut().enumerate() {
            let at = |dy: isize, dx: isize| {
                self.pixel(top as isize + dy, left as isize + dx).map_or(0.0, |pixel| f32::from(pixel[k]))
            };
            let upper = at(0, 0) * (1.0 - right) + at(0, 1) * right;
            let lower = at(1, 0) * (1.0 - right) + at(1, 1) * right;
            *value = (upper * (1.0 - down) + lower * down).round() as u8;
        }
    }

    fn pixel(&self, row: isize, column: isize) -> Option<&[u8]> {
        let column = usize::try_from(column).ok().filter(|&c| c < self.size[1])?;
        self.row(row)?.get(column * self.channels..(column + 1) * self.channels)
    }

    /// `None` outside.
    fn row(&self, row: isize) -> Option<&[u8]> {
        let row = usize::try_from(row).ok().filter(|&r| r < self.size[0])?;
        self.bytes.chunks_exact(self.channels * self.size[1]).nth(row)
    }

    /// The values in [0, 1] minus `mean`, over `std`, channel by channel: [channels, rows, columns].
    pub fn normalised(&self, mean: &[f32], std: &[f32], out: &mut Vec<f32>) {
        for k in 0..self.channels {
            let (mean, scale) = (mean[k], 1.0 / std[k]);
            let channel = self.bytes.iter().skip(k).step_by(self.channels);
            out.extend(channel.map(|&byte| (f32::from(byte) / 255.0 - mean) * scale));
        }
    }
}

fn scale<P>(image: &ImageBuffer<P, Vec<u8>>, size: [usize; 2]) -> Vec<u8>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    imageops::resize(image, size[1] as u32, size[0] as u32, FilterType::Triangle).into_raw()
}
