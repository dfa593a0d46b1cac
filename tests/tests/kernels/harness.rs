//! Levels, random operands, and an epilogue that records what a driver does.

use std::ops::Range;

use xnorc_runtime::{At, Epilogue, Kernel, Le, Level, RowSum, Simd, add_rows, dispatch_at, store_tile};

/// What no kernel computes: marks what was not written.
pub(crate) const UNTOUCHED: f32 = -7.25e33;

/// The levels to test.
pub(crate) fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_available())
}

/// A small generator with a fixed sequence per seed (xorshift64*): the operands of a case follow from one number.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn sign(&mut self) -> bool {
        self.word() >> 63 == 1
    }

    /// In -2..2, with a full mantissa, so that every rounding shows.
    pub(crate) fn float(&mut self) -> f32 {
        ((self.word() >> 11) as f64 / (1u64 << 51) as f64 - 2.0) as f32
    }

    pub(crate) fn signs(&mut self, len: usize) -> Vec<bool> {
        (0..len).map(|_| self.sign()).collect()
    }

    pub(crate) fn words(&mut self, len: usize) -> Vec<u64> {
        (0..len).map(|_| self.word()).collect()
    }

    pub(crate) fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }
}

/// As the emitted code stores weights.
pub(crate) fn le(x: &[f32]) -> Vec<Le<f32>> {
    x.iter().map(|&x| Le::<f32>::new(x)).collect()
}

/// The bits of floats, so that a comparison sees the sign of zero.
pub(crate) fn to_bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// What a driver gave its epilogue.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    /// `[pixels][c]`, [`UNTOUCHED`] where nothing was given.
    pub(crate) y: Vec<f32>,
    /// `[n][c]`: the sums of a gate.
    pub(crate) sums: Vec<f32>,
    /// Tiles given.
    pub(crate) tiles: usize,
}

/// Records tiles, and checks the order that [`Epilogue`] promises.
pub(crate) struct Recorder<'a, const V: usize> {
    pub(crate) y: &'a mut [f32],
    pub(crate) sums: RowSum<'a, V>,
    pub(crate) tiles: usize,
    pub(crate) c: usize,
    pub(crate) size: [usize; 2],
    /// The band of rows it takes.
    rows: Range<usize>,
    /// Per row of an interleaved channel: where the next tile of that channel must be.
    next: Vec<(usize, usize, usize)>,
}

impl<const V: usize> Epilogue for Recorder<'_, V> {
    #[inline(always)]
    fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    #[inline(always)]
    fn tile<S: Simd>(&mut self, s: S, v: S::F, at: At) {
        let next = &mut self.next[at.channel / 16];
        assert_eq!(*next, (at.image, at.y, at.x), "pixels of a row come in order, once each");
        assert_eq!(at.row, at.image * self.size[0] + at.y - self.rows.start);
        assert_eq!(at.pixel, at.row * self.size[1] + at.x);
        assert_eq!(at.channel % 16, 0);
        next.2 += 1;
        self.tiles += 1;
        store_tile(s, self.y, self.c, at, v);
        self.sums.add(s, at, v);
    }

    #[inline(always)]
    fn end_row<S: Simd>(&mut self, s: S, at: At) {
        let next = &mut self.next[at.channel / 16];
        assert_eq!(*next, (at.image, at.y, self.size[1]), "a row ends after its last pixel");
        *next = if at.y + 1 == self.size[0] { (at.image + 1, 0, 0) } else { (at.image, at.y + 1, 0) };
        self.sums.end_row(s, at);
    }
}

/// A driver to run with a [`Recorder`]; `V` as in the driver.
pub(crate) trait Driver<const V: usize> {
    /// `[n, h, w, c]` of the output.
    fn output(&self) -> [usize; 4];
    /// Runs it.
    fn drive<S: Simd, E: Epilogue>(&self, s: S, epilogue: &mut E);
}

/// Runs a driver on a band of its rows, into the band's part of `y` and of the sums of rows.
struct Record<'a, D, const V: usize> {
    driver: &'a D,
    rows: Range<usize>,
    y: &'a mut [f32],
    sums: &'a mut [f32],
}

