//! Elements placed by index. What is known when the model is compiled is evaluated then; at run time, elements that go to known places
//! are a join of slices, or a choice among the elements of both; those that go to computed places of an axis are compared with each.

use super::gather::{integers, pick, position};
use super::node::{NodeContext, bad, problem};
use super::{Infer, Onnx, Operator, mismatch, mismatched, unsupported};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Binary, DType, Data, Op, Reduction, Shape, Tensor, ValueId, strides};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("Scatter", 9, scatter_elements).operands(3),
    Onnx::one("ScatterElements", 11, scatter_elements).operands(3),
    Onnx::one("ScatterND", 11, scatter_nd).operands(3),
];

/// Most slices that are joined; what takes more is a choice among all elements.
const SLICES: usize = 32;

/// Most updates that one place may meet: each is a step of its own.
const TURNS: usize = 1024;

/// data, indices, updates
pub(super) struct ScatterNd;

impl Operator for ScatterNd {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (x, indices, updates) = (given.first()?, given.operand(1)?, given.operand(2)?);
        let shape = &x.shape;
        let fits = indices
            .shape
            .split_last()
            .is_some_and(|(&depth, outer)| depth <= shape.len() && updates.shape == [outer, &shape[depth..]].concat());
        if !fits {
            return Err(mismatch(format!(
                "indices of shape {:?} and updates of shape {:?} into {shape:?}",
                indices.shape, updates.shape
            )));
        }
        if indices.dtype != DType::I64 || updates.dtype != x.dtype {
            return Err(unsupported(format!("updates of {:?} into {:?}", updates.dtype, x.dtype)));
        }
        given.same(x.dtype)
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        fn write<T: Copy>(into: &[T], at: &[usize], run: usize, updates: &[T]) -> Vec<T> {
            let mut result = into.to_vec();
            for (k, &at) in at.iter().enumerate() {
                result[at * run..][..run].copy_from_slice(&updates[k * run..][..run]);
            }
            result
        }
        let &[x, indices, updates] = inputs else { return Err(mismatched(inputs)) };
        let depth = indices.shape.last().copied().ok_or("indices without axes")?;
        let at = rows(indices, &x.shape)?;
        let run: usize = x.shape[depth..].iter().product();
        if updates.len() != at.len() * run {
            return Err(format!("updates of shape {:?} for {:?}", updates.shape, indices.shape));
        }
        let data = match (&x.data, &updates.data) {
            (Data::F32(x), Data::F32(u)) => Data::F32(write(x, &at, run, u)),
            (Data::I64(x), Data::I64(u)) => Data::I64(write(x, &at, run, u)),
            (Data::Bool(x), Data::Bool(u)) => Data::Bool(write(x, &at, run, u)),
            _ => return Err(format!("updates of {:?} for {:?}", updates.dtype(), x.dtype())),
        };
        Ok(Tensor { shape: x.shape.clone(), data })
    }
}

/// The rows that tuples of indices name: places of the first axes, as many as a tuple has numbers, seen as one.
fn rows(indices: &Tensor, shape: &[usize]) -> Result<Vec<usize>, String> {
    let numbers = integers(indices)?;
    let (&depth, outer) = indices.shape.split_last().ok_or("indices without axes")?;
    if depth > shape.len() {
        return Err(format!("indices of {depth} axes into {shape:?}"));
    }
    let row = |k: usize| -> Result<usize, String> {
        let tuple = &numbers[k * depth..][..depth];
        tuple.iter().zip(shape).try_fold(0, |row, (&index, &extent)| Ok(row * extent + position(index, extent)?))
    };
    (0..outer.iter().product()).map(row).collect()
}

/// What an update does to the element that it meets: takes its place, if it is nothing of these.
fn reduction(cx: &NodeContext<'_>) -> Outcome<Option<Binary>> {
    Ok(match cx.text("reduction")?.as_deref() {
        None | Some("none") => None,
        Some("add") => Some(Binary::Add),
        Some("mul") => Some(Binary::Mul),
        Some("max") => Some(Binary::Max),
        Some("min") => Some(Binary::Min),
        Some(other) => return Err(bad(format!("the reduction {other:?} is not known"))),
    })
}

/// Data and updates, of one type.
fn operands(cx: &mut NodeContext<'_>) -> Outcome<[ValueId; 2]> {
    let both = [cx.operand(0)?, cx.operand(2)?];
    let both = cx.alike(&both)?;
    Ok([both[0], both[1]])
}

