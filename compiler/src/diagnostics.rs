//! One catalogue of everything that can be wrong with an input.
//!
//! A [`Diagnostic`] says what is wrong, where, and what to do; [`Diagnostics`] collects all of a file's, so that one run
//! shows them all. Codes are stable: tests and users may refer to them.

use std::collections::HashMap;
use std::fmt;

use crate::printable::printable_text;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The model compiles; the user should know.
    Warning,
    /// The model cannot be compiled.
    Error,
}

/// One thing that is wrong (or noteworthy), and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// Stable code from [`Code`].
    pub code: Code,
    /// Where: the ONNX node, value or file, with operator and opset where there is one.
    pub place: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        /// The catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = $doc] $name,)* }

        impl Code {
            /// As printed: `X` and three digits.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// All of them, with what they mean.
            pub const ALL: &'static [(Code, &'static str)] = &[$((Code::$name, $doc),)*];
        }
    };
}

codes! {
    NotOnnx = "X001", "The file is not an ONNX model.";
    Io = "X002", "A file cannot be read or written.";
    ExternalData = "X003", "An external data file is missing, too short, or lies outside the model's folder.";
    BadInitializer = "X004", "A constant's data do not fit its type and shape, or hold NaN or infinity where numbers are needed.";
    Cycle = "X005", "The graph is cyclic, or uses a value that nothing produces.";
    UnknownDomain = "X006", "An operator is of a domain that xnorc does not know.";
    UnknownOperator = "X007", "An operator, or this version of it, is not supported.";
    BadAttribute = "X008", "An attribute or parameter of an operator is missing, wrong or not supported.";
    ShapeMismatch = "X009", "Shapes disagree.";
    DynamicDimension = "X010", "A dimension is not known at compile time.";
    TrainingMode = "X011", "The file was exported in training mode.";
    PythonOp = "X012", "The exporter left a Python function in the file.";
    NotConstant = "X013", "A parameter must be known at compile time, but is computed from the input.";
    Unsupported = "X014", "No compiled form exists for this operator on these operands.";
    Unbound = "X015", "A dimension given by the user does not exist in the model.";
    TooLarge = "X016", "A size in the file is beyond what the file can hold.";
    Toolchain = "X017", "The emitted program cannot be built or run on this machine.";
    NoSuchLayer = "X018", "A layer the user names does not exist, or has no looser arithmetic.";
    Calibration = "X019", "8-bit integers and fixed point need example inputs, and these are missing or do not fit the model.";
    RealInput = "X101", "A layer with binary weights has an input that is not binary: exporters are known to lose the sign.";
    Opset = "X103", "The model's opset is newer than those xnorc was tested with.";
    ZeroSigns = "X104", "A sign whose zero is 0 in the file, and taken as +1, is taken of values that are likely to be exactly 0.";
    LatentWeights = "X105", "A layer has signs for its input, and real weights: exporters are known to lose the sign of weights.";
    Internal = "X900", "A fault of xnorc itself, and not of the model.";
}

impl Code {
    /// The problem is which operator it is, whatever its operands are.
    pub(crate) fn is_about_the_operator(self) -> bool {
        matches!(self, Self::UnknownDomain | Self::UnknownOperator | Self::PythonOp)
    }
}

impl Diagnostic {
    /// An error.
    pub fn error(code: Code, place: impl Into<Option<String>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, place: place.into(), message: message.into(), help: None }
    }

    /// A warning.
    pub fn warning(code: Code, place: impl Into<Option<String>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, message) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// `X007 at node "conv1" (FooBar, opset 17): ...; help: ...` on one line, so that it survives cargo's wrapping.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.as_str())?;
        if let Some(place) = &self.place {
            write!(f, " at {}", printable_text(place))?;
        }
        write!(f, ": {}", printable_text(&self.message))?;
        if let Some(help) = &self.help {
            write!(f, "; help: {}", printable_text(help))?;
        }
        Ok(())
    }
}

/// All problems of one input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Makes one line of problems that say the same of many places (an operator that is not supported, a file that is
    /// not there): the first place, and how many others there are.
    pub(crate) fn merge_repeated(&mut self) {
        let mut first: HashMap<(Code, String), usize> = HashMap::new();
        let mut more: Vec<usize> = Vec::new();
        let mut kept: Vec<Diagnostic> = Vec::new();
        for diagnostic in std::mem::take(&mut self.0) {
            if diagnostic.place.is_some()
                && (diagnostic.code.is_about_the_operator() || diagnostic.code == Code::ExternalData)
            {
                let key = (diagnostic.code, diagnostic.message.clone());
                if let Some(&first) = first.get(&key) {
                    more[first] += 1;
                    continue;
                }
                first.insert(key, kept.len());
            }
            kept.push(diagnostic);
            more.push(0);
        }
        for (diagnostic, more) in kept.iter_mut().zip(more).filter(|(_, more)| *more > 0) {
            if let Some(place) = &mut diagnostic.place {
                place.push_str(&format!(" and {more} more"));
            }
        }
        self.0 = kept;
    }

    /// True when at least one is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

/// One per line.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// What a step gives, or the problem that it met; the caller adds the place.
pub(crate) type Outcome<T> = Result<T, Diagnostic>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_ordered() {
        let codes: Vec<&str> = Code::ALL.iter().map(|(code, _)| code.as_str()).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
    }
}
