//! Times whole layers: `cargo run --release -p xnorc-runtime --example layers [level]`.
//!
//! The 3x3 layers are those of a binary ResNet-18 at 224, 115.6 million MAC each, with what surrounds them in a
//! half-block: scale, PReLU, skip, gate sums, sign bits of the next layer. The real-valued ones are its stem and its
//! shortcuts.

use std::hint::black_box;
use std::time::Instant;

use xnorc_runtime::{
    At, BinaryShape, BitShape, BitsMut, Epilogue, Kernel, Le, Level, PerChannel, PerImage, RealShape, RowSum, Simd,
    Taps, binary_conv, dispatch, force_level, level, load_tile, prelu, real_conv, relu, store_tile,
};

/// v * (scale * gate), PReLU, + skip, store, sum, sign.
struct HalfBlock<'a> {
    factor: PerImage<'a>,
    slope: PerChannel<'a>,
    low: PerChannel<'a>,
    high: PerChannel<'a>,
    y: &'a mut [f32],
    c: usize,
    sums: RowSum<'a>,
    bits: BitsMut<'a>,
    next: BitShape,
}

impl Epilogue for HalfBlock<'_> {
    #[inline(always)]
    fn start_row<S: Simd>(&mut self, s: S, at: At) {
        self.factor.start_row(s, at);
        self.slope.start_row(s, at);
        self.low.start_row(s, at);
        self.high.start_row(s, at);
    }

    #[inline(always)]
    fn tile<S: Simd>(&mut self, s: S, v: S::F, at: At) {
        let v = s.mul(v, self.factor.get(s));
        let v = prelu(s, v, self.slope.get(s));
        let v = s.add(v, load_tile(s, self.y, self.c, at));
        store_tile(s, self.y, self.c, at, v);
        self.sums.add(s, at, v);
        self.bits.set(&self.next, at, s.within(v, self.low.get(s), self.high.get(s)));
    }

    #[inline(always)]
    fn end_row<S: Simd>(&mut self, s: S, at: At) {
        self.sums.end_row(s, at);
    }
}

/// 3x3, stride 1, zero padding, `64 * W` channels in and out, `SIZE` pixels square.
struct Square<const W: usize, const SIZE: usize>;

impl<const W: usize, const SIZE: usize> Taps for Square<W, SIZE> {
    const SHAPE: BinaryShape = BinaryShape {
        n: 1,
        input: [SIZE, SIZE],
        frame: [1; 4],
        channels: 64 * W,
        groups: 1,
        output: [SIZE, SIZE, 64 * W],
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1, 1],
        zero_padding: true,
    };
}

struct Binary<'a, const W: usize, const SIZE: usize, const P: usize> {
    bits: &'a [u64],
    weights: &'a [Le<u64>],
    parameters: &'a [Le<f32>],
    gate: &'a [f32],
    y: &'a mut [f32],
    sums: &'a mut [f32],
    next: &'a mut [u64],
}

impl<const W: usize, const SIZE: usize, const P: usize> Kernel for Binary<'_, W, SIZE, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let c = 64 * W;
        let next = BitShape { n: 1, h: SIZE, w: SIZE, c, groups: 1, frame: [1; 4], frame_ones: false };
        let mut epilogue = HalfBlock {
            factor: PerImage::scaled(self.gate, &self.parameters[..c], c),
            slope: PerChannel::new(&self.parameters[c..2 * c]),
            low: PerChannel::new(&self.parameters[2 * c..3 * c]),
            high: PerChannel::new(&self.parameters[3 * c..]),
            y: self.y,
            c,
            sums: RowSum::new(self.sums, c),
            bits: BitsMut::new(self.next, &next),
            next,
        };
        binary_conv::<Square<W, SIZE>, S, _, P>(s, self.bits, self.weights, &mut epilogue);
    }
}

struct Real<'a, const P: usize, const V: usize> {
    shape: RealShape,
    x: &'a [f32],
    weights: &'a [Le<f32>],
    y: &'a mut [f32],
}

struct StoreRelu<'a>(&'a mut [f32], usize);

impl Epilogue for StoreRelu<'_> {
    #[inline(always)]
    fn tile<S: Simd>(&mut self, s: S, v: S::F, at: At) {
        store_tile(s, self.0, self.1, at, relu(s, v));
    }
}

