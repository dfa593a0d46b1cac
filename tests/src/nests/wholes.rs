//! Random networks of blocks without tiles: copies, and operators on whole tensors.

use std::sync::Arc;

use xnorc::ir::network::{Move, Piece, TensorId, Whole};
use xnorc::ir::{Binary, DType, Op, Reduction};

use super::maker::Maker;

/// A block of one operator, whose result the caller has.
fn whole(m: &mut Maker, op: Op, inputs: Vec<TensorId>, shape: &[usize]) {
    let output = m.output(shape);
    m.block(Whole { op, inputs, output });
}

/// Few axes or many, one of them longer than a vector now and then.
fn shape(m: &mut Maker, least: usize) -> Vec<usize> {
    let rank = least + m.r.below(7 - least);
    let mut shape: Vec<usize> = (0..rank).map(|_| m.r.pick(&[1, 2, 2, 3])).collect();
    if let Some(at) = rank.checked_sub(1)
        && m.r.once_in(2)
    {
        let at = if m.r.once_in(2) { m.r.below(rank) } else { at };
        shape[at] = m.r.pick(&[7, 16, 16, 17, 17, 33, 48]);
    }
    shape
}

fn row_major(extents: &[usize]) -> Vec<usize> {
    (0..extents.len()).map(|axis| extents[axis + 1..].iter().product()).collect()
}

/// Along one axis of a tensor: its extent, the first element, and how far the next one is.
struct Along {
    extent: usize,
    first: usize,
    step: isize,
}

/// So many elements of an axis: neighbours or not, forwards or backwards, with others around them or not.
fn along(m: &mut Maker, count: usize, backwards: bool) -> Along {
    let step = m.r.pick(&[1, 1, 1, 2]);
    let (before, behind) = if m.r.once_in(3) { (m.r.below(3), m.r.below(3)) } else { (0, 0) };
    let reach = (count - 1) * step;
    let extent = before + reach + 1 + behind;
    match backwards {
        true => Along { extent, first: before + reach, step: -(step as isize) },
        false => Along { extent, first: before, step: step as isize },
    }
}

/// A dense tensor of axes in some order, and the strides of a walk over some of its elements.
fn strided(
    m: &mut Maker,
    extents: &[usize],
    order: &[usize],
    dense: bool,
    written: bool,
) -> (Vec<usize>, usize, Vec<isize>) {
    let mut shape = Vec::new();
    let mut steps = Vec::new();
    for &axis in order {
        let backwards = !written && m.r.once_in(4);
        let extent = extents[axis];
        let along = if dense { Along { extent, first: 0, step: 1 } } else { along(m, extent, backwards) };
        shape.push(along.extent);
        steps.push((axis, along));
    }
    let (mut start, mut strides) = (0, vec![0; extents.len()]);
    for ((axis, along), stride) in steps.iter().zip(row_major(&shape)) {
        start += along.first * stride;
        strides[*axis] = along.step * stride as isize;
    }
    (shape, start, strides)
}

/// The axes, shuffled now and then.
fn order(m: &mut Maker, rank: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rank).collect();
    if !m.r.once_in(3) {
        (1..rank).for_each(|i| order.swap(i, m.r.below(i + 1)));
    }
    order
}

/// Copies of some elements to some others: transposed, sliced, reversed, repeated, some of them written twice.
pub(super) fn copies(m: &mut Maker) {
    (0..12).for_each(|_| copy(m));
}

fn copy(m: &mut Maker) {
    let picture = m.r.once_in(2);
    let (extents, read, written) = if picture {
        // Channels first to channels last.
        (vec![m.r.pick(&[1, 2]), m.r.pick(&[3, 16, 17, 48]), m.r.pick(&[5, 20, 32, 49])], vec![0, 2, 1], vec![0, 1, 2])
    } else {
        let extents = shape(m, 0);
        let rank = extents.len();
        (extents, order(m, rank), order(m, rank))
    };
    let (x_shape, input_offset, mut input_strides) = strided(m, &extents, &read, picture, false);
    let (y_shape, output_offset, output_strides) = strided(m, &extents, &written, picture, true);
    let mut output_strides: Vec<usize> = output_strides.iter().map(|&stride| stride as usize).collect();
    if !picture && !extents.is_empty() {
        let [axis, other] = [0, 1].map(|_| m.r.below(extents.len()));
        match m.r.below(6) {
            0 if input_strides[axis] > 0 => input_strides[axis] = 0,
            1 if input_strides[axis] > 0 && input_strides[other] > 0 => {
                input_strides[axis] = input_strides[axis].min(input_strides[other]);
            }
            // The last one counts.
            2 => output_strides[axis] = 0,
            3 => output_strides[axis] = output_strides[axis].min(output_strides[other]),
            _ => {}
        }
    }
    let (input, output) = (m.input(&x_shape), m.output(&y_shape));
    let piece = Piece { input, input_offset, input_strides, output_offset, output_strides, extents };
    m.block(Move::Copy { fill: Some(-1.5), pieces: vec![piece], output });
}

