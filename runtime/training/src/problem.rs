//! What can be wrong with a configuration, a file or a run: always a list, so that everything is told at once.

use std::fmt;
use std::path::Path;

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// `value`, if nothing is wrong.
    ///
    /// # Errors
    /// The list, if it has any.
    pub fn or<T>(self, value: T) -> Result<T> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
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
