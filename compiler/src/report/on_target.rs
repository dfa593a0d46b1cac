//! What `xnorc inspect --target` says: what a network takes of the memory and the time of a certain processor, what this does in
//! software, and how to avoid it; one screen.

mod emulated;
mod instructions;

use std::fmt;

use super::glance::{amount, bytes, short};
use super::{columns, explain};
use crate::config::MultiplyAdds;
use crate::emit::Output;
use crate::ir::DType;
use crate::ir::network::{Block, Body, Network, Source, TensorId};
use crate::schedule::cost::Cost;
use crate::schedule::{Nest, PixelLanes, is_depthwise};
use crate::target::{Family, MultiplyAdd, Target};
use emulated::Emulated;

/// A network on a target.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OnTarget {
    /// As rustc calls it.
    pub target: String,
    /// What is only read.
    pub flash: Flash,
    /// What is written.
    pub ram: Ram,
    /// Of one inference, estimated from the schedule; `None` for processors that were never counted on.
    pub instructions: Option<u64>,
    /// In order of execution.
    pub blocks: Vec<BlockOnTarget>,
    /// The network is in fixed point by choice.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub in_fixed_point: bool,
    /// What the processor has no instructions for, and the network needs.
    pub emulated: Vec<Emulated>,
    /// Whether it fits into the memory that the user has.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub memory: Option<Fits>,
}

/// Bytes that are only read.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Flash {
    /// The weights file.
    pub weights: u64,
    /// The machine's code and its constants, measured.
    pub code: Option<u64>,
    /// Why it was not measured, and how that can be had.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub not_measured: Option<String>,
}

/// Bytes that are written.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Ram {
    /// The scratch memory.
    pub scratch: u64,
    /// All inputs.
    pub input: u64,
    /// All outputs.
    pub output: u64,
    /// A bound of the stack of one inference, where the frames of all functions are known.
    pub stack: Option<u64>,
}

/// A block on a target.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BlockOnTarget {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// Kernel, stride and extents.
    pub geometry: String,
    /// Estimated.
    pub instructions: Option<u64>,
    /// Which loops compute it.
    pub loops: String,
    /// Why these.
    pub why: String,
}

/// What building it for the target has shown.
#[derive(Clone, Debug)]
pub enum Measured {
    /// Bytes of code and its constants without the weights, and of the deepest stack.
    Built {
        /// Code and constants.
        code: u64,
        /// The stack, if that can be told.
        stack: Option<u64>,
    },
    /// It was not built.
    Not(String),
}

/// Memory of the machine: a name and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Region {
    /// As the linker's script calls it.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What the network takes of it, as far as is known.
    pub needed: u64,
}

/// A network in the memory of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Fits {
    /// Whether all of it has room.
    pub fits: bool,
    /// What is only read lies there.
    pub flash: Region,
    /// What is written lies there.
    pub ram: Region,
}

impl Flash {
    /// As far as it is known.
    pub fn known(&self) -> u64 {
        self.weights + self.code.unwrap_or(0)
    }
}

impl Ram {
    /// As far as it is known.
    pub fn known(&self) -> u64 {
        self.scratch + self.input + self.output + self.stack.unwrap_or(0)
    }
}

