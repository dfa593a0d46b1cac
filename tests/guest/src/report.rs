//! What is computed: the same on every processor, and printed to the bit.

use core::fmt::{Result, Write};

use xnorc_runtime::{
    At, BinaryShape, Epilogue, Kernel, Le, Level, RealShape, Simd, binary_conv_with, dispatch_at, force_level, level,
    math, real_conv,
};

/// Numbers that only depend on the seed (xorshift64*).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        ((self.word() >> 33) as usize) % end
    }

    /// In -2..2, with a full mantissa.
    fn float(&mut self) -> f32 {
        ((self.word() >> 11) as f64 / (1u64 << 51) as f64 - 2.0) as f32
    }

    /// Any float at all, above all those where rounding is hard.
    fn wild(&mut self) -> f32 {
        const SPECIAL: [f32; 12] = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            f32::MIN_POSITIVE,
            f32::from_bits(1),
            f32::from_bits(0x807f_ffff),
            f32::MAX,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            f32::EPSILON,
        ];
        match self.below(8) {
            0 => SPECIAL[self.below(SPECIAL.len())],
            // Few bits: products and sums that are exact, or lie in the middle between two floats.
            1..=3 => {
                let bits = 1 << self.below(24);
                let exponent = 90 + self.below(74) as u32;
                f32::from_bits(exponent << 23 | (bits as u32) >> 1 | (self.word() as u32 & 1) << 31)
            }
            // Near the smallest.
            4 => f32::from_bits((self.word() as u32 & 0x8000_0000) | self.below(0x0180_0000) as u32),
            _ => f32::from_bits(self.word() as u32),
        }
    }
}

/// FNV-1a.
struct Hash(u64);

impl Hash {
    fn new() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    fn word(&mut self, x: u32) {
        for byte in x.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The bits, but those of NaN, which are open.
    fn float(&mut self, x: f32) {
        self.word(if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() });
    }
}

/// Hashes what a driver gives, in the order in which it does.
struct Hashed(Hash, usize);

impl Epilogue for Hashed {
    #[inline(always)]
    fn tile<S: Simd>(&mut self, s: S, v: S::F, at: At) {
        for lane in s.to_array(v).into_iter().take(self.1.saturating_sub(at.channel)) {
            self.0.float(lane);
        }
        self.0.word(u32::from(s.ge(v, s.splat(0.5))));
    }
}

/// Every operation of the vector trait.
struct Operations([f32; 16], [f32; 16], [f32; 16], u16);

const OPERATIONS: [&str; 14] = [
    "splat",
    "add",
    "sub",
    "mul",
    "div",
    "min",
    "max",
    "fma",
    "ge",
    "le",
    "lt",
    "select",
    "select_negative",
    "load_le",
];

impl Kernel for Operations {
    type Output = [[f32; 16]; OPERATIONS.len()];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let Operations(a, b, c, mask) = self;
        let stored: [Le<f32>; 16] = core::array::from_fn(|i| Le::<f32>::new(a[i]));
        let (a, b, c) = (s.from_array(a), s.from_array(b), s.from_array(c));
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        [
            s.splat(s.to_array(a)[0]),
            s.add(a, b),
            s.sub(a, b),
            s.mul(a, b),
            s.div(a, b),
            s.min(a, b),
            s.max(a, b),
            s.fma(a, b, c),
            s.select(s.ge(a, b), one, zero),
            s.select(s.le(a, b), one, zero),
            s.select(s.lt(a, b), one, zero),
            s.select(mask, a, b),
            s.select_negative(a, b, c),
            s.load_le(&stored),
        ]
        .map(|v| s.to_array(v))
    }
}

