//! The reader of a network's text, as `{:#}` writes it.

use std::str::FromStr;
use std::sync::Arc;

use super::constants::spelled;
use super::parse::{Details, LARGEST, Read, Rest, dtype, list, many, number, operator};
use crate::ir::network::{
    Activation, BitLayout, BitPadding, Block, Body, Dense, Gate, Geometry, Interval, Move, NetTensor, Network,
    PerPixel, Piece, Pool, PoolKind, Pooled, Products, Quantized, Source, Step, Storage, TensorId, Tiled, Whole,
};
use crate::ir::{Part, Shape, Unary};

impl FromStr for Network {
    type Err = String;

    /// # Errors
    /// The first line that cannot be read, and why.
    fn from_str(text: &str) -> Read<Self> {
        let mut network = Network::default();
        for (at, text) in text.lines().enumerate() {
            let mut rest = Rest(text.trim());
            line(&mut network, &mut rest).map_err(|why| format!("line {}: {why}: {text}", at + 1))?;
        }
        Ok(network)
    }
}

fn line(network: &mut Network, rest: &mut Rest<'_>) -> Read<()> {
    if rest.0.is_empty() || rest.0.starts_with(';') {
        return Ok(());
    }
    if rest.take("network ") {
        network.name = rest.quoted()?;
    } else if rest.take("input ") {
        network.inputs.push(rest.id()?);
    } else if rest.take("output ") {
        network.outputs.push(rest.id()?);
    } else if rest.take("note: ") {
        network.notes.push(std::mem::take(&mut rest.0).to_owned());
    } else if rest.0.starts_with('%') {
        let id = rest.id()?;
        let tensor = rest.tensor()?;
        if network.add_tensor(tensor) != id {
            return Err("tensors are numbered in order".to_owned());
        }
    } else {
        let block = rest.block()?;
        network.blocks.push(block);
    }
    if rest.0.is_empty() { Ok(()) } else { Err(format!("{:?} is not understood", rest.0)) }
}

