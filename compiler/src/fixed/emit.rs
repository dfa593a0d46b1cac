//! A network in fixed point as loops over integers: every step spelled out, nothing but `core` behind it.
//!
//! Signs lie in 32-bit words, `[row][column][word]`, without a frame: loops over taps end at the border.

use std::fmt::{Display, Write};

use super::places::{self, Array, Place, Places};
use super::{Block, Dense, Fixed, PIECES, Source, Step, sigmoid_table};
use crate::ir::network::{self, BitPadding, Body, Geometry, Move, Network, TensorId};

/// The source of a module with `Scratch` and `infer`.
///
/// # Errors
/// The block that has no loops.
pub fn run(network: &Network, fixed: &Fixed) -> Result<String, String> {
    let mut it = Emitter {
        network,
        constants: String::new(),
        places: places::run(network, fixed),
        code: String::new(),
        count: 0,
    };
    for (index, (block, integers)) in network.blocks.iter().zip(&fixed.blocks).enumerate() {
        let _ = writeln!(it.code, "\n/// `{}`\nfn block_{index}(s: &mut Scratch, output: &mut Output) {{", block.name);
        match (&block.body, integers) {
            (Body::Tiled(tiled), Block::Tiled(source, steps)) => it.tiled(tiled, source, steps)?,
            (Body::Gate(gate), Block::Gate { shifts, first, between, second }) => {
                it.gate(gate, shifts, first, between, second);
            }
            (Body::Move(Move::Reshape { input, output }), Block::Reshape) => {
                let (from, to) = (it.places.of[input], it.places.of[output]);
                let _ =
                    writeln!(it.code, "s.shorts.copy_within({}..{}, {});", from.start, from.start + from.len, to.start);
            }
            _ => return Err(format!("{:?} has no loops", block.name)),
        }
        let _ = writeln!(it.code, "let _ = output;\n}}");
    }
    let [input, output] =
        [network.inputs[0], network.outputs[0]].map(|id| network.tensor(id).shape.iter().product::<usize>());
    let exponent = fixed.tensors[&network.inputs[0]].exponents[0];
    let calls: String = (0..network.blocks.len()).map(|i| format!("block_{i}(s, output);\n")).collect();
    let table = it.constant("i16", sigmoid_table());
    let piece = (8 << 12) / PIECES;
    let [shorts, sums, words] =
        [Array::Shorts, Array::Sums, Array::Words].map(|a| it.places.lens.get(&a).copied().unwrap_or(0));
    Ok(format!(
        "pub type Input = [f32; {input}];\npub type Output = [f32; {output}];\n\
         /// The integers between the blocks.\npub struct Scratch {{ shorts: [i16; {shorts}], sums: [i32; {sums}], words: [u32; {words}] }}\n\
         impl Scratch {{ pub const fn new() -> Self {{ Self {{ shorts: [0; {shorts}], sums: [0; {sums}], words: [0; {words}] }} }} }}\n{}\n\
         /// Cut off at 16 bits.\n#[inline(always)]\nfn short(v: i32) -> i16 {{ v.clamp(-32767, 32767) as i16 }}\n\
         /// By lines between the entries of a table.\nfn sigmoid(x: i32) -> i16 {{\n\
         let x = x.clamp(-{limit}, {limit});\nlet (i, rest) = (x.unsigned_abs() as usize / {piece}, (x.unsigned_abs() % {piece}) as i32);\n\
         let (y, next) = ({table}[i] as i32, {table}[i + 1] as i32);\nlet y = y + (next - y) * rest / {piece};\n\
         if x < 0 {{ (32768 - y) as i16 }} else {{ y as i16 }}\n}}\n\
         /// Set bits; three words are two by a full adder, whose carry counts twice.\n#[inline(always)]\n\
         fn ones<const N: usize>(words: &[u32; N]) -> u32 {{\nlet mut sum = 0;\nlet (threes, rest) = words.as_chunks::<3>();\n\
         for &[a, b, c] in threes {{ let u = a ^ b; sum += (u ^ c).count_ones() + 2 * (a & b | u & c).count_ones(); }}\n\
         for w in rest {{ sum += w.count_ones(); }}\nsum\n}}\n\
         pub fn infer(input: &Input, output: &mut Output, s: &mut Scratch) {{\n\
         for (t, x) in s.shorts[{given}..{given_end}].iter_mut().zip(input) {{ let v = *x * {scale:?}_f32; *t = short(if v < 0.0 {{ v - 0.5 }} else {{ v + 0.5 }} as i32); }}\n\
         {calls}}}\n{}",
        it.constants,
        it.code,
        given = it.places.of[&network.inputs[0]].start,
        given_end = it.places.of[&network.inputs[0]].start + input,
        limit = (8 << 12) - 1,
        scale = f32::powi(2.0, exponent),
    ))
}

