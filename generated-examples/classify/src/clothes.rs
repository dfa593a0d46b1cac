//! Fashion-MNIST: prints some of the pictures beside the network with label and answer, the accuracy over all of them, the time per
//! picture, and what the network costs.

use std::process::ExitCode;
use std::time::Instant;

use crate::argmax;

xnorc_runtime::include_model!("fashion");

const PICTURES: &[u8] = include_bytes!("../../fashion/pictures.bin");
const LABELS: &[u8] = include_bytes!("../../fashion/labels.bin");
const COST: &str = include_str!(concat!(env!("OUT_DIR"), "/fashion.report.txt"));

const SIDE: usize = 28;
const CLASSES: [&str; 10] =
    ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];
/// How many pictures are shown.
const SHOWN: usize = 6;
/// Below this accuracy something is wrong with the compiled network: the checkpoint reaches more.
const EXPECTED_ACCURACY: f64 = 0.89;

/// All pictures beside the network.
pub(crate) fn classify() -> ExitCode {
    let mut scratch = Box::new(fashion::Scratch::new());
    let mut correct = 0;
    let mut nanoseconds = Vec::new();
    for (index, (picture, &label)) in PICTURES.chunks_exact(SIDE * SIDE).zip(LABELS).enumerate() {
        let input: fashion::Input = std::array::from_fn(|i| f32::from(picture[i]) / 255.0);
        let mut logits: fashion::Output = [0.0; 10];
        let start = Instant::now();
        fashion::infer(&input, &mut logits, &mut scratch);
        nanoseconds.push(start.elapsed().as_nanos());
        let answer = argmax(&logits);
        correct += usize::from(answer == usize::from(label));
        if index < SHOWN {
            show(picture, CLASSES[usize::from(label)], CLASSES[answer]);
        }
    }
    nanoseconds.sort_unstable();
    let accuracy = correct as f64 / LABELS.len() as f64;
    println!("{COST}");
    println!("{} pictures, {correct} classified rightly: accuracy {:.1} %", LABELS.len(), 100.0 * accuracy);
    println!(
        "time per picture: median {:.1} us, minimum {:.1} us, one thread, {}",
        nanoseconds[nanoseconds.len() / 2] as f64 / 1e3,
        nanoseconds[0] as f64 / 1e3,
        xnorc_runtime::level().name(),
    );
    if accuracy < EXPECTED_ACCURACY {
        eprintln!("error: the checkpoint is better than {:.0} %", 100.0 * EXPECTED_ACCURACY);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A picture as text: two rows of pixels a line, darker characters for brighter pixels.
fn show(picture: &[u8], label: &str, answer: &str) {
    const INK: &[u8] = b" .:-=+*#%@";
    for rows in picture.chunks_exact(2 * SIDE) {
        let line: String = (0..SIDE)
            .map(|x| {
                let mean = (usize::from(rows[x]) + usize::from(rows[x + SIDE])) / 2;
                char::from(INK[mean * (INK.len() - 1) / 255])
            })
            .collect();
        println!("{}", line.trim_end());
    }
    let verdict = if label == answer { "" } else { "   <- wrong" };
    println!("label: {label}; answer: {answer}{verdict}\n");
}
