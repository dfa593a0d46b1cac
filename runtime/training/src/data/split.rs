//! Which of the training pictures are held back to choose the best epoch on.

use rand::seq::SliceRandom as _;

use super::seeds::{Purpose, generator};
use crate::config::Validation;

/// The numbers of the pictures held back, and of the others, both in rising order: the same share of every class.
pub(super) fn stratified(labels: &[u32], config: &Validation) -> (Vec<usize>, Vec<usize>) {
    let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); labels.iter().max().map_or(0, |&label| label as usize + 1)];
    for (number, &label) in labels.iter().enumerate() {
        of_class[label as usize].push(number);
    }
    let mut held_back = vec![false; labels.len()];
    for (class, mut numbers) in of_class.into_iter().enumerate() {
        let n = numbers.len();
        // A class that has a single picture needs it to be learned.
        let held = if n < 2 { 0 } else { ((n as f64 * config.share()).round() as usize).clamp(1, n - 1) };
        numbers.shuffle(&mut generator(config.seed.unwrap_or(0), Purpose::Split, 0, class));
        numbers[..held].iter().for_each(|&number| held_back[number] = true);
    }
    (0..labels.len()).partition(|&number| held_back[number])
}
