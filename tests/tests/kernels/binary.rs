//! Binary convolution over random geometries.

use proptest::prelude::*;
use xnorc_runtime::{BinaryShape, BitShape, Epilogue, Le, Simd, binary_conv_with};

use crate::harness::{Driver, Random, expect};

/// What padded taps hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    Zero,
    Plus,
    Minus,
}

/// A random convolution; `pads` are top, left, bottom, right.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) n: usize,
    pub(crate) size: [usize; 2],
    pub(crate) channels: usize,
    pub(crate) groups: usize,
    pub(crate) outputs: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) strides: [usize; 2],
    pub(crate) dilations: [usize; 2],
    pub(crate) pads: [usize; 4],
    /// Frame beyond the padding, as another reader of the bits may need it.
    pub(crate) wider: [usize; 4],
    pub(crate) padding: Padding,
    pub(crate) seed: u64,
}

/// Extent of the output along one axis.
pub(crate) fn extent(input: usize, pads: usize, kernel: usize, stride: usize, dilation: usize) -> usize {
    (input + pads - ((kernel - 1) * dilation + 1)) / stride + 1
}

prop_compose! {
    pub(crate) fn cases()(
        n in 1..3usize,
        extra in [0..7usize, 0..7usize],
        channels in prop_oneof![1..131usize, Just(64), Just(128)],
        groups in prop_oneof![3 => Just(1usize), 1 => 2..4usize],
        outputs in prop_oneof![1..41usize, Just(16), Just(32)],
        kernel in [1..6usize, 1..6usize],
        strides in [1..4usize, 1..4usize],
        dilations in [1..3usize, 1..3usize],
        pads in [0..3usize, 0..3usize, 0..3usize, 0..3usize],
        wider in prop_oneof![3 => Just([0; 4]), 1 => [0..2usize, 0..2usize, 0..2usize, 0..2usize]],
        padding in prop_oneof![Just(Padding::Zero), Just(Padding::Plus), Just(Padding::Minus)],
        seed in any::<u64>(),
    ) -> Case {
        // Just enough input for one output, and a little more.
        let size = [0, 1].map(|i| {
            let reach = (kernel[i] - 1) * dilations[i] + 1;
            (reach.saturating_sub(pads[i] + pads[i + 2]).max(1)) + extra[i]
        });
        Case { n, size, channels, groups, outputs, kernel, strides, dilations, pads, wider, padding, seed }
    }
}

impl Case {
    pub(crate) fn output(&self) -> [usize; 4] {
        let axis = |i: usize| {
            let pads = self.pads[i] + self.pads[i + 2];
            extent(self.size[i], pads, self.kernel[i], self.strides[i], self.dilations[i])
        };
        [self.n, axis(0), axis(1), self.outputs * self.groups]
    }

    pub(crate) fn frame(&self) -> [usize; 4] {
        [0, 1, 2, 3].map(|i| self.pads[i] + self.wider[i])
    }

    pub(crate) fn shape(&self) -> BinaryShape {
        let [_, h, w, c] = self.output();
        BinaryShape {
            n: self.n,
            input: self.size,
            frame: self.frame(),
            channels: self.channels,
            groups: self.groups,
            output: [h, w, c],
            kernel: self.kernel,
            strides: self.strides,
            dilations: self.dilations,
            pads: [self.pads[0], self.pads[1]],
            zero_padding: self.padding == Padding::Zero,
        }
    }

    pub(crate) fn bit_shape(&self) -> BitShape {
        BitShape {
            n: self.n,
            h: self.size[0],
            w: self.size[1],
            c: self.channels * self.groups,
            groups: self.groups,
            frame: self.frame(),
            // Nothing of the frame may count where the padding is zero: it is the one or the other.
            frame_ones: self.padding == Padding::Plus || self.padding == Padding::Zero && self.seed % 2 == 1,
        }
    }

    /// Signs of the input, `[n][h][w][c]`, and of the weights, `[O][kh][kw][I]`.
    pub(crate) fn operands(&self) -> (Vec<bool>, Vec<bool>) {
        let mut random = Random::new(self.seed);
        let [h, w] = self.size;
        let [kh, kw] = self.kernel;
        let x = random.signs(self.n * h * w * self.channels * self.groups);
        (x, random.signs(self.outputs * self.groups * kh * kw * self.channels))
    }
}

