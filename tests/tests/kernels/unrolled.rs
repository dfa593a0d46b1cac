//! Binary convolutions whose taps are written out, as the emitter writes them.

use xnorc_runtime::{BinaryShape, Epilogue, Le, Simd, Taps, binary_conv, looped_dot, run};

use crate::binary::{Case, Padding, pack, pack_weights, reference};
use crate::harness::{Driver, Random, expect, levels, record};

/// 3x3, 128 channels, stride 1, zero padding: one run per row of the kernel.
struct Rows;

impl Taps for Rows {
    const SHAPE: BinaryShape = BinaryShape {
        n: 2,
        input: [6, 7],
        frame: [1; 4],
        channels: 128,
        groups: 1,
        output: [6, 7, 40],
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1, 1],
        zero_padding: true,
    };

    #[inline(always)]
    fn dot<S: Simd, const P: usize>(s: S, x: &[u64], w: &[[Le<u64>; 16]]) -> [S::Acc; P] {
        let mut acc = [s.acc_zero(); P];
        run::<S, P, 6, 2>(s, &mut acc, x, 0, w, 0);
        run::<S, P, 6, 2>(s, &mut acc, x, 18, w, 6);
        run::<S, P, 6, 2>(s, &mut acc, x, 36, w, 12);
        acc
    }
}

/// The same, but one word of the last row is forgotten.
struct Broken;

impl Taps for Broken {
    const SHAPE: BinaryShape = Rows::SHAPE;

    #[inline(always)]
    fn dot<S: Simd, const P: usize>(s: S, x: &[u64], w: &[[Le<u64>; 16]]) -> [S::Acc; P] {
        let mut acc = [s.acc_zero(); P];
        run::<S, P, 6, 2>(s, &mut acc, x, 0, w, 0);
        run::<S, P, 6, 2>(s, &mut acc, x, 18, w, 6);
        run::<S, P, 5, 2>(s, &mut acc, x, 36, w, 12);
        acc
    }
}

/// 2x3 with dilation, stride 2 and -1 padding: one run per tap.
struct Dilated;

impl Taps for Dilated {
    const SHAPE: BinaryShape = BinaryShape {
        n: 1,
        input: [8, 9],
        frame: [2, 2, 1, 1],
        channels: 65,
        groups: 1,
        output: [5, 4, 16],
        kernel: [2, 3],
        strides: [2, 2],
        dilations: [2, 2],
        pads: [2, 2],
        zero_padding: false,
    };

    #[inline(always)]
    fn dot<S: Simd, const P: usize>(s: S, x: &[u64], w: &[[Le<u64>; 16]]) -> [S::Acc; P] {
        let mut acc = [s.acc_zero(); P];
        run::<S, P, 2, 4>(s, &mut acc, x, 0, w, 0);
        run::<S, P, 2, 4>(s, &mut acc, x, 4, w, 2);
        run::<S, P, 2, 4>(s, &mut acc, x, 8, w, 4);
        run::<S, P, 2, 4>(s, &mut acc, x, 48, w, 6);
        run::<S, P, 2, 4>(s, &mut acc, x, 52, w, 8);
        run::<S, P, 2, 4>(s, &mut acc, x, 56, w, 10);
        acc
    }
}

/// [`Dilated`] by loops.
struct DilatedLoops;

impl Taps for DilatedLoops {
    const SHAPE: BinaryShape = Dilated::SHAPE;

    #[inline(always)]
    fn dot<S: Simd, const P: usize>(s: S, x: &[u64], w: &[[Le<u64>; 16]]) -> [S::Acc; P] {
        looped_dot::<Self, S, P>(s, x, w)
    }
}

struct Unrolled<T, const P: usize> {
    bits: Vec<u64>,
    weights: Vec<Le<u64>>,
    taps: std::marker::PhantomData<T>,
}

impl<T: Taps, const P: usize> Driver<1> for Unrolled<T, P> {
    fn output(&self) -> [usize; 4] {
        let [h, w, c] = T::SHAPE.output;
        [T::SHAPE.n, h, w, c]
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        binary_conv::<T, S, E, P>(s, &self.bits, &self.weights, epilogue);
    }
}

fn operands<T: Taps, const P: usize>(case: &Case) -> (Unrolled<T, P>, Vec<f32>) {
    assert_eq!(case.shape(), T::SHAPE);
    let (x, weights) = case.operands();
    let mut random = Random::new(9);
    let bits = pack(&case.bit_shape(), &x, &mut random);
    let packed = pack_weights(case, &weights, &mut random);
    (Unrolled { bits, weights: packed, taps: std::marker::PhantomData }, reference(case, &x, &weights))
}

fn rows() -> Case {
    Case {
        n: 2,
        size: [6, 7],
        channels: 128,
        groups: 1,
        outputs: 40,
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1; 4],
        wider: [0; 4],
        padding: Padding::Zero,
        seed: 11,
    }
}

#[test]
fn rows_of_taps() {
    let (conv, y) = operands::<Rows, 4>(&rows());
    expect::<_, 1>(&conv, &y).unwrap();
    let (conv, y) = operands::<Rows, 7>(&rows());
    expect::<_, 1>(&conv, &y).unwrap();
}

#[test]
fn dilated_taps() {
    let case = Case {
        n: 1,
        size: [8, 9],
        channels: 65,
        outputs: 16,
        kernel: [2, 3],
        strides: [2, 2],
        dilations: [2, 2],
        pads: [2, 2, 1, 1],
        padding: Padding::Minus,
        ..rows()
    };
    let (conv, y) = operands::<Dilated, 2>(&case);
    expect::<_, 1>(&conv, &y).unwrap();
    let (conv, y) = operands::<DilatedLoops, 2>(&case);
    expect::<_, 1>(&conv, &y).unwrap();
}

/// The comparison can fail: a kernel that forgets a word is caught, on every level.
#[test]
fn a_broken_kernel_is_caught() {
    let (conv, y) = operands::<Broken, 4>(&rows());
    assert!(expect::<_, 1>(&conv, &y).is_err());
    for level in levels() {
        let got = record::<_, 1>(level, &conv);
        let wrong = got.y.iter().zip(&y).filter(|(a, b)| a != b).count();
        assert!(wrong > y.len() / 2, "{}: only {wrong} of {} differ", level.name(), y.len());
    }
}
