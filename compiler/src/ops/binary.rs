//! Element-wise functions of two arguments, with NumPy's broadcasting: a row each, and nothing about them anywhere else.
//!
//! A NaN in one of them is a NaN in the result, but for comparisons, which it makes false, and for the powers that IEEE 754
//! excepts. Of two zeros, `Max` and `Min` give either.

use super::node::{NodeContext, bad};
use super::strided::{Rows, broadcast_strides};
use super::{AtRunTime, Form, Infer, Onnx, Operator, WholeCost, mismatched, unsupported};
use crate::diagnostics::Outcome;
use crate::ir::{Binary, DType, Data, Op, Shape, Tensor, Unary, ValueId, broadcast};

/// An operand of a certain type, and its shape.
type Operand<'a, T> = (&'a [T], &'a [usize]);

/// The results on two operands, broadcast to a shape.
type Function<T> = fn(Operand<'_, T>, Operand<'_, T>, &[usize]) -> Data;

/// What there is to know about a function.
pub struct Row {
    /// Its name: ONNX's, but for those that are one operator there, with an attribute.
    pub name: &'static str,
    /// The operator of ONNX that it is, and the first opset that has it.
    pub onnx: (&'static str, i64),
    /// On floats, if it is defined there.
    floats: Option<Function<f32>>,
    /// On integers.
    integers: Option<Function<i64>>,
    /// On booleans.
    booleans: Option<Function<bool>>,
    /// Whether the result is a boolean, whatever the operands are.
    pub truth: bool,
    /// Whether integers are divided: not by 0.
    divides: bool,
    /// Of two floats `a` and `b`, as an expression of emitted code; booleans are 0 and 1 there.
    pub scalar: &'static str,
}

macro_rules! number {
    ($variant:ident: $f:expr) => {
        Some(|a, b, shape| Data::$variant(zip(a, b, shape, $f)))
    };
}

macro_rules! functions {
    ($($name:ident {
        onnx: $onnx:expr,
        $(floats: $floats:ident, $float:expr,)?
        $(integers: $integers:ident, $integer:expr,)?
        $(booleans: $boolean:expr,)?
        $(truth: $truth:expr,)?
        $(divides: $divides:expr,)?
        scalar: $scalar:expr $(,)?
    })*) => {
        /// All of them.
        pub static FUNCTIONS: &[Row] = &[$(Row {
            name: stringify!($name),
            onnx: $onnx,
            $(floats: number!($floats: $float),)?
            $(integers: number!($integers: $integer),)?
            $(booleans: number!(Bool: $boolean),)?
            $(truth: $truth,)?
            $(divides: $divides,)?
            scalar: $scalar,
            ..Row::PLAIN
        }),*];

        // A row for each, in the order of the functions.
        const _: () = {
            let mut i = 0;
            $(
                assert!(Binary::$name as usize == i);
                i += 1;
            )*
            assert!(i == Binary::ALL.len());
        };
    };
}

impl Row {
    const PLAIN: Row = Row {
        name: "",
        onnx: ("", 1),
        floats: None,
        integers: None,
        booleans: None,
        truth: false,
        divides: false,
        scalar: "",
    };
}

functions! {
    Add {
        onnx: ("Add", 7),
        floats: F32, |x, y| x + y,
        integers: I64, i64::wrapping_add,
        scalar: "a + b",
    }
    Sub {
        onnx: ("Sub", 7),
        floats: F32, |x, y| x - y,
        integers: I64, i64::wrapping_sub,
        scalar: "a - b",
    }
    Mul {
        onnx: ("Mul", 7),
        floats: F32, |x, y| x * y,
        integers: I64, i64::wrapping_mul,
        scalar: "a * b",
    }
    Div {
        onnx: ("Div", 7),
        floats: F32, |x, y| x / y,
        integers: I64, i64::wrapping_div,
        divides: true,
        scalar: "a / b",
    }
    Pow {
        onnx: ("Pow", 7),
        floats: F32, |x, y| f64::from(x).powf(f64::from(y)) as f32,
        integers: I64, |x, y| (x as f64).powf(y as f64) as i64,
        scalar: "math::pow(a, b)",
    }
    Min {
        onnx: ("Min", 6),
        floats: F32, |x, y| if x < y || x.is_nan() { x } else { y },
        integers: I64, i64::min,
        scalar: "scalar::min(a, b)",
    }
    Max {
        onnx: ("Max", 6),
        floats: F32, |x, y| if x > y || x.is_nan() { x } else { y },
        integers: I64, i64::max,
        scalar: "scalar::max(a, b)",
    }
    Mod {
        onnx: ("Mod", 10),
        floats: F32, |x, y| {
            let r = x % y;
            if r != 0.0 && (r < 0.0) != (y < 0.0) { r + y } else { r }
        },
        integers: I64, |x, y| {
            let r = x.wrapping_rem(y);
            if r != 0 && (r < 0) != (y < 0) { r + y } else { r }
        },
        divides: true,
        scalar: "scalar::modulo(a, b)",
    }
    Fmod {
        onnx: ("Mod", 10),
        floats: F32, |x, y| x % y,
        integers: I64, i64::wrapping_rem,
        divides: true,
        scalar: "a % b",
    }
    Equal {
        onnx: ("Equal", 7),
        floats: Bool, |x, y| x == y,
        integers: Bool, |x, y| x == y,
        booleans: |x, y| x == y,
        truth: true,
        scalar: "scalar::truth(a == b)",
    }
    Less {
        onnx: ("Less", 7),
        floats: Bool, |x, y| x < y,
        integers: Bool, |x, y| x < y,
        truth: true,
        scalar: "scalar::truth(a < b)",
    }
    LessOrEqual {
        onnx: ("LessOrEqual", 12),
        floats: Bool, |x, y| x <= y,
        integers: Bool, |x, y| x <= y,
        truth: true,
        scalar: "scalar::truth(a <= b)",
    }
    Greater {
        onnx: ("Greater", 7),
        floats: Bool, |x, y| x > y,
        integers: Bool, |x, y| x > y,
        truth: true,
        scalar: "scalar::truth(a > b)",
    }
    GreaterOrEqual {
        onnx: ("GreaterOrEqual", 12),
        floats: Bool, |x, y| x >= y,
        integers: Bool, |x, y| x >= y,
        truth: true,
        scalar: "scalar::truth(a >= b)",
    }
    And {
        onnx: ("And", 7),
        booleans: |x, y| x & y,
        truth: true,
        scalar: "scalar::truth(a != 0.0 && b != 0.0)",
    }
    Or {
        onnx: ("Or", 7),
        booleans: |x, y| x | y,
        truth: true,
        scalar: "scalar::truth(a != 0.0 || b != 0.0)",
    }
    Xor {
        onnx: ("Xor", 7),
        booleans: |x, y| x ^ y,
        truth: true,
        scalar: "scalar::truth((a != 0.0) != (b != 0.0))",
    }
}

impl Binary {
    /// What there is to know about it.
    pub fn row(self) -> &'static Row {
        &FUNCTIONS[self as usize]
    }