/// The dot products, tap by tap.
pub(crate) fn reference(case: &Case, x: &[bool], weights: &[bool]) -> Vec<f32> {
    let [n, oh, ow, oc] = case.output();
    let ([h, w], [kh, kw]) = (case.size, case.kernel);
    let c = case.channels * case.groups;
    let mut y = Vec::new();
    for image in 0..n {
        for oy in 0..oh {
            for ox in 0..ow {
                for o in 0..oc {
                    let mut sum = 0i32;
                    for ky in 0..kh {
                        for kx in 0..kw {
                            let iy = (oy * case.strides[0] + ky * case.dilations[0]).wrapping_sub(case.pads[0]);
                            let ix = (ox * case.strides[1] + kx * case.dilations[1]).wrapping_sub(case.pads[1]);
                            for i in 0..case.channels {
                                let weight =
                                    if weights[((o * kh + ky) * kw + kx) * case.channels + i] { 1 } else { -1 };
                                let value = if iy < h && ix < w {
                                    let group = o / case.outputs;
                                    if x[((image * h + iy) * w + ix) * c + group * case.channels + i] { 1 } else { -1 }
                                } else {
                                    match case.padding {
                                        Padding::Zero => 0,
                                        Padding::Plus => 1,
                                        Padding::Minus => -1,
                                    }
                                };
                                sum += weight * value;
                            }
                        }
                    }
                    y.push(sum as f32);
                }
            }
        }
    }
    y
}

/// Packs signs into framed words, bit by bit; random words behind the end.
pub(crate) fn pack(shape: &BitShape, x: &[bool], random: &mut Random) -> Vec<u64> {
    let [top, left, bottom, right] = shape.frame;
    let channels = shape.c / shape.groups;
    let words = channels.div_ceil(64);
    let (height, width) = (top + shape.h + bottom, left + shape.w + right);
    let mut packed = vec![0; shape.n * height * width * shape.groups * words];
    for image in 0..shape.n {
        for y in 0..height {
            for column in 0..width {
                for c in 0..shape.c {
                    let inside = y >= top && y < top + shape.h && column >= left && column < left + shape.w;
                    let bit = if inside {
                        x[((image * shape.h + y - top) * shape.w + column - left) * shape.c + c]
                    } else {
                        shape.frame_ones
                    };
                    let (group, i) = (c / channels, c % channels);
                    let word = (((image * height + y) * width + column) * shape.groups + group) * words + i / 64;
                    packed[word] |= u64::from(bit) << (i % 64);
                }
            }
        }
    }
    packed.extend(random.words(5));
    packed
}

/// Packs weights for the kernel, bit by bit; random words behind the end.
pub(crate) fn pack_weights(case: &Case, weights: &[bool], random: &mut Random) -> Vec<Le<u64>> {
    let [kh, kw] = case.kernel;
    let (words, blocks) = (case.channels.div_ceil(64), case.outputs.div_ceil(16));
    let mut packed = vec![0u64; case.groups * blocks * kh * kw * words * 16];
    for group in 0..case.groups {
        for o in 0..case.outputs {
            for tap in 0..kh * kw {
                for i in 0..case.channels {
                    let bit = weights[((group * case.outputs + o) * kh * kw + tap) * case.channels + i];
                    let row = ((group * blocks + o / 16) * kh * kw + tap) * words + i / 64;
                    packed[row * 16 + o % 16] |= u64::from(bit) << (i % 64);
                }
            }
        }
    }
    packed.extend(random.words(7));
    packed.into_iter().map(Le::<u64>::new).collect()
}

/// The packed operands of a case and its driver.
pub(crate) struct Conv<const P: usize> {
    pub(crate) shape: BinaryShape,
    pub(crate) bits: Vec<u64>,
    pub(crate) weights: Vec<Le<u64>>,
}

impl<const P: usize> Driver<1> for Conv<P> {
    fn output(&self) -> [usize; 4] {
        let [h, w, c] = self.shape.output;
        [self.shape.n, h, w, c]
    }

    #[inline(always)]
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E) {
        binary_conv_with::<S, E, P>(s, &self.shape, &self.bits, &self.weights, epilogue);
    }
}

