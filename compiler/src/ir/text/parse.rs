//! The reader of a graph's text: what `{:#}` writes, and what a test spells by hand.
//!
//! Empty lines, and lines that begin with `;`, are for people. A value is what its line calls it; a constant stands where it is
//! used. Nothing is inferred: a line says the type and shape of its result, and [`crate::check`] says whether they are so.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use super::constants::spelled;
use super::graph::is_bare;
use crate::ir::{
    Binary, BinaryWeights, DType, Data, Graph, Layout, Node, Op, Origin, Part, Reduction, Shape, Tensor, Unary,
    ValueId, Window, Zero,
};

/// Largest constant that is written by a spelling.
pub(super) const LARGEST: usize = 1 << 26;

pub(super) type Read<T> = Result<T, String>;

impl FromStr for Graph {
    type Err = String;

    /// # Errors
    /// The first line that cannot be read, and why.
    fn from_str(text: &str) -> Read<Self> {
        let mut reader = Reader { graph: Graph::default(), values: HashMap::new(), constants: HashMap::new() };
        for (number, line) in text.lines().enumerate() {
            let mut rest = Rest(line.trim());
            reader.line(&mut rest).map_err(|why| format!("line {}: {why}: {line}", number + 1))?;
        }
        Ok(reader.graph)
    }
}

/// What is left of a line.
pub(super) struct Rest<'t>(pub(super) &'t str);

impl<'t> Rest<'t> {
    /// Takes a word or sign, if it is next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let Some(rest) = self.0.strip_prefix(word) else { return false };
        self.0 = rest.trim_start();
        true
    }

    pub(super) fn expect(&mut self, word: &str) -> Read<()> {
        if self.take(word) { Ok(()) } else { Err(format!("{word:?} is expected before {:?}", self.0)) }
    }

    /// Up to a sign, which is taken too.
    pub(super) fn until(&mut self, sign: &str) -> Read<&'t str> {
        let (before, rest) = self.0.split_once(sign).ok_or_else(|| format!("{sign:?} is missing in {:?}", self.0))?;
        self.0 = rest.trim_start();
        Ok(before.trim_end())
    }

    pub(super) fn word(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        let end = self.0.find(|c| !is_part(c)).unwrap_or(self.0.len());
        let word = &self.0[..end];
        self.0 = self.0[end..].trim_start();
        word
    }

    /// Text in quotes, as `{:?}` writes it.
    pub(super) fn quoted(&mut self) -> Read<String> {
        let inner = self.0.strip_prefix('"').ok_or_else(|| format!("a quote is expected before {:?}", self.0))?;
        let mut text = String::new();
        let mut chars = inner.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = inner[at + 1..].trim_start();
                    return Ok(text);
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some('0') => text.push('\0'),
                    Some('u') => {
                        let digits: String = chars.by_ref().map(|(_, c)| c).skip(1).take_while(|&c| c != '}').collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        text.push(code.ok_or("no character has that number")?);
                    }
                    Some(c) => text.push(c),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err("a quote is not closed".to_owned())
    }

    /// `[1,3,4,4]`
    pub(super) fn shape(&mut self) -> Read<Shape> {
        self.expect("[")?;
        list(self.until("]")?)
    }

    /// ` from "y"[1,4,4,3] by 0,3,1,2 between 0.0,1.0`, if it is next.
    pub(super) fn origin(&mut self) -> Read<Option<Origin>> {
        if !self.take("from ") {
            return Ok(None);
        }
        let (name, shape) = (self.quoted()?, self.shape()?);
        let digits = if self.take("by ") { Some(self.word(|c| c.is_ascii_digit() || c == ',')) } else { None };
        let mut origin = Origin { permutation: digits.map(list).transpose()?, ..Origin::new(name, shape) };
        if self.take("between ") {
            let numbers = self.word(|c| !c.is_whitespace());
            let (a, b) = numbers.split_once(',').ok_or("two numbers are expected")?;
            let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
            origin.between = Some([number(a)?, number(b)?]);
        }
        Ok(Some(origin))
    }

    /// `f32[1,3,4,4]`
    fn type_of(&mut self) -> Read<(DType, Shape)> {
        let dtype = dtype(self.word(|c| c.is_ascii_alphanumeric()))?;
        Ok((dtype, self.shape()?))
    }
}

