//! How pictures are changed: at random for training, always the same way for evaluation.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::Raster;
use crate::config::{Augmentation, Jitter};

/// A training picture of `size`.
pub fn changed(picture: Raster, config: &Augmentation, size: [usize; 2], random: &mut ChaCha8Rng) -> Raster {
    let mut picture = if config.resized_crop > 0.0 {
        resized_crop(&picture, config.resized_crop, size, random)
    } else if config.crop_from > 0 {
        let scaled = shorter_side(picture, config.crop_from);
        let at = [0, 1].map(|i| random.random_range(0..=scaled.size[i].saturating_sub(size[i])) as isize);
        scaled.cut(at, size)
    } else {
        cover(picture, size)
    };
    if config.pad_crop > 0 {
        let pad = config.pad_crop as i32;
        let at = [(); 2].map(|()| random.random_range(-pad..=pad) as isize);
        picture = picture.cut(at, size);
    }
    if config.flip && random.random::<bool>() {
        picture = picture.mirrored();
    }
    if config.rotation > 0.0 {
        picture = picture.turned(random.random_range(-config.rotation..=config.rotation));
    }
    if let Some(jitter) = &config.jitter {
        jittered(&mut picture, jitter, random);
    }
    picture
}

/// A picture for evaluation: scaled so that its shorter side is `resize`, then the centre of `size`.
pub fn centred(picture: Raster, resize: Option<usize>, size: [usize; 2]) -> Raster {
    let Some(resize) = resize else { return cover(picture, size) };
    let scaled = shorter_side(picture, resize);
    centre(&scaled, size)
}

/// Scaled so that it just covers `size`, then the centre.
fn cover(picture: Raster, size: [usize; 2]) -> Raster {
    if picture.size == size {
        return picture;
    }
    let scaled = shorter_side(picture, size[0].max(size[1]));
    centre(&scaled, size)
}

fn shorter_side(picture: Raster, side: usize) -> Raster {
    let [rows, columns] = picture.size;
    let shorter = rows.min(columns).max(1);
    let to = |n: usize| ((n * side + shorter / 2) / shorter).max(1);
    let size = [to(rows), to(columns)];
    picture.scaled(size)
}

fn centre(picture: &Raster, size: [usize; 2]) -> Raster {
    let at = std::array::from_fn(|i| (picture.size[i] as isize - size[i] as isize) / 2);
    picture.cut(at, size)
}

/// A part of a random share of the area and a proportion between 3:4 and 4:3, scaled to `size`; the centre where ten
/// draws do not fit (as torchvision has it).
fn resized_crop(picture: &Raster, smallest: f32, size: [usize; 2], random: &mut ChaCha8Rng) -> Raster {
    let [rows, columns] = picture.size;
    let area = (rows * columns) as f32;
    for _ in 0..10 {
        let part = area * random.random_range(smallest..=1.0);
        let proportion = random.random_range((0.75f32).ln()..=(4.0f32 / 3.0).ln()).exp();
        let w = (part * proportion).sqrt().round() as usize;
        let h = (part / proportion).sqrt().round() as usize;
        if (1..=columns).contains(&w) && (1..=rows).contains(&h) {
            let at = [random.random_range(0..=rows - h) as isize, random.random_range(0..=columns - w) as isize];
            return picture.cut(at, [h, w]).scaled(size);
        }
    }
    let side = rows.min(columns);
    centre(picture, [side; 2]).scaled(size)
}

/// Brightness, contrast and saturation, in this order, each by a factor of its own.
fn jittered(picture: &mut Raster, config: &Jitter, random: &mut ChaCha8Rng) {
    let mut factor = |strength: f32| 1.0 + strength * (2.0 * random.random::<f32>() - 1.0);
    let [brightness, contrast, saturation] =
        [factor(config.brightness), factor(config.contrast), factor(config.saturation)];
    let channels = picture.channels;
    let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
    for value in &mut picture.bytes {
        *value = byte(f32::from(*value) * brightness);
    }
    let pixels = picture.bytes.len() / channels;
    let mean = picture.bytes.chunks_exact(channels).map(luma).sum::<f32>() / pixels.max(1) as f32;
    for value in &mut picture.bytes {
        *value = byte(mean + (f32::from(*value) - mean) * contrast);
    }
    if channels == 3 {
        for pixel in picture.bytes.chunks_exact_mut(channels) {
            let grey = luma(pixel);
            for value in pixel {
                *value = byte(grey + (f32::from(*value) - grey) * saturation);
            }
        }
    }
}

/// Brightness of a pixel (ITU-R 601).
fn luma(pixel: &[u8]) -> f32 {
    match pixel {
        [r, g, b] => 0.299 * f32::from(*r) + 0.587 * f32::from(*g) + 0.114 * f32::from(*b),
        other => other.first().map_or(0.0, |&v| f32::from(v)),
    }
}