fn operations(out: &mut dyn Write, level: Level) -> Result {
    let mut random = Random(7);
    let mut hashes = OPERATIONS.map(|_| Hash::new());
    for round in 0..3000u32 {
        let mut a = core::array::from_fn(|_| random.wild());
        let mut b = core::array::from_fn(|_| random.wild());
        let mut c = core::array::from_fn(|_| random.wild());
        if round % 2 == 1 {
            // What almost cancels the product.
            c = core::array::from_fn(|i| -(a[i] * b[i]) * f32::from_bits(0x3f80_0000 ^ (round % 7)));
        }
        if round % 4 >= 2 {
            // (1 + e)(1 - e) times half a unit of c: less by e^2, which only a single rounding sees.
            let step = 1 << random.below(8);
            let (one, half) = if round % 4 == 2 { (0x3f80_0000, 0x3380_0000) } else { (0x1a00_0000, 0x1a00_0000) };
            a = [f32::from_bits(one | step); 16];
            b = [f32::from_bits(half - 2 * step); 16];
            let least = if round % 4 == 2 { 0x3f80_0000 } else { 0x000f_0000 };
            c = core::array::from_fn(|_| f32::from_bits(least | (random.word() as u32 & 0x000f_ffff)));
        }
        let results = dispatch_at(level, Operations(a, b, c, random.word() as u16));
        for (hash, result) in hashes.iter_mut().zip(results) {
            result.into_iter().for_each(|x| hash.float(x));
        }
    }
    for (name, hash) in OPERATIONS.into_iter().zip(hashes) {
        writeln!(out, "{name} {:016x}", hash.0)?;
    }
    Ok(())
}

struct Binary<'a, const P: usize>(BinaryShape, &'a [u64], &'a [Le<u64>]);

impl<const P: usize> Kernel for Binary<'_, P> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> u64 {
        let mut hashed = Hashed(Hash::new(), self.0.output[2]);
        binary_conv_with::<S, _, P>(s, &self.0, self.1, self.2, &mut hashed);
        hashed.0.0
    }
}

struct Real<'a, const P: usize, const V: usize>(RealShape, &'a [f32], &'a [Le<f32>]);

impl<const P: usize, const V: usize> Kernel for Real<'_, P, V> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> u64 {
        let mut hashed = Hashed(Hash::new(), self.0.output[2]);
        real_conv::<S, _, P, V>(s, &self.0, self.1, self.2, &mut hashed);
        hashed.0.0
    }
}

/// Room for the operands of any case.
const ROOM: usize = 1 << 14;

/// Geometry along one axis: kernel, stride, dilation, padding on each side, input, output.
fn axis(random: &mut Random) -> [usize; 6] {
    let [kernel, stride, dilation, pad, more] = [4, 2, 2, 3, 9].map(|end| random.below(end));
    let (kernel, stride, dilation) = (kernel + 1, stride + 1, dilation + 1);
    let reach = (kernel - 1) * dilation + 1;
    let input = reach.saturating_sub(2 * pad).max(1) + more;
    [kernel, stride, dilation, pad, input, (input + 2 * pad - reach) / stride + 1]
}

fn binary(out: &mut dyn Write, level: Level) -> Result {
    let mut random = Random(11);
    let mut bits = [0u64; ROOM];
    let mut weights = [Le::<u64>::new(0); ROOM];
    for case in 0..24 {
        let (y, x) = (axis(&mut random), axis(&mut random));
        let words = 1 + random.below(if case % 4 == 0 { 9 } else { 3 });
        let [kernel, strides, dilations, pads, input, output] = core::array::from_fn(|i| [y[i], x[i]]);
        let shape = BinaryShape {
            n: 1 + case % 2,
            input,
            frame: [pads[0], pads[1], pads[0], pads[1]],
            channels: 64 * words,
            groups: 1,
            output: [output[0], output[1], 1 + random.below(48)],
            kernel,
            strides,
            dilations,
            pads,
            zero_padding: case % 3 == 0,
        };
        let size = shape.n * shape.image_words();
        let weight = shape.output[2].div_ceil(16) * kernel[0] * kernel[1] * words * 16;
        let (Some(bits), Some(weights)) = (bits.get_mut(..size), weights.get_mut(..weight)) else {
            writeln!(out, "binary {case} is too large")?;
            continue;
        };
        for (i, word) in bits.iter_mut().enumerate() {
            let row = i / shape.row_words() % (input[0] + 2 * pads[0]);
            let column = i / words % (input[1] + 2 * pads[1]);
            let inside =
                (pads[0]..pads[0] + input[0]).contains(&row) && (pads[1]..pads[1] + input[1]).contains(&column);
            *word = if inside || !shape.zero_padding { random.word() } else { 0 };
        }
        weights.fill_with(|| Le::<u64>::new(random.word()));
        let one = dispatch_at(level, Binary::<1>(shape, bits, weights));
        let three = dispatch_at(level, Binary::<3>(shape, bits, weights));
        writeln!(out, "binary {case} {one:016x} {three:016x}")?;
    }
    Ok(())
}

