//! Attention as one node, and what stands before it: written out as products, softmax and choices. Heads that share keys and
//! values are rows of one product.

use super::gather::at_places;
use super::node::{NodeContext, bad, problem};
use super::{Onnx, Results};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Binary, DType, Data, Op, Reduction, Tensor, Unary, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::many("Attention", 23, attention).growing(&[(23, 6), (24, 7)]),
    Onnx::one("RotaryEmbedding", 23, rotary_embedding).operands(4),
    Onnx::one("SwiGLU", 28, swiglu).operands(2),
];

/// x * sigmoid(alpha * x) * y
fn swiglu(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, y, alpha) = (cx.operand(0)?, cx.operand(1)?, cx.float("alpha", 1.0)?);
    let alpha = cx.scalar(alpha);
    let scaled = cx.binary(Binary::Mul, x, alpha)?;
    let gate = cx.unary(Unary::Sigmoid, scaled)?;
    let gated = cx.binary(Binary::Mul, x, gate)?;
    cx.binary(Binary::Mul, gated, y)
}

/// `[batch, heads, steps, features]`, of `[batch, steps, heads * features]` where the number of heads is told.
fn in_heads(cx: &mut NodeContext<'_>, operand: usize, heads: &str) -> Outcome<ValueId> {
    let x = cx.operand(operand)?;
    let shape = cx.shape(x);
    match shape[..] {
        [_, _, _, _] => Ok(x),
        [batch, steps, features] => {
            let heads = count_of_heads(cx, heads, features)?;
            let split = cx.reshape(x, &[batch, steps, heads, features / heads])?;
            cx.transpose(split, vec![0, 2, 1, 3])
        }
        _ => Err(problem(Code::ShapeMismatch, format!("an operand of shape {shape:?}; 3 or 4 axes are wanted"))),
    }
}

fn count_of_heads(cx: &NodeContext<'_>, attribute: &str, features: usize) -> Outcome<usize> {
    let count = cx.int(attribute)?.and_then(|count| usize::try_from(count).ok());
    count
        .filter(|&count| count > 0 && features.is_multiple_of(count))
        .ok_or_else(|| bad(format!("{attribute} must divide the {features} features of an operand of 3 axes")))
}

/// softmax(q k^T * scale + bias) v, and the keys, values and scores that it was made of.
fn attention(cx: &mut NodeContext<'_>) -> Outcome<Results> {
    let is_split = cx.operand(0).map(|q| cx.shape(q).len())? == 4;
    let q = in_heads(cx, 0, "q_num_heads")?;
    let (mut k, mut v) = (in_heads(cx, 1, "kv_num_heads")?, in_heads(cx, 2, "kv_num_heads")?);
    let mut past = 0;
    if let Some(before) = cx.optional(4) {
        past = cx.shape(before).get(2).copied().unwrap_or(0);
        k = cx.apply(Op::Concat { axis: 2 }, &[before, k])?;
    }
    if let Some(before) = cx.optional(5) {
        v = cx.apply(Op::Concat { axis: 2 }, &[before, v])?;
    }
    let (of_q, of_k, of_v) = (cx.shape(q), cx.shape(k), cx.shape(v));
    let (&[batch, heads, rows, features], &[_, groups, keys, _], &[_, _, _, values]) =
        (&of_q[..], &of_k[..], &of_v[..])
    else {
        let message = format!("queries, keys and values of shapes {of_q:?}, {of_k:?} and {of_v:?}");
        return Err(problem(Code::ShapeMismatch, message));
    };
    if of_k[0] != batch || of_k[3] != features || of_v[..3] != of_k[..3] || !heads.is_multiple_of(groups.max(1)) {
        let message = format!("queries of shape {of_q:?}, keys of {of_k:?} and values of {of_v:?} do not go together");
        return Err(problem(Code::ShapeMismatch, message));
    }

    let scale = cx.float("scale", 1.0 / (features as f32).sqrt())?;
    let together = cx.reshape(q, &[batch, groups, heads / groups * rows, features])?;
    let turned = cx.transpose(k, vec![0, 1, 3, 2])?;
    let products = cx.apply(Op::MatMul, &[together, turned])?;
    let products = cx.reshape(products, &[batch, heads, rows, keys])?;
    let scale = cx.scalar(scale);
    let scaled = cx.binary(Binary::Mul, products, scale)?;
    let capped = capped(cx, scaled)?;
    let bias = bias(cx, [rows, keys], past)?;
    let biased = match bias {
        Some(bias) => cx.binary(Binary::Add, capped, bias)?,
        None => capped,
    };
    let shares = cx.apply(Op::Softmax { axis: 3, log: false }, &[biased])?;
    let shares = match bias {
        Some(bias) => without_masked_rows(cx, shares, bias)?,
        None => shares,
    };

    let together = cx.reshape(shares, &[batch, groups, heads / groups * rows, keys])?;
    let summed = cx.apply(Op::MatMul, &[together, v])?;
    let mut result = cx.reshape(summed, &[batch, heads, rows, values])?;
    if !is_split {
        let turned = cx.transpose(result, vec![0, 2, 1, 3])?;
        result = cx.reshape(turned, &[batch, rows, heads * values])?;
    }
    let scores = match cx.int("qk_matmul_output_mode")?.unwrap_or(0) {
        0 => scaled,
        1 => capped,
        2 => biased,
        3 => shares,
        mode => return Err(bad(format!("a qk_matmul_output_mode of {mode}; 0 to 3 are known"))),
    };
    Ok(vec![Some(result), Some(k), Some(v), Some(scores)])
}

