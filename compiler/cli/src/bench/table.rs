//! The figures as text.

use std::fmt::Write as _;

use super::{Bench, BlockTime};
use xnorc::ir::network::Arithmetic;

/// A block's name, and its arithmetic if that is looser by choice.
pub(super) fn label(block: &BlockTime) -> String {
    match block.arithmetic {
        Some(looser) if looser != Arithmetic::F32.name() => format!("{} ({looser})", block.name),
        _ => block.name.clone(),
    }
}

/// How much of the limit a time reaches, if there is one.
pub(super) fn share(limit: f64, time: f64) -> Option<String> {
    (limit > 0.0 && time > 0.0).then(|| format!("{:.0} %", 100.0 * limit / time))
}

/// One line per block, then the totals.
pub fn table(bench: &Bench) -> String {
    let width = bench.blocks.iter().map(|b| label(b).chars().count()).max().unwrap_or(0).clamp(5, 60);
    let mut text = format!(
        "{:<width$}  {:>10}  {:>10}  {:>10}  {:>8}  {:>9}\n",
        "block", "median ms", "min ms", "limit ms", "of limit", "kB moved"
    );
    let share = |limit, time| share(limit, time).unwrap_or_else(|| "-".to_owned());
    for block in &bench.blocks {
        let _ = writeln!(
            text,
            "{:<width$}  {:>10.4}  {:>10.4}  {:>10.4}  {:>8}  {:>9.1}",
            label(block),
            block.median_ms,
            block.min_ms,
            block.limit_ms,
            share(block.limit_ms, block.min_ms),
            block.bytes as f64 / 1e3
        );
    }
    let _ = writeln!(
        text,
        "{:<width$}  {:>10.4}  {:>10.4}  {:>10.4}  {:>8}  {:>9.1}",
        "whole",
        bench.median_ms,
        bench.min_ms,
        bench.limit_ms,
        share(bench.limit_ms, bench.min_ms),
        bench.blocks.iter().map(|b| b.bytes).sum::<u64>() as f64 / 1e3
    );
    let pixels = bench.peak_pixels_gmacs.map_or_else(String::new, |peak| format!(", by planes of pixels {peak:.0} G"));
    let _ = writeln!(
        text,
        "\nlimit: {} multiply-accumulates a second ({}, {}, {} runs); the fastest run takes \
         {:.2} times as long\n\
         binary ones by population counts of words {:.0} G, by rows of weights {:.0} G{pixels}: each block by the fastest for it",
        bench.rates(),
        bench.level,
        super::threads(bench.threads),
        bench.repeat,
        bench.min_ms / bench.limit_ms,
        bench.peak_binary_gmacs,
        bench.peak_rows_gmacs
    );
    text
}