    /// Whether its operands are booleans, and cannot be numbers.
    pub fn is_logical(self) -> bool {
        self.row().floats.is_none()
    }
}

impl Operator for Binary {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (row, a, b) = (self.row(), given.first()?, given.operand(1)?);
        let shape = given.broadcast(&[&a.shape, &b.shape])?;
        let defined = match a.dtype {
            DType::F32 => row.floats.is_some(),
            DType::I64 => row.integers.is_some(),
            DType::Bool => row.booleans.is_some(),
            _ => false,
        };
        if !defined || a.dtype != b.dtype {
            return Err(unsupported(format!("{} of {:?} and {:?}", row.name, a.dtype, b.dtype)));
        }
        Ok((shape, if row.truth { DType::Bool } else { a.dtype }))
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let (row, &[a, b]) = (self.row(), inputs) else { return Err(mismatched(inputs)) };
        let shape = broadcast_or(a, b)?;
        let data = match (&a.data, &b.data) {
            (Data::F32(u), Data::F32(v)) => row.floats.map(|f| f((u, &a.shape), (v, &b.shape), &shape)),
            (Data::I64(u), Data::I64(v)) => {
                if row.divides && v.contains(&0) {
                    return Err("division of an integer by zero".to_owned());
                }
                row.integers.map(|f| f((u, &a.shape), (v, &b.shape), &shape))
            }
            (Data::Bool(u), Data::Bool(v)) => row.booleans.map(|f| f((u, &a.shape), (v, &b.shape), &shape)),
            _ => None,
        };
        let data = data.ok_or_else(|| format!("{} of {:?} and {:?}", row.name, a.dtype(), b.dtype()))?;
        Ok(Tensor { shape, data })
    }

    fn whole(&self) -> Option<&dyn AtRunTime> {
        Some(self)
    }
}

pub(super) fn broadcast_or(a: &Tensor, b: &Tensor) -> Result<Shape, String> {
    broadcast(&a.shape, &b.shape).ok_or_else(|| format!("{:?} and {:?} do not broadcast", a.shape, b.shape))
}

