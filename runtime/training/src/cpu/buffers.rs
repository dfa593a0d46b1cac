//! Memory that goes from one step of training to the next.
//!
//! Each step wants buffers of the same lengths as the one before. Allocators give such large ones back to the system and
//! get them back page by page, zeroed: a sixth of a step's time. Here operations give what they have seen the last of,
//! and take it again for what they make.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Shorter ones are left to the allocator.
const WORTH_KEEPING: usize = 1 << 14;

/// Of one length.
#[derive(Default)]
struct Shelf {
    free: Vec<Vec<f32>>,
    /// How many were taken and not given: only so many more are accepted, so that memory from elsewhere does not pile up.
    out: usize,
}

static SHELVES: LazyLock<Mutex<HashMap<usize, Shelf>>> = LazyLock::new(Mutex::default);

/// A buffer whose values are those of whoever had it last.
pub(crate) fn take(len: usize) -> Vec<f32> {
    if len < WORTH_KEEPING {
        return vec![0.0; len];
    }
    let mut shelves = SHELVES.lock().unwrap_or_else(PoisonError::into_inner);
    let shelf = shelves.entry(len).or_default();
    shelf.out += 1;
    let free = shelf.free.pop();
    drop(shelves);
    free.unwrap_or_else(|| vec![0.0; len])
}

/// For somebody else.
pub(crate) fn give(buffer: Vec<f32>) {
    let mut shelves = SHELVES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shelf) = shelves.get_mut(&buffer.len()).filter(|shelf| shelf.out > 0) {
        shelf.out -= 1;
        shelf.free.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_do_not_pile_up() {
        // A length that nothing else has.
        let len = WORTH_KEEPING + 4321;
        give(vec![1.0; len]);
        assert_eq!(take(len), vec![0.0; len]);
        give(vec![2.0; len]);
        give(vec![3.0; len]);
        assert_eq!(take(len), vec![2.0; len]);
        assert_eq!(take(len), vec![0.0; len]);
    }
}
