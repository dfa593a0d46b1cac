//! Blocks as loops: what the emitted file shows of a network. Tiled blocks and how they are put together are here; gates, moves
//! and whole operators have a file of their own for each kind.
//!
//! The nest of a tiled block is put together from three parts: the [`Source`], which gives the values of a tile (a file of its own for each
//! kind), the [`Steps`] that they go through, and the loops around them (here), as [`crate::schedule`] has laid them out. What
//! is emitted is a type with the tensors and parameters of one call, and its `Kernel::run` (`kernel.rs`); blocks of equal geometry and
//! equal steps share it.

mod binary_conv;
mod bit_join;
mod bit_pool;
mod bit_product;
mod bit_words;
mod copy;
mod down;
mod down_windows;
mod elementwise;
mod gate;
mod kernel;
mod matmul;
mod names;
mod pixel_lanes;
mod pooled;
mod real_conv;
mod reduce;
mod sign_product;
mod steps;
mod strided;
mod text;
mod views;
mod ways;
mod windows;

use std::borrow::Cow;

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

pub(super) use views::Views;

use super::shapes::Shapes;
use super::text::{each_pixel, n, note};
use crate::ir::network::{self, Arithmetic, Network, PoolKind, Pooled, Products, Storage, Tiled};
use crate::ops::Form;
use crate::plan::{Blob, Within};
use crate::schedule::{Division, Nest, Order, Pixels, is_depthwise, is_pointwise};
pub(super) use copy::{lookup, moved};
pub(super) use gate::gate;
pub(super) use kernel::Loops;
pub(super) use matmul::product;
use names::named;
use pooled::Made;
pub(super) use sign_product::sign_product;
use steps::{Fields, Steps, Writer};
use text::{bound, looped, uses};
use ways::Ways;

/// A field of the source: what it reads.
struct Operand {
    name: &'static str,
    text: Option<String>,
    ty: TokenStream,
    value: TokenStream,
}

/// What produces the values of a nest, as statements.
#[derive(Default)]
struct Source {
    fields: Vec<Operand>,
    /// For each block of channels.
    block: TokenStream,
    /// For each row.
    row: TokenStream,
    /// For each tile of pixels from `x` on.
    tile: TokenStream,
    /// For each pixel: leaves its values in `v`.
    value: TokenStream,
    /// Instead of the two above, for each row: leaves the values of the blocks that are computed together, from `block` on, in
    /// `row`.
    computed: Option<TokenStream>,
    /// Once, in the block's function.
    before: TokenStream,
    /// Constants of the type.
    items: TokenStream,
    /// The same by counting down the lanes, on some instruction sets.
    down: Option<down::Counted>,
    /// The same with pixels as lanes.
    pixel_lanes: Option<pixel_lanes::Counted>,
    /// What the dot products of both start from.
    start: Option<Operand>,
}

/// Whether tiles are single pixels on every instruction set.
fn is_single(nest: &Nest) -> bool {
    nest.pixels == Pixels::ONE
}

/// The body of the function of an operator on whole tensors; nothing for products, which are [`product`]s.
pub(super) fn whole(network: &Network, whole: &network::Whole, form: &Form, views: &mut Views<'_>) -> TokenStream {
    match form {
        Form::Elements { names, expression } => elementwise::elements(network, whole, names, expression, views),
        Form::Reduce { kind, axes } => reduce::reduce(network, whole, *kind, axes, views),
        Form::Softmax { axis, log } => reduce::softmax(network, whole, *axis, *log, views),
        Form::Rows { axis } => copy::rows(network, whole, *axis, views),
        Form::ArgMax { axis, last } => reduce::arg_max(network, whole, *axis, *last, views),
        Form::Product | Form::SignProduct { .. } => TokenStream::new(),
    }
}

