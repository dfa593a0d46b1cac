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

/// A block of a network, or a band of its rows.
pub trait Work: Sized + Send {
    /// The rows of the output that it computes.
    fn rows(&self) -> Range<usize>;
    /// The first `rows` of them, and the rest.
    fn split(self, rows: usize) -> (Self, Self);
    /// Computes them. Not to be generic: it holds the kernel, which is wanted once.
    fn run(self);
}

/// Does work that takes one thread about `cost` nanoseconds, in as many bands as the team has threads and as are worth
/// it.
#[inline(always)]
pub fn share<T: Team + ?Sized, W: Work>(team: &T, cost: usize, work: W) {
    let width = team.width();
    if width <= 1 {
        return work.run();
    }
    // A grain of 0 divides whatever can be divided.
    let bands = cost.checked_div(team.grain()).unwrap_or(usize::MAX).min(width).min(work.rows().len());
    divide(team, bands, work);
}

/// In halves, so that each of the team hands out half of what is left.
fn divide<T: Team + ?Sized, W: Work>(team: &T, bands: usize, work: W) {
    if bands <= 1 {
        return work.run();
    }
    // The first part, which begins first, gets the row that may be too many.
    let left = bands.ceil_over(2);
    let rows = (work.rows().len() * left).ceil_over(bands);
    let (first, rest) = work.split(rows);
    let (mut first, mut rest) = (Some(first), Some(rest));
    team.join(
        &mut || {
            if let Some(work) = first.take() {
                divide(team, left, work);
            }
        },
        &mut || {
            if let Some(work) = rest.take() {
                divide(team, bands - left, work);
            }
        },
    );
}

/// Runs a network on several inputs, each on one thread: as many at the same time as the team has threads and there
/// are scratch memories. Without scratch memory, nothing is computed; nor is what has no output.
pub fn batch<T: Team + ?Sized, I: Sync, O: Send, S: Send>(
    team: &T,
    inputs: &[I],
    outputs: &mut [O],
    scratches: &mut [S],
    infer: &(impl Fn(&I, &mut O, &mut S) + Sync),
) {
    let count = inputs.len().min(outputs.len());
    let (Some(inputs), Some(outputs)) = (inputs.get(..count), outputs.get_mut(..count)) else { return };
    let threads = team.width().min(scratches.len()).min(count);
    if threads <= 1 {
        let Some(scratch) = scratches.first_mut() else { return };
        for (input, output) in inputs.iter().zip(outputs) {
            infer(input, output, scratch);
        }
        return;
    }
    let left = threads.ceil_over(2);
    let (first, rest) = cut(inputs, (count * left).ceil_over(threads));
    let (first_outputs, outputs) = cut_mut(outputs, first.len());
    let (first_scratches, scratches) = cut_mut(scratches, left);
    // As many scratch memories as threads, or the halves would together ask for more threads than there are.
    let others = at(threads - left, scratches.len());
    let others = scratches.get_mut(..others).unwrap_or_default();
    team.join(&mut || batch(team, first, first_outputs, first_scratches, infer), &mut || {
        batch(team, rest, outputs, others, infer);
    });
}

/// An index that is not behind the end.
#[inline(always)]
fn at(i: usize, len: usize) -> usize {
    if i < len { i } else { len }
}

/// The first `count` elements, or all, and the rest.
#[inline(always)]
pub fn cut<T>(x: &[T], count: usize) -> (&[T], &[T]) {
    x.split_at_checked(at(count, x.len())).unwrap_or((x, &[]))
}

/// The first `count` elements, or all, and the rest.
#[inline(always)]
pub fn cut_mut<T>(x: &mut [T], count: usize) -> (&mut [T], &mut [T]) {
    let count = at(count, x.len());
    x.split_at_mut_checked(count).unwrap_or_default()
}

/// The first `count` rows, or all, and the rest.
#[inline(always)]
pub fn cut_rows(rows: Range<usize>, count: usize) -> (Range<usize>, Range<usize>) {
    let middle = rows.start + at(count, rows.len());
    (rows.start..middle, middle..rows.end)
}
