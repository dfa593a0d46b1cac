//! Binary convolutions and fully connected layers that count down the lanes, on the instruction sets where that is faster: see
//! [`crate::schedule::Down`] and the runtime's `set_bits.rs`.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::text::{add, any_of, looped, scaled};
use super::{Dimension, Operand, down_windows, is_divided};
use crate::emit::text::{n, note};
use crate::ir::network::{BinaryWeights, BitLayout, Geometry};
use crate::plan::{Blob, blob};
use crate::schedule::{Axis, Down, LANES, Nest, Thresholds};

/// The loops of a source that counts down the lanes, as statements.
pub(super) struct Counted {
    /// What it reads beside the bits.
    pub(super) fields: Vec<Operand>,
    /// Once: what lists and counts lie in.
    pub(super) memory: TokenStream,
    /// For each row: counts all of its channels.
    pub(super) row: TokenStream,
    /// For each row and block of channels.
    pub(super) block: TokenStream,
    /// For each pixel: leaves its values in `v`.
    pub(super) value: TokenStream,
}

/// What dot products start from that are made of counts of set bits.
pub(super) struct Start {
    /// Where it is.
    pub(super) field: Operand,
    /// For each row.
    pub(super) row: TokenStream,
    /// That of a pixel and a block of channels.
    pub(super) of: TokenStream,
}

