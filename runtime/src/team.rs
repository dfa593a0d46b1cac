//! Several threads on one network, without knowing what a thread is.
//!
//! A block of a network is divided into bands of rows of its output ([`Work`]), which a [`Team`] computes at the same
//! time. No value's arithmetic depends on where a band begins, so that the bits are the same whatever the number of
//! threads.

use crate::parts::Count;
use core::ops::Range;

/// Threads that share the work of one caller.
pub trait Team: Sync {
    /// How many work at the same time, the caller among them: at least 1.
    fn width(&self) -> usize;

    /// Calls both, each once, perhaps at the same time, and returns when both have returned.
    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send));

    /// Work below this many nanoseconds, on one thread of a fast machine, is not worth handing to another thread.
    #[inline(always)]
    fn grain(&self) -> usize {
        4_000
    }
}

/// The caller alone: what costs nothing when no threads are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Team for Alone {
    #[inline(always)]
    fn width(&self) -> usize {
        1
    }

    #[inline(always)]
    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        a();
        b();
    }
}

impl<T: Team + ?Sized> Team for &T {
    #[inline(always)]
    fn width(&self) -> usize {
        (**self).width()
    }

    #[inline(always)]
    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        (**self).join(a, b);
    }

    #[inline(always)]
    fn grain(&self) -> usize {
        (**self).grain()
    }
}

/// What a block computes, or a part of it: rows of its output, and blocks of 16 channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Rows.
    pub rows: Range<usize>,
    /// Blocks of 16 channels.
    pub blocks: Range<usize>,
    /// Blocks that are computed together, and so are never parted.
    together: usize,
}

impl Area {
    /// So many rows of so many blocks.
    #[inline(always)]
    pub const fn new(rows: usize, blocks: usize) -> Self {
        Self::groups(rows, blocks, 1)
    }

    /// So many rows of so many blocks, of which some are computed together.
    #[inline(always)]
    pub const fn groups(rows: usize, blocks: usize, together: usize) -> Self {
        Self { rows: 0..rows, blocks: 0..blocks, together }
    }

    /// Groups of blocks that are computed together.
    #[inline(always)]
    fn groups_of_blocks(&self) -> usize {
        self.blocks.len().ceil_over(self.together)
    }

    /// What the first `left` of `all` threads take of it, and what the rest: rows or blocks, whichever can be divided more
    /// evenly. Rows where both can, as then each thread reads fewer of the input's rows.
    #[inline(always)]
    pub fn cut(&self, left: usize, all: usize) -> Cut {
        // The first part, which begins first, gets what may be too much.
        let share = |len: usize| (len * left).ceil_over(all);
        // How much more than its share that is, as a fraction of everything; in 1/len units made comparable by the other's len.
        let over = |len: usize| share(len) * all - len * left;
        let (rows, blocks) = (self.rows.len(), self.groups_of_blocks());
        let by_rows = blocks <= 1 || (rows > 1 && over(rows) * blocks <= over(blocks) * rows);
        if by_rows {
            Cut::Row(self.rows.start + share(rows))
        } else {
            Cut::Block(self.blocks.start + share(blocks) * self.together)
        }
    }

    #[inline(always)]
    fn split(self, cut: Cut) -> (Self, Self) {
        let Area { rows, blocks, together } = self;
        match cut {
            Cut::Row(row) => (
                Area { rows: rows.start..row, blocks: blocks.clone(), together },
                Area { rows: row..rows.end, blocks, together },
            ),
            Cut::Block(block) => (
                Area { rows: rows.clone(), blocks: blocks.start..block, together },
                Area { rows, blocks: block..blocks.end, together },
            ),
        }
    }

    /// The most rows times blocks that any of so many threads gets: what bounds how much faster they are than one.
    pub fn largest_part(&self, threads: usize) -> usize {
        if threads <= 1 || self.rows.len() * self.groups_of_blocks() <= 1 {
            return self.rows.len() * self.blocks.len();
        }
        let left = threads.ceil_over(2);
        let (first, rest) = self.clone().split(self.cut(left, threads));
        first.largest_part(left).max(rest.largest_part(threads - left))
    }
}

/// Where an [`Area`] is cut in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The first row of the second part.
    Row(usize),
    /// The first block of the second part.
    Block(usize),
}

