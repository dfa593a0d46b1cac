//! Cores without tiles: gates, and layers that rearrange or reduce. Each is one call of the runtime.

use proc_macro2::TokenStream;
use quote::quote;

use super::memory::Memory;
use super::shapes::Shapes;
use super::text::{array, float, n};
use crate::ir::network::{Activation, Block, Core, Dense, Network, Piece, Storage, TensorId};
use crate::ir::{DType, Reduction};
use crate::plan::{Blob, blob};

/// The body of a block's function, behind the bindings of its tensors.
pub(super) fn emit(
    network: &Network,
    block: &Block,
    memory: &mut Memory<'_>,
    blob: &mut Blob,
    shapes: &mut Shapes,
) -> TokenStream {
    match &block.core {
        Core::Gate { sums, first, hidden, second, squash } => {
            gate(network, block, *sums, (first, hidden), (second, squash), memory, blob)
        }
        Core::BitMaxPool { input, output, geometry } => {
            let (x, y) = (memory.read(*input, "x"), memory.write(*output, "y"));
            let (from, to) = (shapes.bits(network.tensor(*input)), shapes.bits(network.tensor(*output)));
            let [kernel, strides, dilations, pads] =
                [geometry.kernel, geometry.strides, geometry.dilations, geometry.pads].map(|v| array(&v));
            quote!(bit_max_pool(#x, #from, #y, #to, #kernel, #strides, #dilations, #pads);)
        }
        Core::Copy { fill, pieces, output } => {
            let y = memory.write(*output, "y");
            let fill = fill.map(|value| {
                let value = float(value);
                quote!(fill(#y, #value);)
            });
            let pieces: TokenStream = pieces.iter().map(|piece| copy(piece, &y, memory)).collect();
            quote!(#fill #pieces)
        }
        Core::Reshape { input, output } => {
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
        Core::Broadcast { function, a, b, output } => {
            let (x, y) = (memory.read(a.0, "a"), memory.read(b.0, "b"));
            let out = memory.write(*output, "y");
            let (x_strides, y_strides) = (array(&a.1), array(&b.1));
            let extents = array(&network.tensor(*output).shape);
            let f = function.scalar();
            quote!(broadcast(#f, #x, &#x_strides, #y, &#y_strides, #out, &#extents);)
        }
        Core::Reduce { kind, input, axes, output } => {
            let (x, y) = (memory.read(*input, "x"), memory.write(*output, "y"));
            let shape = &network.tensor(*input).shape;
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
        Core::Softmax { input, axis, log, output } => {
            let (x, y) = (memory.read(*input, "x"), memory.write(*output, "y"));
            let [outer, len, inner] = around(network, *input, *axis);
            quote!(softmax(#x, #y, #outer, #len, #inner, #log);)
        }
        Core::ArgMax { input, axis, last, output } => {
            let (x, y) = (memory.read(*input, "x"), memory.write(*output, "y"));
            let [outer, len, inner] = around(network, *input, *axis);
            quote!(argmax(#x, #y, #outer, #len, #inner, #last);)
        }
        Core::MatMul { a, b, extents, batch_strides, output } => {
            let (x, y) = (memory.read(*a, "a"), memory.read(*b, "b"));
            let out = memory.write(*output, "y");
            let (extents, strides) = (array(extents), array(batch_strides));
            quote!(matmul(#x, #y, #out, #extents, #strides);)
        }
        _ => unreachable!("has tiles"),
    }
}

fn gate(
    network: &Network,
    block: &Block,
    sums: TensorId,
    (first, hidden): (&Dense, &Activation),
    (second, squash): (&Dense, &Activation),
    memory: &mut Memory<'_>,
    blob: &mut Blob,
) -> TokenStream {
    let images = n(network.tensor(sums).shape[0]);
    let x = memory.read(sums, "sums");
    let output = block.writes()[0];
    let y = memory.write(output, "factors");
    let mut layer = |d: &Dense| {
        let (w, b) = (blob.floats(&blob::dense_weights(d)), blob.per_channel(&d.bias));
        let [w_at, w_len, b_at, b_len] = [w.offset, w.len, b.offset, b.len].map(n);
        quote!(WEIGHTS.floats(#w_at, #w_len), WEIGHTS.floats(#b_at, #b_len))
    };
    let (w1, w2) = (layer(first), layer(second));
    let (inputs, width, outputs) = (n(first.inputs), n(first.outputs), n(second.outputs));
    let function = |a: &Activation| match a {
        Activation::Unary(f) => f.scalar(),
        other => panic!("{}: a gate with {other:?}", block.name),
    };
    let (hidden, squash) = (function(hidden), function(squash));
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
fn around(network: &Network, id: TensorId, axis: usize) -> [proc_macro2::Literal; 3] {
    let shape = &network.tensor(id).shape;
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
