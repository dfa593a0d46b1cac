//! Convolutions on bf16 and 8-bit integers over random geometries, compared to the bit: by the processor's own
//! instructions where it has them, and by the plain products on every level.

use proptest::prelude::*;
use xnorc_runtime::{
    Kernel, Le, NarrowDot, NarrowKernel, PlainBf16Kernel, PlainInt8Kernel, RealShape, SMALLEST, Simd, dispatch_at,
    dispatch_bf16_at, dispatch_int8_at, input_to_bf16, input_to_int8, narrow_conv_row, to_bf16,
};

use crate::harness::{Random, UNTOUCHED, levels};
use crate::real::{Case, Row, WIDTH, all, cases, same, to_planes};

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
    weights: Vec<[Le<u32>; 16]>,
}

impl<const P: usize, const V: usize> NarrowKernel for &Conv<P, V> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd, D: NarrowDot<S>>(self, s: S, d: D) -> Vec<f32> {
        let Conv { shape, x, weights, .. } = self;
        all(shape, |block, y, row: &mut Row<V>| {
            narrow_conv_row::<S, D, P, V, WIDTH>(s, d, shape, x, weights, block, [0, y], row);
        })
    }
}

/// The plain products.
struct Plain<'a, const P: usize, const V: usize>(&'a Conv<P, V>);

impl<const P: usize, const V: usize> Kernel for Plain<'_, P, V> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        match self.0.format {
            Format::Bf16 => PlainBf16Kernel(self.0).run(s),
            Format::Int8 => PlainInt8Kernel(self.0).run(s),
        }
    }
}

/// The plain products and those each level prefers.
fn check<const P: usize, const V: usize>(conv: &Conv<P, V>, y: &[f32]) -> Result<(), String> {
    let title = format!("{:?}, P = {P}, V = {V}", conv.format);
    for level in levels() {
        same(&format!("{title}, plain"), level, &dispatch_at(level, Plain(conv)), y)?;
        let got = match conv.format {
            Format::Bf16 => dispatch_bf16_at(level, conv),
            Format::Int8 => dispatch_int8_at(level, conv),
        };
        same(&title, level, &got, y)?;
    }
    Ok(())
}

/// Words of a narrow tensor, more than enough.
fn room(shape: &RealShape) -> usize {
    let side = |i: usize| {
        shape.input[i] + shape.pads[i] + shape.output[i] * shape.strides[i] + shape.kernel[i] * shape.dilations[i]
    };
    shape.n * side(0) * (side(1) * shape.input[2] + 4)
}

/// The same without groups, which these kernels do not have.
fn ungrouped(case: &Case, together: usize) -> Case {
    Case { shape: RealShape { groups: 1, ..case.shape }, ..*case }.in_blocks_of(together)
}

/// `[16 outputs][head][ky][run][word][16]`; `word(output, value of the kernel)` gives the bits of a weight, each of
/// `32 / parts` bits.
fn pack(
    shape: &RealShape,
    format: Format,
    head: &[Vec<u32>],
    bits: impl Fn(usize, usize) -> u32,
) -> Vec<[Le<u32>; 16]> {
    let parts = format.parts();
    let ([kh, kw], inputs, outputs) = (shape.kernel, shape.input[2], shape.output[2]);
    let (runs, values) = if shape.dilations[1] == 1 { (1, kw * inputs) } else { (kw, inputs) };
    let mut packed = Vec::new();
    for block in 0..outputs.div_ceil(16) {
        let output = |lane: usize| Some(block * 16 + lane).filter(|&o| o < outputs);
        for row in head {
            packed.push(std::array::from_fn(|lane| output(lane).map_or(0, |o| row[o])));
        }
        for run in 0..kh * runs {
            for word in 0..values.div_ceil(parts) {
                packed.push(std::array::from_fn(|lane| {
                    let Some(o) = output(lane) else { return 0 };
                    let here = (0..parts).filter(|i| word * parts + i < values);
                    here.fold(0, |all, i| all | bits(o, run * values + word * parts + i) << (32 / parts * i))
                }));
            }
        }
    }
    packed.into_iter().map(|row: [u32; 16]| row.map(Le::<u32>::new)).collect()
}

