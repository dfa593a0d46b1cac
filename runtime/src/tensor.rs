//! Tensors as emitted loops see them: rows of pixels of channels, taken a *line* at a time, which is 16 channels (a *block*)
//! of one row.
//!
//! The extents are part of the type, so that a tensor that is taken for another one does not compile. A view that can be
//! written is the part of a tensor that one thread has: some rows, some blocks. Outside of it there are zeros, and what is
//! stored there is lost: nothing panics.

use core::marker::PhantomData;
use core::ops::Range;

use crate::lanes::LANES;
use crate::simd::Simd;
use crate::team::Part;

/// How many channels of a block exist. A constant where C is a multiple of 16, as blocks behind the last have no lines.
#[inline(always)]
const fn lanes<const C: usize>(block: usize) -> usize {
    if C.is_multiple_of(LANES) { LANES } else { lanes_of(C, block) }
}

#[inline(always)]
const fn lanes_of(c: usize, block: usize) -> usize {
    let rest = c.saturating_sub(block.saturating_mul(LANES));
    if rest < LANES { rest } else { LANES }
}

/// A dense `[rows][W][C]` tensor to read.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a, const W: usize, const C: usize> {
    rows: &'a [[[f32; C]; W]],
}

impl<'a, const W: usize, const C: usize> Tensor<'a, W, C> {
    /// All of it.
    #[inline(always)]
    pub const fn new(rows: &'a [[[f32; C]; W]]) -> Self {
        Self { rows }
    }

    /// 16 channels of a row, of which there may be none.
    #[inline(always)]
    pub fn line(&self, row: usize, block: usize) -> Line<'a, W, C> {
        Line { row: self.rows.get(row), block }
    }
}

/// 16 channels of a row of a [`Tensor`].
#[derive(Clone, Copy, Debug)]
pub struct Line<'a, const W: usize, const C: usize> {
    row: Option<&'a [[f32; C]; W]>,
    block: usize,
}

impl<const W: usize, const C: usize> Line<'_, W, C> {
    /// Those of pixel `x`; 0 where there is no channel.
    #[inline(always)]
    pub fn load<S: Simd>(&self, s: S, x: usize) -> S::F {
        match self.row.and_then(|row| row.get(x)) {
            Some(pixel) => load_block(s, pixel, self.block),
            None => s.splat(0.0),
        }
    }
}

/// 16 channels of one pixel; 0 where there is no channel.
#[inline(always)]
fn load_block<S: Simd, const C: usize>(s: S, pixel: &[f32; C], block: usize) -> S::F {
    if C.is_multiple_of(LANES) {
        match pixel.as_chunks::<LANES>().0.get(block) {
            Some(values) => s.load(values),
            None => s.splat(0.0),
        }
    } else {
        let mut values = [0.0; LANES];
        let channels = pixel.iter().skip(block.saturating_mul(LANES));
        for (value, channel) in values.iter_mut().zip(channels) {
            *value = *channel;
        }
        s.from_array(values)
    }
}

/// A dense `[C][H][W]` tensor to read: channel by channel.
#[derive(Clone, Copy, Debug)]
pub struct Planes<'a, const H: usize, const W: usize, const C: usize> {
    planes: &'a [[[f32; W]; H]; C],
}

impl<'a, const H: usize, const W: usize, const C: usize> Planes<'a, H, W, C> {
    /// All of it.
    #[inline(always)]
    pub const fn new(planes: &'a [[[f32; W]; H]; C]) -> Self {
        Self { planes }
    }

    /// 16 channels of a row, of which there may be none.
    #[inline(always)]
    pub fn line(&self, row: usize, block: usize) -> PlaneLine<'a, H, W> {
        let channel = block.saturating_mul(LANES);
        PlaneLine { planes: self.planes.get(channel..).unwrap_or_default(), row }
    }
}

/// 16 channels of a row of [`Planes`].
#[derive(Clone, Copy, Debug)]
pub struct PlaneLine<'a, const H: usize, const W: usize> {
    planes: &'a [[[f32; W]; H]],
    row: usize,
}

impl<const H: usize, const W: usize> PlaneLine<'_, H, W> {
    /// Those of pixel `x`; 0 where there is no channel.
    #[inline(always)]
    pub fn load<S: Simd>(&self, s: S, x: usize) -> S::F {
        let mut values = [0.0; LANES];
        for (value, plane) in values.iter_mut().zip(self.planes) {
            *value = plane.get(self.row).and_then(|row| row.get(x)).copied().unwrap_or(0.0);
        }
        s.from_array(values)
    }
}

/// A dense `[rows][W][C]` tensor to write and read, or the part of it that one thread has.
#[derive(Debug)]
pub struct TensorMut<'a, const W: usize, const C: usize> {
    /// Of row 0, which need not be one of `rows`.
    first: *mut [[f32; C]; W],
    rows: Range<usize>,
    blocks: Range<usize>,
    of: PhantomData<&'a mut [[[f32; C]; W]]>,
}

