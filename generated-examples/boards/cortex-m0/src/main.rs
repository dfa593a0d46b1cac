//! Classifies a picture on a board, and says how long it took.

#![no_std]
#![no_main]

use cortex_m::peripheral::syst::SystClkSource;
use semihosting::{println, process};

xnorc_runtime::include_model!("fashion");

/// 28 x 28 pixels, a byte each.
static PICTURE: &[u8; 784] = include_bytes!(concat!(env!("OUT_DIR"), "/picture.bin"));

const CLASSES: [&str; 10] =
    ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// Instructions of a tick: the board's clock has 25 MHz, and the emulator lets a nanosecond pass for each instruction.
const PER_TICK: u32 = 40;

#[cortex_m_rt::entry]
fn main() -> ! {
    // The entry's statics are its own: a large array on the stack would be filled on every call.
    static mut INPUT: fashion::Input = [0.0; 784];
    static mut SCRATCH: fashion::Scratch = fashion::Scratch::new();
    for (x, byte) in INPUT.iter_mut().zip(PICTURE) {
        *x = f32::from(*byte) / 255.0;
    }
    let mut logits: fashion::Output = [0.0; 10];

    let mut clock = cortex_m::Peripherals::take().expect("taken once").SYST;
    clock.set_clock_source(SystClkSource::Core);
    clock.set_reload(0x00ff_ffff);
    clock.clear_current();
    clock.enable_counter();
    let start = cortex_m::peripheral::SYST::get_current();
    fashion::infer(INPUT, &mut logits, SCRATCH);
    let ticks = start.wrapping_sub(cortex_m::peripheral::SYST::get_current()) & 0x00ff_ffff;

    let class = (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0);
    println!("{}: about {} instructions", CLASSES[class], ticks * PER_TICK);
    for logit in logits {
        println!("{:08x}", logit.to_bits());
    }
    process::exit(0)
}
