//! Gates, matrix products, copies, reductions, element-wise functions.

use proptest::prelude::*;
use xnorc_runtime::{
    GateShape, Kernel, Le, Level, Reduction, Simd, abs, argmax, broadcast, clip, copy_strided, dispatch, dispatch_at,
    force_level, gate, gate_with, hard_sigmoid, hard_swish, leaky, level, map_lanes, math, matmul, matmul_with, neg,
    prelu, reciprocal, reduce, relu, scalar, softmax,
};

use crate::harness::{Random, UNTOUCHED, le, levels, to_bits};

/// `[outputs][inputs]` as the kernels take it.
fn blocks(weights: &[f32], inputs: usize, outputs: usize) -> Vec<Le<f32>> {
    let mut packed = vec![0f32; outputs.div_ceil(16) * inputs * 16];
    for o in 0..outputs {
        for i in 0..inputs {
            packed[(o / 16 * inputs + i) * 16 + o % 16] = weights[o * inputs + i];
        }
    }
    le(&packed)
}

/// Padded to a multiple of 16.
fn padded(x: &[f32]) -> Vec<Le<f32>> {
    let mut x = x.to_vec();
    x.resize(x.len().div_ceil(16) * 16, 0.0);
    le(&x)
}

/// Weights and biases.
type Layer<'a> = (&'a [Le<f32>], &'a [Le<f32>]);

struct Gate<'a> {
    shape: GateShape,
    sums: &'a [f32],
    layers: [Layer<'a>; 2],
}

impl Kernel for Gate<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let mut out = vec![UNTOUCHED; self.shape.n * self.shape.c_out];
        let mut buffer = vec![UNTOUCHED; self.shape.hidden];
        let hidden = |x: f32| x.max(0.0);
        gate_with(s, &self.shape, self.sums, self.layers, hidden, math::sigmoid, &mut buffer, &mut out);
        out
    }
}

struct MatMul<'a> {
    a: &'a [f32],
    b: &'a [f32],
    extents: [usize; 4],
    strides: [usize; 2],
}

impl Kernel for MatMul<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let [batch, m, _, n] = self.extents;
        let mut y = vec![UNTOUCHED; batch * m * n];
        matmul_with(s, self.a, self.b, &mut y, self.extents, self.strides);
        y
    }
}

/// All indices below the extents, last axis fastest.
fn indices(extents: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for &extent in extents {
        all = all.into_iter().flat_map(|i| (0..extent).map(move |j| [&i[..], &[j]].concat())).collect();
    }
    all
}

fn dot(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}

fn row_major(extents: &[usize]) -> Vec<usize> {
    (0..extents.len()).map(|axis| extents[axis + 1..].iter().product()).collect()
}

