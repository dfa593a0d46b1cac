//! Element-wise functions of several tensors, whose shapes are broadcast.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::strided::{Operands, array_type, element, nest};
use super::views::Views;
use crate::ir::network::{Network, Whole};
use crate::ir::{broadcast_strides, strides};
use crate::schedule::walk::{View, axes, signed};

/// The body of the block's function: `expression` is an element of the result, in terms of elements of that name.
pub(super) fn elements(
    network: &Network,
    whole: &Whole,
    names: &[&str],
    expression: &TokenStream,
    views: &mut Views<'_>,
) -> TokenStream {
    let shape = &network.tensor(whole.output).shape;
    let of = |id| signed(&broadcast_strides(&network.tensor(id).shape, shape).unwrap_or_default());
    let mut walked: Vec<Vec<isize>> = whole.inputs.iter().map(|&id| of(id)).collect();
    walked.push(signed(&strides(shape)));
    let axes = axes(shape, &walked);
    let tensors: Vec<_> = whole.inputs.iter().copied().chain([whole.output]).collect();
    let seen: Vec<View> = (tensors.iter().enumerate())
        .map(|(operand, &id)| View::of(network.tensor(id).storage_len(), 0, &axes, operand))
        .collect();

    let mut operands = Operands::new(network, views);
    let types: Vec<TokenStream> =
        tensors.iter().zip(&seen).map(|(&id, view)| array_type(view, &operands.element(id))).collect();
    tensors.iter().zip(&types).for_each(|(&id, ty)| operands.want(id, ty));
    let roles: &[&str] =
        if whole.inputs.len() == 2 { &["left", "right", "y"] } else { &["which", "left", "right", "y"] };
    let (mut opened, mut values) = (TokenStream::new(), Vec::new());
    for (i, &id) in tensors.iter().enumerate() {
        let (open, name) = operands.open(id, roles[i], &types[i], id == whole.output);
        opened.extend(open);
        values.push(element(&quote!(#name), &seen[i]));
    }
    let result = values.pop();
    let names = names.iter().map(|name| format_ident!("{name}"));
    let body = quote! {
        let (#(#names),*) = (#(#values),*);
        #result = #expression;
    };
    let loops = nest(&axes, 0, body);
    quote!(#opened #loops)
}