fn scatter_nd(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (given, indices) = ([cx.operand(0)?, cx.operand(1)?, cx.operand(2)?], cx.operand(1)?);
    let reduction = reduction(cx)?;
    let known = |id: &ValueId| cx.constant(*id).is_some();
    if reduction.is_none() && (given.iter().all(known) || !known(&indices)) {
        return cx.apply(Op::ScatterNd, &given);
    }
    let indices = cx.parameter(1, "indices of a reduction")?.ok_or_else(|| bad("its indices are missing"))?;
    let [x, updates] = operands(cx)?;
    let (shape, of_updates) = (cx.shape(x), cx.shape(updates));
    let fits = |depth: usize, outer: &[usize]| {
        depth > 0 && depth <= shape.len() && of_updates == [outer, &shape[depth..]].concat()
    };
    match indices.shape.split_last() {
        Some((&depth, outer)) if fits(depth, outer) => {
            let rows = rows(&indices, &shape).map_err(mismatch)?;
            placed(cx, x, depth, &rows, updates, reduction)
        }
        _ => Err(mismatch(format!(
            "indices of shape {:?} and updates of shape {of_updates:?} into {shape:?}",
            indices.shape
        ))),
    }
}

fn scatter_elements(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let indices = cx.operand(1)?;
    let [x, updates] = operands(cx)?;
    let (shape, of_indices) = (cx.shape(x), cx.shape(indices));
    let axis = cx.axis(cx.int("axis")?.unwrap_or(0), shape.len())?;
    let fits = of_indices.len() == shape.len() && (0..shape.len()).all(|a| a == axis || of_indices[a] <= shape[a]);
    if !fits || cx.shape(updates) != of_indices {
        let of_updates = cx.shape(updates);
        let message = format!("indices of shape {of_indices:?} and updates of shape {of_updates:?} into {shape:?}");
        return Err(mismatch(message));
    }
    let reduction = reduction(cx)?;
    let Some(known) = cx.constant(indices) else { return compared(cx, [x, indices, updates], axis, reduction) };
    let own = strides(&shape);
    let row = |(i, &index): (usize, &i64)| -> Result<usize, String> {
        let (mut row, mut rest) = (position(index, shape[axis])? * own[axis], i);
        for a in (0..shape.len()).rev() {
            row += if a == axis { 0 } else { rest % of_indices[a] * own[a] };
            rest /= of_indices[a];
        }
        Ok(row)
    };
    let given = integers(&known).map_err(bad)?;
    let rows = given.iter().enumerate().map(row).collect::<Result<Vec<_>, String>>().map_err(mismatch)?;
    placed(cx, x, shape.len(), &rows, updates, reduction)
}

/// Updates at known rows of `x`, which are places of its first `depth` axes. An update that meets one before it meets its result.
fn placed(
    cx: &mut NodeContext<'_>,
    x: ValueId,
    depth: usize,
    rows: &[usize],
    updates: ValueId,
    reduction: Option<Binary>,
) -> Outcome<ValueId> {
    let (shape, kind) = (cx.shape(x), cx.element(x));
    if rows.is_empty() {
        return Ok(x);
    }
    let (outer, rest) = shape.split_at(depth);
    let all = outer.iter().product();
    cx.spend(Some(all))?;
    let updates = cx.reshape(updates, &[&[rows.len()], rest].concat())?;
    let Some(function) = reduction else {
        let mut last = vec![None; all];
        rows.iter().enumerate().for_each(|(k, &row)| last[row] = Some(k));
        let result = chosen(cx, x, depth, updates, &last)?;
        cx.set_element(result, kind);
        return Ok(result);
    };
    // Turn by turn, so that no row comes twice in one: what came before is met by what comes then.
    let mut turns: Vec<Vec<usize>> = Vec::new();
    let mut met = vec![0; all];
    for (k, &row) in rows.iter().enumerate() {
        if met[row] == TURNS {
            return Err(problem(Code::Unsupported, format!("a place of it meets more than {TURNS} updates")));
        }
        if met[row] == turns.len() {
            turns.push(Vec::new());
        }
        turns[met[row]].push(k);
        met[row] += 1;
    }
    let mut result = cx.reshape(x, &[&[all], rest].concat())?;
    for turn in turns {
        cx.spend(Some(all))?;
        let met: Vec<usize> = turn.iter().map(|&k| rows[k]).collect();
        let mut of_row = vec![None; all];
        met.iter().enumerate().for_each(|(k, &row)| of_row[row] = Some(k));
        let (met, by) = (pick(cx, result, 0, &met)?, pick(cx, updates, 0, &turn)?);
        let new = cx.binary(function, met, by)?;
        result = chosen(cx, result, 1, new, &of_row)?;
    }
    let result = cx.reshape(result, &shape)?;
    cx.set_element(result, kind);
    Ok(result)
}

