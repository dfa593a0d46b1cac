//! A line on a terminal about what takes longer than a second.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(1);

/// Replaces the line, or takes it away.
fn put(line: &str) {
    let mut stream = std::io::stderr().lock();
    let _ = write!(stream, "\r\x1b[K{line}");
    let _ = stream.flush();
}

/// It is there from the first second on, and gone in the end: what is written to a file or a pipe knows nothing of it.
pub(super) struct Progress {
    what: String,
    total: usize,
    start: Instant,
    next: Duration,
    shown: bool,
    terminal: bool,
}

impl Progress {
    const PAUSE: Duration = Duration::from_millis(100);

    pub(super) fn new(what: impl Into<String>, total: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { what: what.into(), total, start: Instant::now(), next: PATIENCE, shown: false, terminal }
    }

    /// So many are done.
    pub(super) fn done(&mut self, count: usize) {
        let elapsed = self.start.elapsed();
        if !self.terminal || elapsed < self.next {
            return;
        }
        self.next = elapsed + Self::PAUSE;
        self.shown = true;
        put(&line(&self.what, count, self.total, elapsed));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            put("");
        }
    }
}

/// The same for what does not say how far it is: the seconds go by until it is dropped.
pub(super) struct Waiting(Option<(Sender<()>, JoinHandle<()>)>);

impl Waiting {
    pub(super) fn new(what: &'static str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let (end, ended) = channel::<()>();
        let start = Instant::now();
        let tick = move || {
            let mut shown = false;
            while ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                shown = true;
                put(&format!("{what}: {} s", start.elapsed().as_secs()));
            }
            if shown {
                put("");
            }
        };
        // Without a thread to tell it there is nothing to tell.
        Self(std::thread::Builder::new().spawn(tick).ok().map(|thread| (end, thread)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

fn line(what: &str, count: usize, total: usize, elapsed: Duration) -> String {
    let left = if count == 0 { None } else { Some(elapsed.as_secs_f64() / count as f64 * (total - count) as f64) };
    let left = left.map_or(String::new(), |seconds| format!(", {seconds:.0} s left"));
    format!("{what}: {count} of {total}{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        assert_eq!(line("pictures", 250, 1000, Duration::from_secs(2)), "pictures: 250 of 1000, 6 s left");
        assert_eq!(line("samples", 0, 4, Duration::from_secs(2)), "samples: 0 of 4");
    }
}
