//! Who is told how it goes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::Epoch;

/// Is told how training goes. Nothing that it does changes the result.
pub trait Progress {
    /// An epoch begins: of which step, number (from 1) of how many, with how many updates.
    fn epoch(&mut self, step: &str, epoch: usize, epochs: usize, updates: usize);
    /// So many updates are done, with the mean loss and accuracy of the epoch so far.
    fn update(&mut self, done: usize, loss: f64, accuracy: f64, rate: f64);
    /// An epoch is over, and saved.
    fn done(&mut self, step: &str, epoch: &Epoch);
    /// Something worth knowing: a step that is skipped, a picture that cannot be read.
    fn note(&mut self, text: &str);
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn epoch(&mut self, _: &str, _: usize, _: usize, _: usize) {}
    fn update(&mut self, _: usize, _: f64, _: f64, _: f64) {}
    fn done(&mut self, _: &str, _: &Epoch) {}
    fn note(&mut self, _: &str) {}
}

/// Between two lines about an epoch that goes on, where there is no terminal.
const EVERY: Duration = Duration::from_secs(60);

/// A line per epoch; and, as an epoch goes on, a bar with loss, accuracy, learning rate and time left where the standard
/// error is a terminal, else the same as a line now and then.
#[derive(Debug, Default)]
pub struct Terminal {
    bar: Option<ProgressBar>,
    epochs: usize,
    log: Option<Log>,
}

/// An epoch in a log.
#[derive(Clone, Debug)]
struct Log {
    /// Of step and epoch.
    name: String,
    updates: usize,
    begun: Instant,
    said: Instant,
}

impl Log {
    fn new(name: String, updates: usize, now: Instant) -> Self {
        Self { name, updates, begun: now, said: now }
    }

    /// What is said when so many updates are done, if it is time.
    fn line(&mut self, done: usize, so_far: &str, now: Instant) -> Option<String> {
        if now - self.said < EVERY || done == 0 || done >= self.updates {
            return None;
        }
        self.said = now;
        let left = (now - self.begun).mul_f64((self.updates - done) as f64 / done as f64);
        let left = indicatif::HumanDuration(left);
        Some(format!("{}: {done} of {} updates, {so_far}, about {left} left", self.name, self.updates))
    }
}

impl Terminal {
    fn line(&mut self, text: &str) {
        match self.bar.as_ref().filter(|bar| !bar.is_hidden()) {
            Some(bar) => bar.println(text),
            None => {
                let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{text}\n"));
            }
        }
    }
}

impl Progress for Terminal {
    fn epoch(&mut self, step: &str, epoch: usize, epochs: usize, updates: usize) {
        let bar = ProgressBar::new(updates as u64);
        let template = "{prefix} [{bar:30}] {pos}/{len} {msg}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        let name = format!("{step} {epoch}/{epochs}");
        self.log = bar.is_hidden().then(|| Log::new(name.clone(), updates, Instant::now()));
        bar.set_prefix(name);
        (self.bar, self.epochs) = (Some(bar), epochs);
    }

    fn update(&mut self, done: usize, loss: f64, accuracy: f64, rate: f64) {
        let so_far = format!("loss {loss:.4}, {:.1} % right, rate {rate:.1e}", 100.0 * accuracy);
        if let Some(line) = self.log.as_mut().and_then(|log| log.line(done, &so_far, Instant::now())) {
            self.line(&line);
        }
        if let Some(bar) = &self.bar {
            bar.set_message(so_far);
            bar.set_position(done as u64);
        }
    }

    fn done(&mut self, step: &str, epoch: &Epoch) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let mut text = format!("{step}, epoch {}: loss {:.4}", epoch.epoch, epoch.loss);
        for (name, value) in [("labels", epoch.labels), ("logits", epoch.logits), ("attention", epoch.attention)] {
            if value != 0.0 && value != epoch.loss {
                let _ = write!(text, ", {name} {value:.4}");
            }
        }
        let [train, validation, top5] =
            [epoch.accuracy, epoch.validation_accuracy, epoch.validation_top5].map(|share| 100.0 * share);
        let _ = write!(text, "; right: training {train:.2} %, validation {validation:.2} % (top 5: {top5:.2} %)");
        let _ = write!(text, "; rate {:.1e}, {:.0} s", epoch.rate, epoch.seconds);
        if epoch.waited > 0.05 * epoch.seconds {
            let _ = write!(text, ", {:.0} s of them waiting for pictures: more `workers` may help", epoch.waited);
        }
        let left = self.epochs.saturating_sub(epoch.epoch) as f64 * epoch.seconds;
        if left > 0.0 {
            let left = indicatif::HumanDuration(Duration::from_secs_f64(left));
            let _ = write!(text, ", about {left} left of this step");
        }
        self.line(&text);
    }

    fn note(&mut self, text: &str) {
        self.line(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_told_now_and_then() {
        let start = Instant::now();
        let mut log = Log::new("sign 3/90".into(), 400, start);
        let mut at = |done, seconds| log.line(done, "loss 1.5", start + Duration::from_secs(seconds));
        assert_eq!((at(8, 5), at(90, 59)), (None, None));
        let line = "sign 3/90: 100 of 400 updates, loss 1.5, about 3 minutes left";
        assert_eq!(at(100, 60).as_deref(), Some(line));
        assert_eq!(at(190, 119), None);
        assert!(at(200, 120).is_some_and(|line| line.ends_with("about 2 minutes left")));
        // The line of the epoch itself comes now.
        assert_eq!(at(400, 900), None);
    }
}
