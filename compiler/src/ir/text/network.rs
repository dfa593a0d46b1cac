//! The text of a network: a line per block, for snapshots and for reading.
//!
//! `name: source(operands) geometry -> step, step...   # parts (reason)`. Long parameters are shown by their number and a hash, so
//! that a change of any of them shows.

use std::fmt::{self, Display, Formatter};

use super::constants::spelling;
use super::graph::{bits, details, name_of, origin};
use crate::ir::network::{
    Activation, BitPadding, Block, Body, Dense, Gate, Geometry, Interval, Move, NetTensor, Network, Piece, Pool,
    PoolKind, Pooled, Products, Quantized, Source, Step, Storage, Tiled, Whole,
};

/// `{:#}` writes out all of it, and [`super::parse_network`] reads that back.
impl Display for Network {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "network {:?}", self.name)?;
        for (word, list) in [("input", &self.inputs), ("output", &self.outputs)] {
            for &id in list {
                writeln!(f, "  {word} {id}")?;
            }
        }
        for (i, tensor) in self.tensors.iter().enumerate() {
            writeln!(f, "  %{i} {tensor}{}", origin(tensor.origin.as_ref(), f.alternate()))?;
        }
        for block in &self.blocks {
            write!(f, "  ")?;
            Display::fmt(block, f)?;
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        Ok(())
    }
}

/// `"name" f32[1x56x56x64]`, `"name" bits[1x56x56x64] frame 1,1,1,1 of 0`
impl Display for NetTensor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = match &self.storage {
            Storage::Dense(dtype) => dtype.name(),
            Storage::Bits(_) => "bits",
        };
        write!(f, "{:?} {word}[{}]", self.name, Joined(&self.shape, "x"))?;
        if let Storage::Bits(layout) = &self.storage {
            if layout.groups != 1 {
                write!(f, " in {} groups", layout.groups)?;
            }
            if layout.frame != [0; 4] {
                write!(f, " frame {} of {}", Joined(&layout.frame, ","), u8::from(layout.frame_ones))?;
            }
        }
        Ok(())
    }
}

impl Display for Block {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: ", self.name)?;
        match &self.body {
            Body::Tiled(tiled) => Display::fmt(tiled, f)?,
            Body::Gate(gate) => Display::fmt(gate, f)?,
            Body::Move(moved) => Display::fmt(moved, f)?,
            Body::Whole(whole) => Display::fmt(whole, f)?,
        }
        write!(f, "   # {}", Joined(&self.parts, " "))?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        Ok(())
    }
}

impl Display for Tiled {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.source, f)?;
        if !self.steps.is_empty() {
            write!(f, " -> ")?;
            Display::fmt(&Joined(&self.steps, ", "), f)?;
        }
        if let Some(Pooled { pool, steps }) = &self.pooled {
            write!(f, " -> {pool}")?;
            if !steps.is_empty() {
                write!(f, " -> ")?;
                Display::fmt(&Joined(steps, ", "), f)?;
            }
        }
        Ok(())
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Source::BinaryConv { input, geometry, weights, padding } => {
                let padding = match padding {
                    BitPadding::Zero => "0",
                    BitPadding::Plus => "+1",
                    BitPadding::Minus => "-1",
                };
                let signs = bits(weights, f.alternate()).join(", ");
                write!(f, "binary_conv({input}, {signs}) {geometry} of {padding}")
            }
            Source::RealConv { input, planar, geometry, weights, products } => {
                let planar = if *planar { " in planes" } else { "" };
                write!(f, "conv({input}{planar}, ")?;
                Display::fmt(&Floats(weights), f)?;
                write!(f, ") {geometry}")?;
                match products {
                    Products::F32 => Ok(()),
                    Products::Bf16 { narrow } => write!(f, " in bf16 by {narrow}"),
                    Products::Int8 { narrow, quantized } => {
                        let Quantized { inverse_scale, zero_point, weights, of_file } = &**quantized;
                        let of_file = if *of_file { "the file's " } else { "" };
                        write!(f, " in {of_file}int8 by {narrow}: * {inverse_scale:?} + {zero_point}, weights ")?;
                        match f.alternate() {
                            true => write!(f, "[{}]", Joined(weights, ",")),
                            false => write!(f, "{}", fnv(weights.iter().map(|&w| u32::from(w as u8)))),
                        }
                    }
                }
            }
            Source::MaxPool { input, geometry } => write!(f, "max_pool({input}) {geometry}"),
            Source::AveragePool { input, geometry, count_include_pad } => {
                write!(f, "average_pool({input}) {geometry}")?;
                counted(f, *count_include_pad)
            }
            Source::Map { input } => write!(f, "map({input})"),
            Source::Planes { input } => write!(f, "planes({input})"),
        }
    }
}

