//! Sources that slide a window over dense values, channel by channel: pools and depthwise convolutions.

use proc_macro2::TokenStream;
use quote::quote;

use super::text::{any_of, offset, scaled};
use super::{Operand, Source};
use crate::emit::text::{float, n};
use crate::ir::network::{Geometry, PoolKind};
use crate::plan::{Blob, LANES, blob};
use crate::schedule::{Axis, Nest};

/// What is done with the taps of a window.
pub(super) enum Fold {
    /// The largest. NaN takes no part.
    Max,
    /// Their sum, in the order of rows and columns, divided by their number; with padding that counts, bottom and right.
    Mean(Option<[usize; 2]>),
    /// Their products with the weights of their channels, added up by fused multiply-add in the order of rows and columns.
    Dot,
}

impl From<PoolKind> for Fold {
    fn from(kind: PoolKind) -> Self {
        match kind {
            PoolKind::Max => Fold::Max,
            PoolKind::Average { count_include_pad } => Fold::Mean(count_include_pad),
        }
    }
}

/// For each row: the rows of taps that count, where these are not the same for all.
pub(super) fn rows_of_taps(rows: &Axis) -> TokenStream {
    if rows.runs().len() == 1 {
        return TokenStream::new();
    }
    let arms = any_of(&rows.runs(), &quote!(y), |taps| {
        let (start, end) = (n(taps.start), n(taps.end));
        quote!(#start..#end)
    });
    quote!(let rows = #arms;)
}

/// Statements that leave in `v` what a window of pixel `x` of row `y` gives. `line` opens row `at` of the values as `line`, and
/// `load` is the value of its column `column`.
pub(super) fn fold(
    g: &Geometry,
    fold: &Fold,
    line: impl Fn(TokenStream) -> TokenStream,
    load: impl Fn(TokenStream) -> TokenStream,
) -> TokenStream {
    let [rows, columns] = [0, 1].map(|axis| Axis::of(g, axis, false));
    let start = match fold {
        Fold::Max => quote!(f32::NEG_INFINITY),
        Fold::Mean(_) | Fold::Dot => quote!(0.0),
    };
    let take = |kx: &TokenStream, column: TokenStream| {
        let value = load(column);
        match fold {
            Fold::Max => quote!(v = s.max(#value, v);),
            Fold::Mean(_) => quote!(v = s.add(v, #value);),
            Fold::Dot => quote!(v = s.fma(#value, s.load_le(&w[ky][#kx]), v);),
        }
    };
    let x = scaled(columns.stride, &quote!(x));
    let pad = columns.pad as isize;
    let taps: TokenStream = if let [(_, taps)] = &columns.runs()[..] {
        let (start, end) = (n(taps.start), n(taps.end));
        let tap = scaled(columns.dilation, &quote!(kx));
        let take = take(&quote!(kx), offset(quote!(#x + #tap), -pad));
        quote!(for kx in #start..#end { #take })
    } else {
        (0..columns.kernel)
            .filter(|&kx| !columns.outputs(kx).is_empty())
            .map(|kx| {
                let outputs = columns.outputs(kx);
                let index = n(kx);
                let take = take(&quote!(#index), offset(x.clone(), (kx * columns.dilation) as isize - pad));
                let (before, end) = (n(outputs.start.saturating_sub(1)), n(outputs.end));
                match (outputs.start > 0, outputs.end < columns.output) {
                    (true, true) => quote!(if x > #before && x < #end { #take }),
                    (true, false) => quote!(if x > #before { #take }),
                    (false, true) => quote!(if x < #end { #take }),
                    (false, false) => take,
                }
            })
            .collect()
    };
    let tap_row = scaled(rows.dilation, &quote!(ky));
    let y = scaled(rows.stride, &quote!(y));
    let line = line(offset(quote!(#y + #tap_row), -(rows.pad as isize)));
    let all = match &rows.runs()[..] {
        [(_, taps)] => {
            let (start, end) = (n(taps.start), n(taps.end));
            quote!(#start..#end)
        }
        _ => quote!(rows.clone()),
    };
    let divide = match fold {
        Fold::Mean(padding) => mean(g, *padding),
        _ => TokenStream::new(),
    };
    quote! {
        let mut v = s.splat(#start);
        for ky in #all { #line #taps }
        #divide
    }
}

/// Divides a sum by the number of taps that count.
fn mean(g: &Geometry, padding: Option<[usize; 2]>) -> TokenStream {
    let counts = |axis: usize| -> Vec<(std::ops::Range<usize>, usize)> {
        let mut along = Axis::of(g, axis, false);
        if let Some(behind) = padding {
            along = Axis { input: along.input + along.pad + behind[axis], pad: 0, ..along };
        }
        along.runs().into_iter().map(|(outputs, taps)| (outputs, taps.len())).collect()
    };
    let (rows, columns) = (counts(0), counts(1));
    let same = |runs: &[(std::ops::Range<usize>, usize)]| runs.iter().all(|run| run.1 == runs[0].1).then(|| runs[0].1);
    match (same(&rows), same(&columns)) {
        (Some(a), Some(b)) => {
            let count = float((a * b) as f32);
            quote!(let v = s.div(v, s.splat(#count));)
        }
        _ => {
            let (a, b) = (super::text::counted(&rows, &quote!(y)), super::text::counted(&columns, &quote!(x)));
            quote! {
                let taps = (#a) * (#b);
                let v = s.div(v, s.splat(taps as f32));
            }
        }
    }
}

/// A pool of a dense tensor.
pub(super) fn pool(nest: &Nest, g: &Geometry, kind: PoolKind) -> Source {
    let [rows, _] = nest.axes.expect("a window");
    Source {
        row: rows_of_taps(&rows),
        value: fold(
            g,
            &kind.into(),
            |row| quote!(let line = self.from.line(#row, block);),
            |column| quote!(line.load(s, #column)),
        ),
        ..Source::default()
    }
}

/// A convolution of each channel on its own.
pub(super) fn depthwise(nest: &Nest, g: &Geometry, weights: &[f32], blob: &mut Blob) -> Source {
    let [rows, _] = nest.axes.expect("a window");
    let packed = blob::depthwise_weights(weights, g);
    let at = n(blob.floats(&packed).offset);
    let ([kh, kw], blocks) = (g.kernel.map(n), n(packed.len() / (LANES * g.kernel[0] * g.kernel[1])));
    Source {
        fields: vec![Operand {
            name: "weights",
            text: Some("`[block of channels][row of taps][column of taps][channel]`".to_owned()),
            ty: quote!(&'a Table<Table<Table<[Le<f32>; 16], #kw>, #kh>, #blocks>),
            value: quote!(WEIGHTS.at::<#at, _>()),
        }],
        block: quote!(let w = &self.weights[block];),
        row: rows_of_taps(&rows),
        value: fold(
            g,
            &Fold::Dot,
            |row| quote!(let line = self.from.line(#row, block);),
            |column| quote!(line.load(s, #column)),
        ),
        ..Source::default()
    }
}
