//! Functions of two arguments, on one piece of each.

use super::classes::evaluate;
use super::pieces::{Cut, Is, Range, whole};
use super::shapes::Shape;
use crate::exact::Affine;
use crate::ir::Binary;

/// A function of two arguments, on one piece.
pub(super) fn binary(function: Binary, a: &Is, b: &Is) -> Option<Cut> {
    use Binary::{Add, Div, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Max, Min, Mul, Sub};
    if *a == Is::Undefined || *b == Is::Undefined {
        return Some(whole(Is::Undefined));
    }
    let is = match (function, a, b) {
        (Div, Is::Number(0.0), Is::Number(0.0)) => Is::Undefined,
        (_, Is::Number(x), Is::Number(y)) => Is::Number(evaluate(function, *x, *y)?),
        (Add, Is::Map(map), Is::Number(c)) | (Add, Is::Number(c), Is::Map(map)) => Is::Map(map.shifted(*c)),
        (Add, Is::Map(x), Is::Map(y)) => match x.plus(y) {
            Some(sum) => Is::of(sum)?,
            None => Is::Within(Range::ANY),
        },
        (Add, other, Is::Number(c)) | (Add, Is::Number(c), other) => Is::Within(other.range().plus(*c)),
        (Add, ..) => Is::Within(Range::ANY),
        (Sub, ..) => return binary(Add, a, &b.negated()),
        (Mul, Is::Number(0.0), _) | (Mul, _, Is::Number(0.0)) => Is::Number(0.0),
        (Mul, Is::Map(map), Is::Number(c)) | (Mul, Is::Number(c), Is::Map(map)) => Is::Map(map.scaled(*c)),
        (Mul, other, Is::Number(c)) | (Mul, Is::Number(c), other) => Is::Within(other.range().times(*c)),
        (Mul, Is::Map(x), Is::Map(y)) if x == y => Is::Within(Range { low: 0.0, ..Range::ANY }),
        (Mul, ..) => Is::Within(Range::ANY),
        (Div, Is::Map(map), Is::Number(c)) if f64::from(*c as f32) == *c => {
            match Affine::division(*c as f32).and_then(|d| map.then(&d)) {
                Some(quotient) => Is::Map(quotient),
                None => Is::Within(Range::ANY),
            }
        }
        // x / |x|
        (Div, Is::Map(x), Is::Map(y)) if x == y || *x == y.scaled(-1.0) => {
            let quotient = Is::Number(if x == y { 1.0 } else { -1.0 });
            return Shape::around_zero(quotient.clone(), Is::Undefined, quotient).apply(b);
        }
        (Div, Is::Within(range), Is::Number(c)) if *c != 0.0 => {
            Is::Within(range.ends(|x| (x / c, x.is_infinite() || evaluate(Div, x, *c).is_some()), *c < 0.0))
        }
        (Div, ..) => Is::Within(Range::ANY),
        (Max, other, Is::Number(c)) | (Max, Is::Number(c), other) => return Shape::max(*c).apply(other),
        (Min, other, Is::Number(c)) | (Min, Is::Number(c), other) => return Shape::min(*c).apply(other),
        (Max | Min, Is::Map(x), Is::Map(y)) => {
            let Is::Map(difference) = Is::of(x.plus(&y.scaled(-1.0))?)? else { return None };
            let (below, above) = if function == Max { (b, a) } else { (a, b) };
            return Shape::around_zero(below.clone(), above.clone(), above.clone()).of_map(&difference);
        }
        (Less | LessOrEqual | Greater | GreaterOrEqual | Equal, ..) => {
            let truth = |x: f64| Some(Is::Number(evaluate(function, x, 0.0)?));
            let compared = Shape::around_zero(truth(-1.0)?, truth(0.0)?, truth(1.0)?);
            // As in real arithmetic: a < b where a - b < 0.
            return match &binary(Sub, a, b)?[..] {
                [(None, difference)] => compared.apply(difference),
                _ => None,
            };
        }
        _ => return None,
    };
    Some(whole(is))
}
