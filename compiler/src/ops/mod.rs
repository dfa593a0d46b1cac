//! What every operator means, once: a file per family, a row per element-wise function.
//!
//! | question | asked by | answered by |
//! |---|---|---|
//! | Which operators is this node? | [`crate::import`] | [`convert`]: the names of ONNX, first opsets, attributes |
//! | What shape and type has the result? | import, for each operator it makes | [`infer`] |
//! | What are its elements? | constant folding, the interpreter of every level | [`apply`] |
//! | How much work is that? | the budget of constant folding | [`work`] |
//! | What is true of it whatever the operand (keeps the sign, least value, linear pieces, exact)? | passes, `verify` | the rows |
//! | How does emitted code spell it? | the emitter | the rows; [`AtRunTime`] for whole tensors |
//! | What does it cost there, what is it called in the report? | the report | [`AtRunTime`] |
//!
//! The operators themselves are [`crate::ir::Op`]; [`of`] is the only match over them here. `apply` is written to be read, and to
//! be right: sums are accumulated in f64 and rounded once, so that what it computes lies nearer to real arithmetic than any
//! f32 engine. Its loops are ordered so that folding the latent weights of a large network takes milliseconds.
//!
//! # Integers
//!
//! Constants that are integers are 64 bits wide, whatever the file says: shapes and indices are computed with them. At run time an
//! integer is a float that holds it, exact up to 2^24: so are codes of 16 bits, sums of products of 8-bit ones (`integer_products`
//! splits those that might grow larger), and indices of whatever fits into memory.
//!
//! # NaN
//!
//! One rule, in the interpreter and in emitted code on every instruction set: NaN goes through every function of one or two
//! arguments (`Relu`, `Clip`, `Max`, `Min` and `PRelu` included), every sum, every reduction (`ReduceMax` and `ReduceMin`
//! included), softmax, and every choice that takes it. Not so: comparisons, which it makes false; `ArgMax`, whose first
//! element is only replaced by a larger one; the window of a max-pool, which looks past it; and a sign that is packed, which is -1.
//! What ONNX and onnxruntime say agrees, but for maxima along an axis, where onnxruntime's answer depends on the place.

mod affine;
mod along;
mod arg_max;
mod attention;
pub mod binary;
mod bits;
mod cast;
mod composed;
mod concat;
mod constant;
mod conv_transpose;
mod convolution;
mod einsum;
pub(crate) mod element;
mod expand;
mod gather;
mod integer_products;
mod masks;
mod matrix;
pub(crate) mod node;
mod normalize;
mod norms;
mod pad;
mod picked;
mod pool;
mod prelu;
mod q_linear;
mod quantize;
mod quantize_linear;
mod recurrent;
pub mod reduce;
mod reshape;
mod resize;
mod scatter;
mod sign;
mod sign_product;
mod slice;
mod softmax;
mod strided;
pub mod unary;
mod where_;
mod window;

#[cfg(test)]
mod tests;

pub(crate) use gather::row;

use proc_macro2::TokenStream;

use crate::diagnostics::Outcome;
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::{self, DType, Data, Op, Reduction, Shape, Tensor, Value, ValueId};
use node::NodeContext;

/// One operator with its parameters.
pub(crate) trait Operator {
    /// The shape and type of the result, checked against the operands.
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)>;

    /// The elements of the result, whose shape is the inferred one.
    ///
    /// # Errors
    /// A sentence saying why it cannot be applied to these operands.
    fn apply(&self, inputs: &[&Tensor], shape: &[usize]) -> Result<Tensor, String>;

    /// Elements touched for each one of the result; `None` beyond all bounds.
    fn work(&self, _inputs: &[&Tensor]) -> Option<usize> {
        Some(1)
    }

    /// Its form at run time on whole tensors; `None` for one that is always part of a block, or moves elements, or has none.
    fn whole(&self) -> Option<&dyn AtRunTime> {
        None
    }
}

/// An operator at run time that needs more of its operands at once than a tile.
pub(crate) trait AtRunTime: Operator {
    /// What it is, in the field's words.
    fn kind(&self) -> String;

    /// Why it is not binary, or not part of another block.
    fn reason(&self) -> &'static str;