impl<const P: usize, const V: usize> Kernel for Real<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        real_conv::<S, _, P, V>(s, &self.shape, self.x, self.weights, &mut StoreRelu(self.y, self.shape.output[2]));
    }
}

/// The least time of several runs, in milliseconds.
fn time(mut f: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..40 {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    best
}

fn binary<const W: usize, const SIZE: usize, const P: usize>() {
    let c = 64 * W;
    let mut seed = 1u64;
    let mut word = || {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        seed ^ seed >> 29
    };
    let bits: Vec<u64> = (0..(SIZE + 2) * (SIZE + 2) * W).map(|_| word()).collect();
    let weights: Vec<Le<u64>> = (0..9 * W * c).map(|_| Le::<u64>::new(word())).collect();
    let parameters = vec![Le::<f32>::new(0.01); 4 * c];
    let gate = vec![0.5; c];
    let (mut y, mut sums) = (vec![0.0; SIZE * SIZE * c], vec![0.0; c]);
    let mut next = vec![0; (SIZE + 2) * (SIZE + 2) * W];
    let ms = time(|| {
        dispatch(Binary::<W, SIZE, P> {
            bits: black_box(&bits),
            weights: black_box(&weights),
            parameters: black_box(&parameters),
            gate: black_box(&gate),
            y: &mut y,
            sums: &mut sums,
            next: &mut next,
        });
        black_box(&next);
    });
    let gmacs = (SIZE * SIZE * c * c * 9) as f64 / ms / 1e6;
    println!("binary 3x3 {SIZE:>3}x{SIZE:<3} {c:>3} channels  P = {P:<2} {ms:8.4} ms  {gmacs:7.1} GMAC/s");
}

fn real<const P: usize, const V: usize>(name: &str, shape: RealShape) {
    let [h, w, c] = shape.input;
    let [oh, ow, oc] = shape.output;
    let x = vec![0.5f32; h * w * c];
    let taps = shape.kernel[0] * shape.kernel[1] * c;
    let weights = vec![Le::<f32>::new(0.25); taps * oc.div_ceil(16) * 16];
    let mut y = vec![0.0; oh * ow * oc];
    let ms = time(|| {
        dispatch(Real::<P, V> { shape, x: black_box(&x), weights: black_box(&weights), y: &mut y });
        black_box(&y);
    });
    let gmacs = (oh * ow * oc * taps) as f64 / ms / 1e6;
    println!("real {name:<28} P = {P:<2} V = {V}  {ms:8.4} ms  {gmacs:7.1} GMAC/s");
}

macro_rules! tiles {
    ($function:ident::<$w:literal, $size:literal>: $($p:literal)*) => { $($function::<$w, $size, $p>();)* };
    ($function:ident($name:literal, $shape:expr): $($p:literal x $v:literal),*) => { $($function::<$p, $v>($name, $shape);)* };
}

fn main() {
    if let Some(name) = std::env::args().nth(1) {
        let wanted = Level::from_name(&name).expect("portable, popcnt, avx2 or avx512");
        force_level(Some(wanted));
    }
    println!("level: {}", level().name());
    tiles!(binary::<1, 56>: 1 2 4 7);
    tiles!(binary::<2, 28>: 1 2 4 7);
    tiles!(binary::<4, 14>: 1 2 4 7);
    tiles!(binary::<8, 7>: 1 2 4 7);
    let square = |size: usize, c: usize, out: usize, oc: usize, k: usize, stride: usize, pad: usize| RealShape {
        n: 1,
        input: [size, size, c],
        output: [out, out, oc],
        kernel: [k, k],
        strides: [stride, stride],
        dilations: [1, 1],
        pads: [pad, pad],
        groups: 1,
    };
    let stem = square(224, 3, 112, 64, 7, 2, 3);
    tiles!(real("stem 7x7/2 224 3 -> 64", stem): 6 x 1, 12 x 1, 6 x 2);
    tiles!(real("1x1 28x28 64 -> 128", square(28, 64, 28, 128, 1, 1, 0)): 6 x 1, 7 x 1, 14 x 1);
    tiles!(real("1x1 7x7 256 -> 512", square(7, 256, 7, 512, 1, 1, 0)): 6 x 1, 7 x 1, 7 x 2);
    tiles!(real("fully connected 512 -> 1000", square(1, 512, 1, 1000, 1, 1, 0)): 1 x 1, 1 x 4);
}
