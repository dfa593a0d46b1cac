//! Convolutions on bf16 and 8-bit integers over random geometries, compared to the bit: by the processor's own
//! instructions where it has them, and by the plain products on every level.

use proptest::prelude::*;
use xnorc_runtime::{
    At, Epilogue, Kernel, Le, NarrowDot, NarrowKernel, PlainBf16Kernel, PlainInt8Kernel, RealShape, SMALLEST, Simd,
    dispatch_bf16_at, dispatch_int8_at, input_to_bf16, input_to_int8, narrow_conv, store_tile, to_bf16,
};

use crate::harness::{Driver, Random, UNTOUCHED, expect, levels, to_bits};
use crate::real::{Case, cases, to_planes};

/// Which numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Bf16,
    Int8,
}

impl Format {
    fn parts(self) -> usize {
        match self {
            Format::Bf16 => 2,
            Format::Int8 => 4,
        }
    }
}

/// A convolution whose input is narrow already.
struct Conv<const P: usize, const V: usize> {
    format: Format,
    shape: RealShape,
    x: Vec<f32>,
    weights: Vec<Le<u32>>,
}

struct Run<'a, E, const P: usize, const V: usize>(&'a Conv<P, V>, &'a mut E);

impl<E: Epilogue, const P: usize, const V: usize> NarrowKernel for Run<'_, E, P, V> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, D: NarrowDot<S>>(self, s: S, d: D) {
        narrow_conv::<S, D, E, P, V>(s, d, &self.0.shape, &self.0.x, &self.0.weights, self.1);
    }
}

/// The plain products.
impl<const P: usize, const V: usize> Driver<V> for Conv<P, V> {
    fn output(&self) -> [usize; 4] {
        let [h, w, c] = self.shape.output;
        [self.shape.n, h, w, c]
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        match self.format {
            Format::Bf16 => PlainBf16Kernel(Run(self, epilogue)).run(s),
            Format::Int8 => PlainInt8Kernel(Run(self, epilogue)).run(s),
        }
    }
}

/// Only stores.
struct Store<'a>(&'a mut [f32], usize);

impl Epilogue for Store<'_> {
    #[inline(always)]
    fn tile<S: Simd>(&mut self, s: S, v: S::F, at: At) {
        store_tile(s, self.0, self.1, at, v);
    }
}

/// The plain products and those each level prefers.
fn check<const P: usize, const V: usize>(conv: &Conv<P, V>, y: &[f32]) -> Result<(), String> {
    let format = conv.format;
    expect::<_, V>(conv, y).map_err(|e| format!("{format:?}, P = {P}, V = {V}, plain: {e}"))?;
    for level in levels() {
        let mut got = vec![UNTOUCHED; y.len()];
        let mut store = Store(&mut got, conv.shape.output[2]);
        match format {
            Format::Bf16 => dispatch_bf16_at(level, Run(conv, &mut store)),
            Format::Int8 => dispatch_int8_at(level, Run(conv, &mut store)),
        }
        if to_bits(&got) != to_bits(y) {
            let i = got.iter().zip(y).position(|(a, b)| a.to_bits() != b.to_bits()).unwrap_or(0);
            return Err(format!("{format:?}, P = {P}, V = {V}, {}: {i} is {:e}, not {:e}", level.name(), got[i], y[i]));
        }
    }
    Ok(())
}

/// Words of a narrow tensor, more than enough.
fn room(case: &Case) -> usize {
    let side =
        |i: usize| case.taps(0, 0).len() + 64 + case.kernel[i] * case.dilations[i] + case.shape(1, 1, 1).input[i];
    case.n * side(0) * (side(1) * case.inputs + 4)
}

/// `[16 outputs][head][ky][run][word][16]`; `word(output, value of the kernel)` gives the bits of a weight, each of
/// `32 / parts` bits.
fn pack(case: &Case, format: Format, head: Option<&[u32]>, bits: impl Fn(usize, usize) -> u32) -> Vec<Le<u32>> {
    let parts = format.parts();
    let [kh, kw] = case.kernel;
    let (runs, values) = if case.dilations[1] == 1 { (1, kw * case.inputs) } else { (kw, case.inputs) };
    let mut packed = Vec::new();
    for block in 0..case.outputs.div_ceil(16) {
        let output = |lane: usize| Some(block * 16 + lane).filter(|&o| o < case.outputs);
        if let Some(head) = head {
            packed.extend((0..16).map(|lane| output(lane).map_or(0, |o| head[o])));
        }
        for run in 0..kh * runs {
            for word in 0..values.div_ceil(parts) {
                packed.extend((0..16).map(|lane| {
                    let Some(o) = output(lane) else { return 0 };
                    let values = (0..parts).filter(|i| word * parts + i < values);
                    values.fold(0, |all, i| all | bits(o, run * values_of(case) + word * parts + i) << (32 / parts * i))
                }));
            }
        }
    }
    packed.into_iter().map(Le::<u32>::new).collect()
}

