//! What is computed: the same on every processor, and printed to the bit.

use core::fmt::{Result, Write};

use xnorc_runtime::{Kernel, Le, Level, ROOM, RealShape, Simd, dispatch_at, force_level, level, math, real_conv_row};

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

/// Words whose differing bits are counted, widened as often as it takes, and the dot products of their signs.
struct Counts<'a>(&'a [u64], &'a [[Le<u64>; 16]]);

impl Kernel for Counts<'_> {
    type Output = [[f32; 16]; 2];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let Counts(x, weights) = self;
        let mut one = s.acc_zero();
        for (i, (x, w)) in x.iter().zip(weights).enumerate() {
            one = s.xor_popcnt(one, *x, w);
            if (i + 1) % ROOM == 0 {
                one = s.widen(one);
            }
        }
        let mut run = [s.acc_zero(); 2];
        for (x, weights) in x.chunks(ROOM).zip(weights.chunks(ROOM)) {
            // The second counter takes the words backwards.
            for (j, w) in weights.iter().enumerate() {
                run[0] = s.xor_popcnt(run[0], x[j], w);
                run[1] = s.xor_popcnt(run[1], x[x.len() - 1 - j], w);
            }
            run = run.map(|counter| s.widen(counter));
        }
        let k = s.splat(64.0 * x.len() as f32);
        let [first, second] = run.map(|counter| s.to_array(s.dot(counter, k)));
        assert_eq!(first, s.to_array(s.dot(one, k)));
        [first, second]
    }
}

/// Most words of a sum.
const WORDS: usize = 100;

fn binary(out: &mut dyn Write, level: Level) -> Result {
    let mut random = Random(11);
    let mut bits = [0u64; WORDS];
    let mut weights = [[Le::<u64>::new(0); 16]; WORDS];
    for case in 0..24 {
        let words = 1 + random.below(if case % 4 == 0 { WORDS } else { 9 });
        bits.fill_with(|| random.word());
        weights.fill_with(|| core::array::from_fn(|_| Le::<u64>::new(random.word())));
        if case % 6 == 5 {
            // As many differing bits as can be.
            weights = bits.map(|word| [Le::<u64>::new(!word); 16]);
        }
        let mut hash = Hash::new();
        let results = dispatch_at(level, Counts(&bits[..words], &weights[..words]));
        results.as_flattened().iter().for_each(|&x| hash.float(x));
        writeln!(out, "binary {case} {:016x}", hash.0)?;
    }
    Ok(())
}

/// Pixels of a row, which the kernel knows when it is compiled.
const WIDTH: usize = 9;

struct Real<'a, const P: usize, const V: usize>(RealShape, &'a [f32], &'a [[Le<f32>; 16]]);

impl<const P: usize, const V: usize> Kernel for Real<'_, P, V> {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> u64 {
        let Real(shape, x, weights) = self;
        let [height, _, outputs] = shape.output;
        let mut hash = Hash::new();
        for block in (0..outputs.div_ceil(16)).step_by(V) {
            for y in 0..height {
                let mut row = [[[0.0; 16]; WIDTH]; V];
                real_conv_row::<S, P, V, false, WIDTH>(s, &shape, x, weights, block, y, &mut row);
                row.as_flattened().as_flattened().iter().for_each(|&v| hash.float(v));
            }
        }
        hash.0
    }
}

/// Room for the operands of any case.
const ROOM_FOR_FLOATS: usize = 1 << 14;

fn real(out: &mut dyn Write, level: Level) -> Result {
    let mut random = Random(13);
    let mut values = [0f32; ROOM_FOR_FLOATS];
    let mut weights = [[Le::<f32>::new(0.0); 16]; ROOM_FOR_FLOATS / 16];
    for case in 0..12 {
        let [ky, kx, sy, sx, dy, dx] = [4, 4, 2, 2, 2, 2].map(|end| 1 + random.below(end));
        let (pads, inputs) = ([random.below(3), random.below(3)], 1 + random.below(9));
        // So wide that there are just so many pixels, without padding behind them.
        let width = ((WIDTH - 1) * sx + (kx - 1) * dx + 1).saturating_sub(pads[1]).max(1);
        let rows = 1 + random.below(5);
        let height = ((rows - 1) * sy + (ky - 1) * dy + 1).saturating_sub(pads[0]).max(1);
        let outputs = 16 * (1 + random.below(2)) * 2 - random.below(16);
        let shape = RealShape {
            n: 1,
            input: [height, width, inputs],
            output: [rows, WIDTH, outputs],
            kernel: [ky, kx],
            strides: [sy, sx],
            dilations: [dy, dx],
            pads,
            groups: 1,
        };
        let (size, weight) = (height * width * inputs, outputs.div_ceil(16) * ky * kx * inputs);
        let (Some(values), Some(weights)) = (values.get_mut(..size), weights.get_mut(..weight)) else {
            writeln!(out, "real {case} is too large")?;
            continue;
        };
        values.fill_with(|| random.float());
        weights.fill_with(|| core::array::from_fn(|_| Le::<f32>::new(random.float())));
        let one = dispatch_at(level, Real::<1, 1>(shape, values, weights));
        let six = dispatch_at(level, Real::<6, 1>(shape, values, weights));
        let two = dispatch_at(level, Real::<3, 2>(shape, values, weights));
        writeln!(out, "real {case} {one:016x} {six:016x} {two:016x}")?;
    }
    Ok(())
}

fn functions(out: &mut dyn Write) -> Result {
    let mut random = Random(17);
    type Function = fn(f32) -> f32;
    let functions: [(&str, Function); 19] = [
        ("exp", math::exp),
        ("ln", math::ln),
        ("tanh", math::tanh),
        ("sigmoid", math::sigmoid),
        ("softplus", math::softplus),
        ("erf", math::erf),
        ("sqrt", math::sqrt),
        ("sin", math::sin),
        ("cos", math::cos),
        ("tan", math::tan),
        ("asin", math::asin),
        ("acos", math::acos),
        ("atan", math::atan),
        ("sinh", math::sinh),
        ("cosh", math::cosh),
        ("asinh", math::asinh),
        ("acosh", math::acosh),
        ("atanh", math::atanh),
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
