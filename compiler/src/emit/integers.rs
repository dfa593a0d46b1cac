//! The file of a network in fixed point: the same face as every other, over loops of integers that are spelled out.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::interface::{Interface, Memory};
use super::names::{self, Names};
use super::plain::plain;
use super::text::{self, doc, n};
use super::{Emitted, Options, describe, signature, summary};
use crate::fixed::{Block as Integers, Fixed, Step, emit as loops, helpers};
use crate::ir::network::Network;
use crate::target::Target;

/// What a caller can rely on.
const SAME_BITS: &str = "In integers, by choice (`--real fixed`): near to what the model says, not equal to it, and the same bits on every \
    processor. Allocates nothing and does not panic.";

/// Emits a network whose blocks all have a form in fixed point.
pub(crate) fn run(network: &Network, fixed: &Fixed, target: Option<&Target>, options: &Options) -> Emitted {
    let interface = Interface::new(network);
    let inputs: Vec<String> = (0..network.inputs.len()).map(|i| interface.input(i).to_string()).collect();
    let outputs: Vec<String> = (0..network.outputs.len()).map(|i| interface.whole_output(i).to_string()).collect();
    let loops::Loops { constants, blocks, helpers, take, bytes, places } =
        loops::run(network, fixed, target, &inputs, &outputs);
    let mut names = Names::reserving(names::prelude().chain(names::OWN.iter().copied()).chain(helpers::NAMES));
    let (mut functions, mut calls, mut probes) = (TokenStream::new(), TokenStream::new(), Vec::new());
    for (index, (block, body)) in network.blocks.iter().zip(&blocks).enumerate() {
        let gives = |steps: &[Step]| steps.iter().any(|step| matches!(step, Step::Give(..)));
        let gives = match &fixed.blocks[index] {
            Integers::Tiled(_, steps) => gives(steps),
            Integers::Copy { give, .. } => give.is_some(),
            _ => false,
        };
        let (parameters, arguments) = signature([false, gives, true], false);
        let (name, text, body) = (names.node(&block.name), doc(&describe(network, block, true)), tokens(body));
        functions.extend(quote! {
            #text
            #[allow(unused_parens, unused_assignments)]
            fn #name(#parameters) {
                #body
            }
        });
        let call = quote!(#name(#arguments););
        let first = (index == 0).then(|| quote!(super::take(input, scratch);));
        probes.push(quote!(|_, input, output, scratch| { #first super::#call }));
        calls.extend(call);
    }
    let [shorts, sums, words] = places.len().map(n);
    let scratch_bytes = n(places.bytes());
    let types = interface.items_over(network, places.bytes(), &quote!(Integers<#shorts, #sums, #words>));
    let probe =
        options.probe.then(|| interface.probe(&probes, &Memory { real: quote!(&mut []), bits: quote!(&mut []) }));
    let runtime: TokenStream = options.runtime.parse().expect("a path");
    let (constants, helpers, take, bits) = (tokens(&constants), tokens(&helpers), tokens(&take), doc(SAME_BITS));
    let contract = Literal::u32_unsuffixed(xnorc_runtime::CONTRACT);
    let source = text::items(quote! {
        #[allow(unused_imports)]
        use #runtime::prelude::*;

        const _: () = assert!(CONTRACT == #contract, "the runtime is of another version: compile the model again");
        const _: () = assert!(size_of::<Scratch>() == #scratch_bytes);

        #types

        /// Runs the network once.
        ///
        #bits
        pub fn infer(input: &Input, output: &mut Output, scratch: &mut Scratch) {
            take(input, scratch);
            #calls
        }

        /// [`infer`]: in fixed point one thread does it all, whatever the team.
        pub fn infer_on(team: &impl Team, input: &Input, output: &mut Output, scratch: &mut Scratch) {
            let _ = team;
            infer(input, output, scratch);
        }

        /// [`infer`] on several inputs, each by one thread of a team; as many at a time as there are scratch memories.
        ///
        /// Returns how many were computed: without scratch memory none; an input without an output, and an output without
        /// an input, is left out.
        pub fn infer_batch(team: &impl Team, inputs: &[Input], outputs: &mut [Output], scratches: &mut [Scratch]) -> usize {
            batch(team, inputs, outputs, scratches, &infer)
        }

        /// The inputs in 16 bits.
        #[allow(clippy::unnecessary_cast)]
        fn take(input: &Input, scratch: &mut Scratch) {
            #take
        }

        #functions
        #helpers
        #constants
        #probe
    });
    let summary = summary(network, places.bytes(), options, bytes, true);
    Emitted { source, summary, weights: Vec::new(), weight_bytes: bytes }
}

fn tokens(text: &str) -> TokenStream {
    plain(text.parse().unwrap_or_else(|e| panic!("emitted {e}:\n{text}")))
}