    /// Its loops.
    fn form(&self) -> Form;

    /// What it costs, from the shapes of the operands and of the result.
    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> WholeCost;

    /// The elements of the result: [`Operator::apply`], but for those whose emitted code rounds in an order of its own.
    ///
    /// # Errors
    /// As there.
    fn run(&self, inputs: &[&Tensor], shape: &[usize]) -> Result<Tensor, String> {
        self.apply(inputs, shape)
    }

    /// Whether an operand is boolean: 0 and 1 at run time.
    fn is_condition(&self, _operand: usize) -> bool {
        false
    }
}

/// Multiply-accumulates, and what else is computed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WholeCost {
    /// Real multiply-accumulates.
    pub(crate) macs: u64,
    /// Multiply-accumulates of bits.
    pub(crate) bops: u64,
    /// Other operations.
    pub(crate) flops: u64,
}

impl WholeCost {
    /// So many operations for each element of a shape.
    fn each(shape: &[usize], operations: u64) -> Self {
        Self { flops: operations * shape.iter().product::<usize>() as u64, ..Self::default() }
    }
}

/// The loops of an operator on whole tensors.
pub(crate) enum Form {
    /// Element by element, over operands that are broadcast.
    Elements {
        /// What the elements of the operands are called in the expression.
        names: &'static [&'static str],
        /// The element of the result.
        expression: TokenStream,
    },
    /// A reduction over axes.
    Reduce {
        /// What it computes.
        kind: Reduction,
        /// Sorted.
        axes: Vec<usize>,
    },
    /// The product of two matrices, for each of a batch.
    Product,
    /// The same of signs, which are packed there.
    SignProduct {
        /// Whether -1 stands for 0, on the left and on the right.
        zero_one: [bool; 2],
    },
    /// Softmax along an axis, or its logarithm.
    Softmax {
        /// The axis.
        axis: usize,
        /// Natural logarithm of it.
        log: bool,
    },
    /// What stands at computed places of an axis: numbers of the second operand, read as [`row`] reads them.
    Rows {
        /// The axis of the first operand.
        axis: usize,
    },
    /// The place of the maximum along an axis.
    ArgMax {
        /// The axis.
        axis: usize,
        /// The last of equal maxima instead of the first.
        last: bool,
    },
}

/// What an operator means.
pub(crate) fn of(op: &Op) -> Box<dyn Operator + '_> {
    match op {
        Op::Sign(zero) => Box::new(sign::Sign(*zero)),
        Op::Unary(function) => Box::new(*function),
        Op::Binary(function) => Box::new(*function),
        Op::PRelu => Box::new(prelu::PRelu),
        Op::Where => Box::new(where_::Where),
        Op::Cast(to) => Box::new(cast::Cast(*to)),
        Op::Conv { window, groups, layout } => Box::new(convolution::Conv { window, groups: *groups, layout: *layout }),
        Op::BinaryConv { window, groups, weights } => {
            Box::new(convolution::BinaryConv { window, groups: *groups, weights })
        }
        Op::BinaryMatMul { weights } => Box::new(matrix::BinaryMatMul(weights)),
        Op::SignProduct { zero_one } => Box::new(sign_product::SignProduct(*zero_one)),
        Op::MatMul => Box::new(matrix::MatMul),
        Op::Affine { axis, maps } => Box::new(affine::PerAxis { axis: *axis, maps }),
        Op::MaxPool { window, layout } => Box::new(pool::Max { window, layout: *layout }),
        Op::AveragePool { window, count_include_pad, ceil_extra, layout } => Box::new(pool::Average {
            window,
            count_include_pad: *count_include_pad,
            ceil_extra: *ceil_extra,
            layout: *layout,
        }),
        Op::Reduce { kind, axes, keepdims } => Box::new(reduce::Reduce { kind: *kind, axes, keepdims: *keepdims }),
        Op::Reshape => Box::new(reshape::Reshape),
        Op::Transpose(perm) => Box::new(reshape::Transpose(perm)),
        Op::Concat { axis } => Box::new(concat::Concat { axis: *axis }),
        Op::Slice { starts, steps } => Box::new(slice::Slice { starts, steps }),
        Op::Pad { before, after, value } => Box::new(pad::Pad { before, after, value: *value }),
        Op::Expand => Box::new(expand::Expand),
        Op::Gather { axis } => Box::new(gather::Gather { axis: *axis }),
        Op::ScatterNd => Box::new(scatter::ScatterNd),
        Op::Softmax { axis, log } => Box::new(softmax::Softmax { axis: *axis, log: *log }),
        Op::ArgMax { axis, keepdims, last } => {
            Box::new(arg_max::ArgMax { axis: *axis, keepdims: *keepdims, last: *last })
        }
    }
}

