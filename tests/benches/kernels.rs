//! Times the real-valued layers of a binary ResNet-18 at 224: `cargo bench -p xnorc-tests --bench kernels`
//!
//! These are the kernels that stand in the runtime; what the compiler writes out is timed by `xnorc bench`. Each kernel's result
//! is compared with a naive one before anything is timed. The rates are multiply-accumulates a second.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use xnorc_runtime::{Kernel, Le, RealShape, Simd, dispatch, level, real_conv_row};

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

/// A layer whose rows are of W pixels.
struct Real<'a, const P: usize, const V: usize, const W: usize> {
    shape: RealShape,
    x: &'a [f32],
    weights: &'a [[Le<f32>; 16]],
    y: &'a mut [f32],
}

impl<const P: usize, const V: usize, const W: usize> Kernel for Real<'_, P, V, W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [height, _, c] = self.shape.output;
        let mut row = [[[0.0; 16]; W]; V];
        for block in (0..c.div_ceil(16)).step_by(V) {
            for y in 0..height {
                real_conv_row::<S, P, V, false, W>(s, &self.shape, self.x, self.weights, block, y, &mut row);
                for (block, values) in (block..).zip(&row) {
                    for (values, pixel) in values.iter().zip(self.y[y * W * c..].chunks_exact_mut(c)) {
                        let pixel = &mut pixel[block * 16..];
                        let here = pixel.len().min(16);
                        pixel[..here].copy_from_slice(&values[..here]);
                    }
                }
            }
        }
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

fn real<const P: usize, const V: usize, const W: usize>(criterion: &mut Criterion, name: &str, shape: RealShape) {
    let ([h, w, c], [oh, ow, oc], [kh, kw]) = (shape.input, shape.output, shape.kernel);
    let x = floats(h * w * c);
    // Lanes behind the last channel are zero.
    let plain: Vec<f32> = floats(oc.div_ceil(16) * kh * kw * c * 16)
        .iter()
        .enumerate()
        .map(|(i, &v)| if i / (kh * kw * c * 16) * 16 + i % 16 < oc { v } else { 0.0 })
        .collect();
    let weights: Vec<[Le<f32>; 16]> = plain.as_chunks().0.iter().map(|row| row.map(Le::<f32>::new)).collect();
    let mut y = vec![f32::NAN; oh * ow * oc];
    dispatch(Real::<P, V, W> { shape, x: &x, weights: &weights, y: &mut y });
    assert_eq!(y, naive_real(&shape, &x, &plain), "{name}");
    let mut group = criterion.benchmark_group("real");
    group.throughput(Throughput::Elements((oh * ow * oc * kh * kw * c) as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            dispatch(Real::<P, V, W> { shape, x: black_box(&x), weights: black_box(&weights), y: &mut y });
        });
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
    real::<6, 2, 112>(criterion, "stem 7x7/2 224x224x3 to 64", square(224, 3, 112, 64, 7, 2, 3));
    real::<7, 1, 28>(criterion, "1x1 28x28x64 to 128", square(28, 64, 28, 128, 1, 1, 0));
    real::<7, 1, 7>(criterion, "1x1 7x7x256 to 512", square(7, 256, 7, 512, 1, 1, 0));
    real::<1, 3, 1>(criterion, "fully connected 512 to 1000", square(1, 512, 1, 1000, 1, 1, 0));
}

criterion_group!(benches, kernels);
criterion_main!(benches);
