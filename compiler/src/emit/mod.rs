//! Blocks to Rust source, and parameters to bytes.
//!
//! The emitted file reads like the network: the caller's types, `infer` with one call per block, one short function per
//! block (what it is, where its tensors lie, which weights it takes), and one kernel type per *distinct* geometry, so that
//! a network of a hundred equal blocks holds its loops once.

mod c;
mod carried;
mod integers;
mod interface;
pub mod krate;
mod loops;
mod names;
mod output;
mod plain;
mod shapes;
pub(crate) mod text;
mod web;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use c::{CFunction, c_function, check_name};
pub(crate) use integers::run as in_fixed_point;
pub use output::Output;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::config::MultiplyAdds;
use crate::ir::Part;
use crate::ir::network::{Arithmetic, Block, Body, Move, Network, Source};
use crate::ops::{self, Form};
use crate::plan::{Blob, Plan};
use crate::schedule::{Nest, Schedule};
use crate::target::Family;
use interface::{Interface, Memory};
use names::Names;
use shapes::Shapes;
use text::{doc, n};

/// What is emitted for a network.
#[derive(Clone, Debug, Default)]
pub struct Emitted {
    /// The module's items: Rust source without inner attributes, so that it can stand in a module or behind a header.
    pub source: String,
    /// What the network is, in a few lines: the head of the file's documentation.
    pub summary: String,
    /// The weights file, which the source includes from its own folder as `NAME.weights`.
    pub weights: Vec<u8>,
    /// Bytes of it that are parameters (the rest aligns them to cache lines).
    pub weight_bytes: usize,
}

/// How to emit.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of the module or crate: a Rust identifier.
    pub name: String,
    /// SHA-256 of the model file, in hexadecimal.
    pub model_hash: String,
    /// Adds the `probe` module, by which `verify` runs block by block.
    pub probe: bool,
    /// How f32 is multiplied and added where that is no instruction.
    pub multiply_add: MultiplyAdds,
    /// Path of the runtime in the emitted source: `::xnorc_runtime` or `crate::runtime`.
    pub runtime: String,
}

/// What a caller can rely on.
const SAME_BITS: &str = "Allocates nothing and cannot panic. The instruction set is chosen at the first call; every one gives \
    the same bits.";

/// What a caller has to know of loose multiply-add.
const LOOSE: &str = "Allocates nothing and cannot panic. The instruction set is chosen at the first call. By choice \
    (`--multiply-add loose`), those without an instruction for multiply-add round twice: their last bits differ from those \
    of the others.";