/// Values of a run.
fn values_of(shape: &RealShape) -> usize {
    if shape.dilations[1] == 1 { shape.kernel[1] * shape.input[2] } else { shape.input[2] }
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
fn rows<T: Copy>(shape: &RealShape, x: &[T], pad: T, inside: &[(usize, usize)]) -> Vec<Vec<T>> {
    let ([kh, kw], inputs) = (shape.kernel, shape.input[2]);
    let mut values = vec![vec![pad; kw * inputs]; kh];
    for &(tap, pixel) in inside {
        values[tap / kw][tap % kw * inputs..][..inputs].copy_from_slice(&x[pixel * inputs..][..inputs]);
    }
    values
}

fn check_bf16<const P: usize, const V: usize>(case: &Case) -> Result<(), String> {
    let case = ungrouped(case, V);
    let mut random = Random::new(case.seed);
    let shape = case.shape;
    let fan_in = case.kernel() * shape.input[2];
    let x = wild(&mut random, case.pixels() * shape.input[2]);
    let weights = wild(&mut random, shape.output[2] * fan_in);
    let rounded: Vec<f32> = x.iter().map(|&x| bf16(x)).collect();
    let values = values_of(&shape);
    let y = case.each(|inside, o| {
        let mut sum = 0f32;
        for (ky, row) in rows(&shape, &rounded, 0.0, inside).iter().enumerate() {
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
    let mut narrow = vec![UNTOUCHED; 2 * room(&shape)];
    let (planar, given) = given(&case, &x);
    input_to_bf16(&shape, planar, &given, &mut narrow);
    let weights = pack(&shape, Format::Bf16, &[], |o, i| u32::from(to_bf16(weights[o * fan_in + i])));
    check(&Conv::<P, V> { format: Format::Bf16, shape, x: narrow, weights }, &y)
}

/// The input as half of the cases have it: in planes.
fn given(case: &Case, x: &[f32]) -> (bool, Vec<f32>) {
    let planar = case.seed.is_multiple_of(2);
    (planar, if planar { to_planes(x, case.pixels(), case.shape.input[2]) } else { x.to_vec() })
}

fn check_int8<const P: usize, const V: usize>(case: &Case) -> Result<(), String> {
    let case = ungrouped(case, V);
    let mut random = Random::new(case.seed);
    let shape = case.shape;
    let fan_in = case.kernel() * shape.input[2];
    let mut x = random.floats(case.pixels() * shape.input[2]);
    let zero_point = (random.word() >> 56) as u8;
    let mut inverse_scale = 1.0 + random.float().abs() * 40.0;
    if case.seed % 4 < 2 {
        // Eighths, four times as large: one in four lies in the middle between two integers.
        inverse_scale = 4.0;
        x.iter_mut().for_each(|x| *x = (*x * 8.0).round() / 8.0);
    }
    // The extremes often: they are what a saturating instruction would get wrong.
    let weights: Vec<i8> = (0..shape.output[2] * fan_in)
        .map(|_| match random.word() % 4 {
            0 => i8::MIN,
            1 => i8::MAX,
            _ => (random.word() >> 56) as u8 as i8,
        })
        .collect();
    // The product is rounded to f32; the sum, exact in f64, is rounded once.
    let quantize = |x: f32| (f64::from(x * inverse_scale) + f64::from(zero_point)).round_ties_even();
    let quantized: Vec<u8> = x.iter().map(|&x| quantize(x).clamp(0.0, 255.0) as u8).collect();
    let y = case.each(|inside, o| {
        let rows = rows(&shape, &quantized, zero_point, inside).concat();
        let weights = &weights[o * fan_in..][..fan_in];
        let sum: i32 =
            rows.iter().zip(weights).map(|(&x, &w)| (i32::from(x) - i32::from(zero_point)) * i32::from(w)).sum();
        sum as f32
    });
    let mut narrow = vec![UNTOUCHED; 2 * room(&shape)];
    let (planar, given) = given(&case, &x);
    input_to_int8(&shape, planar, inverse_scale, zero_point, &given, &mut narrow);
    let sums = weights.chunks(fan_in).map(|w| w.iter().map(|&w| i32::from(w)).sum::<i32>());
    let head =
        [-i32::from(zero_point), 128].map(|times| sums.clone().map(|sum| times.wrapping_mul(sum) as u32).collect());
    let weights = pack(&shape, Format::Int8, &head, |o, i| u32::from(weights[o * fan_in + i] as u8));
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

/// A 1x1 convolution of a row.
fn pointwise(inputs: usize) -> RealShape {
    RealShape {
        n: 1,
        input: [1, WIDTH, inputs],
        output: [1, WIDTH, 1],
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
    let shape = RealShape { input: [1, 1, 10], output: [1, 1, 1], ..pointwise(10) };
    input_to_int8(&shape, false, 1.0, 2, &x, &mut to);
    assert_eq!(to.map(f32::to_le_bytes).concat()[..10], [2, 2, 4, 2, 0, 255, 0, 255, 0, 254]);
}

#[test]
fn what_does_not_fit_does_nothing() {
    let shape = pointwise(10);
    // A row of ten times eleven numbers, and a word behind it.
    let words = WIDTH * 5 + 1;
    let (x, mut to) = ([1.0; WIDTH * 10], vec![UNTOUCHED; words - 1]);
    input_to_bf16(&shape, false, &x, &mut to);
    input_to_int8(&shape, false, 1.0, 0, &x[1..], &mut to);
    input_to_int8(&RealShape { groups: 2, ..shape }, false, 1.0, 0, &x, &mut to);
    assert!(to.iter().all(|&v| v == UNTOUCHED));
    for (x, weights) in [(words - 1, 5), (words, 4)] {
        let weights = vec![[Le::<u32>::new(0); 16]; weights];
        let conv = Conv::<1, 1> { format: Format::Bf16, shape, x: vec![0.0; x], weights };
        check(&conv, &[UNTOUCHED; WIDTH]).unwrap();
    }
}

/// The values behind the end of a run are read but do not count, whatever they are.
#[test]
fn a_run_ends_where_it_ends() {
    let mut x = [1.0; WIDTH + 2];
    x[3] = f32::INFINITY;
    let shape = RealShape { input: [1, WIDTH + 2, 1], kernel: [1, 3], ..pointwise(1) };
    let mut narrow = vec![UNTOUCHED; 8];
    input_to_bf16(&shape, false, &x, &mut narrow);
    let one = u32::from(to_bf16(1.0));
    let mut weights = vec![[Le::<u32>::new(0); 16]; 2];
    weights[0][0] = Le::<u32>::new(one | one << 16);
    weights[1][0] = Le::<u32>::new(one);
    let conv = Conv::<1, 1> { format: Format::Bf16, shape, x: narrow, weights };
    let mut y = [3.0; WIDTH];
    y[1..4].fill(f32::INFINITY);
    check(&conv, &y).unwrap();
}
