//! How a block's function reaches its tensors.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::interface::Interface;
use super::names::Names;
use super::text::n;
use crate::ir::network::TensorId;
use crate::plan::{Place, Plan};

/// The tensors one block touches, and the bindings that reach them.
pub(super) struct Memory<'a> {
    plan: &'a Plan,
    interface: &'a Interface,
    names: Names,
    real: Vec<(Ident, usize, usize)>,
    bits: Vec<(Ident, usize, usize)>,
    /// Offset of what is left of the memory that the block needs for itself.
    workspace: usize,
    uses_input: bool,
    uses_output: bool,
}

impl<'a> Memory<'a> {
    /// Those of the block with this number.
    pub(super) fn new(plan: &'a Plan, interface: &'a Interface, block: usize) -> Self {
        Self {
            plan,
            interface,
            names: Names::reserving(["team", "input", "output", "scratch"]),
            real: Vec::new(),
            bits: Vec::new(),
            workspace: plan.windows[block].0,
            uses_input: false,
            uses_output: false,
        }
    }

    /// Where a tensor lies.
    pub(super) fn place(&self, id: TensorId) -> Place {
        self.plan.place(id)
    }

    /// An expression for a tensor that is only read, called by its role when it lies in the scratch memory.
    pub(super) fn read(&mut self, id: TensorId, role: &str) -> TokenStream {
        self.reach(id, role, false)
    }

    /// An expression for a tensor that is written (and perhaps read).
    pub(super) fn write(&mut self, id: TensorId, role: &str) -> TokenStream {
        self.reach(id, role, true)
    }

    /// An expression for the next part of the memory that the block needs only while it runs.
    pub(super) fn workspace(&mut self, role: &str, len: usize) -> TokenStream {
        let offset = self.workspace;
        self.workspace += len;
        region(&mut self.real, &mut self.names, role, offset, len)
    }

    fn reach(&mut self, id: TensorId, role: &str, write: bool) -> TokenStream {
        match self.plan.place(id) {
            Place::Input(i) => {
                self.uses_input = true;
                self.interface.input(i)
            }
            Place::Output(i) => {
                self.uses_output = true;
                if write { self.interface.output_mut(i) } else { self.interface.output(i) }
            }
            Place::Real(offset, len) => region(&mut self.real, &mut self.names, role, offset, len),
            Place::Bits(offset, len) => region(&mut self.bits, &mut self.names, role, offset, len),
        }
    }

    /// The `let` lines that split the scratch memory.
    pub(super) fn bindings(&self) -> TokenStream {
        let split = |regions: &[(Ident, usize, usize)], field: TokenStream| {
            if regions.is_empty() {
                return TokenStream::new();
            }
            let names = regions.iter().map(|(name, ..)| name);
            let spans = regions.iter().map(|&(_, offset, len)| {
                let (offset, len) = (n(offset), n(len));
                quote!((#offset, #len))
            });
            quote!(let [#(#names),*] = regions(&mut scratch.#field, [#(#spans),*]);)
        };
        let (real, bits) = (split(&self.real, quote!(real)), split(&self.bits, quote!(bits)));
        quote!(#real #bits)
    }

    /// Whether the block touches the caller's input, output, scratch memory.
    pub(super) fn uses(&self) -> [bool; 3] {
        [self.uses_input, self.uses_output, !(self.real.is_empty() && self.bits.is_empty())]
    }
}

fn region(
    regions: &mut Vec<(Ident, usize, usize)>,
    names: &mut Names,
    role: &str,
    offset: usize,
    len: usize,
) -> TokenStream {
    if let Some((name, ..)) = regions.iter().find(|r| (r.1, r.2) == (offset, len)) {
        return quote!(#name);
    }
    let name = names.unique(role);
    regions.push((name.clone(), offset, len));
    quote!(#name)
}