/// Values of a run.
fn values_of(case: &Case) -> usize {
    if case.dilations[1] == 1 { case.kernel[1] * case.inputs } else { case.inputs }
}

/// Floats with every exponent that matters, subnormal ones and zeros.
fn wild(random: &mut Random, len: usize) -> Vec<f32> {
    (0..len)
        .map(|_| {
            let r = random.word();
            match r % 16 {
                0 => 0.0,
                1 => f32::from_bits((r >> 32) as u32 & 0x807f_ffff),
                2..6 => f32::from_bits((r >> 32) as u32 & 0x87ff_ffff | 0x2000_0000),
                6 => SMALLEST * if r & 1 << 40 == 0 { 1.0 } else { -0.999 },
                _ => random.float(),
            }
        })
        .collect()
}

fn bf16(x: f32) -> f32 {
    f32::from_bits(u32::from(to_bf16(x)) << 16)
}

/// The taps of an output pixel and the values under them: all of a kernel row, the padding as `pad`.
fn rows<T: Copy>(case: &Case, x: &[T], pad: T, image: usize, inside: &[(usize, usize)]) -> Vec<Vec<T>> {
    let [kh, kw] = case.kernel;
    let mut values = vec![vec![pad; kw * case.inputs]; kh];
    for &(tap, pixel) in inside {
        let from = (image * case.pixels() + pixel) * case.inputs;
        values[tap / kw][tap % kw * case.inputs..][..case.inputs].copy_from_slice(&x[from..][..case.inputs]);
    }
    values
}

fn check_bf16<const P: usize, const V: usize>(case: &Case) -> Result<(), String> {
    let mut random = Random::new(case.seed);
    let fan_in = case.kernel[0] * case.kernel[1] * case.inputs;
    let x = wild(&mut random, case.n * case.pixels() * case.inputs);
    let weights = wild(&mut random, case.outputs * fan_in);
    let rounded: Vec<f32> = x.iter().map(|&x| bf16(x)).collect();
    let values = values_of(case);
    let y = case.each(case.outputs, |image, _, _, inside, o| {
        let mut sum = 0f32;
        for (ky, row) in rows(case, &rounded, 0.0, image, inside).iter().enumerate() {
            let row_weights = &weights[o * fan_in + ky * row.len()..][..row.len()];
            for (x, w) in row.chunks(values).zip(row_weights.chunks(values)) {
                for (x, w) in x.chunks(2).zip(w.chunks(2)) {
                    // The second of a pair first.
                    for (x, w) in x.iter().zip(w).rev() {
                        sum = x.mul_add(bf16(*w), sum);
                    }
                }
            }
        }
        sum
    });
    let shape = case.shape(case.inputs, case.outputs, 1);
    let mut narrow = vec![UNTOUCHED; 2 * room(case)];
    let (planar, given) = given(case, &x);
    input_to_bf16(&shape, planar, &given, &mut narrow);
    let weights = pack(case, Format::Bf16, None, |o, i| u32::from(to_bf16(weights[o * fan_in + i])));
    check(&Conv::<P, V> { format: Format::Bf16, shape, x: narrow, weights }, &y)
}

/// The input as half of the cases have it: in planes.
fn given(case: &Case, x: &[f32]) -> (bool, Vec<f32>) {
    let planar = case.seed.is_multiple_of(2);
    (planar, if planar { to_planes(x, case.pixels(), case.inputs) } else { x.to_vec() })
}

