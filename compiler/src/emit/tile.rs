//! The steps of a block: what a tile of 16 channels goes through while it is in registers.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::kernel;
use super::memory::Memory;
use super::names::Names;
use super::shapes::Shapes;
use super::text::{float, n};
use crate::ir::network::{
    Activation, Geometry, Interval, Network, PerPixel, PoolKind, Pooled, Source, Step, TensorId, Tiled,
};
use crate::plan::{Blob, LANES, Place};

/// A field of the emitted tile struct.
pub(super) struct Field {
    /// Its name.
    pub(super) name: Ident,
    /// Its type, with lifetime `'a`.
    pub(super) ty: TokenStream,
    /// What the block's function puts in.
    pub(super) value: TokenStream,
    /// Of what all rows do not share: the part that belongs to the first `count` rows, and the rest; in terms of `tile` or
    /// `pooled`, which holds it.
    pub(super) cut: Option<TokenStream>,
}

/// Steps on one grid of pixels, emitted: an `Epilogue`.
#[derive(Default)]
pub(super) struct Steps {
    /// Parameters and tensors.
    pub(super) fields: Vec<Field>,
    /// Body of `Epilogue::start_row`.
    pub(super) start_row: TokenStream,
    /// Body of `Epilogue::tile`; the value is `v`.
    pub(super) body: TokenStream,
    /// Body of `Epilogue::end_row`.
    pub(super) end_row: TokenStream,
    /// Body of `Epilogue::rows`, where these are not all rows.
    pub(super) rows: TokenStream,
    /// Rows, over all images, if they can be divided among threads: then there is a field `band`.
    pub(super) band: Option<usize>,
}

/// A block's steps, emitted.
pub(super) struct Tile {
    /// Up to the pool, if there is one.
    pub(super) steps: Steps,
    /// Behind the pool; the field `pooled` of the tile holds them.
    pub(super) pooled: Option<Steps>,
    /// What a band of rows needs of its own when it is not the first: the field `window`, and the floats of its memory.
    pub(super) window: Option<(Ident, TokenStream, usize)>,
    /// What the block's function does when all rows are there.
    pub(super) after: TokenStream,
    /// True when the tile itself loads the values of a [`Source::Map`], because they are replaced in place.
    pub(super) loads: bool,
}

impl Tile {
    /// Whether its rows can be divided among threads.
    pub(super) fn is_shared(&self) -> bool {
        self.pooled.as_ref().unwrap_or(&self.steps).band.is_some()
    }
}

struct Builder<'a, 'b> {
    names: Names,
    fields: Vec<Field>,
    /// `[n, h, w, c]` of what goes through the steps.
    grid: [usize; 4],
    /// The variable that holds the fields while they are divided.
    holder: Ident,
    /// Where the rows to be divided begin, and how many of them go to the first part; in terms of the variables around.
    cut: [TokenStream; 2],
    /// What the block's function does when all rows are there.
    after: TokenStream,
    /// Fields of dense tensors by place, so that a tensor replaced in place is one field.
    dense: Vec<(Place, Ident)>,
    /// Whether parameters are taken at hand once a row instead of being loaded for each tile: the sums of a binary
    /// convolution are so short that this matters.
    at_hand: bool,
    /// Fields of gates at hand, by place.
    gates: Vec<(Place, Ident)>,
    start_row: TokenStream,
    memory: &'a mut Memory<'b>,
    blob: &'a mut Blob,
}