/// Copies between two orders of axes, some of them backwards.
fn check_copies(extents: &[usize], reverse: u8, order: u64, seed: u64) -> Result<(), TestCaseError> {
    let mut random = Random::new(seed);
    let rank = extents.len();
    // y is dense in a permuted order of axes, behind an offset; x is dense, some axes backwards.
    let mut axes: Vec<usize> = (0..rank).collect();
    axes.sort_by_key(|&axis| order.rotate_left(axis as u32 * 13) % 97);
    let permuted: Vec<usize> = axes.iter().map(|&axis| extents[axis]).collect();
    let mut y_strides = vec![0; rank];
    for (&axis, stride) in axes.iter().zip(row_major(&permuted)) {
        y_strides[axis] = stride;
    }
    let dense = row_major(extents);
    let size: usize = extents.iter().product();
    let x = random.floats(size + 3);
    let mut offset = 2;
    let mut x_strides = Vec::new();
    for axis in 0..rank {
        if reverse >> axis & 1 == 1 {
            offset += (extents[axis] - 1) * dense[axis];
            x_strides.push(-(dense[axis] as isize));
        } else {
            x_strides.push(dense[axis] as isize);
        }
    }
    let mut y = vec![UNTOUCHED; size + 4];
    copy_strided(&x, offset, &x_strides, &mut y, 3, &y_strides, extents);
    let mut expected = vec![UNTOUCHED; size + 4];
    for index in indices(extents) {
        let from = index.iter().zip(&x_strides).fold(offset as isize, |at, (&i, s)| at + i as isize * s);
        expected[3 + dot(&index, &y_strides)] = x[from as usize];
    }
    prop_assert_eq!(&y, &expected);
    // One element too far, on either side: nothing is copied.
    if size > 1 {
        copy_strided(&x, offset + 2, &x_strides, &mut y, 3, &y_strides, extents);
        let mut after = vec![UNTOUCHED; size + 4];
        copy_strided(&x, offset, &x_strides, &mut after, 5, &y_strides, extents);
        prop_assert!(after.iter().all(|&y| y == UNTOUCHED));
        prop_assert_eq!(&y, &expected);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gate_keeps_its_order(n in 1..3usize, c_in in 1..70usize, hidden in 1..80usize, c_out in 1..90usize, seed: u64) {
        let mut random = Random::new(seed);
        let sums = random.floats(n * c_in);
        let (w1, b1) = (random.floats(hidden * c_in), random.floats(hidden));
        let (w2, b2) = (random.floats(c_out * hidden), random.floats(c_out));
        let layer = |x: &[f32], w: &[f32], b: &[f32]| -> Vec<f32> {
            let row = |o: usize| x.iter().zip(&w[o * x.len()..]).fold(b[o], |sum, (&x, &w)| x.mul_add(w, sum));
            (0..b.len()).map(row).collect()
        };
        let mut expected = Vec::new();
        for sums in sums.chunks(c_in) {
            let h: Vec<f32> = layer(sums, &w1, &b1).into_iter().map(|x| x.max(0.0)).collect();
            expected.extend(layer(&h, &w2, &b2).into_iter().map(math::sigmoid));
        }
        let shape = GateShape { n, c_in, hidden, c_out };
        let (w1, w2) = (blocks(&w1, c_in, hidden), blocks(&w2, hidden, c_out));
        let (b1, b2) = (padded(&b1), padded(&b2));
        for level in levels() {
            let got = dispatch_at(level, Gate { shape, sums: &sums, layers: [(&w1, &b1), (&w2, &b2)] });
            prop_assert_eq!(to_bits(&got), to_bits(&expected));
        }
        let (mut buffer, mut out) = (vec![0.0; hidden + 3], vec![0.0; n * c_out]);
        gate(&sums, n, c_in, hidden, c_out, &w1, &b1, &w2, &b2, |x| x.max(0.0), math::sigmoid, &mut buffer, &mut out);
        prop_assert_eq!(to_bits(&out), to_bits(&expected));
        // Misuse writes nothing.
        let mut out = vec![7.0; n * c_out];
        gate(&sums, n, c_in, hidden, c_out, &w1[1..], &b1, &w2, &b2, |x| x, |x| x, &mut buffer, &mut out);
        gate(&sums[1..], n, c_in, hidden, c_out, &w1, &b1, &w2, &b2, |x| x, |x| x, &mut buffer, &mut out);
        gate(&sums, n, c_in, hidden, c_out, &w1, &b1, &w2, &b2, |x| x, |x| x, &mut buffer[..hidden - 1], &mut out);
        prop_assert!(out.iter().all(|&x| x == 7.0));
    }

    #[test]
    fn matmul_keeps_its_order(
        batch in 1..3usize, m in 1..5usize, k in 1..20usize, n in 1..40usize,
        repeat in [any::<bool>(), any::<bool>()], seed: u64,
    ) {
        let mut random = Random::new(seed);
        let strides = [if repeat[0] { 0 } else { m * k }, if repeat[1] { 0 } else { k * n }];
        let a = random.floats(if repeat[0] { m * k } else { batch * m * k });
        let b = random.floats(if repeat[1] { k * n } else { batch * k * n });
        let expected: Vec<f32> = indices(&[batch, m, n])
            .iter()
            .map(|i| {
                let row = &a[i[0] * strides[0] + i[1] * k..];
                (0..k).fold(0f32, |sum, j| row[j].mul_add(b[i[0] * strides[1] + j * n + i[2]], sum))
            })
            .collect();
        let extents = [batch, m, k, n];
        for level in levels() {
            let got = dispatch_at(level, MatMul { a: &a, b: &b, extents, strides });
            prop_assert_eq!(to_bits(&got), to_bits(&expected));
        }
        let mut y = vec![0.0; batch * m * n];
        matmul(&a, &b, &mut y, extents, strides);
        prop_assert_eq!(to_bits(&y), to_bits(&expected));
        let mut y = vec![7.0; batch * m * n];
        matmul(&a[1..], &b, &mut y, extents, strides);
        matmul(&a, &b, &mut y, [usize::MAX, m, k, n], strides);
        prop_assert!(y.iter().all(|&y| y == 7.0));
    }

    #[test]
    fn strided_copies(extents in prop::collection::vec(1..7usize, 0..5), reverse: u8, order in any::<u64>(), seed: u64) {
        check_copies(&extents, reverse, order, seed)?;
    }

    /// Channels first to channels last and back go in blocks: more than one of them, and parts of one.
    #[test]
    fn large_planes(n in 1..3usize, h in 1..50usize, w in 1..50usize, reverse: u8, order in any::<u64>(), seed: u64) {
        check_copies(&[n, h, w], reverse, order, seed)?;
    }

    #[test]
    fn broadcasts(extents in prop::collection::vec(1..6usize, 0..5), repeat: [u8; 2], seed: u64) {
        let mut random = Random::new(seed);
        let strides = repeat.map(|repeat| {
            let kept: Vec<usize> =
                extents.iter().enumerate().map(|(axis, &e)| if repeat >> axis & 1 == 1 { 1 } else { e }).collect();
            let strides = row_major(&kept);
            (0..extents.len()).map(|axis| if kept[axis] == 1 { 0 } else { strides[axis] }).collect::<Vec<_>>()
        });
        let size = extents.iter().product();
        let (a, b) = (random.floats(size), random.floats(size));
        let mut y = vec![UNTOUCHED; size];
        broadcast(|a, b| a - b, &a, &strides[0], &b, &strides[1], &mut y, &extents);
        let expected: Vec<f32> =
            indices(&extents).iter().map(|i| a[dot(i, &strides[0])] - b[dot(i, &strides[1])]).collect();
        prop_assert_eq!(&y, &expected);
    }

    #[test]
    fn reductions(extents in prop::collection::vec(1..6usize, 1..5), axes: u8, seed: u64) {
        let x = Random::new(seed).floats(extents.iter().product());
        let strides = row_major(&extents);
        let split = |reduced: bool| -> (Vec<usize>, Vec<usize>) {
            (0..extents.len()).filter(|axis| (axes >> axis & 1 == 1) == reduced).map(|a| (extents[a], strides[a])).unzip()
        };
        let (kept, reduced) = (split(false), split(true));
        let kinds = [
            Reduction::Mean, Reduction::Sum, Reduction::Max, Reduction::Min, Reduction::Prod, Reduction::L1,
            Reduction::L2, Reduction::SumSquare,
        ];
        for kind in kinds {
            let expected: Vec<f32> = indices(&kept.0).iter().map(|i| {
                let values: Vec<f64> = indices(&reduced.0)
                    .iter()
                    .map(|j| f64::from(x[dot(i, &kept.1) + dot(j, &reduced.1)]))
                    .collect();
                let sum: f64 = values.iter().fold(0.0, |a, b| a + b);
                let squares: f64 = values.iter().fold(0.0, |a, b| a + b * b);
                match kind {
                    Reduction::Mean => (sum / values.len() as f64) as f32,
                    Reduction::Sum => sum as f32,
                    Reduction::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max) as f32,
                    Reduction::Min => values.iter().copied().fold(f64::INFINITY, f64::min) as f32,
                    Reduction::Prod => values.iter().product::<f64>() as f32,
                    Reduction::L1 => values.iter().fold(0.0, |a, b| a + b.abs()) as f32,
                    Reduction::L2 => squares.sqrt() as f32,
                    Reduction::SumSquare => squares as f32,
                }
            }).collect();
            let mut y = vec![UNTOUCHED; expected.len()];
            reduce(kind, &x, (&kept.0, &kept.1), (&reduced.0, &reduced.1), &mut y);
            prop_assert_eq!(&y, &expected, "{:?}", kind);
            let mut y = vec![UNTOUCHED; expected.len()];
            reduce(kind, &x[1..], (&kept.0, &kept.1), (&reduced.0, &reduced.1), &mut y);
            prop_assert!(y.iter().all(|&y| y == UNTOUCHED));
        }
    }

    #[test]
    fn softmax_and_argmax(outer in 1..4usize, len in 1..20usize, inner in 1..4usize, last: bool, seed: u64) {
        let mut random = Random::new(seed);
        // Few distinct values, so that maxima are equal now and then.
        let x: Vec<f32> = random.floats(outer * len * inner).iter().map(|x| (x * 4.0).round() * 3.0).collect();
        let (mut y, mut z) = (vec![UNTOUCHED; x.len()], vec![UNTOUCHED; x.len()]);
        let mut index = vec![-1; outer * inner];
        softmax(&x, &mut y, outer, len, inner, false);
        softmax(&x, &mut z, outer, len, inner, true);
        argmax(&x, &mut index, outer, len, inner, last);
        for o in 0..outer {
            for i in 0..inner {
                let column: Vec<f64> = (0..len).map(|j| f64::from(x[(o * len + j) * inner + i])).collect();
                let sum: f64 = column.iter().map(|x| x.exp()).sum();
                for j in 0..len {
                    let want = column[j].exp() / sum;
                    let (soft, log) = (f64::from(y[(o * len + j) * inner + i]), f64::from(z[(o * len + j) * inner + i]));
                    prop_assert!((soft - want).abs() <= want * 1e-7);
                    prop_assert!((log - want.ln()).abs() <= want.ln().abs() * 1e-7 + 1e-12);
                }
                let max = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let at = if last { column.iter().rposition(|&v| v == max) } else { column.iter().position(|&v| v == max) };
                prop_assert_eq!(index[o * inner + i], at.unwrap() as i64);
            }
        }
    }
}

