//! Blocks without tiles: gates, moves of elements, whole operators. Each is one call of the runtime, or few.

use proc_macro2::TokenStream;
use quote::quote;

use super::memory::Memory;
use super::shapes::Shapes;
use super::text::{array, float, n};
use crate::ir::network::{Dense, Gate, Move, Network, Piece, Storage, TensorId, Whole};
use crate::ir::{DType, Op, Reduction, broadcast_strides};
use crate::plan::{Blob, blob};

/// The body of the function of a block that moves elements, behind the bindings of its tensors.
pub(super) fn moved(network: &Network, moved: &Move, memory: &mut Memory<'_>, shapes: &mut Shapes) -> TokenStream {
    match moved {
        Move::BitMaxPool { input, output, geometry } => {
            let (x, y) = (memory.read(*input, "x"), memory.write(*output, "y"));
            let (from, to) = (shapes.bits(network.tensor(*input)), shapes.bits(network.tensor(*output)));
            let [kernel, strides, dilations, pads] =
                [geometry.kernel, geometry.strides, geometry.dilations, geometry.pads].map(|v| array(&v));
            quote!(bit_max_pool(#x, #from, #y, #to, #kernel, #strides, #dilations, #pads);)
        }
        Move::Copy { fill, pieces, output } => {
            let y = memory.write(*output, "y");
            let fill = fill.map(|value| {
                let value = float(value);
                quote!(fill(#y, #value);)
            });
            let pieces: TokenStream = pieces.iter().map(|piece| copy(piece, &y, memory)).collect();
            quote!(#fill #pieces)
        }
        Move::Reshape { input, output } => {
            if memory.place(*input) == memory.place(*output) {
                return TokenStream::new();
            }
            let (x, y) = (memory.read(*input, "x"), memory.write(*output, "y"));
            if network.tensor(*input).storage == Storage::Dense(DType::I64) {
                return quote!(#y.copy_from_slice(#x););
            }
            let len = n(network.tensor(*input).storage_len());
            quote!(copy_strided(#x, 0, &[1], #y, 0, &[1], &[#len]);)
        }
    }
}

/// Whether [`whole`] can write an operator.
pub(crate) fn has_whole_form(op: &Op) -> bool {
    matches!(op, Op::Binary(_) | Op::Reduce { .. } | Op::Softmax { .. } | Op::ArgMax { .. } | Op::MatMul)
}

/// The body of the function of an operator on whole tensors: one call of the runtime. (What [`has_whole_form`] says no to has
/// none; [`crate::ir::check`] refuses it.)
pub(super) fn whole(network: &Network, whole: &Whole, memory: &mut Memory<'_>) -> TokenStream {
    let shape = |id: TensorId| &network.tensor(id).shape[..];
    match (&whole.op, &whole.inputs[..]) {
        (Op::Binary(function), &[a, b]) => {
            let (x, y) = (memory.read(a, "a"), memory.read(b, "b"));
            let out = memory.write(whole.output, "y");
            let target = shape(whole.output);
            let strides = |id: TensorId| array(&broadcast_strides(shape(id), target).unwrap_or_default());
            let (x_strides, y_strides, extents) = (strides(a), strides(b), array(target));
            let f = function.scalar();
            quote!(broadcast(#f, #x, &#x_strides, #y, &#y_strides, #out, &#extents);)
        }
        (Op::Reduce { kind, axes, .. }, &[input]) => {
            let (x, y) = (memory.read(input, "x"), memory.write(whole.output, "y"));
            let shape = shape(input);
            let axis = |reduced: bool| {
                let axes = (0..shape.len()).filter(move |a| axes.contains(a) == reduced);
                let (extents, strides): (Vec<usize>, Vec<usize>) =
                    axes.map(|a| (shape[a], shape[a + 1..].iter().product::<usize>())).unzip();
                let (extents, strides) = (array(&extents), array(&strides));
                quote!((&#extents, &#strides))
            };
            let (kept, reduced) = (axis(false), axis(true));
            let kind = reduction(*kind);
            quote!(reduce(Reduction::#kind, #x, #kept, #reduced, #y);)
        }
        (Op::Softmax { axis, log }, &[input]) => {
            let (x, y) = (memory.read(input, "x"), memory.write(whole.output, "y"));
            let [outer, len, inner] = around(shape(input), *axis);
            quote!(softmax(#x, #y, #outer, #len, #inner, #log);)
        }
        (Op::ArgMax { axis, last, .. }, &[input]) => {
            let (x, y) = (memory.read(input, "x"), memory.write(whole.output, "y"));
            let [outer, len, inner] = around(shape(input), *axis);
            quote!(argmax(#x, #y, #outer, #len, #inner, #last);)
        }
        (Op::MatMul, &[a, b]) => {
            let (x, y) = (memory.read(a, "a"), memory.read(b, "b"));
            let out = memory.write(whole.output, "y");
            let [m, k] = matrix(shape(a));
            let [_, n] = matrix(shape(b));
            let batch = |id: TensorId, size: usize| shape(id).iter().product::<usize>() / size.max(1);
            let batches = batch(whole.output, m * n);
            // An operand without a batch of its own is the same for all.
            let stride = |id: TensorId, size: usize| if batch(id, size) == batches { size } else { 0 };
            let (extents, strides) = (array(&[batches, m, k, n]), array(&[stride(a, m * k), stride(b, k * n)]));
            quote!(matmul(#x, #y, #out, #extents, #strides);)
        }
        _ => TokenStream::new(),
    }
}

/// The last two extents.
fn matrix(shape: &[usize]) -> [usize; 2] {
    shape.last_chunk().copied().unwrap_or([1, 1])
}

/// The body of a gate's function.
pub(super) fn gate(network: &Network, gate: &Gate, memory: &mut Memory<'_>, blob: &mut Blob) -> TokenStream {
    let Gate { sums, first, hidden, second, squash, output } = gate;
    let images = n(network.tensor(*sums).shape[0]);
    let x = memory.read(*sums, "sums");
    let y = memory.write(*output, "factors");
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

fn copy(piece: &Piece, y: &TokenStream, memory: &mut Memory<'_>) -> TokenStream {
    let x = memory.read(piece.input, "x");
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

/// Extents before an axis, of it, and behind it.
fn around(shape: &[usize], axis: usize) -> [proc_macro2::Literal; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()].map(n)
}

fn reduction(kind: Reduction) -> TokenStream {
    match kind {
        Reduction::Mean => quote!(Mean),
        Reduction::Sum => quote!(Sum),
        Reduction::Max => quote!(Max),
        Reduction::Min => quote!(Min),
        Reduction::Prod => quote!(Prod),
        Reduction::L1 => quote!(L1),
        Reduction::L2 => quote!(L2),
        Reduction::SumSquare => quote!(SumSquare),
    }
}
