//! Element-wise functions of one argument: a row each, and nothing about them anywhere else but their names.
//!
//! A new function is a name in `ir/functions.rs`, a new row here, and a scalar function of its name in the runtime (`runtime/src/math/` or `scalar.rs`).
//! NaN goes through every function; what is said of infinities and zeros is what the formula says of them.

use proc_macro2::TokenStream;
use quote::quote;

use super::node::{NodeContext, bad};
use super::{Infer, Onnx, Operator, mismatched, unsupported};
use crate::diagnostics::Outcome;
use crate::ir::{Binary, DType, Data, Op, Parameters, Shape, Tensor, Unary, ValueId};
use crate::tokens::float;

/// A piece of a function that is piecewise linear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// The piece ends before this argument; infinite for the last one.
    pub below: f32,
    /// Its slope.
    pub slope: f32,
    /// Its value at 0.
    pub offset: f32,
}

/// The values of a function on floats.
pub type OnFloats = fn(&[f32], Parameters) -> Vec<f32>;

/// Where a function is 0, not by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    /// Nowhere.
    Never,
    /// Where the argument is.
    Kept,
    /// On a range of arguments.
    Often,
}

/// What there is to know about a function.
pub struct Row {
    /// ONNX's name.
    pub name: &'static str,
    /// The first opset that has it; [`PART`] for one that is part of other operators alone.
    pub since: i64,
    /// ONNX's attributes, with their defaults.
    pub attributes: &'static [(&'static str, f32)],
    /// The function with these parameters.
    pub make: fn(Parameters) -> Unary,
    /// Its values on floats: in f32 where that is exact, else in f64 and rounded once.
    pub floats: Option<OnFloats>,
    /// Its value on an integer, if it has one.
    pub integers: Option<fn(i64) -> i64>,
    /// Its value on a boolean, if it has one.
    pub booleans: Option<fn(bool) -> bool>,
    /// Whether the result has the sign of the argument everywhere, zero included: 0 for 0, and for nothing else.
    pub keeps_sign: fn(Parameters) -> bool,
    /// A bound below every result, where the argument is nowhere below `low`.
    pub least: fn(Parameters, low: f32) -> f32,
    /// Where the result is 0, not by chance.
    pub zeros: Zeros,
    /// Its pieces in real arithmetic, ascending, if it has no others than linear ones.
    pub linear: Option<fn(Parameters) -> Vec<Linear>>,
    /// Whether emitted code and interpreter compute the same bits.
    pub exact: bool,
    /// The runtime's function of one float (and the parameters).
    pub scalar: &'static str,
    /// The runtime's function of a tile (and the parameters), if there is one; else the scalar one is taken lane by lane.
    pub vector: Option<&'static str>,
}

/// The first opset of what is no operator of ONNX.
pub const PART: i64 = i64::MAX;

impl Row {
    const PLAIN: Row = Row {
        name: "",
        since: 1,
        attributes: &[],
        make: |_| Unary::Relu,
        floats: None,
        integers: None,
        booleans: None,
        keeps_sign: |_| false,
        least: |_, _| f32::NEG_INFINITY,
        zeros: Zeros::Often,
        linear: None,
        exact: false,
        scalar: "",
        vector: None,
    };
}

/// A function computed in f32.
macro_rules! single {
    (|$x:ident, $p:pat_param| $body:expr) => {
        Some(|v: &[f32], $p: Parameters| v.iter().map(|&$x| $body).collect())
    };
}

/// A function computed in f64, its parameters too, and rounded once.
macro_rules! wide {
    (|$x:ident, $p:pat_param| $body:expr) => {
        Some(|v: &[f32], p: Parameters| {
            let $p = p.map(f64::from);
            v.iter()
                .map(|&x| {
                    let $x = f64::from(x);
                    let y: f64 = $body;
                    y as f32
                })
                .collect()
        })
    };
}

