//! What the caller sees: input, output and scratch memory as types of known size.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use super::names::Names;
use super::text::{array, doc, n};
use crate::ir::DType;
use crate::ir::network::{NetTensor, Network, TensorId};
use crate::plan::Plan;

/// One of the caller's tensors.
pub(super) struct Port {
    /// Field of the struct, when there are several.
    pub(super) field: Option<Ident>,
    /// Element type.
    pub(super) element: TokenStream,
    /// Elements.
    pub(super) len: usize,
}

impl Port {
    fn is_integer(&self) -> bool {
        self.element.to_string() != "f32"
    }
}

/// How the probe reaches the scratch memory.
pub(super) struct Memory {
    /// A slice of its floats.
    pub(super) real: TokenStream,
    /// A slice of its words of signs.
    pub(super) bits: TokenStream,
}

/// The caller's tensors.
pub(super) struct Interface {
    /// In the file's order.
    pub(super) inputs: Vec<Port>,
    /// In the file's order.
    pub(super) outputs: Vec<Port>,
}

impl Interface {
    /// Names the fields.
    pub(super) fn new(network: &Network) -> Self {
        let ports = |ids: &[TensorId]| {
            let mut names = Names::default();
            ids.iter()
                .map(|&id| {
                    let tensor = network.tensor(id);
                    Port {
                        field: (ids.len() != 1).then(|| names.snake(&tensor.name)),
                        element: element(tensor),
                        len: tensor.shape.iter().product(),
                    }
                })
                .collect()
        };
        Self { inputs: ports(&network.inputs), outputs: ports(&network.outputs) }
    }