impl<'a, 'b> Builder<'a, 'b> {
    fn new(grid: [usize; 4], holder: &str, at_hand: bool, memory: &'a mut Memory<'b>, blob: &'a mut Blob) -> Self {
        let holder = format_ident!("{holder}");
        Self {
            names: Names::reserving(["s", "v", "at", "tile", "pooled", "band", "count", "first", "rest", "apart"]),
            fields: Vec::new(),
            grid,
            cut: [quote!(#holder.band.start), quote!(count)],
            holder,
            after: TokenStream::new(),
            dense: Vec::new(),
            at_hand,
            gates: Vec::new(),
            start_row: TokenStream::new(),
            memory,
            blob,
        }
    }

    /// What is stored over an operand comes first: it is one mutable field. The one that holds the values of a
    /// [`Source::Map`], if there is one.
    fn reserve_stored(&mut self, tiled: &Tiled, steps: &[Step]) -> Option<Ident> {
        let reads: Vec<TensorId> =
            std::iter::once(tiled.source.input()).chain(tiled.all_steps().filter_map(Step::read)).collect();
        for step in steps {
            if let Step::Store(t) = step {
                let place = self.memory.place(*t);
                if reads.iter().any(|&r| self.memory.place(r) == place) {
                    self.write(*t, "stream");
                }
            }
        }
        let Source::Map { input } = &tiled.source else { return None };
        let place = self.memory.place(*input);
        self.dense.iter().find(|(p, _)| *p == place).map(|(_, name)| name.clone())
    }

    /// The code of a step, the steps around it known; what it does after a row goes to `end_row`.
    fn step(
        &mut self,
        network: &Network,
        steps: &[Step],
        i: usize,
        interleaved: usize,
        shapes: &mut Shapes,
        end_row: &mut TokenStream,
    ) -> TokenStream {
        let [images, height, _, channels] = self.grid;
        let c = n(channels);
        match &steps[i] {
            // The gate takes it along.
            Step::Scale(_) if matches!(steps.get(i + 1), Some(Step::Gate(_))) => TokenStream::new(),
            Step::Scale(p) => {
                let scale = self.parameter("scale", p);
                quote!(let v = s.mul(v, #scale);)
            }
            Step::Shift(p) => {
                let shift = self.parameter("shift", p);
                quote!(let v = s.add(v, #shift);)
            }
            Step::ScalePixels(p) => {
                let factor = self.per_pixel("factor", p);
                quote!(let v = s.mul(v, #factor);)
            }
            Step::ShiftPixels(p) => {
                let term = self.per_pixel("term", p);
                quote!(let v = s.add(v, #term);)
            }
            Step::Gate(t) => {
                let before = i.checked_sub(1).and_then(|i| steps.get(i));
                let scale = if let Some(Step::Scale(p)) = before { Some(&p[..]) } else { None };
                let gate = self.scaled_gate(*t, scale);
                quote!(let v = s.mul(v, #gate);)
            }
            Step::Activation(Activation::PRelu(p)) => {
                let slope = self.parameter("slope", p);
                quote!(let v = prelu(s, v, #slope);)
            }
            Step::Activation(Activation::Sign(intervals)) => {
                let mask = sign_mask(self, intervals);
                quote!(let v = s.select(#mask, s.splat(1.0), s.splat(-1.0));)
            }
            Step::Activation(Activation::Unary(f)) => {
                let call = f.vector();
                quote!(let v = #call;)
            }
            Step::Add(t) => {
                let skip = self.read(*t, "skip");
                quote!(let v = s.add(v, load_tile(s, self.#skip, #c, at));)
            }
            Step::Mul(t) => {
                let factor = self.read(*t, "factor");
                quote!(let v = s.mul(v, load_tile(s, self.#factor, #c, at));)
            }
            Step::Store(t) => {
                let out = self.write(*t, "out");
                quote!(store_tile(s, self.#out, #c, at, v);)
            }
            Step::Sum(t) => {
                let total = self.memory.write(*t, "sums");
                let rows = if height == 1 {
                    total
                } else {
                    let rows = self.memory.workspace("row_sums", images * height * channels);
                    let height = n(height);
                    self.after.extend(quote!(add_rows(#rows, #height, #c, #total);));
                    rows
                };
                let [_, count] = self.cut.clone();
                let ty = counted(quote!(RowSum), interleaved);
                let sums =
                    self.field("sums", ty, quote!(RowSum::new(#rows, #c)), |sums| Some(quote!(#sums.cut(#count))));
                end_row.extend(quote!(self.#sums.end_row(s, at);));
                quote!(self.#sums.add(s, at, v);)
            }
            Step::Sign { bits, intervals } => {
                let shape = shapes.bits(network.tensor(*bits));
                let words = self.memory.write(*bits, "signs");
                let [start, count] = self.cut.clone();
                let signs = self.field("signs", quote!(BitsMut<'a>), quote!(BitsMut::new(#words, &#shape)), |signs| {
                    Some(quote!(#signs.cut(&#shape, #start, #count)))
                });
                let mask = sign_mask(self, intervals);
                quote!(self.#signs.set(&#shape, at, #mask);)
            }
        }
    }

    /// The expression of a parameter of a tile's channels.
    fn parameter(&mut self, role: &str, values: &[f32]) -> TokenStream {
        let all = self.per_channel(values);
        if self.at_hand {
            let name = self.field(role, quote!(PerChannel<'a>), quote!(PerChannel::new(#all)), |_| None);
            self.start_row.extend(quote!(self.#name.start_row(s, at);));
            quote!(self.#name.get(s))
        } else {
            let name = self.field(role, quote!(&'a [Le<f32>]), all, |_| None);
            quote!(load_channels(s, self.#name, at.channel))
        }
    }

    /// The expression of a parameter of all channels.
    fn per_channel(&mut self, values: &[f32]) -> TokenStream {
        let span = self.blob.per_channel(values);
        let (offset, len) = (n(span.offset), n(span.len));
        quote!(WEIGHTS.floats(#offset, #len))
    }

    /// The expression of what a gate gives a tile's channels, times the scale before it if there is one.
    fn scaled_gate(&mut self, id: TensorId, scale: Option<&[f32]>) -> TokenStream {
        let channels = n(self.grid[3]);
        let place = self.memory.place(id);
        let mut here = None;
        if let Some((_, name)) = self.gates.iter().find(|(p, _)| *p == place) {
            here = Some(quote!(self.#name.get(s)));
        } else if self.dense.iter().any(|(p, _)| *p == place) {
            // A tensor of as many elements: a vector per pixel. Two fields cannot hold it when one of them is written.
            let name = self.read(id, "gate");
            here = Some(quote!(load_tile(s, self.#name, #channels, at)));
        } else if !self.at_hand {
            let all = self.memory.read(id, "gate");
            let name = self.field("gate", quote!(&'a [f32]), all, |_| None);
            here = Some(quote!(load_vector(s, self.#name, #channels, at)));
        }
        if let Some(gate) = here {
            return match scale {
                Some(scale) => {
                    let scale = self.parameter("scale", scale);
                    quote!(s.mul(#scale, #gate))
                }
                None => gate,
            };
        }
        let gate = self.memory.read(id, "gate");
        let value = match scale {
            Some(scale) => {
                let scale = self.per_channel(scale);
                quote!(PerImage::scaled(#gate, #scale, #channels))
            }
            None => quote!(PerImage::new(#gate, #channels)),
        };
        let name = self.field("gate", quote!(PerImage<'a>), value, |_| None);
        self.start_row.extend(quote!(self.#name.start_row(s, at);));
        if scale.is_none() {
            self.gates.push((place, name.clone()));
        }
        quote!(self.#name.get(s))
    }

    /// The parameters of a tile's pixel: whole tiles for each.
    fn per_pixel(&mut self, role: &str, p: &PerPixel) -> TokenStream {
        let [height, width, channels] = p.extents;
        let mut values = Vec::new();
        for pixel in p.values.chunks(channels) {
            values.extend_from_slice(pixel);
            let pad = if channels == 1 { pixel[0] } else { 0.0 };
            values.resize(values.len().next_multiple_of(LANES), pad);
        }
        let span = self.blob.floats(&values);
        let (offset, len) = (n(span.offset), n(span.len));
        let name = self.field(role, quote!(&'a [Le<f32>]), quote!(WEIGHTS.floats(#offset, #len)), |_| None);
        let padded = n(channels.next_multiple_of(LANES));
        let pixel = match (height, width) {
            (1, 1) => None,
            (_, 1) => Some(quote!(at.y * #padded)),
            (1, _) => Some(quote!(at.x * #padded)),
            _ => {
                let width = n(width);
                Some(quote!((at.y * #width + at.x) * #padded))
            }
        };
        let at = match (pixel, channels) {
            (Some(pixel), 1) => pixel,
            (Some(pixel), _) => quote!(#pixel + at.channel),
            (None, 1) => quote!(0),
            (None, _) => quote!(at.channel),
        };
        quote!(load_channels(s, self.#name, #at))
    }

    /// Adds a field; `cut` says how to divide the expression that it is given.
    fn field(
        &mut self,
        role: &str,
        ty: TokenStream,
        value: TokenStream,
        cut: impl FnOnce(TokenStream) -> Option<TokenStream>,
    ) -> Ident {
        let name = self.names.unique(role);
        let holder = &self.holder;
        let cut = cut(quote!(#holder.#name));
        self.fields.push(Field { name: name.clone(), ty, value, cut });
        name
    }

    /// Elements of a row of a dense tensor.
    fn row(&self) -> Literal {
        n(self.grid[2] * self.grid[3])
    }

    fn read(&mut self, id: TensorId, role: &str) -> Ident {
        let place = self.memory.place(id);
        if let Some((_, name)) = self.dense.iter().find(|(p, _)| *p == place) {
            return name.clone();
        }
        let value = self.memory.read(id, role);
        let (row, [_, count]) = (self.row(), self.cut.clone());
        let name = self.field(role, quote!(&'a [f32]), value, |x| Some(quote!(cut(#x, #count * #row))));
        self.dense.push((place, name.clone()));
        name
    }

    fn write(&mut self, id: TensorId, role: &str) -> Ident {
        let place = self.memory.place(id);
        if let Some((_, name)) = self.dense.iter().find(|(p, _)| *p == place) {
            return name.clone();
        }
        let value = self.memory.write(id, role);
        let (row, [_, count]) = (self.row(), self.cut.clone());
        let name = self.field(role, quote!(&'a mut [f32]), value, |x| Some(quote!(cut_mut(#x, #count * #row))));
        self.dense.push((place, name.clone()));
        name
    }
}

/// Emits the steps of a block; `share`: its rows may be divided among threads.
pub(super) fn emit(
    network: &Network,
    tiled: &Tiled,
    mut share: bool,
    memory: &mut Memory<'_>,
    blob: &mut Blob,
    shapes: &mut Shapes,
) -> Tile {
    let (grid, before) = (tiled.source.extents(network), &tiled.steps);
    let at_hand = matches!(tiled.source, Source::BinaryConv { .. });
    let mut b = Builder::new(grid, "tile", at_hand, memory, blob);
    let stride = tiled.pooled.as_ref().and_then(|pooled| rows_of_windows(&pooled.pool.geometry));
    if let Some(stride) = stride {
        let stride = n(stride);
        b.cut = [quote!(tile.pooled.band.start * #stride), quote!(count * #stride)];
    }
    let loads = b.reserve_stored(tiled, before);
    let mut body = TokenStream::new();
    let c = n(grid[3]);
    if let Some(name) = &loads {
        body.extend(quote!(let v = load_tile(s, self.#name, #c, at);));
    }
    let (mut end_row, mut rows) = (TokenStream::new(), TokenStream::new());
    let interleaved = kernel::interleaved(&tiled.source);
    for i in 0..before.len() {
        body.extend(b.step(network, before, i, interleaved, shapes, &mut end_row));
    }
    let mut band = rows_of(grid).filter(|_| share);
    let mut window = None;
    if let Some(Pooled { pool, .. }) = &tiled.pooled {
        // Where windows overlap, so do the bands of rows before the pool, which then must not go anywhere but into windows.
        share &= stride.is_some() || b.fields.iter().all(|field| field.cut.is_none());
        band = None;
        let (method, include_pad) = match pool.kind {
            PoolKind::Max => (quote!(max), None),
            PoolKind::Average { count_include_pad } => (quote!(mean), count_include_pad),
        };
        let shape = shapes.pool(&pool.geometry, include_pad);
        let len = window_len(&pool.geometry, interleaved);
        let memory = b.memory.workspace("window", len);
        let (path, ty) = (quote!(PoolRows), counted(quote!(PoolRows), interleaved));
        let name = b.field("window", ty, quote!(#path::new(#memory)), |x| Some(quote!((#x, #path::new(&mut [])))));
        window = Some((name.clone(), path, len));
        let window = name;
        body.extend(quote!(self.#window.put(s, &#shape, at, v);));
        end_row.extend(quote!(self.#window.#method(s, &#shape, at, &mut self.pooled);));
        rows.extend(quote!(#shape.rows_under(self.pooled.rows())));
    }
    if band.is_some() {
        rows.extend(quote!(self.band.clone()));
    }
    let mut after = b.after;
    let steps = Steps { fields: b.fields, start_row: b.start_row, body, end_row, rows, band };
    let pooled = tiled.pooled.as_ref().map(|Pooled { pool, steps: behind }| {
        let grid = pool.geometry.extents();
        let mut b = Builder::new(grid, "pooled", false, memory, blob);
        b.reserve_stored(tiled, behind);
        let (mut body, mut end_row) = (TokenStream::new(), TokenStream::new());
        for i in 0..behind.len() {
            // A pooled row is given at once.
            body.extend(b.step(network, behind, i, 1, shapes, &mut end_row));
        }
        after.extend(b.after);
        let band = rows_of(grid).filter(|_| share);
        let rows = band.map(|_| quote!(self.band.clone())).unwrap_or_default();
        Steps { fields: b.fields, body, end_row, rows, band, ..Steps::default() }
    });
    Tile { steps, pooled, window, after, loads: loads.is_some() }
}

/// The rows of all images, if there is something to divide.
fn rows_of([images, height, ..]: [usize; 4]) -> Option<usize> {
    Some(images * height).filter(|&rows| rows > 1)
}

/// How many rows belong to each row of the windows of a pool, if each row belongs to exactly one.
fn rows_of_windows(pool: &Geometry) -> Option<usize> {
    let [stride, _] = pool.strides;
    let apart = pool.pads[0] == 0 && pool.dilations[0] == 1 && pool.kernel[0] == stride;
    (apart && pool.input[0] == pool.output[0] * stride).then_some(stride)
}

/// f32s of the rows that the windows of a pool still need, of the channels that the kernel before it has in flight.
pub(crate) fn window_len(pool: &Geometry, interleaved: usize) -> usize {
    let [height, width, _] = pool.input;
    let rows = ((pool.kernel[0] - 1) * pool.dilations[0] + 1).min(height);
    rows * interleaved * width * LANES
}

/// A type of the runtime with its number of interleaved rows, which is 1 by default.
fn counted(ty: TokenStream, interleaved: usize) -> TokenStream {
    if interleaved == 1 {
        return quote!(#ty<'a>);
    }
    let interleaved = n(interleaved);
    quote!(#ty<'a, #interleaved>)
}

/// Compares with the thresholds; a bound that no channel needs is not there.
fn sign_mask(b: &mut Builder<'_, '_>, intervals: &[Interval]) -> TokenStream {
    let pad = Interval { low: 0.0, high: f32::INFINITY };
    let bounds = |f: fn(&Interval) -> f32| -> Vec<f32> { intervals.iter().chain([&pad]).map(f).collect() };
    let (low, high) = (bounds(|i| i.low), bounds(|i| i.high));
    let (low, high) = (&low[..intervals.len()], &high[..intervals.len()]);
    let uniform = |v: &[f32]| v.iter().all(|x| x.to_bits() == v[0].to_bits());
    let mut bound = |role: &str, values: &[f32]| {
        if uniform(values) {
            let value = float(values[0]);
            quote!(s.splat(#value))
        } else {
            b.parameter(role, values)
        }
    };
    let open_above = high.iter().all(|&x| x == f32::INFINITY);
    let open_below = low.iter().all(|&x| x == f32::NEG_INFINITY);
    if open_above {
        let low = bound("low", low);
        quote!(s.ge(v, #low))
    } else if open_below {
        let high = bound("high", high);
        quote!(s.le(v, #high))
    } else {
        let (low, high) = (bound("low", low), bound("high", high));
        quote!(s.within(v, #low, #high))
    }
}
