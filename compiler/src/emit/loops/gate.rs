//! The gate of a block: two small fully connected layers on the sums of its channels.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::steps::Fields;
use super::{Loops, Views};
use crate::emit::text::{n, note};
use crate::ir::Unary;
use crate::ir::network::{Dense, Gate, Network};
use crate::plan::{Blob, LANES, blob};
use crate::schedule::{Grid, gate_blocks};

/// The loops of a gate, for each image.
///
/// `plain`: there are no vectors wherever this runs. All layers are then computed by one function.
pub(in crate::emit) fn gate(
    network: &Network,
    gate: &Gate,
    plain: bool,
    views: &mut Views<'_>,
    blob: &mut Blob,
) -> Loops {
    let Gate { sums, first, hidden, second, squash, output } = gate;
    let images = network.tensor(*sums).shape[0];
    let mut fields = Fields::new(network, images, views, blob);
    let [inputs, units, outputs] = [first.inputs, first.outputs, second.outputs];
    let count = n(inputs);
    let ty = fields.by_image(&quote!([f32; #count]));
    let view = fields.views.read(*sums, "sums", &ty);
    let view = fields.of_image(view, false);
    fields.add("sums", None, quote!(&'a [f32; #count]), view, false);
    parameters("hidden", first, plain, &mut fields);
    parameters("output", second, plain, &mut fields);
    let one = Grid::new([images, 1, 1, outputs]);
    fields.write(*output, one, "factors");

    let hidden_blocks = n(units.div_ceil(LANES));
    let title = format!("Gate: fully connected layers {inputs} -> {units} -> {outputs}");
    let base = format!("Gate{inputs}To{units}To{outputs}");
    if plain {
        let into = plain_layer("hidden", first, &quote!(self.sums), hidden, &quote!(s.store(&mut values[block], v);));
        let units = n(units);
        let x = quote!(values.0.as_flattened().first_chunk::<#units>().unwrap_or(&[0.0; #units]));
        let store = quote!(self.factors.line(0, block).store(s, 0, v););
        let out = plain_layer("output", second, &quote!(hidden), squash, &store);
        let body = quote!(#into let hidden = #x; #out);
        return Loops::undivided(base, title, fields, body);
    }
    let into =
        layer("hidden", first, &quote!(self.sums.iter()), hidden, |block| quote!(s.store(&mut hidden[#block], v);));
    let taken = (!units.is_multiple_of(LANES)).then(|| {
        let units = n(units);
        quote!(.take(#units))
    });
    let taken = quote!(hidden.as_flattened().iter() #taken);
    let out = layer("output", second, &taken, squash, |block| quote!(self.factors.line(0, #block).store(s, 0, v);));
    let in_order = note("Each sum starts from its bias and takes the inputs in order.");
    let body = quote! {
        #in_order
        let mut hidden = Table([[0.0; 16]; #hidden_blocks]);
        #into
        let hidden = hidden.0;
        #out
    };
    Loops::undivided(base, title, fields, body)
}

/// A layer of the slice `x`, and the function behind it, without vectors: leaves sums in `values`, of whose blocks `store` takes the
/// function's `v`.
fn plain_layer(name: &str, layer: &Dense, x: &TokenStream, function: &Unary, store: &TokenStream) -> TokenStream {
    let (weights, bias) = (format_ident!("{name}_weights"), format_ident!("{name}_bias"));
    let (blocks, function) = (n(layer.outputs.div_ceil(LANES)), function.vector());
    quote! {
        let mut values = Table([[0.0; 16]; #blocks]);
        dense_sums(s, #x, self.#weights.as_flattened(), &self.#bias.0, &mut values.0);
        for (block, s) in quarters(s, 0..#blocks) {
            let v = s.load(&values[block]);
            let v = #function;
            #store
        }
    }
}

/// The fields of a layer.
fn parameters(name: &str, layer: &Dense, plain: bool, fields: &mut Fields<'_, '_>) {
    let at = n(fields.blob.floats(&blob::dense_weights(layer)).offset);
    let (inputs, blocks) = (n(layer.inputs), n(layer.outputs.div_ceil(LANES)));
    let text = Some("`[block of units][input][unit]`");
    let ty = match plain {
        true => quote!(&'a [[[Le<f32>; 16]; #inputs]; #blocks]),
        false => quote!(&'a Table<Table<[Le<f32>; 16], #inputs>, #blocks>),
    };
    fields.add(&format!("{name}_weights"), text, ty, quote!(WEIGHTS.at::<#at, _>()), false);
    fields.per_channel(&format!("{name}_bias"), &layer.bias);
}

/// A layer of the values that `x` iterates over, and the function behind it; `store` takes the values `v` of a block of units.
fn layer(
    name: &str,
    layer: &Dense,
    x: &TokenStream,
    function: &Unary,
    store: impl Fn(TokenStream) -> TokenStream,
) -> TokenStream {
    let (weights, bias) = (format_ident!("{name}_weights"), format_ident!("{name}_bias"));
    let blocks = layer.outputs.div_ceil(LANES);
    let together = gate_blocks(layer);
    let function = function.vector();
    if together == 1 {
        let store = store(quote!(0));
        return quote! {
            let mut v = s.load_le(&self.#bias[0]);
            for (x, w) in #x.zip(&self.#weights[0].0) {
                v = s.fma(s.splat(*x), s.load_le(w), v);
            }
            let v = #function;
            #store
        };
    }
    let groups = blocks.div_ceil(together);
    let (count, many, last) = (n(groups), n(together), n(blocks - together));
    let (of, unit) = match groups {
        1 => (TokenStream::new(), quote!(i)),
        _ => (quote!(.window::<#many>(first)), quote!(first + i)),
    };
    let store = store(unit);
    let body = quote! {
        let (w, bias) = (self.#weights #of, self.#bias #of);
        let mut sums = [s.splat(0.0); #many];
        for (sum, bias) in sums.iter_mut().zip(&bias.0) {
            *sum = s.load_le(bias);
        }
        for (input, x) in #x.enumerate() {
            let x = s.splat(*x);
            for (sum, w) in sums.iter_mut().zip(&w.0) {
                *sum = s.fma(x, s.load_le(&w[input]), *sum);
            }
        }
        for (i, v) in sums.into_iter().enumerate() {
            let v = #function;
            #store
        }
    };
    match groups {
        1 => body,
        _ if blocks.is_multiple_of(together) => quote!(for group in 0..#count { let first = #many * group; #body }),
        _ => {
            let note = note("The last group begins among the blocks of the one before.");
            quote!(for group in 0..#count { #note let first = (#many * group).min(#last); #body })
        }
    }
}