/// Runs a case in tiles of P pixels on all levels.
pub(crate) fn check<const P: usize>(case: &Case) -> Result<(), String> {
    let (x, weights) = case.operands();
    let y = reference(case, &x, &weights);
    let mut random = Random::new(case.seed ^ 1);
    let conv = Conv::<P> {
        shape: case.shape(),
        bits: pack(&case.bit_shape(), &x, &mut random),
        weights: pack_weights(case, &weights, &mut random),
    };
    expect::<_, 1>(&conv, &y).map_err(|e| format!("P = {P}: {e}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn binary_conv_is_exact(case in cases()) {
        for result in [check::<1>(&case), check::<3>(&case), check::<4>(&case)] {
            prop_assert!(result.is_ok(), "{}", result.unwrap_err());
        }
    }
}

/// The layers of a real network in small: every padding, one channel more and less than a word, large kernels.
#[test]
fn chosen_geometries() {
    let base = Case {
        n: 1,
        size: [7, 9],
        channels: 64,
        groups: 1,
        outputs: 16,
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1; 4],
        wider: [0; 4],
        padding: Padding::Zero,
        seed: 5,
    };
    for padding in [Padding::Zero, Padding::Plus, Padding::Minus] {
        for channels in [1, 3, 31, 33, 63, 64, 65, 100, 128, 512] {
            check::<4>(&Case { channels, padding, ..base.clone() }).unwrap();
        }
        // Borders of several pixels, and a kernel larger than the image.
        check::<2>(&Case { kernel: [7, 7], pads: [3; 4], channels: 5, padding, ..base.clone() }).unwrap();
        check::<2>(&Case { size: [2, 2], kernel: [5, 5], pads: [2, 2, 2, 2], padding, ..base.clone() }).unwrap();
        // A column that is padding altogether, on either side.
        let narrow =
            Case { size: [5, 4], kernel: [3, 1], strides: [1, 2], pads: [0, 2, 0, 1], padding, ..base.clone() };
        check::<4>(&narrow).unwrap();
        // Outputs of a group that are no multiple of 16.
        for outputs in [1, 5, 16, 17, 20] {
            check::<4>(&Case { groups: 3, channels: 33, outputs, padding, ..base.clone() }).unwrap();
        }
        // A fully connected layer over several rows.
        let rows =
            Case { size: [1, 6], kernel: [1, 1], pads: [0; 4], channels: 300, outputs: 10, padding, ..base.clone() };
        check::<4>(&rows).unwrap();
    }
}

/// Operands that do not fit: nothing is called, nothing panics.
#[test]
fn misuse_calls_nothing() {
    let case = Case {
        n: 1,
        size: [4, 4],
        channels: 64,
        groups: 1,
        outputs: 16,
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1; 4],
        wider: [0; 4],
        padding: Padding::Zero,
        seed: 3,
    };
    let shape = case.shape();
    let wrong = [
        BinaryShape { n: usize::MAX, ..shape },
        BinaryShape { input: [usize::MAX, 4], ..shape },
        BinaryShape { frame: [0; 4], ..shape },
        BinaryShape { output: [5, 4, 16], ..shape },
        BinaryShape { output: [4, 4, 33], ..shape },
        BinaryShape { output: [4, 4, 16], groups: 3, ..shape },
        BinaryShape { groups: 0, ..shape },
        BinaryShape { channels: 0, ..shape },
        BinaryShape { channels: usize::MAX, ..shape },
        BinaryShape { kernel: [0, 3], ..shape },
        BinaryShape { kernel: [usize::MAX, 3], ..shape },
        BinaryShape { strides: [usize::MAX, 1], ..shape },
        BinaryShape { dilations: [3, 1], ..shape },
        BinaryShape { dilations: [0, 1], ..shape },
        BinaryShape { pads: [2, 1], ..shape },
    ];
    let (x, weights) = case.operands();
    let mut random = Random::new(1);
    let (bits, weights) = (pack(&case.bit_shape(), &x, &mut random), pack_weights(&case, &weights, &mut random));
    struct Count(usize);
    impl Epilogue for Count {
        #[inline(always)]
        fn tile<S: Simd>(&mut self, _: S, _: S::F, _: xnorc_runtime::At) {
            self.0 += 1;
        }
    }
    struct Run<'a>(BinaryShape, &'a [u64], &'a [Le<u64>]);
    impl xnorc_runtime::Kernel for Run<'_> {
        type Output = usize;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> usize {
            let mut count = Count(0);
            binary_conv_with::<S, _, 4>(s, &self.0, self.1, self.2, &mut count);
            count.0
        }
    }
    for level in crate::harness::levels() {
        let run = |shape, bits, weights| xnorc_runtime::dispatch_at(level, Run(shape, bits, weights));
        assert_eq!(run(shape, &bits, &weights), 16);
        assert_eq!(run(shape, &bits[..shape.image_words() - 1], &weights), 0);
        assert_eq!(run(shape, &bits, &weights[..9 * 16 - 1]), 0);
        assert_eq!(run(shape, &[], &[]), 0);
        for shape in wrong {
            assert_eq!(run(shape, &bits, &weights), 0, "{shape:?}");
        }
    }
}