impl Rest<'_> {
    fn id(&mut self) -> Read<TensorId> {
        self.expect("%")?;
        Ok(TensorId(number(self.word(|c| c.is_ascii_digit()))?))
    }

    fn number<T: FromStr>(&mut self) -> Read<T> {
        number(self.word(|c| c.is_ascii_alphanumeric() || ".+-".contains(c)))
    }

    /// `1,-2,3`
    fn list<T: FromStr>(&mut self) -> Read<Vec<T>> {
        let end = self.0.find(|c: char| !(c.is_ascii_digit() || c == ',' || c == '-')).unwrap_or(self.0.len());
        // The comma before what follows is none of the list.
        let text = self.0[..end].trim_end_matches(',').to_owned();
        self.expect(&text)?;
        list(&text)
    }

    /// `1x2x3`
    fn extents(&mut self) -> Read<Shape> {
        let text = self.word(|c| c.is_ascii_digit() || c == 'x');
        text.split('x').filter(|part| !part.is_empty()).map(number).collect()
    }

    fn tensor(&mut self) -> Read<NetTensor> {
        let name = self.quoted()?;
        let word = self.word(|c| c.is_ascii_alphanumeric()).to_owned();
        self.expect("[")?;
        let shape = self.extents()?;
        self.expect("]")?;
        let storage = if word == "bits" {
            let mut layout = BitLayout { groups: 1, frame: [0; 4], frame_ones: false };
            if self.take("in ") {
                layout.groups = self.number()?;
                self.expect("groups")?;
            }
            if self.take("frame ") {
                layout.frame = many(self.list()?)?;
                self.expect("of ")?;
                layout.frame_ones = self.number::<u8>()? == 1;
            }
            Storage::Bits(layout)
        } else {
            Storage::Dense(dtype(&word)?)
        };
        Ok(NetTensor { name, shape, storage, origin: self.origin()? })
    }

    fn block(&mut self) -> Read<Block> {
        let name = self.quoted()?;
        self.expect(":")?;
        let body = if self.0.starts_with('%') { self.written()? } else { self.tiled()?.into() };
        self.expect("#")?;
        let said = std::mem::take(&mut self.0);
        let (parts, reason) = match said.split_once('(') {
            Some((parts, reason)) => {
                (parts, Some(reason.strip_suffix(')').ok_or("a reason is not closed")?.to_owned()))
            }
            None => (said, None),
        };
        let parts = parts.split_whitespace().map(Part::from).collect();
        Ok(Block { name, body, parts, reason })
    }

    /// `%1 = ...`
    fn written(&mut self) -> Read<Body> {
        let output = self.id()?;
        self.expect("=")?;
        let word = self.word(|c| c.is_ascii_alphanumeric() || c == '_').to_owned();
        self.expect("(")?;
        Ok(match &word[..] {
            "gate" => {
                let sums = self.id()?;
                self.expect("):")?;
                let first = self.dense()?;
                self.expect(",")?;
                let hidden = self.function()?;
                self.expect(",")?;
                let second = self.dense()?;
                self.expect(",")?;
                Gate { sums, first, hidden, second, squash: self.function()?, output }.into()
            }
            "copy" => {
                let fill = if self.take("fill ") { Some(self.number()?) } else { None };
                let mut pieces = Vec::new();
                while !self.take(")") {
                    self.take(";");
                    pieces.push(self.piece()?);
                }
                Move::Copy { fill, pieces, output }.into()
            }
            "reshape" => {
                let input = self.id()?;
                self.expect(")")?;
                Move::Reshape { input, output }.into()
            }
            "lookup" => {
                let rows = self.id()?;
                self.expect(", ")?;
                let extents = self.until(", ")?.split('x').map(number).collect::<Read<Vec<usize>>>()?;
                let extents = extents.try_into().map_err(|_| "three extents of a table")?;
                let table = Arc::new(self.floats()?);
                self.expect(")")?;
                Move::Lookup { rows, table, extents, output }.into()
            }
            "convert" => {
                let input = self.id()?;
                self.expect(")")?;
                Move::Convert { input, output }.into()
            }
            "bit_product" => Move::BitProduct { inputs: self.ids()?, output }.into(),
            "bit_join" => Move::BitJoin { inputs: self.ids()?, output }.into(),
            "bit_max_pool" => {
                let input = self.id()?;
                self.expect(")")?;
                Move::BitMaxPool { input, output, geometry: self.geometry()? }.into()
            }
            _ => {
                let inputs = self.ids()?;
                let details = if self.take("{") { self.until("}")? } else { "" };
                Whole { op: operator(&word, &Details::new(details))?, inputs, output }.into()
            }
        })
    }

    /// `%1, %2)`
    fn ids(&mut self) -> Read<Vec<TensorId>> {
        let mut ids = Vec::new();
        while !self.take(")") {
            ids.push(self.id()?);
            self.take(",");
        }
        Ok(ids)
    }

    fn piece(&mut self) -> Read<Piece> {
        let input = self.id()?;
        self.expect("+")?;
        let input_offset = self.number()?;
        self.expect("by ")?;
        let input_strides = self.list()?;
        self.expect("to ")?;
        let output_offset = self.number()?;
        self.expect("by ")?;
        let output_strides = self.list()?;
        self.expect(",")?;
        Ok(Piece { input, input_offset, input_strides, output_offset, output_strides, extents: self.extents()? })
    }

    fn tiled(&mut self) -> Read<Tiled> {
        let mut tiled = Tiled::new(self.source()?, Vec::new());
        while self.take("->") {
            let kind = if self.take("max_pool ") {
                PoolKind::Max
            } else if self.take("average_pool ") {
                PoolKind::Average { count_include_pad: None }
            } else {
                let steps = self.steps()?;
                tiled.pooled.as_mut().map_or(&mut tiled.steps, |pooled| &mut pooled.steps).extend(steps);
                continue;
            };
            let geometry = self.geometry()?;
            let kind = match kind {
                PoolKind::Max => PoolKind::Max,
                PoolKind::Average { .. } => PoolKind::Average { count_include_pad: self.counted()? },
            };
            if tiled.pooled.is_some() {
                return Err("a second pool".to_owned());
            }
            tiled.pooled = Some(Pooled { pool: Pool { kind, geometry }, steps: Vec::new() });
        }
        Ok(tiled)
    }

    fn source(&mut self) -> Read<Source> {
        let word = self.word(|c| c.is_ascii_alphanumeric() || c == '_').to_owned();
        self.expect("(")?;
        let input = self.id()?;
        Ok(match &word[..] {
            "binary_conv" => {
                self.expect(",")?;
                // The bracket of a spelling has no space behind it.
                let end = self.0.find(") ").ok_or("weights are not closed")?;
                let weights = Details::new(&self.0[..end]).weights()?;
                self.0 = self.0[end + 1..].trim_start();
                let geometry = self.geometry()?;
                self.expect("of ")?;
                let padding = match self.number::<i8>()? {
                    0 => BitPadding::Zero,
                    1 => BitPadding::Plus,
                    _ => BitPadding::Minus,
                };
                Source::BinaryConv { input, geometry, weights, padding }
            }
            "conv" => {
                let planar = self.take("in planes");
                self.expect(",")?;
                let weights = Arc::new(self.floats()?);
                self.expect(")")?;
                let geometry = self.geometry()?;
                Source::RealConv { input, planar, geometry, weights, products: self.products()? }
            }
            _ => {
                self.expect(")")?;
                match &word[..] {
                    "max_pool" => Source::MaxPool { input, geometry: self.geometry()? },
                    "average_pool" => {
                        let geometry = self.geometry()?;
                        Source::AveragePool { input, geometry, count_include_pad: self.counted()? }
                    }
                    "map" => Source::Map { input },
                    "planes" => Source::Planes { input },
                    other => return Err(format!("{other:?} is no source")),
                }
            }
        })
    }

    fn products(&mut self) -> Read<Products> {
        if self.take("in bf16 by ") {
            return Ok(Products::Bf16 { narrow: self.id()? });
        }
        let of_file = self.take("in the file's int8 by ");
        if !of_file && !self.take("in int8 by ") {
            return Ok(Products::F32);
        }
        let narrow = self.id()?;
        self.expect(": *")?;
        let inverse_scale = self.number()?;
        self.expect("+ ")?;
        let zero_point = self.number()?;
        self.expect(", weights [")?;
        let weights = list(self.until("]")?)?;
        Ok(Products::Int8 { narrow, quantized: Arc::new(Quantized { inverse_scale, zero_point, weights, of_file }) })
    }

    fn counted(&mut self) -> Read<Option<[usize; 2]>> {
        if self.take("counting ") { Ok(Some(many(self.list()?)?)) } else { Ok(None) }
    }

    /// `1x56x56x64 -> 56x56x64 3x3/2,2 pad 1,1`
    fn geometry(&mut self) -> Read<Geometry> {
        let [n, h, w, c] = many(self.extents()?)?;
        self.expect("->")?;
        let (output, kernel) = (many(self.extents()?)?, many(self.extents()?)?);
        let (strides, dilations, pads, groups) = ([1, 1], [1, 1], [0, 0], 1);
        let mut g = Geometry { n, input: [h, w, c], output, kernel, strides, dilations, pads, groups };
        if self.take("/") {
            g.strides = many(self.list()?)?;
        }
        if self.take("dilated ") {
            g.dilations = many(self.list()?)?;
        }
        if self.take("pad ") {
            g.pads = many(self.list()?)?;
        }
        if self.0.strip_prefix("in ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            self.expect("in ")?;
            g.groups = self.number()?;
            self.expect("groups")?;
        }
        Ok(g)
    }

    fn steps(&mut self) -> Read<Vec<Step>> {
        let mut steps = vec![self.step()?];
        while self.take(",") {
            steps.push(self.step()?);
        }
        Ok(steps)
    }

    fn step(&mut self) -> Read<Step> {
        for (word, plain, pixels) in [
            ("scale ", Step::Scale as fn(_) -> _, Step::ScalePixels as fn(_) -> _),
            ("shift ", Step::Shift as fn(_) -> _, Step::ShiftPixels as fn(_) -> _),
        ] {
            if self.take(word) {
                let values = Arc::new(self.floats()?);
                return Ok(match self.take("of ") {
                    true => pixels(PerPixel { extents: many(self.extents()?)?, values }),
                    false => plain(values),
                });
            }
        }
        for (word, make) in [
            ("gate ", Step::Gate as fn(_) -> _),
            ("add ", Step::Add as fn(_) -> _),
            ("mul ", Step::Mul as fn(_) -> _),
            ("store ", Step::Store as fn(_) -> _),
            ("sum ", Step::Sum as fn(_) -> _),
        ] {
            if self.take(word) {
                return Ok(make(self.id()?));
            }
        }
        if self.take("prelu ") {
            return Ok(Step::Activation(Activation::PRelu(Arc::new(self.floats()?))));
        }
        if self.take("sign ") {
            if !self.0.starts_with('%') {
                return Ok(Step::Activation(Activation::Sign(Arc::new(self.intervals()?))));
            }
            return Ok(Step::Sign { bits: self.id()?, intervals: Arc::new(self.intervals()?) });
        }
        Ok(Step::Activation(Activation::Unary(self.function()?)))
    }

    /// `Relu`, `Clip(0.0, 6.0)`
    fn function(&mut self) -> Read<Unary> {
        let word = self.word(|c| c.is_ascii_alphanumeric());
        let spelling = Unary::spelling(word).ok_or_else(|| format!("{word:?} is no function"))?;
        let mut parameters = [0.0; 2];
        if self.take("(") {
            for (parameter, text) in parameters.iter_mut().zip(self.until(")")?.split(',')) {
                *parameter = number(text)?;
            }
        }
        Ok((spelling.make)(parameters))
    }

    fn dense(&mut self) -> Read<Dense> {
        self.expect("dense ")?;
        let inputs = number(self.until("->")?)?;
        let outputs = self.number()?;
        let weights = Arc::new(self.floats()?);
        self.expect("+ ")?;
        Ok(Dense { inputs, outputs, weights, bias: Arc::new(self.floats()?) })
    }

    /// `[0.5, 0.25]`, `[0.5; 64]`, `[random(7); 64]`
    fn floats(&mut self) -> Read<Vec<f32>> {
        self.expect("[")?;
        let text = self.until("]")?;
        let Some((one, count)) = text.split_once(';') else { return list(text) };
        let count = number::<usize>(count)?.min(LARGEST);
        match spelled(one, count) {
            Some(values) => Ok(values),
            None => Ok(vec![number(one)?; count]),
        }
    }

    /// `[>= 0.5, <= 0.5]`, `[>= 0.0; 64]`
    fn intervals(&mut self) -> Read<Vec<Interval>> {
        self.expect("[")?;
        let text = self.until("]")?;
        let one = |text: &str| -> Read<Interval> {
            let text = text.trim();
            let (low, high) = match text {
                "always" => (f32::NEG_INFINITY, f32::INFINITY),
                "never" => (f32::INFINITY, f32::NEG_INFINITY),
                _ => match (text.strip_prefix("<= "), text.strip_prefix(">= "), text.split_once(" to ")) {
                    (Some(high), ..) => (f32::NEG_INFINITY, number(high)?),
                    (_, Some(low), _) => (number(low)?, f32::INFINITY),
                    (_, _, Some((low, high))) => (number(low)?, number(high)?),
                    _ => return Err(format!("{text:?} is no threshold")),
                },
            };
            Ok(Interval { low, high })
        };
        match text.split_once(';') {
            Some((text, count)) => Ok(vec![one(text)?; number::<usize>(count)?.min(LARGEST)]),
            None => text.split(',').map(one).collect(),
        }
    }
}