fn real(out: &mut dyn Write, level: Level) -> Result {
    let mut random = Random(13);
    let mut values = [0f32; ROOM];
    let mut weights = [Le::<f32>::new(0.0); ROOM];
    for case in 0..12 {
        let (y, x) = (axis(&mut random), axis(&mut random));
        let inputs = 1 + random.below(9);
        let [kernel, strides, dilations, pads, input, output] = core::array::from_fn(|i| [y[i], x[i]]);
        let shape = RealShape {
            n: 1,
            input: [input[0], input[1], inputs],
            output: [output[0], output[1], 1 + random.below(48)],
            kernel,
            strides,
            dilations,
            pads,
            groups: 1,
        };
        let size = input[0] * input[1] * inputs;
        let weight = shape.output[2].div_ceil(16) * kernel[0] * kernel[1] * inputs * 16;
        let (Some(values), Some(weights)) = (values.get_mut(..size), weights.get_mut(..weight)) else {
            writeln!(out, "real {case} is too large")?;
            continue;
        };
        values.fill_with(|| random.float());
        weights.fill_with(|| Le::<f32>::new(random.float()));
        let one = dispatch_at(level, Real::<1, 1>(shape, values, weights));
        let six = dispatch_at(level, Real::<6, 1>(shape, values, weights));
        writeln!(out, "real {case} {one:016x} {six:016x}")?;
    }
    Ok(())
}

fn functions(out: &mut dyn Write) -> Result {
    let mut random = Random(17);
    type Function = fn(f32) -> f32;
    let functions: [(&str, Function); 8] = [
        ("exp", math::exp),
        ("ln", math::ln),
        ("tanh", math::tanh),
        ("sigmoid", math::sigmoid),
        ("softplus", math::softplus),
        ("erf", math::erf),
        ("sqrt", math::sqrt),
        ("round", math::round),
    ];
    for (name, function) in functions {
        let mut hash = Hash::new();
        for _ in 0..500 {
            hash.float(function(random.float() * 8.0));
            hash.float(function(random.wild()));
        }
        writeln!(out, "{name} {:016x}", hash.0)?;
    }
    Ok(())
}

/// Side of a picture.
const SIDE: usize = 28;
static PICTURES: &[u8] = include_bytes!("../../../generated-examples/fashion/pictures.bin");
static RECORDED: &[u8] = include_bytes!("../../../generated-examples/fashion-net/tests/recorded.input");

fn network(out: &mut dyn Write, pictures: usize) -> Result {
    let mut scratch = fashion_net::Scratch::new();
    let mut infer = |input: &fashion_net::Input| {
        let mut output = [0.0; 10];
        fashion_net::infer(input, &mut output, &mut scratch);
        output
    };
    let mut recorded = [0.0; SIDE * SIDE];
    for (value, bytes) in recorded.iter_mut().zip(RECORDED.as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
    let mut write = |name: &dyn core::fmt::Display, output: [f32; 10]| {
        write!(out, "{name}")?;
        output.iter().try_for_each(|x| write!(out, " {:08x}", x.to_bits()))?;
        writeln!(out)
    };
    write(&"recorded", infer(&recorded))?;
    for (i, picture) in PICTURES.chunks_exact(SIDE * SIDE).take(pictures).enumerate() {
        let input = core::array::from_fn(|j| f32::from(picture[j]) / 255.0);
        write(&i, infer(&input))?;
    }
    Ok(())
}

/// Everything, on every level this processor has. The first line names the best level; a line `level NAME` comes before
/// the results of each, which are the same for all.
pub(crate) fn report(out: &mut dyn Write) -> Result {
    writeln!(out, "best {}", level().name())?;
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        force_level(Some(level));
        writeln!(out, "level {}", level.name())?;
        operations(out, level)?;
        binary(out, level)?;
        real(out, level)?;
        functions(out)?;
        network(out, 8)?;
    }
    force_level(None);
    writeln!(out, "end")
}