impl OnTarget {
    /// Of a model that was compiled for the target.
    pub fn new(output: &Output, target: &Target, measured: Measured) -> Self {
        let network = &output.network;
        let port = |ids: &[TensorId]| {
            let each = ids.iter().map(|&id| network.tensor(id));
            each.map(|t| (t.storage_len() * t.integer().unwrap_or(DType::F32).bytes()) as u64).sum()
        };
        let blocks: Vec<BlockOnTarget> = network
            .blocks
            .iter()
            .zip(&output.schedule.nests)
            .map(|(block, nest)| {
                let (loops, why) = match output.fixed {
                    Some(_) => ("integers of 16 and 32 bits".to_owned(), "fixed point by choice".to_owned()),
                    None => loops(network, block, nest.as_ref(), output.multiply_add, target),
                };
                let counted =
                    if output.fixed.is_some() { None } else { instructions::of(network, block, nest.as_ref(), target) };
                BlockOnTarget {
                    name: block.name.clone(),
                    kind: explain::kind(block),
                    geometry: explain::extents(network, block),
                    instructions: counted,
                    loops,
                    why,
                }
            })
            .collect();
        let (code, stack, not_measured) = match measured {
            Measured::Built { code, stack } => (Some(code), stack, None),
            Measured::Not(why) => (None, None, Some(why)),
        };
        Self {
            target: target.triple().to_owned(),
            flash: Flash { weights: output.parameter_bytes() as u64, code, not_measured },
            ram: Ram {
                scratch: output.scratch_bytes() as u64,
                input: port(&network.inputs),
                output: port(&network.outputs),
                stack,
            },
            instructions: blocks.iter().map(|block| block.instructions).sum(),
            blocks,
            in_fixed_point: output.fixed.is_some(),
            emulated: emulated::all(output, target),
            memory: None,
        }
    }

    /// Puts it into memory: names and bytes of what is only read, and of what is written.
    pub fn put(&mut self, flash: (String, u64), ram: (String, u64)) {
        let region = |(name, bytes): (String, u64), needed| Region { name, bytes, needed };
        let (flash, ram) = (region(flash, self.flash.known()), region(ram, self.ram.known()));
        // One region may hold both.
        let fits = match flash.name == ram.name {
            true => flash.needed + ram.needed <= flash.bytes,
            false => flash.needed <= flash.bytes && ram.needed <= ram.bytes,
        };
        self.memory = Some(Fits { fits, flash, ram });
    }
}

/// Which loops a block has, and why.
fn loops(
    network: &Network,
    block: &Block,
    nest: Option<&Nest>,
    multiply_add: MultiplyAdds,
    target: &Target,
) -> (String, String) {
    let plain = |what: &str| (what.to_owned(), String::new());
    let fused = match target.multiply_add() {
        MultiplyAdd::Instruction => "multiply-add by its instruction",
        MultiplyAdd::Chosen => "multiply-add by its instruction, where there are AVX2 or AVX-512",
        MultiplyAdd::Doubles if multiply_add == MultiplyAdds::Loose => "a product, then a sum: loose by choice",
        MultiplyAdd::Doubles => "multiply-add in f64",
        MultiplyAdd::Integers => "multiply-add in 64-bit integers",
    };
    let (Body::Tiled(tiled), Some(nest)) = (&block.body, nest) else {
        return match &block.body {
            Body::Gate(_) => (fused.to_owned(), "real weights".to_owned()),
            Body::Move(_) => plain("copies"),
            _ if block.is_binary() => plain("words: xor, population count"),
            _ if Cost::of(network, block).real_macs > 0 => (fused.to_owned(), "real weights".to_owned()),
            _ => plain("elements, one by one"),
        };
    };
    match &tiled.source {
        Source::BinaryConv { .. } => match (nest.down, nest.words) {
            (Some(down), _) if down.only => {
                let bits = target.register();
                let what = format!("down the lanes: {bits} channels in a word");
                (what, "rows of weights are cheaper than counts".to_owned())
            }
            (Some(down), _) => {
                let pixels = nest.pixel_lanes.map(|pixels| format!(", pixels as lanes on {}", pixels.levels));
                let pixels = pixels.unwrap_or_default();
                let what = format!("down the lanes on {}{pixels}, else words: xor, population count", down.levels);
                (what, "whichever is faster on each".to_owned())
            }
            (None, words) => match nest.pixel_lanes {
                Some(PixelLanes { levels, .. }) => {
                    let what =
                        format!("down the lanes with pixels as lanes on {levels}, else words: xor, population count");
                    (what, "whichever is faster on each".to_owned())
                }
                None => {
                    ("words: xor, population count".to_owned(), words.map(|why| why.to_string()).unwrap_or_default())
                }
            },
        },
        Source::RealConv { geometry, .. } => {
            let how = match block.arithmetic_name() {
                Some(narrow) if narrow != "f32" => format!("products in {narrow}"),
                _ => fused.to_owned(),
            };
            let why = if is_depthwise(geometry) { "real weights, a channel each" } else { "real weights" };
            (how, why.to_owned())
        }
        Source::MaxPool { .. } | Source::AveragePool { .. } => plain("a window over floats"),
        Source::Map { .. } | Source::Planes { .. } => match target.family() {
            Family::Portable => plain("elements, one by one"),
            _ => plain("elements, 16 at a time"),
        },
    }
}

