//! How a block's function reaches its tensors: typed views of the scratch memory and of the caller's arrays.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::emit::interface::Interface;
use crate::emit::names::Names;
use crate::emit::text::n;
use crate::ir::network::{Network, TensorId, Tiled};
use crate::plan::{Place, Plan, Within};
use crate::schedule::Nest;

/// A view of the scratch memory.
struct View {
    name: Ident,
    at: usize,
    ty: TokenStream,
}

/// The tensors one block touches.
pub(in crate::emit) struct Views<'a> {
    plan: &'a Plan,
    interface: &'a Interface,
    names: Names,
    real: Vec<View>,
    bits: Vec<View>,
    /// Offset of what is left of the memory that the block needs for itself.
    workspace: usize,
    input: bool,
    output: bool,
}

impl<'a> Views<'a> {
    /// Those of the block with this number.
    pub(in crate::emit) fn new(plan: &'a Plan, interface: &'a Interface, block: usize) -> Self {
        Self {
            plan,
            interface,
            names: Names::reserving(["team", "input", "output", "scratch", "area", "image"]),
            real: Vec::new(),
            bits: Vec::new(),
            workspace: plan.windows[block].0,
            input: false,
            output: false,
        }
    }

    /// Where a tensor lies.
    pub(in crate::emit) fn place(&self, id: TensorId) -> Place {
        self.plan.place(id)
    }

    /// The tensors of a block one of which lies within the other.
    pub(in crate::emit) fn within(&self, network: &Network, tiled: &Tiled, nest: &Nest) -> Option<Within> {
        self.plan.within(network, tiled, nest)
    }

    /// An expression for a tensor that is only read: a reference to a value of the type.
    pub(in crate::emit) fn read(&mut self, id: TensorId, role: &str, ty: &TokenStream) -> TokenStream {
        self.reach(id, role, ty, false)
    }

    /// An expression for a tensor that is written, and perhaps read: an exclusive reference.
    pub(in crate::emit) fn write(&mut self, id: TensorId, role: &str, ty: &TokenStream) -> TokenStream {
        self.reach(id, role, ty, true)
    }

    /// An expression for the next f32s of the memory that the block needs only while it runs.
    pub(super) fn workspace(&mut self, role: &str, len: usize, ty: &TokenStream) -> TokenStream {
        let at = self.workspace;
        self.workspace += len;
        view(&mut self.real, &mut self.names, role, at, (ty, true))
    }

    /// A tensor of the caller's as the array it is, whatever its elements.
    pub(super) fn whole(&mut self, id: TensorId, write: bool) -> Option<TokenStream> {
        match self.plan.place(id) {
            Place::Input(i) if !write => {
                self.input = true;
                Some(self.interface.whole_input(i))
            }
            Place::Output(i) => {
                self.output = true;
                Some(self.interface.whole_output(i))
            }
            _ => None,
        }
    }

    fn reach(&mut self, id: TensorId, role: &str, ty: &TokenStream, write: bool) -> TokenStream {
        match self.plan.place(id) {
            Place::Input(i) => {
                self.input = true;
                let input = self.interface.whole_input(i);
                quote!(#input.shaped::<#ty>())
            }
            Place::Output(i) => {
                self.output = true;
                let output = self.interface.whole_output(i);
                if write { quote!(#output.shaped_mut::<#ty>()) } else { quote!(#output.shaped::<#ty>()) }
            }
            Place::Real(at, _) => view(&mut self.real, &mut self.names, role, at, (ty, write)),
            Place::Bits(at, _) => view(&mut self.bits, &mut self.names, role, at, (ty, write)),
        }
    }

    /// A name that nothing else of the block has.
    pub(super) fn local(&mut self, role: &str) -> Ident {
        self.names.unique(role)
    }

    /// The `let` lines that give the views of the scratch memory their names.
    pub(in crate::emit) fn bindings(&mut self) -> TokenStream {
        let line = |views: &mut Vec<View>, memory: TokenStream| {
            views.sort_by_key(|view| view.at);
            let (names, types) = nested(views)?;
            Some(quote!(let #names = scratch.#memory.places::<#types>();))
        };
        let (real, bits) = (line(&mut self.real, quote!(real)), line(&mut self.bits, quote!(bits)));
        quote!(#real #bits)
    }

    /// Whether the block touches the caller's input, output, scratch memory.
    pub(in crate::emit) fn uses(&self) -> [bool; 3] {
        [self.input, self.output, !(self.real.is_empty() && self.bits.is_empty())]
    }
}

/// Places in a tuple, or in tuples of tuples where there are more than the runtime knows a tuple of.
fn nested(views: &[View]) -> Option<(TokenStream, TokenStream)> {
    const MOST: usize = 8;
    let place = |view: &View| {
        let (name, at, ty) = (&view.name, n(view.at), &view.ty);
        (quote!(#name), quote!(Place<#at, #ty>))
    };
    match views {
        [] => None,
        [view] => Some(place(view)),
        _ => {
            let (mut names, mut types): (Vec<_>, Vec<_>) = views.iter().take(MOST - 1).map(place).unzip();
            if let Some((name, ty)) = nested(&views[names.len()..]) {
                names.push(name);
                types.push(ty);
            }
            Some((quote!((#(#names),*)), quote!((#(#types),*))))
        }
    }
}

fn view(
    views: &mut Vec<View>,
    names: &mut Names,
    role: &str,
    at: usize,
    (ty, write): (&TokenStream, bool),
) -> TokenStream {
    if let Some(view) = views.iter().find(|view| view.at == at) {
        let name = &view.name;
        let (first, second) = (view.ty.to_string(), ty.to_string());
        if first == second {
            return quote!(#name);
        }
        // A layer's input that is added to its result, too: the same elements, as each wants them.
        assert!(!write, "one place is written under two types: {first} and {second}");
        let array = if first.starts_with("Table") { quote!(#name.0) } else { quote!(#name) };
        return quote!(#array.shaped::<#ty>());
    }
    let name = names.unique(role);
    views.push(View { name: name.clone(), at, ty: ty.clone() });
    quote!(#name)
}
