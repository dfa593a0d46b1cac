//! Blocks without tiles: gates, moves of elements, whole operators. Each is one call of the runtime, or few.

use proc_macro2::TokenStream;
use quote::quote;

use super::loops::{Views, bit_pool};
use super::text::{array, float, n};
use crate::ir::DType;
use crate::ir::network::{Dense, Gate, Move, Network, Piece, Storage, TensorId, Whole};
use crate::ops;
use crate::plan::{Blob, blob};

/// The body of the function of a block that moves elements, behind the bindings of its tensors.
pub(super) fn moved(network: &Network, moved: &Move, views: &mut Views<'_>) -> TokenStream {
    match moved {
        Move::BitMaxPool { input, output, geometry } => bit_pool(network, *input, *output, geometry, views),
        Move::Copy { fill, pieces, output } => {
            let y = flat(network, views, *output, "y", true);
            let fill = fill.map(|value| {
                let value = float(value);
                quote!(fill(#y, #value);)
            });
            let pieces: TokenStream = pieces.iter().map(|piece| copy(network, piece, &y, views)).collect();
            quote!(#fill #pieces)
        }
        Move::Reshape { input, output } => {
            if views.place(*input) == views.place(*output) {
                return TokenStream::new();
            }
            let (x, y) = (flat(network, views, *input, "x", false), flat(network, views, *output, "y", true));
            if network.tensor(*input).storage == Storage::Dense(DType::I64) {
                return quote!(for (y, x) in (#y).iter_mut().zip(#x) { *y = *x; });
            }
            let len = n(network.tensor(*input).storage_len());
            quote!(copy_strided(#x, 0, &[1], #y, 0, &[1], &[#len]);)
        }
    }
}

/// A tensor as an array of its elements.
fn flat(network: &Network, views: &mut Views<'_>, id: TensorId, role: &str, write: bool) -> TokenStream {
    let tensor = network.tensor(id);
    let element = if tensor.storage == Storage::Dense(DType::I64) { quote!(i64) } else { quote!(f32) };
    let len = n(tensor.storage_len());
    let ty = quote!([#element; #len]);
    if write { views.write(id, role, &ty) } else { views.read(id, role, &ty) }
}

/// The body of the function of an operator on whole tensors: one call of the runtime. (An operator without one is
/// refused by [`crate::check`].)
pub(super) fn whole(network: &Network, whole: &Whole, views: &mut Views<'_>) -> TokenStream {
    let shape = |id: TensorId| &network.tensor(id).shape[..];
    let roles: &[&str] = if whole.inputs.len() == 1 { &["x"] } else { &["a", "b", "c"] };
    let inputs = std::iter::zip(&whole.inputs, roles)
        .map(|(&id, role)| (flat(network, views, id, role, false), shape(id)))
        .collect();
    let call = ops::Call { inputs, output: (flat(network, views, whole.output, "y", true), shape(whole.output)) };
    ops::of(&whole.op).whole().map(|operator| operator.call(&call)).unwrap_or_default()
}

/// The body of a gate's function.
pub(super) fn gate(network: &Network, gate: &Gate, views: &mut Views<'_>, blob: &mut Blob) -> TokenStream {
    let Gate { sums, first, hidden, second, squash, output } = gate;
    let images = n(network.tensor(*sums).shape[0]);
    let x = flat(network, views, *sums, "sums", false);
    let y = flat(network, views, *output, "factors", true);
    let mut layer = |d: &Dense| {
        let (w, b) = (blob.floats(&blob::dense_weights(d)), blob.per_channel(&d.bias));
        let [w_at, w_len, b_at, b_len] = [w.offset, w.len, b.offset, b.len].map(n);
        quote!(WEIGHTS.floats(#w_at, #w_len), WEIGHTS.floats(#b_at, #b_len))
    };
    let (w1, w2) = (layer(first), layer(second));
    let (inputs, width, outputs) = (n(first.inputs), n(first.outputs), n(second.outputs));
    let (hidden, squash) = (hidden.scalar(), squash.scalar());
    quote! {
        let mut between = [0.0; #width];
        gate(#x, #images, #inputs, #width, #outputs, #w1, #w2, #hidden, #squash, &mut between, #y);
    }
}

fn copy(network: &Network, piece: &Piece, y: &TokenStream, views: &mut Views<'_>) -> TokenStream {
    let x = flat(network, views, piece.input, "x", false);
    let (from, to) = (n(piece.input_offset), n(piece.output_offset));
    let axes = merged_axes(piece);
    let strides = axes.iter().map(|axis| {
        let magnitude = n(axis.input_stride.unsigned_abs());
        if axis.input_stride < 0 { quote!(-#magnitude) } else { quote!(#magnitude) }
    });
    let out_strides = array(&axes.iter().map(|axis| axis.output_stride).collect::<Vec<_>>());
    let extents = array(&axes.iter().map(|axis| axis.extent).collect::<Vec<_>>());
    quote!(copy_strided(#x, #from, &[#(#strides),*], #y, #to, &#out_strides, &#extents);)
}

/// An axis of a copy.
struct Axis {
    extent: usize,
    input_stride: isize,
    output_stride: usize,
}

/// The axes of a copy, those of one element left out, neighbours that both sides walk in one go made one: the kernel sees
/// rows and columns of a transposition as long as they are.
fn merged_axes(piece: &Piece) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::new();
    let strides = piece.input_strides.iter().zip(&piece.output_strides);
    for (&extent, (&input_stride, &output_stride)) in piece.extents.iter().zip(strides) {
        if extent == 1 {
            continue;
        }
        match axes.last_mut() {
            Some(outer)
                if outer.output_stride == output_stride * extent
                    && isize::try_from(extent).ok().and_then(|e| e.checked_mul(input_stride))
                        == Some(outer.input_stride) =>
            {
                *outer = Axis { extent: outer.extent * extent, input_stride, output_stride };
            }
            _ => axes.push(Axis { extent, input_stride, output_stride }),
        }
    }
    axes
}