fn check_int8<const P: usize, const V: usize>(case: &Case) -> Result<(), String> {
    let mut random = Random::new(case.seed);
    let fan_in = case.kernel[0] * case.kernel[1] * case.inputs;
    let mut x = random.floats(case.n * case.pixels() * case.inputs);
    let zero_point = (random.word() >> 56) as u8;
    let mut inverse_scale = 1.0 + random.float().abs() * 40.0;
    if case.seed % 4 < 2 {
        // Eighths, four times as large: one in four lies in the middle between two integers.
        inverse_scale = 4.0;
        x.iter_mut().for_each(|x| *x = (*x * 8.0).round() / 8.0);
    }
    // The extremes often: they are what a saturating instruction would get wrong.
    let weights: Vec<i8> = (0..case.outputs * fan_in)
        .map(|_| match random.word() % 4 {
            0 => i8::MIN,
            1 => i8::MAX,
            _ => (random.word() >> 56) as u8 as i8,
        })
        .collect();
    // The product is rounded to f32; the sum, exact in f64, is rounded once.
    let quantize = |x: f32| (f64::from(x * inverse_scale) + f64::from(zero_point)).round_ties_even();
    let quantized: Vec<u8> = x.iter().map(|&x| quantize(x).clamp(0.0, 255.0) as u8).collect();
    let y = case.each(case.outputs, |image, _, _, inside, o| {
        let rows = rows(case, &quantized, zero_point, image, inside).concat();
        let weights = &weights[o * fan_in..][..fan_in];
        let sum: i32 =
            rows.iter().zip(weights).map(|(&x, &w)| (i32::from(x) - i32::from(zero_point)) * i32::from(w)).sum();
        sum as f32
    });
    let shape = case.shape(case.inputs, case.outputs, 1);
    let mut narrow = vec![UNTOUCHED; 2 * room(case)];
    let (planar, given) = given(case, &x);
    input_to_int8(&shape, planar, inverse_scale, zero_point, &given, &mut narrow);
    let head: Vec<u32> = weights
        .chunks(fan_in)
        .map(|w| (-i32::from(zero_point) * w.iter().map(|&w| i32::from(w)).sum::<i32>()) as u32)
        .collect();
    let weights = pack(case, Format::Int8, Some(&head), |o, i| u32::from(weights[o * fan_in + i] as u8));
    check(&Conv::<P, V> { format: Format::Int8, shape, x: narrow, weights }, &y)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bf16_convolutions_are_the_same_bits_everywhere(case in cases()) {
        check_bf16::<1, 1>(&case).map_err(TestCaseError::fail)?;
        check_bf16::<4, 2>(&case).map_err(TestCaseError::fail)?;
        check_bf16::<6, 4>(&case).map_err(TestCaseError::fail)?;
        check_bf16::<9, 1>(&case).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn int8_convolutions_are_the_same_bits_everywhere(case in cases()) {
        check_int8::<1, 1>(&case).map_err(TestCaseError::fail)?;
        check_int8::<4, 2>(&case).map_err(TestCaseError::fail)?;
        check_int8::<6, 4>(&case).map_err(TestCaseError::fail)?;
        check_int8::<9, 1>(&case).map_err(TestCaseError::fail)?;
    }
}

/// A 1x1 convolution of one pixel.
fn pointwise(inputs: usize) -> RealShape {
    RealShape {
        n: 1,
        input: [1, 1, inputs],
        output: [1, 1, 1],
        kernel: [1, 1],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [0, 0],
        groups: 1,
    }
}

#[test]
fn quantisation_rounds_to_even_and_saturates() {
    let x = [0.0, 0.5, 1.5, -0.5, -3.0, 300.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 252.4];
    let mut to = [0.0; 4];
    input_to_int8(&pointwise(10), false, 1.0, 2, &x, &mut to);
    assert_eq!(to.map(f32::to_le_bytes).concat()[..10], [2, 2, 4, 2, 0, 255, 0, 255, 0, 254]);
}

#[test]
fn what_does_not_fit_does_nothing() {
    let shape = pointwise(10);
    let mut to = [UNTOUCHED; 5];
    input_to_bf16(&shape, false, &[1.0; 10], &mut to);
    input_to_int8(&shape, false, 1.0, 0, &[1.0; 9], &mut to);
    input_to_int8(&RealShape { groups: 2, ..shape }, false, 1.0, 0, &[1.0; 10], &mut to);
    assert_eq!(to, [UNTOUCHED; 5]);
    for (x, weights) in [(5, 5 * 16), (6, 5 * 16 - 1)] {
        let weights = vec![Le::<u32>::new(0); weights];
        let conv = Conv::<1, 1> { format: Format::Bf16, shape, x: vec![0.0; x], weights };
        for level in levels() {
            let mut got = [UNTOUCHED];
            dispatch_bf16_at(level, Run(&conv, &mut Store(&mut got, 1)));
            assert_eq!(got, [UNTOUCHED]);
        }
    }
}

/// The values behind the end of a run are read but do not count, whatever they are.
#[test]
fn a_run_ends_where_it_ends() {
    let x = [1.0, 2.0, 3.0, f32::INFINITY];
    let shape = RealShape { input: [1, 4, 1], output: [1, 2, 1], kernel: [1, 3], ..pointwise(1) };
    let mut narrow = vec![UNTOUCHED; 3];
    input_to_bf16(&shape, false, &x, &mut narrow);
    let one = u32::from(to_bf16(1.0));
    let mut weights = vec![Le::<u32>::new(0); 32];
    weights[0] = Le::<u32>::new(one | one << 16);
    weights[16] = Le::<u32>::new(one);
    let conv = Conv::<1, 1> { format: Format::Bf16, shape, x: narrow, weights };
    check(&conv, &[6.0, f32::INFINITY]).unwrap();
}
