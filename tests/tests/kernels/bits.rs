//! Packing of signs, their frame, and pooling of bits.

use std::ops::Range;

use proptest::prelude::*;
use xnorc_runtime::{At, BitShape, BitsMut, Kernel, Simd, bit_max_pool, dispatch_at};

use crate::binary::{extent, pack};
use crate::harness::{Random, levels};

prop_compose! {
    fn shapes()(
        n in 1..3usize,
        h in 1..5usize,
        w in 1..5usize,
        channels in prop_oneof![1..131usize, Just(16), Just(48), Just(64), Just(128)],
        groups in prop_oneof![2 => Just(1usize), 1 => 2..4usize],
        frame in [0..3usize, 0..3usize, 0..3usize, 0..3usize],
        frame_ones in any::<bool>(),
    ) -> BitShape {
        BitShape { n, h, w, c: channels * groups, groups, frame, frame_ones }
    }
}

/// Writes signs tile by tile, as an epilogue does, in bands of rows; garbage in the lanes behind the last channel.
fn write(shape: BitShape, x: &[bool], words: &mut [u64], random: &mut Random) {
    let rows = shape.n * shape.h;
    let (mut rest, mut start) = (BitsMut::new(words, &shape), 0);
    while start < rows {
        let count = 1 + random.word() as usize % (rows - start);
        let (band, below) = rest.cut(&shape, start, count);
        write_band(shape, x, band, start..start + count, random);
        (rest, start) = (below, start + count);
    }
}

