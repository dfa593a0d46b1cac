//! A process's share of a batch.

use std::ops::Range;

/// One of several processes that divide every batch among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which, from 0.
    pub rank: usize,
    /// Of how many.
    pub of: usize,
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self { rank: 0, of: 1 };

    /// Which of `pictures` pictures: shares lie one after the other, and differ by one picture at most.
    pub fn of(self, pictures: usize) -> Range<usize> {
        pictures * self.rank / self.of..pictures * (self.rank + 1) / self.of
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_whole_batch_and_nearly_equal() {
        assert_eq!(Share::WHOLE.of(7), 0..7);
        for of in 1..6 {
            for pictures in 0..40 {
                let shares: Vec<_> = (0..of).map(|rank| Share { rank, of }.of(pictures)).collect();
                let all: Vec<usize> = shares.iter().cloned().flatten().collect();
                assert_eq!(all, (0..pictures).collect::<Vec<_>>());
                let sizes = || shares.iter().map(|share| share.len());
                assert!(sizes().max().unwrap() - sizes().min().unwrap() <= 1);
                assert!(pictures % of != 0 || sizes().all(|size| size == pictures / of));
            }
        }
    }
}
