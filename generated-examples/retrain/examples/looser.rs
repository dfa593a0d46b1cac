//! What looser arithmetic of the real-valued layers costs the shipped network: right answers, and answers that are the
//! same as the trainer's, over the shipped pictures. `cargo run --release -p retrain --example looser`

use std::path::Path;

use retrain::{Trained, compare_as};
use xnorc::Arithmetic;
use xnorc::ir::Tensor;
use xnorc_training::problem::Result;

/// Pictures from which the ranges of 8-bit activations are learned.
const CALIBRATION: usize = 100;

fn main() -> Result {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fashion");
    let trained = Trained::kept(&folder)?;
    for arithmetic in Arithmetic::ALL {
        let mut config = xnorc::Config::new();
        config.real_layers(arithmetic);
        if matches!(arithmetic, Arithmetic::Int8 | Arithmetic::Fixed) {
            for index in 0..CALIBRATION {
                config.calibrate(vec![Tensor::f32([1, 1, 28, 28], trained.input(index))]);
            }
        }
        let (result, _) = compare_as(&folder, &trained, 0, config)?;
        let share = |n: usize| 100.0 * n as f64 / result.pictures as f64;
        println!("{}: {:.1} % right, {:.1} % as f32", arithmetic.name(), share(result.right), share(result.same));
    }
    Ok(())
}
