//! Times the runtime's kernels on the layers of a binary ResNet-18 at 224: `cargo bench -p xnorc-tests --bench kernels`
//!
//! Each kernel's result is compared with a naive one before anything is timed. The rates are multiply-accumulates a
//! second; for packing, elements a second.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use xnorc_runtime::{
    At, BinaryShape, BitShape, BitsMut, Epilogue, Kernel, Le, RealShape, Simd, Taps, binary_conv, dispatch, level,
    load_channels, map, real_conv, store_tile,
};

/// Writes what the driver gives.
struct Store<'a> {
    y: &'a mut [f32],
    c: usize,
}

impl Epilogue for Store<'_> {
    #[inline(always)]
    fn tile<S: Simd>(&mut self, s: S, v: S::F, at: At) {
        store_tile(s, self.y, self.c, at, v);
    }
}

/// A fixed sequence of words (a linear congruential generator's, high bits folded down).
fn words(len: usize) -> impl Iterator<Item = u64> {
    let mut state = 1u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        state ^ state >> 29
    })
    .take(len)
}

/// In -1..1.
fn floats(len: usize) -> Vec<f32> {
    words(len).map(|word| (word >> 40) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// 3x3, stride 1, zero padding, `64 * W` channels in and out, `SIDE` pixels square.
struct Square<const W: usize, const SIDE: usize>;

impl<const W: usize, const SIDE: usize> Taps for Square<W, SIDE> {
    const SHAPE: BinaryShape = BinaryShape {
        n: 1,
        input: [SIDE, SIDE],
        frame: [1; 4],
        channels: 64 * W,
        groups: 1,
        output: [SIDE, SIDE, 64 * W],
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1, 1],
        zero_padding: true,
    };
}

struct Binary<'a, const W: usize, const SIDE: usize> {
    bits: &'a [u64],
    weights: &'a [Le<u64>],
    y: &'a mut [f32],
}

impl<const W: usize, const SIDE: usize> Kernel for Binary<'_, W, SIDE> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut store = Store { y: self.y, c: 64 * W };
        binary_conv::<Square<W, SIDE>, S, _, 7>(s, self.bits, self.weights, &mut store);
    }
}

/// Sums over the taps inside the picture, one word after the other.
fn naive_binary<const W: usize, const SIDE: usize>(bits: &[u64], weights: &[u64]) -> Vec<f32> {
    let c = 64 * W;
    let mut y = Vec::with_capacity(SIDE * SIDE * c);
    for (oy, ox, o) in (0..SIDE * SIDE * c).map(|i| (i / c / SIDE, i / c % SIDE, i % c)) {
        let mut sum = 0;
        for (ky, kx) in (0..9).map(|tap| (tap / 3, tap % 3)) {
            // In the frame's coordinates the picture is 1..=SIDE.
            let (iy, ix) = (oy + ky, ox + kx);
            if !(1..=SIDE).contains(&iy) || !(1..=SIDE).contains(&ix) {
                continue;
            }
            for word in 0..W {
                let x = bits[(iy * (SIDE + 2) + ix) * W + word];
                let w = weights[((o / 16 * 9 + ky * 3 + kx) * W + word) * 16 + o % 16];
                sum += 64 - 2 * (x ^ w).count_ones() as i32;
            }
        }
        y.push(sum as f32);
    }
    y
}

fn binary<const W: usize, const SIDE: usize>(criterion: &mut Criterion) {
    let c = 64 * W;
    let inside = |i: usize| (1..=SIDE).contains(&i);
    let bits: Vec<u64> = words((SIDE + 2) * (SIDE + 2) * W)
        .enumerate()
        .map(|(i, word)| if inside(i / W / (SIDE + 2)) && inside(i / W % (SIDE + 2)) { word } else { 0 })
        .collect();
    let plain: Vec<u64> = words(9 * W * c).map(|word| word.rotate_left(17)).collect();
    let weights: Vec<Le<u64>> = plain.iter().map(|&word| Le::<u64>::new(word)).collect();
    let mut y = vec![f32::NAN; SIDE * SIDE * c];
    dispatch(Binary::<W, SIDE> { bits: &bits, weights: &weights, y: &mut y });
    assert_eq!(y, naive_binary::<W, SIDE>(&bits, &plain), "{SIDE}x{SIDE}x{c}");
    let mut group = criterion.benchmark_group("binary 3x3");
    group.throughput(Throughput::Elements((SIDE * SIDE * c * c * 9) as u64));
    group.bench_function(format!("{SIDE}x{SIDE}x{c}"), |bencher| {
        bencher.iter(|| {
            dispatch(Binary::<W, SIDE> { bits: black_box(&bits), weights: black_box(&weights), y: &mut y });
        });
    });
    group.finish();
}

struct Real<'a, const P: usize, const V: usize> {
    shape: RealShape,
    x: &'a [f32],
    weights: &'a [Le<f32>],
    y: &'a mut [f32],
}

impl<const P: usize, const V: usize> Kernel for Real<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut store = Store { y: self.y, c: self.shape.output[2] };
        real_conv::<S, _, P, V>(s, &self.shape, self.x, self.weights, &mut store);
    }
}