/// Applies a function to pairs of elements, broadcasting both operands to `shape`.
pub(super) fn zip<T: Copy, R>(a: Operand<'_, T>, b: Operand<'_, T>, shape: &[usize], f: impl Fn(T, T) -> R) -> Vec<R> {
    let strides = |operand: &[usize]| broadcast_strides(operand, shape).unwrap_or_else(|| vec![0; shape.len()]);
    let rows = Rows::new(shape, [&strides(a.1), &strides(b.1)]);
    let (a, b, len) = (a.0, b.0, rows.len);
    let mut result = Vec::with_capacity(shape.iter().product());
    rows.for_each([0, 0], |[i, j]| {
        let (i, j) = (i as usize, j as usize);
        match rows.steps {
            [1, 1] => result.extend(a[i..][..len].iter().zip(&b[j..][..len]).map(|(&x, &y)| f(x, y))),
            [1, 0] => {
                let y = b[j];
                result.extend(a[i..][..len].iter().map(|&x| f(x, y)));
            }
            [0, 1] => {
                let x = a[i];
                result.extend(b[j..][..len].iter().map(|&y| f(x, y)));
            }
            [p, q] => result.extend((0..len).map(|k| f(a[i + k * p as usize], b[j + k * q as usize]))),
        }
    });
    result
}

impl AtRunTime for Binary {
    fn kind(&self) -> String {
        "broadcast".to_owned()
    }

    fn reason(&self) -> &'static str {
        "element-wise on two real-valued tensors of different shape"
    }

    fn form(&self) -> Form {
        Form::Elements { names: &["a", "b"], expression: self.row().scalar.parse().expect("an expression") }
    }

    fn cost(&self, _: &[&[usize]], output: &[usize]) -> WholeCost {
        WholeCost::each(output, 1)
    }

    fn is_condition(&self, _: usize) -> bool {
        self.is_logical()
    }
}

/// Converts a node of one of the functions that take two operands as they are; `None` for others.
pub(super) fn convert(cx: &mut NodeContext<'_>, op: &str) -> Option<Outcome<ValueId>> {
    let at = FUNCTIONS.iter().position(|row| row.onnx.0 == op && !OWN_WAY.iter().any(|onnx| onnx.name == op))?;
    Some(pair(cx, Binary::ALL[at]))
}

/// Those with more to say.
pub(super) static OWN_WAY: &[Onnx] = &[
    Onnx::one("Min", 6, |cx| chain(cx, Binary::Min)).any_number(),
    Onnx::one("Max", 6, |cx| chain(cx, Binary::Max)).any_number(),
    Onnx::one("Sum", 6, |cx| chain(cx, Binary::Add)).any_number(),
    Onnx::one("Mean", 6, mean).any_number(),
    Onnx::one("Pow", 7, pow).operands(2),
    Onnx::one("Mod", 10, modulo).operands(2),
];

fn pair(cx: &mut NodeContext<'_>, function: Binary) -> Outcome<ValueId> {
    let operands = cx.alike(&[cx.operand(0)?, cx.operand(1)?])?;
    let result = cx.apply(Op::Binary(function), &operands)?;
    // A quotient of integers is one.
    let whole = function == Binary::Div && cx.holds_integers(operands[0]);
    if whole && cx.constant(result).is_none() { cx.unary(Unary::Trunc, result) } else { Ok(result) }
}

fn operands(cx: &NodeContext<'_>) -> Outcome<Vec<ValueId>> {
    let operands = (0..cx.operand_count()).map(|i| cx.operand(i)).collect::<Outcome<Vec<_>>>()?;
    if operands.is_empty() { Err(bad("it has no operands")) } else { Ok(operands) }
}

fn chain(cx: &mut NodeContext<'_>, function: Binary) -> Outcome<ValueId> {
    let operands = operands(cx)?;
    let operands = cx.alike(&operands)?;
    operands[1..].iter().try_fold(operands[0], |result, &operand| cx.binary(function, result, operand))
}

fn mean(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let sum = chain(cx, Binary::Add)?;
    let count = cx.scalar(cx.operand_count() as f32);
    if cx.operand_count() == 1 { Ok(sum) } else { cx.binary(Binary::Div, sum, count) }
}

/// Base and exponent may be of different types; the result has the base's.
fn pow(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (base, exponent) = (cx.operand(0)?, cx.operand(1)?);
    let rank = cx.shape(base).len();
    let is_two = |exponent: &Tensor| exponent.to_f32() == [2.0] && exponent.shape.len() <= rank;
    if cx.dtype(base) == DType::F32 && cx.constant(exponent).is_some_and(|exponent| is_two(&exponent)) {
        // As every engine writes a square, and rounded once like it.
        return cx.binary(Binary::Mul, base, base);
    }
    match (cx.dtype(base), cx.dtype(exponent)) {
        (DType::F32, DType::I64) => {
            let exponent = cx.apply(Op::Cast(DType::F32), &[exponent])?;
            cx.binary(Binary::Pow, base, exponent)
        }
        (DType::I64, DType::F32) => {
            let base = cx.apply(Op::Cast(DType::F32), &[base])?;
            let power = cx.binary(Binary::Pow, base, exponent)?;
            cx.apply(Op::Cast(DType::I64), &[power])
        }
        _ => cx.binary(Binary::Pow, base, exponent),
    }
}

/// `fmod` says whose sign the remainder has.
fn modulo(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let function = if cx.flag("fmod")? { Binary::Fmod } else { Binary::Mod };
    pair(cx, function)
}
