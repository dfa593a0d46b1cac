//! Real-valued convolutions and pools over random geometries, compared to the bit.

use proptest::prelude::*;
use xnorc_runtime::{
    At, Epilogue, Le, PoolShape, RealShape, Simd, average_pool, depthwise_conv, load_tile, map, max_pool, pixels,
    planar_conv, planes, real_conv, store_tile,
};

use crate::binary::extent;
use crate::harness::{Driver, Never, Random, expect, le, levels, to_bits};

/// A random window over a random image.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) n: usize,
    size: [usize; 2],
    pub(crate) kernel: [usize; 2],
    strides: [usize; 2],
    pub(crate) dilations: [usize; 2],
    pads: [usize; 4],
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    groups: usize,
    pub(crate) seed: u64,
}

prop_compose! {
    pub(crate) fn cases()(
        n in 1..3usize,
        extra in [0..8usize, 0..16usize],
        kernel in [1..6usize, 1..6usize],
        strides in [1..4usize, 1..4usize],
        dilations in [1..3usize, 1..3usize],
        pads in [0..3usize, 0..3usize, 0..3usize, 0..3usize],
        inputs in 1..20usize,
        outputs in prop_oneof![1..41usize, Just(16), Just(32), Just(80)],
        groups in prop_oneof![3 => Just(1usize), 1 => 2..4usize],
        seed in any::<u64>(),
    ) -> Case {
        let size = [0, 1].map(|i| {
            let reach = (kernel[i] - 1) * dilations[i] + 1;
            reach.saturating_sub(pads[i] + pads[i + 2]).max(1) + extra[i]
        });
        Case { n, size, kernel, strides, dilations, pads, inputs, outputs, groups, seed }
    }
}

impl Case {
    pub(crate) fn output(&self) -> [usize; 2] {
        [0, 1].map(|i| {
            let pads = self.pads[i] + self.pads[i + 2];
            extent(self.size[i], pads, self.kernel[i], self.strides[i], self.dilations[i])
        })
    }

    /// The pixels of the input under output (oy, ox) inside the image, with the number of their tap.
    pub(crate) fn taps(&self, oy: usize, ox: usize) -> Vec<(usize, usize)> {
        let mut taps = Vec::new();
        for ky in 0..self.kernel[0] {
            for kx in 0..self.kernel[1] {
                let y = (oy * self.strides[0] + ky * self.dilations[0]).wrapping_sub(self.pads[0]);
                let x = (ox * self.strides[1] + kx * self.dilations[1]).wrapping_sub(self.pads[1]);
                if y < self.size[0] && x < self.size[1] {
                    taps.push((ky * self.kernel[1] + kx, y * self.size[1] + x));
                }
            }
        }
        taps
    }

    /// What a max-pool over so many channels gives.
    pub(crate) fn max_pool(&self, x: &[f32], c: usize) -> Vec<f32> {
        self.each(c, |image, _, _, inside, o| {
            let values = inside.iter().map(|&(_, pixel)| x[(image * self.pixels() + pixel) * c + o]);
            values.fold(f32::NEG_INFINITY, f32::max)
        })
    }

    /// What an average pool over so many channels gives.
    pub(crate) fn average_pool(&self, x: &[f32], c: usize, include_pad: bool) -> Vec<f32> {
        self.each(c, |image, oy, ox, inside, o| {
            let values = inside.iter().map(|&(_, pixel)| x[(image * self.pixels() + pixel) * c + o]);
            let count = if include_pad {
                let axis = |i: usize, o: usize| {
                    let end = self.size[i] + self.pads[i] + self.pads[i + 2];
                    (0..self.kernel[i]).filter(|k| o * self.strides[i] + k * self.dilations[i] < end).count()
                };
                axis(0, oy) * axis(1, ox)
            } else {
                inside.len()
            };
            values.fold(0f32, |sum, v| sum + v) / count as f32
        })
    }

    pub(crate) fn pool_shape(&self, c: usize, include_pad: bool) -> PoolShape {
        let RealShape { n, input, output, kernel, strides, dilations, pads, .. } = self.shape(c, c, c);
        let include_pad = include_pad.then_some([self.pads[2], self.pads[3]]);
        PoolShape { n, input, output, kernel, strides, dilations, pads, include_pad }
    }

