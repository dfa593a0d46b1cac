//! What was found, each as small as it can be; the importer's own finds are among its tests.

use xnorc::ir::Tensor;

use crate::compare::everywhere_at_once;
use crate::model::{Model, Value};
use crate::network::Sample;

fn sample(build: impl FnOnce(&mut Model, &Value) -> Value) -> Sample {
    let mut m = Model::default();
    let x = m.input(&[1, 2, 3, 3]);
    let y = build(&mut m, &x);
    m.output(&y);
    let data = (0..18).map(|i| (i * 7 % 17) as f32 / 4.0 - 2.0).collect();
    Sample { zeros: false, model: m.bytes(), inputs: vec![vec![Tensor::f32([1, 2, 3, 3], data)]] }
}

/// The result is larger than the condition: a branch that is a constant says how large.
fn where_of_a_small_condition(m: &mut Model, x: &Value) -> Value {
    let (zero, ones) = (m.floats(&[], &[0.0]), m.floats(&[1, 2, 3, 3], &[1.0; 18]));
    let mean = m.node("GlobalAveragePool", &[x], vec![], &[1, 2, 1, 1]);
    let mask = m.node("Less", &[&mean, &zero], vec![], &[1, 2, 1, 1]);
    m.node("Where", &[&mask, &ones, &mean], vec![], &[1, 2, 3, 3])
}

/// Weights are constants of no element at all, and so is the file of weights.
fn nothing_but_moves(m: &mut Model, x: &Value) -> Value {
    let y = m.node("Relu", &[x], vec![], &[1, 2, 3, 3]);
    m.node("Add", &[&y, x], vec![], &[1, 2, 3, 3])
}

/// An output of booleans that are known when the model is compiled.
fn constant_booleans(m: &mut Model, x: &Value) -> Value {
    let (a, b) = (m.floats(&[2], &[0.0, 1.0]), m.floats(&[2], &[1.0, 0.0]));
    let mask = m.node("Less", &[&a, &b], vec![], &[2]);
    m.output(x);
    mask
}

/// As many +a as -a: the sum is exactly 0, and not less than 0, whatever an order of summation in f32 leaves of it.
fn sums_that_are_zero(m: &mut Model, x: &Value) -> Value {
    let (zero, one, minus) = (m.floats(&[], &[0.0]), m.floats(&[], &[1.0]), m.floats(&[], &[-1.0]));
    let never = m.floats(&[], &[-100.0]);
    let mask = m.node("Greater", &[x, &never], vec![], &[1, 2, 3, 3]);
    let signs = m.node("Where", &[&mask, &one, &minus], vec![], &[1, 2, 3, 3]);
    let weights: Vec<f32> = (0..8 * 18).map(|i| (0.1 + 0.37 * (i / 18) as f32) * [1.0, -1.0][i % 18 / 9]).collect();
    let weights = m.floats(&[8, 2, 3, 3], &weights);
    let sums = m.node("Conv", &[&signs, &weights], vec![], &[1, 8, 1, 1]);
    m.node("Less", &[&sums, &zero], vec![], &[1, 8, 1, 1])
}

#[test]
fn what_was_found_stays_right() {
    everywhere_at_once(&[
        sample(where_of_a_small_condition),
        sample(nothing_but_moves),
        sample(constant_booleans),
        sample(sums_that_are_zero),
    ]);
}