/// Tensors one behind the other, which cover all.
pub(super) fn concat(m: &mut Maker) {
    let rows = m.r.pick(&[1, 3, 20]);
    let widths: Vec<usize> = (0..2 + m.r.below(3)).map(|_| m.r.pick(&[1, 3, 16, 20])).collect();
    let all: usize = widths.iter().sum();
    let output = if m.r.once_in(2) { m.output(&[rows, all]) } else { m.dense(&[rows, all]) };
    let (mut pieces, mut at) = (Vec::new(), 0);
    for &width in &widths {
        let transposed = m.r.once_in(3);
        let (shape, strides) = if transposed { ([width, rows], [1, rows]) } else { ([rows, width], [width, 1]) };
        pieces.push(Piece {
            input: m.input(&shape),
            input_offset: 0,
            input_strides: strides.map(|stride| stride as isize).to_vec(),
            output_offset: at,
            output_strides: vec![all, 1],
            extents: vec![rows, width],
        });
        at += width;
    }
    m.block(Move::Copy { fill: None, pieces, output });
    if !m.network.outputs.contains(&output) {
        let shown = m.output(&[rows * all]);
        m.block(Move::Reshape { input: output, output: shown });
    }
    // The caller has the same elements twice.
    let again = m.output(&[all, rows]);
    let from = m.network.outputs[0];
    m.block(Move::Reshape { input: from, output: again });
}

/// Rows in the order of a list, from a tensor of the network's own: pieces that see it in different ways.
pub(super) fn gather(m: &mut Maker) {
    let (rows, width) = (12, m.r.pick(&[1, 5, 16]));
    let x = m.input(&[rows, width]);
    let input = m.dense(&[rows, width]);
    let copied = Piece {
        input: x,
        input_offset: 0,
        input_strides: vec![1],
        output_offset: 0,
        output_strides: vec![1],
        extents: vec![rows * width],
    };
    m.block(Move::Copy { fill: None, pieces: vec![copied], output: input });
    let (mut pieces, mut written) = (Vec::new(), 0);
    let longest = m.r.pick(&[1, 3]);
    for _ in 0..2 + m.r.below(8) {
        let (first, step) = (m.r.below(4), m.r.pick(&[0, 1, 2, 3]));
        let count = 1 + m.r.below(longest);
        let step = if longest == 1 { 0 } else { step };
        pieces.push(Piece {
            input,
            input_offset: first * width,
            input_strides: vec![(step * width) as isize, 1],
            output_offset: written * width,
            output_strides: vec![width, 1],
            extents: vec![count, width],
        });
        written += count;
    }
    let output = m.output(&[written, width]);
    m.block(Move::Copy { fill: None, pieces, output });
}

pub(super) fn reductions(m: &mut Maker) {
    m.odd = m.r.once_in(3);
    (0..6).for_each(|_| reduce(m));
}

fn reduce(m: &mut Maker) {
    let mut shape: Vec<usize> = (0..m.r.below(4)).map(|_| m.r.pick(&[1, 2, 5])).collect();
    shape.push(m.r.pick(&[1, 3, 16, 17, 33, 48]));
    let mut axes: Vec<usize> = (0..shape.len()).filter(|_| m.r.once_in(2)).collect();
    if axes.is_empty() || m.r.once_in(6) {
        axes = (0..shape.len()).collect();
    }
    let input = m.input(&shape);
    for _ in 0..2 {
        let (kind, keepdims) = (m.r.pick(Reduction::ALL), m.r.once_in(2));
        let result: Vec<usize> = (0..shape.len())
            .filter(|axis| keepdims || !axes.contains(axis))
            .map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] })
            .collect();
        whole(m, Op::Reduce { kind, axes: axes.clone(), keepdims }, vec![input], &result);
    }
}

/// Two inputs that are batches of matrices, or one matrix for all of a batch, and the shape of a batch of results.
fn matrices(m: &mut Maker, [left, right]: [[usize; 2]; 2], result: [usize; 2]) -> (Vec<TensorId>, Vec<usize>) {
    let batch = m.r.pick(&[vec![], vec![1], vec![3], vec![2, 2]]);
    let mut longest = Vec::new();
    let factors = [left, right].map(|matrix| {
        let own = if m.r.once_in(3) { Vec::new() } else { batch.clone() };
        if own.len() > longest.len() {
            longest.clone_from(&own);
        }
        m.input(&[&own[..], &matrix].concat())
    });
    (factors.to_vec(), [&longest[..], &result].concat())
}

pub(super) fn product(m: &mut Maker) {
    let [rows, depth] = [0, 1].map(|_| m.r.pick(&[1, 2, 5, 17]));
    let columns = m.r.pick(&[1, 3, 16, 17, 40]);
    let (factors, shape) = matrices(m, [[rows, depth], [depth, columns]], [rows, columns]);
    whole(m, Op::MatMul, factors, &shape);
    // One that is both.
    let square = m.input(&[depth, depth]);
    whole(m, Op::MatMul, vec![square, square], &[depth, depth]);
}

