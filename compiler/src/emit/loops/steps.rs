//! The steps of a block: what the values of a tile go through while they are in registers.
//!
//! A step may need something once (a field of the kernel), something for each block of channels (parameters, in registers),
//! something for each row (the lines it reads and writes), its statement for each pixel, and something behind the last pixel
//! of a row. [`Steps`] collects these, in the order in which they are written.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::views::Views;
use crate::emit::names::Names;
use crate::emit::text::{float, n};
use crate::ir::network::{Activation, Interval, Network, PerPixel, Source, Step, Storage, TensorId, Tiled};
use crate::plan::{Blob, LANES, Place};
use crate::schedule::Grid;

/// A field of a kernel.
pub(super) struct Field {
    /// Its name.
    pub(super) name: Ident,
    /// One line on what it holds, if its name and type do not say it.
    pub(super) text: Option<String>,
    /// Its type, with lifetime `'a`.
    pub(super) ty: TokenStream,
    /// What the block's function puts in.
    pub(super) value: TokenStream,
    /// Whether it is written, and so divided among threads.
    pub(super) is_part: bool,
    /// Its rows that lie under each of the area that threads divide: more than one before a pool.
    pub(super) under: usize,
}

/// The steps on one grid, as statements.
#[derive(Default)]
pub(super) struct Steps {
    /// For each block of channels.
    pub(super) block: TokenStream,
    /// For each row, before its first pixel.
    pub(super) row: TokenStream,
    /// For each pixel `x`, on the values `v`.
    pub(super) pixel: TokenStream,
    /// For each row, behind its last pixel.
    pub(super) row_end: TokenStream,
    /// How many tensors of sign bits are written.
    pub(super) signs: usize,
    /// Whether the source's values are not used, as a step loads them from where it replaces them.
    pub(super) loads: Option<TokenStream>,
}

/// What a kernel is filled with, of its source and of its steps.
pub(super) struct Fields<'a, 'b> {
    network: &'a Network,
    pub(super) list: Vec<Field>,
    pub(super) names: Names,
    pub(super) views: &'a mut Views<'b>,
    pub(super) blob: &'a mut Blob,
    /// What the block's function does when all parts are done.
    pub(super) after: TokenStream,
    pub(super) images: usize,
    /// Whether nobody else has a part of what is written: a field is then the whole tensor, and the view of it is made in the
    /// kernel, where its extents are known.
    pub(super) whole: bool,
    /// The views that are made in the kernel.
    pub(super) made: TokenStream,
    /// Fields of dense tensors by place, so that a tensor replaced in place is one field.
    dense: Vec<(Place, Ident)>,
}

/// Names that loops use for their own.
const LOCAL: &[&str] = &[
    "s",
    "v",
    "x",
    "y",
    "area",
    "block",
    "tile",
    "rows",
    "columns",
    "column",
    "row",
    "differ",
    "line",
    "w",
    "word",
    "self",
    "image",
    "of",
    "p",
    "ky",
    "kx",
    "group",
    "bits",
    "weights",
    "from",
    "lanes",
    "part",
    "next",
    "end",
    "first",
    "kept",
    "taps",
    "values",
    "d",
    "dots",
    "i",
    "set",
    "counts",
    "ones",
    "listed",
    "start",
    "at",
    "before",
    "weight_rows",
    "ends",
    "pooled",
    "there",
    "last",
];

impl<'a, 'b> Fields<'a, 'b> {
    pub(super) fn new(network: &'a Network, images: usize, views: &'a mut Views<'b>, blob: &'a mut Blob) -> Self {
        let names = Names::reserving(LOCAL.iter().copied());
        let (after, made, dense) = (TokenStream::new(), TokenStream::new(), Vec::new());
        Self { network, list: Vec::new(), names, views, blob, after, images, whole: false, made, dense }
    }

    /// Elements of a tensor, in memory.
    pub(super) fn len(&self, id: TensorId) -> usize {
        self.network.tensor(id).storage_len()
    }