// SAFETY: it is an exclusive reference to some of the floats of a tensor, which can be sent as any such reference can.
unsafe impl<const W: usize, const C: usize> Send for TensorMut<'_, W, C> {}

impl<'a, const W: usize, const C: usize> TensorMut<'a, W, C> {
    /// All of it.
    #[inline(always)]
    pub const fn new(rows: &'a mut [[[f32; C]; W]]) -> Self {
        Self { first: rows.as_mut_ptr(), rows: 0..rows.len(), blocks: 0..C.div_ceil(LANES), of: PhantomData }
    }

    /// 16 channels of a row; nothing where this part has none.
    #[inline(always)]
    pub fn line(&mut self, row: usize, block: usize) -> LineMut<'_, W, C> {
        let here =
            self.rows.start <= row && row < self.rows.end && self.blocks.start <= block && block < self.blocks.end;
        if here {
            // SAFETY: `row` is one of the tensor's rows, and `block`, at most the last, begins inside its pixels.
            let first = unsafe { self.first.add(row).cast::<f32>().add(block * LANES) };
            LineMut { first, lanes: lanes::<C>(block), of: PhantomData }
        } else {
            LineMut { first: core::ptr::dangling_mut(), lanes: 0, of: PhantomData }
        }
    }
}

impl<const W: usize, const C: usize> TensorMut<'_, W, C> {
    /// 16 channels of a row of another tensor, which lies at the start of the same memory and has V pixels a row: for what is written
    /// over what was read. Nothing where the memory ends, or is not all of it.
    #[inline(always)]
    pub fn line_over<const V: usize>(&mut self, row: usize, block: usize) -> LineMut<'_, V, C> {
        let inside = self.rows.start == 0 && V.saturating_mul(row + 1) <= W * self.rows.end;
        if inside && self.blocks.start <= block && block < self.blocks.end {
            // SAFETY: whole pixels of the memory, in which `block` begins.
            let first = unsafe { self.first.cast::<f32>().add(row * V * C + block * LANES) };
            LineMut { first, lanes: lanes::<C>(block), of: PhantomData }
        } else {
            LineMut { first: core::ptr::dangling_mut(), lanes: 0, of: PhantomData }
        }
    }

    /// The floats from the one with number `at` on, as many as `len`: what still lies there of what was written before. None where
    /// this is not all of the memory, or it has fewer.
    #[inline(always)]
    pub fn floats(&self, at: usize, len: usize) -> &[f32] {
        let is_all = self.rows.start == 0 && self.blocks == (0..C.div_ceil(LANES));
        if is_all && at.saturating_add(len) <= self.rows.end * W * C {
            // SAFETY: floats of the memory, which nobody writes to while they are borrowed.
            unsafe { core::slice::from_raw_parts(self.first.cast::<f32>().add(at), len) }
        } else {
            &[]
        }
    }
}

impl<const W: usize, const C: usize> Part for TensorMut<'_, W, C> {
    #[inline(always)]
    fn split_rows(self, row: usize) -> (Self, Self) {
        let Range { start, end } = self.rows;
        let row = row.clamp_to(start, end);
        (Self { rows: start..row, blocks: self.blocks.clone(), ..self }, Self { rows: row..end, ..self })
    }

    #[inline(always)]
    fn split_blocks(self, block: usize) -> (Self, Self) {
        let Range { start, end } = self.blocks;
        let block = block.clamp_to(start, end);
        (Self { blocks: start..block, rows: self.rows.clone(), ..self }, Self { blocks: block..end, ..self })
    }
}

/// `Ord::clamp` panics where the bounds are in the wrong order.
trait ClampTo {
    fn clamp_to(self, start: usize, end: usize) -> usize;
}

impl ClampTo for usize {
    #[inline(always)]
    fn clamp_to(self, start: usize, end: usize) -> usize {
        self.max(start).min(end)
    }
}

/// 16 channels of a row of a [`TensorMut`].
#[derive(Debug)]
pub struct LineMut<'a, const W: usize, const C: usize> {
    /// Its channels of pixel 0.
    first: *mut f32,
    /// How many there are: 0 where the line does not exist.
    lanes: usize,
    of: PhantomData<&'a mut [[f32; C]; W]>,
}

