//! Binary convolutions that count down the lanes with pixels as lanes: see [`crate::schedule::PixelLanes`] and the runtime's
//! `pixel_planes.rs`.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};

use super::steps::Steps;
use super::text::{add, looped, scaled};
use super::{Dimension, Operand, down, is_divided, over};
use crate::emit::text::{n, note};
use crate::ir::network::{BinaryWeights, BitLayout, Geometry};
use crate::plan::{Blob, blob};
use crate::schedule::{Nest, PixelLanes};

/// A source that counts by pixels.
pub(super) struct Counted {
    /// What it reads beside the bits, and what the dot products start from.
    pub(super) fields: Vec<Operand>,
    /// Once: what planes and counts lie in.
    memory: TokenStream,
    /// For each strip: its bits as planes, and how many are set.
    strip: TokenStream,
    /// For each strip and block of channels: leaves its counts in `counts`.
    block: TokenStream,
    /// For each row of a strip: which of the counts are its own.
    row: TokenStream,
    /// For each pixel: leaves its values in `v`.
    value: TokenStream,
    rows: usize,
}

/// The loops of a binary layer.
pub(super) fn counted(
    by: &PixelLanes,
    g: &Geometry,
    layout: &BitLayout,
    weights: &BinaryWeights,
    start: &down::Start,
    blob: &mut Blob,
) -> Counted {
    let taps = blob::taps_by_parts(weights, g, |tap, channel| by.place(g, tap, channel), by.no_tap());
    let [part, two, four, all] = taps.bits.map(n);
    let (eights, fours) = (n(taps.places.len() / 8), n(taps.ends.len() / 16));
    let (taps_at, ends_at) = (n(blob.places(&taps.places).offset), n(blob.narrow(&taps.ends).offset));
    let (bytes, planes) = (n(by.bytes), n(by.all_planes()));
    let fields = vec![
        Operand {
            name: "taps",
            text: Some(
                "Where the bits under the taps begin, eight at a time: `[four output channels][which of them have +1 there]`".to_owned(),
            ),
            ty: quote!(&'a [[Le<u16>; 8]]),
            // The length is no part of the type, so that layers of one geometry share their loops.
            value: quote!(WEIGHTS.at::<#taps_at, [[Le<u16>; 8]; #eights]>()),
        },
        Operand {
            name: "ends",
            text: Some("Where those of each part end, and at first where the first begins.".to_owned()),
            ty: quote!(&'a Table<[Le<u32>; 16], #fours>),
            value: quote!(WEIGHTS.at::<#ends_at, _>()),
        },
    ];
    let [kh, kw] = g.kernel.map(n);
    let (width, channels, row_eights, rows) = (n(g.output[1]), n(g.input[2]), n(by.eights), n(by.rows));
    let (listed, span) = (n(g.input[1] + layout.frame[1] + layout.frame[3]), n(by.span(g)));
    let memory = quote! {
        let taps = Taps::new(self.taps);
        let mut planes = PixelPlanes::<#bytes, #planes>::NONE;
        let mut set = Table([Table([0_u16; #listed]); #span]);
        let mut ones = Table([Table([0_u16; #width]); #rows]);
        let mut counts = Table([[0; 16]; 256]);
    };
    let [before_rows, before_columns] = [0, 1].map(|axis| layout.frame[axis] - g.pads[axis]);
    let under = |row: TokenStream| add(row, before_rows);
    let at = under(match g.strides[0] {
        1 => quote!(first + row),
        _ => {
            let first = scaled(g.strides[0], &quote!(first));
            quote!(#first + row)
        }
    });
    let ones = note("How many signs under each window are +1.");
    let column = |x: TokenStream| {
        let (x, tap) = (scaled(g.strides[1], &x), scaled(g.dilations[1], &quote!(kx)));
        add(quote!(#x + #tap), before_columns)
    };
    let set_row = {
        let (row, tap) = (scaled(g.strides[0], &quote!(row)), scaled(g.dilations[0], &quote!(ky)));
        quote!(&set[#row + #tap])
    };
    let set_at = column(quote!(x));
    let add_ones = looped(
        "kx",
        quote!(0..#kw),
        &quote!(for (x, ones) in ones.0.iter_mut().enumerate() { *ones += line[#set_at]; }),
    );
    let set = quote! {
        #ones
        for (row, set) in set.0.iter_mut().enumerate() {
            if let Some(line) = self.bits.0.get(#at) {
                for (set, pixel) in set.0.iter_mut().zip(&line.0) {
                    *set = pixel.ones();
                }
            }
        }
        for (row, ones) in ones.0.iter_mut().enumerate() {
            *ones = Table([0; #width]);
            for ky in 0..#kh {
                let line = #set_row;
                #add_ones
            }
        }
    };
    let pack = note("The signs under the strip: a plane of pixels for each column of taps and each channel.");
    let phases = PixelLanes::phases(g, 0);
    let held = n(by.rows + by.below);
    // Columns of taps that are whole strides apart are the same pixels, further on.
    let lines: Vec<_> = PixelLanes::phases(g, 1)
        .into_iter()
        .map(|phase| {
            let columns = (0..g.kernel[1]).filter(move |kx| kx * g.dilations[1] % g.strides[1] == phase);
            (before_columns + phase, columns.map(|kx| (kx, n(kx * g.dilations[1] / g.strides[1]))).collect::<Vec<_>>())
        })
        .collect();
    let stride = n(g.strides[1]);
    let put = |at: TokenStream, first: &dyn Fn(usize) -> TokenStream| {
        let lines = lines.iter().map(|(from, columns)| {
            let signs = match *from {
                0 => quote!(&line.0),
                from => {
                    let from = n(from);
                    quote!(line.0.get(#from..).unwrap_or_default())
                }
            };
            let count = n(columns.len());
            let columns = columns.iter().map(|(kx, by)| {
                let first = first(*kx);
                quote!([#first, #by])
            });
            quote! {
                let columns = [#(#columns),*];
                planes.put::<S, _, #channels, #count>(s, #row_eights * row, #signs, [#stride, #width], columns);
            }
        });
        quote! {
            for row in 0..#held {
                if let Some(line) = self.bits.0.get(#at) {
                    #(#lines)*
                }
            }
        }
    };
    let row_at = match g.strides[0] {
        1 => quote!(first + row),
        stride => {
            let stride = n(stride);
            quote!(#stride * (first + row))
        }
    };
    let put = match &phases[..] {
        [0] => put(under(row_at), &|kx| n(g.input[2] * kx).into_token_stream()),
        _ => {
            let list = phases.iter().map(|phase| n(*phase));
            let put = put(under(quote!(#row_at + phase)), &|kx| {
                let kx = n(kx);
                quote!(#channels * (#kw * i + #kx))
            });
            quote!(for (i, phase) in [#(#list),*].into_iter().enumerate() { #put })
        }
    };
    let lanes = proc_macro2::Literal::usize_suffixed(by.lanes());
    let count = note("Each part's taps are added once, and each output is the sum of the parts that it is in.");
    let block = quote! {
        #count
        for part in 0..#lanes.div_ceil(S::PLANE) {
            let mut sums = [[[s.no_plane(); #all]; 4]; 4];
            for (four, sums) in sums.iter_mut().enumerate() {
                let ends = &self.ends[4 * block + four];
                let mut parts = [[s.no_plane(); #part]; 16];
                for (i, sums) in parts.iter_mut().enumerate().skip(1) {
                    *sums = add_taps(s, &planes, taps.part(ends, i), part);
                }
                *sums = of_four::<S, #part, #two, #four, #all>(s, &parts);
            }
            s.columns(&sums, |pixel, of| counts[S::PLANE * part + pixel] = of);
        }
    };
    let down::Start { row: start_row, of, .. } = start;
    let value = quote!(let v = s.dot_counts(&counts[#row_eights * 8 * row + x], &#of, usize::from(ones[row][x])););
    let row = quote!(let row = y - first; #start_row);
    Counted { fields, memory, strip: quote!(#pack #put #set), block, row, value, rows: by.rows }
}

/// The loops over strips, blocks of channels, rows and pixels.
pub(super) fn body(nest: &Nest, counted: &Counted, steps: &Steps) -> TokenStream {
    let Counted { memory, strip, block: count, row: source_row, value, .. } = counted;
    let Steps { block, row, pixel, row_end, .. } = steps;
    let (width, all, rows) = (n(nest.grid.columns), n(nest.grid.rows), n(counted.rows));
    let pixels = looped("x", quote!(0..#width), &quote!(#value #pixel));
    let each = over(
        nest,
        Dimension::Blocks,
        nest.grid.blocks(),
        quote! {
            #count
            #block
            for y in first..end { #source_row #row #pixels #row_end }
        },
    );
    if is_divided(nest.division, Dimension::Rows) {
        return quote! {
            #memory
            for first in self.area.rows.clone().step_by(#rows) {
                let end = (first + #rows).min(self.area.rows.end);
                #strip
                #each
            }
        };
    }
    if nest.grid.rows <= counted.rows {
        return quote!(#memory let (first, end) = (0, #all); #strip #each);
    }
    quote! {
        #memory
        for first in (0..#all).step_by(#rows) {
            let end = (first + #rows).min(#all);
            #strip
            #each
        }
    }
}

/// What lies under a pool, and the pool.
pub(super) struct Pooled {
    /// The first row of the pool, and the one behind the last.
    pub(super) rows: [TokenStream; 2],
    /// The first row under them.
    pub(super) first: TokenStream,
    /// The end of the rows under row `y` of the pool.
    pub(super) end: TokenStream,
    /// For each row under it: where its values are kept, and its steps.
    pub(super) kept: TokenStream,
    /// For each pixel: its steps, and that it is kept.
    pub(super) keep: TokenStream,
    /// For each block of channels.
    pub(super) block: TokenStream,
    /// Row `y` of the pool.
    pub(super) row: TokenStream,
}

/// The loops over strips, blocks of channels, rows and pixels in front of a pool inside the block.
pub(super) fn pooled(nest: &Nest, counted: &Counted, row_end: &TokenStream, pooled: &Pooled) -> TokenStream {
    let Counted { memory, strip, block: count, row: source_row, value, .. } = counted;
    let Pooled { rows: [start, behind], first, end, kept, keep, block, row } = pooled;
    let (width, rows) = (n(nest.grid.columns), n(counted.rows));
    let pixels = looped("x", quote!(0..#width), &quote!(#value #keep));
    // Of one block they are those that the strip begins with.
    let again = (nest.grid.blocks() > 1).then(|| quote!(pooled = next;));
    let whole = note("Rows of the pool whose windows have all their rows now.");
    let each = over(
        nest,
        Dimension::Blocks,
        nest.grid.blocks(),
        quote! {
            #count
            #block
            #again
            for y in first..end {
                #source_row
                #kept
                #pixels
                #row_end
                #whole
                let there = y + 1;
                while pooled < #behind {
                    let y = pooled;
                    if #end > there {
                        break;
                    }
                    #row
                    pooled += 1;
                }
            }
        },
    );
    quote! {
        #memory
        let mut next = #start;
        let last = { let y = #behind.saturating_sub(1); #end };
        for first in (#first..last).step_by(#rows) {
            let end = (first + #rows).min(last);
            #strip
            let mut pooled = next;
            #each
            next = pooled;
        }
    }
}