/// The shape and type of an operator's result, checked against its operands. `target` is the shape wanted by operators
/// whose parameters do not determine it (Reshape, Expand, Slice).
pub(crate) fn infer(op: &Op, operands: &[&Value], target: Option<&[usize]>) -> Outcome<(Shape, DType)> {
    of(op).infer(&Infer { operands, target })
}

/// Elements touched by evaluating an operator; `None` beyond all bounds.
pub(crate) fn work(op: &Op, inputs: &[&Tensor], shape: &[usize]) -> Option<usize> {
    let read = inputs.iter().map(|t| t.len()).max().unwrap_or(0);
    ir::size(shape)?.checked_mul(of(op).work(inputs)?)?.checked_add(read)
}

/// Applies one operator to its operands: a step of the interpreter, and the constant evaluator of import.
///
/// `output_shape` is the shape inferred for the result; operators whose parameters do not determine it (Reshape,
/// Expand, Slice) take it from there.
///
/// # Errors
/// A sentence saying why the operator cannot be applied to these operands.
pub fn apply(op: &Op, inputs: &[&Tensor], output_shape: &[usize]) -> Result<Tensor, String> {
    for tensor in inputs {
        let held = match &tensor.data {
            Data::F32(v) => v.len(),
            Data::I64(v) => v.len(),
            Data::Bool(v) => v.len(),
        };
        if held != tensor.len() {
            return Err(format!("an operand of shape {:?} holds {held} elements", tensor.shape));
        }
    }
    let result = of(op).apply(inputs, output_shape)?;
    if result.shape != output_shape {
        return Err(format!("the result has shape {:?}, not {output_shape:?}", result.shape));
    }
    Ok(result)
}

/// The operands of an operator whose result is inferred.
pub(crate) struct Infer<'a> {
    operands: &'a [&'a Value],
    target: Option<&'a [usize]>,
}

impl<'a> Infer<'a> {
    /// An operand that must be there.
    fn operand(&self, i: usize) -> Outcome<&'a Value> {
        self.operands.get(i).copied().ok_or_else(|| unsupported(format!("operand {i} is missing")))
    }

    /// The first operand.
    fn first(&self) -> Outcome<&'a Value> {
        self.operand(0)
    }

    /// An operand of floats.
    fn floats(&self, i: usize) -> Outcome<&'a Value> {
        let value = self.operand(i)?;
        match value.dtype {
            DType::F32 => Ok(value),
            other => Err(unsupported(format!("the operand {:?} holds {other:?}, not floats", value.name))),
        }
    }

    /// The shape of the first operand, with a type.
    fn same(&self, dtype: DType) -> Outcome<(Shape, DType)> {
        Ok((self.first()?.shape.clone(), dtype))
    }

    /// The shape wanted; that of the first operand where none is.
    fn target(&self) -> Outcome<&'a [usize]> {
        Ok(match self.target {
            Some(target) => target,
            None => &self.first()?.shape,
        })
    }

    /// The shape of the first operand, which has such an axis.
    fn with_axis(&self, axis: usize) -> Outcome<&'a Shape> {
        let shape = &self.first()?.shape;
        if axis < shape.len() { Ok(shape) } else { Err(mismatch(format!("axis {axis} of a value of shape {shape:?}"))) }
    }

    /// What shapes broadcast to.
    fn broadcast(&self, shapes: &[&Shape]) -> Outcome<Shape> {
        let all = shapes.iter().try_fold(Shape::new(), |all, shape| ir::broadcast(&all, shape));
        all.ok_or_else(|| {
            let shapes: Vec<String> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
            mismatch(format!("operands of shapes {} do not broadcast", shapes.join(" and ")))
        })
    }
}