/// NaN is the maximum and the minimum of what holds one; as a place it counts only where it comes first.
#[test]
fn maxima_of_nan() {
    let n = f32::NAN;
    let x = [1.0, n, 2.0, n, 1.0, 2.0, 1.0, 2.0, n];
    for kind in [Reduction::Max, Reduction::Min] {
        let mut y = [0.0; 3];
        reduce(kind, &x, (&[3], &[3]), (&[3], &[1]), &mut y);
        assert!(y.iter().all(|y| y.is_nan()), "{kind:?}: {y:?}");
    }
    let mut places = [-1; 3];
    argmax(&x, &mut places, 3, 3, 1, false);
    assert_eq!(places, [2, 0, 1]);
    for (a, b) in [(n, 1.0), (1.0, n), (n, n)] {
        assert!(scalar::max(a, b).is_nan() && scalar::min(a, b).is_nan());
    }
}

/// Element-wise functions and arithmetic, lane by lane, special values included.
#[test]
fn element_wise_functions() {
    struct Functions([f32; 16], [f32; 16], [f32; 16]);
    impl Kernel for Functions {
        type Output = [[f32; 16]; 15];
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Output {
            let (x, a, b) = (s.load(&self.0), s.load(&self.1), s.load(&self.2));
            [
                relu(s, x),
                leaky(s, x, 0.1),
                prelu(s, x, a),
                clip(s, x, -0.5, 6.0),
                hard_sigmoid(s, x, 0.2, 0.5),
                hard_swish(s, x),
                neg(s, x),
                abs(s, x),
                reciprocal(s, x),
                map_lanes(s, x, math::tanh),
                s.add(x, a),
                s.sub(x, a),
                s.mul(x, a),
                s.div(x, a),
                s.fma(x, a, b),
            ]
            .map(|v| s.to_array(v))
        }
    }
    let mut random = Random::new(8);
    for _ in 0..200 {
        let mut lanes = || -> [f32; 16] { std::array::from_fn(|_| random.float() * 3.0) };
        let (mut x, a, b) = (lanes(), lanes(), lanes());
        (x[3], x[7], x[11], x[12]) = (0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY);
        (x[13], x[14], x[15]) = (f32::NAN, 1e-45, -1e-45);
        let functions: [fn(f32, f32, f32) -> f32; 15] = [
            |x, _, _| if 0.0 > x { 0.0 } else { x },
            |x, _, _| if x < 0.0 { 0.1 * x } else { x },
            |x, a, _| if x < 0.0 { a * x } else { x },
            |x, _, _| x.clamp(-0.5, 6.0),
            |x, _, _| (0.2 * x + 0.5).clamp(0.0, 1.0),
            |x, _, _| x * (x * (1.0 / 6.0) + 0.5).clamp(0.0, 1.0),
            |x, _, _| -x,
            |x, _, _| x.abs(),
            |x, _, _| 1.0 / x,
            |x, _, _| math::tanh(x),
            |x, a, _| x + a,
            |x, a, _| x - a,
            |x, a, _| x * a,
            |x, a, _| x / a,
            |x, a, b| x.mul_add(a, b),
        ];
        let scalars: [fn(f32) -> f32; 8] = [
            scalar::relu,
            |x| scalar::leaky(x, 0.1),
            |x| scalar::clip(x, -0.5, 6.0),
            |x| scalar::hard_sigmoid(x, 0.2, 0.5),
            scalar::hard_swish,
            scalar::neg,
            scalar::abs,
            scalar::reciprocal,
        ];
        for (scalar, f) in scalars.iter().zip([0, 1, 3, 4, 5, 6, 7, 8]) {
            for x in x {
                let (got, want) = (scalar(x), functions[f](x, 0.0, 0.0));
                assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "function {f} of {x:e}");
            }
        }
        for level in levels() {
            let got = dispatch_at(level, Functions(x, a, b));
            for (f, (function, got)) in functions.iter().zip(got).enumerate() {
                for lane in 0..16 {
                    let want = function(x[lane], a[lane], b[lane]);
                    let same = got[lane].to_bits() == want.to_bits() || got[lane].is_nan() && want.is_nan();
                    assert!(same, "{}, function {f}: {:e}({:e}) is not {want:e}", level.name(), got[lane], x[lane]);
                }
            }
        }
    }
}

/// The level can be forced down, not up nor to that of another architecture, and comes back.
#[test]
fn levels_can_be_forced() {
    struct Which;
    impl Kernel for Which {
        type Output = Level;
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> Level {
            S::LEVEL
        }
    }
    let best = level();
    assert_eq!(levels().last(), Some(best));
    for wanted in Level::ALL {
        let expected = levels().filter(|&level| level <= wanted).last().unwrap_or(best);
        let used = force_level(Some(wanted));
        assert_eq!((used, level(), dispatch(Which)), (expected, used, used));
        assert_eq!(Level::from_name(wanted.name()), Some(wanted));
        assert_eq!(dispatch_at(wanted, Which), expected);
        assert_eq!(wanted.is_available(), expected == wanted);
    }
    assert_eq!(force_level(None), best);
    assert_eq!(Level::from_name("sse9"), None);
}