/// What a block writes to, which can be cut as its [`Area`] is.
pub trait Part: Sized + Send {
    /// The rows before `row`, and those from it on.
    fn split_rows(self, row: usize) -> (Self, Self);
    /// The blocks before `block`, and those from it on.
    fn split_blocks(self, block: usize) -> (Self, Self);
}

macro_rules! parts {
    ($($name:ident $index:tt)*) => {
        impl<$($name: Part),*> Part for ($($name,)*) {
            #[inline(always)]
            fn split_rows(self, _row: usize) -> (Self, Self) {
                $(#[allow(non_snake_case)] let $name = self.$index.split_rows(_row);)*
                (($($name.0,)*), ($($name.1,)*))
            }

            #[inline(always)]
            fn split_blocks(self, _block: usize) -> (Self, Self) {
                $(#[allow(non_snake_case)] let $name = self.$index.split_blocks(_block);)*
                (($($name.0,)*), ($($name.1,)*))
            }
        }
    };
}

parts!();
parts!(A 0);
parts!(A 0 B 1);
parts!(A 0 B 1 C 2);
parts!(A 0 B 1 C 2 D 3);
parts!(A 0 B 1 C 2 D 3 E 4);
parts!(A 0 B 1 C 2 D 3 E 4 F 5);
parts!(A 0 B 1 C 2 D 3 E 4 F 5 G 6);
parts!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7);

/// A part whose rows lie under those of an [`Area`], K of them under each: what a block writes before its pool.
#[derive(Debug)]
pub struct Under<P, const K: usize>(pub P);

impl<P: Part, const K: usize> Part for Under<P, K> {
    #[inline(always)]
    fn split_rows(self, row: usize) -> (Self, Self) {
        let (first, rest) = self.0.split_rows(row.saturating_mul(K));
        (Self(first), Self(rest))
    }

    #[inline(always)]
    fn split_blocks(self, block: usize) -> (Self, Self) {
        let (first, rest) = self.0.split_blocks(block);
        (Self(first), Self(rest))
    }
}

/// Memory that the first part works in; another part, on another thread, takes as much of its own stack.
#[derive(Debug)]
pub struct Lent<'a, T>(Option<&'a mut T>);

impl<'a, T: Zeroed> Lent<'a, T> {
    /// Lends it.
    #[inline(always)]
    pub fn new(memory: &'a mut T) -> Self {
        Self(Some(memory))
    }

    /// Runs with the memory, or with some of the stack.
    #[inline(always)]
    pub fn with(self, run: impl FnOnce(&mut T)) {
        match self.0 {
            Some(memory) => run(memory),
            None => on_stack(run),
        }
    }
}

/// Apart, so that a caller that never gets here needs no stack for it.
#[inline(never)]
fn on_stack<T: Zeroed>(run: impl FnOnce(&mut T)) {
    let mut memory = T::ZERO;
    run(&mut memory);
}

/// Types with a value of zeros.
pub trait Zeroed: Copy + Send {
    /// Zeros.
    const ZERO: Self;
}

impl Zeroed for f32 {
    const ZERO: Self = 0.0;
}

impl<T: Zeroed, const N: usize> Zeroed for [T; N] {
    const ZERO: Self = [T::ZERO; N];
}

impl<T: Zeroed> Part for Lent<'_, T> {
    #[inline(always)]
    fn split_rows(self, _: usize) -> (Self, Self) {
        (self, Self(None))
    }

    #[inline(always)]
    fn split_blocks(self, _: usize) -> (Self, Self) {
        (self, Self(None))
    }
}

/// Does work that takes one thread about `cost` nanoseconds, in as many parts as the team has threads and as are worth it.
#[inline(always)]
pub fn divide<T: Team + ?Sized, P: Part>(team: &T, cost: usize, area: Area, parts: P, work: impl Fn(Area, P) + Sync) {
    let width = team.width();
    if width <= 1 {
        return work(area, parts);
    }
    // A grain of 0 divides whatever can be divided.
    let threads = cost.checked_div(team.grain()).unwrap_or(usize::MAX).min(width);
    let most = area.rows.len().saturating_mul(area.groups_of_blocks());
    halves(team, threads.min(most), area, parts, &work);
}

