//! Binary layers that count down the lanes wherever they run, a window at a time: see the runtime's `window_counts.rs`.

use proc_macro2::TokenStream;
use quote::quote;

use super::Operand;
use super::down::{Counted, Start};
use super::text::{add, looped, scaled};
use crate::emit::text::{n, note};
use crate::ir::network::{BinaryWeights, BitLayout, Geometry};
use crate::plan::{Blob, blob};
use crate::schedule::{Down, Nest, Thresholds};

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
    let rows_at = n(blob.narrow(&blob::weight_rows(weights, g, false)).offset);
    let [apart, together] = Down::taps(g);
    let [kh, blocks, width] = [g.kernel[0], nest.grid.blocks(), nest.grid.columns].map(n);
    let (words, under) = (n(g.output[2] / 32), n(together * g.input[2]));
    let of_row = match apart {
        1 => quote!(Rows<#words, #under>),
        _ => {
            let apart = n(apart);
            quote!(Table<Rows<#words, #under>, #apart>)
        }
    };
    let fields = vec![Operand {
        name: "weight_rows",
        text: Some("`[row of taps][column of taps][input][output channels, 32 a word]`".to_owned()),
        ty: quote!(&'a Table<#of_row, #kh>),
        value: quote!(WEIGHTS.at::<#rows_at, _>()),
    }];
    let (channels, ends, all, span) = (n(g.input[2]), n(down.columns + 1), n(g.input[2] * down.columns), n(down.rows));
    let (planes, step, bytes) = (n(down.planes), n(down.step(g)), down.step(g) > 1);
    let listed = (nest.grid.rows > 1).then(|| quote!(let mut listed = 0;));
    // What ends in signs is compared in the planes, and never becomes numbers.
    let compared = nest.thresholds.is_some();
    let results = match compared {
        true => quote!(let mut compared = const { Table([Table([0_u16; #blocks]); #width]) };),
        false => quote! {
            let mut counts = const { Table([Table([[0; 16]; #blocks]); #width]) };
            let mut ones = Table([0; #width]);
        },
    };
    let memory = quote! {
        let mut set = const { Table([SetRow::<#channels, #ends, #all, #step>::NONE; #span]) };
        #results
        #listed
    };
    let [before_rows, before_columns] = [0, 1].map(|axis| layout.frame[axis] - g.pads[axis]);
    let y = scaled(rows.stride, &quote!(y));
    let bits = add(quote!(at), before_rows);
    let pixel = if g.input[2] <= 64 { quote!(&[*bits]) } else { quote!(&bits.0) };
    let line = {
        let tap = scaled(rows.dilation, &quote!(ky));
        let at = if g.kernel[0] == 1 { y.clone() } else { quote!(#y + #tap) };
        if down.rows == 1 { quote!(0) } else { quote!((#at) % #span) }
    };
    let column = {
        let (x, tap) = (scaled(columns.stride, &quote!(x)), scaled(columns.dilation, &quote!(kx)));
        let first = if nest.grid.columns == 1 { None } else { Some(x) };
        let at = match (first, apart) {
            (None, 1) => quote!(0),
            (None, _) => tap,
            (Some(x), 1) => x,
            (Some(x), _) => quote!(#x + #tap),
        };
        add(at, before_columns)
    };
    let together = n(together);
    let ones = if compared { quote!(ones) } else { quote!(ones[x]) };
    let run = |weights: TokenStream, run: TokenStream| {
        quote! {
            let run = set[#line].run::<#together, #words, #under, #bytes>(#column, &self.weight_rows #weights);
            #ones += run.len();
            runs[#run] = run;
        }
    };
    let each = match apart {
        1 => run(quote!([ky]), quote!(ky)),
        _ => {
            let row = scaled(apart, &quote!(ky));
            let each = run(quote!([ky][kx]), quote!(#row + kx));
            let apart = n(apart);
            quote!(for kx in 0..#apart { #each })
        }
    };
    let each = looped("ky", quote!(0..#kh), &each);
    let (first, count) = match compared {
        true => {
            let (even, starts, of) =
                (n(Thresholds::even(g.input[2] * g.kernel[0] * g.kernel[1])), n(down.planes + 1), &start.of);
            let least = note("An even number more than the set bits, as the halves in `start` have it, too.");
            let first = quote!(#least let mut ones = #even;);
            let count =
                quote!(window_signs::<S, #planes, #starts, #words, #bytes>(s, &runs.0, #of, ones, &mut compared[x].0););
            (first, count)
        }
        false => (quote!(ones[x] = 0;), quote!(window_counts::<S, #planes, #bytes>(s, &runs.0, &mut counts[x].0);)),
    };
    let sums = note("For each set bit, the row of weights that it meets is added.");
    let pixels = quote!(#first #each #sums #count);
    let pixels = match nest.grid.columns {
        1 => quote!({ let x = 0; #pixels }),
        _ => quote!(for x in 0..#width { #pixels }),
    };
    let lists = note("The set bits of the rows under the window that are not listed yet.");
    let (from, listed) = match nest.grid.rows {
        1 => (y.clone(), TokenStream::new()),
        _ => (quote!(listed.max(#y)), quote!(listed = end;)),
    };
    let list = if down.rows == 1 { quote!(0) } else { quote!(at % #span) };
    let Start { row: start_row, of, .. } = start;
    let start_first = compared.then_some(start_row);
    let runs = n(g.kernel[0] * apart);
    let row = quote! {
        #lists
        let end = #y + #span;
        for at in #from..end {
            let line = &mut set[#list];
            line.clear();
            for bits in &self.bits[#bits].0 {
                line.push(#pixel);
            }
        }
        #listed
        #start_first
        let mut runs = Table([Run::NONE; #runs]);
        #pixels
    };
    let (block, value) = match compared {
        true => (TokenStream::new(), quote!(let plus = compared[x][block];)),
        false => (start_row.clone(), quote!(let v = s.dot_counts(&counts[x][block], &#of, ones[x]);)),
    };
    Counted { fields, memory, row, block, value }
}