/// `x` with some of the rows of its first `depth` axes from the rows of another tensor: for each row of `x`, the other's that stands
/// there.
fn chosen(
    cx: &mut NodeContext<'_>,
    x: ValueId,
    depth: usize,
    other: ValueId,
    rows: &[Option<usize>],
) -> Outcome<ValueId> {
    let shape = cx.shape(x);
    let (outer, rest) = shape.split_at(depth);
    // Along one axis, if that alone decides.
    for axis in 0..depth {
        let inner: usize = outer[axis + 1..].iter().product();
        let at = |place: usize| rows[place * inner];
        let replaced = |row: usize| rows[row].is_some();
        let decides = (0..rows.len()).all(|row| replaced(row) == at(row / inner % outer[axis]).is_some());
        if decides && rows.iter().flatten().copied().eq(0..cx.shape(other)[0]) {
            let places: Vec<bool> = (0..outer[axis]).map(|place| at(place).is_some()).collect();
            let mut of_other = shape.clone();
            of_other[axis] = places.iter().filter(|other| **other).count();
            let other = cx.reshape(other, &of_other)?;
            let mut next = 0;
            let which: Vec<usize> = (places.iter().enumerate())
                .map(|(place, is_other)| {
                    next += usize::from(*is_other);
                    if *is_other { outer[axis] + next - 1 } else { place }
                })
                .collect();
            return joined(cx, axis, [x, other], &which);
        }
    }
    let flat = cx.reshape(x, &[&[rows.len()], rest].concat())?;
    let which: Vec<usize> = rows.iter().enumerate().map(|(row, of)| of.map_or(row, |k| rows.len() + k)).collect();
    let result = joined(cx, 0, [flat, other], &which)?;
    cx.reshape(result, &shape)
}

/// Places of an axis of two tensors, the second's behind the first's: slices one behind the other where they are few.
fn joined(cx: &mut NodeContext<'_>, axis: usize, [x, other]: [ValueId; 2], which: &[usize]) -> Outcome<ValueId> {
    let first = cx.shape(x)[axis];
    let follows = |pair: &[usize]| pair[1] == pair[0] + 1 && pair[1] != first;
    let slices: Vec<&[usize]> = which.chunk_by(|a, b| follows(&[*a, *b])).collect();
    if slices.len() > SLICES {
        let both = cx.apply(Op::Concat { axis }, &[x, other])?;
        return pick(cx, both, axis, which);
    }
    let mut parts = Vec::with_capacity(slices.len());
    for slice in slices {
        let of_other = slice[0] >= first;
        let places: Vec<usize> = slice.iter().map(|place| if of_other { place - first } else { *place }).collect();
        parts.push(pick(cx, if of_other { other } else { x }, axis, &places)?);
    }
    match parts[..] {
        [part] => Ok(part),
        _ => cx.apply(Op::Concat { axis }, &parts),
    }
}

/// Updates at computed places of an axis: each place of it is compared with each index.
fn compared(
    cx: &mut NodeContext<'_>,
    [x, indices, updates]: [ValueId; 3],
    axis: usize,
    reduction: Option<Binary>,
) -> Outcome<ValueId> {
    let (shape, of_indices, kind) = (cx.shape(x), cx.shape(indices), cx.element(x));
    let others = |shape: &[usize]| [&shape[..axis], &shape[axis + 1..]].concat();
    if others(&shape) != others(&of_indices) {
        let message = "its indices are computed, and are not there for the whole of the other axes";
        return Err(problem(Code::Unsupported, message));
    }
    if !matches!(reduction, None | Some(Binary::Add)) {
        return Err(problem(Code::Unsupported, "its indices are computed, and its reduction is neither none nor add"));
    }
    let (extent, count) = (shape[axis], of_indices[axis]);
    cx.spend(shape.iter().product::<usize>().checked_mul(count))?;
    // [.., index, place, ..]
    let [apart, many] = [1, extent].map(|places| [&of_indices[..=axis], &[places], &shape[axis + 1..]].concat());
    let mut numbers = vec![1; many.len()];
    numbers[axis + 1] = extent;
    let places = cx.add_constant(Tensor::f32(numbers, (0..extent).map(|place| place as f32).collect()));
    let (extent, zero) = (cx.scalar(extent as f32), cx.scalar(0.0));
    // From the end, where it is below zero.
    let indices = cx.binary(Binary::Mod, indices, extent)?;
    let (indices, updates) = (cx.reshape(indices, &apart)?, cx.reshape(updates, &apart)?);
    let here = cx.binary(Binary::Equal, indices, places)?;
    let none = cx.apply_to(Op::Expand, &[zero], Some(&many))?;
    let put = cx.apply(Op::Where, &[here, updates, none])?;
    let over = |kind: Reduction| Op::Reduce { kind, axes: vec![axis], keepdims: false };
    let put = cx.apply(over(Reduction::Sum), &[put])?;
    let result = match reduction {
        Some(function) => cx.binary(function, x, put)?,
        None => {
            let here = cx.apply(Op::Cast(DType::F32), &[here])?;
            let here = cx.apply(over(Reduction::Max), &[here])?;
            let here = cx.binary(Binary::Greater, here, zero)?;
            cx.apply(Op::Where, &[here, put, x])?
        }
    };
    cx.set_element(result, kind);
    Ok(result)
}
