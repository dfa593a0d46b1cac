//! The rules of a network.

use std::collections::HashSet;

use super::Faults;
use crate::diagnostics::Diagnostics;
use crate::ir::network::{
    Activation, BitLayout, BitPadding, Block, Body, Dense, Gate, Geometry, Move, Network, PerPixel, Piece, Pooled,
    Products, Source, Step, Storage, TensorId, Tiled, Whole,
};
use crate::ir::{DType, Unary, Value};
use crate::ops;

/// Checks a network; `when` says what it comes from.
///
/// 1. Handles are those of tensors that exist; tensors have names of their own; bits are `[n, h, w, c]`, their groups equal parts of
///    the channels.
/// 2. Blocks run in order: what a block reads is an input, or written by a block before it; a tensor is written by one block;
///    outputs are written; nobody else touches what a block needs only while it runs.
/// 3. Operands have the storage and the extents that the geometry says: bits are framed for the convolution that reads them.
/// 4. Parameters are as many as their channels, pixels or taps, and no numbers that cannot be written (NaN).
/// 5. A pool is in blocks whose source gives rows; a whole operator has a form, and its result the shape of its rule.
/// 6. Copies stay inside what they read and write.
///
/// # Errors
/// All that does not hold.
pub fn network(network: &Network, when: &str) -> Result<(), Diagnostics> {
    let mut faults = Faults::new(when);
    let blocks = || network.blocks.iter();
    let exists = |id: &TensorId| (id.0 as usize) < network.tensors.len();
    let ids = blocks().flat_map(|b| b.reads().into_iter().chain(b.writes()).chain(b.workspace()));
    if let Some(id) = ids.chain(network.inputs.iter().chain(&network.outputs).copied()).find(|id| !exists(id)) {
        // Nothing else can be asked.
        faults.add(None, format!("there is no tensor {id}"));
        return faults.result();
    }
    let mut names = HashSet::new();
    for tensor in &network.tensors {
        let place = format!("tensor \"{}\"", tensor.name);
        if !names.insert(&tensor.name) {
            faults.add(place.clone(), "there is another of that name");
        }
        if let Storage::Bits(layout) = &tensor.storage
            && !matches!(tensor.shape[..], [_, _, _, c] if layout.groups > 0 && c.is_multiple_of(layout.groups))
        {
            faults.add(place, format!("bits of shape {:?} in {} groups", tensor.shape, layout.groups));
        }
    }
    if faults.found.has_errors() {
        // What follows divides by these.
        return faults.result();
    }
    order(network, &mut faults);
    for block in blocks() {
        let mut found = Vec::new();
        Rules { network, found: &mut found }.block(block);
        for what in found {
            faults.add(place(block), what);
        }
    }
    faults.result()
}

fn place(block: &Block) -> String {
    format!("block \"{}\"", block.name)
}

fn order(network: &Network, faults: &mut Faults) {
    let name = |id: TensorId| &network.tensor(id).name;
    let mut known: HashSet<TensorId> = HashSet::new();
    for &id in &network.inputs {
        if !known.insert(id) || !matches!(network.tensor(id).storage, Storage::Dense(_)) {
            faults.add(format!("input \"{}\"", name(id)), "it is bits, or there twice");
        }
    }
    for block in &network.blocks {
        for id in block.reads() {
            if !known.contains(&id) {
                faults.add(place(block), format!("it reads \"{}\", which no block before it writes", name(id)));
            }
        }
        let writes = block.writes();
        if writes.is_empty() {
            faults.add(place(block), "it writes nothing");
        }
        for id in writes.into_iter().chain(block.workspace()) {
            if !known.insert(id) {
                faults.add(place(block), format!("\"{}\" is written before already", name(id)));
            }
        }
    }
    let spaces: HashSet<TensorId> = network.blocks.iter().filter_map(Block::workspace).collect();
    for block in &network.blocks {
        for id in block.reads().into_iter().filter(|id| spaces.contains(id)) {
            faults.add(place(block), format!("it reads \"{}\", which is another block's while it runs", name(id)));
        }
    }
    let mut outputs = HashSet::new();
    for &id in &network.outputs {
        let place = format!("output \"{}\"", name(id));
        if !known.contains(&id) || network.inputs.contains(&id) {
            faults.add(place.clone(), "no block writes it");
        }
        if !outputs.insert(id) || !matches!(network.tensor(id).storage, Storage::Dense(_)) {
            faults.add(place, "it is bits, or there twice");
        }
    }
}

