//! A pool of threads: the [`Team`] for machines with an operating system. Feature `std`.
//!
//! # How it works
//!
//! Each worker has one *slot*, an atomic pointer to a job in the stack frame of the [`Pool::join`] that waits for it.
//! `join` puts its second half into the slot of an idle worker, does the first half itself, then takes the job back if
//! the worker has not begun it yet (so that a worker which the operating system keeps from running costs no more than
//! its share), else waits for the worker.
//!
//! Between jobs a worker watches its slot for a while, for the next block of a network comes within microseconds; then
//! it sleeps.
//!
//! # Why it is sound
//!
//! The states of a slot, and who moves it from one to the next, always by a compare-exchange:
//!
//! ```text
//! EMPTY ──owner──> job ──worker──> BUSY ──worker──> EMPTY        a job is run
//!                  job ──owner──> EMPTY                           a job is taken back
//! EMPTY ──worker──> ASLEEP ──owner──> job                         the worker is woken
//! EMPTY, ASLEEP ──drop──> STOP
//! ```
//!
//! - A job lives in the frame of a `join`, which does not end, not even by a panic, before the job was either taken back
//!   or is `done`. The worker reads a job only after it has moved the slot from that job to BUSY, which the owner then
//!   cannot take back, and does not touch it after it has set `done`.
//! - The owner's writes to the job happen before the exchange that publishes it (release), which the worker's exchange
//!   reads from (acquire). All that the worker wrote happens before `done` (release), which the owner reads (acquire).
//! - Addresses may be used again: a worker that saw an old job, and moves the slot from a new one at the same address,
//!   has read the exchange that published the new one.
//! - A worker sleeps only after it has moved its slot to ASLEEP; whoever moves it away from there wakes it. So a job in a
//!   slot is either seen by its worker or taken back.

extern crate std;

use core::any::Any;
use core::cell::UnsafeCell;
use core::hint;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use core::time::Duration;
use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;
use std::vec::Vec;
use std::{format, io};

use crate::team::Team;

/// How long an idle worker watches its slot before it sleeps: longer than the blocks of a network that one thread does
/// alone, and than what usually lies between two inferences of a stream.
const WATCH: Duration = Duration::from_micros(200);

/// Threads that work for whoever owns the pool. Dropping it ends them.
///
/// Several threads may use one pool at the same time, and a job may use the pool it runs on.
#[derive(Debug)]
pub struct Pool {
    workers: Vec<Worker>,
    grain: usize,
}

#[derive(Debug)]
struct Worker {
    slot: Arc<Slot>,
    /// `None` only while the pool is dropped.
    thread: Option<JoinHandle<()>>,
}

impl Pool {
    /// A pool of `threads` threads, of which the caller of each call is one: it starts one less.
    ///
    /// # Errors
    /// When the operating system gives no more threads.
    pub fn new(threads: usize) -> io::Result<Self> {
        let mut pool = Pool { workers: Vec::new(), grain: Team::grain(&crate::team::Alone) };
        for number in 1..threads {
            let slot = Arc::new(Slot(AtomicPtr::new(EMPTY)));
            let its = Arc::clone(&slot);
            let thread = thread::Builder::new().name(format!("xnorc {number}")).spawn(move || its.serve())?;
            pool.workers.push(Worker { slot, thread: Some(thread) });
        }
        Ok(pool)
    }

    /// Sets [`Team::grain`], in nanoseconds; 0 divides all that can be divided.
    pub fn with_grain(mut self, grain: usize) -> Self {
        self.grain = grain;
        self
    }
}

impl Team for Pool {
    fn width(&self) -> usize {
        self.workers.len() + 1
    }

    /// A panic of either goes on in the caller, after both have ended; that of `a` when both have one.
    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) {
        let job = Job { work: ptr::from_mut(b), done: AtomicBool::new(false), panic: UnsafeCell::new(None) };
        let Some(worker) = self.workers.iter().find(|worker| worker.offer(&job)) else {
            // All are busy.
            a();
            b();
            return;
        };
        let mut taken_back = false;
        let waiting = Waiting { worker, job: &job, taken_back: &mut taken_back };
        a();
        drop(waiting);
        if taken_back {
            b();
        } else if let Some(panic) = job.panic.into_inner() {
            resume_unwind(panic);
        }
    }

    fn grain(&self) -> usize {
        self.grain
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.slot.stop();
            if let Some(thread) = worker.thread.take() {
                thread.thread().unpark();
                // Jobs' panics are caught, so that it cannot have ended by one.
                let _ = thread.join();
            }
        }
    }
}