    /// `f(image, oy, ox, taps, channel)` for each element of the output.
    pub(crate) fn each(
        &self,
        channels: usize,
        f: impl Fn(usize, usize, usize, &[(usize, usize)], usize) -> f32,
    ) -> Vec<f32> {
        let [oh, ow] = self.output();
        let mut y = Vec::new();
        for image in 0..self.n {
            for oy in 0..oh {
                for ox in 0..ow {
                    let taps = self.taps(oy, ox);
                    y.extend((0..channels).map(|c| f(image, oy, ox, &taps, c)));
                }
            }
        }
        y
    }

    pub(crate) fn shape(&self, inputs: usize, outputs: usize, groups: usize) -> RealShape {
        let [oh, ow] = self.output();
        RealShape {
            n: self.n,
            input: [self.size[0], self.size[1], inputs],
            output: [oh, ow, outputs],
            kernel: self.kernel,
            strides: self.strides,
            dilations: self.dilations,
            pads: [self.pads[0], self.pads[1]],
            groups,
        }
    }

    pub(crate) fn n(&self) -> usize {
        self.n
    }

    pub(crate) fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }
}

struct RealConv<const P: usize, const V: usize> {
    shape: RealShape,
    x: Vec<f32>,
    weights: Vec<Le<f32>>,
}

impl<const P: usize, const V: usize> Driver<V> for RealConv<P, V> {
    fn output(&self) -> [usize; 4] {
        let [h, w, c] = self.shape.output;
        [self.shape.n, h, w, c]
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        real_conv::<S, E, P, V>(s, &self.shape, &self.x, &self.weights, epilogue);
    }
}

fn check_conv<const P: usize, const V: usize>(case: &Case) -> Result<(), String> {
    let mut random = Random::new(case.seed);
    let (inputs, outputs, groups) = (case.inputs, case.outputs, case.groups);
    let taps = case.kernel[0] * case.kernel[1];
    let x = random.floats(case.n * case.pixels() * inputs * groups);
    let weights = random.floats(outputs * groups * taps * inputs);
    let y = case.each(outputs * groups, |image, _, _, inside, o| {
        let mut sum = 0f32;
        for &(tap, pixel) in inside {
            for i in 0..inputs {
                let value = x[(image * case.pixels() + pixel) * inputs * groups + o / outputs * inputs + i];
                sum = value.mul_add(weights[(o * taps + tap) * inputs + i], sum);
            }
        }
        sum
    });
    let blocks = outputs.div_ceil(16);
    let mut packed = vec![0f32; groups * blocks * taps * inputs * 16];
    for o in 0..outputs * groups {
        let (group, o_in) = (o / outputs, o % outputs);
        for j in 0..taps * inputs {
            let row = (group * blocks + o_in / 16) * taps * inputs + j;
            packed[row * 16 + o_in % 16] = weights[o * taps * inputs + j];
        }
    }
    let shape = case.shape(inputs * groups, outputs * groups, groups);
    let conv = RealConv::<P, V> { shape, x, weights: le(&packed) };
    expect::<_, V>(&conv, &y).map_err(|e| format!("P = {P}, V = {V}: {e}"))?;
    let x = to_planes(&conv.x, case.pixels(), inputs * groups);
    expect::<_, V>(&PlanarConv(RealConv { x, ..conv }), &y).map_err(|e| format!("planar, P = {P}, V = {V}: {e}"))
}

/// The same from planes.
struct PlanarConv<const P: usize, const V: usize>(RealConv<P, V>);

impl<const P: usize, const V: usize> Driver<V> for PlanarConv<P, V> {
    fn output(&self) -> [usize; 4] {
        self.0.output()
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        planar_conv::<S, E, P, V>(s, &self.0.shape, &self.0.x, &self.0.weights, epilogue);
    }
}

/// `[n][h][w][c]` to `[n][c][h][w]`.
pub(crate) fn to_planes(x: &[f32], pixels: usize, c: usize) -> Vec<f32> {
    x.chunks(pixels * c).flat_map(|image| (0..c * pixels).map(move |i| image[i % pixels * c + i / pixels])).collect()
}

struct Depthwise {
    shape: RealShape,
    x: Vec<f32>,
    weights: Vec<Le<f32>>,
}

impl Driver<1> for Depthwise {
    fn output(&self) -> [usize; 4] {
        let [h, w, c] = self.shape.output;
        [self.shape.n, h, w, c]
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        depthwise_conv(s, &self.shape, &self.x, &self.weights, epilogue);
    }
}