pub(super) fn dtype(word: &str) -> Read<DType> {
    DType::ALL.into_iter().find(|dtype| dtype.name() == word).ok_or_else(|| format!("{word:?} is no type"))
}

pub(super) fn number<T: FromStr>(text: &str) -> Read<T> {
    text.trim().parse().map_err(|_| format!("{text:?} is no number that fits here"))
}

/// Numbers with commas between them.
pub(super) fn list<T: FromStr>(text: &str) -> Read<Vec<T>> {
    text.split(',').filter(|part| !part.trim().is_empty()).map(number).collect()
}

pub(super) fn many<const N: usize>(numbers: Vec<usize>) -> Read<[usize; N]> {
    numbers.try_into().map_err(|numbers| format!("{numbers:?} are not {N} numbers"))
}

struct Reader {
    graph: Graph,
    values: HashMap<String, ValueId>,
    /// Constants that are called something.
    constants: HashMap<String, ValueId>,
}

impl Reader {
    fn line(&mut self, rest: &mut Rest<'_>) -> Read<()> {
        if rest.0.is_empty() || rest.0.starts_with(';') {
            return Ok(());
        }
        if rest.take("graph ") {
            self.graph.name = rest.quoted()?;
            return Ok(());
        }
        if rest.take("exact zeros") {
            self.graph.exact_zeros = true;
            return Ok(());
        }
        if rest.take("note: ") {
            self.graph.notes.push(rest.0.to_owned());
            return Ok(());
        }
        if rest.take("return") {
            while !rest.0.is_empty() {
                let output = self.operand(rest)?;
                self.graph.outputs.push(output);
                rest.take(",");
            }
            return Ok(());
        }
        self.node(rest)
    }

    /// `%x`, or `%"x y"`.
    fn name(rest: &mut Rest<'_>) -> Read<String> {
        rest.expect("%")?;
        if rest.0.starts_with('"') {
            return rest.quoted();
        }
        let name = rest.0.find(|c| !is_bare(c)).map_or(rest.0, |end| &rest.0[..end]);
        // The colon before a type is none of the name.
        let name = name.strip_suffix(':').unwrap_or(name);
        rest.take(name);
        if name.is_empty() { Err("a value without a name".to_owned()) } else { Ok(name.to_owned()) }
    }

    fn node(&mut self, rest: &mut Rest<'_>) -> Read<()> {
        let name = Self::name(rest)?;
        rest.expect(":")?;
        let (dtype, shape) = rest.type_of()?;
        rest.expect("=")?;
        let word = rest.word(|c| c.is_ascii_alphanumeric()).to_owned();
        let (mut inputs, mut op) = (Vec::new(), None);
        if word != "input" {
            rest.expect("(")?;
            while !rest.take(")") {
                inputs.push(self.operand(rest)?);
                rest.take(",");
            }
            let details = if rest.take("{") { rest.until("}")? } else { "" };
            op = Some(operator(&word, &Details::new(details))?);
        }
        let output = self.graph.add_value(name.clone(), shape, dtype);
        let node_name = if rest.take("as ") { rest.quoted()? } else { name.clone() };
        let parts = if rest.take("of ") { rest.quoted()? } else { String::new() };
        self.graph.values[output.0 as usize].origin = rest.origin()?;
        let reason = rest.take("; ").then(|| std::mem::take(&mut rest.0).to_owned());
        if !rest.0.is_empty() {
            return Err(format!("{:?} is not understood", rest.0));
        }
        if self.values.insert(name, output).is_some() {
            return Err("there is another value of that name".to_owned());
        }
        let Some(op) = op else {
            self.graph.inputs.push(output);
            return Ok(());
        };
        let parts = parts.split(" + ").filter(|part| !part.is_empty()).map(Part::from).collect();
        self.graph.nodes.push(Node { name: node_name, op, inputs, output, parts, reason });
        Ok(())
    }

    fn operand(&mut self, rest: &mut Rest<'_>) -> Read<ValueId> {
        if rest.0.starts_with('%') {
            let name = Self::name(rest)?;
            return self.values.get(&name).copied().ok_or_else(|| format!("\"{name}\" is not computed before"));
        }
        let tensor = constant(rest)?;
        if !rest.take("called ") {
            let name = format!("constant{}", self.graph.values.len());
            return Ok(self.graph.add_constant(name, tensor));
        }
        let name = rest.quoted()?;
        if let Some(&known) = self.constants.get(&name) {
            let same = self.graph.constant(known).is_some_and(|first| first.shape == tensor.shape);
            return if same { Ok(known) } else { Err(format!("another constant is called {name:?}")) };
        }
        let constant = self.graph.add_constant(name.clone(), tensor);
        self.constants.insert(name, constant);
        Ok(constant)
    }
}

