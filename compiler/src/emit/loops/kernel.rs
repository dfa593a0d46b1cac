//! A block's function and its kernel, from the parts that the other files give: a type with the tensors and parameters of one call, and
//! the call, whose area threads divide.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::steps::{self, Fields};
use super::ways::Ways;
use crate::config::MultiplyAdds;
use crate::emit::text::{doc, n};
use crate::ir::network::Arithmetic;
use crate::schedule::{Division, Undivided};

/// A block's function and its kernel, in the making.
pub(in crate::emit) struct Loops {
    /// Base of the type's name.
    pub(in crate::emit) base: String,
    pub(super) title: String,
    pub(super) fields: Vec<steps::Field>,
    pub(super) items: TokenStream,
    pub(super) body: TokenStream,
    pub(super) division: Division,
    /// By counting down the lanes, for the instruction sets that do.
    pub(super) down: Option<TokenStream>,
    /// With pixels as lanes.
    pub(super) pixel_lanes: Option<TokenStream>,
    pub(super) ways: Ways,
    pub(super) cost: usize,
    pub(super) images: usize,
    pub(super) before: TokenStream,
    pub(super) after: TokenStream,
    /// The numbers that it multiplies.
    pub(super) arithmetic: Arithmetic,
}

impl Loops {
    /// Of what one thread does.
    pub(super) fn undivided(base: String, title: String, fields: Fields<'_, '_>, body: TokenStream) -> Self {
        let images = fields.images;
        let Fields { list, after, .. } = fields;
        Self {
            base,
            title,
            fields: list,
            items: TokenStream::new(),
            body,
            division: Division::Whole(Undivided::Single),
            down: None,
            pixel_lanes: None,
            ways: Ways::ONE,
            cost: 0,
            images,
            before: TokenStream::new(),
            after,
            arithmetic: Arithmetic::F32,
        }
    }

    /// The items of the type, under a given name.
    pub(in crate::emit) fn items(&self, name: &Ident) -> TokenStream {
        let title = doc(&self.title);
        let fields = self.fields.iter().map(|steps::Field { name, text, ty, .. }| {
            let text = text.as_ref().map(|text| doc(text));
            quote!(#text #name: #ty,)
        });
        let area = self.is_shared().then(|| quote!(area: Area,));
        let (items, body) = (&self.items, &self.body);
        let lifetime = self.fields.iter().any(|f| f.ty.to_string().contains("'a")).then(|| quote!(<'a>));
        let any = lifetime.as_ref().map(|_| quote!(<'_>));
        let mutable = self.fields.iter().any(|f| f.is_part).then(|| quote!(mut));
        let (run, functions) = self.ways.run(body, self.down.as_ref(), self.pixel_lanes.as_ref(), mutable.as_ref());
        let own = (functions.is_some() || !items.is_empty()).then(|| quote!(impl #name #any { #items #functions }));
        let mutable = if functions.is_some() { None } else { mutable };
        let (kernel, generics, arguments) = match self.arithmetic {
            Arithmetic::F32 => (quote!(Kernel), quote!(S: Simd), quote!(s: S)),
            _ => (quote!(NarrowKernel), quote!(S: Simd, D: NarrowDot<S>), quote!(s: S, d: D)),
        };
        quote! {
            #title
            struct #name #lifetime { #area #(#fields)* }

            impl #kernel for #name #any {
                type Output = ();

                #[inline(always)]
                fn run<#generics>(#mutable self, #arguments) { #run }
            }

            #own
        }
    }

    /// Whether threads divide it.
    pub(in crate::emit) fn is_shared(&self) -> bool {
        matches!(self.division, Division::Area { .. })
    }

    /// The body of the block's function.
    pub(in crate::emit) fn call(&self, name: &Ident, multiply_add: MultiplyAdds) -> TokenStream {
        let (before, after) = (&self.before, &self.after);
        let door = match (self.arithmetic, multiply_add) {
            (Arithmetic::F32 | Arithmetic::Fixed, MultiplyAdds::Once) => quote!(dispatch),
            (Arithmetic::F32 | Arithmetic::Fixed, MultiplyAdds::Loose) => quote!(dispatch_loose),
            (Arithmetic::Bf16, _) => quote!(dispatch_bf16),
            (Arithmetic::Int8, _) => quote!(dispatch_int8),
        };
        let is_window = |f: &steps::Field| f.name == "window";
        let own = |f: &steps::Field| {
            let (name, value) = (&f.name, &f.value);
            if *name == value.to_string() { quote!(#name,) } else { quote!(#name: #value,) }
        };
        let run = match self.division {
            Division::Whole(_) => {
                let fields = self.fields.iter().map(|f| {
                    if is_window(f) {
                        let value = &f.value;
                        return quote!(window: #value.shaped_mut(),);
                    }
                    own(f)
                });
                quote!(#door(#name { #(#fields)* });)
            }
            Division::Area { rows, blocks, together } => {
                let (rows, blocks, cost) = (n(rows), n(blocks), n(self.cost));
                let area = match together {
                    1 => quote!(Area::new(#rows, #blocks)),
                    _ => {
                        let together = n(together);
                        quote!(Area::groups(#rows, #blocks, #together))
                    }
                };
                let parts: Vec<&steps::Field> = self.fields.iter().filter(|f| f.is_part).collect();
                let names = parts.iter().map(|f| {
                    let name = &f.name;
                    if f.under > 1 { quote!(Under(#name)) } else { quote!(#name) }
                });
                let names = nested(names.collect());
                let values = parts.iter().map(|f| {
                    let value = &f.value;
                    let under = n(f.under);
                    match f.under {
                        _ if is_window(f) => quote!(Lent::new(#value)),
                        1 => value.clone(),
                        _ => quote!(Under::<_, #under>(#value)),
                    }
                });
                let values = nested(values.collect());
                let fields = self.fields.iter().map(|f| {
                    if is_window(f) {
                        return quote!(window: window.shaped_mut(),);
                    }
                    if f.is_part {
                        let name = &f.name;
                        return quote!(#name,);
                    }
                    own(f)
                });
                let mut run = quote!(#door(#name { area, #(#fields)* }));
                if parts.iter().any(|f| is_window(f)) {
                    run = quote!(window.with(|window| #run));
                }
                quote! {
                    divide(team, #cost, #area, #values, |area, #names| { #run; });
                }
            }
        };
        if self.images == 1 {
            return quote!(#before #run #after);
        }
        let images = n(self.images);
        quote!(#before for image in 0..#images { #run #after })
    }
}

/// Parts in a tuple, or in tuples of tuples where there are more than the runtime knows a tuple of.
fn nested(mut parts: Vec<TokenStream>) -> TokenStream {
    const MOST: usize = 8;
    if parts.len() > MOST {
        let rest = parts.split_off(MOST - 1);
        parts.push(nested(rest));
    }
    quote!((#(#parts,)*))
}