fn check_depthwise(case: &Case) -> Result<(), String> {
    let mut random = Random::new(case.seed);
    let c = case.outputs;
    let taps = case.kernel[0] * case.kernel[1];
    let x = random.floats(case.n * case.pixels() * c);
    let weights = random.floats(c * taps);
    let y = case.each(c, |image, _, _, inside, o| {
        inside.iter().fold(0f32, |sum, &(tap, pixel)| {
            x[(image * case.pixels() + pixel) * c + o].mul_add(weights[o * taps + tap], sum)
        })
    });
    let mut packed = vec![0f32; c.div_ceil(16) * taps * 16];
    for o in 0..c {
        for tap in 0..taps {
            packed[(o / 16 * taps + tap) * 16 + o % 16] = weights[o * taps + tap];
        }
    }
    expect::<_, 1>(&Depthwise { shape: case.shape(c, c, c), x, weights: le(&packed) }, &y)
}

struct Pool {
    shape: PoolShape,
    x: Vec<f32>,
    max: bool,
}

impl Driver<1> for Pool {
    fn output(&self) -> [usize; 4] {
        let [h, w, c] = self.shape.output;
        [self.shape.n, h, w, c]
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        if self.max {
            max_pool(s, &self.shape, &self.x, epilogue);
        } else {
            average_pool(s, &self.shape, &self.x, epilogue);
        }
    }
}

fn check_pool(case: &Case, max: bool, include_pad: bool) -> Result<(), String> {
    let mut random = Random::new(case.seed);
    let c = case.outputs;
    let x = random.floats(case.n * case.pixels() * c);
    let y = if max { case.max_pool(&x, c) } else { case.average_pool(&x, c, include_pad) };
    expect::<_, 1>(&Pool { shape: case.pool_shape(c, include_pad), x, max }, &y)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn real_conv_keeps_its_order(case in cases()) {
        let results = [
            check_conv::<1, 1>(&case),
            check_conv::<4, 1>(&case),
            check_conv::<12, 1>(&case),
            check_conv::<3, 2>(&case),
            check_conv::<1, 4>(&case),
        ];
        for result in results {
            prop_assert!(result.is_ok(), "{}", result.unwrap_err());
        }
    }

    #[test]
    fn depthwise_conv_keeps_its_order(case in cases()) {
        let result = check_depthwise(&case);
        prop_assert!(result.is_ok(), "{}", result.unwrap_err());
    }

    #[test]
    fn pools_take_the_taps_inside(case in cases(), include_pad in any::<bool>()) {
        // A window with no tap inside is no window: its mean is 0 / 0.
        let [oh, ow] = case.output();
        prop_assume!((0..oh).all(|y| (0..ow).all(|x| !case.taps(y, x).is_empty())));
        for result in [check_pool(&case, true, false), check_pool(&case, false, include_pad)] {
            prop_assert!(result.is_ok(), "{}", result.unwrap_err());
        }
    }
}

/// A stem and a fully connected layer in small.
#[test]
fn chosen_geometries() {
    let stem = Case {
        n: 1,
        size: [22, 40],
        kernel: [7, 7],
        strides: [2, 2],
        dilations: [1, 1],
        pads: [3; 4],
        inputs: 3,
        outputs: 64,
        groups: 1,
        seed: 2,
    };
    check_conv::<12, 1>(&stem).unwrap();
    check_conv::<6, 2>(&stem).unwrap();
    let rows = Case { size: [1, 5], kernel: [1, 1], strides: [1, 1], pads: [0; 4], inputs: 70, outputs: 100, ..stem };
    check_conv::<8, 1>(&rows).unwrap();
    check_conv::<1, 4>(&rows).unwrap();
}

/// Weights that are not finite: a tap outside the image must not be multiplied by zero, but left out.
#[test]
fn padded_taps_are_left_out() {
    let shape = RealShape {
        n: 1,
        input: [1, 3, 1],
        output: [1, 3, 1],
        kernel: [1, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [0, 1],
        groups: 1,
    };
    let mut weights = vec![0f32; 48];
    (weights[0], weights[16], weights[32]) = (f32::INFINITY, 1.0, 1.0);
    let conv = RealConv::<4, 1> { shape, x: vec![1.0, 2.0, 4.0], weights: le(&weights) };
    expect::<_, 1>(&conv, &[3.0, f32::INFINITY, f32::INFINITY]).unwrap();
}

struct Map {
    shape: [usize; 4],
    x: Vec<f32>,
}

impl Driver<1> for Map {
    fn output(&self) -> [usize; 4] {
        self.shape
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        let [n, h, w, c] = self.shape;
        map(s, n, h, w, c, &self.x, epilogue);
    }
}

struct Planes(Map);

impl Driver<1> for Planes {
    fn output(&self) -> [usize; 4] {
        self.0.shape
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        let [n, h, w, c] = self.0.shape;
        planes(s, n, h, w, c, &self.0.x, epilogue);
    }
}

struct InPlace {
    shape: [usize; 4],
    x: Vec<f32>,
}

struct Double<'a> {
    y: &'a mut [f32],
    c: usize,
}

