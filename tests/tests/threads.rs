//! The pool of threads: every half of every join runs once, whoever runs it; panics reach the caller; nothing is left behind.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use xnorc_runtime::{Alone, Area, Kernel, Pool, Simd, Team, TensorMut, batch, dispatch, divide};

const WIDTHS: [usize; 5] = [0, 1, 2, 3, 7];

/// The sum of a range, by halves down to single numbers: as many nested joins.
fn sum(team: &dyn Team, range: Range<u64>) -> u64 {
    match range.end - range.start {
        0 => 0,
        1 => range.start,
        len => {
            let middle = range.start + len / 2;
            let (mut a, mut b) = (0, 0);
            team.join(&mut || a = sum(team, range.start..middle), &mut || b = sum(team, middle..range.end));
            a + b
        }
    }
}

#[test]
fn many_small_joins() {
    for width in WIDTHS {
        let pool = Pool::new(width).unwrap();
        assert_eq!(pool.width(), width.max(1));
        let (mut left, mut right) = (0_u32, 0_u32);
        for _ in 0..20_000 {
            pool.join(&mut || left += 1, &mut || right += 1);
        }
        assert_eq!([left, right], [20_000; 2]);
    }
}

#[test]
fn nested_joins() {
    for width in WIDTHS {
        let pool = Pool::new(width).unwrap();
        for _ in 0..20 {
            assert_eq!(sum(&pool, 0..1000), 499_500);
        }
    }
    assert_eq!(sum(&Alone, 0..1000), 499_500);
}

/// Jobs that come when the workers are asleep, about to fall asleep, or just awake.
#[test]
fn pauses_between_jobs() {
    let pool = Pool::new(3).unwrap();
    for i in 0..300 {
        assert_eq!(sum(&pool, 0..16), 120);
        std::thread::sleep(Duration::from_micros(i % 30 * 20));
    }
}

#[test]
fn several_callers_at_once() {
    let pool = Pool::new(3).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(sum(&pool, 0..200), 19_900);
                }
            });
        }
    });
}

/// The halves really run at the same time: each waits for the other.
#[test]
fn both_halves_at_once() {
    let pool = Pool::new(2).unwrap();
    let met = AtomicUsize::new(0);
    let meet = || {
        met.fetch_add(1, Ordering::SeqCst);
        while met.load(Ordering::SeqCst) < 2 {
            std::thread::yield_now();
        }
    };
    pool.join(&mut || meet(), &mut || meet());
    assert_eq!(met.into_inner(), 2);
}

#[test]
fn pools_come_and_go() {
    for width in WIDTHS {
        for i in 0..20 {
            let pool = Pool::new(width).unwrap();
            if i % 3 == 0 {
                assert_eq!(sum(&pool, 0..8), 28);
            }
            if i % 5 == 0 {
                // Long enough for the workers to fall asleep.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

#[test]
fn panics_reach_the_caller() {
    let pool = Pool::new(2).unwrap();
    for round in 0..50 {
        for (a, b, wanted) in [(true, false, "a"), (false, true, "b"), (true, true, "a")] {
            let other = AtomicUsize::new(0);
            let half = |panics: bool, name: &'static str| {
                if round % 2 == 0 {
                    // So that the worker has begun its half.
                    std::thread::sleep(Duration::from_micros(200));
                }
                other.fetch_add(1, Ordering::Relaxed);
                if panics {
                    std::panic::resume_unwind(Box::new(name));
                }
            };
            let result = catch_unwind(AssertUnwindSafe(|| pool.join(&mut || half(a, "a"), &mut || half(b, "b"))));
            assert_eq!(result.unwrap_err().downcast_ref(), Some(&wanted));
            assert!((1..=2).contains(&other.into_inner()));
        }
        // The pool works on.
        assert_eq!(sum(&pool, 0..100), 4950);
    }
}

/// Adds 1 to what is in its part of a tensor of 100 channels, so in 7 blocks.
struct Mark<'a> {
    area: Area,
    marks: TensorMut<'a, 1, 100>,
}

impl Kernel for Mark<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for row in self.area.rows.clone() {
            for block in self.area.blocks.clone() {
                let mut line = self.marks.line(row, block);
                let v = line.load(s, 0);
                line.store(s, 0, s.add(v, s.splat(1.0)));
            }
        }
    }
}

#[test]
fn work_is_divided_evenly() {
    for width in [1, 2, 3, 4, 7, 16] {
        for rows in [1, 2, 7, 14, 56] {
            for together in [1, 7] {
                let pool = Pool::new(width).unwrap().with_grain(100);
                for (cost, most) in [(50, 1), (250, 2), (1_000_000, width)] {
                    let (mut marks, parts) = (vec![[[0.0; 100]]; rows], Mutex::new(Vec::new()));
                    let area = Area::groups(rows, 7, together);
                    let threads = most.min(width).min(rows * 7 / together);
                    let largest = area.largest_part(threads);
                    divide(&pool, cost, area, (TensorMut::new(&mut marks),), |area, (marks,)| {
                        parts.lock().unwrap().push(area.rows.len() * area.blocks.len());
                        dispatch(Mark { area, marks });
                    });
                    assert!(marks.iter().flatten().flatten().all(|&mark| mark == 1.0));
                    let parts = parts.into_inner().unwrap();
                    let title = format!("{width} threads, {rows} rows, {together} blocks together, cost {cost}");
                    assert_eq!(parts.iter().sum::<usize>(), rows * 7, "{title}");
                    assert_eq!((parts.len(), parts.iter().max()), (threads, Some(&largest)), "{title}");
                }
            }
        }
    }
}

#[test]
fn batches_take_every_image_once() {
    for width in [1, 2, 3, 7] {
        let pool = Pool::new(width).unwrap();
        for images in [0, 1, 2, 5, 40] {
            for scratches in [1, 2, 3, 10] {
                let inputs: Vec<usize> = (0..images).collect();
                let (mut outputs, mut scratches) = (vec![0; images], vec![0_usize; scratches]);
                let computed =
                    batch(&pool, &inputs, &mut outputs, &mut scratches, &|input, output: &mut usize, scratch| {
                        *output += input + 1;
                        *scratch += 1;
                    });
                assert_eq!(computed, images);
                assert!(outputs.iter().enumerate().all(|(i, &output)| output == i + 1));
                assert_eq!(scratches.iter().sum::<usize>(), images);
                assert!(scratches.iter().filter(|&&used| used > 0).count() <= width);
            }
        }
    }
    // Nothing to write to, nothing to work in.
    assert_eq!(batch(&Alone, &[1, 2], &mut [0], &mut [0_u8; 0], &|_, output, _| *output = 1), 0);
    let mut outputs = [0];
    assert_eq!(batch(&Alone, &[1, 2], &mut outputs, &mut [0], &|input, output, _| *output += input), 1);
    assert_eq!(outputs, [1]);
}