pub(super) fn product_of_signs(m: &mut Maker) {
    let rows = m.r.pick(&[1, 2, 17, 300]);
    let depth = m.r.pick(&[1, 16, 63, 64, 83, 128, 1000, 2100]);
    let columns = m.r.pick(&[1, 3, 16, 17, 40]);
    let (factors, shape) = matrices(m, [[rows, depth], [columns, depth]], [rows, columns]);
    for zero_one in [[false, false], [true, false], [false, true], [true, true]] {
        whole(m, Op::SignProduct { zero_one }, factors.clone(), &shape);
    }
    // One that is both.
    let square = m.input(&[columns, depth]);
    whole(m, Op::SignProduct { zero_one: [false, false] }, vec![square, square], &[columns, columns]);
}

/// An operand that is repeated along some axes to have a shape.
fn broadcast(m: &mut Maker, shape: &[usize]) -> TensorId {
    let own: Vec<usize> = shape.iter().map(|&extent| if m.r.once_in(3) { 1 } else { extent }).collect();
    let first = if m.r.once_in(4) { m.r.below(own.len() + 1) } else { 0 };
    m.input(&own[first..])
}

pub(super) fn elements(m: &mut Maker) {
    m.odd = m.r.once_in(3);
    let shape = shape(m, 1);
    // The power of two floats is rounded by the runtime's own arithmetic.
    let functions: Vec<Binary> = Binary::ALL.iter().copied().filter(|f| *f != Binary::Pow).collect();
    let full = m.input(&shape);
    for _ in 0..3 {
        let (function, other) = (m.r.pick(&functions), broadcast(m, &shape));
        let inputs = if m.r.once_in(2) { vec![full, other] } else { vec![other, full] };
        whole(m, Op::Binary(function), inputs, &shape);
    }
    let slope = broadcast(m, &shape);
    whole(m, Op::PRelu, vec![full, slope], &shape);
    let mut operands = vec![full, broadcast(m, &shape), broadcast(m, &shape)];
    operands.rotate_left(m.r.below(3));
    whole(m, Op::Where, operands, &shape);
}

/// Softmax, its logarithm, and the places of maxima, some of them equal.
pub(super) fn lines(m: &mut Maker) {
    let shape = shape(m, 1);
    let (input, axis, log) = (m.input(&shape), m.r.below(shape.len()), m.r.once_in(2));
    whole(m, Op::Softmax { axis, log }, vec![input], &shape);
    m.odd = m.r.once_in(2);
    let keepdims = m.r.once_in(2);
    let mut result = shape;
    result[axis] = 1;
    if !keepdims {
        result.remove(axis);
    }
    for last in [false, true] {
        let output = m.integers(&result);
        m.block(Whole { op: Op::ArgMax { axis, keepdims, last }, inputs: vec![input], output });
    }
}

/// Rows of a tensor that is computed, by numbers that are; now and then by its own.
pub(super) fn computed_rows(m: &mut Maker) {
    let shape: Vec<usize> = vec![m.r.pick(&[1, 1, 3]), m.r.pick(&[1, 2, 5]), m.r.pick(&[1, 16, 21])];
    let (axis, count) = (m.r.below(3), m.r.pick(&[1, 7]));
    let table = m.dense(&shape);
    let own = m.input(&shape);
    m.block(Move::Reshape { input: own, output: table });
    let rows = if m.r.once_in(4) { table } else { m.dense(&[count, 3]) };
    if rows != table {
        let given = m.whole_numbers(&m.network.tensor(rows).shape.clone(), DType::I8);
        m.block(Move::Convert { input: given, output: rows });
    }
    let found = [&shape[..axis], &m.network.tensor(rows).shape, &shape[axis + 1..]].concat();
    let output = m.output(&found);
    m.block(Whole { op: Op::Gather { axis }, inputs: vec![table, rows], output });
}

/// Rows of a table by numbers of the caller's, some of them beyond it; and these numbers as other integers.
pub(super) fn lookup(m: &mut Maker) {
    let dtype = m.r.pick(&[DType::I8, DType::I64, DType::U16]);
    let count = m.r.pick(&[1, 7, 40]);
    let extents = [m.r.pick(&[1, 1, 3]), m.r.pick(&[1, 2, 5]), m.r.pick(&[1, 16, 21])];
    let (given, rows) = (m.whole_numbers(&[count], dtype), m.dense(&[count]));
    m.block(Move::Convert { input: given, output: rows });
    let table = Arc::new(m.numbers(extents.iter().product()));
    let output = m.output(&[extents[0], count, extents[2]]);
    m.block(Move::Lookup { rows, table, extents, output });
    let shown = m.integers(&[count]);
    m.block(Move::Convert { input: rows, output: shown });
}
