//! Each operation with a CPU path of its own against burn's operators, forwards and backwards.

use burn::nn::BatchNormConfig;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Gradients, Tensor};

use super::mean::global_mean;
use super::norm::normalised;
use super::*;
use crate::testing::{train, values, wave};

/// Sizes with and without a rest in every vector, and one that is worth keeping buffers for.
const SHAPES: [[usize; 4]; 5] = [[1, 1, 1, 1], [3, 5, 4, 7], [2, 33, 6, 5], [2, 3, 9, 1], [4, 17, 16, 16]];

#[track_caller]
fn near(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len());
    let size = theirs.iter().fold(1.0f32, |size, v| size.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() < 2e-5 * size, "{what}, value {i}: {a} instead of {b}");
    }
}

/// The same function of the same tensors in both ways: values and the gradients of all.
#[track_caller]
fn agree(inputs: &[Tensor<4>], ours: impl Fn(&[Tensor<4>]) -> Tensor<4>, theirs: impl Fn(&[Tensor<4>]) -> Tensor<4>) {
    let run = |f: &dyn Fn(&[Tensor<4>]) -> Tensor<4>| {
        // Twice, so that the second one works in memory that the first one has used.
        let once = || {
            let inputs: Vec<_> = inputs.iter().map(|x| x.clone().detach().require_grad()).collect();
            let y = f(&inputs);
            let grads: Gradients = (y.clone() * wave(y.dims(), 0.7, &train())).sum().backward();
            let grads: Vec<_> = inputs.iter().map(|x| values(x.grad(&grads).unwrap())).collect();
            (values(y), grads)
        };
        let first = once();
        assert_eq!(first, once(), "the same again gives something else");
        first
    };
    let ((y, grads), (expected, expected_grads)) = (run(&ours), run(&theirs));
    let shapes: Vec<_> = inputs.iter().map(|x| x.dims()).collect();
    near(&y, &expected, &format!("{shapes:?}"));
    for (i, (grad, expected)) in grads.iter().zip(&expected_grads).enumerate() {
        near(grad, expected, &format!("{shapes:?}, gradient {i}"));
    }
}

#[test]
fn convolutions() {
    for (x, w, stride, pad) in [
        ([2, 3, 9, 8], [5, 3, 3, 3], 1, 1),
        ([2, 20, 9, 8], [33, 20, 3, 3], 2, 1),
        ([3, 4, 6, 6], [18, 4, 1, 1], 1, 0),
        ([1, 2, 21, 20], [7, 2, 7, 7], 2, 3),
        ([8, 16, 12, 12], [16, 16, 3, 3], 1, 0),
    ] {
        let inputs = [wave(x, 0.1, &train()), wave(w, 0.2, &train())];
        agree(
            &inputs,
            |t| convolve(t[0].clone(), t[1].clone(), stride, pad),
            |t| {
                let options = ConvOptions::new([stride; 2], [pad; 2], [1, 1], 1);
                conv2d(t[0].clone(), t[1].clone(), None, options)
            },
        );
    }
}

#[test]
fn a_picture_that_is_not_trained_needs_no_gradient() {
    let x = wave([2, 3, 5, 5], 0.1, &train());
    let w = wave([4, 3, 3, 3], 0.2, &train()).require_grad();
    let grads = convolve(x.clone(), w.clone(), 1, 1).sum().backward();
    assert!(x.grad(&grads).is_none());
    assert_eq!(w.grad(&grads).unwrap().dims(), [4, 3, 3, 3]);
}

#[test]
fn tensors_that_are_no_whole_memory() {
    let x = wave([3, 4, 6, 5], 0.1, &train()).swap_dims(0, 1).slice([1..4, 0..3, 2..6, 0..5]);
    let w = wave([3, 2, 3, 3], 0.2, &train()).swap_dims(0, 1);
    agree(
        &[x, w],
        |t| convolve(t[0].clone(), t[1].clone(), 1, 1),
        |t| conv2d(t[0].clone(), t[1].clone(), None, ConvOptions::new([1; 2], [1; 2], [1, 1], 1)),
    );
}

