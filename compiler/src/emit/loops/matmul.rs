//! Products of two matrices that are both known only at run time.

use proc_macro2::TokenStream;
use quote::quote;

use super::steps::Fields;
use super::strided::Operands;
use super::text::looped;
use super::{Loops, Views};
use crate::emit::text::n;
use crate::ir::network::{Network, Whole};
use crate::plan::{Blob, LANES};

/// The loops of a product, for each of a batch: an operand without a batch of its own is the same for all.
pub(in crate::emit) fn product(network: &Network, whole: &Whole, views: &mut Views<'_>, blob: &mut Blob) -> Loops {
    let shape = |id| &network.tensor(id).shape[..];
    let (left, right, output) = (whole.inputs[0], whole.inputs[1], whole.output);
    let [m, k] = shape(left).last_chunk().copied().unwrap_or([1, 1]);
    let [_, columns] = shape(right).last_chunk().copied().unwrap_or([1, 1]);
    let batch = |shape: &[usize], size: usize| shape.iter().product::<usize>() / size.max(1);
    let batches = batch(shape(output), m * columns);
    let (own_left, own_right) = (batch(shape(left), m * k), batch(shape(right), k * columns));
    let [rows, depth, width, many] = [m, k, columns, batches].map(n);
    let (lefts, rights) = (n(own_left), n(own_right));
    let a = quote!(Table<Table<[f32; #depth], #rows>, #lefts>);
    let b = quote!([[[f32; #width]; #depth]; #rights]);
    let y = quote!([[[f32; #width]; #rows]; #many]);

    let mut operands = Operands::new(network, views);
    [(left, &a), (right, &b), (output, &y)].into_iter().for_each(|(id, ty)| operands.want(id, ty));
    let (open_a, left) = operands.open(left, "left", &a, false);
    let (open_b, right) = operands.open(right, "right", &b, false);
    let (open_y, out) = operands.open(output, "out", &y, true);
    let mut fields = Fields::new(network, 1, views, blob);
    fields.add("left", None, quote!(&'a #a), quote!(#left), false);
    fields.add("right", None, quote!(Tensor<'a, #depth, #width>), quote!(Tensor::new(#right)), false);
    fields.add("out", None, quote!(TensorMut<'a, #rows, #width>), quote!(TensorMut::new(#out)), true);
    let at = |own: usize| if own == 1 { quote!(0) } else { quote!(i) };
    let (at_left, at_right) = (at(own_left), at(own_right));
    let body = quote! {
        let right = self.right.line(#at_right, block);
        let mut out = self.out.line(i, block);
        for row in 0..#rows {
            let mut v = s.splat(0.0);
            for (j, x) in self.left[#at_left][row].iter().enumerate() {
                v = s.fma(s.splat(*x), right.load(s, j), v);
            }
            out.store(s, row, v);
        }
    };
    let blocks = n(columns.div_ceil(LANES));
    let body: TokenStream = looped("i", quote!(0..#many), &looped("block", quote!(0..#blocks), &body));
    let of = if batches == 1 { String::new() } else { format!(", {batches} times") };
    let title = format!("Product of matrices, {m}x{k} by {k}x{columns}{of}");
    let mut loops = Loops::undivided(format!("MatMul{m}x{k}x{columns}"), title, fields, body);
    loops.before = quote!(#open_a #open_b #open_y);
    loops
}