/// cap * tanh(x / cap); itself without a cap.
fn capped(cx: &mut NodeContext<'_>, x: ValueId) -> Outcome<ValueId> {
    let cap = cx.float("softcap", 0.0)?;
    if cap <= 0.0 {
        return Ok(x);
    }
    let cap = cx.scalar(cap);
    let part = cx.binary(Binary::Div, x, cap)?;
    let bounded = cx.unary(Unary::Tanh, part)?;
    cx.binary(Binary::Mul, bounded, cap)
}

/// What is added to the scores: the mask that is given, and minus infinity where a key is not to be seen.
fn bias(cx: &mut NodeContext<'_>, [rows, keys]: [usize; 2], past: usize) -> Outcome<Option<ValueId>> {
    let given = match cx.optional(3) {
        Some(mask) => Some(given_bias(cx, mask, keys)?),
        None => None,
    };
    let Some(seen) = seen(cx, [rows, keys], past)? else { return Ok(given) };
    let unseen = hidden(cx, seen)?;
    match given {
        Some(given) => cx.binary(Binary::Add, given, unseen).map(Some),
        None => Ok(Some(unseen)),
    }
}

/// 0 where a condition holds, minus infinity elsewhere.
fn hidden(cx: &mut NodeContext<'_>, seen: ValueId) -> Outcome<ValueId> {
    let (zero, infinite) = (cx.scalar(0.0), cx.scalar(f32::NEG_INFINITY));
    cx.apply(Op::Where, &[seen, zero, infinite])
}

/// The mask of the file as numbers to add, of as many keys as there are: those that it says nothing of are not seen.
fn given_bias(cx: &mut NodeContext<'_>, mask: ValueId, keys: usize) -> Outcome<ValueId> {
    let mask = if cx.dtype(mask) == DType::Bool { hidden(cx, mask)? } else { mask };
    let mut shape = cx.shape(mask);
    let Some(last) = shape.last_mut() else {
        return Err(problem(Code::ShapeMismatch, "a mask of one number"));
    };
    let Some(missing @ 1..) = keys.checked_sub(*last) else { return Ok(mask) };
    *last = missing;
    let len = shape.iter().product();
    cx.spend(Some(len))?;
    let unseen = cx.add_constant(Tensor::f32(shape.clone(), vec![f32::NEG_INFINITY; len]));
    cx.apply(Op::Concat { axis: shape.len() - 1 }, &[mask, unseen])
}

/// Which keys a row sees by their places; `None` where it sees them all. The rows' own keys end where the keys do that are filled:
/// the row i is at i + past, or, where their number is told, at i + filled - rows.
fn seen(cx: &mut NodeContext<'_>, [rows, keys]: [usize; 2], past: usize) -> Outcome<Option<ValueId>> {
    let bound = |side: &str| -> Outcome<Option<i64>> { Ok(cx.int(side)?.filter(|&width| width >= 0)) };
    let (left, mut right) = (bound("left_window_size")?, bound("right_window_size")?);
    if cx.flag("is_causal")? {
        right = Some(0);
    }
    let filled = cx.optional(6);
    if left.is_none() && right.is_none() && filled.is_none() {
        return Ok(None);
    }
    cx.spend(rows.checked_mul(keys))?;
    let ahead = |i: usize| (i % keys) as i64 - (i / keys) as i64;
    let Some(filled) = filled else {
        let is_seen = |i: usize| {
            let distance = ahead(i) - past as i64;
            right.is_none_or(|right| distance <= right) && left.is_none_or(|left| -distance <= left)
        };
        let seen = Data::Bool((0..rows * keys).map(is_seen).collect());
        return Ok(Some(cx.add_constant(Tensor { shape: vec![rows, keys], data: seen })));
    };
    // Each is a comparison of numbers that are known with how many are filled.
    let batch = cx.shape(filled).iter().product();
    let filled = cx.reshape(filled, &[batch, 1, 1, 1])?;
    let mut compare = |function: Binary, shape: Vec<usize>, numbers: Vec<i64>| {
        let numbers = cx.add_constant(Tensor { shape, data: Data::I64(numbers) });
        let operands = cx.alike(&[numbers, filled])?;
        cx.binary(function, operands[0], operands[1])
    };
    let of_each = |offset: i64| (0..rows * keys).map(|i| ahead(i) + rows as i64 + offset).collect();
    let mut seen = compare(Binary::Less, vec![keys], (0..keys as i64).collect())?;
    let mut and = Vec::new();
    if let Some(right) = right {
        and.push(compare(Binary::LessOrEqual, vec![rows, keys], of_each(-right))?);
    }
    if let Some(left) = left {
        and.push(compare(Binary::GreaterOrEqual, vec![rows, keys], of_each(left))?);
    }
    for condition in and {
        seen = cx.binary(Binary::And, seen, condition)?;
    }
    Ok(Some(seen))
}

