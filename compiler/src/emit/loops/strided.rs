//! Walks over tensors as text: nested loops, arrays of arrays, and an index for each axis.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::text::{looped, scaled};
use super::views::Views;
use crate::emit::text::n;
use crate::ir::DType;
use crate::ir::network::{Network, TensorId};
use crate::plan::Place;
use crate::schedule::walk::{Axis, Index, View};

/// The variable of an axis.
pub(super) fn variable(axis: usize) -> String {
    const NAMES: [&str; 4] = ["i", "j", "k", "l"];
    NAMES.get(axis).map_or_else(|| format!("i{axis}"), |name| (*name).to_owned())
}

/// Loops over axes whose first number is `first`, the first one outside.
pub(super) fn nest(axes: &[Axis], first: usize, body: TokenStream) -> TokenStream {
    axes.iter().enumerate().rev().fold(body, |body, (axis, Axis { extent, .. })| {
        let extent = n(*extent);
        looped(&variable(first + axis), quote!(0..#extent), &body)
    })
}

/// The array of arrays that a view sees.
pub(super) fn array_type(view: &View, element: &TokenStream) -> TokenStream {
    view.extents.iter().rev().fold(element.clone(), |ty, extent| {
        let extent = n(*extent);
        quote!(Table<#ty, #extent>)
    })
}

/// An element of a view.
pub(super) fn element(of: &TokenStream, view: &View) -> TokenStream {
    element_by(of, view, ident)
}

/// [`element`] with other expressions for the axes.
pub(super) fn element_by(of: &TokenStream, view: &View, by: impl Fn(usize) -> TokenStream) -> TokenStream {
    view.index.iter().fold(of.clone(), |of, index| {
        let index = expression(index, &by, None);
        quote!(#of[#index])
    })
}

/// So many neighbours along the last axis, from its first on: a reference, where the walk has reached them.
pub(super) fn run(of: &TokenStream, view: &View, axes: &[Axis], written: bool) -> TokenStream {
    let last = axes.len() - 1;
    let (Some(index), Some(&all), extent) = (view.index.last(), view.extents.last(), axes[last].extent) else {
        return of.clone();
    };
    let around = &view.index[..view.index.len() - 1];
    let row = around.iter().fold(of.clone(), |of, index| {
        let index = expression(index, &ident, None);
        quote!(#of[#index])
    });
    if extent == all && index.base.is_none() {
        return if around.is_empty() || written { row } else { quote!(&#row) };
    }
    let (window, first) = (if written { "window_mut" } else { "window" }, expression(index, &ident, Some(last)));
    let (window, extent) = (format_ident!("{window}"), n(extent));
    quote!(#row.#window::<#extent>(#first))
}

fn ident(axis: usize) -> TokenStream {
    let name = format_ident!("{}", variable(axis));
    quote!(#name)
}

/// An index, without the term of one axis. What is added comes before what is subtracted.
fn expression(index: &Index, by: &impl Fn(usize) -> TokenStream, without: Option<usize>) -> TokenStream {
    let term = |&(axis, factor): &(usize, isize)| match (factor.unsigned_abs(), by(axis)) {
        (1, axis) if factor > 0 => axis,
        (factor, axis) if axis.clone().into_iter().count() > 1 => scaled(factor, &quote!((#axis))),
        (factor, axis) => scaled(factor, &axis),
    };
    let terms = index.terms.iter().filter(|(axis, _)| Some(*axis) != without);
    let (forwards, backwards): (Vec<_>, Vec<_>) = terms.partition(|(_, factor)| *factor > 0);
    let start = n(index.start);
    let base = index.base.map(|base| {
        let base = format_ident!("{base}");
        quote!(#base)
    });
    let mut parts: Vec<TokenStream> = base.into_iter().chain(forwards.into_iter().map(term)).collect();
    if index.start > 0 || parts.is_empty() {
        parts.push(quote!(#start));
    }
    let backwards = backwards.into_iter().map(term);
    quote!(#(#parts)+* #(- #backwards)*)
}

/// The tensors of a block, under the types that it sees them by.
pub(super) struct Operands<'a, 'b, 'v> {
    network: &'a Network,
    views: &'b mut Views<'v>,
    wanted: Vec<(Place, String)>,
}

impl<'a, 'b, 'v> Operands<'a, 'b, 'v> {
    pub(super) fn new(network: &'a Network, views: &'b mut Views<'v>) -> Self {
        Self { network, views, wanted: Vec::new() }
    }

    /// Says how a tensor will be seen, before any is opened.
    pub(super) fn want(&mut self, id: TensorId, ty: &TokenStream) {
        self.wanted.push((self.views.place(id), ty.to_string()));
    }

    /// Whether its place is wanted under one type alone.
    pub(super) fn is_one(&self, id: TensorId) -> bool {
        let place = self.views.place(id);
        let mut types = self.wanted.iter().filter(|(at, _)| *at == place).map(|(_, ty)| ty);
        let first = types.next();
        types.all(|ty| Some(ty) == first)
    }

    /// A tensor as that type: what makes it, and its name.
    pub(super) fn open(&mut self, id: TensorId, role: &str, ty: &TokenStream, write: bool) -> (TokenStream, Ident) {
        let (is_one, is_scratch) = (self.is_one(id), matches!(self.views.place(id), Place::Real(..)));
        let flat = self.flat(id);
        // One place in the scratch memory has one type.
        let bound = if is_scratch && !is_one { &flat } else { ty };
        let view = if write { self.views.write(id, role, bound) } else { self.views.read(id, role, bound) };
        if is_scratch && is_one {
            return (TokenStream::new(), format_ident!("{}", view.to_string()));
        }
        let name = self.views.local(role);
        let shaped = match (is_scratch, write) {
            (false, _) => view,
            (true, true) => quote!(#view.shaped_mut::<#ty>()),
            (true, false) => quote!(#view.shaped::<#ty>()),
        };
        (quote!(let #name = #shaped;), name)
    }

    /// All elements of a tensor in a row.
    pub(super) fn flat(&self, id: TensorId) -> TokenStream {
        let (element, len) = (self.element(id), n(self.network.tensor(id).storage_len()));
        quote!([#element; #len])
    }

    /// The type of a tensor's elements.
    pub(super) fn element(&self, id: TensorId) -> TokenStream {
        let name = format_ident!("{}", self.network.tensor(id).integer().unwrap_or(DType::F32).name());
        quote!(#name)
    }
}