/// That of a binary layer; where signs are compared in the planes, that of a pixel and all its channels.
pub(super) fn start(nest: &Nest, g: &Geometry, weights: &BinaryWeights, blob: &mut Blob) -> Start {
    let axes = nest.axes.expect("a window");
    let classes = axes.each_ref().map(Axis::classes);
    let mut starts = blob::starts(weights, g, &classes[0], &classes[1]);
    if let Some(Thresholds { low, .. }) = &nest.thresholds {
        // Differences have 16 bits: see `Thresholds`.
        let blocks = starts.chunks_exact_mut(LANES * nest.grid.blocks());
        blocks.flat_map(|blocks| blocks.iter_mut().zip(low)).for_each(|(start, low)| *start -= low);
    }
    let (text, of_all, at) = match (&nest.thresholds, &nest.down) {
        (Some(_), Some(down)) => {
            let (words, planes) = (n(g.output[2] / 32), n(down.planes + 1));
            let at = n(blob.narrow(&half_starts(&starts, g, down.planes + 1)).offset);
            let text = "Half of: signs under the window - 2 * weights of +1 - the least dot product whose sign is +1, in planes";
            (text, quote!([[Le<u32>; #words]; #planes]), at)
        }
        _ => {
            let (at, blocks) = (n(blob.halves(&starts).offset), n(nest.grid.blocks()));
            ("Signs under the window - 2 * weights of +1", quote!(Table<[Le<i16>; 16], #blocks>), at)
        }
    };
    let ty = classes.iter().rev().filter(|taps| taps.len() > 1).fold(of_all, |ty, taps| {
        let count = n(taps.len());
        quote!(Table<#ty, #count>)
    });
    let field = Operand {
        name: "start",
        text: Some(format!("{text}, {}of a channel", by_border(&classes))),
        ty: quote!(&'a #ty),
        value: quote!(WEIGHTS.at::<#at, _>()),
    };
    let row = match class(&axes[0], &classes[0], &quote!(y)) {
        Some(index) => quote!(let start = &self.start[#index];),
        None => quote!(let start = self.start;),
    };
    let column = match nest.down.is_some_and(|down| down.only) {
        // No match, of whose cases the compiler would make loops of their own.
        true => steps(&axes[1], &classes[1]),
        false => class(&axes[1], &classes[1], &quote!(x)),
    };
    let of = match (nest.thresholds.is_some(), column) {
        (true, Some(index)) => quote!(&start[#index]),
        (true, None) => quote!(start),
        (false, Some(index)) => quote!(start[#index][block]),
        (false, None) => quote!(start[block]),
    };
    Start { field, row, of }
}

/// Halves of starts as planes, 32 channels a word: `[class of taps][bit][word]`.
fn half_starts(starts: &[i16], g: &Geometry, planes: usize) -> Vec<u32> {
    let signs = g.input[2] * g.kernel[0] * g.kernel[1];
    let of_class = |starts: &[i16]| {
        let halves: Vec<u32> = starts.iter().map(|start| Thresholds::half(*start, signs)).collect();
        let word = |bit: usize, halves: &[u32]| {
            halves.iter().enumerate().fold(0, |word, (i, half)| word | (half >> bit & 1) << i)
        };
        (0..planes)
            .flat_map(|bit| halves.chunks(32).map(move |of_word| (bit, of_word)))
            .map(|(bit, of_word)| word(bit, of_word))
            .collect::<Vec<_>>()
    };
    starts.chunks_exact(g.output[2]).flat_map(of_class).collect()
}

/// The loops of a binary layer.
pub(super) fn counted(
    nest: &Nest,
    down: &Down,
    g: &Geometry,
    layout: &BitLayout,
    weights: &BinaryWeights,
    start: &Start,
    blob: &mut Blob,
) -> Counted {
    let [rows, columns] = nest.axes.expect("a window");
    if down.only {
        return down_windows::counted(nest, down, g, layout, weights, start, blob);
    }
    let rows_at = n(blob.narrow(&blob::weight_rows(weights, g, true)).offset);
    let [kh, kw] = g.kernel.map(n);
    let (words, behind, blocks) = (n(g.output[2] / 32), n(g.input[2] + 1), n(nest.grid.blocks()));
    let fields = vec![Operand {
        name: "weight_rows",
        text: Some(
            "`[row of taps][column of taps][input][output channels, 32 a word]`, and a row of zeros for each tap"
                .to_owned(),
        ),
        ty: quote!(&'a Table<Table<Rows<#words, #behind>, #kw>, #kh>),
        value: quote!(WEIGHTS.at::<#rows_at, _>()),
    }];
    let (channels, eights, planes) = (n(g.input[2]), n(down.eights), n(down.planes));
    let (listed_columns, span, width) = (n(down.columns), n(down.rows), n(nest.grid.columns));
    let listed = (nest.grid.rows > 1).then(|| quote!(let mut listed = 0;));
    let memory = quote! {
        let mut set = Table([Table([SetBits::<#channels, #eights>::NONE; #listed_columns]); #span]);
        let mut counts = Table([Table([[0; 16]; #width]); #blocks]);
        let mut ones = Table([0; #width]);
        #listed
    };
    let [before_rows, before_columns] = [0, 1].map(|axis| layout.frame[axis] - g.pads[axis]);
    let y = scaled(rows.stride, &quote!(y));
    let bits = add(quote!(at), before_rows);
    let pixel = if g.input[2] <= 64 { quote!(&[*bits]) } else { quote!(&bits.0) };
    let line = {
        let tap = scaled(rows.dilation, &quote!(ky));
        let at = if g.kernel[0] == 1 { y.clone() } else { quote!(#y + #tap) };
        let at = if down.rows == 1 { quote!(0) } else { quote!((#at) % #span) };
        quote!(let line = &set[#at];)
    };
    let column = {
        let (x, tap) = (scaled(columns.stride, &quote!(x)), scaled(columns.dilation, &quote!(kx)));
        let at = if nest.grid.columns == 1 { tap } else { quote!(#x + #tap) };
        add(at, before_columns)
    };
    let parts = if is_divided(nest.division, Dimension::Blocks) {
        quote!(self.area.blocks.start / (S::PLANE / 16)..self.area.blocks.end.div_ceil(S::PLANE / 16))
    } else {
        let outputs = Literal::usize_suffixed(g.output[2]);
        quote!(0..#outputs.div_ceil(S::PLANE))
    };
    let lists = note("The set bits of the rows under the window that are not listed yet.");
    let listed_row = if down.rows == 1 { quote!(set[0]) } else { quote!(set[at % #span]) };
    let sums = note(
        "For each set bit, the row of weights that it meets is added; tap by tap, so that the rows stay in the nearest cache.",
    );
    let each = |body: TokenStream| match nest.grid.columns {
        1 => quote!({ let x = 0; #body }),
        _ => quote!(for x in 0..#width { #body }),
    };
    let ones = looped("ky", quote!(0..#kh), &quote!(#line for kx in 0..#kw { ones[x] += line[#column].len(); }));
    let ones = quote!(ones[x] = 0; #ones);
    let add = |sum: TokenStream| quote!(#sum = add_rows(s, #sum, &line[#column], &self.weight_rows[ky][kx], part););
    let spread = |sum: TokenStream| {
        quote! {
            s.spread(&#sum, |block, of| {
                if let Some(row) = counts.0.get_mut(S::PLANE / 16 * part + block) {
                    row[x] = of;
                }
            });
        }
    };
    let counted = |sums: TokenStream, add: TokenStream, spread: TokenStream| {
        quote! {
            for part in #parts {
                let mut sums = #sums;
                for ky in 0..#kh {
                    #line
                    for kx in 0..#kw {
                        #add
                    }
                }
                #spread
            }
        }
    };
    let none = quote!([s.no_plane(); #planes]);
    let (ones, add, spread) = (each(ones), each(add(quote!(sums[x]))), each(spread(quote!(sums[x]))));
    let counted = counted(quote!(Table([#none; #width])), add, spread);
    let pixels = quote!(#ones #sums #counted);
    let (first, listed) = match nest.grid.rows {
        1 => (y.clone(), TokenStream::new()),
        _ => (quote!(listed.max(#y)), quote!(listed = end;)),
    };
    let row = quote! {
        #lists
        let end = #y + #span;
        for at in #first..end {
            for (set, bits) in #listed_row.0.iter_mut().zip(&self.bits[#bits].0) {
                set.list(#pixel);
            }
        }
        #listed
        #pixels
    };
    let Start { row: start, of, .. } = start;
    let value = quote!(let v = s.dot_counts(&values[x], &#of, ones[x]););
    Counted { fields, memory, row, block: quote!(let values = &counts[block]; #start), value }
}

/// Which of the classes of taps an output has; `None` if all have the same.
fn class(axis: &Axis, classes: &[std::ops::Range<usize>], x: &TokenStream) -> Option<TokenStream> {
    (classes.len() > 1).then(|| {
        any_of(&axis.runs(), x, |taps| {
            let index = n(classes.iter().position(|class| class == taps).expect("a class of the axis"));
            quote!(#index)
        })
    })
}

/// [`class`] of pixel `x`, as the number of classes that it is beyond, where each has one run.
fn steps(axis: &Axis, classes: &[std::ops::Range<usize>]) -> Option<TokenStream> {
    let runs = axis.runs();
    if runs.len() != classes.len() {
        return class(axis, classes, &quote!(x));
    }
    let begins = runs.iter().skip(1).map(|(outputs, _)| {
        let start = n(outputs.start);
        quote!(usize::from(x >= #start))
    });
    (classes.len() > 1).then(|| quote!(#(#begins)+*))
}

/// What the dot products' start depends on, for the reader.
fn by_border(classes: &[Vec<std::ops::Range<usize>>; 2]) -> &'static str {
    match classes.each_ref().map(|taps| taps.len() > 1) {
        [true, true] => "by the rows and columns of taps that count, ",
        [true, false] => "by the rows of taps that count, ",
        [false, true] => "by the columns of taps that count, ",
        [false, false] => "",
    }
}