struct Emitter<'a> {
    network: &'a Network,
    constants: String,
    places: Places,
    code: String,
    count: usize,
}

impl Emitter<'_> {
    /// An element of a tensor, up to its index.
    fn at(&self, id: TensorId) -> String {
        let Place { array, start, .. } = self.places.of[&id];
        let array = match array {
            Array::Shorts => "shorts",
            Array::Sums => "sums",
            Array::Words => "words",
        };
        if start == 0 { format!("s.{array}[") } else { format!("s.{array}[{start} + ") }
    }

    fn constant<T: Display>(&mut self, ty: &str, values: impl IntoIterator<Item = T>) -> String {
        let list: Vec<String> = values.into_iter().map(|v| v.to_string()).collect();
        let name = format!("P{}", self.count);
        self.count += 1;
        let _ = writeln!(self.constants, "static {name}: [{ty}; {}] = [{}];", list.len(), list.join(", "));
        name
    }

    /// A parameter of channel `c`: a number where all are the same, else an element of a table.
    fn per_channel(&mut self, values: &[i32]) -> String {
        if values.iter().all(|v| *v == values[0]) {
            return if values[0] < 0 { format!("({})", values[0]) } else { values[0].to_string() };
        }
        let fits = |low: i32, high: i32| values.iter().all(|v| (low..=high).contains(v));
        let ty = if fits(-128, 127) {
            "i8"
        } else if fits(-32768, 32767) {
            "i16"
        } else {
            "i32"
        };
        let name = self.constant(ty, values);
        format!("({name}[c] as i32)")
    }

    /// Shifts to the right, or to the left where all are negative; rounded or not.
    fn shift(&mut self, v: &str, by: &[i32], round: bool) -> String {
        if by.iter().all(|&b| b == 0) {
            return v.to_owned();
        }
        if by.iter().all(|&b| b <= 0) {
            let left: Vec<i32> = by.iter().map(|b| -b).collect();
            return format!("({v} << {})", self.per_channel(&left));
        }
        let right = by.iter().all(|&b| b >= 0);
        let p = self.per_channel(by);
        match (right, round && by.iter().all(|&b| b > 0)) {
            (true, true) => format!("(({v} + (1 << ({p} - 1))) >> {p})"),
            (true, false) if !round => format!("({v} >> {p})"),
            _ if round => format!("(if {p} > 0 {{ ({v} + (1 << ({p} - 1))) >> {p} }} else {{ {v} << -{p} }})"),
            _ => format!("(if {p} >= 0 {{ {v} >> {p} }} else {{ {v} << -{p} }})"),
        }
    }

    fn tiled(&mut self, tiled: &network::Tiled, source: &Source, steps: &[Step]) -> Result<(), String> {
        let [_, h, w, c] = tiled.source.extents(self.network);
        let input = self.at(tiled.source.input());
        let (mut pixel, value) = (
            String::new(),
            match (source, &tiled.source) {
                (Source::Counters, network::Source::BinaryConv { geometry, weights, padding, .. }) => {
                    if geometry.groups != 1 || *padding != BitPadding::Zero {
                        return Err("a binary convolution with groups, or padded with signs".to_owned());
                    }
                    self.counters(&input, geometry, &weights.signs)
                }
                (Source::Products(weights), network::Source::RealConv { geometry, planar, .. }) => {
                    self.products(&input, geometry, *planar, weights)
                }
                (Source::Window(g), _) => (String::new(), window(g, &self.at(tiled.source.input()))),
                (Source::Elements, _) => (String::new(), format!("{input}(y * {w} + x) * {c} + c] as i32")),
                (Source::Planes, _) => (String::new(), format!("{input}(c * {h} + y) * {w} + x] as i32")),
                _ => return Err("a source of another kind".to_owned()),
            },
        );
        let (before, value) = value;
        pixel += &before;
        let pool = steps.iter().position(|s| matches!(s, Step::Window(_)));
        let Some(at) = pool else {
            let (before, inner) = self.pixels([h, w, c], &pixel, &value, steps, "");
            let _ = writeln!(self.code, "{before}for y in 0..{h} {{ {inner} }}");
            return Ok(());
        };
        let Step::Window(g) = &steps[at] else { return Ok(()) };
        let ([oh, ow, _], [kh, kw]) = (g.output, g.kernel);
        if [kh, kw] != g.strides {
            return Err("a pool whose windows overlap".to_owned());
        }
        if oh * kh != h || ow * kw != w {
            return Err("a pool that leaves out pixels".to_owned());
        }
        let add = format!("pooled[x / {kw} * {c} + c] += v;\n");
        let (before, inner) = self.pixels([h, w, c], &pixel, &value, &steps[..at], &add);
        let (before_means, means) = self.pixels([oh, ow, c], "", &format!("pooled[x * {c} + c]"), &steps[at + 1..], "");
        let _ = writeln!(
            self.code,
            "{before}{before_means}for row in 0..{oh} {{\nlet mut pooled = [0_i32; {}];\nfor y in {kh} * row..{kh} * row + {kh} {{ {inner} }}\n\
             let y = row;\n{means} }}",
            ow * c
        );
        Ok(())
    }

    /// What stands before the rows, and what is done for each; `pixel`: before the channels of each; `last`: after the steps.
    fn pixels(
        &mut self,
        [_, w, c]: [usize; 3],
        pixel: &str,
        value: &str,
        steps: &[Step],
        last: &str,
    ) -> (String, String) {
        let (mut before, mut words, mut body) = (String::new(), String::new(), String::new());
        let place = format!("(y * {w} + x) * {c} + c");
        for step in steps {
            body += &match step {
                Step::Narrow(by) => format!("let v = {};\n", self.shift("v", by, false)),
                Step::Multiply(p) => format!("let v = v * {};\n", self.per_channel(p)),
                Step::Gate(gate, p) => {
                    let p = self.per_channel(p);
                    before += &format!(
                        "let mut factors = [0_i16; {c}];\nfor c in 0..{c} {{ factors[c] = (({p} * {}c] as i32) >> 15) as i16; }}\n",
                        self.at(*gate)
                    );
                    "let v = v * factors[c] as i32;\n".to_owned()
                }
                Step::Shift(p) => format!("let v = v + {};\n", self.per_channel(p)),
                Step::PRelu(p) => {
                    let [a, m, b] = [0, 1, 2].map(|i| p.iter().map(|p| p[i]).collect::<Vec<_>>());
                    let inner = self.shift("v", &a, false);
                    let m = self.per_channel(&m);
                    let outer = self.shift(&format!("({inner} * {m})"), &b, false);
                    format!("let v = if v < 0 {{ {outer} }} else {{ v }};\n")
                }
                Step::Relu => "let v = v.max(0);\n".to_owned(),
                Step::Add(t, left) => {
                    let by: Vec<i32> = left.iter().map(|l| -l).collect();
                    format!("let v = v + {};\n", self.shift(&format!("({}{place}] as i32)", self.at(*t)), &by, false))
                }
                Step::Store(t, by) => format!("{}{place}] = short({});\n", self.at(*t), self.shift("v", by, true)),
                Step::Give(_, e) => {
                    let scales = self.constant("f32", e.iter().map(|&e| format!("{:?}", f32::powi(2.0, -e))));
                    format!("output[{place}] = v as f32 * {scales}[c];\n")
                }
                Step::Sum(t, by) => {
                    let start = self.places.of[t].start;
                    before += &format!("s.sums[{start}..{}].fill(0);\n", start + c);
                    format!("{}c] += {};\n", self.at(*t), self.shift("v", by, true))
                }
                Step::Sign(t, limits) => {
                    let [low, high] = [0, 1].map(|i| limits.iter().map(|l| l[i]).collect::<Vec<_>>());
                    let one_sided = high.iter().all(|&h| h == i32::MAX);
                    let test = format!("v >= {}", self.per_channel(&low));
                    let test = if one_sided { test } else { format!("{test} && v <= {}", self.per_channel(&high)) };
                    let (word, per_pixel) = (format!("w{}", t.0), c.div_ceil(32));
                    words += &format!("let mut {word} = 0_u32;\n");
                    format!(
                        "if {test} {{ {word} |= 1 << (c & 31); }}\nif c & 31 == 31 || c == {} {{ {}(y * {w} + x) * {per_pixel} + c / 32] = {word}; {word} = 0; }}\n",
                        c - 1,
                        self.at(*t)
                    )
                }
                Step::Window(_) => String::new(),
            };
        }
        let inner =
            format!("for x in 0..{w} {{\n{pixel}{words}for c in 0..{c} {{\nlet v = {value};\n{body}{last}}}\n}}");
        (before, inner)
    }

    /// Words of the taps inside the image, and how many products there are; then differing bits by output.
    fn counters(&mut self, input: &str, g: &Geometry, signs: &[bool]) -> (String, String) {
        let ([h, w, c], [kh, kw]) = (g.input, g.kernel);
        let words = c.div_ceil(32);
        let packed: Vec<u32> = (signs.chunks(c))
            .flat_map(|tap| {
                tap.chunks(32).map(|word| word.iter().enumerate().fold(0, |all, (i, &b)| all | u32::from(b) << i))
            })
            .collect();
        let weights = self.constant("u32", packed);
        let taps = kh * kw * words;
        // A tap outside differs in no bit from what is in the mask.
        let pixel = format!(
            "let (mut window, mut inside, mut products) = ([0_u32; {taps}], [0_u32; {taps}], 0_i32);\n\
             for ky in 0..{kh}_usize {{ for kx in 0..{kw}_usize {{\n\
             let (iy, ix) = ((y * {sy} + ky).wrapping_sub({py}), (x * {sx} + kx).wrapping_sub({px}));\n\
             if iy < {h} && ix < {w} {{ products += {c}; for k in 0..{words} {{\n\
             window[(ky * {kw} + kx) * {words} + k] = {input}(iy * {w} + ix) * {words} + k];\n\
             inside[(ky * {kw} + kx) * {words} + k] = !0; }} }} }} }}\n\
             let border = products < {};\n",
            kh * kw * c,
            sy = g.strides[0],
            sx = g.strides[1],
            py = g.pads[0],
            px = g.pads[1],
        );
        let value = format!(
            "{{ let row: &[u32; {taps}] = {weights}[c * {taps}..][..{taps}].try_into().unwrap();\n\
             let differ = if border {{ let mut d = [0; {taps}]; for t in 0..{taps} {{ d[t] = (window[t] ^ row[t]) & inside[t]; }} ones(&d) }}\n\
             else {{ let mut d = [0; {taps}]; for t in 0..{taps} {{ d[t] = window[t] ^ row[t]; }} ones(&d) }};\nproducts - 2 * differ as i32 }}"
        );
        (pixel, value)
    }

    fn products(&mut self, input: &str, g: &Geometry, planar: bool, weights: &[i16]) -> (String, String) {
        let ([h, w, c], [kh, kw]) = (g.input, g.kernel);
        let weights = self.constant("i16", weights);
        let at = if planar { format!("(k * {h} + iy) * {w} + ix") } else { format!("(iy * {w} + ix) * {c} + k") };
        let taps = kh * kw * c;
        let pixel = format!(
            "let mut window = [0_i16; {taps}];\nfor ky in 0..{kh}_usize {{ for kx in 0..{kw}_usize {{\n\
             let (iy, ix) = ((y * {sy} + ky).wrapping_sub({py}), (x * {sx} + kx).wrapping_sub({px}));\n\
             if iy < {h} && ix < {w} {{ for k in 0..{c} {{ window[(ky * {kw} + kx) * {c} + k] = {input}{at}]; }} }} }} }}\n",
            sy = g.strides[0],
            sx = g.strides[1],
            py = g.pads[0],
            px = g.pads[1],
        );
        let value = format!(
            "{{ let row: &[i16; {taps}] = {weights}[c * {taps}..][..{taps}].try_into().unwrap();\nlet mut sum = 0_i32;\n\
             for t in 0..{taps} {{ sum += window[t] as i32 * row[t] as i32; }} sum }}"
        );
        (pixel, value)
    }

    fn gate(&mut self, gate: &network::Gate, shifts: &[i32], first: &Dense, between: &[i32], second: &Dense) {
        let (inputs, hidden) = (gate.first.inputs, gate.first.outputs);
        let x = self.shift(&format!("{}c]", self.at(gate.sums)), shifts, true);
        let _ = writeln!(self.code, "let mut x = [0_i16; {inputs}];\nfor c in 0..{inputs} {{ x[c] = short({x}); }}");
        let w = self.constant("i16", &first.weights);
        let bias = self.per_channel(&first.bias);
        let down = self.shift("v.max(0)", between, true);
        let _ = writeln!(
            self.code,
            "let mut hidden = [0_i16; {hidden}];\nfor c in 0..{hidden} {{ let mut v = {bias}; \
             for i in 0..{inputs} {{ v += {w}[c * {inputs} + i] as i32 * x[i] as i32; }} hidden[c] = short({down}); }}"
        );
        let w = self.constant("i16", &second.weights);
        let bias = self.per_channel(&second.bias);
        let by: Vec<i32> = second.exponents.iter().map(|e| e - 12).collect();
        let x = self.shift("v", &by, false);
        let _ = writeln!(
            self.code,
            "for c in 0..{} {{ let mut v = {bias}; for i in 0..{hidden} {{ v += {w}[c * {hidden} + i] as i32 * hidden[i] as i32; }} \
             {}c] = sigmoid({x}); }}",
            gate.second.outputs,
            self.at(gate.output)
        );
    }
}

/// The sum over a window without padding.
fn window(g: &Geometry, from: &str) -> String {
    let ([_, w, c], [kh, kw]) = (g.input, g.kernel);
    let taps = (0..kh * kw).map(|t| {
        let (ky, kx) = (t / kw, t % kw);
        format!("{from}((y * {} + {ky}) * {w} + x * {} + {kx}) * {c} + c] as i32", g.strides[0], g.strides[1])
    });
    taps.collect::<Vec<_>>().join(" + ")
}