#[test]
fn batch_normalisation() {
    for shape in SHAPES {
        // One value has no deviation: every gradient is rounding, then.
        if shape == [1; 4] {
            continue;
        }
        let modules = || {
            let mut norm = BatchNormConfig::new(shape[1]).init(&train());
            norm.gamma = norm.gamma.map(|g| wave([shape[1]], 0.4, &g.device()));
            norm.beta = norm.beta.map(|g| wave([shape[1]], 0.5, &g.device()));
            norm
        };
        let (a, b) = (modules(), modules());
        let x = wave(shape, 0.3, &train()) * 3.0 + 1.0;
        agree(std::slice::from_ref(&x), |t| normalised(&a, t[0].clone()), |t| b.forward(t[0].clone()));
        let running = |norm: &burn::nn::BatchNorm| {
            [&norm.running_mean, &norm.running_var].map(|state| values(state.value_sync()))
        };
        for (ours, theirs) in running(&a).iter().zip(&running(&b)) {
            near(ours, theirs, "running statistics");
        }
        // For evaluation, by the running statistics.
        use burn::module::Module as _;
        let (a, b) = (a.valid(), b.valid());
        near(&values(normalised(&a, x.clone().inner())), &values(b.forward(x.inner())), "evaluation");
    }
}

#[test]
fn gradients_of_the_normalisation_parameters() {
    let shape = [4, 17, 16, 16];
    let gradients = |ours: bool| {
        let norm = BatchNormConfig::new(17).init(&train());
        let x = wave(shape, 0.3, &train());
        let y = if ours { normalised(&norm, x) } else { norm.forward(x) };
        let grads = (y * wave(shape, 0.7, &train())).sum().backward();
        [norm.gamma.grad(&grads).unwrap(), norm.beta.grad(&grads).unwrap()].map(values)
    };
    for (ours, theirs) in gradients(true).iter().zip(&gradients(false)) {
        near(ours, theirs, "γ, β");
    }
}

#[test]
fn means() {
    for shape in SHAPES {
        let [n, c, h, w] = shape;
        agree(
            &[wave(shape, 0.3, &train())],
            |t| global_mean(t[0].clone()).reshape([n, c, 1, 1]),
            |t| t[0].clone().reshape([n, c, h * w]).mean_dim(2).reshape([n, c, 1, 1]),
        );
    }
}

#[test]
fn scaled_prelus() {
    for shape in SHAPES {
        for pictures in [1, shape[0]] {
            let c = shape[1];
            let inputs = [
                wave(shape, 0.3, &train()),
                wave([pictures, c, 1, 1], 0.4, &train()),
                wave([1, c, 1, 1], 0.6, &train()),
            ];
            agree(
                &inputs,
                |t| scaled_prelu(t[0].clone(), t[1].clone(), t[2].clone().reshape([c])),
                |t| {
                    let z = t[0].clone() * t[1].clone();
                    z.clone().clamp_min(0.0) + z.clamp_max(0.0) * t[2].clone()
                },
            );
        }
    }
}

/// A gradient that something else holds too is left as it is.
#[test]
fn shared_gradients_stay() {
    let x = wave([2, 3, 4, 4], 0.3, &train()).require_grad();
    let slope = Tensor::<1>::from_floats([0.25; 3], &train());
    let y = prelu(x.clone(), slope) + x.clone();
    let grads = (y * wave([2, 3, 4, 4], 0.7, &train())).sum().backward();
    let expected: Vec<f32> = values(x.clone())
        .iter()
        .zip(values(wave([2, 3, 4, 4], 0.7, &train())))
        .map(|(x, g)| if *x > 0.0 { 2.0 * g } else { 1.25 * g })
        .collect();
    near(&values(x.grad(&grads).unwrap()), &expected, "x");
}