impl<D: Driver<V>, const V: usize> Kernel for Record<'_, D, V> {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> usize {
        let [_, h, w, c] = self.driver.output();
        let first = self.rows.start;
        let mut recorder = Recorder {
            y: self.y,
            sums: RowSum::<V>::new(self.sums, c),
            tiles: 0,
            c,
            size: [h, w],
            rows: self.rows,
            next: vec![(first / h, first % h, 0); c.div_ceil(16)],
        };
        self.driver.drive(s, &mut recorder);
        recorder.tiles
    }
}

/// Runs a driver on one level.
pub(crate) fn record<D: Driver<V>, const V: usize>(level: Level, driver: &D) -> Recorded {
    record_bands(level, driver, 1)
}

/// Runs a driver on one level, band by band.
fn record_bands<D: Driver<V>, const V: usize>(level: Level, driver: &D, bands: usize) -> Recorded {
    let [n, h, w, c] = driver.output();
    let (mut y, mut rows_sums) = (vec![UNTOUCHED; n * h * w * c], vec![UNTOUCHED; n * h * c]);
    let (mut y_rest, mut sums_rest) = (&mut y[..], &mut rows_sums[..]);
    let mut tiles = 0;
    for band in 0..bands {
        let rows = if bands == 1 { 0..usize::MAX } else { n * h * band / bands..n * h * (band + 1) / bands };
        let count = rows.len().min(n * h);
        let y = y_rest.split_off_mut(..count * w * c).unwrap();
        let sums = sums_rest.split_off_mut(..count * c).unwrap();
        tiles += dispatch_at(level, Record::<D, V> { driver, rows, y, sums });
    }
    let mut sums = vec![UNTOUCHED; n * c];
    add_rows(&rows_sums, h, c, &mut sums);
    Recorded { y, sums, tiles }
}

/// What [`RowSum`] promises: rows summed in order from zero, then added to the total.
pub(crate) fn row_sums(y: &[f32], [n, h, w, c]: [usize; 4]) -> Vec<f32> {
    let mut sums = vec![0f32; n * c];
    for image in 0..n {
        for channel in 0..c {
            for row in 0..h {
                let at = |x: usize| y[((image * h + row) * w + x) * c + channel];
                let row = (0..w).fold(0f32, |sum, x| sum + at(x));
                sums[image * c + channel] += row;
            }
        }
    }
    sums
}

/// Runs a driver on every level and compares everything with the expected output.
pub(crate) fn expect<D: Driver<V>, const V: usize>(driver: &D, y: &[f32]) -> Result<(), String> {
    let shape = driver.output();
    let sums = to_bits(&row_sums(y, shape));
    let tiles = shape[0] * shape[1] * shape[2] * shape[3].div_ceil(16);
    for level in levels() {
        let got = record::<D, V>(level, driver);
        if to_bits(&got.y) != to_bits(y) {
            let i = got.y.iter().zip(y).position(|(a, b)| a.to_bits() != b.to_bits()).unwrap_or(0);
            return Err(format!("{}: element {i} is {:e}, not {:e}", level.name(), got.y[i], y[i]));
        }
        for bands in [2, 3, 7] {
            let parts = record_bands::<D, V>(level, driver, bands);
            if to_bits(&parts.y) != to_bits(&got.y) || to_bits(&parts.sums) != to_bits(&got.sums) {
                return Err(format!("{}: other values in {bands} bands of rows", level.name()));
            }
        }
        if to_bits(&got.sums) != sums {
            return Err(format!("{}: sums {:?}", level.name(), got.sums));
        }
        if got.tiles != tiles {
            return Err(format!("{}: {} tiles, not {tiles}", level.name(), got.tiles));
        }
    }
    Ok(())
}

/// An epilogue of operands that do not fit: nothing must come here.
pub(crate) struct Never;

impl Epilogue for Never {
    #[inline(always)]
    fn tile<S: Simd>(&mut self, _: S, _: S::F, at: At) {
        panic!("{at:?}");
    }
}