/// The loops of a tiled block.
pub(super) fn of(
    network: &Network,
    tiled: &Tiled,
    nest: &Nest,
    views: &mut Views<'_>,
    blob: &mut Blob,
    shapes: &mut Shapes,
) -> Loops {
    let mut fields = Fields::new(network, nest.grid.images, views, blob);
    fields.whole = nest.is_whole();
    let (base, title) = named(network, tiled);
    let within = fields.views.within(network, tiled, nest);
    // What the pool's rows are written over, and the rows before it.
    let over = within.filter(|within| within.is_window()).map(|within| {
        let stream = fields.write(within.operand, nest.grid, "stream");
        (within.result, stream)
    });
    let mut writer = Writer::new(&mut fields, network, nest.grid);
    writer.is_compared = nest.thresholds.is_some();
    writer.by_quarters = nest.by_quarters(tiled);
    writer.keeps_row_sums = nest.row_sums > 0;
    writer.reserve_stored(tiled, &tiled.steps);
    let loads = writer.out.loads.clone();
    let steps = writer.steps(&tiled.steps);
    if let Some(Pooled { pool, .. }) = &tiled.pooled
        && is_divided(nest.division, Dimension::Rows)
    {
        // Each row belongs to the windows of one row of the pool, or nothing would be written here.
        fields.list.iter_mut().for_each(|field| field.under = pool.geometry.strides[0]);
    }
    let pooled = tiled.pooled.as_ref().map(|Pooled { pool, steps }| {
        let grid = nest.pooled.expect("a pool inside");
        let mut writer = Writer::new(&mut fields, network, grid);
        writer.by_quarters = nest.by_quarters(tiled);
        writer.keeps_row_sums = nest.row_sums > 0;
        writer.over = over.clone();
        writer.reserve_stored(tiled, steps);
        (pool, writer.steps(steps))
    });
    let own_window = nest.window.filter(|_| over.is_none());
    if let (Some(_), Some(window)) = (&pooled, own_window) {
        let (rows, columns, together) = (n(window.rows), n(window.columns), n(window.together));
        let (ty, table) = (quote!([[[f32; 16]; #columns]; #rows]), quote!(Table<Table<[f32; 16], #columns>, #rows>));
        let (ty, table) = match window.together {
            1 => (ty, table),
            _ => (quote!([#ty; #together]), quote!(Table<#table, #together>)),
        };
        let memory = fields.views.workspace("window", window.len(), &ty);
        fields.add(
            "window",
            Some("The rows that the pool still needs: row `y` lies at `y` modulo their number."),
            quote!(&'a mut #table),
            memory,
            !nest.is_whole(),
        );
    }
    let arithmetic = match &tiled.source {
        network::Source::RealConv { products, .. } => products.arithmetic(),
        _ => Arithmetic::F32,
    };
    let source = source(network, tiled, nest, loads, within, &mut fields, shapes);
    let quarters = nest.by_quarters(tiled);
    let stream = over.as_ref().map(|(_, stream)| stream);
    let body = match &pooled {
        Some((pool, behind)) => pooled::body(nest, tiled, &source, Made::Plainly, &steps, pool, behind, stream),
        None => body(nest, &source, &steps, quarters),
    };
    let down = source.down.as_ref().map(|counted| match &pooled {
        Some((pool, behind)) => pooled::body(nest, tiled, &source, Made::Down(counted), &steps, pool, behind, stream),
        None => down_body(nest, counted, &steps, quarters),
    });
    let pixel_lanes = source.pixel_lanes.as_ref().map(|counted| match &pooled {
        Some((pool, behind)) => {
            pooled::body(nest, tiled, &source, Made::PixelLanes(counted), &steps, pool, behind, stream)
        }
        None => pixel_lanes::body(nest, counted, &steps),
    });
    let Fields { mut list, after, made, .. } = fields;
    let (body, down) = (quote!(#made #body), down.map(|down| quote!(#made #down)));
    let pixel_lanes = pixel_lanes.map(|loops| quote!(#made #loops));
    let counted = source.down.into_iter().flat_map(|down| down.fields);
    let counted = counted.chain(source.pixel_lanes.into_iter().flat_map(|counted| counted.fields)).chain(source.start);
    let operands = source.fields.into_iter().chain(counted).map(|Operand { name, text, ty, value }| steps::Field {
        name: format_ident!("{name}"),
        text,
        ty,
        value,
        is_part: false,
        under: 1,
    });
    list.splice(0..0, operands);
    Loops {
        base,
        title,
        fields: list,
        items: source.items,
        body,
        division: nest.division,
        down,
        pixel_lanes,
        ways: Ways::of(nest),
        cost: nest.cost,
        images: nest.grid.images,
        before: source.before,
        after,
        arithmetic,
    }
}

fn source(
    network: &Network,
    tiled: &Tiled,
    nest: &Nest,
    loads: Option<TokenStream>,
    within: Option<Within>,
    fields: &mut Fields<'_, '_>,
    shapes: &mut Shapes,
) -> Source {
    let extents = |g: &network::Geometry| {
        let [h, w, c] = g.input;
        [g.n, h, w, c]
    };
    match &tiled.source {
        network::Source::BinaryConv { input, geometry, weights, .. } => {
            let Storage::Bits(layout) = &network.tensor(*input).storage else {
                unreachable!("checked: a binary convolution reads bits")
            };
            let only = nest.down.is_some_and(|down| down.only);
            let weights = match &nest.thresholds {
                Some(thresholds) => thresholds.weights(weights),
                None => Cow::Borrowed(&**weights),
            };
            let weights = &*weights;
            let mut source = match only {
                true => Source::default(),
                false => binary_conv::source(nest, geometry, layout, weights, fields.blob),
            };
            if nest.down.is_some() || nest.pixel_lanes.is_some() {
                let start = down::start(nest, geometry, weights, fields.blob);
                source.down = (nest.down.as_ref())
                    .map(|down| down::counted(nest, down, geometry, layout, weights, &start, fields.blob));
                source.pixel_lanes = (nest.pixel_lanes.as_ref())
                    .map(|by| pixel_lanes::counted(by, geometry, layout, weights, &start, fields.blob));
                source.start = Some(start.field);
            }
            let ty = binary_conv::bits_type(nest, geometry, layout);
            let all = fields.by_image(&ty);
            let view = fields.views.read(*input, "bits", &all);
            let value = fields.of_image(view, false);
            let frame = if layout.frame == [0; 4] { "" } else { ", framed by padding" };
            let text = Some(format!("Packed signs{frame}."));
            source.fields.insert(0, Operand { name: "bits", text, ty: quote!(&'a #ty), value });
            source
        }
        network::Source::RealConv { input, planar, geometry, weights, products } => {
            if *products != Products::F32 {
                return real_conv::narrow_numbers(nest, *input, *planar, geometry, weights, products, fields, shapes);
            }
            if is_pointwise(&tiled.source) {
                return real_conv::pointwise(nest, *input, geometry, weights, fields);
            }
            if !is_depthwise(geometry) {
                let within = within.filter(|within| within.operand == *input);
                return real_conv::floats(nest, *input, *planar, geometry, weights, within, fields, shapes);
            }
            let source = windows::depthwise(nest, geometry, weights, fields.blob);
            dense(source, *input, extents(geometry), fields)
        }
        network::Source::MaxPool { input, geometry } => {
            dense(windows::pool(nest, geometry, PoolKind::Max), *input, extents(geometry), fields)
        }
        network::Source::AveragePool { input, geometry, count_include_pad } => {
            let kind = PoolKind::Average { count_include_pad: *count_include_pad };
            dense(windows::pool(nest, geometry, kind), *input, extents(geometry), fields)
        }
        network::Source::Map { input } => match loads {
            Some(load) => Source { value: quote!(let v = #load;), ..Source::default() },
            None => {
                let grid = nest.grid;
                let source = Source {
                    row: quote!(let from = self.from.line(y, block);),
                    value: quote!(let v = from.load(s, x);),
                    ..Source::default()
                };
                dense(source, *input, [grid.images, grid.rows, grid.columns, grid.channels], fields)
            }
        },
        network::Source::Planes { input } => {
            let grid = nest.grid;
            let [h, w, c] = [grid.rows, grid.columns, grid.channels].map(n);
            let ty = fields.by_image(&quote!([[[f32; #w]; #h]; #c]));
            let view = fields.views.read(*input, "from", &ty);
            let view = fields.of_image(view, false);
            Source {
                fields: vec![Operand {
                    name: "from",
                    text: None,
                    ty: quote!(Planes<'a, #h, #w, #c>),
                    value: quote!(Planes::new(#view)),
                }],
                row: quote!(let from = self.from.line(y, block);),
                value: quote!(let v = from.load(s, x);),
                ..Source::default()
            }
        }
    }
}

/// A source of dense values, read a line at a time.
fn dense(mut source: Source, input: network::TensorId, extents: [usize; 4], fields: &mut Fields<'_, '_>) -> Source {
    let [_, h, w, c] = extents.map(n);
    let ty = fields.by_image(&quote!([[[f32; #c]; #w]; #h]));
    let view = fields.views.read(input, "from", &ty);
    let view = fields.of_image(view, false);
    let (ty, value) = (quote!(Tensor<'a, #w, #c>), quote!(Tensor::new(#view)));
    source.fields.insert(0, Operand { name: "from", text: None, ty, value });
    source
}

/// What the parameters and values of some blocks of channels go through, four lanes at a time.
fn by_quarters(blocks: &TokenStream, body: &TokenStream) -> TokenStream {
    quote!(for (block, s) in quarters(s, #blocks) { #body })
}

/// The same of all blocks.
fn all_by_quarters(nest: &Nest, body: &TokenStream) -> TokenStream {
    by_quarters(&range(nest, Dimension::Blocks, nest.grid.blocks()), body)
}

/// The loops over blocks, rows and pixels.
fn body(nest: &Nest, source: &Source, steps: &Steps, quarters: bool) -> TokenStream {
    if let Some(row) = row_buffer(nest, source) {
        let values = computed(nest, source, steps, &steps.pixel, quarters);
        let rows = over(nest, Dimension::Rows, nest.grid.rows, values);
        let block = if nest.together == 1 && !quarters { steps.block.clone() } else { TokenStream::new() };
        let blocks = over_groups(nest, quote!(#block #rows));
        return quote!(#row #blocks);
    }
    let row = row(nest, source, &steps.pixel, steps.signs);
    let (source_block, source_row) = (&source.block, &source.row);
    let Steps { block, row: step_row, row_end, .. } = steps;
    let row = quote!(#source_row #step_row #row #row_end);
    let block = quote!(#source_block #block);
    if quarters {
        let blocks = all_by_quarters(nest, &quote!(#block #row));
        return over(nest, Dimension::Rows, nest.grid.rows, blocks);
    }
    match nest.order {
        Order::BlocksRows => {
            let rows = over(nest, Dimension::Rows, nest.grid.rows, row);
            over(nest, Dimension::Blocks, nest.grid.blocks(), quote!(#block #rows))
        }
        Order::RowsBlocks => {
            let blocks = over(nest, Dimension::Blocks, nest.grid.blocks(), quote!(#block #row));
            over(nest, Dimension::Rows, nest.grid.rows, blocks)
        }
    }
}

/// The loops over rows, blocks and pixels of a source that counts down the lanes: all channels of a row, and then their steps.
fn down_body(nest: &Nest, counted: &down::Counted, steps: &Steps, quarters: bool) -> TokenStream {
    let blocks = down_blocks(nest, counted, steps, &steps.row, &steps.pixel, quarters);
    let (memory, count) = (&counted.memory, &counted.row);
    let rows = over(nest, Dimension::Rows, nest.grid.rows, quote!(#count #blocks));
    quote!(#memory #rows)
}

/// The steps of a row whose channels are counted.
fn down_blocks(
    nest: &Nest,
    counted: &down::Counted,
    steps: &Steps,
    row: &TokenStream,
    pixel: &TokenStream,
    quarters: bool,
) -> TokenStream {
    let (values, value) = (&counted.block, &counted.value);
    let Steps { block, row_end, .. } = steps;
    let width = n(nest.grid.columns);
    let pixels = match nest.grid.columns {
        1 => quote!({ let x = 0; #value #pixel }),
        _ => quote!(for x in 0..#width { #value #pixel }),
    };
    let steps = quote!(#values #block #row #pixels #row_end);
    if quarters {
        return all_by_quarters(nest, &steps);
    }
    over(nest, Dimension::Blocks, nest.grid.blocks(), steps)
}

/// What holds a row that the runtime computes.
fn row_buffer(nest: &Nest, source: &Source) -> Option<TokenStream> {
    source.computed.as_ref()?;
    let (width, together) = (n(nest.grid.columns), n(nest.together));
    Some(quote!(let mut row = [[[0.0; 16]; #width]; #together];))
}

/// A row that the runtime computes, and the steps of its pixels.
fn computed(nest: &Nest, source: &Source, steps: &Steps, pixel: &TokenStream, quarters: bool) -> TokenStream {
    let call = &source.computed;
    let (source_row, Steps { block, row, row_end, .. }) = (&source.row, steps);
    let pixels = if uses(pixel, "x") {
        quote!(for (x, v) in values.iter().enumerate() { let v = s.load(v); #pixel })
    } else {
        quote!(for v in values { let v = s.load(v); #pixel })
    };
    let steps = quote!(#row #pixels #row_end);
    let steps = match (nest.together, quarters) {
        (1, true) => by_quarters(&quote!(block..block + 1), &quote!(let [values] = &row; #block #steps)),
        (1, false) => quote!(let [values] = &row; #steps),
        (together, true) => {
            let together = n(together);
            let values = quote!(let (block, values) = (block + at, &row[at]););
            quote!(for (at, s) in quarters(s, 0..#together) { #values #block #steps })
        }
        (_, false) => quote!(for (block, values) in (block..).zip(&row) { #block #steps }),
    };
    quote!(#source_row #call #steps)
}

/// A loop over blocks of channels, or groups of them that are computed together: `block` is the first of a group.
fn over_groups(nest: &Nest, body: TokenStream) -> TokenStream {
    let together = nest.together;
    if together == 1 {
        return over(nest, Dimension::Blocks, nest.grid.blocks(), body);
    }
    let (groups, step) = (n(nest.grid.blocks() / together), n(together));
    let range = if is_divided(nest.division, Dimension::Blocks) {
        quote!(self.area.blocks.start / #step..self.area.blocks.end / #step)
    } else {
        quote!(0..#groups)
    };
    quote! {
        for group in #range {
            let block = #step * group;
            #body
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Dimension {
    Rows,
    Blocks,
}

/// Whether threads divide a dimension.
fn is_divided(division: Division, dimension: Dimension) -> bool {
    match division {
        Division::Whole(_) => false,
        Division::Area { rows, blocks, .. } => {
            let extent = if dimension == Dimension::Rows { rows } else { blocks };
            extent > 1
        }
    }
}

/// Rows or blocks of channels of which there are so many: those of this thread, if they are divided.
fn range(nest: &Nest, dimension: Dimension, extent: usize) -> TokenStream {
    let extent = n(extent);
    match dimension {
        _ if !is_divided(nest.division, dimension) => quote!(0..#extent),
        Dimension::Rows => quote!(self.area.rows.clone()),
        Dimension::Blocks => quote!(self.area.blocks.clone()),
    }
}

/// A loop over rows or blocks of channels.
fn over(nest: &Nest, dimension: Dimension, extent: usize, body: TokenStream) -> TokenStream {
    let name = if dimension == Dimension::Rows { "y" } else { "block" };
    if extent == 1 && !is_divided(nest.division, dimension) {
        let only = bound(name, quote!(0), &body);
        return quote!(#only #body);
    }
    looped(name, range(nest, dimension, extent), &body)
}

/// The loop over the pixels of a row; `pixel`: what happens to the values of each, which writes so many tensors of `signs`.
fn row(nest: &Nest, source: &Source, pixel: &TokenStream, signs: usize) -> TokenStream {
    let width = n(nest.grid.columns);
    let (tile, value) = (&source.tile, &source.value);
    if is_single(nest) {
        let body = quote!(#tile #value #pixel);
        return match nest.grid.columns {
            1 => {
                let only = bound("x", quote!(0), &body);
                quote!(#only #body)
            }
            _ => looped("x", quote!(0..#width), &body),
        };
    }
    let typed = Literal::usize_suffixed(nest.grid.columns);
    let (start, again) = if nest.overlaps() {
        let note = note("The last tile is a whole one, too: its first pixels are done already.");
        (quote!(#note let x = (P * tile).min(#width - P);), true)
    } else {
        (quote!(let x = P * tile;), false)
    };
    // The values of a binary convolution are counters in registers, as long as each is read by a constant. Of many steps compilers
    // make a loop, so there the counters become numbers first.
    let counts = nest.counts_by_pixels();
    let (dots, value) = if counts && signs > 1 {
        let x = bound("x", quote!(x + p), value);
        let each = each_pixel(&quote!(#x #value dots[p] = v;));
        (quote!(let mut dots = [s.splat(0.0); P]; #each), &quote!(let v = dots[p];))
    } else {
        (TokenStream::new(), value)
    };
    let body = quote!(#value #pixel);
    let x = bound("x", quote!(x + p), &body);
    let body = if again { quote!(let x = x + p; if x >= P * tile { #body }) } else { quote!(#x #body) };
    let pixels = if counts && dots.is_empty() { each_pixel(&body) } else { quote!(for p in 0..P { #body }) };
    quote! {
        for tile in 0..#typed.div_ceil(P) {
            #start
            #tile
            #dots
            #pixels
        }
    }
}