impl Display for Gate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Gate { sums, first, hidden, second, squash, output } = self;
        write!(f, "{output} = gate({sums}): ")?;
        Display::fmt(first, f)?;
        write!(f, ", {hidden:?}, ")?;
        Display::fmt(second, f)?;
        write!(f, ", {squash:?}")
    }
}

impl Display for Move {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Move::Copy { fill, pieces, output } => {
                write!(f, "{output} = copy(")?;
                if let Some(fill) = fill {
                    write!(f, "fill {fill:?}{}", if pieces.is_empty() { "" } else { "; " })?;
                }
                write!(f, "{})", Joined(pieces, "; "))
            }
            Move::Reshape { input, output } => write!(f, "{output} = reshape({input})"),
            Move::Lookup { rows, table, extents, output } => {
                write!(f, "{output} = lookup({rows}, {}, ", Joined(extents, "x"))?;
                Display::fmt(&Floats(table), f)?;
                write!(f, ")")
            }
            Move::Convert { input, output } => write!(f, "{output} = convert({input})"),
            Move::BitJoin { inputs, output } => write!(f, "{output} = bit_join({})", Joined(inputs, ", ")),
            Move::BitProduct { inputs, output } => write!(f, "{output} = bit_product({})", Joined(inputs, ", ")),
            Move::BitMaxPool { input, output, geometry } => write!(f, "{output} = bit_max_pool({input}) {geometry}"),
        }
    }
}

impl Display for Whole {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}({})", self.output, name_of(&self.op), Joined(&self.inputs, ", "))?;
        match &details(&self.op, f.alternate())[..] {
            [] => Ok(()),
            details => write!(f, " {{{}}}", details.join(", ")),
        }
    }
}

impl Display for Pool {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.kind {
            PoolKind::Max => write!(f, "max_pool {}", self.geometry),
            PoolKind::Average { count_include_pad } => {
                write!(f, "average_pool {}", self.geometry)?;
                counted(f, count_include_pad)
            }
        }
    }
}

/// The padding at the bottom and right that a mean counts.
fn counted(f: &mut Formatter<'_>, include_pad: Option<[usize; 2]>) -> fmt::Result {
    match include_pad {
        Some(counted) => write!(f, " counting {}", Joined(&counted, ",")),
        None => Ok(()),
    }
}

/// `1x56x56x64 -> 56x56x64 3x3/1 pad 1,1`
impl Display for Geometry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [kh, kw] = self.kernel;
        write!(f, "{}x{} -> {} {kh}x{kw}", self.n, Joined(&self.input, "x"), Joined(&self.output, "x"))?;
        for (word, values, default) in
            [("/", self.strides, [1, 1]), (" dilated ", self.dilations, [1, 1]), (" pad ", self.pads, [0, 0])]
        {
            if values != default {
                write!(f, "{word}{}", Joined(&values, ","))?;
            }
        }
        if self.groups != 1 {
            write!(f, " in {} groups", self.groups)?;
        }
        Ok(())
    }
}

impl Display for Piece {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}+{} by {} to {} by {}, {}",
            self.input,
            self.input_offset,
            Joined(&self.input_strides, ","),
            self.output_offset,
            Joined(&self.output_strides, ","),
            Joined(&self.extents, "x"),
        )
    }
}

impl Display for Dense {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "dense {}->{} ", self.inputs, self.outputs)?;
        Display::fmt(&Floats(&self.weights), f)?;
        write!(f, " + ")?;
        Display::fmt(&Floats(&self.bias), f)
    }
}