    /// A slice of an input.
    pub(super) fn input(&self, index: usize) -> TokenStream {
        match &self.inputs[index].field {
            Some(field) => quote!(&input.#field[..]),
            None => quote!(&input[..]),
        }
    }

    /// An input as the array it is.
    pub(super) fn whole_input(&self, index: usize) -> TokenStream {
        match &self.inputs[index].field {
            Some(field) => quote!(input.#field),
            None => quote!(input),
        }
    }

    /// An output as the array it is.
    pub(super) fn whole_output(&self, index: usize) -> TokenStream {
        match &self.outputs[index].field {
            Some(field) => quote!(output.#field),
            None => quote!(output),
        }
    }

    /// A slice of an output, to read.
    pub(super) fn output(&self, index: usize) -> TokenStream {
        match &self.outputs[index].field {
            Some(field) => quote!(&output.#field[..]),
            None => quote!(&output[..]),
        }
    }

    /// A slice of an output, to write.
    pub(super) fn output_mut(&self, index: usize) -> TokenStream {
        match &self.outputs[index].field {
            Some(field) => quote!(&mut output.#field[..]),
            None => quote!(&mut output[..]),
        }
    }

    /// The types and sizes.
    pub(super) fn items(&self, network: &Network, plan: &Plan) -> TokenStream {
        let (real, bits) = (n(plan.real_len), n(plan.bits_len));
        self.items_over(network, plan.scratch_bytes(), &quote!(Workspace<#real, #bits>))
    }

    /// The types and sizes, with that type of scratch memory.
    pub(super) fn items_over(&self, network: &Network, scratch_bytes: usize, scratch: &TokenStream) -> TokenStream {
        let input = side(network, &network.inputs, &self.inputs, "Input", "input");
        let output = side(network, &network.outputs, &self.outputs, "Output", "output");
        let bytes = n(scratch_bytes);
        quote! {
            #input
            #output

            /// Bytes of [`Scratch`].
            pub const SCRATCH_BYTES: usize = #bytes;

            /// The memory [`infer`] works in: no other is used. What it holds before does not matter.
            ///
            /// It may be too large for a stack: let it be a `static`, or use `Scratch::boxed()` (feature `alloc`).
            pub type Scratch = #scratch;
        }
    }

    /// The `probe` module: every block on its own, and the tensors of the caller by number.
    pub(super) fn probe(&self, calls: &[TokenStream], Memory { real, bits }: &Memory) -> TokenStream {
        let count = n(calls.len());
        let arms = |ports: &[Port], wanted: &str, slice: &dyn Fn(usize) -> TokenStream| -> TokenStream {
            ports
                .iter()
                .enumerate()
                .filter(|(_, p)| p.element.to_string() == wanted)
                .map(|(i, _)| {
                    let (index, slice) = (n(i), slice(i));
                    quote!(#index => #slice,)
                })
                .collect()
        };
        let input_mut = |i: usize| match &self.inputs[i].field {
            Some(field) => quote!(&mut input.#field[..]),
            None => quote!(&mut input[..]),
        };
        let inputs_mut = arms(&self.inputs, "f32", &input_mut);
        let inputs = arms(&self.inputs, "f32", &|i| self.input(i));
        let outputs = arms(&self.outputs, "f32", &|i| self.output(i));
        let outputs_mut = arms(&self.outputs, "f32", &|i| self.output_mut(i));
        let integers = |ports: &[Port], arm: &dyn Fn(usize, &Port) -> TokenStream| -> TokenStream {
            let all = ports.iter().enumerate().filter(|(_, port)| port.is_integer());
            all.map(|(i, port)| {
                let (index, arm) = (n(i), arm(i, port));
                quote!(#index => #arm,)
            })
            .collect()
        };
        let numbers = integers(&self.outputs, &|i, _| {
            let output = self.whole_output(i);
            quote!(#output[at] as i64)
        });
        let given = integers(&self.inputs, &|i, _| {
            let input = self.whole_input(i);
            quote!(#input[at] as f32)
        });
        let set = integers(&self.inputs, &|i, port| {
            let (input, element) = (self.whole_input(i), &port.element);
            quote!(#input[at] = value as #element)
        });
        quote! {
            /// Each block on its own, for `xnorc verify`.
            #[allow(unused_variables)]
            pub mod probe {
                use super::{Input, Output, Scratch, Team};

                /// A block: reads and writes its tensors where the memory plan puts them.
                pub type Block = fn(&dyn Team, &Input, &mut Output, &mut Scratch);

                /// In the order of execution.
                pub const BLOCKS: [Block; #count] = [#(#calls),*];

                /// The numbers of the scratch memory, if they are floats.
                pub fn real(scratch: &mut Scratch) -> &mut [f32] {
                    #real
                }

                /// The sign bits of the scratch memory, if they are in words of 64.
                pub fn bits(scratch: &mut Scratch) -> &mut [u64] {
                    #bits
                }

                /// The input with this index.
                pub fn input(input: &mut Input, index: usize) -> &mut [f32] {
                    match index { #inputs_mut _ => &mut [] }
                }

                /// The input with this index, to read.
                pub fn input_ref(input: &Input, index: usize) -> &[f32] {
                    match index { #inputs _ => &[] }
                }

                /// The output with this index, if it holds floats.
                pub fn output_f32(output: &Output, index: usize) -> &[f32] {
                    match index { #outputs _ => &[] }
                }

                /// The output with this index, if it holds floats, to write.
                pub fn output_f32_mut(output: &mut Output, index: usize) -> &mut [f32] {
                    match index { #outputs_mut _ => &mut [] }
                }

                /// An element of the output with this index, if it holds integers.
                pub fn output_integer(output: &Output, index: usize, at: usize) -> i64 {
                    match index { #numbers _ => 0 }
                }

                /// An element of the input with this index, if it holds integers.
                pub fn input_integer(input: &Input, index: usize, at: usize) -> f32 {
                    match index { #given _ => 0.0 }
                }

                /// Writes an element of the input with this index, if it holds integers.
                pub fn set_input_integer(input: &mut Input, index: usize, at: usize, value: f32) {
                    match index { #set _ => {} }
                }
            }
        }
    }
}

fn element(tensor: &NetTensor) -> TokenStream {
    let name = format_ident!("{}", tensor.integer().unwrap_or(DType::F32).name());
    quote!(#name)
}

fn side(network: &Network, ids: &[TensorId], ports: &[Port], name: &str, word: &str) -> TokenStream {
    let ident = Ident::new(name, Span::call_site());
    let mut items = TokenStream::new();
    let is_boolean = |i: usize| name == "Input" && network.booleans.contains(&i);
    let elements = |i: usize| if is_boolean(i) { " Booleans: 0 or 1." } else { "" };
    for (&id, port) in ids.iter().zip(ports) {
        let tensor = network.tensor(id);
        let constant = match &port.field {
            None => format_ident!("{}_SHAPE", name.to_ascii_uppercase()),
            Some(field) => {
                format_ident!("{}_{}_SHAPE", name.to_ascii_uppercase(), field.to_string().to_ascii_uppercase())
            }
        };
        let (rank, shape) = (n(tensor.shape.len()), array(&tensor.shape));
        let text = doc(&format!("Shape of the {word} `{}`, as in the model.", tensor.name));
        items.extend(quote!(#text pub const #constant: [usize; #rank] = #shape;));
    }
    if let [Port { field: None, element, len }] = ports {
        let len = n(*len);
        let text = doc(&format!("The {word} `{}`, in row-major order.{}", network.tensor(ids[0]).name, elements(0)));
        items.extend(quote!(#text pub type #ident = [#element; #len];));
        return items;
    }
    let fields = ids.iter().zip(ports).enumerate().map(|(i, (&id, port))| {
        let (field, element, len) = (&port.field, &port.element, n(port.len));
        let tensor = network.tensor(id);
        let text = doc(&format!("`{}`, shape {:?}, in row-major order.{}", tensor.name, tensor.shape, elements(i)));
        quote!(#text pub #field: [#element; #len],)
    });
    let zeros = ports.iter().map(|port| {
        let (field, len) = (&port.field, n(port.len));
        let zero = if port.is_integer() { quote!(0) } else { quote!(0.0) };
        quote!(#field: [#zero; #len],)
    });
    let text = doc(&format!("The {word}s."));
    items.extend(quote! {
        #text
        #[derive(Clone)]
        pub struct #ident { #(#fields)* }

        impl #ident {
            /// All zeros.
            pub const fn new() -> Self {
                Self { #(#zeros)* }
            }
        }

        impl Default for #ident {
            fn default() -> Self {
                Self::new()
            }
        }
    });
    items
}
