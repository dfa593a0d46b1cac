//! What `xnorc inspect --threads` says: how many times as fast a team of threads can be, from the division of the blocks alone.
//!
//! It is a bound, and no forecast: threads also wait for each other at the end of every block, share caches and memory, and compute
//! twice what lies under the windows of two parts.

use std::fmt;

use xnorc_runtime::{Alone, Team as _};

use super::columns;
use crate::emit::Output;
use crate::ir::network::Network;
use crate::printable::{printable, thousands};
use crate::schedule::cost::Cost;
use crate::schedule::{Division, Schedule};

/// Bounds of a network and of its blocks. The field names are the keys of `inspect --threads N --json`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Threads {
    /// Numbers of threads: 1, 2, 4, 8...
    pub threads: Vec<usize>,
    /// In order of execution.
    pub blocks: Vec<ThreadsRow>,
    /// By number of threads: what the bounds of the blocks, weighted by their cost, leave for all of it (Amdahl's law).
    pub network: Vec<f64>,
    /// Nanoseconds of work below which the runtime's own pool hands nothing to another thread.
    pub grain: usize,
    /// The same where no thread gets less than that.
    pub network_with_grain: Vec<f64>,
}

/// A block.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ThreadsRow {
    /// Its name.
    pub name: String,
    /// Nanoseconds that one thread of a fast machine takes.
    pub cost: usize,
    /// What threads divide among them, or why they do not.
    pub divided: String,
    /// By number of threads.
    pub bounds: Vec<f64>,
}

impl Threads {
    /// Of a compiled model, for up to `most` threads.
    pub fn new(output: &Output, most: usize) -> Self {
        Self::of(&output.network, &output.schedule, most)
    }

    fn of(network: &Network, schedule: &Schedule, most: usize) -> Self {
        let mut threads: Vec<usize> =
            std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|&n| n < most).collect();
        threads.push(most.max(1));
        let grain = Alone.grain();
        let divisions: Vec<(usize, Option<Division>)> = network
            .blocks
            .iter()
            .zip(&schedule.nests)
            .map(|(block, nest)| (Cost::of(network, block).nanoseconds(), nest.as_ref().map(|nest| nest.division)))
            .collect();
        let bound = |division: Option<Division>, threads| division.map_or(1.0, |division| division.bound(threads));
        // What is left of the time of one thread.
        let all = |worth: &dyn Fn(usize, usize) -> usize| -> Vec<f64> {
            let one: usize = divisions.iter().map(|(cost, _)| cost).sum();
            let left = |n| divisions.iter().map(|&(cost, d)| cost as f64 / bound(d, worth(cost, n))).sum::<f64>();
            threads.iter().map(|&n| if one == 0 { 1.0 } else { one as f64 / left(n) }).collect()
        };
        let blocks = network.blocks.iter().zip(&divisions).map(|(block, &(cost, division))| ThreadsRow {
            name: block.name.clone(),
            cost,
            divided: division.map_or_else(|| "one thread".to_owned(), |division| division.to_string()),
            bounds: threads.iter().map(|&n| bound(division, n)).collect(),
        });
        Self {
            blocks: blocks.collect(),
            network: all(&|_, n| n),
            network_with_grain: all(&|cost, n| n.min(cost / grain).max(1)),
            grain,
            threads,
        }
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "How many times as fast as one thread so many can be, from what the schedule divides:\n")?;
        let numbers = |values: &[f64]| values.iter().map(|value| format!("{value:.2}")).collect::<Vec<_>>();
        let head = ["block", "ns", "divided"].map(str::to_owned).to_vec();
        let mut rows = vec![[head, self.threads.iter().map(ToString::to_string).collect()].concat()];
        for block in &self.blocks {
            let cells = vec![printable(&block.name), thousands(block.cost as u64), block.divided.clone()];
            rows.push([cells, numbers(&block.bounds)].concat());
        }
        let cost: usize = self.blocks.iter().map(|block| block.cost).sum();
        let total = |name: &str, how: String, values| {
            [vec![name.to_owned(), thousands(cost as u64), how], numbers(values)].concat()
        };
        rows.push(total("all", "by the cost of each".to_owned(), &self.network));
        let grain = format!("no part below {} ns", thousands(self.grain as u64));
        rows.push(total("all", grain, &self.network_with_grain));
        let right: Vec<usize> = [1].into_iter().chain(3..3 + self.threads.len()).collect();
        f.write_str(&columns(&rows, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, load};

    #[test]
    fn a_network_is_bounded_by_its_blocks() {
        let model = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/r2b_ts17.onnx");
        let output = load(&model, &Config::new()).unwrap();
        let threads = Threads::new(&output, 6);
        assert_eq!(threads.threads, [1, 2, 4, 6]);
        assert_eq!(threads.network[0], 1.0);
        // Only the stem is long enough: 16 rows of one block of channels, 3276 of all nanoseconds.
        let stem = &threads.blocks[0];
        assert_eq!(
            (stem.cost, &stem.divided[..], &stem.bounds[..]),
            (3276, "16 rows", &[1.0, 2.0, 4.0, 16.0 / 3.0][..])
        );
        let rest: usize = threads.blocks[1..].iter().map(|block| block.cost).sum();
        assert!(threads.blocks[1..].iter().all(|block| block.bounds == [1.0; 4]));
        let wanted = (3276 + rest) as f64 / (3276.0 / 4.0 + rest as f64);
        assert!((threads.network[2] - wanted).abs() < 1e-9, "{:?} {wanted}", threads.network);
        // It is shorter than what is worth handing to another thread.
        assert_eq!(threads.network_with_grain, [1.0; 4]);
    }
}
