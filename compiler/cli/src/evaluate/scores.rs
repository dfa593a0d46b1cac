//! Outputs as scores of classes, or as classes.

use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};
use xnorc::ir::{Data, Tensor};

/// What an engine says of each picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    pictures: usize,
    said: Said,
}

#[derive(Clone, Debug, PartialEq)]
enum Said {
    /// A score for each class.
    Scores { classes: usize, values: Vec<f32> },
    /// The class alone.
    Classes(Vec<usize>),
}

impl Scores {
    /// Outputs along the first axis: a row of scores for each picture, or a class.
    ///
    /// # Errors
    /// An output that is neither.
    pub fn new(outputs: &Tensor) -> Result<Self, Diagnostics> {
        let pictures = outputs.shape.first().copied().unwrap_or(0);
        let classes = outputs.len().checked_div(pictures).unwrap_or(0);
        let said = match &outputs.data {
            Data::F32(values) if classes > 1 => Some(Said::Scores { classes, values: values.clone() }),
            Data::I64(values) if classes == 1 => {
                let classes: Option<_> = values.iter().map(|&v| usize::try_from(v).ok()).collect();
                classes.map(Said::Classes)
            }
            _ => None,
        };
        let refused = || {
            let message = format!("outputs of shape {:?} are neither scores nor classes", outputs.shape);
            let help = "wanted are a row of scores for each picture, or one whole number";
            Diagnostic::error(Code::ShapeMismatch, None, message).help(help)
        };
        Ok(Self { pictures, said: said.ok_or_else(refused)? })
    }

    /// How many pictures.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// How many classes there are, as far as that can be told.
    pub fn classes(&self) -> usize {
        match &self.said {
            Said::Scores { classes, .. } => *classes,
            Said::Classes(classes) => classes.iter().max().map_or(0, |most| most + 1),
        }
    }

    /// Whether there is more than the class alone.
    pub fn has_scores(&self) -> bool {
        matches!(self.said, Said::Scores { .. })
    }

    /// The best class of a picture: the first one of those with the highest score. NaN is no score.
    pub fn best(&self, picture: usize) -> usize {
        match &self.said {
            Said::Classes(classes) => classes[picture],
            Said::Scores { classes, values } => {
                let row = &values[picture * classes..][..*classes];
                let mut best = 0;
                for (class, score) in row.iter().enumerate() {
                    if *score > row[best] || row[best].is_nan() && !score.is_nan() {
                        best = class;
                    }
                }
                best
            }
        }
    }

    /// Whether a class is among the `first` best of a picture; of equal scores those of lower classes come first.
    pub fn is_among(&self, picture: usize, class: usize, first: usize) -> bool {
        match &self.said {
            Said::Classes(classes) => classes[picture] == class,
            Said::Scores { classes, values } => {
                let row = &values[picture * classes..][..*classes];
                let Some(own) = row.get(class).filter(|own| !own.is_nan()) else { return false };
                let better = |(other, score): (usize, &f32)| score > own || score == own && other < class;
                row.iter().enumerate().filter(|it| better(*it)).count() < first
            }
        }
    }

    /// The largest difference of a score, where both have them.
    pub fn difference(&self, other: &Self) -> Option<f64> {
        match (&self.said, &other.said) {
            (Said::Scores { values: a, .. }, Said::Scores { values: b, .. }) if a.len() == b.len() => {
                let off = |(a, b): (&f32, &f32)| if a == b { 0.0 } else { f64::from((a - b).abs()) };
                Some(a.iter().zip(b).map(off).fold(0.0, f64::max))
            }
            _ => None,
        }
    }

    /// The first of them.
    #[must_use]
    pub fn first(mut self, count: usize) -> Self {
        self.pictures = self.pictures.min(count);
        match &mut self.said {
            Said::Scores { classes, values } => values.truncate(self.pictures * *classes),
            Said::Classes(classes) => classes.truncate(self.pictures),
        }
        self
    }
}
