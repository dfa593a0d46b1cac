//! Rows of real-valued convolutions of random geometry, compared to the bit.

use proptest::prelude::*;
use xnorc_runtime::{
    Kernel, Le, Level, RealShape, Simd, dispatch_at, dispatch_loose_at, grouped_conv_row, real_conv_row,
};

use crate::harness::{Random, UNTOUCHED, le, levels, to_bits};

/// Pixels of a row, which the kernel knows when it is compiled.
pub(crate) const WIDTH: usize = 11;

/// A random convolution that gives rows of [`WIDTH`] pixels.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) shape: RealShape,
    pub(crate) seed: u64,
}

prop_compose! {
    pub(crate) fn cases()(
        extra in 0..6usize,
        kernel in [1..6usize, 1..6usize],
        strides in [1..4usize, 1..4usize],
        dilations in [1..3usize, 1..3usize],
        pads in [0..3usize, 0..3usize],
        behind in [0..3usize, 0..3usize],
        inputs in 1..20usize,
        outputs in prop_oneof![1..41usize, Just(16), Just(32), Just(80)],
        groups in prop_oneof![2 => Just(1usize), 1 => 2..4usize, 1 => 4..9usize],
        seed in any::<u64>(),
    ) -> Case {
        let reach = [0, 1].map(|i| (kernel[i] - 1) * dilations[i] + 1);
        let height = reach[0].saturating_sub(pads[0] + behind[0]).max(1) + extra;
        // So wide that there are just so many pixels, padding behind them or not.
        let span = (WIDTH - 1) * strides[1] + reach[1];
        let width = span.saturating_sub(pads[1] + behind[1]).max(1);
        let rows = (height + pads[0] + behind[0] - reach[0]) / strides[0] + 1;
        let input = [height, width, inputs * groups];
        let output = [rows, WIDTH, outputs * groups];
        Case { shape: RealShape { n: 1, input, output, kernel, strides, dilations, pads, groups }, seed }
    }
}

impl Case {
    /// The pixels of the input under output (oy, ox) inside the image, with the number of their tap.
    pub(crate) fn taps(&self, oy: usize, ox: usize) -> Vec<(usize, usize)> {
        let RealShape { input: [height, width, _], kernel, strides, dilations, pads, .. } = self.shape;
        let mut taps = Vec::new();
        for ky in 0..kernel[0] {
            for kx in 0..kernel[1] {
                let y = (oy * strides[0] + ky * dilations[0]).wrapping_sub(pads[0]);
                let x = (ox * strides[1] + kx * dilations[1]).wrapping_sub(pads[1]);
                if y < height && x < width {
                    taps.push((ky * kernel[1] + kx, y * width + x));
                }
            }
        }
        taps
    }

    /// `f(taps, channel)` for each element of the output.
    pub(crate) fn each(&self, f: impl Fn(&[(usize, usize)], usize) -> f32) -> Vec<f32> {
        let [height, width, channels] = self.shape.output;
        let mut y = Vec::new();
        for (oy, ox) in (0..height * width).map(|i| (i / width, i % width)) {
            let taps = self.taps(oy, ox);
            y.extend((0..channels).map(|c| f(&taps, c)));
        }
        y
    }

    /// With so many more outputs that they come in so many blocks at a time, all of one group.
    pub(crate) fn in_blocks_of(&self, together: usize) -> Self {
        let groups = self.shape.groups;
        let mut outputs = self.shape.output[2] / groups;
        if together > 1 && groups > 1 {
            outputs = outputs.next_multiple_of(16);
        }
        let blocks = outputs.div_ceil(16);
        outputs += 16 * (blocks.next_multiple_of(together) - blocks);
        let [height, width, _] = self.shape.output;
        Self { shape: RealShape { output: [height, width, outputs * groups], ..self.shape }, ..*self }
    }

    /// Taps of the kernel.
    pub(crate) fn kernel(&self) -> usize {
        self.shape.kernel[0] * self.shape.kernel[1]
    }

    /// Pixels of the input.
    pub(crate) fn pixels(&self) -> usize {
        self.shape.input[0] * self.shape.input[1]
    }
}

/// V neighbouring blocks of a row.
pub(crate) type Row<const V: usize> = [[[f32; 16]; WIDTH]; V];