/// In halves, so that each of the team hands out half of what is left.
fn halves<T: Team + ?Sized, P: Part>(team: &T, threads: usize, area: Area, parts: P, work: &(impl Fn(Area, P) + Sync)) {
    if threads <= 1 || area.rows.len() * area.groups_of_blocks() <= 1 {
        return work(area, parts);
    }
    let left = threads.ceil_over(2);
    let cut = area.cut(left, threads);
    let (first, rest) = area.split(cut);
    let (mine, others) = match cut {
        Cut::Row(row) => parts.split_rows(row),
        Cut::Block(block) => parts.split_blocks(block),
    };
    let (mut first, mut rest) = (Some((first, mine)), Some((rest, others)));
    team.join(
        &mut || {
            if let Some((area, parts)) = first.take() {
                halves(team, left, area, parts, work);
            }
        },
        &mut || {
            if let Some((area, parts)) = rest.take() {
                halves(team, threads - left, area, parts, work);
            }
        },
    );
}

/// Runs a network on several inputs, each on one thread: as many at the same time as the team has threads and there
/// are scratch memories. Without scratch memory, nothing is computed; nor is what has no output. Returns how many it were.
pub fn batch<T: Team + ?Sized, I: Sync, O: Send, S: Send>(
    team: &T,
    inputs: &[I],
    outputs: &mut [O],
    scratches: &mut [S],
    infer: &(impl Fn(&I, &mut O, &mut S) + Sync),
) -> usize {
    let count = inputs.len().min(outputs.len());
    let (Some(inputs), Some(outputs)) = (inputs.get(..count), outputs.get_mut(..count)) else { return 0 };
    let threads = team.width().min(scratches.len()).min(count);
    if threads <= 1 {
        let Some(scratch) = scratches.first_mut() else { return 0 };
        for (input, output) in inputs.iter().zip(outputs) {
            infer(input, output, scratch);
        }
        return count;
    }
    let left = threads.ceil_over(2);
    let (first, rest) = cut(inputs, (count * left).ceil_over(threads));
    let (first_outputs, outputs) = cut_mut(outputs, first.len());
    let (first_scratches, scratches) = cut_mut(scratches, left);
    // As many scratch memories as threads, or the halves would together ask for more threads than there are.
    let others = at(threads - left, scratches.len());
    let others = scratches.get_mut(..others).unwrap_or_default();
    team.join(&mut || _ = batch(team, first, first_outputs, first_scratches, infer), &mut || {
        batch(team, rest, outputs, others, infer);
    });
    count
}

/// An index that is not behind the end.
#[inline(always)]
fn at(i: usize, len: usize) -> usize {
    if i < len { i } else { len }
}

/// The first `count` elements, or all, and the rest.
#[inline(always)]
pub(crate) fn cut<T>(x: &[T], count: usize) -> (&[T], &[T]) {
    x.split_at_checked(at(count, x.len())).unwrap_or((x, &[]))
}

/// The first `count` elements, or all, and the rest.
#[inline(always)]
pub(crate) fn cut_mut<T>(x: &mut [T], count: usize) -> (&mut [T], &mut [T]) {
    let count = at(count, x.len());
    x.split_at_mut_checked(count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::sync::Mutex;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    /// Joins in turn, as wide as it says.
    struct Wide(usize);

    impl Team for Wide {
        fn width(&self) -> usize {
            self.0
        }

        fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
            b();
            a();
        }

        fn grain(&self) -> usize {
            0
        }
    }

    #[test]
    fn parts_cover_an_area_once() {
        for (rows, blocks) in [(14, 16), (7, 32), (1, 5), (1, 1), (3, 1), (0, 4), (56, 4)] {
            for threads in 1..20 {
                let done: Mutex<Vec<usize>> = Mutex::new(vec![0; rows * blocks]);
                let largest = Mutex::new(0);
                divide(&Wide(threads), 1, Area::new(rows, blocks), (), |area, ()| {
                    let mut largest = largest.lock().unwrap();
                    *largest = (*largest).max(area.rows.len() * area.blocks.len());
                    for row in area.rows.clone() {
                        for block in area.blocks.clone() {
                            done.lock().unwrap()[row * blocks + block] += 1;
                        }
                    }
                });
                assert!(done.into_inner().unwrap().iter().all(|&n| n == 1), "{rows} x {blocks} by {threads}");
                assert_eq!(largest.into_inner().unwrap(), Area::new(rows, blocks).largest_part(threads));
            }
        }
        // Seven rows feed eight threads.
        assert_eq!(Area::new(7, 32).largest_part(8), 7 * 32 / 8);
        assert_eq!(Area::new(14, 16).largest_part(64), 4);
    }
}
