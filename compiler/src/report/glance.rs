//! What `xnorc inspect` says first: how much of a network is binary, how small it is, about how fast, and what stands in the way, in
//! one screen. The rest is the [`Report`](super::Report).

use std::fmt;

use xnorc_runtime::Level;

use super::{Report, Row};
use crate::emit::Output;
use crate::ir::Op;
use crate::ir::network::{Arithmetic, Block, Body, Move, Network, Source, Step, TensorId};
use crate::printable::printable;

/// A network in one screen.
#[derive(Clone, Debug)]
pub struct Glance {
    report: Report,
    level: Level,
    file_bytes: u64,
    /// By block: estimated nanoseconds.
    nanoseconds: Vec<f64>,
    /// The dearest first: blocks of a kind, and what they have in common.
    obstacles: Vec<(Obstacle, Vec<usize>)>,
}

/// Why a block is not binary, or not part of one that is; as far as there is something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Obstacle {
    Picture,
    BinaryWeights,
    Scores,
    Real,
    Integers,
    Gate,
    Gated,
    Map,
    Pool,
    Move,
    Softmax,
    Whole,
}

impl Obstacle {
    fn of(network: &Network, index: usize) -> Option<Self> {
        let block = &network.blocks[index];
        Some(match &block.body {
            Body::Tiled(tiled) => match &tiled.source {
                Source::BinaryConv { .. } => return None,
                // What is chosen besides these is no choice here.
                Source::RealConv { products, .. } if products.is_of_file() => Self::Integers,
                Source::RealConv { input, geometry, weights, .. } => {
                    let last = !network.blocks[index + 1..].iter().any(is_layer);
                    // At most one magnitude for each output channel.
                    let mut magnitudes: Vec<u32> = weights.iter().map(|w| w.abs().to_bits()).collect();
                    magnitudes.sort_unstable();
                    magnitudes.dedup();
                    if magnitudes.len() <= geometry.output[2] && weights.len() > 2 * geometry.output[2] {
                        Self::BinaryWeights
                    } else if is_given(network, *input) {
                        Self::Picture
                    } else if last && geometry.output[..2] == [1, 1] {
                        Self::Scores
                    } else {
                        Self::Real
                    }
                }
                Source::MaxPool { .. } | Source::AveragePool { .. } => Self::Pool,
                // Signs of the input itself are where a binary network begins.
                Source::Map { input } if is_given(network, *input) && block.steps().any(is_sign) => return None,
                Source::Map { .. } | Source::Planes { .. } => match block.steps().any(|s| matches!(s, Step::Gate(_))) {
                    true => Self::Gated,
                    false => Self::Map,
                },
            },
            Body::Gate(_) => Self::Gate,
            Body::Move(Move::Copy { .. } | Move::Convert { .. } | Move::Lookup { .. }) => Self::Move,
            Body::Move(_) => return None,
            Body::Whole(whole) => match whole.op {
                Op::Softmax { .. } | Op::ArgMax { .. } => Self::Softmax,
                _ => Self::Whole,
            },
        })
    }

    /// What it is of, and what to do.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Picture => (
                "reads the input itself, in real values",
                "usual for a first layer: fewer channels or a larger stride; `--real bf16` or int8 is faster and looser",
            ),
            Self::BinaryWeights => (
                "binary weights, but an input that is not binary",
                "if the export lost a sign in front of it, put that back (the warning X101 names each layer)",
            ),
            Self::Scores => (
                "gives the scores, in real values",
                "usual for a last layer: `--real int8 --calibrate x.npy` makes it smaller and faster, and looser",
            ),
            Self::Real => (
                "real weights on real values",
                "binarize in training; or make it looser: `--real bf16`, `--real int8 --calibrate x.npy`",
            ),
            Self::Integers => (
                "8-bit integers of the file, multiplied as such",
                "nothing, or binarize in training: nothing is faster but bits",
            ),
            Self::Gate => {
                ("gates, which are real-valued", "nothing: they are small, and what they are fed is fused already")
            }
            Self::Gated => (
                "multiplies with a gate that is computed from all of what it multiplies",
                "nothing, or train with a gate of the layer's input, as Real-to-Binary: that product is part of the layer",
            ),
            Self::Map => (
                "element-wise, with no layer in front to take it along",
                "behind a convolution or a linear layer it is part of that: move it in front of the pool or the join",
            ),
            Self::Pool => {
                ("pools real values", "a max-pool behind the sign is one of bits, which costs next to nothing")
            }
            Self::Move => (
                "moves data: padding, joining, splitting or turning axes",
                "pad in the convolution; add channels instead of joining them; keep axes as they are",
            ),
            Self::Softmax => {
                ("needs all scores at once", "leave it to the caller: the largest score is the same one in front of it")
            }
            Self::Whole => {
                ("works on whole tensors at once", "move it out of the network, if the caller can do without")
            }
        }
    }
}

