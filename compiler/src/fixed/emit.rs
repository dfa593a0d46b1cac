//! A network in fixed point as loops over integers: every step spelled out, but for the runtime's counting down the lanes
//! ([`super::windows`]).
//!
//! Signs lie in 32-bit words, `[row][column][word]`, without a frame: loops over taps end at the border.

use std::fmt::{Display, Write};

use super::places::{self, Array, Place, Places};
use super::windows::{self, Windows};
use super::{Block, Dense, Fixed, Source, Step, helpers, sigmoid_table};
use crate::ir::network::{self, BinaryWeights, BitPadding, Body, Geometry, Move, Network, Piece, TensorId};
use crate::schedule::Down;
use crate::target::Target;

/// A network's loops, as Rust.
#[derive(Clone, Debug, Default)]
pub struct Loops {
    /// Tables of parameters.
    pub constants: String,
    /// What stands for each block: statements over `scratch`, and the outputs.
    pub blocks: Vec<String>,
    /// Functions that they call.
    pub helpers: String,
    /// What puts the inputs, one after the other, into the memory.
    pub take: String,
    /// Bytes of the tables.
    pub bytes: usize,
    /// Where the tensors lie.
    pub places: Places,
}

/// Why a block with these integers has no loops.
pub fn obstacle(block: &network::Block, integers: &Block) -> Option<String> {
    let (Body::Tiled(tiled), Block::Tiled(_, steps)) = (&block.body, integers) else { return None };
    if let network::Source::BinaryConv { geometry, .. } = &tiled.source
        && geometry.groups != 1
    {
        return Some("it is a binary convolution with groups".to_owned());
    }
    for step in steps {
        let Step::Window(g) = step else { continue };
        if g.kernel != g.strides {
            return Some("it has a pool whose windows overlap".to_owned());
        }
        if g.output[0] * g.kernel[0] != g.input[0] || g.output[1] * g.kernel[1] != g.input[1] {
            return Some("it has a pool that leaves out pixels".to_owned());
        }
    }
    None
}

/// The loops of a network whose blocks all have some, for a target; `inputs` and `outputs` are expressions for the caller's.
pub fn run(network: &Network, fixed: &Fixed, target: Option<&Target>, inputs: &[String], outputs: &[String]) -> Loops {
    let mut it = Emitter {
        network,
        target,
        outputs,
        constants: String::new(),
        bytes: 0,
        places: places::run(network, fixed),
        code: String::new(),
        count: 0,
        columns: Vec::new(),
        multiplies: false,
    };
    let mut blocks = Vec::new();
    for (block, integers) in network.blocks.iter().zip(&fixed.blocks) {
        match (&block.body, integers) {
            (Body::Tiled(tiled), Block::Tiled(source, steps)) => it.tiled(tiled, source, steps),
            (Body::Gate(gate), Block::Gate { shifts, first, between, second }) => {
                it.gate(gate, shifts, first, between, second);
            }
            (Body::Move(Move::Reshape { input, output } | Move::Convert { input, output }), _) => {
                let (from, to) = (it.places.of[input], it.places.of[output]);
                let (read, write) = (self::from(from.start, "i"), self::from(to.start, "i"));
                let _ = writeln!(
                    it.code,
                    "for i in 0..{} {{ *at_mut(&mut scratch.shorts, {write}) = *at(&scratch.shorts, {read}); }}",
                    from.len
                );
            }
            (Body::Move(Move::Copy { pieces, output, .. }), Block::Copy { shifts, fill, give }) => {
                it.copy(pieces, *output, shifts, *fill, *give);
            }
            _ => unreachable!("{:?} has other integers", block.name),
        }
        blocks.push(std::mem::take(&mut it.code));
    }
    let mut take = String::new();
    for (&id, input) in network.inputs.iter().zip(inputs) {
        let (Place { start, len, .. }, exponent) = (it.places.of[&id], fixed.tensors[&id].exponents[0]);
        let narrow = network.tensor(id).integer().is_some_and(|ty| ty.bytes() <= 2);
        let value = match narrow && (0..16).contains(&exponent) {
            true => format!("(*x as i32) << {exponent}"),
            // To the nearest: half a unit towards its sign, then cut.
            false => {
                let scale = f32::powi(2.0, exponent);
                format!("{{ let v = *x as f32 * {scale:?}_f32; (if v < 0.0 {{ v - 0.5 }} else {{ v + 0.5 }}) as i32 }}")
            }
        };
        let _ = writeln!(
            take,
            "for (t, x) in scratch.shorts[{start}..{}].iter_mut().zip({input}) {{ let v = {value}; *t = short(v); }}",
            start + len
        );
    }
    let gates = network.blocks.iter().any(|block| matches!(block.body, Body::Gate(_)));
    let sigmoid = gates.then(|| it.constant("i16", sigmoid_table()));
    let paddings = network.blocks.iter().filter_map(|block| match block.source() {
        Some(network::Source::BinaryConv { geometry, padding, .. }) if windows::down(geometry, target).is_none() => {
            Some(*padding == BitPadding::Zero)
        }
        _ => None,
    });
    let helpers = helpers::text(sigmoid.as_deref(), paddings.max(), it.multiplies);
    let Emitter { constants, bytes, places, .. } = it;
    Loops { constants, blocks, helpers, take, bytes, places }
}

