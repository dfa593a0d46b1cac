//! What can be wrong with a configuration, a file or a run: always a list, so that everything is told at once.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where: a key of the configuration (`steps[1].epochs`), a file, a step.
    pub place: String,
    /// What is wrong there and what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Everything that is wrong; never empty where it is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// A list of one.
    pub fn one(place: impl fmt::Display, what: impl fmt::Display) -> Self {
        let mut problems = Self::default();
        problems.add(place, what);
        problems
    }

    /// A file that cannot be read or written.
    pub fn file(path: &Path, what: impl fmt::Display) -> Self {
        Self::one(format_args!("file \"{}\"", path.display()), what)
    }

    /// Adds one.
    pub fn add(&mut self, place: impl fmt::Display, what: impl fmt::Display) {
        self.0.push(Problem { place: place.to_string(), what: what.to_string() });
    }

    /// Adds one unless `fine`.
    pub fn check(&mut self, fine: bool, place: impl fmt::Display, what: impl fmt::Display) {
        if !fine {
            self.add(place, what);
        }
    }

    /// In the order of the places, numbers in them by their size (line 9 before line 10), each once.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort_by_cached_key(|problem| (words(&problem.place), problem.what.clone()));
        self.0.dedup();
        self
    }

    /// `value`, if nothing is wrong.
    ///
    /// # Errors
    /// The list, if it has any.
    pub fn or<T>(self, value: T) -> Result<T> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// A text in pieces, each what comes before a number, and that.
fn words(text: &str) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let digits = rest[number..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| number + n);
        all.push((rest[..number].to_owned(), rest[number..digits].parse().unwrap_or(u64::MAX)));
        rest = &rest[digits..];
    }
    all
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A result whose error is the list of everything wrong.
pub type Result<T = ()> = std::result::Result<T, Problems>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_in_their_order() {
        let mut problems = Problems::default();
        let places = ["line 10, column 1", "line 9, column 12", "steps[0].rate", "data.mean", "line 9, column 3"];
        places.into_iter().chain(places).for_each(|place| problems.add(place, "wrong"));
        let sorted: Vec<String> = problems.sorted().0.into_iter().map(|problem| problem.place).collect();
        let expected = ["data.mean", "line 9, column 3", "line 9, column 12", "line 10, column 1", "steps[0].rate"];
        assert_eq!(sorted, expected);
    }
}
