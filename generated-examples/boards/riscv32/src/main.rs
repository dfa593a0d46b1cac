//! Classifies a picture on a board, and says how long it took.

#![no_std]
#![no_main]

use semihosting::{println, process};
use static_cell::ConstStaticCell;

xnorc_runtime::include_model!("fashion");

/// 28 x 28 pixels, a byte each.
static PICTURE: &[u8; 784] = include_bytes!(concat!(env!("OUT_DIR"), "/picture.bin"));

const CLASSES: [&str; 10] =
    ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

#[riscv_rt::entry]
fn main() -> ! {
    // Not on the stack, for which they are too large.
    static INPUT: ConstStaticCell<fashion::Input> = ConstStaticCell::new([0.0; 784]);
    static SCRATCH: ConstStaticCell<fashion::Scratch> = ConstStaticCell::new(fashion::Scratch::new());
    let (input, scratch) = (INPUT.take(), SCRATCH.take());
    for (x, byte) in input.iter_mut().zip(PICTURE) {
        *x = f32::from(*byte) / 255.0;
    }
    let mut logits: fashion::Output = [0.0; 10];

    let start = riscv::register::minstret::read64();
    fashion::infer(input, &mut logits, scratch);
    let instructions = riscv::register::minstret::read64().wrapping_sub(start);

    let class = (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0);
    println!("{}: about {instructions} instructions", CLASSES[class]);
    for logit in logits {
        println!("{:08x}", logit.to_bits());
    }
    process::exit(0)
}