/// What gives a tile's values, as statements.
struct Made {
    /// In front of all rows.
    before: String,
    /// In front of the pixels of row `y`.
    row: String,
    /// In front of the channels of pixel `x`.
    pixel: String,
    /// That of channel `c`.
    value: String,
}

impl Made {
    fn of(value: String) -> Self {
        Self { before: String::new(), row: String::new(), pixel: String::new(), value }
    }
}

struct Emitter<'a> {
    network: &'a Network,
    target: Option<&'a Target>,
    outputs: &'a [String],
    constants: String,
    bytes: usize,
    places: Places,
    code: String,
    count: usize,
    /// Parameters by channel of the loop that is being written: types, bytes of one, and values of each.
    columns: Vec<(String, usize, Vec<String>)>,
    multiplies: bool,
}

impl Emitter<'_> {
    /// An element of a tensor, to read.
    fn at(&self, id: TensorId, index: &str) -> String {
        let Place { array, start, .. } = self.places.of[&id];
        format!("*at(&scratch.{}, {})", name(array), from(start, index))
    }

    /// An element of a tensor, to write.
    fn at_mut(&self, id: TensorId, index: &str) -> String {
        let Place { array, start, .. } = self.places.of[&id];
        format!("*at_mut(&mut scratch.{}, {})", name(array), from(start, index))
    }

    /// An element of one of the caller's outputs, to write.
    fn output(&self, id: TensorId, index: &str) -> String {
        let at = self.network.outputs.iter().position(|output| *output == id);
        let output = &self.outputs[at.expect("only outputs are given")];
        // A field lies behind a reference; an array alone is one.
        let borrow = if output.contains('.') { "&mut " } else { "" };
        format!("*at_mut({borrow}{output}, {index})")
    }

    fn constant<T: Display>(&mut self, ty: &str, values: impl IntoIterator<Item = T>) -> String {
        let list: Vec<String> = values.into_iter().map(|v| v.to_string()).collect();
        let size = match ty {
            "i8" => 1,
            "i16" => 2,
            _ => 4,
        };
        self.bytes += size * list.len();
        let name = format!("P{}", self.count);
        self.count += 1;
        let _ = writeln!(self.constants, "static {name}: [{ty}; {}] = [{}];", list.len(), list.join(", "));
        name
    }

    /// A parameter of the loop's channel.
    fn column<T: Display>(&mut self, ty: String, bytes: usize, values: impl IntoIterator<Item = T>) -> String {
        let values: Vec<String> = values.into_iter().map(|v| v.to_string()).collect();
        let at = self.columns.iter().position(|(of, _, there)| *of == ty && *there == values);
        let at = at.unwrap_or_else(|| {
            self.columns.push((ty, bytes, values));
            self.columns.len() - 1
        });
        format!("p.{at}")
    }

    /// A row of channel `c`.
    fn rows<T: Display>(&mut self, ty: &str, values: &[T], row: usize) -> String {
        let bytes = row * if ty == "u32" { 4 } else { 2 };
        let rows = values.chunks(row.max(1));
        let rows = rows.map(|row| format!("[{}]", row.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
        let rows: Vec<String> = rows.collect();
        self.column(format!("[{ty}; {row}]"), bytes, rows)
    }

    /// What the body of a loop over channels begins with: a row of the table of all its parameters, which needs one address.
    fn table(&mut self) -> String {
        let columns = std::mem::take(&mut self.columns);
        let Some((_, _, first)) = columns.first() else { return String::new() };
        let (name, len) = (format!("P{}", self.count), first.len());
        self.count += 1;
        let types: String = columns.iter().map(|(ty, ..)| format!("{ty}, ")).collect();
        let row = |c: usize| {
            format!("({})", columns.iter().map(|(.., values)| format!("{}, ", values[c])).collect::<String>())
        };
        let rows: Vec<String> = (0..len).map(row).collect();
        let align = columns.iter().map(|(ty, bytes, _)| if ty.contains("16") { 2 } else { (*bytes).min(4) }).max();
        self.bytes +=
            len * columns.iter().map(|(_, bytes, _)| bytes).sum::<usize>().next_multiple_of(align.unwrap_or(1));
        let _ = writeln!(self.constants, "static {name}: [({types}); {len}] = [{}];", rows.join(", "));
        format!("let p = at(&{name}, c);\n")
    }

    /// A parameter of channel `c`: a number where all are the same, else an element of a table.
    fn per_channel(&mut self, values: &[i32]) -> String {
        if values.iter().all(|v| *v == values[0]) {
            return if values[0] < 0 { format!("({})", values[0]) } else { values[0].to_string() };
        }
        let fits = |low: i32, high: i32| values.iter().all(|v| (low..=high).contains(v));
        let (ty, bytes) = if fits(-128, 127) {
            ("i8", 1)
        } else if fits(-32768, 32767) {
            ("i16", 2)
        } else {
            return self.column("i32".to_owned(), 4, values);
        };
        format!("({} as i32)", self.column(ty.to_owned(), bytes, values))
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
        if round && by.iter().all(|&b| b > 0) {
            if by.iter().all(|&b| b == by[0]) {
                return format!("(({v} + (1 << {})) >> {})", by[0] - 1, by[0]);
            }
            // All but the last bit at once: where the number of bits is read, half of a unit would have to be computed of it.
            let but_one: Vec<i32> = by.iter().map(|b| b - 1).collect();
            return format!("((({v} >> {}) + 1) >> 1)", self.per_channel(&but_one));
        }
        let right = by.iter().all(|&b| b >= 0);
        let p = self.per_channel(by);
        match (right, round) {
            (true, false) => format!("({v} >> {p})"),
            (false, false) => format!("(if {p} >= 0 {{ {v} >> {p} }} else {{ {v} << -{p} }})"),
            (_, true) => format!("(if {p} > 0 {{ (({v} >> ({p} - 1)) + 1) >> 1 }} else {{ {v} << -{p} }})"),
        }
    }

    fn tiled(&mut self, tiled: &network::Tiled, source: &Source, steps: &[Step]) {
        let [_, h, w, c] = tiled.source.extents(self.network);
        let input = tiled.source.input();
        let element = |index: &str| format!("{} as i32", self.at(input, index));
        let made = match (source, &tiled.source) {
            (Source::Counters, network::Source::BinaryConv { geometry, weights, padding, .. }) => {
                match windows::down(geometry, self.target) {
                    Some(down) => self.windows(input, &down, (geometry, *padding), weights),
                    None => self.counters(input, geometry, *padding, &weights.signs),
                }
            }
            (Source::Products(weights), network::Source::RealConv { geometry, planar, .. }) => {
                self.products(input, geometry, *planar, weights)
            }
            (Source::Window(g), _) => Made::of(window(g, &|index| self.at(input, index))),
            (Source::Elements, _) => Made::of(element(&format!("(y * {w} + x) * {c} + c"))),
            (Source::Planes, _) => Made::of(element(&format!("(c * {h} + y) * {w} + x"))),
            _ => unreachable!("another kind of source"),
        };
        let Made { before: first, row, pixel, value } = made;
        let pool = steps.iter().position(|s| matches!(s, Step::Window(_)));
        let Some(at) = pool else {
            let (before, inner) = self.pixels([h, w, c], &pixel, &value, steps, "");
            let _ = writeln!(self.code, "{first}{before}for y in 0..{h} {{ {row}{inner} }}");
            return;
        };
        let Step::Window(g) = &steps[at] else { return };
        let ([oh, ow, _], [kh, kw]) = (g.output, g.kernel);
        let add = format!("*at_mut(&mut pooled, x / {kw} * {c} + c) += v;\n");
        let (before, inner) = self.pixels([h, w, c], &pixel, &value, &steps[..at], &add);
        let (before_means, means) =
            self.pixels([oh, ow, c], "", &format!("*at(&pooled, x * {c} + c)"), &steps[at + 1..], "");
        let _ = writeln!(
            self.code,
            "{first}{before}{before_means}for pool in 0..{oh} {{\nlet mut pooled = [0_i32; {}];\nfor y in {kh} * pool..{kh} * pool + {kh} {{ {row}{inner} }}\n\
             let y = pool;\n{means} }}",
            ow * c
        );
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
                    let columns = std::mem::take(&mut self.columns);
                    let p = self.per_channel(p);
                    let table = self.table();
                    self.columns = columns;
                    before += &format!(
                        "let mut factors = [0_i16; {c}];\nfor c in 0..{c} {{ {table}*at_mut(&mut factors, c) = (({p} * ({} as i32)) >> 15) as i16; }}\n",
                        self.at(*gate, "c")
                    );
                    "let v = v * *at(&factors, c) as i32;\n".to_owned()
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
                    format!("let v = v + {};\n", self.shift(&format!("({} as i32)", self.at(*t, &place)), &by, false))
                }
                Step::Store(t, by) => format!("{} = short({});\n", self.at_mut(*t, &place), self.shift("v", by, true)),
                Step::Give(id, e) => {
                    let scale =
                        self.column("f32".to_owned(), 4, e.iter().map(|&e| format!("{:?}", f32::powi(2.0, -e))));
                    format!("{} = v as f32 * {scale};\n", self.output(*id, &place))
                }
                Step::Sum(t, by) => {
                    let start = self.places.of[t].start;
                    before += &format!("scratch.sums[{start}..{}].fill(0);\n", start + c);
                    format!("{} += {};\n", self.at_mut(*t, "c"), self.shift("v", by, true))
                }
                Step::Sign(t, limits) => {
                    let [low, high] = [0, 1].map(|i| limits.iter().map(|l| l[i]).collect::<Vec<_>>());
                    let one_sided = high.iter().all(|&h| h == i32::MAX);
                    let test = format!("v >= {}", self.per_channel(&low));
                    let test = if one_sided { test } else { format!("{test} && v <= {}", self.per_channel(&high)) };
                    let (word, per_pixel) = (format!("w{}", t.0), c.div_ceil(32));
                    words += &format!("let mut {word} = 0_u32;\n");
                    format!(
                        "if {test} {{ {word} |= 1 << (c & 31); }}\nif c & 31 == 31 || c == {} {{ {} = {word}; {word} = 0; }}\n",
                        c - 1,
                        self.at_mut(*t, &format!("(y * {w} + x) * {per_pixel} + c / 32"))
                    )
                }
                Step::Window(_) => String::new(),
            };
        }
        let table = self.table();
        let inner = format!(
            "for x in 0..{w} {{\n{pixel}{words}for c in 0..{c} {{\n{table}let v = {value};\n{body}{last}}}\n}}"
        );
        (before, inner)
    }

    /// Words of the taps inside the image, and how many products there are; then differing bits by output.
    fn counters(&mut self, input: TensorId, g: &Geometry, padding: BitPadding, signs: &[bool]) -> Made {
        let ([h, w, c], [kh, kw]) = (g.input, g.kernel);
        let words = c.div_ceil(32);
        let packed: Vec<u32> = (signs.chunks(c))
            .flat_map(|tap| {
                tap.chunks(32).map(|word| word.iter().enumerate().fold(0, |all, (i, &b)| all | u32::from(b) << i))
            })
            .collect();
        let taps = kh * kw * words;
        let weights = self.rows("u32", &packed, taps);
        // A tap outside differs in no bit from what is in the mask; one that is padded with signs is as good as inside.
        let signed = padding != BitPadding::Zero;
        let (before, at_each) = match signed {
            true => {
                let last =
                    |k: usize| if (k + 1).is_multiple_of(words) && c % 32 > 0 { (1 << (c % 32)) - 1 } else { u32::MAX };
                let plus = (0..taps).map(|k| if padding == BitPadding::Plus { last(k) } else { 0 });
                let padded = self.constant("u32", plus);
                (format!("let mut window = {padded};\n"), String::new())
            }
            false => (
                format!("let (mut window, mut inside, mut products) = ([0_u32; {taps}], [0_u32; {taps}], 0_i32);\n"),
                format!("*at_mut(&mut inside, (ky * {kw} + kx) * {words} + k) = !0;\n"),
            ),
        };
        let pixel = format!(
            "{before}for ky in 0..{kh}_usize {{ for kx in 0..{kw}_usize {{\n\
             let (iy, ix) = ((y * {sy} + ky * {dy}).wrapping_sub({py}), (x * {sx} + kx * {dx}).wrapping_sub({px}));\n\
             if iy < {h} && ix < {w} {{ {count} for k in 0..{words} {{\n\
             *at_mut(&mut window, (ky * {kw} + kx) * {words} + k) = {word};\n{at_each} }} }} }} }}\n{border}",
            count = if signed { String::new() } else { format!("products += {c};") },
            border = if signed { String::new() } else { format!("let border = products < {};\n", kh * kw * c) },
            word = self.at(input, &format!("(iy * {w} + ix) * {words} + k")),
            sy = g.strides[0],
            sx = g.strides[1],
            dy = g.dilations[0],
            dx = g.dilations[1],
            py = g.pads[0],
            px = g.pads[1],
        );
        let differ = match signed {
            true => format!("differ(&window, &{weights})"),
            false => {
                format!(
                    "if border {{ differ_inside(&window, &{weights}, &inside) }} else {{ differ(&window, &{weights}) }}"
                )
            }
        };
        let products = if signed { (kh * kw * c).to_string() } else { "products".to_owned() };
        let value = format!("{{ let differ = {differ};\n{products} - 2 * differ as i32 }}");
        Made { pixel, ..Made::of(value) }
    }

    /// The same, counted down the lanes.
    fn windows(
        &mut self,
        input: TensorId,
        down: &Down,
        (g, padding): (&Geometry, BitPadding),
        signs: &BinaryWeights,
    ) -> Made {
        let [weights, starts] = [0, 1].map(|i| format!("P{}", self.count + i));
        self.count += 2;
        let it = windows::windows(down, (g, padding), signs, [&weights, &starts], &|index| self.at(input, index));
        let Windows { weights: [ty, value], starts: of, before, row, pixel, value: dot } = it;
        self.bytes += g.output[2] * g.kernel[0] * g.kernel[1] * g.input[2] / 8 + 2 * of.len() * g.output[2];
        let _ = writeln!(self.constants, "static {weights}: {ty} = {value};");
        let _ = writeln!(self.constants, "static {starts}: [[i16; {}]; {}] = {of:?};", g.output[2], of.len());
        Made { before, row, pixel, value: dot }
    }

    fn products(&mut self, input: TensorId, g: &Geometry, planar: bool, weights: &[i16]) -> Made {
        let ([h, w, c], [kh, kw]) = (g.input, g.kernel);
        let at = if planar { format!("(k * {h} + iy) * {w} + ix") } else { format!("(iy * {w} + ix) * {c} + k") };
        let taps = kh * kw * c;
        let pixel = format!(
            "let mut window = [0_i16; {taps}];\nfor ky in 0..{kh}_usize {{ for kx in 0..{kw}_usize {{\n\
             let (iy, ix) = ((y * {sy} + ky * {dy}).wrapping_sub({py}), (x * {sx} + kx * {dx}).wrapping_sub({px}));\n\
             if iy < {h} && ix < {w} {{ for k in 0..{c} {{ *at_mut(&mut window, (ky * {kw} + kx) * {c} + k) = {element}; }} }} }} }}\n",
            element = self.at(input, &at),
            sy = g.strides[0],
            sx = g.strides[1],
            dy = g.dilations[0],
            dx = g.dilations[1],
            py = g.pads[0],
            px = g.pads[1],
        );
        let value = match g.groups {
            1 => {
                self.multiplies = true;
                format!("dot(0, &window, &{})", self.rows("i16", weights, taps))
            }
            groups => {
                let (of_tap, outputs) = (c / groups, g.output[2] / groups);
                let row = self.rows("i16", weights, kh * kw * of_tap);
                format!(
                    "{{ let (row, from) = (&{row}, c / {outputs} * {of_tap});\nlet mut sum = 0_i32;\n\
                     for t in 0..{} {{ for k in 0..{of_tap} {{ sum += *at(&window, t * {c} + from + k) as i32 * *at(row, t * {of_tap} + k) as i32; }} }} sum }}",
                    kh * kw
                )
            }
        };
        Made { pixel, ..Made::of(value) }
    }

    fn copy(&mut self, pieces: &[Piece], output: TensorId, shifts: &[i32], fill: i32, give: Option<i32>) {
        let len: usize = self.network.tensor(output).shape.iter().product();
        let write = |it: &Self, index: &str, v: &str| match give {
            Some(exponent) => {
                let scale = f32::powi(2.0, -exponent);
                let at = it.output(output, index);
                format!("{at} = ({v}) as f32 * {scale:?}_f32;")
            }
            None => format!("{} = {v};", it.at_mut(output, index)),
        };
        let copied: usize = pieces.iter().map(|piece| piece.extents.iter().product::<usize>()).sum();
        if copied < len {
            let line = write(self, "i", &format!("({fill}_i16)"));
            let _ = writeln!(self.code, "for i in 0..{len} {{ {line} }}");
        }
        for (piece, &by) in pieces.iter().zip(shifts) {
            let term = |axis: usize, stride: usize| (stride > 0).then(|| format!("a{axis} * {stride}"));
            let of = |offset: usize, strides: &[isize]| {
                let part = |negative: bool| {
                    let terms = strides.iter().enumerate().filter(move |(_, s)| (**s < 0) == negative);
                    terms.filter_map(|(axis, s)| term(axis, s.unsigned_abs())).collect::<Vec<_>>()
                };
                // Nothing falls below zero on the way.
                let mut text = offset.to_string();
                part(false).iter().for_each(|term| text += &format!(" + {term}"));
                part(true).iter().for_each(|term| text += &format!(" - {term}"));
                text
            };
            let strides: Vec<isize> = piece.output_strides.iter().map(|&s| s as isize).collect();
            let read = self.at(piece.input, &of(piece.input_offset, &piece.input_strides));
            let v = match by {
                0 => read,
                by => format!("short((({read} as i32) + (1 << {})) >> {by})", by - 1),
            };
            let line = write(self, &of(piece.output_offset, &strides), &v);
            let mut loops = String::new();
            for (axis, extent) in piece.extents.iter().enumerate() {
                let used = piece.input_strides[axis] != 0 || strides[axis] != 0;
                loops += &format!("for {}a{axis} in 0..{extent}_usize {{ ", if used { "" } else { "_" });
            }
            let _ = writeln!(self.code, "{loops}{line}{}", " }".repeat(piece.extents.len()));
        }
    }

    fn gate(&mut self, gate: &network::Gate, shifts: &[i32], first: &Dense, between: &[i32], second: &Dense) {
        let (inputs, hidden) = (gate.first.inputs, gate.first.outputs);
        self.multiplies = true;
        let x = self.shift(&format!("({} as i32)", self.at(gate.sums, "c")), shifts, true);
        let table = self.table();
        let _ = writeln!(
            self.code,
            "let mut x = [0_i16; {inputs}];\nfor c in 0..{inputs} {{ {table}*at_mut(&mut x, c) = short({x}); }}"
        );
        let w = self.rows("i16", &first.weights, inputs);
        let bias = self.per_channel(&first.bias);
        let down = self.shift("v.max(0)", between, true);
        let table = self.table();
        let _ = writeln!(
            self.code,
            "let mut hidden = [0_i16; {hidden}];\nfor c in 0..{hidden} {{ {table}let v = dot({bias}, &x, &{w});\n\
             *at_mut(&mut hidden, c) = short({down}); }}"
        );
        let w = self.rows("i16", &second.weights, hidden);
        let bias = self.per_channel(&second.bias);
        let by: Vec<i32> = second.exponents.iter().map(|e| e - 12).collect();
        let x = self.shift("v", &by, false);
        let table = self.table();
        let _ = writeln!(
            self.code,
            "for c in 0..{} {{ {table}let v = dot({bias}, &hidden, &{w});\n{} = sigmoid({x}); }}",
            gate.second.outputs,
            self.at_mut(gate.output, "c")
        );
    }
}

fn name(array: Array) -> &'static str {
    match array {
        Array::Shorts => "shorts",
        Array::Sums => "sums",
        Array::Words => "words",
    }
}

fn from(start: usize, index: &str) -> String {
    if start == 0 { index.to_owned() } else { format!("{start} + {index}") }
}

/// The sum over a window without padding.
fn window(g: &Geometry, element: &dyn Fn(&str) -> String) -> String {
    let ([_, w, c], [kh, kw]) = (g.input, g.kernel);
    let taps = (0..kh * kw).map(|t| {
        let (ky, kx) = (t / kw, t % kw);
        let index = format!("((y * {} + {ky}) * {w} + x * {} + {kx}) * {c} + c", g.strides[0], g.strides[1]);
        format!("({} as i32)", element(&index))
    });
    taps.collect::<Vec<_>>().join(" + ")
}