impl Display for Activation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Activation::PRelu(slopes) => floats(f, "prelu", slopes),
            Activation::Unary(function) => write!(f, "{function:?}"),
            Activation::Sign(intervals) => {
                write!(f, "sign ")?;
                Display::fmt(&Intervals(intervals), f)
            }
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Step::Scale(p) => floats(f, "scale", p),
            Step::Shift(p) => floats(f, "shift", p),
            Step::ScalePixels(p) => {
                floats(f, "scale", &p.values)?;
                write!(f, " of {}", Joined(&p.extents, "x"))
            }
            Step::ShiftPixels(p) => {
                floats(f, "shift", &p.values)?;
                write!(f, " of {}", Joined(&p.extents, "x"))
            }
            Step::Gate(t) => write!(f, "gate {t}"),
            Step::Activation(activation) => Display::fmt(activation, f),
            Step::Add(t) => write!(f, "add {t}"),
            Step::Mul(t) => write!(f, "mul {t}"),
            Step::Store(t) => write!(f, "store {t}"),
            Step::Sum(t) => write!(f, "sum {t}"),
            Step::Sign { bits, intervals } => {
                write!(f, "sign {bits} ")?;
                Display::fmt(&Intervals(intervals), f)
            }
        }
    }
}

/// Elements with something between them.
struct Joined<'a, T>(&'a [T], &'a str);

impl<T: Display> Display for Joined<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, element) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { self.1 })?;
            element.fmt(f)?;
        }
        Ok(())
    }
}

/// `scale [0.5, 0.25]`
fn floats(f: &mut Formatter<'_>, word: &str, values: &[f32]) -> fmt::Result {
    write!(f, "{word} ")?;
    Display::fmt(&Floats(values), f)
}

/// `[0.5, 0.25]`, on one line whatever else is asked for.
fn list(values: &[f32]) -> String {
    let values: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
    format!("[{}]", values.join(", "))
}

/// A few floats in full, more as number and hash.
struct Floats<'a>(&'a [f32]);

impl Display for Floats<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => write!(f, "[]"),
            [first, rest @ ..] if rest.iter().all(|x| x.to_bits() == first.to_bits()) => {
                write!(f, "[{first:?}; {}]", self.0.len())
            }
            few if few.len() <= 4 => write!(f, "{}", list(few)),
            many if spelling(many).is_some() => write!(f, "[{}; {}]", spelling(many).unwrap_or_default(), many.len()),
            all if f.alternate() => write!(f, "{}", list(all)),
            many => write!(f, "[{}; {}]", fnv(many.iter().map(|x| x.to_bits())), many.len()),
        }
    }
}

/// A few thresholds in full, more as number and hash.
struct Intervals<'a>(&'a [Interval]);

impl Display for Intervals<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let one = |i: &Interval| match (i.low == f32::NEG_INFINITY, i.high == f32::INFINITY) {
            (true, true) => "always".to_owned(),
            (true, false) => format!("<= {:?}", i.high),
            (false, true) => format!(">= {:?}", i.low),
            (false, false) if i.low > i.high => "never".to_owned(),
            (false, false) => format!("{:?} to {:?}", i.low, i.high),
        };
        match self.0 {
            [] => write!(f, "[]"),
            [first, rest @ ..] if rest.iter().all(|i| i == first) => write!(f, "[{}; {}]", one(first), self.0.len()),
            few if few.len() <= 4 || f.alternate() => {
                write!(f, "[{}]", few.iter().map(one).collect::<Vec<_>>().join(", "))
            }
            many => {
                let hash = fnv(many.iter().flat_map(|i| [i.low.to_bits(), i.high.to_bits()]));
                write!(f, "[{hash}; {}]", many.len())
            }
        }
    }
}

/// FNV-1a over words, as eight hexadecimal digits.
fn fnv(words: impl Iterator<Item = u32>) -> String {
    let hash = words
        .flat_map(u32::to_le_bytes)
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("#{hash:08x}")
}
