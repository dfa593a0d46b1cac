//! Element-wise functions, and the instruction sets they run on.

use xnorc_runtime::{
    Kernel, Level, Simd, abs, clip, dispatch, dispatch_at, force_level, hard_sigmoid, hard_swish, leaky, level,
    map_lanes_with, math, neg, prelu, prelu_max, quantize, reciprocal, relu, scalar,
};

use crate::harness::{Random, levels};

/// NaN is the larger and the smaller of two.
#[test]
fn maxima_of_nan() {
    let n = f32::NAN;
    for (a, b) in [(n, 1.0), (1.0, n), (n, n)] {
        assert!(scalar::max(a, b).is_nan() && scalar::min(a, b).is_nan());
    }
}

/// Element-wise functions and arithmetic, lane by lane, special values included.
#[test]
fn element_wise_functions() {
    struct Functions([f32; 16], [f32; 16], [f32; 16]);
    impl Kernel for Functions {
        type Output = [[f32; 16]; 17];
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
                map_lanes_with(s, x, math::tanh),
                s.add(x, a),
                s.sub(x, a),
                s.mul(x, a),
                s.div(x, a),
                s.fma(x, a, b),
                quantize(s, x, 0.25),
                prelu_max(s, x, s.min(s.splat(1.0), a)),
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
        let functions: [fn(f32, f32, f32) -> f32; 17] = [
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
            // A zero is +0.
            |x, _, _| (x / 0.25).clamp(-4194304.0, 4194304.0).round_ties_even() + 0.0,
            |x, a, _| if x < 0.0 { a.min(1.0) * x } else { x },
        ];
        let scalars: [fn(f32) -> f32; 9] = [
            scalar::relu,
            |x| scalar::leaky(x, 0.1),
            |x| scalar::clip(x, -0.5, 6.0),
            |x| scalar::hard_sigmoid(x, 0.2, 0.5),
            scalar::hard_swish,
            scalar::neg,
            scalar::abs,
            scalar::reciprocal,
            |x| scalar::quantize(x, 0.25),
        ];
        for (scalar, f) in scalars.iter().zip([0, 1, 3, 4, 5, 6, 7, 8, 15]) {
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
