//! Products of two matrices of signs that are both known only at run time: rows of both are packed, and differing bits counted.

use proc_macro2::TokenStream;
use quote::quote;

use super::steps::Fields;
use super::strided::Operands;
use super::text::looped;
use super::{Loops, Views};
use crate::emit::text::{float, n, note};
use crate::ir::network::{Network, Whole};
use crate::plan::{Blob, LANES};
use crate::schedule::signs::Packed;

/// Words that are counted before room is made for more.
const WORDS: usize = 15;

/// The loops of a product, for each of a batch: an operand without a batch of its own is the same for all.
pub(in crate::emit) fn sign_product(
    network: &Network,
    whole: &Whole,
    zero_one: [bool; 2],
    views: &mut Views<'_>,
    blob: &mut Blob,
) -> Loops {
    let Packed { batches, rows: m, columns, depth: k, words, own, together } = Packed::of(network, whole);
    let (left, right, output) = (whole.inputs[0], whole.inputs[1], whole.output);
    let [rows, depth, width, many, word_count] = [m, k, columns, batches, words].map(n);
    let [lefts, rights] = own.map(n);
    let a = quote!(Table<[[f32; #depth]; #rows], #lefts>);
    let b = quote!(Table<[[f32; #depth]; #width], #rights>);
    let y = quote!([[[f32; #width]; #rows]; #many]);

    let mut operands = Operands::new(network, views);
    [(left, &a), (right, &b), (output, &y)].into_iter().for_each(|(id, ty)| operands.want(id, ty));
    let (open_a, left) = operands.open(left, "left", &a, false);
    let (open_b, right) = operands.open(right, "right", &b, false);
    let (open_y, out) = operands.open(output, "out", &y, true);
    let mut fields = Fields::new(network, 1, views, blob);
    fields.add("left", None, quote!(&'a #a), quote!(#left), false);
    fields.add("right", None, quote!(&'a #b), quote!(#right), false);
    fields.add("out", None, quote!(TensorMut<'a, #rows, #width>), quote!(TensorMut::new(#out)), true);

    let at = |own: usize| if own == 1 { quote!(0) } else { quote!(i) };
    let (at_left, at_right) = (at(own[0]), at(own[1]));
    let step = quote!(differ = s.xor_popcnt(differ, *x, w););
    let (room, last) = (n(WORDS), n(WORDS - 1));
    let widened = quote! {
        if word % #room == #last {
            differ = s.widen(differ);
        }
    };
    let widened = if words > WORDS { widened } else { TokenStream::new() };
    let counted = |x: TokenStream| match words > WORDS {
        true => quote! {
            for (word, (x, w)) in #x.iter().zip(&right).enumerate() { #step #widened }
            differ = s.widen(differ);
        },
        false => quote!(for (x, w) in #x.iter().zip(&right) { #step }),
    };
    // 0 and 1 on one side: the other side's signs add up to something, and that is half of it.
    let last = if k.is_multiple_of(64) { u64::MAX } else { (1 << (k % 64)) - 1 };
    let ones: Vec<TokenStream> =
        (1..=words).map(|word| if word == words && last < u64::MAX { mask(last) } else { quote!(u64::MAX) }).collect();
    let start = if zero_one[0] {
        let count = counted(quote!([#(#ones),*]));
        let note = note("From 0 and 1 on the left: the bits that are 0 on the right count once more.");
        quote!(#note let mut differ = s.acc_zero(); #count let start = differ;)
    } else {
        quote!(let start = s.acc_zero();)
    };
    let sides = zero_one.iter().filter(|&&zero_one| zero_one).count();
    let full = float((k << sides) as f32);
    let (ones_of_row, of) = if zero_one[1] {
        let fixed = float(((k << sides) - 2 * k) as f32);
        let ones = quote!(let mut ones = 0; for word in x { ones += word.count_ones(); });
        (ones, quote!(s.splat(#fixed + 2.0 * ones as f32)))
    } else {
        (TokenStream::new(), quote!(s.splat(#full)))
    };
    let dot = quote!(s.dot(differ, #of));
    let value = match sides {
        0 => dot,
        1 => quote!(s.mul(#dot, s.splat(0.5))),
        _ => quote!(s.mul(#dot, s.splat(0.25))),
    };
    let (count, lanes) = (counted(quote!(x)), n(LANES));
    let block = quote! {
        let rows = self.right[#at_right].get(#lanes * block..).unwrap_or_default();
        let right: [_; #word_count] = pack_lanes(s, rows);
        let mut out = self.out.line(i, block);
        #start
        for (row, x) in (first..#rows).zip(&packed) {
            #ones_of_row
            let mut differ = start;
            #count
            out.store(s, row, #value);
        }
    };
    let block_count = n(columns.div_ceil(LANES));
    let blocks = looped("block", quote!(0..#block_count), &block);
    let stored = n(together);
    let body = quote! {
        let mut packed = [[0_u64; #word_count]; #stored];
        let rows = self.left[#at_left].get(first..).unwrap_or_default();
        for (words, row) in packed.iter_mut().zip(rows) {
            *words = pack_signs(s, row);
        }
        #blocks
    };
    let body = match m <= together {
        true => quote!(let first = 0; #body),
        false => {
            let parts = n(m.div_ceil(together));
            looped("part", quote!(0..#parts), &quote!(let first = #stored * part; #body))
        }
    };
    let body: TokenStream = looped("i", quote!(0..#many), &body);
    let of = if batches == 1 { String::new() } else { format!(", {batches} times") };
    let side = |zero_one: bool| if zero_one { "0 and 1" } else { "signs" };
    let (a, b) = (side(zero_one[0]), side(zero_one[1]));
    let title = format!("Product of {a} and {b}, {m}x{k} by {k}x{columns}{of}");
    let mut loops = Loops::undivided(format!("SignProduct{m}x{k}x{columns}"), title, fields, body);
    loops.before = quote!(#open_a #open_b #open_y);
    loops
}

fn mask(bits: u64) -> TokenStream {
    let bits = proc_macro2::Literal::u64_unsuffixed(bits);
    quote!(#bits)
}