/// `0.5`, `f32[2] {1.0,2.0}`, `f32[64,3,3,3] random(7)`
fn constant(rest: &mut Rest<'_>) -> Read<Tensor> {
    if !["f32[", "i64[", "bool["].iter().any(|word| rest.0.starts_with(word)) {
        let word = rest.word(|c| c.is_ascii_alphanumeric() || ".-+".contains(c));
        if word.is_empty() {
            return Err(format!("an operand is expected before {:?}", rest.0));
        }
        return Ok(match word {
            "true" | "false" => Tensor::bool([], vec![word == "true"]),
            integer if integer.parse::<i64>().is_ok() => Tensor::i64([], vec![number(integer)?]),
            float => Tensor::f32([], vec![number(float)?]),
        });
    }
    let (dtype, shape) = rest.type_of()?;
    let len = crate::ir::size(&shape).filter(|&len| len <= LARGEST).ok_or("so large a constant")?;
    let data = if rest.take("{") {
        let elements = rest.until("}")?;
        match dtype {
            DType::F32 => Data::F32(list(elements)?),
            DType::I64 => Data::I64(list(elements)?),
            DType::Bool => Data::Bool(list(elements)?),
            narrow => return Err(format!("a constant of {}", narrow.name())),
        }
    } else if dtype == DType::F32 {
        let word = format!("{})", rest.until(")").map_err(|_| "its elements are not here".to_owned())?);
        Data::F32(spelled(&word, len).ok_or_else(|| format!("{word:?} spells no elements"))?)
    } else {
        return Err("its elements are not here".to_owned());
    };
    let held = match &data {
        Data::F32(v) => v.len(),
        Data::I64(v) => v.len(),
        Data::Bool(v) => v.len(),
    };
    if held == len { Ok(Tensor { shape, data }) } else { Err(format!("{held} elements of {shape:?}")) }
}

/// `kernel 3x3, pads 0,0,0,0, keepdims`: words, and what follows each.
pub(super) struct Details<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Details<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let parts = text.split(", ").filter(|part| !part.is_empty());
        // `maps[3] each 2x` has its number in the word.
        let split = |part: &'t str| part.split_once([' ', '[']).unwrap_or((part, ""));
        Self(parts.map(split).collect())
    }

    fn find(&self, word: &str) -> Option<&'t str> {
        self.0.iter().find(|(own, _)| *own == word).map(|(_, text)| *text)
    }

    fn text(&self, word: &str) -> Read<&'t str> {
        self.find(word).ok_or_else(|| format!("{word:?} is missing"))
    }

    fn has(&self, word: &str) -> bool {
        self.find(word).is_some()
    }

    fn number<T: FromStr>(&self, word: &str) -> Read<T> {
        number(self.text(word)?)
    }

    fn list<T: FromStr>(&self, word: &str) -> Read<Vec<T>> {
        list(self.text(word)?)
    }

    fn or<T: FromStr>(&self, word: &str, default: T) -> Read<T> {
        self.find(word).map_or(Ok(default), number)
    }

    /// `3x3`
    fn pair(&self, word: &str, default: [usize; 2]) -> Read<[usize; 2]> {
        let Some(text) = self.find(word) else { return Ok(default) };
        many(text.split('x').map(number).collect::<Read<Vec<usize>>>()?)
    }

    fn window(&self) -> Read<Window> {
        Ok(Window {
            kernel: self.pair("kernel", [1, 1])?,
            strides: self.pair("strides", [1, 1])?,
            dilations: self.pair("dilations", [1, 1])?,
            pads: self.find("pads").map_or(Ok([0; 4]), |text| many(list(text)?))?,
            pad_value: self.or("value", 0.0)?,
        })
    }

    fn layout(&self) -> Layout {
        if self.has("channels") { Layout::ChannelsLast } else { Layout::ChannelsFirst }
    }

    /// `bits[27] signs(3)`, `bits[3] +-+`
    pub(super) fn weights(&self) -> Read<Arc<BinaryWeights>> {
        let text = self.text("weights")?;
        let (len, elements) = text.strip_prefix("bits[").and_then(|t| t.split_once("] ")).ok_or("weights are bits")?;
        let len: usize = number(len)?;
        let written = |text: &str| text.chars().map(|c| (c == '+' || c == '-').then_some(c == '+')).collect();
        let signs: Option<Vec<bool>> = if elements.starts_with("signs(") && len <= LARGEST {
            spelled(elements, len).map(|v| v.iter().map(|&x| x > 0.0).collect())
        } else {
            written(elements)
        };
        let signs = signs.filter(|signs| signs.len() == len).ok_or("its elements are not here")?;
        Ok(Arc::new(BinaryWeights { signs, zeros: self.or("zeros", 0)?, deviation: self.or("deviation", 0.0)? }))
    }
}

