//! Pieces of one scratch buffer.

/// Disjoint pieces of `arena`, each an offset and a length. All are empty when two overlap or one is out of range.
#[inline(always)]
pub fn regions<T, const R: usize>(arena: &mut [T], spans: [(usize, usize); R]) -> [&mut [T]; R] {
    // An empty piece lies nowhere, so that it cannot overlap. A sum that overflows is out of range either way.
    let ranges = spans.map(|(offset, len)| if len == 0 { 0..0 } else { offset..offset.saturating_add(len) });
    arena.get_disjoint_mut(ranges).unwrap_or_else(|_| [(); R].map(|()| <&mut [T]>::default()))
}