    /// A type that there is one of for each image.
    pub(super) fn by_image(&self, ty: &TokenStream) -> TokenStream {
        let images = n(self.images);
        if self.images == 1 { ty.clone() } else { quote!(Table<#ty, #images>) }
    }

    /// That of the image at hand, of an expression for all of them.
    pub(super) fn of_image(&self, all: TokenStream, write: bool) -> TokenStream {
        match (self.images, write) {
            (1, _) => all,
            (_, true) => quote!(&mut #all[image]),
            (_, false) => quote!(&#all[image]),
        }
    }

    /// Adds a field.
    pub(super) fn add(
        &mut self,
        role: &str,
        text: Option<&str>,
        ty: TokenStream,
        value: TokenStream,
        is_part: bool,
    ) -> Ident {
        let name = self.names.unique(role);
        self.list.push(Field { name: name.clone(), text: text.map(str::to_owned), ty, value, is_part, under: 1 });
        name
    }

    /// Adds a field that is written, by a view of the memory: parts of it are divided among threads.
    fn add_written(
        &mut self,
        role: &str,
        memory: (&TokenStream, TokenStream),
        view: (TokenStream, impl Fn(TokenStream) -> TokenStream),
    ) -> Ident {
        let ((memory_ty, memory), (ty, make)) = (memory, view);
        if !self.whole {
            return self.add(role, None, ty, make(memory), true);
        }
        let name = self.add(role, None, quote!(&'a mut #memory_ty), memory, false);
        let made = make(quote!(self.#name));
        self.made.extend(quote!(let mut #name = #made;));
        name
    }

    /// What has the lines of a field.
    pub(super) fn reach(&self, field: &Ident) -> TokenStream {
        let is_made = self.whole && self.list.iter().any(|f| f.name == *field && is_exclusive(&f.ty));
        if is_made { quote!(#field) } else { quote!(self.#field) }
    }

    /// A dense tensor of a grid to read: the name of its field.
    pub(super) fn read(&mut self, id: TensorId, grid: Grid, role: &str) -> Ident {
        let place = self.views.place(id);
        if let Some((_, name)) = self.dense.iter().find(|(p, _)| *p == place) {
            return name.clone();
        }
        let rows = self.by_image(&rows_of(grid));
        let view = self.views.read(id, role, &rows);
        let view = self.of_image(view, false);
        let (w, c) = (n(grid.columns), n(grid.channels));
        let name = self.add(role, None, quote!(Tensor<'a, #w, #c>), quote!(Tensor::new(#view)), false);
        self.dense.push((place, name.clone()));
        name
    }

    /// A dense tensor of a grid to write, and perhaps to read: the name of its field.
    pub(super) fn write(&mut self, id: TensorId, grid: Grid, role: &str) -> Ident {
        let place = self.views.place(id);
        if let Some((_, name)) = self.dense.iter().find(|(p, _)| *p == place) {
            return name.clone();
        }
        let (one, rows) = (rows_of(grid), self.by_image(&rows_of(grid)));
        let view = self.views.write(id, role, &rows);
        let view = self.of_image(view, true);
        let (w, c) = (n(grid.columns), n(grid.channels));
        let made = |memory| quote!(TensorMut::new(#memory));
        let name = self.add_written(role, (&one, view), (quote!(TensorMut<'a, #w, #c>), made));
        self.dense.push((place, name.clone()));
        name
    }

    /// The field of a dense tensor that is at hand.
    pub(super) fn written(&self, id: TensorId) -> Option<Ident> {
        let place = self.views.place(id);
        self.dense.iter().find(|(p, _)| *p == place).map(|(_, name)| name.clone())
    }

    /// A parameter for each channel: the name of its field.
    pub(super) fn per_channel(&mut self, role: &str, values: &[f32]) -> Ident {
        let at = n(self.blob.per_channel(values).offset);
        let blocks = n(values.len().div_ceil(LANES));
        self.add(role, None, quote!(&'a Table<[Le<f32>; 16], #blocks>), quote!(WEIGHTS.at::<#at, _>()), false)
    }
}

/// Whether a type is an exclusive reference.
fn is_exclusive(ty: &TokenStream) -> bool {
    ty.clone().into_iter().any(|token| matches!(token, proc_macro2::TokenTree::Ident(word) if word == "mut"))
}

/// `[[[f32; C]; W]; H]`.
fn rows_of(grid: Grid) -> TokenStream {
    let (h, w, c) = (n(grid.rows), n(grid.columns), n(grid.channels));
    quote!([[[f32; #c]; #w]; #h])
}

/// Writes the steps of a block, on one grid.
pub(super) struct Writer<'f, 'a, 'b> {
    pub(super) fields: &'f mut Fields<'a, 'b>,
    pub(super) network: &'f Network,
    pub(super) grid: Grid,
    pub(super) out: Steps,
    /// Lines that are open, by the field they are of.
    lines: Vec<(Ident, Ident)>,
    /// Parameters at hand.
    at_hand: Vec<(String, Ident)>,
    /// Whether the source leaves signs in `plus` in the place of values.
    pub(super) is_compared: bool,
    /// Whether four lanes at a time take the steps.
    pub(super) by_quarters: bool,
    /// Whether the sums of rows are kept until all are there.
    pub(super) keeps_row_sums: bool,
    /// A tensor that is stored over the start of another, and the field of that.
    pub(super) over: Option<(TensorId, Ident)>,
}

impl<'f, 'a, 'b> Writer<'f, 'a, 'b> {
    pub(super) fn new(fields: &'f mut Fields<'a, 'b>, network: &'f Network, grid: Grid) -> Self {
        let (out, lines, at_hand) = (Steps::default(), Vec::new(), Vec::new());
        let (is_compared, by_quarters, keeps_row_sums) = (false, false, true);
        Self { fields, network, grid, out, lines, at_hand, is_compared, by_quarters, keeps_row_sums, over: None }
    }

    /// What is stored over an operand comes first: it is one exclusive field.
    pub(super) fn reserve_stored(&mut self, tiled: &Tiled, steps: &[Step]) {
        if self.over.is_some() {
            return;
        }
        let reads: Vec<TensorId> =
            std::iter::once(tiled.source.input()).chain(tiled.all_steps().filter_map(Step::read)).collect();
        for step in steps {
            if let Step::Store(t) = step {
                let place = self.fields.views.place(*t);
                if reads.iter().any(|&r| self.fields.views.place(r) == place) {
                    self.fields.write(*t, self.grid, "stream");
                }
            }
        }
        let Source::Map { input } = &tiled.source else { return };
        let place = self.fields.views.place(*input);
        let Some((_, name)) = self.fields.dense.iter().find(|(p, _)| *p == place) else { return };
        let line = self.line(&name.clone());
        self.out.loads = Some(quote!(#line.load(s, x)));
    }

    /// All steps, in order.
    pub(super) fn steps(mut self, steps: &[Step]) -> Steps {
        for i in 0..steps.len() {
            self.step(steps, i);
        }
        self.out
    }

    fn step(&mut self, steps: &[Step], i: usize) {
        let statement = match &steps[i] {
            // The gate takes it along.
            Step::Scale(_) if matches!(steps.get(i + 1), Some(Step::Gate(_))) => return,
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
                let gate = self.gate(*t, scale);
                quote!(let v = s.mul(v, #gate);)
            }
            Step::Activation(Activation::PRelu(p)) => {
                let slope = self.parameter("slope", p);
                // Slopes of at most 1 have the larger of both; not zero, which is NaN with infinity.
                match p.iter().all(|slope| slope.is_finite() && *slope <= 1.0 && *slope != 0.0) {
                    true => quote!(let v = prelu_max(s, v, #slope);),
                    false => quote!(let v = prelu(s, v, #slope);),
                }
            }
            Step::Activation(Activation::Sign(intervals)) => {
                let mask = self.sign_mask(intervals);
                quote!(let v = s.select(#mask, s.splat(1.0), s.splat(-1.0));)
            }
            Step::Activation(Activation::Unary(f)) => {
                let call = f.vector();
                quote!(let v = #call;)
            }
            Step::Add(t) => {
                let name = self.fields.read(*t, self.grid, "skip");
                let line = self.line(&name);
                quote!(let v = s.add(v, #line.load(s, x));)
            }
            Step::Mul(t) => {
                let name = self.fields.read(*t, self.grid, "factor");
                let line = self.line(&name);
                quote!(let v = s.mul(v, #line.load(s, x));)
            }
            Step::Store(t) if self.over.as_ref().is_some_and(|(over, _)| over == t) => {
                let (_, field) = self.over.as_ref().expect("just looked at");
                let (tensor, width) = (self.fields.reach(field), n(self.grid.columns));
                quote!(#tensor.line_over::<#width>(y, block).store(s, x, v);)
            }
            Step::Store(t) => {
                let name = self.fields.write(*t, self.grid, "out");
                let line = self.line(&name);
                quote!(#line.store(s, x, v);)
            }
            Step::Sum(t) => self.sum(*t),
            Step::Sign { bits, intervals } => {
                let mask = if self.is_compared { quote!(plus) } else { self.sign_mask(intervals) };
                let line = self.signs(*bits);
                if self.by_quarters {
                    quote!(#line.set_some(x, s.lanes(), #mask);)
                } else {
                    quote!(#line.set(x, #mask);)
                }
            }
        };
        self.out.pixel.extend(statement);
    }

    /// The line of a field's tensor that is open in this row.
    fn line(&mut self, field: &Ident) -> Ident {
        if let Some((_, line)) = self.lines.iter().find(|(f, _)| f == field) {
            return line.clone();
        }
        let is_written = |f: &Field| f.name == *field && (f.is_part || self.fields.whole && is_exclusive(&f.ty));
        let mutable = self.fields.list.iter().any(is_written).then(|| quote!(mut));
        let tensor = self.fields.reach(field);
        self.out.row.extend(quote!(let #mutable #field = #tensor.line(y, block);));
        self.lines.push((field.clone(), field.clone()));
        field.clone()
    }

    /// A parameter of the block's channels, in a register.
    fn parameter(&mut self, role: &str, values: &[f32]) -> Ident {
        let name = self.fields.per_channel(role, values);
        self.out.block.extend(quote!(let #name = s.load_le(&self.#name[block]);));
        name
    }

    /// What a gate gives the block's channels, times the scale before it if there is one.
    fn gate(&mut self, id: TensorId, scale: Option<&[f32]>) -> TokenStream {
        let place = self.fields.views.place(id);
        if self.fields.dense.iter().any(|(p, _)| *p == place) {
            // A tensor of as many elements: a vector per pixel. Two fields cannot hold it when one of them is written.
            let name = self.fields.read(id, self.grid, "gate");
            let line = self.line(&name);
            return match scale {
                Some(scale) => {
                    let scale = self.parameter("scale", scale);
                    quote!(s.mul(#scale, #line.load(s, x)))
                }
                None => quote!(#line.load(s, x)),
            };
        }
        let key = format!("{place:?}");
        let name = match self.at_hand.iter().find(|(k, _)| *k == key) {
            Some((_, name)) => name.clone(),
            None => {
                let one = Grid { rows: 1, columns: 1, ..self.grid };
                let name = self.fields.read(id, one, "gate");
                self.fields.dense.retain(|(p, _)| *p != place);
                let tensor = self.fields.reach(&name);
                self.out.block.extend(quote!(let #name = #tensor.line(0, block).load(s, 0);));
                self.at_hand.push((key, name.clone()));
                name
            }
        };
        let Some(scale) = scale else { return quote!(#name) };
        let scale = self.fields.per_channel("scale", scale);
        let factor = self.fields.names.unique("factor");
        self.out.block.extend(quote!(let #factor = s.mul(s.load_le(&self.#scale[block]), #name);));
        quote!(#factor)
    }

    /// The parameters of a pixel's channels.
    fn per_pixel(&mut self, role: &str, p: &PerPixel) -> TokenStream {
        let [height, width, channels] = p.extents;
        let mut values = Vec::new();
        for pixel in p.values.chunks(channels) {
            values.extend_from_slice(pixel);
            let pad = if channels == 1 { pixel[0] } else { 0.0 };
            values.resize(values.len().next_multiple_of(LANES), pad);
        }
        let at = n(self.fields.blob.floats(&values).offset);
        let (h, w, blocks) = (n(height), n(width), n(channels.div_ceil(LANES)));
        let ty = quote!(&'a Table<Table<Table<[Le<f32>; 16], #blocks>, #w>, #h>);
        let name = self.fields.add(role, None, ty, quote!(WEIGHTS.at::<#at, _>()), false);
        let index = |extent: usize, index: TokenStream| if extent == 1 { quote!(0) } else { index };
        let (y, x, block) = (index(height, quote!(y)), index(width, quote!(x)), index(channels, quote!(block)));
        quote!(s.load_le(&self.#name[#y][#x][#block]))
    }

    /// Sums of each row; those of all rows are added when all are there.
    fn sum(&mut self, id: TensorId) -> TokenStream {
        let Grid { images, rows, channels, .. } = self.grid;
        let one = Grid { rows: 1, columns: 1, ..self.grid };
        let by_row = Grid { columns: 1, ..self.grid };
        let sum = self.fields.names.unique("sum");
        self.out.row.extend(quote!(let mut #sum = s.splat(0.0);));
        if rows > 1 && !self.keeps_row_sums {
            // Each row is added when it is there: they come in order.
            let name = self.fields.write(id, one, "sums");
            let (total, tensor) = (self.fields.names.unique("total"), self.fields.reach(&name));
            self.out.row_end.extend(quote! {
                let mut #total = #tensor.line(0, block);
                let before = if y == 0 { s.splat(0.0) } else { #total.load(s, 0) };
                #total.store(s, 0, s.add(before, #sum));
            });
            return quote!(#sum = s.add(#sum, v););
        }
        let name = if rows == 1 {
            self.fields.write(id, one, "sums")
        } else {
            let ty = self.fields.by_image(&rows_of(by_row));
            let memory = self.fields.views.workspace("row_sums", images * rows * channels, &ty);
            let total_ty = self.fields.by_image(&rows_of(one));
            let total = self.fields.views.write(id, "sums", &total_ty);
            let (memory, total) = (self.fields.of_image(memory, true), self.fields.of_image(total, true));
            self.fields.after.extend(quote!(add_row_sums(#memory, #total);));
            let c = n(channels);
            self.fields.add("sums", None, quote!(TensorMut<'a, 1, #c>), quote!(TensorMut::new(#memory)), true)
        };
        let tensor = self.fields.reach(&name);
        self.out.row_end.extend(quote!(#tensor.line(y, block).store(s, 0, #sum);));
        quote!(#sum = s.add(#sum, v);)
    }

    /// The line of sign bits being written.
    fn signs(&mut self, bits: TensorId) -> Ident {
        let tensor = self.network.tensor(bits);
        let Storage::Bits(layout) = &tensor.storage else { unreachable!("checked: signs are bits") };
        let [top, left, bottom, right] = layout.frame;
        let words = layout.groups * tensor.words_per_group();
        let Grid { rows, columns, channels, .. } = self.grid;
        let (h, w, words) = (n(rows + top + bottom), n(columns + left + right), n(words));
        let columns = n(columns);
        let one = quote!([[[u64; #words]; #w]; #h]);
        let ty = self.fields.by_image(&one);
        let view = self.fields.views.write(bits, "signs", &ty);
        let view = self.fields.of_image(view, true);
        let frame = crate::emit::text::array(&layout.frame);
        let (ones, c, group) = (layout.frame_ones, n(channels), n(channels / layout.groups));
        let ty = quote!(SignsMut<'a, #w, #columns, #words, #c, #group>);
        let parameters = self.fields.whole.then(|| quote!(::<#w, #columns, #words, #c, #group>));
        let make = |memory| quote!(SignsMut #parameters::new(#memory, #frame, #ones));
        let name = self.fields.add_written("signs", (&one, view), (ty, make));
        let tensor = self.fields.reach(&name);
        self.out.row.extend(quote!(let mut #name = #tensor.line(y, block);));
        self.out.signs += 1;
        name
    }

    /// Compares with the thresholds; a bound that no channel needs is not there.
    fn sign_mask(&mut self, intervals: &[Interval]) -> TokenStream {
        let (low, high): (Vec<f32>, Vec<f32>) = intervals.iter().map(|i| (i.low, i.high)).unzip();
        let open_above = high.iter().all(|&x| x == f32::INFINITY);
        let open_below = low.iter().all(|&x| x == f32::NEG_INFINITY);
        if open_above {
            let low = self.bound("low", &low);
            quote!(s.ge(v, #low))
        } else if open_below {
            let high = self.bound("high", &high);
            quote!(s.le(v, #high))
        } else {
            let (low, high) = (self.bound("low", &low), self.bound("high", &high));
            quote!(s.within(v, #low, #high))
        }
    }

    /// A bound of each channel, or of all.
    fn bound(&mut self, role: &str, values: &[f32]) -> TokenStream {
        if values.iter().all(|x| x.to_bits() == values[0].to_bits()) {
            let value = float(values[0]);
            return quote!(s.splat(#value));
        }
        let name = self.parameter(role, values);
        quote!(#name)
    }
}