impl Epilogue for Double<'_> {
    #[inline(always)]
    fn tile<S: Simd>(&mut self, s: S, _: S::F, at: At) {
        let v = load_tile(s, self.y, self.c, at);
        store_tile(s, self.y, self.c, at, s.add(v, v));
    }
}

impl xnorc_runtime::Kernel for InPlace {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) -> Vec<f32> {
        let [n, h, w, c] = self.shape;
        pixels(s, n, h, w, c, &mut Double { y: &mut self.x, c });
        self.x
    }
}

#[test]
fn maps_give_every_element() {
    for shape in [[2, 3, 4, 16], [1, 1, 1, 5], [2, 1, 3, 33], [1, 5, 2, 64]] {
        let x = Random::new(4).floats(shape.iter().product());
        expect::<_, 1>(&Map { shape, x: x.clone() }, &x).unwrap();
        let planar = to_planes(&x, shape[1] * shape[2], shape[3]);
        expect::<_, 1>(&Planes(Map { shape, x: planar }), &x).unwrap();
        let twice: Vec<f32> = x.iter().map(|x| x + x).collect();
        for level in levels() {
            let got = xnorc_runtime::dispatch_at(level, InPlace { shape, x: x.clone() });
            assert_eq!(to_bits(&got), to_bits(&twice));
        }
    }
}

/// Operands that do not fit: nothing is called, nothing panics.
#[test]
fn misuse_calls_nothing() {
    struct Run;
    impl xnorc_runtime::Kernel for Run {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let good = RealShape {
                n: 1,
                input: [3, 3, 4],
                output: [3, 3, 4],
                kernel: [3, 3],
                strides: [1, 1],
                dilations: [1, 1],
                pads: [1, 1],
                groups: 1,
            };
            let (x, w) = (vec![1.0; 36], le(&vec![1.0; 9 * 4 * 16]));
            let short: [(&[f32], &[Le<f32>]); 3] = [(&x[1..], &w), (&x, &w[16..]), (&[], &[])];
            for (x, w) in short {
                real_conv::<S, _, 4, 1>(s, &good, x, w, &mut Never);
                planar_conv::<S, _, 4, 1>(s, &good, x, w, &mut Never);
                depthwise_conv(s, &RealShape { groups: 4, ..good }, x, &w[..w.len().min(9 * 16 - 1)], &mut Never);
            }
            let wrong = [
                RealShape { groups: 0, ..good },
                RealShape { groups: 3, ..good },
                RealShape { n: usize::MAX, ..good },
                RealShape { input: [3, 3, 0], ..good },
                RealShape { kernel: [0, 1], ..good },
                RealShape { kernel: [usize::MAX, 2], ..good },
                RealShape { strides: [usize::MAX, 1], ..good },
                RealShape { pads: [usize::MAX, 1], ..good },
            ];
            for shape in wrong {
                real_conv::<S, _, 4, 1>(s, &shape, &x, &w, &mut Never);
                planar_conv::<S, _, 4, 1>(s, &shape, &x, &w, &mut Never);
                depthwise_conv(s, &shape, &x, &w, &mut Never);
            }
            let pool = PoolShape {
                n: 1,
                input: [3, 3, 4],
                output: [3, 3, 4],
                kernel: [3, 3],
                strides: [1, 1],
                dilations: [1, 1],
                pads: [1, 1],
                include_pad: None,
            };
            max_pool(s, &pool, &x[1..], &mut Never);
            average_pool(s, &PoolShape { n: usize::MAX, ..pool }, &x, &mut Never);
            average_pool(s, &PoolShape { pads: [usize::MAX, 0], ..pool }, &x, &mut Never);
            map(s, 1, 3, 3, 4, &x[1..], &mut Never);
            planes(s, 1, 3, 3, 4, &x[1..], &mut Never);
            pixels(s, usize::MAX, 3, 3, 4, &mut Never);
        }
    }
    for level in levels() {
        xnorc_runtime::dispatch_at(level, Run);
    }
}
