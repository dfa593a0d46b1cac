//! Binary convolutions of a geometry known at compile time, as the emitter writes them.

use xnorc_runtime::{BinaryShape, Epilogue, Le, Simd, Taps, binary_conv};

use crate::binary::{Case, Padding, pack, pack_weights, reference};
use crate::harness::{Driver, Random, expect, levels, record};

/// 3x3, 128 channels, stride 1, zero padding.
struct Padded;

impl Taps for Padded {
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
}

/// The same, but the taps above and left of each pixel are taken from one pixel further left.
struct Broken;

impl Taps for Broken {
    const SHAPE: BinaryShape = BinaryShape { frame: [1, 2, 1, 0], ..Padded::SHAPE };
}

/// 2x3 with dilation, stride 2 and -1 padding.
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
}

struct Constant<T, const P: usize> {
    bits: Vec<u64>,
    weights: Vec<Le<u64>>,
    taps: std::marker::PhantomData<T>,
}

impl<T: Taps, const P: usize> Driver<1> for Constant<T, P> {
    fn output(&self) -> [usize; 4] {
        let [h, w, c] = T::SHAPE.output;
        [T::SHAPE.n, h, w, c]
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        binary_conv::<T, S, E, P>(s, &self.bits, &self.weights, epilogue);
    }
}

fn operands<T: Taps, const P: usize>(case: &Case) -> (Constant<T, P>, Vec<f32>) {
    assert_eq!(BinaryShape { frame: case.frame(), ..T::SHAPE }, case.shape());
    let (x, weights) = case.operands();
    let mut random = Random::new(9);
    let bits = pack(&case.bit_shape(), &x, &mut random);
    let packed = pack_weights(case, &weights, &mut random);
    (Constant { bits, weights: packed, taps: std::marker::PhantomData }, reference(case, &x, &weights))
}

fn padded() -> Case {
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
fn padded_taps() {
    let (conv, y) = operands::<Padded, 4>(&padded());
    expect::<_, 1>(&conv, &y).unwrap();
    let (conv, y) = operands::<Padded, 7>(&padded());
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
        ..padded()
    };
    let (conv, y) = operands::<Dilated, 2>(&case);
    expect::<_, 1>(&conv, &y).unwrap();
}

/// The comparison can fail: a kernel that looks beside the pixel is caught, on every level.
#[test]
fn a_broken_kernel_is_caught() {
    let (conv, y) = operands::<Broken, 4>(&padded());
    assert!(expect::<_, 1>(&conv, &y).is_err());
    for level in levels() {
        let got = record::<_, 1>(level, &conv);
        let wrong = got.y.iter().zip(&y).filter(|(a, b)| a != b).count();
        assert!(wrong > y.len() / 2, "{}: only {wrong} of {} differ", level.name(), y.len());
    }
}