/// All rows of all blocks, as `row(block, y)` gives them, where they belong in `[h][w][c]`.
#[inline(always)]
pub(crate) fn all<const V: usize>(shape: &RealShape, row: impl Fn(usize, usize, &mut Row<V>)) -> Vec<f32> {
    let [height, width, c] = shape.output;
    assert_eq!(width, WIDTH);
    let mut all = vec![UNTOUCHED; height * width * c];
    for block in (0..c.div_ceil(16)).step_by(V) {
        for y in 0..height {
            let mut values = [[[UNTOUCHED; 16]; WIDTH]; V];
            row(block, y, &mut values);
            for (block, values) in (block..).zip(&values) {
                let here = 16.min(c - block * 16);
                for (x, values) in values.iter().enumerate() {
                    all[(y * width + x) * c + block * 16..][..here].copy_from_slice(&values[..here]);
                }
            }
        }
    }
    all
}

/// Where two lists of floats differ first, bit for bit.
pub(crate) fn same(title: &str, level: Level, got: &[f32], wanted: &[f32]) -> Result<(), String> {
    match to_bits(got).iter().zip(to_bits(wanted)).position(|(a, b)| *a != b) {
        None => Ok(()),
        Some(i) => Err(format!("{title}, {}: element {i} is {:e}, not {:e}", level.name(), got[i], wanted[i])),
    }
}

struct RealConv<const P: usize, const V: usize, const PLANAR: bool> {
    shape: RealShape,
    x: Vec<f32>,
    weights: Vec<[Le<f32>; 16]>,
}

impl<const P: usize, const V: usize, const PLANAR: bool> Kernel for &RealConv<P, V, PLANAR> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let RealConv { shape, x, weights } = self;
        let mixed = shape.groups > 1 && !(shape.output[2] / shape.groups).is_multiple_of(16);
        all(shape, |block, y, row: &mut Row<V>| {
            if mixed {
                assert_eq!(V, 1, "one block of several groups at a time");
                grouped_conv_row::<S, P, PLANAR, WIDTH>(s, shape, x, weights, block, y, &mut row[0]);
            } else {
                real_conv_row::<S, P, V, PLANAR, WIDTH>(s, shape, x, weights, block, y, row);
            }
        })
    }
}

/// `[h][w][c]` to `[c][h][w]`.
pub(crate) fn to_planes(x: &[f32], pixels: usize, c: usize) -> Vec<f32> {
    (0..c * pixels).map(|i| x[i % pixels * c + i / pixels]).collect()
}

