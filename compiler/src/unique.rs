//! Names, each given once: the one asked for, or that with a number behind it.

use std::collections::HashMap;

/// Names that are taken, each with the last number that was put behind it to make others: a name that is wanted a
/// thousand times is found at once every time.
#[derive(Debug, Default)]
pub(crate) struct UniqueNames(HashMap<String, usize>);

impl UniqueNames {
    /// Takes `base` or, when it is taken, `base`, the separator and a number from 2 on.
    pub(crate) fn take(&mut self, base: &str, separator: char) -> String {
        let Some(mut count) = self.0.get(base).copied() else {
            self.0.insert(base.to_owned(), 1);
            return base.to_owned();
        };
        let name = loop {
            count += 1;
            let name = format!("{base}{separator}{count}");
            if !self.0.contains_key(&name) {
                break name;
            }
        };
        self.0.insert(base.to_owned(), count);
        self.0.insert(name.clone(), 1);
        name
    }
}

/// Names that are taken.
impl FromIterator<String> for UniqueNames {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Self(names.into_iter().map(|name| (name, 1)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::UniqueNames;

    #[test]
    fn the_lowest_number_that_is_free() {
        let mut names: UniqueNames = ["a".to_owned(), "a.3".to_owned()].into_iter().collect();
        let taken: Vec<String> = ["b", "a", "b", "a", "a.3", "b"].iter().map(|base| names.take(base, '.')).collect();
        assert_eq!(taken, ["b", "a.2", "b.2", "a.4", "a.3.2", "b.3"]);
    }
}