/// The second half of a [`Pool::join`], in its frame.
struct Job<'a> {
    work: *mut (dyn FnMut() + Send + 'a),
    done: AtomicBool,
    panic: UnsafeCell<Option<Box<dyn Any + Send>>>,
}

impl Job<'_> {
    /// Does the work, keeps its panic, and says that it is done.
    ///
    /// # Safety
    /// The job lives until it is done, and nobody else uses it, its `done` excepted.
    unsafe fn run(this: *const Self, free: impl FnOnce()) {
        // SAFETY: the job lives; only this thread uses its work, which is a mutable borrow that the owner gave away.
        let work = unsafe { &mut *(*this).work };
        let result = catch_unwind(AssertUnwindSafe(work));
        if let Err(panic) = result {
            // SAFETY: the owner reads it only after `done`.
            unsafe { *(*this).panic.get() = Some(panic) };
        }
        // The worker is free before the owner knows: the owner's next job finds it so.
        free();
        // SAFETY: the job lives until this store; it is the last use.
        unsafe { &(*this).done }.store(true, Ordering::Release);
    }
}

/// Sees a job to its end, also when the first half panics.
struct Waiting<'a, 'b> {
    worker: &'a Worker,
    job: &'a Job<'b>,
    taken_back: &'a mut bool,
}

impl Drop for Waiting<'_, '_> {
    fn drop(&mut self) {
        if self.worker.slot.take_back(self.job) {
            *self.taken_back = true;
            return;
        }
        let mut tries = 0_u32;
        while !self.job.done.load(Ordering::Acquire) {
            if tries < 10_000 {
                tries += 1;
                hint::spin_loop();
            } else {
                // The worker is not running: whatever keeps it from that shall get on.
                thread::yield_now();
            }
        }
    }
}

impl Worker {
    /// Gives it a job, if it is idle.
    fn offer(&self, job: &Job<'_>) -> bool {
        let job = ptr::from_ref(job).cast_mut().cast();
        match self.slot.0.compare_exchange(EMPTY, job, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => true,
            Err(state) if state == ASLEEP => {
                let woken = self.slot.0.compare_exchange(ASLEEP, job, Ordering::Release, Ordering::Relaxed).is_ok();
                if let (true, Some(thread)) = (woken, &self.thread) {
                    thread.thread().unpark();
                }
                woken
            }
            Err(_) => false,
        }
    }
}

/// What a worker is to do: a job, or one of the states below.
#[derive(Debug)]
struct Slot(AtomicPtr<()>);

const EMPTY: *mut () = ptr::null_mut();
const BUSY: *mut () = ptr::without_provenance_mut(1);
const ASLEEP: *mut () = ptr::without_provenance_mut(2);
const STOP: *mut () = ptr::without_provenance_mut(3);

impl Slot {
    /// The life of a worker.
    fn serve(&self) {
        let mut idle = Instant::now();
        let mut looks = 0_u32;
        loop {
            let state = self.0.load(Ordering::Relaxed);
            if state == EMPTY {
                hint::spin_loop();
                // Looking at the clock takes longer than looking at the slot.
                looks = looks.wrapping_add(1);
                if looks.is_multiple_of(64) && idle.elapsed() > WATCH {
                    let _ = self.0.compare_exchange(EMPTY, ASLEEP, Ordering::Relaxed, Ordering::Relaxed);
                }
                continue;
            }
            if state == STOP {
                return;
            }
            if state == ASLEEP {
                thread::park();
            } else if self.0.compare_exchange(state, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                // SAFETY: the slot held a job that its owner had not taken back, and now cannot: it waits for `done`.
                unsafe { Job::run(state.cast_const().cast::<Job<'_>>(), || self.0.store(EMPTY, Ordering::Release)) };
            }
            idle = Instant::now();
        }
    }

    /// True when its worker has not begun the job, and now never will.
    fn take_back(&self, job: &Job<'_>) -> bool {
        let job = ptr::from_ref(job).cast_mut().cast();
        self.0.compare_exchange(job, EMPTY, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Ends the worker, which has no job.
    fn stop(&self) {
        for state in [EMPTY, ASLEEP, EMPTY] {
            if self.0.compare_exchange(state, STOP, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }
}
