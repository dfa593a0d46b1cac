//! Pools inside an epilogue: the same bits as the pool of the whole tensor, whatever the driver before it interleaves.

use std::ops::Range;

use proptest::prelude::*;
use xnorc_runtime::{At, Epilogue, Le, PoolRows, PoolShape, RealShape, Simd, map, real_conv};

use crate::harness::{Driver, Never, Random, UNTOUCHED, expect, le};
use crate::real::{Case, cases};

/// An epilogue behind a pool.
struct Pooled<'a, E, const V: usize> {
    shape: PoolShape,
    max: bool,
    rows: PoolRows<'a, V>,
    next: &'a mut E,
}

impl<E: Epilogue, const V: usize> Epilogue for Pooled<'_, E, V> {
    #[inline(always)]
    fn rows(&self) -> Range<usize> {
        self.shape.rows_under(self.next.rows())
    }

    #[inline(always)]
    fn tile<S: Simd>(&mut self, s: S, v: S::F, at: At) {
        self.rows.put(s, &self.shape, at, v);
    }

    #[inline(always)]
    fn end_row<S: Simd>(&mut self, s: S, at: At) {
        if self.max {
            self.rows.max(s, &self.shape, at, self.next);
        } else {
            self.rows.mean(s, &self.shape, at, self.next);
        }
    }
}

/// A pool behind a driver of `V` interleaved rows: with 1 the plain tensor, else a convolution each of whose channels is
/// one of the channels of `x`.
struct PooledDriver<const V: usize> {
    /// Of the pool.
    shape: PoolShape,
    max: bool,
    x: Vec<f32>,
    /// Channels of `x`.
    inputs: usize,
    weights: Vec<Le<f32>>,
}

impl<const V: usize> Driver<1> for PooledDriver<V> {
    fn output(&self) -> [usize; 4] {
        let [h, w, c] = self.shape.output;
        [self.shape.n, h, w, c]
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        // What a row left behind must not matter.
        let mut rows = vec![UNTOUCHED.abs(); PoolRows::<V>::len(&self.shape)];
        let mut pooled =
            Pooled { shape: self.shape, max: self.max, rows: PoolRows::<V>::new(&mut rows), next: epilogue };
        let PoolShape { n, input, .. } = self.shape;
        let [h, w, c] = input;
        if V == 1 {
            return map(s, n, h, w, c, &self.x, &mut pooled);
        }
        let shape = RealShape {
            n,
            input: [h, w, self.inputs],
            output: input,
            kernel: [1, 1],
            strides: [1, 1],
            dilations: [1, 1],
            pads: [0, 0],
            groups: 1,
        };
        real_conv::<S, _, 6, V>(s, &shape, &self.x, &self.weights, &mut pooled);
    }
}

fn check<const V: usize>(case: &Case, inputs: usize, channels: usize, max: bool) -> Result<(), String> {
    let x = Random::new(case.seed).floats(case.n() * case.pixels() * inputs);
    let mut weights = vec![0.0; channels.div_ceil(16) * inputs * 16];
    for c in 0..channels {
        weights[(c / 16 * inputs + c % inputs) * 16 + c % 16] = 1.0;
    }
    let include_pad = case.seed % 2 == 1;
    let pooled = if max { case.max_pool(&x, inputs) } else { case.average_pool(&x, inputs, include_pad) };
    let y: Vec<f32> = pooled.chunks(inputs).flat_map(|pixel| (0..channels).map(move |c| pixel[c % inputs])).collect();
    let shape = case.pool_shape(channels, include_pad);
    expect::<_, 1>(&PooledDriver::<V> { shape, max, x, inputs, weights: le(&weights) }, &y)
        .map_err(|e| format!("V = {V}: {e}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pooled_rows_are_the_pool_of_the_tensor(case in cases()) {
        let c = case.outputs;
        let few = c.min(20);
        let [oh, ow] = case.output();
        // A window with no tap inside is no window: its mean is 0 / 0.
        let has_mean = (0..oh).all(|y| (0..ow).all(|x| !case.taps(y, x).is_empty()));
        let results = [
            check::<1>(&case, c, c, true),
            check::<2>(&case, 3, few + 32, !has_mean),
            check::<4>(&case, 2, few + 48, true),
            check::<1>(&case, c, c, !has_mean),
        ];
        for result in results {
            prop_assert!(result.is_ok(), "{}", result.unwrap_err());
        }
    }
}

/// Too little memory: nothing is given, nothing panics.
#[test]
fn misuse_gives_nothing() {
    struct Run;
    impl xnorc_runtime::Kernel for Run {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let shape = PoolShape {
                n: 1,
                input: [4, 4, 16],
                output: [2, 2, 16],
                kernel: [2, 2],
                strides: [2, 2],
                dilations: [1, 1],
                pads: [0, 0],
                include_pad: None,
            };
            let x = vec![1.0; 256];
            let mut rows = vec![0.0; PoolRows::<1>::len(&shape) - 1];
            let mut pooled = Pooled { shape, max: true, rows: PoolRows::<1>::new(&mut rows), next: &mut Never };
            map(s, 1, 4, 4, 16, &x, &mut pooled);
            let mut rows = vec![0.0; 4096];
            for shape in [
                PoolShape { n: usize::MAX, ..shape },
                PoolShape { kernel: [usize::MAX, 2], ..shape },
                PoolShape { input: [usize::MAX, usize::MAX, 16], ..shape },
                PoolShape { pads: [usize::MAX, 0], ..shape },
            ] {
                let mut pooled = Pooled { shape, max: true, rows: PoolRows::<1>::new(&mut rows), next: &mut Never };
                map(s, 1, 4, 4, 16, &x, &mut pooled);
            }
        }
    }
    for level in crate::harness::levels() {
        xnorc_runtime::dispatch_at(level, Run);
    }
}
