//! Blocks that move elements: loops over rows, strips and elements, as [`crate::schedule::copies`] has them.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::bit_join::bit_join;
use super::bit_pool::bit_pool;
use super::bit_product::bit_product;
use super::strided::{Operands, array_type, element, nest, run, variable};
use super::text::looped;
use super::views::Views;
use crate::emit::text::{float, n, note};
use crate::ir::network::{Move, Network, Piece, TensorId, Whole};
use crate::schedule::copies::{Copying, LISTED, Pattern, STRIP, alike};

/// The body of the block's function, behind the bindings of its tensors.
pub(in crate::emit) fn moved(network: &Network, moved: &Move, views: &mut Views<'_>) -> TokenStream {
    match moved {
        Move::BitJoin { inputs, output } => bit_join(network, inputs, *output, views),
        Move::BitProduct { inputs, output } => bit_product(network, inputs, *output, views),
        Move::BitMaxPool { input, output, geometry } => bit_pool(network, *input, *output, geometry, views),
        Move::Copy { fill, pieces, output } => copy(network, *fill, pieces, *output, views),
        Move::Lookup { .. } => TokenStream::new(),
        Move::Convert { input, output } => {
            let len = n(network.tensor(*input).storage_len());
            let to = Operands::new(network, views).element(*output);
            let mut open = |id: TensorId, role: &str, write: bool| {
                views.whole(id, write).map(|callers| (TokenStream::new(), callers)).unwrap_or_else(|| {
                    let (open, name) = Operands::new(network, views).open(id, role, &quote!([f32; #len]), write);
                    (open, quote!(#name))
                })
            };
            let ((open_x, x), (open_y, y)) = (open(*input, "x", false), open(*output, "y", true));
            quote!(#open_x #open_y for (y, x) in #y.iter_mut().zip(#x.iter()) { *y = *x as #to; })
        }
        Move::Reshape { input, output } => {
            if views.place(*input) == views.place(*output) {
                return TokenStream::new();
            }
            let mut operands = Operands::new(network, views);
            let (element, len) = (operands.element(*input), n(network.tensor(*input).storage_len()));
            let ty = quote!(Table<#element, #len>);
            let (open_x, x) = operands.open(*input, "x", &ty, false);
            let (open_y, y) = operands.open(*output, "y", &ty, true);
            quote!(#open_x #open_y #y.copy_from(#x);)
        }
    }
}

/// Rows of a table that lies in the weights from an offset on.
pub(in crate::emit) fn lookup(
    network: &Network,
    rows: TensorId,
    output: TensorId,
    (at, [outer, extent, inner]): (usize, [usize; 3]),
    views: &mut Views<'_>,
) -> TokenStream {
    let mut operands = Operands::new(network, views);
    let count = n(network.tensor(rows).storage_len());
    let [at, outer, extent, inner] = [at, outer, extent, inner].map(n);
    let given = quote!([f32; #count]);
    let found = quote!(Table<Table<Table<f32, #inner>, #count>, #outer>);
    let (open_rows, rows) = operands.open(rows, "rows", &given, false);
    let (open_y, y) = operands.open(output, "y", &found, true);
    quote! {
        #open_rows #open_y
        let table: &Table<Table<Table<Le<f32>, #inner>, #extent>, #outer> = WEIGHTS.at::<#at, _>();
        for (y, table) in #y.0.iter_mut().zip(table.0.iter()) {
            for (y, row) in y.0.iter_mut().zip(#rows.iter()) {
                let row = &table[scalar::row(*row, #extent)];
                for (y, x) in y.0.iter_mut().zip(row.0.iter()) { *y = x.get(); }
            }
        }
    }
}

/// Places of an axis of the first operand, by the numbers of the second.
pub(super) fn rows(network: &Network, whole: &Whole, axis: usize, views: &mut Views<'_>) -> TokenStream {
    let (&[x, rows], output) = (&whole.inputs[..], whole.output) else { return TokenStream::new() };
    let shape = &network.tensor(x).shape;
    let [outer, extent, inner] =
        [&shape[..axis], &shape[axis..=axis], &shape[axis + 1..]].map(|s| n(s.iter().product()));
    let count = n(network.tensor(rows).storage_len());
    let mut operands = Operands::new(network, views);
    let of = |len| quote!(Table<Table<Table<f32, #inner>, #len>, #outer>);
    let (table, found, given) = (of(extent.clone()), of(count.clone()), quote!([f32; #count]));
    let all = [(x, &table), (rows, &given), (output, &found)];
    all.iter().for_each(|(id, ty)| operands.want(*id, ty));
    let (open_x, x) = operands.open(x, "x", &table, false);
    let (open_rows, rows) = operands.open(rows, "rows", &given, false);
    let (open_y, y) = operands.open(output, "y", &found, true);
    quote! {
        #open_x #open_rows #open_y
        for (y, table) in #y.0.iter_mut().zip(#x.0.iter()) {
            for (y, row) in y.0.iter_mut().zip(#rows.iter()) { y.copy_from(&table[scalar::row(*row, #extent)]); }
        }
    }
}

fn copy(
    network: &Network,
    fill: Option<f32>,
    pieces: &[Piece],
    output: TensorId,
    views: &mut Views<'_>,
) -> TokenStream {
    let written = network.tensor(output).storage_len();
    let all: Vec<(&[Piece], Copying)> = alike(pieces)
        .flat_map(|same| if same.len() < LISTED { same.chunks(1) } else { same.chunks(same.len()) })
        .map(|same| match same {
            [one] => (same, Copying::of(network, one, written)),
            _ => (same, Copying::listed(network, &same[0], written)),
        })
        .collect();
    let mut operands = Operands::new(network, views);
    let f32s = quote!(f32);
    for (same, copying) in &all {
        operands.want(same[0].input, &array_type(&copying.from, &f32s));
        operands.want(output, &array_type(&copying.to, &f32s));
    }
    let flat = operands.flat(output);
    let filled = fill.map(|value| {
        operands.want(output, &flat);
        let (open, y) = operands.open(output, "y", &flat, true);
        let value = float(value);
        quote!(#open #y.fill(#value);)
    });
    // All pieces see it alike, or each in its own way.
    let mut shared = None;
    let mut opened: Vec<((TensorId, String), Ident)> = Vec::new();
    let mut body = TokenStream::new();
    for (same, copying) in &all {
        let (from, to) = (array_type(&copying.from, &f32s), array_type(&copying.to, &f32s));
        let (open_y, y) = match &shared {
            Some(y) => (TokenStream::new(), quote!(#y)),
            None => {
                let (open, y) = operands.open(output, "y", &to, true);
                if operands.is_one(output) {
                    shared = Some(y.clone());
                }
                (open, quote!(#y))
            }
        };
        let key = (same[0].input, from.to_string());
        let (open_x, x) = match opened.iter().find(|(known, _)| *known == key) {
            Some((_, x)) => (TokenStream::new(), x.clone()),
            None => {
                let (open, x) = operands.open(same[0].input, "x", &from, false);
                opened.push((key, x.clone()));
                (open, x)
            }
        };
        let mut loops = loops(copying, &quote!(#x), &y);
        if same.len() > 1 {
            let starts = same.iter().map(|piece| {
                let (from, to) = (n(piece.input_offset), n(piece.output_offset));
                quote!((#from, #to))
            });
            let note = note("Where each begins, in what is read and in what is written.");
            loops = quote!(#note for (from, to) in [#(#starts),*] { #loops });
        }
        body.extend(quote!(#open_y #open_x #loops));
    }
    quote!(#filled #body)
}

/// The loops of one piece.
fn loops(Copying { axes, from, to, pattern }: &Copying, x: &TokenStream, y: &TokenStream) -> TokenStream {
    match *pattern {
        Pattern::Runs => {
            let (from, to) = (run(x, from, axes, false), run(y, to, axes, true));
            nest(&axes[..axes.len() - 1], 0, quote!(#to.copy_from(#from);))
        }
        Pattern::Elements => {
            let (from, to) = (element(x, from), element(y, to));
            nest(axes, 0, quote!(#to = #from;))
        }
        Pattern::Strips { across } => {
            let (last, columns) = (axes.len() - 1, axes[axes.len() - 1].extent);
            let (from, to) = (element(x, from), element(y, to));
            let column = format_ident!("{}", variable(last));
            let strip = n(STRIP);
            let first = match columns % STRIP {
                0 => quote!(#strip * strip),
                _ => {
                    let most = n(columns - STRIP);
                    quote!((#strip * strip).min(#most))
                }
            };
            let each = looped(&column.to_string(), quote!(first..first + #strip), &quote!(#to = #from;));
            let rows = nest(&axes[across..last], across, each);
            let strips = n(columns.div_ceil(STRIP));
            let text = format!("{STRIP} columns at a time, so that both sides use whole cache lines.");
            let note = note(&if columns.is_multiple_of(STRIP) {
                text
            } else {
                format!("{} The last {STRIP} begin among those before.", text)
            });
            nest(&axes[..across], 0, quote!(#note for strip in 0..#strips { let first = #first; #rows }))
        }
    }
}
