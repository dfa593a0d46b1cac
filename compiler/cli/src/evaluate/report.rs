//! The figures.
//!
//! The field names of [`Evaluation`] are the keys of `evaluate --json`, which is a contract.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::Scores;
use crate::toolchain::Timing;
use xnorc::report::columns;

/// How a network did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evaluation {
    /// How many.
    pub pictures: usize,
    /// Those with the right class first; without labels none of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<usize>,
    /// Their share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top1: Option<f64>,
    /// The share of those with the right class among the first five, of more than five.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// Of a picture.
    pub median_ms: f64,
    /// Of a picture.
    pub min_ms: f64,
    /// Instructions in use.
    pub level: String,
    /// Threads of one inference.
    pub threads: usize,
    /// The pairs of classes that were confused most often, the worst first.
    pub worst: Vec<Pair>,
    /// Other engines.
    pub beside: Vec<Beside>,
    /// By label and answer.
    #[serde(skip)]
    confusion: Vec<Vec<usize>>,
    #[serde(skip)]
    names: Vec<String>,
}

/// A class taken for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// The right class.
    pub label: String,
    /// The class it was taken for.
    pub answer: String,
    /// How often.
    pub count: usize,
    /// Of so many pictures.
    pub of: usize,
}

/// Another engine's answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// The file.
    pub name: String,
    /// The share of pictures with the same class first.
    pub agreement: f64,
    /// The largest difference of a score, where it gives scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_abs_difference: Option<f64>,
    /// As of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<usize>,
    /// As of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top1: Option<f64>,
    /// As of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
}

/// Pairs shown.
const WORST: usize = 5;

struct Accuracy {
    right: usize,
    top1: f64,
    top5: Option<f64>,
}

fn accuracy(scores: &Scores, labels: &[usize]) -> Accuracy {
    let among =
        |first: usize| labels.iter().enumerate().filter(|&(i, &label)| scores.is_among(i, label, first)).count();
    let share = |count: usize| count as f64 / labels.len().max(1) as f64;
    let right = labels.iter().enumerate().filter(|&(i, &label)| scores.best(i) == label).count();
    let five = scores.has_scores() && scores.classes() > 5;
    Accuracy { right, top1: share(right), top5: five.then(|| share(among(5))) }
}

impl Evaluation {
    /// Counts. Labels and other engines are of the same pictures; classes without a name are numbers.
    pub fn new(
        scores: &Scores,
        timing: &Timing,
        labels: Option<&[usize]>,
        names: &[String],
        beside: &[(String, Scores)],
    ) -> Self {
        let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        let mut evaluation = Self {
            pictures: scores.pictures(),
            median_ms: milliseconds(timing.median()),
            min_ms: milliseconds(timing.min()),
            ..Self::default()
        };
        if let Some(labels) = labels {
            let found = accuracy(scores, labels);
            (evaluation.right, evaluation.top1, evaluation.top5) = (Some(found.right), Some(found.top1), found.top5);
            evaluation.confuse(scores, labels, names);
        }
        for (name, other) in beside {
            let same = (0..scores.pictures()).filter(|&i| scores.best(i) == other.best(i)).count();
            let found = labels.map(|labels| accuracy(other, labels));
            evaluation.beside.push(Beside {
                name: name.clone(),
                agreement: same as f64 / scores.pictures().max(1) as f64,
                max_abs_difference: scores.difference(other),
                right: found.as_ref().map(|f| f.right),
                top1: found.as_ref().map(|f| f.top1),
                top5: found.and_then(|f| f.top5),
            });
        }
        evaluation
    }

    fn confuse(&mut self, scores: &Scores, labels: &[usize], names: &[String]) {
        let classes = labels.iter().map(|label| label + 1).fold(scores.classes(), usize::max);
        self.names = (0..classes).map(|i| names.get(i).cloned().unwrap_or_else(|| i.to_string())).collect();
        self.confusion = vec![vec![0; classes]; classes];
        for (picture, &label) in labels.iter().enumerate() {
            self.confusion[label][scores.best(picture)] += 1;
        }
        let mut pairs = Vec::new();
        for (label, row) in self.confusion.iter().enumerate() {
            for (answer, &count) in row.iter().enumerate().filter(|&(answer, &count)| answer != label && count > 0) {
                pairs.push((count, label, answer));
            }
        }
        // The most frequent first; of equals the first in the order of classes.
        pairs.sort_by_key(|&(count, label, answer)| (std::cmp::Reverse(count), label, answer));
        let pair = |&(count, label, answer): &(usize, usize, usize)| Pair {
            label: self.names[label].clone(),
            answer: self.names[answer].clone(),
            count,
            of: self.confusion[label].iter().sum(),
        };
        self.worst = pairs.iter().take(WORST).map(pair).collect();
    }

    /// The whole table of confusions as CSV: a row for each label, a column for each answer.
    pub fn confusion_csv(&self) -> String {
        let quoted = |name: &String| match name.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", name.replace('"', "\"\"")),
            false => name.clone(),
        };
        let mut text = "label".to_owned();
        self.names.iter().for_each(|name| text += &format!(",{}", quoted(name)));
        text.push('\n');
        for (name, row) in self.names.iter().zip(&self.confusion) {
            text += &quoted(name);
            row.iter().for_each(|count| text += &format!(",{count}"));
            text.push('\n');
        }
        text
    }
}

/// `0.925` to `92.5 %`.
fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let right = self.right.map_or(String::new(), |right| format!(", {right} classified rightly"));
        writeln!(f, "pictures          {}{right}", self.pictures)?;
        for (name, share) in [("top-1", self.top1), ("top-5", self.top5)] {
            if let Some(share) = share {
                writeln!(f, "{name}             {}", percent(share))?;
            }
        }
        let (median, min) = (self.median_ms, self.min_ms);
        let threads = crate::bench::threads(self.threads);
        writeln!(f, "time per picture  median {}, minimum {} ({threads}, {})", time(median), time(min), self.level)?;
        if !self.worst.is_empty() {
            let rows = self.worst.iter().map(|pair| {
                let share = percent(pair.count as f64 / pair.of.max(1) as f64);
                let of = format!("{} of {}", pair.count, pair.of);
                vec![format!("  {}", pair.label), format!("taken for {}", pair.answer), of, share]
            });
            writeln!(f, "\nconfused most often")?;
            f.write_str(&columns(&rows.collect::<Vec<_>>(), &[2, 3]))?;
        }
        if !self.beside.is_empty() {
            let head = ["beside it", "same class", "top-1", "top-5", "largest difference"].map(str::to_owned).to_vec();
            let mut rows = vec![head];
            for other in &self.beside {
                let share = |share: Option<f64>| share.map_or("-".to_owned(), percent);
                let mut difference = "-".to_owned();
                if let Some(d) = other.max_abs_difference {
                    difference.clear();
                    write!(difference, "{d:.2e}")?;
                }
                let (name, same) = (format!("  {}", other.name), percent(other.agreement));
                rows.push(vec![name, same, share(other.top1), share(other.top5), difference]);
            }
            writeln!(f)?;
            f.write_str(&columns(&rows, &[1, 2, 3, 4]))?;
        }
        Ok(())
    }
}

/// A time in the unit that suits it.
fn time(milliseconds: f64) -> String {
    if milliseconds < 1.0 { format!("{:.1} us", 1e3 * milliseconds) } else { format!("{milliseconds:.3} ms") }
}