fn mismatch(message: String) -> Diagnostic {
    Diagnostic::error(Code::ShapeMismatch, None, message)
}

fn unsupported(message: String) -> Diagnostic {
    Diagnostic::error(Code::Unsupported, None, message)
}

/// What [`Operator::apply`] says of operands that are too few or too many.
fn mismatched(inputs: &[&Tensor]) -> String {
    format!("it cannot be applied to {} operand(s)", inputs.len())
}

/// An operand of [`Operator::apply`].
fn operand<'a>(inputs: &[&'a Tensor], i: usize) -> Result<&'a Tensor, String> {
    inputs.get(i).copied().ok_or_else(|| format!("operand {i} is missing"))
}

/// The floats of an operand.
fn floats(tensor: &Tensor) -> Result<&[f32], String> {
    tensor.as_f32().ok_or_else(|| format!("an operand holds {:?} where floats are needed", tensor.dtype()))
}

/// Applies the same expression to the elements of any type; the result has that type.
macro_rules! each_type {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            Data::F32($v) => Data::F32($body),
            Data::I64($v) => Data::I64($body),
            Data::Bool($v) => Data::Bool($body),
        }
    };
}
use each_type;

/// The results of a node, `None` for those that nothing uses.
pub(crate) type Results = Vec<Option<ValueId>>;

/// An operator of ONNX that becomes operators of the graph in a way of its own.
pub(crate) struct Onnx {
    name: &'static str,
    /// The first opset that has it, or has it in the form in which opset 7 does.
    since: i64,
    /// The most operands it takes: one that is given more means something else than what would be compiled.
    most: Most,
    convert: Convert,
}

