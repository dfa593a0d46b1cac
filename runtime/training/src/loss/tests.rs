use burn::tensor::{Int, Tensor, activation};

use super::*;
use crate::config::{AttentionForm, AttentionLoss, AttentionNorm, LogitLoss, Points};
use crate::testing::{distance, floats, recorded, train, values, wave};

const FORMS: [(AttentionForm, &str); 2] = [(AttentionForm::Norm, "norm"), (AttentionForm::SquaredMean, "squared-mean")];
const NORMS: [(AttentionNorm, &str); 2] = [(AttentionNorm::L2, "l2"), (AttentionNorm::Max, "max")];

/// Compares a loss and its gradients with PyTorch's on the same tensors.
fn compare<const D: usize>(name: &str, loss: Tensor<1>, inputs: &[Tensor<D>]) {
    let all = recorded(include_str!("../../tests/pytorch/losses.json"));
    let theirs = &all[name];
    let error = distance(&values(loss.clone()), &[theirs["loss"].as_f64().unwrap()]);
    assert!(error < 2e-6, "{name}: {error:e}");
    let grads = loss.backward();
    for (input, gradient) in inputs.iter().zip(theirs["gradients"].as_array().unwrap()) {
        let error = distance(&values(input.grad(&grads).unwrap()), &floats(gradient));
        assert!(error < 1e-6, "{name}, gradient: {error:e}");
    }
}

fn logits() -> (Tensor<2>, Tensor<2>) {
    ((wave([4, 6], 0.1, &train()) * 3.0).require_grad(), wave([4, 6], 0.2, &train()) * 3.0)
}

#[test]
fn labels_are_pytorchs() {
    let (student, _) = logits();
    let hard = Tensor::<1, Int>::from_ints([0, 5, 2, 2], &train()).one_hot::<2>(6).float();
    compare("labels", cross_entropy(student.clone(), hard), std::slice::from_ref(&student));
    let mixed = activation::softmax(wave([4, 6], 0.3, &train()) * 2.0, 1);
    compare("mixed labels", cross_entropy(student.clone(), mixed), &[student]);
}

#[test]
fn logit_matching_is_pytorchs() {
    for (t, name) in [(1.0, "logits 1"), (2.0, "logits 2"), (4.5, "logits 4.5")] {
        let (student, teacher) = logits();
        compare(name, match_logits(student.clone(), teacher, t), &[student]);
    }
}

fn features() -> (Vec<Tensor<4>>, Vec<Tensor<4>>) {
    let shapes = [[2, 3, 4, 4], [2, 5, 2, 2]];
    let of = |seed: f64, more: usize| -> Vec<Tensor<4>> {
        let one = |(i, [n, c, h, w]): (usize, [usize; 4])| wave([n, c + more, h, w], seed + i as f64, &train()) * 2.0;
        shapes.into_iter().enumerate().map(one).collect()
    };
    (of(0.4, 0).into_iter().map(Tensor::require_grad).collect(), of(0.6, 1))
}

#[test]
fn attention_matching_is_pytorchs() {
    for (form, f) in FORMS {
        for (norm, n) in NORMS {
            let (student, teacher) = features();
            let config = AttentionLoss { form, norm, ..AttentionLoss::default() };
            compare(&format!("attention {f} {n}"), attention(&config, &student, &teacher), &student);
        }
    }
    let (student, teacher) = features();
    let config =
        AttentionLoss { form: AttentionForm::Norm, point_weights: Some(vec![0.5, 2.0]), ..AttentionLoss::default() };
    compare("attention weighed", attention(&config, &student, &teacher), &student);
}

/// The gradients of every loss against central differences, a second witness besides PyTorch.
#[test]
fn gradients_match_finite_differences() {
    for (form, _) in FORMS {
        for (norm, _) in NORMS {
            let (student, teacher) = features();
            let config = AttentionLoss { form, norm, ..AttentionLoss::default() };
            let loss = |x: Tensor<4>| attention(&config, &[x], &teacher[..1]);
            differences(&student[0], loss);
        }
    }
    let (student, teacher) = logits();
    differences(&student, |x| match_logits(x, teacher.clone(), 2.0));
    differences(&student, |x| cross_entropy(x, activation::softmax(teacher.clone(), 1)));
}

fn differences<const D: usize>(x: &Tensor<D>, loss: impl Fn(Tensor<D>) -> Tensor<1>) {
    let grad = values(x.grad(&loss(x.clone()).backward()).unwrap());
    let step = 1e-2f32;
    for (i, gradient) in grad.iter().enumerate().step_by(5) {
        let at = |sign: f32| {
            let mut data = values(x.clone());
            data[i] += sign * step;
            let x = Tensor::from_data(burn::tensor::TensorData::new(data, x.dims()), &train());
            f64::from(values(loss(x))[0])
        };
        let slope = (at(1.0) - at(-1.0)) / f64::from(2.0 * step);
        assert!((slope - f64::from(*gradient)).abs() < 3e-4, "{i}: {gradient}, slope {slope}");
    }
}

/// A student that already is its teacher, and one that sees nothing, give no gradient rather than a NaN.
#[test]
fn equal_and_empty_maps_have_finite_gradients() {
    for (form, _) in FORMS {
        for (norm, _) in NORMS {
            let config = AttentionLoss { form, norm, ..AttentionLoss::default() };
            let same = wave([2, 3, 4, 4], 0.5, &train());
            for (student, teacher) in [(same.clone(), same.clone()), (same.zeros_like(), same.clone())] {
                let student = student.require_grad();
                let loss = attention(&config, std::slice::from_ref(&student), &[teacher]);
                let grads = loss.backward();
                assert!(values(loss)[0].is_finite());
                assert!(values(student.grad(&grads).unwrap()).iter().all(|v| v.is_finite()), "{config:?}");
            }
        }
    }
}

#[test]
fn terms_are_weighed_and_added() {
    let (points, taught) = features();
    let (student, teacher) = logits();
    let student = Output { logits: student, points };
    let teacher = Output { logits: teacher, points: taught };
    let targets = activation::softmax(teacher.logits.clone(), 1);
    let config = Losses {
        labels: 0.5,
        logits: Some(LogitLoss { weight: 3.0, temperature: 2.0 }),
        attention: Some(AttentionLoss { weight: 30.0, points: Points::Stages, ..AttentionLoss::default() }),
    };
    let all = terms(&config, &student, Some(&teacher), targets.clone());
    let one = |t: Option<Tensor<1>>| values(t.unwrap())[0];
    let expected = 0.5 * one(all.labels) + 3.0 * one(all.logits) + 30.0 * one(all.attention);
    assert!((values(all.total)[0] - expected).abs() < 1e-5);
    // The paper's words for step 3: nothing but logit matching.
    let only = terms(&Losses { labels: 0.0, attention: None, ..config }, &student, Some(&teacher), targets);
    assert!(only.labels.is_none() && only.attention.is_none() && only.logits.is_some());
}
