//! Binary convolutions that count down the lanes, for cores without a population count: a window at a time, as in
//! [`crate::emit`] where memory is all alike (the runtime's `window_counts.rs`).

use std::fmt::Write;
use std::ops::Range;

use crate::ir::network::{BinaryWeights, BitPadding, Geometry};
use crate::plan::blob;
use crate::schedule::{Axis, Down};
use crate::target::{Family, Target};

/// Most bytes that the lists of set bits may take of the stack: such cores have little memory.
const MOST: usize = 8 << 10;

/// How a layer is counted on a target; `None` where by words.
pub(super) fn down(g: &Geometry, target: Option<&Target>) -> Option<Down> {
    let target = target.filter(|target| target.family() == Family::Portable)?;
    let columns = (g.output[1] - 1) * g.strides[1] + (g.kernel[1] - 1) * g.dilations[1] + 1;
    let down = Down::over(g, columns, Some(target)).ok()?;
    (2 * g.input[2] * columns * down.rows <= MOST).then_some(down)
}

/// The loops of a layer, as statements; tables stand where they call them.
pub(super) struct Windows {
    /// Rows of weights: type and value.
    pub(super) weights: [String; 2],
    /// By class of window and channel: what dot products start from.
    pub(super) starts: Vec<Vec<i16>>,
    /// In front of all rows.
    pub(super) before: String,
    /// For each row.
    pub(super) row: String,
    /// For each pixel.
    pub(super) pixel: String,
    /// The value of channel `c`.
    pub(super) value: String,
}

/// The loops; `weights` and `starts` are the tables' names, `word` an element of the input.
pub(super) fn windows(
    down: &Down,
    (g, padding): (&Geometry, BitPadding),
    signs: &BinaryWeights,
    [weights, starts]: [&str; 2],
    word: &dyn Fn(&str) -> String,
) -> Windows {
    let ([h, w, c], kh, outputs) = (g.input, g.kernel[0], g.output[2]);
    let ([sy, sx], [dy, dx], [py, px]) = (g.strides, g.dilations, g.pads);
    let (words, of_pixel, out_words) = (c.div_ceil(32), c.div_ceil(64), outputs / 32);
    let (columns, span, step, planes) = (down.columns, down.rows, down.step(g), down.planes);
    let bytes = step > 1;
    let [apart, together] = Down::taps(g);
    let under = together * c;
    let rows = blob::weight_rows(signs, g, false);
    let mut tables = String::new();
    for run in rows.chunks(under * out_words) {
        let _ = write!(tables, "rows_of_words([");
        for row in run.chunks(out_words) {
            let _ = write!(tables, "{row:?}, ");
        }
        let _ = write!(tables, "]), ");
    }
    let runs = kh * apart;
    let weights_of = [format!("[Rows<{out_words}, {under}>; {runs}]"), format!("[{tables}]")];
    let framed = padding != BitPadding::Zero;
    let axes = [0, 1].map(|axis| Axis::of(g, axis, framed));
    let classes = axes.each_ref().map(Axis::classes);
    let all = blob::starts(signs, g, &classes[0], &classes[1]);
    let starts_of = all.chunks(outputs).map(<[i16]>::to_vec).collect();
    // What lies outside the picture: set bits where it is padded with +1.
    let outside: Vec<String> = (0..of_pixel)
        .map(|i| match (padding, c - 64 * i) {
            (BitPadding::Plus, channels) if channels < 64 => format!("{}", (1_u64 << channels) - 1),
            (BitPadding::Plus, _) => "!0".to_owned(),
            _ => "0".to_owned(),
        })
        .collect();
    let inside: Vec<String> = (0..of_pixel)
        .map(|i| {
            let half = |k: usize| word(&format!("(iy * {w} + ix) * {words} + {k}"));
            let low = format!("({} as u64)", half(2 * i));
            if 2 * i + 1 < words { format!("{low} | ({} as u64) << 32", half(2 * i + 1)) } else { low }
        })
        .collect();
    let before = format!(
        "let (mut set, mut listed) = ([SetRow::<{c}, {}, {}, {step}>::NONE; {span}], 0_usize);\n",
        columns + 1,
        c * columns
    );
    let row = format!(
        "note!(\"The set bits of the rows under the window that are not listed yet.\");\n\
         for row in listed.max(y * {sy})..y * {sy} + {span} {{\nlet line = at_mut(&mut set, row % {span});\nline.clear();\n\
         for column in 0..{columns}_usize {{\nlet (iy, ix) = (row.wrapping_sub({py}), column.wrapping_sub({px}));\n\
         line.push(&(if iy < {h} && ix < {w} {{ [{}] }} else {{ [{}] }}));\n}} }}\nlisted = y * {sy} + {span};\n",
        inside.join(", "),
        outside.join(", "),
    );
    let index = |columns: &str| if apart == 1 { "ky".to_owned() } else { format!("ky * {apart} + {columns}") };
    let column = if apart == 1 { format!("x * {sx}") } else { format!("x * {sx} + kx * {dx}") };
    let run = format!(
        "let run = at(&set, (y * {sy} + ky * {dy}) % {span}).run::<{together}, {out_words}, {under}, {bytes}>({column}, at(&{weights}, {at}));\n\
         ones += run.len() as i32;\n*at_mut(&mut runs, {at}) = run;\n",
        at = index("kx"),
    );
    let run = if apart == 1 { run } else { format!("for kx in 0..{apart}_usize {{ {run} }}") };
    let class = format!(
        "{} * {} + {}",
        choose(&axes[0], &classes[0], "y"),
        classes[1].len(),
        choose(&axes[1], &classes[1], "x")
    );
    let pixel = format!(
        "let (mut runs, mut ones, mut counts) = ([Run::NONE; {runs}], 0, [0_u16; {outputs}]);\n\
         for ky in 0..{kh}_usize {{ {run} }}\n\
         note!(\"For each set bit, the row of weights that it meets is added.\");\n\
         count_window::<{planes}, {bytes}>(&runs, &mut counts);\nlet start = at(&{starts}, {class});\n"
    );
    let value = "*at(start, c) as i32 - 2 * ones + 4 * *at(&counts, c) as i32".to_owned();
    Windows { weights: weights_of, starts: starts_of, before, row, pixel, value }
}

/// Which of the classes of taps a window has.
fn choose(axis: &Axis, classes: &[Range<usize>], at: &str) -> String {
    let of = |taps: &Range<usize>| classes.iter().position(|class| class == taps).unwrap_or(0);
    let mut text = String::new();
    let runs = axis.runs();
    for (outputs, taps) in &runs[..runs.len() - 1] {
        let _ = write!(text, "if {at} < {} {{ {} }} else ", outputs.end, of(taps));
    }
    match runs.last() {
        Some((_, taps)) if runs.len() > 1 => format!("({text}{{ {} }})", of(taps)),
        _ => "0".to_owned(),
    }
}