fn is_sign(step: &Step) -> bool {
    matches!(step, Step::Sign { .. })
}

/// Whether a block is a layer with weights.
fn is_layer(block: &Block) -> bool {
    block.tiled().is_some_and(|t| matches!(t.source, Source::BinaryConv { .. } | Source::RealConv { .. }))
}

/// Whether a tensor is an input, or only that, moved or mapped.
fn is_given(network: &Network, id: TensorId) -> bool {
    if network.inputs.contains(&id) {
        return true;
    }
    let writer = network.blocks.iter().find(|b| b.writes().contains(&id));
    let passes = |b: &Block| {
        let map = b.tiled().is_some_and(|t| matches!(t.source, Source::Map { .. }));
        map || matches!(b.body, Body::Move(_))
    };
    writer.filter(|b| passes(b)).is_some_and(|b| b.reads().iter().any(|&id| is_given(network, id)))
}

/// 10^9 operations a second, about: binary and real multiply-accumulates, and operations on elements. Measured on a few
/// networks and machines, which differ by a factor of two.
fn rates(level: Level) -> [f64; 3] {
    match level {
        Level::Portable => [80.0, 1.2, 4.0],
        Level::Popcnt => [150.0, 1.2, 4.0],
        Level::Avx2 => [300.0, 40.0, 40.0],
        Level::Avx512Bw => [500.0, 70.0, 70.0],
        Level::Avx512 => [1500.0, 70.0, 70.0],
        Level::Neon => [200.0, 20.0, 20.0],
        Level::Simd128 => [100.0, 1.2, 8.0],
    }
}

fn estimate(network: &Network, block: &Block, row: &Row, level: Level) -> f64 {
    let [binary, real, elements] = rates(level);
    let faster = match block.arithmetic() {
        Some(Arithmetic::Bf16) if level == Level::Avx512 => 1.7,
        Some(Arithmetic::Int8) if level == Level::Avx512 => 2.7,
        _ => 1.0,
    };
    let moved: usize = match block.body {
        Body::Move(Move::Copy { .. } | Move::Convert { .. } | Move::Lookup { .. }) => {
            block.writes().iter().map(|&id| network.tensor(id).storage_len()).sum()
        }
        _ => 0,
    };
    let others = row.flops.saturating_sub(row.real_macs) as f64 + moved as f64;
    row.binary_macs as f64 / binary + row.real_macs as f64 / (real * faster) + others / elements
}

impl Glance {
    /// Of a compiled model, whose file has so many bytes, for a machine with those instructions.
    pub fn new(output: &Output, level: Level, file_bytes: u64) -> Self {
        let (report, network) = (Report::new(output), &output.network);
        let nanoseconds: Vec<f64> = network
            .blocks
            .iter()
            .zip(&report.blocks)
            .map(|(block, row)| estimate(network, block, row, level))
            .collect();
        let mut obstacles: Vec<(Obstacle, Vec<usize>)> = Vec::new();
        for index in 0..network.blocks.len() {
            let Some(obstacle) = Obstacle::of(network, index) else { continue };
            match obstacles.iter_mut().find(|(other, _)| *other == obstacle) {
                Some((_, blocks)) => blocks.push(index),
                None => obstacles.push((obstacle, vec![index])),
            }
        }
        let dearest_first =
            |blocks: &mut Vec<usize>| blocks.sort_by(|&a, &b| nanoseconds[b].total_cmp(&nanoseconds[a]));
        obstacles.iter_mut().for_each(|(_, blocks)| dearest_first(blocks));
        let sum = |blocks: &[usize]| blocks.iter().map(|&i| nanoseconds[i]).sum::<f64>();
        obstacles.sort_by(|(_, a), (_, b)| sum(b).total_cmp(&sum(a)));
        Self { report, level, file_bytes, nanoseconds, obstacles }
    }

    /// A part of the estimated time, in per cent.
    fn percent(&self, blocks: &[usize]) -> f64 {
        let total: f64 = self.nanoseconds.iter().sum();
        let part: f64 = blocks.iter().map(|&i| self.nanoseconds[i]).sum();
        if total > 0.0 { 100.0 * part / total } else { 0.0 }
    }

    /// What is not worth a line of its own: shares of less than one per cent.
    fn small(&self) -> Option<String> {
        let small = self.obstacles.iter().filter(|(_, blocks)| self.percent(blocks) < 1.0);
        let words: Vec<String> = small
            .map(|(obstacle, blocks)| match blocks.len() {
                1 => obstacle.words().0.to_owned(),
                many => format!("{} ({many})", obstacle.words().0),
            })
            .collect();
        let mut lines = vec!["each, and nothing to gain:".to_owned()];
        for (index, word) in words.iter().enumerate() {
            let end = if index + 1 < words.len() { ";" } else { "" };
            match lines.last_mut() {
                Some(line) if line.len() + word.len() < 90 => *line += &format!(" {word}{end}"),
                _ => lines.push(format!("{word}{end}")),
            }
        }
        if words.is_empty() { None } else { Some(lines.join("\n         ")) }
    }
}

