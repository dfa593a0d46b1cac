//! What the loops of a network in fixed point call.

use std::fmt::Write;

use super::PIECES;

/// Their names.
pub const NAMES: [&str; 9] = ["short", "sigmoid", "three", "differ", "differ_inside", "dot", "take", "at", "at_mut"];

// Several at a time are written out: of loops, what optimises for size would leave loops.

/// Set bits of three words.
const THREE: &str = "/// Set bits of three words: of two by a full adder, whose carry counts twice.\n#[inline(always)]\n\
    fn three(a: u32, b: u32, c: u32) -> u32 { let u = a ^ b; (u ^ c).count_ones() + 2 * (a & b | u & c).count_ones() }\n";

/// Differing bits of words; of those of a mask.
fn differ(name: &str, masked: bool) -> String {
    let mask = |text: &str| if masked { text.to_owned() } else { String::new() };
    let (mask_of, zip) = (mask(", mask: &[u32; N]"), mask(".zip(masks)"));
    let pair = if masked { "((a, b), m)" } else { "(a, b)" };
    let differs = |i: usize| match masked {
        true => format!("(a[{i}] ^ b[{i}]) & m[{i}]"),
        false => format!("a[{i}] ^ b[{i}]"),
    };
    let three = |i: usize| format!("sum += three({}, {}, {});\n", differs(i), differs(i + 1), differs(i + 2));
    let chunks = |many: &str, n: usize| {
        let masks = mask(&format!("let (masks, mask) = mask.as_chunks::<{n}>();\n"));
        let body: String = (0..n).step_by(3).map(three).collect();
        format!(
            "let (({many}, a), (others, b)) = (a.as_chunks::<{n}>(), b.as_chunks::<{n}>());\n{masks}\
             for {pair} in {many}.iter().zip(others){zip} {{ {body} }}\n"
        )
    };
    format!(
        "/// Differing bits{}.\n#[inline(always)]\nfn {name}<const N: usize>(a: &[u32; N], b: &[u32; N]{mask_of}) -> u32 {{\n\
         let mut sum = 0;\n{}{}for {pair} in a.iter().zip(b){} {{ sum += ((a ^ b){}).count_ones(); }}\nsum\n}}\n",
        mask(" among those of a mask"),
        chunks("nines", 9),
        chunks("threes", 3),
        mask(".zip(mask)"),
        mask(" & m"),
    )
}

/// A sum of products.
const DOT: &str = "/// A sum, and products: eight at a time.\n#[inline(always)]\n\
    fn dot<const N: usize>(sum: i32, x: &[i16; N], w: &[i16; N]) -> i32 {\nlet mut sum = sum;\n\
    let ((eights, x), (others, w)) = (x.as_chunks::<8>(), w.as_chunks::<8>());\n\
    for (x, w) in eights.iter().zip(others) {\n\
    sum += x[0] as i32 * w[0] as i32 + x[1] as i32 * w[1] as i32 + x[2] as i32 * w[2] as i32 + x[3] as i32 * w[3] as i32;\n\
    sum += x[4] as i32 * w[4] as i32 + x[5] as i32 * w[5] as i32 + x[6] as i32 * w[6] as i32 + x[7] as i32 * w[7] as i32;\n}\n\
    for (x, w) in x.iter().zip(w) { sum += *x as i32 * *w as i32; }\nsum\n}\n";

/// The functions: with a table, the sigmoid; with binary layers (`Some`; whether one of them has taps outside the image), what counts
/// differing bits; and sums of products.
pub(super) fn text(sigmoid: Option<&str>, binary: Option<bool>, multiplies: bool) -> String {
    let mut helpers =
        "/// Cut off at 16 bits.\n#[inline(always)]\nfn short(v: i32) -> i16 { v.clamp(-32767, 32767) as i16 }\n\
         /// An element. No index is beyond the end, and this is no panic where the compiler does not see that.\n#[inline(always)]\n\
         fn at<T, const N: usize>(all: &[T; N], i: usize) -> &T { &all[if i < N { i } else { 0 }] }\n\
         /// The same, to write.\n#[inline(always)]\n\
         fn at_mut<T, const N: usize>(all: &mut [T; N], i: usize) -> &mut T { &mut all[if i < N { i } else { 0 }] }\n"
            .to_owned();
    if let Some(table) = sigmoid {
        let (limit, piece) = ((8 << 12) - 1, (8 << 12) / PIECES);
        let _ = writeln!(
            helpers,
            "/// By lines between the entries of a table; 12 bits of the argument are behind the point.\nfn sigmoid(x: i32) -> i16 {{\n\
             let x = x.clamp(-{limit}, {limit});\nlet (i, rest) = (x.unsigned_abs() as usize / {piece}, (x.unsigned_abs() % {piece}) as i32);\n\
             let (y, next) = (*at(&{table}, i) as i32, *at(&{table}, i + 1) as i32);\nlet y = y + (next - y) * rest / {piece};\n\
             if x < 0 {{ (32768 - y) as i16 }} else {{ y as i16 }}\n}}"
        );
    }
    if let Some(masked) = binary {
        helpers += THREE;
        helpers += &differ("differ", false);
        if masked {
            helpers += &differ("differ_inside", true);
        }
    }
    if multiplies {
        helpers += DOT;
    }
    helpers
}