macro_rules! functions {
    ($($name:ident $(($($parameter:ident = $default:expr),+))? {
        $($field:ident: $value:expr),* $(,)?
    })*) => {
        #[allow(non_upper_case_globals)] // named as the functions are
        mod rows {
            use super::*;
            $(pub(super) static $name: Row = Row {
                name: stringify!($name),
                attributes: &[$($((stringify!($parameter), $default)),+)?],
                make: |[$($($parameter,)+)? ..]| Unary::$name $(($($parameter),+))?,
                $($field: $value,)*
                ..Row::PLAIN
            };)*
        }

        /// All of them.
        pub static FUNCTIONS: &[&Row] = &[$(&rows::$name),*];

        impl Unary {
            /// What there is to know about it.
            pub fn row(&self) -> &'static Row {
                match self {
                    $(Self::$name { .. } => &rows::$name,)*
                }
            }
        }
    };
}

functions! {
    Relu {
        floats: single!(|x, _| if x < 0.0 { 0.0 } else { x }),
        least: |_, low| low.max(0.0),
        linear: Some(|_| bent(0.0)),
        exact: true,
        scalar: "scalar::relu",
        vector: Some("relu"),
    }
    LeakyRelu(alpha = 0.01) {
        floats: single!(|x, [alpha, _]| if x < 0.0 { alpha * x } else { x }),
        keeps_sign: |[alpha, _]| alpha > 0.0,
        least: |[alpha, _], low| if low >= 0.0 { low } else if alpha > 0.0 { alpha * low } else { 0.0 },
        zeros: Zeros::Kept,
        linear: Some(|[alpha, _]| bent(alpha)),
        exact: true,
        scalar: "scalar::leaky",
        vector: Some("leaky"),
    }
    ThresholdedRelu(alpha = 1.0) {
        since: 10,
        floats: single!(|x, [alpha, _]| if x <= alpha { 0.0 } else { x }),
        least: |[alpha, _], low| low.max(alpha.min(0.0)).min(0.0),
        exact: true,
        scalar: "scalar::thresholded",
    }
    Clip(min = f32::NEG_INFINITY, max = f32::INFINITY) {
        floats: single!(|x, [low, high]| {
            let x = if x < low { low } else { x };
            if x > high { high } else { x }
        }),
        keeps_sign: |[low, high]| low < 0.0 && high > 0.0,
        least: |[low, high], least| least.max(low).min(high),
        linear: Some(clipped),
        exact: true,
        scalar: "scalar::clip",
        vector: Some("clip"),
    }
    Sigmoid {
        floats: wide!(|x, _| 1.0 / (1.0 + (-x).exp())),
        least: |_, _| 0.0,
        zeros: Zeros::Never,
        scalar: "math::sigmoid",
    }
    HardSigmoid(alpha = 0.2, beta = 0.5) {
        floats: wide!(|x, [alpha, beta]| (alpha * x + beta).clamp(0.0, 1.0)),
        least: |_, _| 0.0,
        scalar: "scalar::hard_sigmoid",
        vector: Some("hard_sigmoid"),
    }
    HardSwish {
        since: 14,
        floats: wide!(|x, _| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        least: |_, low| if low >= 0.0 { 0.0 } else { -0.375 },
        scalar: "scalar::hard_swish",
        vector: Some("hard_swish"),
    }
    Tanh {
        floats: wide!(|x, _| x.tanh()),
        keeps_sign: |_| true,
        least: |_, low| if low >= 0.0 { 0.0 } else { -1.0 },
        zeros: Zeros::Kept,
        scalar: "math::tanh",
    }
    Elu(alpha = 1.0) {
        floats: wide!(|x, [alpha, _]| if x < 0.0 { alpha * x.exp_m1() } else { x }),
        keeps_sign: |[alpha, _]| alpha > 0.0,
        least: |[alpha, _], low| if low >= 0.0 { low } else { (-alpha).min(0.0) },
        zeros: Zeros::Kept,
        scalar: "math::elu",
    }
    Softplus {
        floats: wide!(|x, _| if x.is_nan() { x } else { x.max(0.0) + (-x.abs()).exp().ln_1p() }),
        least: |_, _| 0.0,
        zeros: Zeros::Never,
        scalar: "math::softplus",
    }
    Erf {
        since: 9,
        floats: wide!(|x, _| erf(x)),
        keeps_sign: |_| true,
        least: |_, low| if low >= 0.0 { 0.0 } else { -1.0 },
        zeros: Zeros::Kept,
        scalar: "math::erf",
    }
    Neg {
        floats: single!(|x, _| -x),
        integers: Some(i64::wrapping_neg),
        zeros: Zeros::Kept,
        linear: Some(|_| vec![Linear { below: f32::INFINITY, slope: -1.0, offset: 0.0 }]),
        exact: true,
        scalar: "scalar::neg",
        vector: Some("neg"),
    }
    Abs {
        floats: single!(|x, _| x.abs()),
        integers: Some(i64::wrapping_abs),
        least: |_, low| low.max(0.0),
        zeros: Zeros::Kept,
        linear: Some(|_| bent(-1.0)),
        exact: true,
        scalar: "scalar::abs",
        vector: Some("abs"),
    }
    Exp {
        floats: wide!(|x, _| x.exp()),
        least: |_, _| 0.0,
        zeros: Zeros::Never,
        scalar: "math::exp",
    }
    Log {
        floats: wide!(|x, _| x.ln()),
        zeros: Zeros::Never,
        scalar: "math::ln",
    }
    Sqrt {
        floats: single!(|x, _| x.sqrt()),
        least: |_, _| 0.0,
        zeros: Zeros::Kept,
        exact: true,
        scalar: "math::sqrt",
    }
    Reciprocal {
        floats: single!(|x, _| x.recip()),
        least: |_, low| if low > 0.0 { 0.0 } else { f32::NEG_INFINITY },
        zeros: Zeros::Never,
        exact: true,
        scalar: "scalar::reciprocal",
        vector: Some("reciprocal"),
    }
    Sin {
        since: 7,
        floats: wide!(|x, _| x.sin()),
        least: |_, _| -1.0,
        zeros: Zeros::Kept,
        scalar: "math::sin",
    }
    Cos {
        since: 7,
        floats: wide!(|x, _| x.cos()),
        least: |_, _| -1.0,
        zeros: Zeros::Never,
        scalar: "math::cos",
    }
    Tan {
        since: 7,
        floats: wide!(|x, _| x.tan()),
        zeros: Zeros::Kept,
        scalar: "math::tan",
    }
    Asin {
        since: 7,
        floats: wide!(|x, _| x.asin()),
        least: |_, low| if low >= 0.0 { 0.0 } else { -std::f32::consts::FRAC_PI_2 },
        zeros: Zeros::Kept,
        scalar: "math::asin",
    }
    Acos {
        since: 7,
        floats: wide!(|x, _| x.acos()),
        least: |_, _| 0.0,
        scalar: "math::acos",
    }
    Atan {
        since: 7,
        floats: wide!(|x, _| x.atan()),
        keeps_sign: |_| true,
        least: |_, low| if low >= 0.0 { 0.0 } else { -std::f32::consts::FRAC_PI_2 },
        zeros: Zeros::Kept,
        scalar: "math::atan",
    }
    Sinh {
        since: 9,
        floats: wide!(|x, _| x.sinh()),
        keeps_sign: |_| true,
        least: |_, low| if low >= 0.0 { low } else { f32::NEG_INFINITY },
        zeros: Zeros::Kept,
        scalar: "math::sinh",
    }
    Cosh {
        since: 9,
        floats: wide!(|x, _| x.cosh()),
        least: |_, _| 1.0,
        zeros: Zeros::Never,
        scalar: "math::cosh",
    }
    Asinh {
        since: 9,
        floats: wide!(|x, _| x.asinh()),
        keeps_sign: |_| true,
        least: |_, low| low.min(0.0),
        zeros: Zeros::Kept,
        scalar: "math::asinh",
    }
    Acosh {
        since: 9,
        floats: wide!(|x, _| x.acosh()),
        least: |_, _| 0.0,
        scalar: "math::acosh",
    }
    Atanh {
        since: 9,
        floats: wide!(|x, _| x.atanh()),
        zeros: Zeros::Kept,
        scalar: "math::atanh",
    }
    Round {
        since: 11,
        floats: single!(|x, _| x.round_ties_even()),
        least: |_, low| low.round_ties_even(),
        exact: true,
        scalar: "math::round",
    }
    Quantize(step = 1.0) {
        since: PART,
        floats: single!(|x, [step, _]| quantized(x, step)),
        least: |[step, _], low| if step > 0.0 { quantized(low, step) } else { f32::NEG_INFINITY },
        exact: true,
        scalar: "scalar::quantize",
        vector: Some("quantize"),
    }
    Trunc {
        since: PART,
        floats: single!(|x, _| x.trunc()),
        least: |_, low| low.trunc(),
        exact: true,
        scalar: "math::trunc",
    }
    Floor {
        floats: single!(|x, _| x.floor()),
        least: |_, low| low.floor(),
        exact: true,
        scalar: "math::floor",
    }
    Ceil {
        floats: single!(|x, _| x.ceil()),
        least: |_, low| low.ceil(),
        exact: true,
        scalar: "math::ceil",
    }
    Not {
        booleans: Some(|x| !x),
        least: |_, _| 0.0,
        exact: true,
        scalar: "scalar::not",
    }
}

/// The nearest whole number of steps, ties to even; none are more than 2^22.
fn quantized(x: f32, step: f32) -> f32 {
    const MOST: f32 = (1 << 22) as f32;
    (x / step).clamp(-MOST, MOST).round_ties_even() + 0.0
}

/// x < 0 ? slope * x : x
fn bent(slope: f32) -> Vec<Linear> {
    vec![Linear { below: 0.0, slope, offset: 0.0 }, Linear { below: f32::INFINITY, slope: 1.0, offset: 0.0 }]
}

fn clipped([low, high]: Parameters) -> Vec<Linear> {
    let mut pieces = Vec::new();
    if low > f32::NEG_INFINITY {
        pieces.push(Linear { below: low, slope: 0.0, offset: low });
    }
    // Where the bounds cross, the upper one has the last word.
    if low < high {
        pieces.push(Linear { below: high, slope: 1.0, offset: 0.0 });
    }
    if high < f32::INFINITY {
        pieces.push(Linear { below: f32::INFINITY, slope: 0.0, offset: high });
    }
    if low > high {
        pieces.remove(0);
    }
    pieces
}

/// erf(x) = 2 / sqrt(pi) * exp(-x^2) * sum of 2^n x^(2n+1) / (2n+1)!!: every term positive, so nothing cancels.
fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let a = x.abs();
    if a > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (a, a, 1.0);
    while term > sum * 1e-17 {
        term *= 2.0 * a * a / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    (std::f64::consts::FRAC_2_SQRT_PI * (-a * a).exp() * sum).copysign(x)
}

impl Unary {
    /// Whether the result has the sign of the argument everywhere, zero included.
    pub fn keeps_sign(&self) -> bool {
        (self.row().keeps_sign)(self.parameters())
    }

    /// A bound below every result, where the argument is nowhere below `low`.
    pub fn least(&self, low: f32) -> f32 {
        (self.row().least)(self.parameters(), low)
    }

    /// Whether the result is 0 here and there, not by chance, where the argument is or is not.
    pub fn zeros(&self, argument: bool) -> bool {
        match self.row().zeros {
            Zeros::Never => false,
            Zeros::Kept => argument,
            Zeros::Often => true,
        }
    }

    /// Its pieces in real arithmetic, if it is piecewise linear.
    pub fn linear(&self) -> Option<Vec<Linear>> {
        self.row().linear.map(|pieces| pieces(self.parameters()))
    }

    /// Whether emitted code and interpreter compute the same bits.
    pub fn is_exact(&self) -> bool {
        self.row().exact
    }

    /// Whether it is a function of numbers, as an activation is.
    pub fn takes_floats(&self) -> bool {
        self.row().floats.is_some()
    }

    fn arguments(&self) -> impl Iterator<Item = TokenStream> {
        self.parameters().into_iter().take(self.row().attributes.len()).map(float)
    }

    /// A function `fn(f32) -> f32` of the runtime, as an expression.
    pub(crate) fn scalar(&self) -> TokenStream {
        let name: TokenStream = self.row().scalar.parse().expect("a path");
        if self.row().attributes.is_empty() {
            return name;
        }
        let arguments = self.arguments();
        quote!(|x| #name(x, #(#arguments),*))
    }

    /// The function of a tile `v`, as an expression.
    pub(crate) fn vector(&self) -> TokenStream {
        let Some(name) = self.row().vector else {
            let f = self.scalar();
            return quote!(map_lanes_with(s, v, #f));
        };
        let name: TokenStream = name.parse().expect("a path");
        let arguments = self.arguments();
        quote!(#name(s, v #(, #arguments)*))
    }
}

impl Operator for Unary {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (row, dtype) = (self.row(), given.first()?.dtype);
        let defined = match dtype {
            DType::F32 => row.floats.is_some(),
            DType::I64 => row.integers.is_some(),
            DType::Bool => row.booleans.is_some(),
            _ => false,
        };
        if defined { given.same(dtype) } else { Err(unsupported(format!("{} of {dtype:?}", row.name))) }
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let (row, &[x]) = (self.row(), inputs) else { return Err(mismatched(inputs)) };
        let data = match (&x.data, row.floats, row.integers, row.booleans) {
            (Data::F32(v), Some(f), ..) => Data::F32(f(v, self.parameters())),
            (Data::I64(v), _, Some(f), _) => Data::I64(v.iter().map(|&x| f(x)).collect()),
            (Data::Bool(v), .., Some(f)) => Data::Bool(v.iter().map(|&x| f(x)).collect()),
            _ => return Err(format!("{} of {:?}", row.name, x.dtype())),
        };
        Ok(Tensor { shape: x.shape.clone(), data })
    }
}

/// Those that are operators of ONNX.
pub(super) fn onnx() -> impl Iterator<Item = &'static &'static Row> {
    FUNCTIONS.iter().filter(|row| row.since != PART)
}

/// Those with more to say.
pub(super) static OWN_WAY: &[Onnx] = &[Onnx::one("Clip", 6, clip).growing(&[(1, 1), (11, 3)])];

/// Converts a node of one of the functions; `None` for others.
pub(super) fn convert(cx: &mut NodeContext<'_>, op: &str) -> Option<Outcome<ValueId>> {
    let row = onnx().find(|row| row.name == op && !OWN_WAY.iter().any(|onnx| onnx.name == op))?;
    Some(function(cx, row))
}

/// The function of a row on a node's operand, its parameters read from the attributes.
fn function(cx: &mut NodeContext<'_>, row: &Row) -> Outcome<ValueId> {
    let mut parameters = [0.0; 2];
    for (parameter, &(name, default)) in parameters.iter_mut().zip(row.attributes) {
        *parameter = cx.float(name, default)?;
    }
    let x = cx.operand(0)?;
    cx.apply(Op::Unary((row.make)(parameters)), &[x])
}

/// Bounds as attributes (opset < 11) or operands, each of which may be absent, or empty.
fn clip(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    if cx.opset() < 11 {
        let low = cx.float("min", f32::NEG_INFINITY)?;
        let high = cx.float("max", f32::INFINITY)?;
        return cx.unary(Unary::Clip(low, high), x);
    }
    let (low, high) = (cx.optional(1), cx.optional(2));
    let known = |bound: Option<ValueId>| bound.is_none_or(|id| cx.constant(id).is_some());
    if cx.dtype(x) == DType::F32 && known(low) && known(high) {
        let low = cx.float_parameter(1, "lower bound")?.unwrap_or(f32::NEG_INFINITY);
        let high = cx.float_parameter(2, "upper bound")?.unwrap_or(f32::INFINITY);
        if low.is_nan() || high.is_nan() {
            return Err(bad("a bound is not a number"));
        }
        return if (low, high) == (f32::NEG_INFINITY, f32::INFINITY) {
            Ok(x)
        } else {
            cx.unary(Unary::Clip(low, high), x)
        };
    }
    let x = low.map_or(Ok(x), |low| cx.binary(Binary::Max, x, low))?;
    high.map_or(Ok(x), |high| cx.binary(Binary::Min, x, high))
}