/// Looks at one block.
struct Rules<'a> {
    network: &'a Network,
    found: &'a mut Vec<String>,
}

impl Rules<'_> {
    fn block(&mut self, block: &Block) {
        match &block.body {
            Body::Tiled(tiled) => self.tiled(tiled),
            Body::Gate(gate) => self.gate(gate),
            Body::Move(moved) => self.moved(moved),
            Body::Whole(whole) => self.whole(whole),
        }
    }

    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.found.push(what());
        }
    }

    /// A tensor of so many f32s.
    fn floats(&mut self, id: TensorId, count: usize, role: &str) {
        let tensor = self.network.tensor(id);
        let holds = tensor.storage == Storage::Dense(DType::F32) && tensor.storage_len() == count;
        self.must(holds, || format!("{role} \"{}\" is {tensor}, not {count} floats", tensor.name));
    }

    fn dense(&mut self, id: TensorId, role: &str) {
        let tensor = self.network.tensor(id);
        self.must(matches!(tensor.storage, Storage::Dense(_)), || format!("{role} \"{}\" is bits", tensor.name));
    }

    /// Bits that a window of that geometry reads.
    fn bits(&mut self, id: TensorId, g: &Geometry, role: &str) -> Option<BitLayout> {
        let tensor = self.network.tensor(id);
        let Storage::Bits(layout) = &tensor.storage else {
            self.found.push(format!("{role} \"{}\" is not bits", tensor.name));
            return None;
        };
        let [h, w, c] = g.input;
        self.must(tensor.shape == [g.n, h, w, c], || {
            format!("{role} \"{}\" is {tensor}, where the geometry is {g}", tensor.name)
        });
        let framed = g.reach().iter().zip(&layout.frame).all(|(needed, there)| needed <= there);
        self.must(framed, || format!("{role} \"{}\" is {tensor}, a frame too narrow for {g}", tensor.name));
        Some(layout.clone())
    }

    /// A geometry that can be slid at all.
    fn geometry(&mut self, g: &Geometry) -> bool {
        let positive = [g.n, g.groups]
            .into_iter()
            .chain([g.input, g.output].concat())
            .chain([g.kernel, g.strides, g.dilations].concat())
            .all(|extent| extent > 0);
        let holds = positive && g.input[2].is_multiple_of(g.groups) && g.output[2].is_multiple_of(g.groups);
        self.must(holds, || format!("the geometry {g} is none"));
        holds
    }

    fn pool(&mut self, g: &Geometry) {
        if self.geometry(g) {
            self.must(g.input[2] == g.output[2] && g.groups == g.input[2], || {
                format!("a pool from {g} mixes channels")
            });
        }
    }

    fn numbers(&mut self, values: &[f32], count: usize, what: &str) {
        self.must(values.len() == count, || format!("{} numbers of {what}, where {count} are needed", values.len()));
        self.must(!values.iter().any(|v| v.is_nan()), || format!("NaN among the numbers of {what}"));
    }

    fn function(&mut self, function: &Unary) {
        self.must(!function.parameters().iter().any(|v| v.is_nan()), || format!("{} of NaN", function.name()));
    }

    fn tiled(&mut self, Tiled { source, steps, pooled }: &Tiled) {
        let Some(grid) = self.source(source) else { return };
        self.steps(steps, grid);
        if let Some(Pooled { pool, steps }) = pooled {
            let g = &pool.geometry;
            self.must(source.gives_rows(), || {
                "a pool behind a source that does not give its rows one by one".to_owned()
            });
            self.must([g.n, g.input[0], g.input[1], g.input[2]] == grid, || format!("a pool from {g} of {grid:?}"));
            self.pool(g);
            self.steps(steps, g.extents());
        }
    }

    /// Gives the extents of its values, where they make sense.
    fn source(&mut self, source: &Source) -> Option<[usize; 4]> {
        if let Some(g) = source.geometry()
            && !self.geometry(g)
        {
            return None;
        }
        let taps = |g: &Geometry| g.output[2] * g.kernel[0] * g.kernel[1] * (g.input[2] / g.groups);
        let elements = |g: &Geometry| g.n * g.input.iter().product::<usize>();
        match source {
            Source::BinaryConv { input, geometry: g, weights, padding } => {
                let layout = self.bits(*input, g, "its input")?;
                self.must(layout.groups == g.groups, || format!("bits in {} groups for {g}", layout.groups));
                let plus = *padding == BitPadding::Plus;
                self.must(g.reach() == [0; 4] || layout.frame_ones == plus, || {
                    format!("a frame of {} for a padding of {padding:?}", u8::from(layout.frame_ones))
                });
                self.must(weights.signs.len() == taps(g), || format!("{} weights for {g}", weights.signs.len()));
            }
            Source::RealConv { input, planar, geometry: g, weights, products } => {
                self.floats(*input, elements(g), "its input");
                self.must(weights.len() == taps(g), || format!("{} weights for {g}", weights.len()));
                let shape = &self.network.tensor(*input).shape;
                let [h, w, c] = g.input;
                let planes = !*planar || g.groups == 1 && shape[..] == [g.n, c, h, w];
                self.must(planes, || format!("the planes of a tensor of shape {shape:?} for {g}"));
                if let Some(narrow) = products.narrow() {
                    self.floats(narrow, g.narrow_words(products.arithmetic().size()), "its workspace");
                    self.must(g.groups == 1, || "narrow numbers in groups".to_owned());
                }
                if let Products::Int8 { quantized, .. } = products {
                    let count = quantized.weights.len();
                    self.must(count == taps(g), || format!("{count} integers for {g}"));
                    self.numbers(&[quantized.inverse_scale], 1, "a scale");
                }
            }
            Source::MaxPool { input, geometry: g } | Source::AveragePool { input, geometry: g, .. } => {
                self.floats(*input, elements(g), "its input");
                self.pool(g);
            }
            Source::Map { input } => self.floats(*input, self.network.tensor(*input).storage_len(), "its input"),
            Source::Planes { input } => {
                let tensor = self.network.tensor(*input);
                self.floats(*input, tensor.storage_len(), "its input");
                self.must(tensor.shape.len() == 4, || format!("the planes of a tensor of shape {:?}", tensor.shape));
            }
        }
        Some(source.extents(self.network))
    }

    fn steps(&mut self, steps: &[Step], grid: [usize; 4]) {
        let [images, h, w, c] = grid;
        let all = images * h * w * c;
        for step in steps {
            match step {
                Step::Scale(p) | Step::Shift(p) | Step::Activation(Activation::PRelu(p)) => {
                    self.numbers(p, c, "a step");
                }
                Step::ScalePixels(p) | Step::ShiftPixels(p) => self.per_pixel(p, [h, w, c]),
                Step::Activation(Activation::Unary(function)) => self.function(function),
                Step::Activation(Activation::Sign(intervals)) => {
                    self.must(intervals.len() == c, || format!("{} thresholds for {c} channels", intervals.len()));
                }
                Step::Gate(t) => self.floats(*t, images * c, "the gate"),
                Step::Add(t) | Step::Mul(t) => self.floats(*t, all, "the operand"),
                Step::Store(t) => self.floats(*t, all, "the result"),
                Step::Sum(t) => self.floats(*t, images * c, "the sums"),
                Step::Sign { bits, intervals } => {
                    let tensor = self.network.tensor(*bits);
                    let fits = match &tensor.storage {
                        Storage::Bits(layout) if layout.frame == [0; 4] => {
                            tensor.shape.iter().product::<usize>() == all && tensor.shape[3] == c
                        }
                        // A frame needs to know where an image's rows end.
                        Storage::Bits(_) => tensor.shape[..] == grid,
                        Storage::Dense(_) => false,
                    };
                    self.must(fits, || format!("the signs \"{}\" of {grid:?} are {tensor}", tensor.name));
                    self.must(intervals.len() == c, || format!("{} thresholds for {c} channels", intervals.len()));
                }
            }
        }
    }

    fn per_pixel(&mut self, p: &PerPixel, pixels: [usize; 3]) {
        let fits = p.extents.iter().zip(&pixels).all(|(own, all)| *own == 1 || own == all);
        self.must(fits, || format!("numbers of {:?} for pixels of {pixels:?}", p.extents));
        self.numbers(&p.values, p.extents.iter().product(), "a step");
    }

    fn gate(&mut self, Gate { sums, first, hidden, second, squash, output }: &Gate) {
        let images = self.network.tensor(*sums).shape.first().copied().unwrap_or(0);
        self.floats(*sums, images * first.inputs, "its sums");
        self.floats(*output, images * second.outputs, "its result");
        self.must(first.outputs == second.inputs && images * first.inputs * first.outputs * second.outputs > 0, || {
            format!("layers {first} and {second}")
        });
        for Dense { inputs, outputs, weights, bias } in [first, second] {
            self.numbers(weights, inputs * outputs, "a layer");
            self.numbers(bias, *outputs, "a bias");
        }
        for function in [hidden, squash] {
            self.must(function.takes_floats(), || format!("{} of floats", function.name()));
            self.function(function);
        }
    }

    fn moved(&mut self, moved: &Move) {
        match moved {
            Move::Copy { fill, pieces, output } => {
                self.numbers(fill.as_slice(), fill.iter().len(), "a fill");
                self.floats(*output, self.network.tensor(*output).storage_len(), "its result");
                let len = self.network.tensor(*output).storage_len();
                pieces.iter().for_each(|piece| self.piece(piece, len));
                let covered: usize = pieces.iter().map(|piece| piece.extents.iter().product::<usize>()).sum();
                self.must(fill.is_some() || covered == len, || format!("{covered} elements are copied into {len}"));
            }
            Move::Reshape { input, output } => {
                let (from, to) = (self.network.tensor(*input), self.network.tensor(*output));
                let same = from.storage == to.storage && from.storage_len() == to.storage_len();
                self.must(same && matches!(from.storage, Storage::Dense(_)), || {
                    format!("{from} under the shape of {to}")
                });
            }
            Move::Lookup { rows, table, extents: [outer, count, inner], output } => {
                self.numbers(table, outer * count * inner, "a table");
                let wanted = self.network.tensor(*rows).storage_len();
                self.floats(*rows, wanted, "its rows");
                self.floats(*output, outer * wanted * inner, "its result");
                self.must(*count > 0, || "a table without rows".to_owned());
            }
            Move::Convert { input, output } => {
                let (from, to) = (self.network.tensor(*input), self.network.tensor(*output));
                let dense = matches!((&from.storage, &to.storage), (Storage::Dense(_), Storage::Dense(_)));
                self.must(dense && from.storage_len() == to.storage_len(), || format!("{from} as {to}"));
            }
            Move::BitProduct { inputs, output } => {
                let to = self.network.tensor(*output);
                for &id in inputs.iter().chain([output]) {
                    let tensor = self.network.tensor(id);
                    let fits = matches!(&tensor.storage, Storage::Bits(layout) if layout.groups == 1)
                        && tensor.shape.len() == 4
                        && tensor.shape == to.shape;
                    self.must(fits, || format!("{tensor} among the factors of {to}"));
                }
                self.must(inputs.len() > 1, || format!("{} factors", inputs.len()));
            }
            Move::BitJoin { inputs, output } => {
                let to = self.network.tensor(*output);
                let mut channels = 0;
                for &id in inputs.iter().chain([output]) {
                    let tensor = self.network.tensor(id);
                    let fits = matches!(&tensor.storage, Storage::Bits(layout) if layout.groups == 1)
                        && tensor.shape.len() == 4
                        && tensor.shape[..3] == to.shape[..3];
                    self.must(fits, || format!("{tensor} among the parts of {to}"));
                    channels += tensor.shape.get(3).copied().unwrap_or(0);
                }
                let whole = to.shape.get(3).copied().unwrap_or(0);
                self.must(!inputs.is_empty() && channels == 2 * whole, || {
                    format!("{} channels are joined to {whole}", channels - whole)
                });
            }
            Move::BitMaxPool { input, output, geometry: g } => {
                if !self.geometry(g) {
                    return;
                }
                self.bits(*input, g, "its input");
                let to = self.network.tensor(*output);
                let fits = matches!(to.storage, Storage::Bits(_)) && to.shape[..] == g.extents();
                self.must(fits, || format!("its result is {to}, where the geometry is {g}"));
            }
        }
    }

    fn piece(&mut self, piece: &Piece, len: usize) {
        let Piece { input, input_offset, input_strides, output_offset, output_strides, extents } = piece;
        self.floats(*input, self.network.tensor(*input).storage_len(), "its operand");
        let rank = extents.len();
        let fits = (input_strides.len(), output_strides.len()) == (rank, rank) && !extents.contains(&0);
        self.must(fits, || format!("a copy of {piece}"));
        if !fits {
            return;
        }
        // The lowest and highest element that is touched.
        let (mut low, mut high, mut last) = (*input_offset as i128, *input_offset as i128, *output_offset as i128);
        for ((&extent, &stride), &to) in extents.iter().zip(input_strides).zip(output_strides) {
            let reach = (extent as i128 - 1) * stride as i128;
            (low, high) = (low + reach.min(0), high + reach.max(0));
            last += (extent as i128 - 1) * to as i128;
        }
        let held = self.network.tensor(*input).storage_len() as i128;
        self.must(low >= 0 && high < held, || format!("a copy reads from {low} to {high} of {held} elements"));
        self.must(last < len as i128, || format!("a copy writes up to {last} of {len} elements"));
    }

    fn whole(&mut self, whole: &Whole) {
        let Whole { op, inputs, output } = whole;
        for &id in inputs.iter().chain([output]) {
            self.dense(id, "its operand or result");
        }
        let operator = ops::of(op);
        let Some(form) = operator.whole() else {
            return self.found.push(format!("{} has no form on whole tensors", op.name()));
        };
        let result = self.network.tensor(*output);
        let operands: Vec<Value> = (inputs.iter().enumerate())
            .map(|(i, &id)| {
                let tensor = self.network.tensor(id);
                let dtype = match tensor.storage {
                    Storage::Dense(DType::F32) if form.is_condition(i) => DType::Bool,
                    Storage::Dense(dtype) => dtype,
                    Storage::Bits(_) => DType::Bool,
                };
                Value { name: tensor.name.clone(), shape: tensor.shape.clone(), dtype, constant: None, origin: None }
            })
            .collect();
        match ops::infer(op, &operands.iter().collect::<Vec<_>>(), Some(&result.shape)) {
            Ok((shape, dtype)) => {
                // An index that is not the caller's is a float that holds it.
                let held = result.storage == Storage::Dense(DType::F32)
                    || dtype == DType::I64 && result.storage == Storage::Dense(DType::I64);
                let fits = shape == result.shape && held;
                self.must(fits, || {
                    format!("its result is {result}, where {dtype:?} {shape:?} follows from its operands")
                });
            }
            Err(diagnostic) => self.found.push(diagnostic.message),
        }
    }
}
