//! CIFAR-10: what is on the photographs in the user's own files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use image::imageops::FilterType;

use crate::argmax;

xnorc_runtime::include_model!("cifar10");

const SIDE: u32 = 32;
const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// A line for each file; those that are no pictures are told at the end.
pub(crate) fn classify(files: &[PathBuf]) -> ExitCode {
    let mut scratch = cifar10::Scratch::boxed();
    let mut logits: cifar10::Output = [0.0; CLASSES.len()];
    let mut faults = Vec::new();
    for file in files {
        match picture(file) {
            Ok(picture) => {
                cifar10::infer(&picture, &mut logits, &mut scratch);
                let class = argmax(&logits);
                println!("{}: {}, {:.0} %", file.display(), CLASSES[class], 100.0 * probability(&logits, class));
            }
            Err(fault) => faults.push(format!("error: {}: {fault}", file.display())),
        }
    }
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The middle square of the picture in a file, as the network takes it: channels first, bytes / 255.
fn picture(file: &Path) -> Result<Box<cifar10::Input>, image::ImageError> {
    let pixels = image::open(file)?.resize_to_fill(SIDE, SIDE, FilterType::Triangle).to_rgb8();
    let mut input: Box<cifar10::Input> = xnorc_runtime::boxed();
    for (channel, plane) in input.chunks_exact_mut((SIDE * SIDE) as usize).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(pixels.pixels()) {
            *value = f32::from(pixel.0[channel]) / 255.0;
        }
    }
    Ok(input)
}

/// What softmax makes of the logit of a class.
fn probability(logits: &[f32], class: usize) -> f32 {
    1.0 / logits.iter().map(|logit| (logit - logits[class]).exp()).sum::<f32>()
}