impl<const W: usize, const C: usize> LineMut<'_, W, C> {
    /// Those of pixel `x`; 0 where there is no channel.
    #[inline(always)]
    pub fn load<S: Simd>(&self, s: S, x: usize) -> S::F {
        if x >= W || self.lanes == 0 {
            return s.splat(0.0);
        }
        // SAFETY: the line's channels of pixel 0 exist, and so do those of every pixel below W.
        let first = unsafe { self.first.add(x * C) };
        if self.lanes == LANES {
            // SAFETY: 16 channels, which nobody else has while the line lives.
            return s.load(unsafe { &*first.cast() });
        }
        let mut values = [0.0; LANES];
        // SAFETY: as many channels as exist, which nobody else has.
        let channels = unsafe { core::slice::from_raw_parts(first, self.lanes) };
        for (value, channel) in values.iter_mut().zip(channels) {
            *value = *channel;
        }
        s.from_array(values)
    }

    /// Writes those of pixel `x` that exist.
    #[inline(always)]
    pub fn store<S: Simd>(&mut self, s: S, x: usize, v: S::F) {
        if x >= W || self.lanes == 0 {
            return;
        }
        // SAFETY: as in `load`.
        let first = unsafe { self.first.add(x * C) };
        if self.lanes == LANES {
            // SAFETY: as in `load`; the line is borrowed for writing.
            return s.store(unsafe { &mut *first.cast() }, v);
        }
        // SAFETY: as in `load`; the line is borrowed for writing.
        s.store_some(unsafe { core::slice::from_raw_parts_mut(first, self.lanes) }, v);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::dispatch::dispatch;
    use crate::simd::Kernel;

    /// Adds 1 to every value of a part, however the part came to be; reads what is outside.
    struct Count<'a>(TensorMut<'a, 3, 20>);

    impl Kernel for Count<'_> {
        type Output = f32;
        fn run<S: Simd>(mut self, s: S) -> f32 {
            let mut outside = 0.0;
            for row in 0..6 {
                for block in 0..3 {
                    let mut line = self.0.line(row, block);
                    for x in 0..4 {
                        let v = line.load(s, x);
                        line.store(s, x, s.add(v, s.splat(1.0)));
                        if x == 3 || row == 5 || block == 2 {
                            outside += s.to_array(line.load(s, x)).iter().sum::<f32>();
                        }
                    }
                }
            }
            outside
        }
    }

    #[test]
    fn parts_have_every_value_once() {
        for row in 0..7 {
            for block in 0..4 {
                let mut x = [[[0.0; 20]; 3]; 5];
                let (a, b) = TensorMut::new(&mut x).split_rows(row);
                let ((a, c), (b, d)) = (a.split_blocks(block), b.split_blocks(block));
                for part in [a, b, c, d] {
                    assert_eq!(dispatch(Count(part)), 0.0);
                }
                assert!(x.as_flattened().as_flattened().iter().all(|&x| x == 1.0));
            }
        }
    }

    #[test]
    fn lines_are_read_where_they_are() {
        struct Read<'a>(Tensor<'a, 2, 20>);
        impl Kernel for Read<'_> {
            type Output = [[f32; 16]; 5];
            fn run<S: Simd>(self, s: S) -> Self::Output {
                [(0, 0, 0), (0, 0, 1), (1, 1, 1), (1, 2, 0), (2, 0, 0)]
                    .map(|(row, block, x)| s.to_array(self.0.line(row, block).load(s, x)))
            }
        }
        let x: [[[f32; 20]; 2]; 2] =
            core::array::from_fn(|y| core::array::from_fn(|x| core::array::from_fn(|c| (100 * y + 50 * x + c) as f32)));
        let read = dispatch(Read(Tensor::new(&x)));
        assert_eq!(read[0][3], 3.0);
        assert_eq!(read[1][15], 65.0);
        assert_eq!(read[2][..6], [166.0, 167.0, 168.0, 169.0, 0.0, 0.0]);
        assert_eq!(read[3..], [[0.0; 16]; 2]);
    }

    #[test]
    fn another_tensor_begins_where_this_does() {
        struct Over<'a>(&'a mut [[[f32; 20]; 6]; 4]);
        impl Kernel for Over<'_> {
            type Output = ();
            fn run<S: Simd>(self, s: S) {
                let mut all = TensorMut::new(self.0);
                assert_eq!(all.floats(100, 5), [100.0, 101.0, 102.0, 103.0, 104.0]);
                assert_eq!(
                    (all.floats(476, 4).len(), all.floats(476, 5).len(), all.floats(usize::MAX, 5).len()),
                    (4, 0, 0)
                );
                // Six rows of four pixels are all of it.
                for row in 0..7 {
                    for block in 0..3 {
                        all.line_over::<4>(row, block).store(s, 3, s.splat(-1.0));
                        all.line_over::<4>(row, block).store(s, 4, s.splat(-2.0));
                    }
                }
                let (mut above, below) = all.split_rows(2);
                assert_eq!((below.floats(0, 1).len(), above.floats(0, 1).len()), (0, 1));
                // Of two rows of six pixels there are three of four.
                for row in 0..7 {
                    above.line_over::<4>(row, 0).store(s, 0, s.splat(-3.0));
                }
            }
        }
        let mut values: [[[f32; 20]; 6]; 4] =
            core::array::from_fn(|y| core::array::from_fn(|x| core::array::from_fn(|c| (120 * y + 20 * x + c) as f32)));
        dispatch(Over(&mut values));
        for (i, &value) in values.as_flattened().as_flattened().iter().enumerate() {
            let (pixel, channel) = (i / 20, i % 20);
            let wanted = match pixel % 4 {
                3 => -1.0,
                0 if pixel < 12 && channel < 16 => -3.0,
                _ => i as f32,
            };
            assert_eq!(value, wanted, "{i}");
        }
    }
}
