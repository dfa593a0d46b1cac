//! Lives to offsets: things that are never alive together may lie at the same place.

use std::cmp::Reverse;
use std::ops::Range;

/// Something that needs memory, as much as its spans.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The caller's own index.
    pub(super) index: usize,
    /// What it needs, and when.
    pub(super) spans: Vec<Span>,
}

/// Elements from step `first` to step `last`, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// First element, from the start of the item.
    pub(super) at: usize,
    /// Elements.
    pub(super) len: usize,
    /// Step that writes it first.
    pub(super) first: usize,
    /// Step that reads it last.
    pub(super) last: usize,
}

impl Item {
    /// Elements from its start to the end of its last.
    fn len(&self) -> usize {
        self.spans.iter().map(|span| span.at + span.len).max().unwrap_or(0)
    }

    fn first(&self) -> usize {
        self.spans.iter().map(|span| span.first).min().unwrap_or(0)
    }

    /// Where it may not begin because of another item at that offset: ranges, for each two spans that live together.
    fn taken<'a>(&'a self, other: &'a Item, offset: usize, align: usize) -> impl Iterator<Item = Range<usize>> + 'a {
        self.spans.iter().flat_map(move |a| {
            other.spans.iter().filter(|b| a.first <= b.last && b.first <= a.last).map(move |b| {
                let (start, end) = (offset + b.at, (offset + b.at + b.len).next_multiple_of(align));
                (start + 1).saturating_sub(a.at + a.len)..end.saturating_sub(a.at)
            })
        })
    }
}

/// Offsets, in the order of `items`, as multiples of `align`; and the length of all.
///
/// The largest go first, each to the lowest gap that holds it between those it lives with: within a few per cent of the
/// lower bound (the largest sum of sizes alive at one step) on chains with skips.
pub(super) fn pack(items: &[Item], align: usize) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&i| (Reverse(items[i].len()), items[i].first(), i));
    let mut offsets = vec![0; items.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for &i in &order {
        let mut taken: Vec<Range<usize>> =
            placed.iter().flat_map(|&j| items[i].taken(&items[j], offsets[j], align)).collect();
        taken.sort_unstable_by_key(|range| range.start);
        let mut offset: usize = 0;
        for range in taken {
            if offset < range.start {
                break;
            }
            offset = offset.max(range.end.next_multiple_of(align));
        }
        offsets[i] = offset;
        total = total.max((offset + items[i].len()).next_multiple_of(align));
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
                    let mut spans = vec![Span { at: 0, len: 1 + random(1000), first, last: first + random(5) }];
                    // Some become smaller, or are a part of what comes to be in front of them.
                    if random(3) == 0 {
                        let (Span { len, last, .. }, at) = (spans[0], 16 * random(30));
                        spans[0].at = at;
                        spans.push(Span {
                            at: 0,
                            len: 1 + random((at + len) as u32),
                            first: last,
                            last: last + random(9),
                        });
                    }
                    Item { index, spans }
                })
                .collect();
            let (offsets, total) = pack(&items, 16);
            let spans = |i: usize| {
                let offset = offsets[i];
                items[i]
                    .spans
                    .iter()
                    .map(move |span| (offset + span.at..offset + span.at + span.len, span.first..=span.last))
            };
            for i in 0..items.len() {
                assert!(offsets[i] % 16 == 0 && offsets[i] + items[i].len() <= total);
                for (a, its) in spans(i) {
                    for (b, others) in (i + 1..items.len()).flat_map(spans) {
                        let apart = a.end <= b.start || b.end <= a.start;
                        assert!(apart || its.end() < others.start() || others.end() < its.start());
                    }
                }
            }
        }
    }

    #[test]
    fn a_chain_takes_two_buffers() {
        let span = |i| Span { at: 0, len: 64, first: i, last: i + 1 };
        let items: Vec<Item> = (0..10).map(|i| Item { index: i, spans: vec![span(i)] }).collect();
        assert_eq!(pack(&items, 16).1, 128);
    }
}
