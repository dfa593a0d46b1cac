//! Independent random numbers for every picture, batch and epoch.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// What random numbers are for: one sequence never serves two purposes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Order,
    Picture,
    MixUp,
    Split,
}

/// The generator of item `index` of an epoch.
pub(super) fn generator(seed: u64, purpose: Purpose, epoch: usize, index: usize) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, epoch as u64, index as u64]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}