/// The shares of a row that sees no key are 0.
fn without_masked_rows(cx: &mut NodeContext<'_>, shares: ValueId, bias: ValueId) -> Outcome<ValueId> {
    let last = cx.shape(bias).len() - 1;
    let most = cx.apply(Op::Reduce { kind: Reduction::Max, axes: vec![last], keepdims: true }, &[bias])?;
    let infinite = cx.scalar(f32::NEG_INFINITY);
    let is_masked = cx.binary(Binary::Equal, most, infinite)?;
    if cx.constant(is_masked).is_some_and(|known| matches!(&known.data, Data::Bool(rows) if !rows.contains(&true))) {
        return Ok(shares);
    }
    let zero = cx.scalar(0.0);
    cx.apply(Op::Where, &[is_masked, zero, shares])
}

/// Pairs of features turned by an angle of their place.
fn rotary_embedding(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let given = cx.shape(x);
    // Heads lie before or behind the steps, whose angles all of them share.
    let (x, heads_axis) = match given[..] {
        [_, _, _, _] => (x, 1),
        [batch, steps, features] => {
            let heads = count_of_heads(cx, "num_heads", features)?;
            (cx.reshape(x, &[batch, steps, heads, features / heads])?, 2)
        }
        _ => {
            return Err(problem(Code::ShapeMismatch, format!("an operand of shape {given:?}; 3 or 4 axes are wanted")));
        }
    };
    let shape = cx.shape(x);
    let features = shape[3];
    let turned = match cx.int("rotary_embedding_dim")?.unwrap_or(0) {
        0 => features,
        some => usize::try_from(some).unwrap_or(usize::MAX),
    };
    if turned > features || turned % 2 != 0 {
        return Err(bad(format!("a rotary_embedding_dim of {turned}, where a head has {features} features")));
    }
    let half = turned / 2;
    let mut angles = |operand: usize| {
        let cache = cx.operand(operand)?;
        let of_steps = match cx.optional(3) {
            Some(places) => at_places(cx, cache, places, 0)?,
            None => cache,
        };
        let mut shape = cx.shape(of_steps);
        if shape.len() != 3 || shape[2] != half {
            let message = format!("angles of shape {shape:?}; batch, steps and {half} are wanted");
            return Err(problem(Code::ShapeMismatch, message));
        }
        shape.insert(heads_axis, 1);
        cx.reshape(of_steps, &shape)
    };
    let (cosine, sine) = (angles(1)?, angles(2)?);

    let is_interleaved = cx.flag("interleaved")?;
    let mut part = |start: usize, step: isize, len: usize| {
        let target = [&shape[..3], &[len]].concat();
        cx.apply_to(Op::Slice { starts: vec![0, 0, 0, start], steps: vec![1, 1, 1, step] }, &[x], Some(&target))
    };
    let (a, b) =
        if is_interleaved { (part(0, 2, half)?, part(1, 2, half)?) } else { (part(0, 1, half)?, part(half, 1, half)?) };
    let rest = if turned < features { Some(part(turned, 1, features - turned)?) } else { None };
    let mut sum = |function: Binary, [(p, x), (q, y)]: [(ValueId, ValueId); 2]| {
        let (first, second) = (cx.binary(Binary::Mul, p, x)?, cx.binary(Binary::Mul, q, y)?);
        cx.binary(function, first, second)
    };
    let real = sum(Binary::Sub, [(cosine, a), (sine, b)])?;
    let imaginary = sum(Binary::Add, [(sine, a), (cosine, b)])?;
    let mut joined = if is_interleaved {
        let pairs = [&shape[..3], &[half, 1]].concat();
        let (real, imaginary) = (cx.reshape(real, &pairs)?, cx.reshape(imaginary, &pairs)?);
        let pairs = cx.apply(Op::Concat { axis: 4 }, &[real, imaginary])?;
        cx.reshape(pairs, &[&shape[..3], &[turned]].concat())?
    } else {
        cx.apply(Op::Concat { axis: 3 }, &[real, imaginary])?
    };
    if let Some(rest) = rest {
        joined = cx.apply(Op::Concat { axis: 3 }, &[joined, rest])?;
    }
    cx.reshape(joined, &given)
}