/// Emits a network.
pub fn run(network: &Network, schedule: &Schedule, plan: &Plan, options: &Options) -> Emitted {
    let interface = Interface::new(network);
    let mut emitter = Emitter {
        network,
        schedule,
        plan,
        interface: &interface,
        multiply_add: options.multiply_add,
        blob: Blob::default(),
        shapes: Shapes::default(),
        names: Names::reserving(names::prelude().chain(names::OWN.iter().copied())),
        types: Names::default(),
        known: HashMap::new(),
        kernels: TokenStream::new(),
        functions: TokenStream::new(),
        calls: TokenStream::new(),
        probes: Vec::new(),
        shares: false,
        used: [false; 3],
    };
    for (index, block) in network.blocks.iter().enumerate() {
        emitter.block(index, block);
    }
    let Emitter { blob, shapes, kernels, functions, calls, probes, shares, used, .. } = emitter;
    // What a small network has no use for.
    let unused =
        [(shares, quote!(team)), (used[0], quote!(input)), (used[1], quote!(output)), (used[2], quote!(scratch))]
            .into_iter()
            .filter(|(used, _)| !used)
            .map(|(_, name)| quote!(let _ = #name;));
    let unused: TokenStream = unused.collect();
    let weight_bytes = blob.payload;
    let no_weights = blob.is_unused();
    let weights = blob.into_bytes();

    let types = interface.items(network, plan);
    let memory = Memory { real: quote!(&mut scratch.real[..]), bits: quote!(&mut scratch.bits[..]) };
    let probe = if options.probe { interface.probe(&probes, &memory) } else { TokenStream::new() };
    let runtime: TokenStream = options.runtime.parse().expect("a path");
    let (size, file) = (n(weights.len()), format!("{}.weights", options.name));
    let shapes = shapes.items;
    let weights_item = (!no_weights).then(|| {
        quote! {
            /// Every parameter, laid out as the kernels read it.
            static WEIGHTS: Weights<#size> = Weights(*include_bytes!(#file));
        }
    });
    let bits = doc(match options.multiply_add {
        MultiplyAdds::Once => SAME_BITS,
        MultiplyAdds::Loose => LOOSE,
    });
    let body = quote! {
        #types

        /// Runs the network once.
        ///
        #bits
        pub fn infer(input: &Input, output: &mut Output, scratch: &mut Scratch) {
            infer_on(&Alone, input, output, scratch);
        }

        /// [`infer`] by a team of threads, each of which computes some rows of a block: the same bits whatever their number.
        ///
        /// The runtime's feature `std` has a pool of threads that is one.
        pub fn infer_on(team: &impl Team, input: &Input, output: &mut Output, scratch: &mut Scratch) {
            #unused
            #calls
        }

        /// [`infer`] on several inputs, each by one thread of a team; as many at a time as there are scratch memories.
        ///
        /// Returns how many were computed: without scratch memory none; an input without an output, and an output without
        /// an input, is left out.
        pub fn infer_batch(team: &impl Team, inputs: &[Input], outputs: &mut [Output], scratches: &mut [Scratch]) -> usize {
            batch(team, inputs, outputs, scratches, &infer)
        }

        #functions
        #kernels
        #shapes

        #weights_item

        #probe
    };
    let contract = proc_macro2::Literal::u32_unsuffixed(xnorc_runtime::CONTRACT);
    let tie = quote!(
        const _: () = assert!(CONTRACT == #contract, "the runtime is of another version: compile the model again");
    );
    // A macro is known below its definition only.
    let pixels = schedule.nests.iter().flatten().any(Nest::counts_by_pixels).then(text::pixels);
    let source = text::items(quote!(#[allow(unused_imports)] use #runtime::prelude::*; #tie #pixels #body));
    Emitted {
        source,
        summary: summary(network, plan.scratch_bytes(), options, weight_bytes, false),
        weights,
        weight_bytes,
    }
}

struct Emitter<'a> {
    network: &'a Network,
    schedule: &'a Schedule,
    plan: &'a Plan,
    interface: &'a Interface,
    multiply_add: MultiplyAdds,
    blob: Blob,
    shapes: Shapes,
    names: Names,
    types: Names,
    /// Kernel types by their tokens under a name that says nothing.
    known: HashMap<String, Ident>,
    kernels: TokenStream,
    functions: TokenStream,
    calls: TokenStream,
    probes: Vec<TokenStream>,
    /// Whether any block can be divided.
    shares: bool,
    /// Whether any block touches the caller's input, output, scratch memory.
    used: [bool; 3],
}

impl Emitter<'_> {
    fn block(&mut self, index: usize, block: &Block) {
        crate::internal::at(format!("block {:?}", block.name));
        let mut views = loops::Views::new(self.plan, self.interface, index);
        let body = match &block.body {
            Body::Tiled(tiled) => {
                let nest = self.schedule.nests[index].as_ref().expect("checked: a tiled block has loops");
                let loops = loops::of(self.network, tiled, nest, &mut views, &mut self.blob, &mut self.shapes);
                return self.kernel(block, &loops, views);
            }
            Body::Gate(gate) => {
                let plain = self.schedule.target.as_ref().is_some_and(|target| target.family() == Family::Portable);
                let loops = loops::gate(self.network, gate, plain, &mut views, &mut self.blob);
                return self.kernel(block, &loops, views);
            }
            Body::Move(Move::Lookup { rows, table, extents, output }) => {
                let at = self.blob.floats(table).offset;
                loops::lookup(self.network, *rows, *output, (at, *extents), &mut views)
            }
            Body::Move(moved) => loops::moved(self.network, moved, &mut views),
            Body::Whole(whole) => {
                let operator = ops::of(&whole.op);
                let form = operator.whole().expect("checked: it has a form on whole tensors").form();
                if matches!(form, Form::Product) {
                    let loops = loops::product(self.network, whole, &mut views, &mut self.blob);
                    return self.kernel(block, &loops, views);
                }
                if let Form::SignProduct { zero_one } = form {
                    let loops = loops::sign_product(self.network, whole, zero_one, &mut views, &mut self.blob);
                    return self.kernel(block, &loops, views);
                }
                loops::whole(self.network, whole, &form, &mut views)
            }
        };
        if body.is_empty() {
            // A reshape in place. The probe keeps the numbering of the blocks.
            self.probes.push(quote!(|_, _, _, _| {}));
            return;
        }
        let bindings = views.bindings();
        self.function(block, views.uses(), false, quote!(#bindings #body));
    }

    /// A block whose loops are a type that others share.
    fn kernel(&mut self, block: &Block, loops: &loops::Loops, mut views: loops::Views<'_>) {
        let key = loops.items(&format_ident!("Kernel")).to_string();
        let name = match self.known.get(&key) {
            Some(name) => name.clone(),
            None => {
                let name = self.types.unique(&loops.base);
                self.kernels.extend(loops.items(&name));
                self.known.insert(key, name.clone());
                name
            }
        };
        let (bindings, call) = (views.bindings(), loops.call(&name, self.multiply_add));
        self.function(block, views.uses(), loops.is_shared(), quote!(#bindings #call));
    }

    /// A block's function, and its call.
    fn function(&mut self, block: &Block, uses: [bool; 3], shared: bool, body: TokenStream) {
        let name = self.names.node(&block.name);
        std::iter::zip(&mut self.used, uses).for_each(|(used, here)| *used |= here);
        let (parameters, arguments) = signature(uses, shared);
        let text = doc(&describe(self.network, block, false));
        self.functions.extend(quote! {
            #text
            fn #name(#parameters) {
                #body
            }
        });
        self.calls.extend(quote!(#name(#arguments);));
        let team = shared.then(|| quote!(let team = &team;));
        self.probes.push(quote!(|team, input, output, scratch| { #team super::#name(#arguments) }));
        self.shares |= shared;
    }
}

/// Parameters of a block's function, and the arguments of a call from a function that has all four; `uses`: whether the block
/// touches the caller's input, output, scratch memory.
fn signature(uses: [bool; 3], shared: bool) -> (TokenStream, TokenStream) {
    let all = [
        (shared, quote!(team: &impl Team), quote!(team)),
        (uses[0], quote!(input: &Input), quote!(input)),
        (uses[1], quote!(output: &mut Output), quote!(output)),
        (uses[2], quote!(scratch: &mut Scratch), quote!(scratch)),
    ];
    let (parameters, arguments): (Vec<_>, Vec<_>) =
        all.into_iter().filter(|(used, ..)| *used).map(|(_, parameter, argument)| (parameter, argument)).unzip();
    (quote!(#(#parameters),*), quote!(#(#arguments),*))
}

/// Documentation of a block's function.
fn describe(network: &Network, block: &Block, in_fixed_point: bool) -> String {
    let parts: Vec<&str> = block.parts.iter().map(Part::word).collect();
    let mut text = format!("`{}`: {}.", block.name, parts.join(", "));
    match block.source() {
        Some(Source::BinaryConv { geometry, .. }) => {
            text += &format!("\n\n{} binary multiply-accumulates.", text::thousands(geometry.macs()));
        }
        Some(Source::RealConv { geometry, products, .. }) => {
            let kind = match (products.arithmetic(), products.looser()) {
                _ if in_fixed_point => "multiply-accumulates in fixed point by choice".to_owned(),
                (_, Some(looser)) => format!("multiply-accumulates in {} by choice", looser.name()),
                (Arithmetic::Int8, None) => "multiply-accumulates of the file's 8-bit integers".to_owned(),
                _ => "real multiply-accumulates".to_owned(),
            };
            text += &format!("\n\n{} {kind}.", text::thousands(geometry.macs()));
        }
        _ if block.is_binary() => {
            let macs = crate::schedule::cost::Cost::of(network, block).binary_macs;
            text += &format!("\n\n{} binary multiply-accumulates.", text::thousands(macs));
        }
        _ => {}
    }
    if let Some(reason) = &block.reason {
        text += &format!("\n\nNot binary or not fused because {reason}.");
    }
    text
}

fn summary(
    network: &Network,
    scratch_bytes: usize,
    options: &Options,
    weight_bytes: usize,
    in_fixed_point: bool,
) -> String {
    let shapes = |ids: &[crate::ir::network::TensorId]| -> String {
        let list: Vec<String> = ids
            .iter()
            .map(|&id| {
                let tensor = network.tensor(id);
                format!("`{}` {:?}", tensor.name, tensor.shape)
            })
            .collect();
        list.join(", ")
    };
    let macs = |binary: bool| -> u64 {
        network
            .blocks
            .iter()
            .map(|b| match (&b.body, b.source()) {
                (_, Some(Source::BinaryConv { geometry, .. })) if binary => geometry.macs(),
                (_, Some(Source::RealConv { geometry, .. })) if !binary => geometry.macs(),
                (Body::Whole(_), _) if binary => crate::schedule::cost::Cost::of(network, b).binary_macs,
                (Body::Gate(gate), _) if !binary => (gate.first.weights.len() + gate.second.weights.len()) as u64,
                _ => 0,
            })
            .sum()
    };
    let binary = network.blocks.iter().filter(|b| b.is_binary()).count();
    let looser: String = [Arithmetic::Bf16, Arithmetic::Int8]
        .into_iter()
        .filter_map(|arithmetic| {
            let of = |b: &&Block| b.looser() == Some(arithmetic);
            let count: u64 = network.blocks.iter().filter(of).filter_map(Block::geometry).map(|g| g.macs()).sum();
            (count > 0).then(|| format!(", {} of these in {}", text::thousands(count), arithmetic.name()))
        })
        .collect();
    let looser = if in_fixed_point { ", all in fixed point by choice".to_owned() } else { looser };
    let hash =
        if options.model_hash.is_empty() { String::new() } else { format!("; model SHA-256 {}", options.model_hash) };
    format!(
        "The network `{}`, compiled by xnorc {}{hash}.\n\n\
         - input {}; output {}\n\
         - {} blocks, {binary} of them binary: {} binary and {} real multiply-accumulates{looser}\n\
         - {} bytes of weights, {} bytes of scratch memory",
        network.name,
        env!("CARGO_PKG_VERSION"),
        shapes(&network.inputs),
        shapes(&network.outputs),
        network.blocks.len(),
        text::thousands(macs(true)),
        text::thousands(macs(false)),
        text::thousands(weight_bytes as u64),
        text::thousands(scratch_bytes as u64),
    )
}