fn check<const P: usize, const V: usize>(case: &Case) -> Result<(), String> {
    let case = case.in_blocks_of(V);
    let mut random = Random::new(case.seed);
    let shape = case.shape;
    let (inputs, outputs) = (shape.input[2] / shape.groups, shape.output[2] / shape.groups);
    let taps = case.kernel();
    let x = random.floats(case.pixels() * shape.input[2]);
    let weights = random.floats(shape.output[2] * taps * inputs);
    let reference = |multiply_add: fn(f32, f32, f32) -> f32| {
        case.each(|inside, o| {
            let mut sum = 0f32;
            for &(tap, pixel) in inside {
                for i in 0..inputs {
                    let value = x[pixel * shape.input[2] + o / outputs * inputs + i];
                    sum = multiply_add(value, weights[(o * taps + tap) * inputs + i], sum);
                }
            }
            sum
        })
    };
    let (y, twice) = (reference(f32::mul_add), reference(|a, b, c| a * b + c));
    let mut packed = vec![[0f32; 16]; shape.output[2].div_ceil(16) * taps * inputs];
    for o in 0..shape.output[2] {
        for j in 0..taps * inputs {
            packed[o / 16 * taps * inputs + j][o % 16] = weights[o * taps * inputs + j];
        }
    }
    let weights = packed.iter().map(|row| le(row).try_into().expect("16")).collect::<Vec<[Le<f32>; 16]>>();
    let planar =
        RealConv::<P, V, true> { shape, x: to_planes(&x, case.pixels(), shape.input[2]), weights: weights.clone() };
    let conv = RealConv::<P, V, false> { shape, x, weights };
    for level in levels() {
        same(&format!("P = {P}, V = {V}"), level, &dispatch_at(level, &conv), &y)?;
        same(&format!("planar, P = {P}, V = {V}"), level, &dispatch_at(level, &planar), &y)?;
        // Two roundings only where there is no instruction, and there always.
        let wanted = if matches!(level, Level::Portable | Level::Popcnt) { &twice } else { &y };
        same(&format!("loose, P = {P}, V = {V}"), level, &dispatch_loose_at(level, &conv), wanted)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn real_conv_keeps_its_order(case in cases()) {
        let results = [
            check::<1, 1>(&case),
            check::<4, 1>(&case),
            check::<12, 1>(&case),
            check::<3, 2>(&case),
            check::<1, 4>(&case),
        ];
        for result in results {
            prop_assert!(result.is_ok(), "{}", result.unwrap_err());
        }
    }
}

/// A row of a convolution of one group, from one picture of floats.
fn geometry(input: [usize; 3], outputs: usize, kernel: usize, stride: usize, pad: usize) -> RealShape {
    let extent = |i: usize| (input[i] + 2 * pad - kernel) / stride + 1;
    RealShape {
        n: 1,
        input,
        output: [extent(0), extent(1), outputs],
        kernel: [kernel; 2],
        strides: [stride; 2],
        dilations: [1; 2],
        pads: [pad; 2],
        groups: 1,
    }
}

/// A stem and a fully connected layer in small.
#[test]
fn chosen_geometries() {
    let stem = Case { shape: geometry([22, 22, 3], 64, 7, 2, 3), seed: 2 };
    check::<12, 1>(&stem).unwrap();
    check::<6, 2>(&stem).unwrap();
    check::<6, 4>(&stem).unwrap();
    let rows = Case { shape: geometry([1, WIDTH, 70], 100, 1, 1, 0), seed: 3 };
    check::<8, 1>(&rows).unwrap();
    let rows = Case { shape: geometry([1, WIDTH, 70], 128, 1, 1, 0), seed: 3 };
    check::<1, 4>(&rows).unwrap();
}

/// Weights that are not finite: a tap outside the image must not be multiplied by zero, but left out.
#[test]
fn padded_taps_are_left_out() {
    let shape = RealShape { pads: [0, 1], kernel: [1, 3], ..geometry([1, WIDTH, 1], 1, 1, 1, 0) };
    let mut weights = vec![[Le::<f32>::new(0.0); 16]; 3];
    for (row, w) in weights.iter_mut().zip([f32::INFINITY, 1.0, 1.0]) {
        row[0] = Le::<f32>::new(w);
    }
    let conv = RealConv::<4, 1, false> { shape, x: vec![1.0; WIDTH], weights };
    let mut y = [f32::INFINITY; WIDTH];
    y[0] = 2.0;
    for level in levels() {
        same("left", level, &dispatch_at(level, &conv), &y).unwrap();
    }
}

/// Operands that do not fit: nothing is written, nothing panics.
#[test]
fn misuse_writes_nothing() {
    struct Run;
    impl Kernel for Run {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let good = geometry([3, WIDTH, 4], 4, 3, 1, 1);
            let (x, w) = (vec![1.0; 3 * WIDTH * 4], vec![[Le::<f32>::new(1.0); 16]; 9 * 4]);
            let wrong = [
                RealShape { groups: 0, ..good },
                RealShape { groups: 3, ..good },
                RealShape { n: usize::MAX, ..good },
                RealShape { input: [3, WIDTH, 0], ..good },
                RealShape { kernel: [0, 1], ..good },
                RealShape { kernel: [usize::MAX, 2], ..good },
                RealShape { strides: [usize::MAX, 1], ..good },
                RealShape { pads: [usize::MAX, 1], ..good },
                RealShape { output: [3, WIDTH - 1, 4], ..good },
            ];
            let short = [(&x[1..], &w[..]), (&x[..], &w[1..]), (&[], &[])];
            let calls = short.into_iter().map(|(x, w)| (good, x, w, 0));
            let calls = calls.chain(wrong.into_iter().map(|shape| (shape, &x[..], &w[..], 0)));
            for (shape, x, w, y) in calls.chain([(good, &x[..], &w[..], 3)]) {
                let mut row = [[[UNTOUCHED; 16]; WIDTH]; 1];
                real_conv_row::<S, 4, 1, false, WIDTH>(s, &shape, x, w, 0, y, &mut row);
                real_conv_row::<S, 4, 1, true, WIDTH>(s, &shape, x, w, 0, y, &mut row);
                grouped_conv_row::<S, 4, false, WIDTH>(s, &shape, x, w, 0, y, &mut row[0]);
                grouped_conv_row::<S, 4, true, WIDTH>(s, &shape, x, w, 0, y, &mut row[0]);
                assert!(row.as_flattened().as_flattened().iter().all(|&v| v == UNTOUCHED), "{shape:?}");
            }
        }
    }
    for level in levels() {
        dispatch_at(level, Run);
    }
}
