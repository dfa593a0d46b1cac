//! How fast pictures come from the disk to the network: JPEG files of ImageNet's size (500x375, about 110 kB), made by this
//! program in a temporary folder, in a folder for each class and in tar files, read, decoded, cut out at random, scaled to
//! 224x224 and normalised, by one thread and by two. No network, no device.
//!
//!     cargo run --release -p xnorc-training --example loader -- 512
//!
//! The files are in the system's memory when they are read: it is the work that is measured, not the disk.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use image::codecs::jpeg::JpegEncoder;
use xnorc_training::config::{Augmentation, DataConfig, DataFormat, ShardsConfig, Validation, ValidationFrom};
use xnorc_training::data::{Batches, Dataset, Order, Plan};
use xnorc_training::problem::{Problems, Result};

const CLASSES: usize = 8;

fn main() -> Result {
    let count = std::env::args().nth(1).map_or(Ok(512), |n| n.parse());
    let count: usize = count.map_err(|e| Problems::one("the number of pictures", e))?;
    let wrong = |e: std::io::Error| Problems::one("the temporary folder", e);
    let folder = tempfile::tempdir().map_err(wrong)?;
    let bytes = write(folder.path(), count).map_err(wrong)?;
    println!("{count} JPEG files of 500x375, {} kB each, to 224x224, pictures a second", bytes / count / 1000);
    println!("| | 1 thread | 2 threads | processor time of each, ms |\n|---|--:|--:|--:|");
    for (name, format) in [("folders", DataFormat::Folders), ("shards", DataFormat::Shards)] {
        let speeds = [1, 2].map(|workers| speed(folder.path(), format, workers));
        let [one, two] = speeds;
        let (one, two) = (one?, two?);
        println!("| {name} | {:.0} | {:.0} | {:.2} |", one.0, two.0, 1e3 * one.1.min(two.1));
    }
    Ok(())
}

/// Smooth colours and noise, as in a photograph: bytes in all.
fn write(folder: &Path, count: usize) -> std::io::Result<usize> {
    let mut all = 0;
    let mut random = 1u32;
    let mut noise = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as i32 % 51 - 25
    };
    let parts = [("train", count), ("val", CLASSES)];
    for (part, count) in parts {
        let mut shards = tar::Builder::new(File::create(folder.join(format!("{part}-0.tar")))?);
        for number in 0..count {
            if number > 0 && number % 256 == 0 {
                let next = File::create(folder.join(format!("{part}-{}.tar", number / 256)))?;
                std::mem::replace(&mut shards, tar::Builder::new(next)).finish()?;
            }
            let class = number % CLASSES;
            let picture = image::RgbImage::from_fn(500, 375, |x, y| {
                let at = |k: u32| (x * (k + 1) / 4 + y * (3 - k) / 5 + number as u32 * 7) as i32 % 200;
                image::Rgb([0, 1, 2].map(|k| (at(k) + 28 + noise()).clamp(0, 255) as u8))
            });
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, 84).encode_image(&picture).map_err(std::io::Error::other)?;
            if part == "train" {
                all += bytes.len();
            }
            let place = folder.join(part).join(class.to_string());
            fs::create_dir_all(&place)?;
            fs::write(place.join(format!("{number}.jpg")), &bytes)?;
            let label = class.to_string();
            for (ending, bytes) in [("jpg", &bytes[..]), ("cls", label.as_bytes())] {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.set_mode(0o644);
                shards.append_data(&mut header, format!("{number:06}.{ending}"), bytes)?;
            }
        }
        shards.finish()?;
    }
    Ok(all)
}

/// Pictures a second, and seconds of processor time for one; the best of three epochs.
fn speed(folder: &Path, format: DataFormat, workers: usize) -> Result<(f64, f64)> {
    let shards = ShardsConfig {
        train: "train-*.tar".into(),
        test: "val-*.tar".into(),
        validation: None,
        classes: None,
        buffer: 1000,
    };
    let config = DataConfig {
        format,
        folder: folder.to_owned(),
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        size: Some(224),
        resize: None,
        train_pictures: None,
        test_pictures: None,
        shards: (format == DataFormat::Shards).then_some(shards),
        validation: Validation { from: ValidationFrom::Test, ..Validation::default() },
        workers,
    };
    let train = Arc::new(Dataset::load(&config)?.train);
    let augmentation = Augmentation { resized_crop: 0.08, flip: true, ..Augmentation::default() };
    let mut best = (0.0f64, f64::INFINITY);
    for epoch in 0..3 {
        let order = Order::Shuffled { seed: 1, epoch, augmentation: augmentation.clone() };
        let (start, before) = (Instant::now(), processor());
        let mut pictures = 0u32;
        for batch in Batches::new(&train, Plan::new(&config, [224; 2], CLASSES, 32, order)) {
            batch.skipped.or(())?;
            pictures += batch.labels.len() as u32;
        }
        let pictures = f64::from(pictures);
        best.0 = best.0.max(pictures / start.elapsed().as_secs_f64());
        best.1 = best.1.min((processor() - before) / pictures);
    }
    Ok(best)
}

/// Seconds that all threads of this process computed, where the system says it.
fn processor() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // User and system, in hundredths.
    let of = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok());
    of(11).zip(of(12)).map_or(f64::NAN, |(user, system)| (user + system) / 100.0)
}
