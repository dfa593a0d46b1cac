//! Binary convolutions and fully connected layers: exact integer dot products of packed signs, k - 2 * popcount(x ^ w).
//!
//! Sixteen output channels are the lanes of a vector; a word of the input is broadcast to all of them, so that there are no
//! horizontal sums. Taps in zero padding are left out, not corrected: k is the number of signs that were compared.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::text::{add, counted, scaled};
use super::windows::rows_of_taps;
use super::{Operand, Source, is_single};
use crate::emit::text::{each_pixel, n, note};
use crate::ir::network::{BinaryWeights, BitLayout, Geometry};
use crate::plan::{Blob, LANES, blob};
use crate::schedule::{Axis, Nest, Widen, is_mixed};

/// What produces the values: fields, and statements that leave the differing bits of a tile in `differ`.
pub(super) fn source(
    nest: &Nest,
    g: &Geometry,
    layout: &BitLayout,
    weights: &BinaryWeights,
    blob: &mut Blob,
) -> Source {
    let words = Words::new(nest, g, layout);
    let packed = if is_mixed(g) { blob::mixed_weights(weights, g) } else { blob::binary_weights(weights, g) };
    let at = n(blob.words(&packed).offset);
    let [kh, kw] = g.kernel.map(n);
    let count = n(nest.counting.map_or(1, |counting| counting.words));
    let sets = n(packed.len() / (LANES * words.count * g.kernel[0] * g.kernel[1]));
    let lanes = quote!([Le<u64>; 16]);
    let word = if words.count == 1 { lanes } else { quote!([#lanes; #count]) };
    let taps = if words.pointwise { word } else { quote!(Table<[#word; #kw], #kh>) };
    let mixed = is_mixed(g);
    let field = Operand {
        name: "weights",
        text: Some(words.layout(mixed)),
        ty: quote!(&'a Table<#taps, #sets>),
        value: quote!(WEIGHTS.at::<#at, _>()),
    };
    let (count, k) = (tile(nest, g, &words), value(nest, g));
    let mut fields = vec![field];
    let mut block = quote!(let w = &self.weights[block];);
    if let Some(thresholds) = &nest.thresholds {
        let mut low = thresholds.low.clone();
        low.resize(LANES * nest.grid.blocks(), 0);
        let (at, blocks) = (n(blob.halves(&low).offset), n(nest.grid.blocks()));
        fields.push(Operand {
            name: "low",
            text: Some("The least dot product whose sign is +1, of a channel".to_owned()),
            ty: quote!(&'a Table<[Le<i16>; 16], #blocks>),
            value: quote!(WEIGHTS.at::<#at, _>()),
        });
        block.extend(quote!(let low = &self.low[block];));
    }
    let rows = rows_of_taps(&nest.axes.expect("a window")[0]);
    if mixed {
        // Group by group: the lanes of each are picked.
        return Source {
            fields,
            row: rows,
            value: quote! {
                let mut v = s.splat(0.0);
                for &(part, group, lanes) in Self::PARTS[block] {
                    let w = &self.weights[part];
                    #count
                    let of = { #k v };
                    v = s.select(lanes, of, v);
                }
            },
            items: parts(g),
            ..Source::default()
        };
    }
    let ahead = (nest.grid.rows > 1 && nest.grid.blocks() > 1).then(|| {
        let rows = n(nest.grid.rows);
        quote!(prefetch(s, self.weights, block + 1, y, #rows);)
    });
    Source { fields, block, row: quote!(#ahead #rows), tile: count, value: k, ..Source::default() }
}

/// How words of the input are reached.
struct Words {
    /// Words of a tap.
    count: usize,
    /// Whether the kernel has one tap, which always counts.
    pointwise: bool,
    /// Words of a pixel.
    pixel: usize,
    /// Groups, and blocks of channels of one, where there are several.
    groups: Option<usize>,
    /// Rows and columns of the frame that no tap reaches.
    offset: [usize; 2],
}

impl Words {
    fn new(nest: &Nest, g: &Geometry, layout: &BitLayout) -> Self {
        let count = nest.counting.map_or(1, |counting| counting.words);
        Self {
            count,
            pointwise: g.kernel == [1, 1],
            pixel: count * g.groups,
            groups: (g.groups > 1).then(|| (g.output[2] / g.groups).div_ceil(LANES)),
            offset: [layout.frame[0] - g.pads[0], layout.frame[1] - g.pads[1]],
        }
    }

    /// Of the weights, for the reader.
    fn layout(&self, mixed: bool) -> String {
        let first = if mixed { "group of a block" } else { "block of channels" };
        let taps = if self.pointwise { "" } else { "[row of taps][column of taps]" };
        let words = if self.count == 1 { "" } else { "[word]" };
        format!("`[{first}]{taps}{words}[channel]`")
    }

    /// A word under tap `kx` of pixel `p` of a tile.
    fn word(&self, g: &Geometry, kx: Option<usize>, single: bool) -> TokenStream {
        let pixel = (!single).then(|| scaled(g.strides[1], &quote!(p)));
        let tap = match kx {
            Some(kx) => n(kx * g.dilations[1]).to_token_stream(),
            None => scaled(g.dilations[1], &quote!(kx)),
        };
        let column = match (pixel, kx) {
            (Some(pixel), Some(0)) => pixel,
            (Some(pixel), _) => quote!(#pixel + #tap),
            (None, _) => tap,
        };
        match (self.pixel, self.count, self.groups) {
            (1, ..) => quote!(line[#column]),
            (_, 1, Some(_)) => quote!(line[#column][group]),
            (_, count, Some(_)) => {
                let count = n(count);
                quote!(line[#column][#count * group + word])
            }
            (_, _, None) => quote!(line[#column][word]),
        }
    }

    /// Opens the columns under a tile, of a row of the input.
    fn line(&self, g: &Geometry, row: &TokenStream, single: bool) -> TokenStream {
        let x = add(scaled(g.strides[1], &quote!(x)), self.offset[1]);
        let span = if single { n((g.kernel[1] - 1) * g.dilations[1] + 1).to_token_stream() } else { quote!(Q) };
        quote!(let line = self.bits[#row].window::<#span>(#x);)
    }
}

/// The type of the framed bits of one image.
pub(super) fn bits_type(nest: &Nest, g: &Geometry, layout: &BitLayout) -> TokenStream {
    let words = n(nest.counting.map_or(1, |counting| counting.words) * g.groups);
    let [top, left, bottom, right] = layout.frame;
    // Images of one pixel may be rows of one image.
    let rows = if nest.grid.images == g.n { g.input[0] } else { g.n };
    let (h, w) = (n(rows + top + bottom), n(g.input[1] + left + right));
    let pixel = if words.to_string() == "1" { quote!(u64) } else { quote!(Table<u64, #words>) };
    quote!(Table<Table<#pixel, #w>, #h>)
}

/// Counts the differing bits of a tile.
fn tile(nest: &Nest, g: &Geometry, words: &Words) -> TokenStream {
    let mixed = is_mixed(g);
    let single = is_single(nest);
    let widen = if single {
        quote!(differ = s.widen(differ);)
    } else {
        quote!(for differ in &mut differ {
            *differ = s.widen(*differ);
        })
    };
    let at = nest.counting.map_or(Widen::Never, |counting| counting.widen);
    let start =
        if single { quote!(let mut differ = s.acc_zero();) } else { quote!(let mut differ = [s.acc_zero(); P];) };
    let group = match words.groups {
        Some(blocks) if !mixed => {
            let blocks = n(blocks);
            let group = if words.groups == Some(1) { quote!(block) } else { quote!(block / #blocks) };
            quote!(let group = #group;)
        }
        _ => TokenStream::new(),
    };
    // The counting of one tap: over its words, for each pixel of the tile.
    let tap = |kx: Option<usize>, w: TokenStream| -> TokenStream {
        let condition = kx.and_then(|kx| condition(nest, kx, single));
        let x = words.word(g, kx, single);
        let each = |w: TokenStream| {
            let count = if single {
                quote!(differ = s.xor_popcnt(differ, #x, #w);)
            } else {
                quote!(differ[p] = s.xor_popcnt(differ[p], #x, #w);)
            };
            let count = match &condition {
                Some(condition) => quote!(if #condition { #count }),
                None => count,
            };
            if single { count } else { each_pixel(&count) }
        };
        let over = if words.count == 1 {
            each(quote!(&#w))
        } else {
            let body = each(quote!(w));
            let room = match at {
                Widen::Words(room) => {
                    let room = n(room);
                    quote!(if (word + 1).is_multiple_of(#room) { #widen })
                }
                _ => TokenStream::new(),
            };
            // The weights of one tap by name are borrowed already, those of a number are not.
            let borrowed = if kx.is_some() && !words.pointwise { quote!(&#w) } else { w.clone() };
            let words_of = if nest.rolled_words() { quote!(s.rolled(#borrowed)) } else { w };
            quote!(for (word, w) in #words_of.iter().enumerate() { #body #room })
        };
        let behind = if matches!(at, Widen::Taps | Widen::Words(_)) && !words.pointwise { Some(&widen) } else { None };
        quote!(#over #behind)
    };
    let [rows, columns] = nest.axes.expect("a window");
    let y = scaled(rows.stride, &quote!(y));
    // One tap, which no output lacks. (Where padding is wider than the window, all may lack it.)
    let always = |axis: &Axis| matches!(&axis.runs()[..], [(_, taps)] if !taps.is_empty());
    let count = if words.pointwise && always(&columns) && always(&rows) {
        let line = words.line(g, &add(y, words.offset[0]), single);
        let tap = tap(Some(0), quote!(w));
        quote!(#line #tap)
    } else {
        let tap_row = scaled(rows.dilation, &quote!(ky));
        let line = words.line(g, &add(quote!(#y + #tap_row), words.offset[0]), single);
        let unrolled = columns.runs().len() > 1;
        let taps: TokenStream = if columns.runs().iter().all(|(_, taps)| taps.is_empty()) {
            quote!(let _ = (line, w);)
        } else if words.pointwise {
            tap(Some(0), quote!(w))
        } else if unrolled {
            (0..columns.kernel)
                .filter(|&kx| !columns.outputs(kx).is_empty())
                .map(|kx| {
                    let index = n(kx);
                    tap(Some(kx), quote!(w[#index]))
                })
                .collect()
        } else {
            let tap = tap(None, quote!(w));
            // The same taps count for all pixels, but that need not be all of them: a picture may be narrower than the window.
            let some = match &columns.runs()[..] {
                [(_, taps)] if *taps != (0..columns.kernel) => {
                    let (start, end) = (n(taps.start), n(taps.end));
                    quote!(.take(#end).skip(#start))
                }
                _ => TokenStream::new(),
            };
            quote!(for (kx, w) in w.iter().enumerate() #some { #tap })
        };
        let behind = (at == Widen::Rows).then_some(&widen);
        let w = (!words.pointwise).then(|| quote!(let w = &w[ky];));
        let edges = (columns.runs().len() > 1).then(|| note("Taps outside the picture are left out."));
        let rows = match &rows.runs()[..] {
            [(_, taps)] => {
                let (start, end) = (n(taps.start), n(taps.end));
                quote!(#start..#end)
            }
            _ => quote!(rows.clone()),
        };
        quote! {
            for ky in #rows {
                #line
                #w
                #edges
                #taps
                #behind
            }
        }
    };
    quote!(#group #start #count)
}

/// When column `kx` of the taps counts for pixel `x + p`; `None`: always. As a tile lies inside its row, only its first pixels
/// can lie left of the first that counts, and only its last ones right of the last: said so that the compiler sees it.
fn condition(nest: &Nest, kx: usize, single: bool) -> Option<TokenStream> {
    let [_, columns] = nest.axes?;
    let outputs = columns.outputs(kx);
    let (before, behind) = (outputs.start, columns.output - outputs.end);
    let from = (before > 0).then(|| {
        let last = n(before - 1);
        match single {
            true => quote!(x > #last),
            false if before == 1 => quote!(p > 0 || x > 0),
            false => quote!(p > #last || x + p > #last),
        }
    });
    let to = (behind > 0).then(|| {
        let (behind, end) = (n(behind), n(outputs.end));
        match single {
            true => quote!(x < #end),
            false => quote!(p + #behind < P || x + p < #end),
        }
    });
    match (from, to) {
        (Some(from), Some(to)) if single => Some(quote!(#from && #to)),
        (Some(from), Some(to)) => Some(quote!((#from) && (#to))),
        (from, to) => from.or(to),
    }
}

/// The dot products from the differing bits, for pixel `x`.
fn value(nest: &Nest, g: &Geometry) -> TokenStream {
    let [rows, columns] = nest.axes.expect("a window");
    let signs = g.input[2] / g.groups;
    let lens = |axis: &crate::schedule::Axis| -> Vec<_> {
        let mut lens: Vec<(std::ops::Range<usize>, usize)> = Vec::new();
        for (outputs, taps) in axis.runs() {
            lens.push((outputs, taps.len()));
        }
        lens
    };
    let same =
        |lens: &[(std::ops::Range<usize>, usize)]| lens.iter().all(|(_, len)| *len == lens[0].1).then_some(lens[0].1);
    let (row_lens, column_lens) = (lens(&rows), lens(&columns));
    let (row, column) = (same(&row_lens), same(&column_lens));
    let known = signs * row.unwrap_or(1) * column.unwrap_or(1);
    let (constant, rows_len) = (n(known), quote!(rows.len()));
    let columns_let = column.is_none().then(|| {
        let arms = counted(&column_lens, &quote!(x));
        quote!(let columns = #arms;)
    });
    let differ = if is_single(nest) { quote!(differ) } else { quote!(differ[p]) };
    let is_compared = nest.thresholds.is_some();
    let ty = if is_compared { quote!(i32) } else { quote!(f32) };
    let k = match (row, column) {
        (Some(_), Some(_)) if is_compared => constant.to_token_stream(),
        (Some(_), Some(_)) => {
            let k = crate::emit::text::float(known as f32);
            quote!(#k)
        }
        (None, Some(_)) => quote!((#constant * #rows_len) as #ty),
        (Some(_), None) => quote!((#constant * columns) as #ty),
        (None, None) => quote!((#constant * #rows_len * columns) as #ty),
    };
    match is_compared {
        true => quote!(#columns_let let plus = s.dot_ge(#differ, #k, low);),
        false => quote!(#columns_let let v = s.dot(#differ, s.splat(#k));),
    }
}

/// Which groups the channels of each block belong to, where a block may span several: the number of its weights, the group,
/// and the lanes.
fn parts(g: &Geometry) -> TokenStream {
    let blocks = blob::mixed_parts(g);
    let count = n(blocks.len());
    let rows = blocks.iter().map(|parts| {
        let parts = parts.iter().map(|part| {
            let (weights, group, lanes) = (n(part.weights), n(part.group), part.lanes);
            let lanes = proc_macro2::Literal::u16_unsuffixed(lanes);
            quote!((#weights, #group, #lanes))
        });
        quote!(&[#(#parts),*])
    });
    quote! {
        /// The groups that the channels of each block belong to: weights, group, lanes.
        const PARTS: Table<&'static [(usize, usize, u16)], #count> = Table([#(#rows),*]);
    }
}