pub(super) fn operator(word: &str, details: &Details<'_>) -> Read<Op> {
    if let Some(spelling) = Unary::spelling(word) {
        let mut parameters = [0.0; 2];
        for (parameter, name) in parameters.iter_mut().zip(spelling.parameters) {
            *parameter = details.number(name)?;
        }
        return Ok(Op::Unary((spelling.make)(parameters)));
    }
    if let Some(&function) = Binary::ALL.iter().find(|function| function.name() == word) {
        return Ok(Op::Binary(function));
    }
    if let Some(&kind) = Reduction::ALL.iter().find(|kind| word.strip_prefix("Reduce") == Some(&format!("{kind:?}"))) {
        return Ok(Op::Reduce { kind, axes: details.list("axes")?, keepdims: details.has("keepdims") });
    }
    let axis = || details.number("axis");
    Ok(match word {
        "Sign" => Op::Sign(match details.text("zero")? {
            "plus" => Zero::Plus,
            "minus" => Zero::Minus,
            "zero" => Zero::Zero,
            other => return Err(format!("{other:?} is no rule for zero")),
        }),
        "PRelu" => Op::PRelu,
        "Where" => Op::Where,
        "Cast" => Op::Cast(dtype(details.text("to")?)?),
        "Conv" => Op::Conv { window: details.window()?, groups: details.or("groups", 1)?, layout: details.layout() },
        "BinaryConv" => {
            Op::BinaryConv { window: details.window()?, groups: details.or("groups", 1)?, weights: details.weights()? }
        }
        "BinaryMatMul" => Op::BinaryMatMul { weights: details.weights()? },
        "SignProduct" => Op::SignProduct { zero_one: [details.has("left"), details.has("right")] },
        "MatMul" => Op::MatMul,
        "Affine" => {
            let (count, maps) = details.text("maps")?.split_once("] ").ok_or("maps without their number")?;
            let maps = match maps.strip_prefix("each ") {
                Some(map) => vec![map.parse()?; number::<usize>(count)?.min(LARGEST)],
                None => maps.split(' ').map(str::parse).collect::<Read<Vec<_>>>()?,
            };
            if maps.len() != number::<usize>(count)? {
                return Err(format!("{} maps where {count} are said", maps.len()));
            }
            Op::Affine { axis: axis()?, maps: Arc::new(maps) }
        }
        "MaxPool" => Op::MaxPool { window: details.window()?, layout: details.layout() },
        "AveragePool" => Op::AveragePool {
            window: details.window()?,
            count_include_pad: details.has("counting"),
            ceil_extra: details.find("ceil").map_or(Ok([0; 2]), |text| many(list(text)?))?,
            layout: details.layout(),
        },
        "Reshape" => Op::Reshape,
        "Transpose" => Op::Transpose(details.list("perm")?),
        "Concat" => Op::Concat { axis: axis()? },
        "Slice" => {
            let starts: Vec<usize> = details.list("starts")?;
            let steps = if details.has("steps") { details.list("steps")? } else { vec![1; starts.len()] };
            Op::Slice { starts, steps }
        }
        "Pad" => {
            Op::Pad { before: details.list("before")?, after: details.list("after")?, value: details.number("value")? }
        }
        "Expand" => Op::Expand,
        "Gather" => Op::Gather { axis: axis()? },
        "ScatterNd" => Op::ScatterNd,
        "Softmax" | "LogSoftmax" => Op::Softmax { axis: axis()?, log: word == "LogSoftmax" },
        "ArgMax" => Op::ArgMax { axis: axis()?, keepdims: details.has("keepdims"), last: details.has("last") },
        other => return Err(format!("{other:?} is no operator")),
    })
}