impl fmt::Display for OnTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flash, ram, .. } = self;
        writeln!(f, "On {}", self.target)?;
        write!(f, "flash   {} of weights", bytes(flash.weights))?;
        match (&flash.code, &flash.not_measured) {
            (Some(code), _) => {
                writeln!(f, " + {} of code as built (opt-level 3) = {}", bytes(*code), bytes(flash.known()))?
            }
            (None, why) => {
                let why = why.as_deref().unwrap_or_default();
                writeln!(f, " + code, which was not measured: {why}")?;
            }
        }
        write!(
            f,
            "ram     {} scratch + {} input + {} output",
            bytes(ram.scratch),
            bytes(ram.input),
            bytes(ram.output)
        )?;
        match ram.stack {
            Some(stack) => writeln!(f, " + at most {} of stack = {}", bytes(stack), bytes(ram.known()))?,
            None => writeln!(f, " = {}, and the stack, which is not known", bytes(ram.known()))?,
        }
        match self.instructions {
            Some(count) => writeln!(
                f,
                "work    about {}instructions: an estimate from the schedule's cost, not counted",
                spaced(count)
            )?,
            None if self.in_fixed_point => writeln!(f, "work    not estimated: that is for networks in f32")?,
            None => writeln!(f, "work    not known: instructions were never counted on such a processor")?,
        }
        self.rows(f)?;
        if self.emulated.is_empty() {
            writeln!(f, "\nNothing is emulated: the processor has instructions for all that the network needs")?;
        } else {
            writeln!(f, "\nEmulated on this processor, and how to avoid it")?;
        }
        for Emulated { what, instead } in &self.emulated {
            writeln!(f, "  {what}\n         -> {instead}")?;
        }
        let Some(Fits { fits, flash, ram }) = &self.memory else { return Ok(()) };
        let word = match (fits, self.flash.code.is_some() && self.ram.stack.is_some()) {
            (false, _) => "does not fit",
            (true, true) => "fits",
            (true, false) => "fits, as far as its size is known",
        };
        writeln!(f, "\nmemory  {word}")?;
        for region in [flash, ram] {
            let Region { name, bytes: all, needed } = region;
            let percent = 100.0 * *needed as f64 / (*all).max(1) as f64;
            writeln!(f, "  {name}: {} of {}, {percent:.0} %", bytes(*needed), bytes(*all))?;
        }
        Ok(())
    }
}

/// With the unit beside the noun: `5.92 M `, `12 `.
fn spaced(count: u64) -> String {
    amount(count as f64) + " "
}

impl OnTarget {
    /// Blocks that are computed alike, the dearest first; a screen of them.
    fn rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 8;
        let mut order: Vec<usize> = (0..self.blocks.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(self.blocks[i].instructions));
        writeln!(
            f,
            "\nBlocks, {}and the loops each got",
            if self.instructions.is_some() { "their instructions, " } else { "" }
        )?;
        let rows: Vec<Vec<String>> = order
            .iter()
            .take(MOST)
            .map(|&i| {
                let block = &self.blocks[i];
                let count = block.instructions.map(|count| amount(count as f64)).unwrap_or_default();
                let why = if block.why.is_empty() { String::new() } else { format!("({})", block.why) };
                vec![
                    format!("  {count:>6}"),
                    short(&block.name, 24),
                    block.kind.clone(),
                    format!("{} {why}", block.loops),
                ]
            })
            .collect();
        f.write_str(&columns(&rows, &[]))?;
        match self.blocks.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => writeln!(f, "  ... and {more} more: `--json` has all"),
        }
    }
}