/// Three digits and a unit: `1.68 G`.
pub(super) fn amount(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 1e9 => (v / 1e9, " G"),
        v if v >= 1e6 => (v / 1e6, " M"),
        v if v >= 1e3 => (v / 1e3, " k"),
        v => (v, ""),
    };
    let digits = if unit.is_empty() || value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}{unit}")
}

pub(super) fn bytes(value: u64) -> String {
    let text = amount(value as f64);
    if value >= 1000 { format!("{text}B") } else { format!("{text} bytes") }
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns >= 1e6 => format!("{:.1} ms", ns / 1e6),
        ns if ns >= 1e4 => format!("{:.0} us", ns / 1e3),
        ns => format!("{:.1} us", ns / 1e3),
    }
}

/// The end of a long name says more than its beginning.
pub(super) fn short(name: &str, most: usize) -> String {
    let name = printable(name);
    let skip = name.chars().count().saturating_sub(most);
    if skip == 0 { name } else { format!("…{}", name.chars().skip(skip + 1).collect::<String>()) }
}

impl fmt::Display for Glance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (report, t) = (&self.report, &self.report.totals);
        writeln!(f, "model   {}", short(&report.model, 90))?;
        for (word, ports) in [("input", &report.inputs), ("output", &report.outputs)] {
            ports.iter().try_for_each(|port| super::table::port(f, word, port))?;
        }
        let macs = t.binary_macs + t.real_macs;
        let share = if macs > 0 { 100.0 * t.binary_macs as f64 / macs as f64 } else { 0.0 };
        writeln!(
            f,
            "\nbinary  {share:.1} % of {} multiply-accumulates: {} of {} layers, {} of them one piece with what is around",
            amount(macs as f64),
            t.binary_operators,
            t.layers,
            t.fused_blocks
        )?;
        let smaller = self.file_bytes as f64 / t.weights_file_bytes.max(1) as f64;
        let smaller = if smaller >= 1.5 { format!(", {smaller:.0} times smaller") } else { String::new() };
        let (before, after, scratch) = (self.file_bytes, t.weights_file_bytes, t.scratch_bytes);
        writeln!(
            f,
            "size    {} in the file, {} compiled{smaller}; {} of scratch memory",
            bytes(before),
            bytes(after),
            bytes(scratch)
        )?;
        let total: f64 = self.nanoseconds.iter().sum();
        let fixed = report.blocks.iter().any(|row| row.arithmetic == Some(Arithmetic::Fixed.name()));
        if fixed {
            writeln!(
                f,
                "time    not estimated: by choice all is in fixed point, which is for cores without a floating-point unit"
            )?;
        } else {
            writeln!(
                f,
                "time    about {} here ({}, one thread): estimated from what it costs; `xnorc bench` measures",
                time(total),
                self.level.name()
            )?;
        }

        let mut dearest: Vec<usize> = (0..report.blocks.len()).collect();
        dearest.sort_by(|&a, &b| self.nanoseconds[b].total_cmp(&self.nanoseconds[a]));
        writeln!(f, "\nThe dearest blocks, by their share of {}", if fixed { "the time in f32" } else { "that time" })?;
        let rows: Vec<Vec<String>> = dearest
            .iter()
            .take(3)
            .map(|&i| {
                let row = &report.blocks[i];
                vec![
                    format!("  {:>3.0} %", self.percent(&[i])),
                    row.kind.clone(),
                    row.geometry.clone(),
                    short(&row.name, 48),
                ]
            })
            .collect();
        f.write_str(&super::columns(&rows, &[]))?;

        if self.obstacles.is_empty() {
            writeln!(f, "\nNothing stands in the way: every layer is binary, and one piece with what is around it")?;
        } else {
            writeln!(f, "\nWhat stands in the way, the dearest first")?;
        }
        for (obstacle, blocks) in self.obstacles.iter().filter(|(_, blocks)| self.percent(blocks) >= 1.0) {
            let (what, mut advice) = obstacle.words();
            let looser = |&i: &usize| report.blocks[i].looser;
            if blocks.iter().all(looser) {
                advice = "looser by choice already: `xnorc verify` says what that costs";
            }
            let first = short(&report.blocks[blocks[0]].name, 40);
            let others = match blocks.len() - 1 {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            writeln!(f, "  {:>3.0} %  {what}: {first}{others}", self.percent(blocks))?;
            writeln!(f, "         -> {advice}")?;
        }
        if let Some(small) = self.small() {
            writeln!(f, "   <1 %  {small}")?;
        }
        let said = report.notes.len();
        let notes =
            if said == 0 { String::new() } else { format!(", and {said} note{}", if said == 1 { "" } else { "s" }) };
        writeln!(f, "\n`--all` shows every block, with the reason for each that is not binary{notes}")
    }
}