fn write_band(shape: BitShape, x: &[bool], mut bits: BitsMut<'_>, rows: Range<usize>, random: &mut Random) {
    for channel in (0..shape.c).step_by(16) {
        for pixel in rows.start * shape.w..rows.end * shape.w {
            let (image, y, column) = (pixel / (shape.h * shape.w), pixel / shape.w % shape.h, pixel % shape.w);
            let row = pixel / shape.w - rows.start;
            let mut mask = random.word() as u16;
            for i in 0..16.min(shape.c - channel) {
                let bit = x[pixel * shape.c + channel + i];
                mask = mask & !(1 << i) | u16::from(bit) << i;
            }
            bits.set(&shape, At { image, y, x: column, row, pixel: row * shape.w + column, channel }, mask);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tiles_become_words(shape in shapes(), seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let x = random.signs(shape.n * shape.h * shape.w * shape.c);
        let expected = pack(&shape, &x, &mut random);
        prop_assert_eq!(expected.len(), shape.len() + 5);
        // The buffer was used before, and goes on behind the end.
        let mut words = random.words(shape.len());
        words.extend(&expected[shape.len()..]);
        write(shape, &x, &mut words, &mut random);
        prop_assert_eq!(words, expected);
    }

    #[test]
    fn bit_max_pool_is_the_maximum(
        shape in shapes(),
        out_frame in [0..3usize, 0..3usize, 0..3usize, 0..3usize],
        kernel in [1..4usize, 1..4usize],
        strides in [1..3usize, 1..3usize],
        pads in [0..2usize, 0..2usize],
        regroup in any::<bool>(),
        seed in any::<u64>(),
    ) {
        prop_assume!(shape.h + pads[0] >= kernel[0] && shape.w + pads[1] >= kernel[1]);
        prop_assume!(pads[0] < kernel[0] && pads[1] < kernel[1]);
        let mut random = Random::new(seed);
        let x = random.signs(shape.n * shape.h * shape.w * shape.c);
        let h = extent(shape.h, pads[0], kernel[0], strides[0], 1);
        let w = extent(shape.w, pads[1], kernel[1], strides[1], 1);
        let groups = if regroup { 1 } else { shape.groups };
        let out_shape = BitShape { h, w, groups, frame: out_frame, ..shape };
        let mut y = Vec::new();
        for pixel in 0..shape.n * h * w {
            let (image, oy, ox) = (pixel / (h * w), pixel / w % h, pixel % w);
            for c in 0..shape.c {
                let tap = |ky: usize, kx: usize| {
                    let iy = (oy * strides[0] + ky).wrapping_sub(pads[0]);
                    let ix = (ox * strides[1] + kx).wrapping_sub(pads[1]);
                    iy < shape.h && ix < shape.w && x[((image * shape.h + iy) * shape.w + ix) * shape.c + c]
                };
                y.push((0..kernel[0]).any(|ky| (0..kernel[1]).any(|kx| tap(ky, kx))));
            }
        }
        let expected = pack(&out_shape, &y, &mut random);
        let input = pack(&shape, &x, &mut random);
        let mut words = random.words(out_shape.len());
        words.extend(&expected[out_shape.len()..]);
        bit_max_pool(&input, shape, &mut words, out_shape, kernel, strides, [1, 1], pads);
        prop_assert_eq!(words, expected);
    }
}

#[test]
fn short_buffers_stay_as_they_are() {
    let shape = BitShape { n: 1, h: 2, w: 2, c: 70, groups: 1, frame: [1; 4], frame_ones: true };
    let mut words = vec![7; shape.len() - 1];
    let mut bits = BitsMut::new(&mut words, &shape);
    bits.set(&shape, At { image: 0, y: 0, x: 0, row: 0, pixel: 0, channel: 0 }, 0xffff);
    assert!(words.iter().all(|&word| word == 7));
    let mut words = vec![7; shape.len()];
    let mut bits = BitsMut::new(&mut words, &shape);
    // Far outside: nothing happens.
    bits.set(&shape, At { image: 9, y: 0, x: 0, row: 18, pixel: 0, channel: 0 }, 0xffff);
    bits.set(&shape, At { image: 0, y: 0, x: 0, row: 0, pixel: 0, channel: 96 }, 0xffff);
    let far = usize::MAX - 5;
    bits.set(&shape, At { image: far, y: far, x: far, row: far, pixel: far, channel: far }, 0xffff);
    let empty = pack(&shape, &[false; 4 * 70], &mut Random::new(0));
    assert_eq!(words, empty[..shape.len()]);
}

/// Comparison to mask to bits, with the special values, as thresholds do it.
#[test]
fn comparisons_agree_on_every_level() {
    struct Compare([f32; 16], [f32; 16]);
    impl Kernel for Compare {
        type Output = ([u16; 3], [[f32; 16]; 4]);
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Self::Output {
            let (a, b) = (s.load(&self.0), s.load(&self.1));
            let masks = [s.ge(a, b), s.le(a, b), s.lt(a, b)];
            let select = s.select(0b1010_0110_0101_1100, a, b);
            let values = [s.min(a, b), s.max(a, b), select, s.select_negative(a, b, a)];
            (masks, values.map(|v| s.to_array(v)))
        }
    }
    let special = [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-45];
    for shift in 0..8 {
        let a: [f32; 16] = std::array::from_fn(|i| special[i % 8]);
        let b: [f32; 16] = std::array::from_fn(|i| special[(i + shift + i / 8) % 8]);
        let mask = |f: fn(&f32, &f32) -> bool| (0..16).fold(0u16, |m, i| m | u16::from(f(&a[i], &b[i])) << i);
        let lanes =
            |f: fn(f32, f32, usize) -> f32| -> [u32; 16] { std::array::from_fn(|i| f(a[i], b[i], i).to_bits()) };
        let values = [
            lanes(|a, b, _| if a < b { a } else { b }),
            lanes(|a, b, _| if a > b { a } else { b }),
            lanes(|a, b, i| if 0b1010_0110_0101_1100 >> i & 1 == 1 { a } else { b }),
            lanes(|a, b, _| if a < 0.0 { b } else { a }),
        ];
        for level in levels() {
            let (masks, got) = dispatch_at(level, Compare(a, b));
            assert_eq!(masks, [mask(f32::ge), mask(f32::le), mask(f32::lt)], "{}", level.name());
            assert_eq!(got.map(|v| v.map(f32::to_bits)), values, "{}", level.name());
        }
    }
}
