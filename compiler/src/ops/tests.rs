//! What the operators compute, against values worked out by hand or by a second way.

use std::sync::Arc;

use super::{apply, binary, unary};
use crate::exact::Affine;
use crate::ir::BinaryWeights;
use crate::ir::{Binary, Layout, Op, Reduction, Tensor, Unary, Window, Zero};

fn window(kernel: [usize; 2], strides: [usize; 2], dilations: [usize; 2], pads: [usize; 4], pad_value: f32) -> Window {
    Window { kernel, strides, dilations, pads, pad_value }
}

/// -1 and +1 in an order without pattern.
fn signs(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 31 == 0 { 1.0 } else { -1.0 }
        })
        .collect()
}

fn run(op: &Op, inputs: &[&Tensor], shape: &[usize]) -> Tensor {
    apply(op, inputs, shape).unwrap()
}

#[test]
fn sign_at_zero() {
    let x = Tensor::f32([4], vec![-2.0, -0.0, 0.0, 3.0]);
    let with = |zero| run(&Op::Sign(zero), &[&x], &[4]).to_f32();
    assert_eq!(with(Zero::Plus), [-1.0, 1.0, 1.0, 1.0]);
    assert_eq!(with(Zero::Minus), [-1.0, -1.0, -1.0, 1.0]);
    assert_eq!(with(Zero::Zero), [-1.0, 0.0, 0.0, 1.0]);
}

