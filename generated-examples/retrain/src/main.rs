//! Makes the Fashion-MNIST example anew, in one command: `cargo run --release -p retrain`.
//!
//! Trains what is not trained yet, writes `generated-examples/fashion/`, compares the compiled crate with the trainer on
//! all 10 000 test pictures, and compiles `generated-examples/fashion-net/`.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::AtomicBool;

use xnorc_training::config::Config;
use xnorc_training::problem::{Problems, Result};
use xnorc_training::train::Terminal;

/// Pictures that stay beside the network.
const KEPT: usize = 1000;
/// Pictures that are run through an independent engine, block by block.
const VERIFIED: usize = 100;

fn main() -> ExitCode {
    match retrained(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")) {
        Ok(code) => code,
        Err(problems) => {
            for problem in problems.0 {
                eprintln!("error: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

fn retrained(root: &Path) -> Result<ExitCode> {
    let config = Config::load(&root.join("runtime/training/configs/fashion-mnist.toml"))?;
    let folder = root.join("generated-examples/fashion");
    // Nothing but the end of the program interrupts it: the last whole epoch is on the disk.
    let never = AtomicBool::new(false);
    let Some(trained) = retrain::train(&config, &folder, KEPT, &never, &mut Terminal::default())? else {
        return Ok(ExitCode::FAILURE);
    };
    let (result, verification) = retrain::compare(&folder, &trained, VERIFIED)?;
    let share = |n: usize| 100.0 * n as f64 / result.pictures as f64;
    println!("{} test pictures:", result.pictures);
    println!("  right, trainer         {:.2} %", share(result.trainer_right));
    println!("  right, compiled crate  {:.2} %", share(result.right));
    println!("  the same answer        {:.2} % ({} differ)", share(result.same), result.pictures - result.same);
    println!(
        "  the same logits        {:.2} % (largest difference {:.1e})",
        share(result.close),
        result.largest_difference
    );
    println!("{verification}");
    let compile = "run --release -p xnorc-cli -- compile generated-examples/fashion/fashion.onnx --out \
                   generated-examples/fashion-net --name fashion_net --runtime ../../runtime --force";
    for arguments in [compile, "run --release -p classify"] {
        cargo(root, arguments)?;
    }
    Ok(if verification.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cargo(root: &Path, arguments: &str) -> Result {
    println!("cargo {arguments}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(arguments.split_whitespace())
        .current_dir(root)
        .status()
        .map_err(|e| Problems::one("cargo", format_args!("cannot be started: {e}")))?;
    let fine = status.success();
    if fine { Ok(()) } else { Err(Problems::one(format_args!("cargo {arguments}"), status)) }
}
