//! Lives to offsets: things that are never alive together may lie at the same place.

/// Something that needs `len` elements from step `first` to step `last`, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// The caller's own index.
    pub(super) index: usize,
    /// Elements.
    pub(super) len: usize,
    /// Step that writes it first.
    pub(super) first: usize,
    /// Step that reads it last.
    pub(super) last: usize,
}

impl Item {
    fn meets(&self, other: &Item) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Offsets, in the order of `items`, as multiples of `align`; and the length of all.
///
/// The largest go first, each to the lowest gap that holds it between those it lives with: within a few per cent of the
/// lower bound (the largest sum of sizes alive at one step) on chains with skips.
pub(super) fn pack(items: &[Item], align: usize) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(items[i].len), items[i].first, i));
    let mut offsets = vec![0; items.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for &i in &order {
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&j| items[j].meets(&items[i]))
            .map(|&j| (offsets[j], offsets[j] + items[j].len.next_multiple_of(align)))
            .collect();
        taken.sort_unstable();
        let mut offset = 0;
        for (start, end) in taken {
            if offset + items[i].len <= start {
                break;
            }
            offset = offset.max(end);
        }
        offsets[i] = offset;
        total = total.max(offset + items[i].len.next_multiple_of(align));
        placed.push(i);
    }
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn living_together_means_lying_apart() {
        let mut state = 7_u32;
        let mut random = |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) % n) as usize
        };
        for _ in 0..50 {
            let items: Vec<Item> = (0..40)
                .map(|index| {
                    let first = random(30);
                    Item { index, len: 1 + random(1000), first, last: first + random(5) }
                })
                .collect();
            let (offsets, total) = pack(&items, 16);
            for (i, a) in items.iter().enumerate() {
                assert!(offsets[i] % 16 == 0 && offsets[i] + a.len <= total);
                for (j, b) in items.iter().enumerate().skip(i + 1) {
                    let apart = offsets[i] + a.len <= offsets[j] || offsets[j] + b.len <= offsets[i];
                    assert!(apart || !a.meets(b));
                }
            }
        }
    }

    #[test]
    fn a_chain_takes_two_buffers() {
        let items: Vec<Item> = (0..10).map(|i| Item { index: i, len: 64, first: i, last: i + 1 }).collect();
        assert_eq!(pack(&items, 16).1, 128);
    }
}