#[test]
fn convolutions_agree_in_both_layouts_and_as_bits() {
    let [n, c, h, w, o] = [2, 6, 5, 7, 4];
    for (groups, kernel, strides, dilations, pads) in [
        (1, [3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
        (2, [3, 2], [2, 1], [1, 2], [0, 1, 2, 0]),
        (1, [1, 1], [2, 3], [1, 1], [0, 0, 0, 0]),
        (2, [2, 3], [1, 2], [3, 1], [2, 0, 1, 2]),
    ] {
        for pad_value in [0.0, 1.0, -1.0] {
            let window = window(kernel, strides, dilations, pads, pad_value);
            let [oh, ow] = super::window::output_extents(&window, h, w).unwrap();
            let per_group = c / groups;
            let taps = kernel[0] * kernel[1];
            let x = Tensor::f32([n, c, h, w], signs(n * c * h * w, 1));
            let weights = Tensor::f32([o, per_group, kernel[0], kernel[1]], signs(o * per_group * taps, 2));
            let conv = |layout| Op::Conv { window: window.clone(), groups, layout };
            let first = run(&conv(Layout::ChannelsFirst), &[&x, &weights], &[n, o, oh, ow]);
            let last = |t: &Tensor| {
                let s = &t.shape;
                run(&Op::Transpose(vec![0, 2, 3, 1]), &[t], &[s[0], s[2], s[3], s[1]])
            };
            let y = run(&conv(Layout::ChannelsLast), &[&last(&x), &weights], &[n, oh, ow, o]);
            assert_eq!(y, last(&first));

            // Bits are in the order O, kh, kw, I.
            let bits = last(&weights).to_f32().iter().map(|&w| w > 0.0).collect();
            let weights = Arc::new(BinaryWeights { signs: bits, zeros: 0, deviation: 0.0 });
            let op = Op::BinaryConv { window, groups, weights };
            assert_eq!(run(&op, &[&last(&x)], &[n, oh, ow, o]), y);
        }
    }
}

#[test]
fn convolution_by_hand() {
    let x = Tensor::f32([1, 1, 2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let weights = Tensor::f32([1, 1, 1, 2], vec![1.0, 10.0]);
    let bias = Tensor::f32([1], vec![0.5]);
    let window = window([1, 2], [1, 2], [1, 1], [0, 1, 0, 0], 0.0);
    let op = Op::Conv { window, groups: 1, layout: Layout::ChannelsFirst };
    assert_eq!(run(&op, &[&x, &weights, &bias], &[1, 1, 2, 2]).to_f32(), [10.5, 32.5, 40.5, 65.5]);
}

#[test]
fn matrix_products() {
    let a = Tensor::f32([2, 1, 2], vec![1.0, 2.0, 3.0, 4.0]);
    let b = Tensor::f32([2, 2], vec![1.0, 10.0, 100.0, 1000.0]);
    assert_eq!(run(&Op::MatMul, &[&a, &b], &[2, 1, 2]).to_f32(), [201.0, 2010.0, 403.0, 4030.0]);
    let vector = Tensor::f32([2], vec![1.0, 1.0]);
    assert_eq!(run(&Op::MatMul, &[&vector, &b], &[2]).to_f32(), [101.0, 1010.0]);
    assert!(apply(&Op::MatMul, &[&b, &Tensor::f32([3], vec![0.0; 3])], &[2]).is_err());

    let [rows, k, m] = [3, 70, 5];
    let x = Tensor::f32([rows, k], signs(rows * k, 3));
    let weights = Tensor::f32([m, k], signs(m * k, 4));
    let bits = weights.to_f32().iter().map(|&w| w > 0.0).collect();
    let binary = Op::BinaryMatMul { weights: Arc::new(BinaryWeights { signs: bits, zeros: 0, deviation: 0.0 }) };
    let transposed = run(&Op::Transpose(vec![1, 0]), &[&weights], &[k, m]);
    assert_eq!(run(&binary, &[&x], &[rows, m]), run(&Op::MatMul, &[&x, &transposed], &[rows, m]));
}

#[test]
fn average_of_what_lies_under_the_window() {
    let x = Tensor::f32([1, 1, 1, 3], vec![2.0, 4.0, 6.0]);
    let pool = |count_include_pad, pads, extra| Op::AveragePool {
        window: window([1, 2], [1, 2], [1, 1], pads, 0.0),
        count_include_pad,
        ceil_extra: [0, extra],
        layout: Layout::ChannelsFirst,
    };
    // The last window has one element, and one place that only ceil_mode added: that never counts.
    assert_eq!(run(&pool(true, [0, 0, 0, 1], 1), &[&x], &[1, 1, 1, 2]).to_f32(), [3.0, 6.0]);
    // The same place as padding counts if the file says so.
    assert_eq!(run(&pool(true, [0, 0, 0, 1], 0), &[&x], &[1, 1, 1, 2]).to_f32(), [3.0, 3.0]);
    assert_eq!(run(&pool(false, [0, 0, 0, 1], 0), &[&x], &[1, 1, 1, 2]).to_f32(), [3.0, 6.0]);
}

#[test]
fn padding_takes_no_part_in_a_maximum() {
    let x = Tensor::f32([1, 1, 2, 2], vec![-1.0, -2.0, -3.0, -4.0]);
    let op = Op::MaxPool { window: window([3, 3], [2, 2], [1, 1], [1; 4], 0.0), layout: Layout::ChannelsFirst };
    assert_eq!(run(&op, &[&x], &[1, 1, 1, 1]).to_f32(), [-1.0]);
}

#[test]
fn affine_along_any_axis() {
    let maps = Arc::new(vec![
        Affine::linear(2.0, 1.0),
        Affine::batch_norm(1.0, 0.0, 3.0, 4.0, 0.0).unwrap(),
        Affine::linear(-1.0, 0.0),
    ]);
    let x = Tensor::f32([1, 3, 2], vec![1.0, 2.0, 3.0, 5.0, 7.0, 8.0]);
    let y = run(&Op::Affine { axis: 1, maps: maps.clone() }, &[&x], &[1, 3, 2]);
    assert_eq!(y.to_f32(), [3.0, 5.0, 0.0, 1.0, -7.0, -8.0]);
    let x = Tensor::f32([2, 3], vec![1.0, 3.0, 7.0, 2.0, 5.0, 8.0]);
    let y = run(&Op::Affine { axis: 1, maps: maps.clone() }, &[&x], &[2, 3]);
    assert_eq!(y.to_f32(), [3.0, 0.0, -7.0, 5.0, 1.0, -8.0]);
    assert!(apply(&Op::Affine { axis: 0, maps }, &[&x], &[2, 3]).is_err());
}

#[test]
fn broadcasting() {
    let column = Tensor::f32([2, 1], vec![10.0, 20.0]);
    let row = Tensor::f32([3], vec![1.0, 2.0, 3.0]);
    let sub = Op::Binary(Binary::Sub);
    assert_eq!(run(&sub, &[&column, &row], &[2, 3]).to_f32(), [9.0, 8.0, 7.0, 19.0, 18.0, 17.0]);
    assert_eq!(run(&sub, &[&row, &column], &[2, 3]).to_f32(), [-9.0, -8.0, -7.0, -19.0, -18.0, -17.0]);
    assert!(apply(&sub, &[&row, &Tensor::f32([2], vec![0.0; 2])], &[3]).is_err());
    let choice = Tensor::bool([2, 1], vec![true, false]);
    assert_eq!(run(&Op::Where, &[&choice, &row, &column], &[2, 3]).to_f32(), [1.0, 2.0, 3.0, 20.0, 20.0, 20.0]);
}

#[test]
fn integer_arithmetic_is_onnx_s() {
    let a = Tensor::i64([4], vec![7, -7, 7, -7]);
    let b = Tensor::i64([4], vec![2, 2, -2, -2]);
    let of = |function| run(&Op::Binary(function), &[&a, &b], &[4]).as_i64().unwrap().to_vec();
    assert_eq!(of(Binary::Div), [3, -3, -3, 3]);
    assert_eq!(of(Binary::Mod), [1, 1, -1, -1]);
    let zero = Tensor::i64([], vec![0]);
    assert_eq!(apply(&Op::Binary(Binary::Div), &[&a, &zero], &[4]).unwrap_err(), "division of an integer by zero");
}

#[test]
fn the_remainder_of_either_sign() {
    let a = [5.5, -5.5, 5.5, -5.5, -0.0, f32::NAN];
    let b = [2.0, 2.0, -2.0, -2.0, 3.0, 1.0];
    let tensor = |v: &[f32]| Tensor::f32([6], v.to_vec());
    let of = |function| run(&Op::Binary(function), &[&tensor(&a), &tensor(&b)], &[6]).to_f32();
    assert_eq!(of(Binary::Fmod)[..5], [1.5, -1.5, 1.5, -1.5, -0.0]);
    assert_eq!(of(Binary::Mod)[..5], [1.5, 0.5, -0.5, -1.5, -0.0]);
    let (a, b) = (Tensor::i64([4], vec![7, -7, 7, -7]), Tensor::i64([4], vec![2, 2, -2, -2]));
    assert_eq!(run(&Op::Binary(Binary::Fmod), &[&a, &b], &[4]).as_i64().unwrap(), [1, -1, 1, -1]);
}

#[test]
fn nan_goes_through() {
    let nan = Tensor::f32([1], vec![f32::NAN]);
    for row in unary::FUNCTIONS.iter().filter(|row| row.floats.is_some()) {
        let function = (row.make)([0.25, 1.0]);
        assert!(run(&Op::Unary(function), &[&nan], &[1]).to_f32()[0].is_nan(), "{}", row.name);
    }
    for (a, b) in [(f32::NAN, 1.0), (1.0, f32::NAN), (f32::NAN, f32::NAN)] {
        let [a, b] = [a, b].map(|x| Tensor::f32([1], vec![x]));
        for (&function, row) in Binary::ALL.iter().zip(binary::FUNCTIONS).filter(|(f, _)| !f.is_logical()) {
            let result = run(&Op::Binary(function), &[&a, &b], &[1]).to_f32()[0];
            // 1 to any power is 1.
            let excepted = function == Binary::Pow && a.to_f32() == [1.0];
            assert!(if row.truth || excepted { !result.is_nan() } else { result.is_nan() }, "{}", row.name);
        }
    }
    let x = Tensor::f32([3, 3], vec![1.0, f32::NAN, 2.0, f32::NAN, 1.0, 2.0, 1.0, 2.0, f32::NAN]);
    for &kind in Reduction::ALL {
        let result = run(&Op::Reduce { kind, axes: vec![1], keepdims: false }, &[&x], &[3]);
        assert!(result.to_f32().iter().all(|y| y.is_nan()), "{kind:?}");
    }
    let place = run(&Op::ArgMax { axis: 1, keepdims: false, last: false }, &[&x], &[3]);
    assert_eq!(place.as_i64().unwrap(), [2, 0, 1], "only a NaN in front stays");
}

#[test]
fn linear_pieces_are_the_function() {
    for row in unary::FUNCTIONS {
        for parameters in [[0.25, 1.0], [-2.0, -0.5], [1.0, -1.0], [-1.0, f32::INFINITY]] {
            let function = (row.make)(parameters);
            let Some(pieces) = function.linear() else { continue };
            for x in [-3.0_f32, -2.0, -1.5, -0.5, -0.0, 0.0, 0.25, 0.75, 1.0, 8.0] {
                let piece = pieces.iter().find(|piece| x < piece.below).expect("the last piece is endless");
                let value = run(&Op::Unary(function), &[&Tensor::f32([1], vec![x])], &[1]).to_f32()[0];
                assert_eq!(piece.slope * x + piece.offset, value, "{function:?} at {x}");
            }
        }
    }
}

#[test]
fn facts_about_signs_and_bounds_hold() {
    let x: Vec<f32> =
        [0.0, 1e-30, 1e-3, 0.4, 1.0, 1.5, 2.5, 80.0, f32::INFINITY].iter().flat_map(|&x| [x, -x]).collect();
    for row in unary::FUNCTIONS.iter().filter(|row| row.floats.is_some()) {
        for parameters in [[0.25, 1.0], [-2.0, 0.5], [1.0, -1.0], [-1.0, f32::INFINITY]] {
            let function = (row.make)(parameters);
            let y = run(&Op::Unary(function), &[&Tensor::f32([x.len()], x.clone())], &[x.len()]).to_f32();
            for low in [f32::NEG_INFINITY, -1.5, -0.4, 0.0, 1.0] {
                let least = function.least(low);
                let inside = x.iter().zip(&y).filter(|&(&x, _)| x >= low);
                inside.for_each(|(x, y)| assert!(y.is_nan() || *y >= least, "{function:?}: {y} at {x} from {low} on"));
            }
            // Arguments that give 0, those at the end of the world left out.
            let roots: Vec<f32> =
                std::iter::zip(&x, &y).filter(|&(x, &y)| x.is_finite() && y == 0.0).map(|(&x, _)| x).collect();
            match (function.row().zeros, function.parameters()[0]) {
                // Only where the curve happens to cross it.
                (unary::Zeros::Never, _) => assert!(roots.len() <= 1, "{function:?} at {roots:?}"),
                (unary::Zeros::Kept, alpha) if alpha >= 0.0 => {
                    assert!(roots.iter().all(|&x| x == 0.0), "{function:?} at {roots:?}");
                }
                _ => {}
            }
            if function.keeps_sign() {
                let sign = |x: f32| i32::from(x > 0.0) - i32::from(x < 0.0);
                x.iter().zip(&y).for_each(|(&x, &y)| assert_eq!(sign(x), sign(y), "{function:?} at {x}"));
            }
        }
    }
}

#[test]
fn reductions_over_any_axes() {
    let x = Tensor::f32([2, 3, 2], (0..12).map(|i| i as f32 - 5.0).collect());
    let of = |kind, axes: &[usize], shape: &[usize]| {
        run(&Op::Reduce { kind, axes: axes.to_vec(), keepdims: false }, &[&x], shape).to_f32()
    };
    assert_eq!(of(Reduction::Sum, &[1], &[2, 2]), [-9.0, -6.0, 9.0, 12.0]);
    assert_eq!(of(Reduction::Mean, &[0, 2], &[3]), [-1.5, 0.5, 2.5]);
    assert_eq!(of(Reduction::L1, &[1, 2], &[2]), [15.0, 21.0]);
    assert_eq!(of(Reduction::Max, &[0, 1, 2], &[]), [6.0]);
    assert_eq!(of(Reduction::Prod, &[2], &[2, 3]), [20.0, 6.0, 0.0, 2.0, 12.0, 30.0]);
}

#[test]
fn functions_of_one_argument() {
    let x = Tensor::f32([5], vec![-2.0, -0.5, 0.0, 0.5, 2.5]);
    let of = |function| run(&Op::Unary(function), &[&x], &[5]).to_f32();
    assert_eq!(of(Unary::Round), [-2.0, -0.0, 0.0, 0.0, 2.0]);
    assert_eq!(of(Unary::Clip(-1.0, 1.0)), [-1.0, -0.5, 0.0, 0.5, 1.0]);
    // From tables of the error function.
    assert_eq!(of(Unary::Erf), [-0.995_322_3, -0.520_499_9, 0.0, 0.520_499_9, 0.999_593]);
    assert_eq!(of(Unary::HardSwish), [-0.333_333_34, -0.208_333_33, 0.0, 0.291_666_66, 2.291_666_7]);
}

#[test]
fn the_first_or_the_last_of_equal_maxima() {
    let x = Tensor::f32([2, 3], vec![1.0, 5.0, 5.0, 2.0, 2.0, 1.0]);
    let of = |last| {
        let op = Op::ArgMax { axis: 1, keepdims: false, last };
        run(&op, &[&x], &[2]).as_i64().unwrap().to_vec()
    };
    assert_eq!((of(false), of(true)), (vec![1, 0], vec![2, 1]));
}

#[test]
fn indices_out_of_range_are_errors() {
    let x = Tensor::f32([3], vec![0.0; 3]);
    for index in [3, -4, i64::MIN, i64::MAX] {
        assert!(apply(&Op::Gather { axis: 0 }, &[&x, &Tensor::i64([], vec![index])], &[]).is_err());
    }
}

#[test]
fn operands_that_lie_about_their_shape_are_errors() {
    let mut x = Tensor::f32([3], vec![0.0; 3]);
    x.shape = vec![4];
    assert!(apply(&Op::Unary(Unary::Relu), &[&x], &[4]).is_err());
    assert!(apply(&Op::Unary(Unary::Relu), &[], &[4]).is_err());
}

#[test]
fn the_most_operands_by_opset() {
    let cases = [("Relu", 7, 1), ("Add", 7, 2), ("Constant", 13, 0), ("Where", 9, 3), ("BatchNormalization", 15, 5)];
    let grown = [("Clip", 7, 1), ("Clip", 11, 3), ("Pad", 17, 3), ("Pad", i64::MAX, 4), ("Concat", 13, usize::MAX)];
    for (name, opset, most) in cases.into_iter().chain(grown) {
        assert_eq!(super::most_operands(name, opset), Some(most), "{name} {opset}");
    }
    assert_eq!(super::most_operands("Unheard", 13), None);
}
