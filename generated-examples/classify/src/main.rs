//! Classifies pictures with networks compiled from their checkpoints while this program was built: the clothes beside it, or the
//! photographs that it is given.

mod clothes;
mod photographs;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() { clothes::classify() } else { photographs::classify(&files) }
}

/// The place of the largest.
fn argmax(logits: &[f32]) -> usize {
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0)
}