/// The most operands.
#[derive(Clone, Copy)]
enum Most {
    /// Of every opset.
    Always(usize),
    /// From each of these opsets on, oldest first.
    Since(&'static [(i64, usize)]),
}

/// How a node is converted.
#[derive(Clone, Copy)]
enum Convert {
    /// To one result.
    One(fn(&mut NodeContext<'_>) -> Outcome<ValueId>),
    /// To any number.
    Many(fn(&mut NodeContext<'_>) -> Outcome<Results>),
}

impl Onnx {
    const fn one(name: &'static str, since: i64, convert: fn(&mut NodeContext<'_>) -> Outcome<ValueId>) -> Self {
        Self { name, since, most: Most::Always(1), convert: Convert::One(convert) }
    }

    /// With up to so many operands, whatever the opset; one of these without a word takes one.
    const fn operands(mut self, most: usize) -> Self {
        self.most = Most::Always(most);
        self
    }

    /// With any number of operands.
    const fn any_number(self) -> Self {
        self.operands(usize::MAX)
    }

    /// With more operands from some opset on, because an attribute became one: opset and the most operands, oldest first.
    const fn growing(mut self, most: &'static [(i64, usize)]) -> Self {
        self.most = Most::Since(most);
        self
    }

    const fn many(name: &'static str, since: i64, convert: fn(&mut NodeContext<'_>) -> Outcome<Results>) -> Self {
        Self { name, since, most: Most::Always(1), convert: Convert::Many(convert) }
    }
}

/// The operators of ONNX's own domain, but for the functions of [`unary`] and [`binary`] that are nodes as they stand.
static STANDARD: &[&[Onnx]] = &[
    sign::ONNX,
    unary::OWN_WAY,
    binary::OWN_WAY,
    composed::ONNX,
    prelu::ONNX,
    where_::ONNX,
    bits::ONNX,
    cast::ONNX,
    convolution::ONNX,
    conv_transpose::ONNX,
    pool::ONNX,
    matrix::ONNX,
    normalize::ONNX,
    reduce::ONNX,
    softmax::ONNX,
    arg_max::ONNX,
    reshape::ONNX,
    expand::ONNX,
    concat::ONNX,
    slice::ONNX,
    pad::ONNX,
    resize::ONNX,
    along::ONNX,
    einsum::ONNX,
    masks::ONNX,
    norms::ONNX,
    picked::ONNX,
    gather::ONNX,
    scatter::ONNX,
    constant::ONNX,
    quantize_linear::ONNX,
    integer_products::ONNX,
    recurrent::ONNX,
    attention::ONNX,
];

/// One of ONNX's own operators that is not a row of a table of functions.
fn own(name: &str) -> Option<&'static Onnx> {
    STANDARD.iter().flat_map(|family| family.iter()).find(|onnx| onnx.name == name)
}

/// Converts a node of one of ONNX's own operators; `None` for those that are not known.
pub(crate) fn convert(cx: &mut NodeContext<'_>, name: &str) -> Option<Outcome<Results>> {
    if let Some(own) = own(name) {
        return Some(converted(cx, own));
    }
    let value = unary::convert(cx, name).or_else(|| binary::convert(cx, name))?;
    Some(value.map(|value| vec![Some(value)]))
}

/// The most operands of one of ONNX's own operators; `None` for those that are not known.
pub(crate) fn most_operands(name: &str, opset: i64) -> Option<usize> {
    if let Some(own) = own(name) {
        return match own.most {
            Most::Always(most) => Some(most),
            Most::Since(versions) => versions.iter().rev().find(|(since, _)| *since <= opset).map(|&(_, most)| most),
        };
    }
    let functions = unary::onnx().find(|row| row.name == name).map(|_| 1);
    functions.or_else(|| binary::FUNCTIONS.iter().find(|row| row.onnx.0 == name).map(|_| 2))
}

/// The first opset that has one of ONNX's own operators; `None` for those that are not known.
pub(crate) fn first_opset(name: &str) -> Option<i64> {
    let own = own(name).map(|onnx| onnx.since);
    let functions = || unary::onnx().find(|row| row.name == name).map(|row| row.since);
    let pairs = || binary::FUNCTIONS.iter().find(|row| row.onnx.0 == name).map(|row| row.onnx.1);
    own.or_else(functions).or_else(pairs)
}

/// Converts a node of the quantised layers of QONNX; `None` for those that are not known.
pub(crate) fn convert_quantized(cx: &mut NodeContext<'_>, name: &str) -> Option<Outcome<Results>> {
    quantize::ONNX.iter().find(|onnx| onnx.name == name).map(|onnx| converted(cx, onnx))
}

/// Whether there is such a node of QONNX.
pub(crate) fn knows_quantized(name: &str) -> bool {
    quantize::ONNX.iter().any(|onnx| onnx.name == name)
}

/// Converts a node of onnxruntime's own quantised operators; `None` for those that are not known.
pub(crate) fn convert_q_linear(cx: &mut NodeContext<'_>, name: &str) -> Option<Outcome<Results>> {
    if OF_ANY_TYPE.contains(&name) {
        return convert(cx, name);
    }
    q_linear::ONNX.iter().find(|onnx| onnx.name == name).map(|onnx| converted(cx, onnx))
}

/// Whether there is such a node of onnxruntime.
pub(crate) fn knows_q_linear(name: &str) -> bool {
    OF_ANY_TYPE.contains(&name) || q_linear::ONNX.iter().any(|onnx| onnx.name == name)
}

/// Operators of ONNX's that onnxruntime has in its domain, too, for types that ONNX's of older opsets do not take.
const OF_ANY_TYPE: [&str; 2] = ["QuantizeLinear", "DequantizeLinear"];

fn converted(cx: &mut NodeContext<'_>, onnx: &Onnx) -> Outcome<Results> {
    match onnx.convert {
        Convert::One(convert) => convert(cx).map(|value| vec![Some(value)]),
        Convert::Many(convert) => convert(cx),
    }
}

/// Every operator of ONNX's own domain that is known, with the first opset that has it.
pub fn onnx_operators() -> Vec<(&'static str, i64)> {
    let own = STANDARD.iter().flat_map(|family| family.iter()).map(|onnx| (onnx.name, onnx.since));
    let functions = unary::onnx().map(|row| (row.name, row.since));
    let pairs = binary::FUNCTIONS.iter().map(|row| row.onnx);
    let mut all: Vec<_> = own.chain(functions).chain(pairs).collect();
    all.sort_unstable();
    all.dedup();
    all
}