/// Fused multiply-adds in the order of the taps, those inside the picture.
fn naive_real(shape: &RealShape, x: &[f32], weights: &[f32]) -> Vec<f32> {
    let ([h, w, c], [oh, ow, oc], [kh, kw]) = (shape.input, shape.output, shape.kernel);
    let mut y = Vec::with_capacity(oh * ow * oc);
    for (oy, ox, o) in (0..oh * ow * oc).map(|i| (i / oc / ow, i / oc % ow, i % oc)) {
        let mut sum = 0.0f32;
        for (ky, kx) in (0..kh * kw).map(|tap| (tap / kw, tap % kw)) {
            let iy = (oy * shape.strides[0] + ky).wrapping_sub(shape.pads[0]);
            let ix = (ox * shape.strides[1] + kx).wrapping_sub(shape.pads[1]);
            if iy >= h || ix >= w {
                continue;
            }
            for i in 0..c {
                let weight = weights[(((o / 16 * kh + ky) * kw + kx) * c + i) * 16 + o % 16];
                sum = x[(iy * w + ix) * c + i].mul_add(weight, sum);
            }
        }
        y.push(sum);
    }
    y
}

fn real<const P: usize, const V: usize>(criterion: &mut Criterion, name: &str, shape: RealShape) {
    let ([h, w, c], [oh, ow, oc], [kh, kw]) = (shape.input, shape.output, shape.kernel);
    let x = floats(h * w * c);
    // Lanes behind the last channel are zero.
    let plain: Vec<f32> = floats(oc.div_ceil(16) * kh * kw * c * 16)
        .iter()
        .enumerate()
        .map(|(i, &v)| if i / (kh * kw * c * 16) * 16 + i % 16 < oc { v } else { 0.0 })
        .collect();
    let weights: Vec<Le<f32>> = plain.iter().map(|&v| Le::<f32>::new(v)).collect();
    let mut y = vec![f32::NAN; oh * ow * oc];
    dispatch(Real::<P, V> { shape, x: &x, weights: &weights, y: &mut y });
    assert_eq!(y, naive_real(&shape, &x, &plain), "{name}");
    let mut group = criterion.benchmark_group("real");
    group.throughput(Throughput::Elements((oh * ow * oc * kh * kw * c) as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            dispatch(Real::<P, V> { shape, x: black_box(&x), weights: black_box(&weights), y: &mut y });
        });
    });
    group.finish();
}

/// Signs by a threshold per channel, packed: what a binary layer behind a real-valued tensor begins with.
struct Pack<'a> {
    shape: BitShape,
    x: &'a [f32],
    thresholds: &'a [Le<f32>],
    bits: &'a mut [u64],
}

struct Signs<'a> {
    shape: BitShape,
    thresholds: &'a [Le<f32>],
    bits: BitsMut<'a>,
}

impl Epilogue for Signs<'_> {
    #[inline(always)]
    fn tile<S: Simd>(&mut self, s: S, v: S::F, at: At) {
        self.bits.set(&self.shape, at, s.ge(v, load_channels(s, self.thresholds, at.channel)));
    }
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let BitShape { n, h, w, c, .. } = self.shape;
        let mut signs =
            Signs { shape: self.shape, thresholds: self.thresholds, bits: BitsMut::new(self.bits, &self.shape) };
        map(s, n, h, w, c, self.x, &mut signs);
    }
}

fn pack(criterion: &mut Criterion) {
    let shape = BitShape { n: 1, h: 56, w: 56, c: 64, groups: 1, frame: [1; 4], frame_ones: false };
    let x = floats(shape.h * shape.w * shape.c);
    let plain: Vec<f32> = floats(shape.c).iter().map(|v| v / 4.0).collect();
    let thresholds: Vec<Le<f32>> = plain.iter().map(|&v| Le::<f32>::new(v)).collect();
    let mut bits = vec![u64::MAX; shape.len()];
    dispatch(Pack { shape, x: &x, thresholds: &thresholds, bits: &mut bits });
    for (pixel, values) in x.chunks_exact(shape.c).enumerate() {
        let word = values.iter().zip(&plain).enumerate().fold(0, |word, (i, (v, t))| word | u64::from(v >= t) << i);
        assert_eq!(bits[(pixel / 56 + 1) * 58 + pixel % 56 + 1], word, "pixel {pixel}");
    }
    let mut group = criterion.benchmark_group("pack");
    group.throughput(Throughput::Elements(x.len() as u64));
    group.bench_function("56x56x64", |bencher| {
        bencher.iter(|| dispatch(Pack { shape, x: black_box(&x), thresholds: &thresholds, bits: &mut bits }));
    });
    group.finish();
}

fn square(side: usize, c: usize, out: usize, oc: usize, kernel: usize, stride: usize, pad: usize) -> RealShape {
    RealShape {
        n: 1,
        input: [side, side, c],
        output: [out, out, oc],
        kernel: [kernel; 2],
        strides: [stride; 2],
        dilations: [1; 2],
        pads: [pad; 2],
        groups: 1,
    }
}

fn kernels(criterion: &mut Criterion) {
    eprintln!("level: {}", level().name());
    binary::<1, 56>(criterion);
    binary::<2, 28>(criterion);
    binary::<4, 14>(criterion);
    binary::<8, 7>(criterion);
    real::<6, 2>(criterion, "stem 7x7/2 224x224x3 to 64", square(224, 3, 112, 64, 7, 2, 3));
    real::<7, 1>(criterion, "1x1 28x28x64 to 128", square(28, 64, 28, 128, 1, 1, 0));
    real::<7, 1>(criterion, "1x1 7x7x256 to 512", square(7, 256, 7, 512, 1, 1, 0));
    real::<1, 4>(criterion, "fully connected 512 to 1000", square(1, 512, 1, 1000, 1, 1, 0));
    pack(criterion);
}

criterion_group!(benches, kernels);
criterion_main!(benches);
