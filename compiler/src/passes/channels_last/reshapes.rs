//! Reshapes of transposed values.

use crate::passes::rewrite::{inverse, is_identity, moves_nothing, permuted};

/// How `reshape(transpose(x, p), shape)` is computed with the transposition last.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    /// First transpose x by this; mostly nothing moves.
    pub(super) arrange: Vec<usize>,
    /// Then reshape to this.
    pub(super) shape: Vec<usize>,
    /// Then transpose by this.
    pub(super) perm: Vec<usize>,
}

/// Splits source axes and shape into groups of equal products, keeps each group together, and orders the groups as they
/// lie in memory.
///
/// `None` when that would move data without bringing it to channels last: a Flatten of an image, say.
pub(super) fn sink(source: &[usize], perm: &[usize], shape: &[usize]) -> Option<Plan> {
    let groups = groups(source, perm, shape)?;
    // In memory order of their first axes. Axes of extent 1 lie anywhere.
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|&g| groups[g].from.iter().copied().min());
    let ones = (0..source.len()).filter(|&i| source[i] == 1);
    let arrange: Vec<usize> = ones.chain(order.iter().flat_map(|&g| groups[g].from.iter().copied())).collect();
    let moves = !moves_nothing(source, &arrange);
    let axes = with_ones(&groups, &order, shape);
    let plan = Plan {
        shape: permuted(shape, &axes),
        perm: inverse(&axes),
        arrange: if moves { arrange } else { (0..source.len()).collect() },
    };
    let useful = !moves || (!is_identity(&plan.perm) && super::is_to_first(&plan.perm));
    useful.then_some(plan)
}

/// Axes of the source and of the result with the same elements.
struct Group {
    /// Source axes, in the order of the transposed value.
    from: Vec<usize>,
    /// Result axes.
    to: Vec<usize>,
}

fn groups(source: &[usize], perm: &[usize], shape: &[usize]) -> Option<Vec<Group>> {
    let mut from = perm.iter().copied().filter(|&i| source[i] != 1).peekable();
    let mut to = (0..shape.len()).filter(|&i| shape[i] != 1).peekable();
    let mut groups = Vec::new();
    while from.peek().is_some() || to.peek().is_some() {
        let (first, second) = (from.next()?, to.next()?);
        let mut group = Group { from: vec![first], to: vec![second] };
        let (mut a, mut b) = (source[first], shape[second]);
        while a != b {
            if a < b {
                let axis = from.next()?;
                a = a.checked_mul(source[axis])?;
                group.from.push(axis);
            } else {
                let axis = to.next()?;
                b = b.checked_mul(shape[axis])?;
                group.to.push(axis);
            }
        }
        groups.push(group);
    }
    Some(groups)
}

/// The result's axes in memory order: those of the groups, and those of extent 1 beside a neighbour (the batch first).
fn with_ones(groups: &[Group], order: &[usize], shape: &[usize]) -> Vec<usize> {
    let mut axes: Vec<usize> = order.iter().flat_map(|&g| groups[g].to.iter().copied()).collect();
    for axis in (0..shape.len()).filter(|&i| shape[i] == 1) {
        let next = (axis + 1..shape.len()).find(|&i| shape[i] != 1);
        let position = |a: usize| axes.iter().position(|&x| x == a);
        let at = match (axis, next.and_then(position)) {
            (0, _) => 0,
            (_, Some(at)) => at,
            // Behind the axis before it; all axes before it have found their places.
            (_, None) => position(axis - 1).map_or(axes.len(), |at| at + 1),
        };
        axes.insert(at, axis);
    }
    axes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &[usize], perm: &[usize], shape: &[usize], expected: Option<(&[usize], &[usize])>) {
        let plan = sink(source, perm, shape);
        let found = plan.as_ref().map(|p| (&p.shape[..], &p.perm[..]));
        assert_eq!(found, expected, "{source:?} {perm:?} -> {shape:?}");
    }

    #[test]
    fn axes_of_extent_one_come_and_go() {
        // A one-dimensional convolution's [N, C, 1, L] back to [N, C, L].
        check(&[2, 1, 9, 5], &[0, 3, 1, 2], &[2, 5, 9], Some((&[2, 9, 5], &[0, 2, 1])));
        check(&[1, 1, 9, 5], &[0, 3, 1, 2], &[1, 5, 9], Some((&[1, 9, 5], &[0, 2, 1])));
        // And forth.
        check(&[2, 9, 5], &[0, 2, 1], &[2, 5, 1, 9], Some((&[2, 1, 9, 5], &[0, 3, 1, 2])));
        check(&[1, 9, 5], &[0, 2, 1], &[1, 5, 1, 9], Some((&[1, 1, 9, 5], &[0, 3, 1, 2])));
        // A pooled image.
        check(&[1, 1, 1, 5], &[0, 3, 1, 2], &[1, 5], Some((&[1, 5], &[0, 1])));
    }

    #[test]
    fn channel_shuffle_splits_without_moving() {
        check(&[1, 4, 5, 6], &[0, 3, 1, 2], &[1, 2, 3, 4, 5], Some((&[1, 4, 5, 2, 3], &[0, 3, 4, 1, 2])));
        // Merged the other way round, the two parts of the channels trade places and nothing else moves.
        let plan = sink(&[1, 4, 5, 2, 3], &[0, 4, 3, 1, 2], &[1, 6, 4, 5]).unwrap();
        assert_eq!(plan, Plan { arrange: vec![0, 1, 2, 4, 3], shape: vec![1, 4, 5, 6], perm: vec![0, 3, 1, 2] });
    }

    #[test]
    fn a_flatten_is_a_barrier() {
        check(&[1, 4, 5, 6], &[0, 3, 1, 2], &[1, 120], None);
        check(&[1, 4, 5, 6], &[0, 3, 1, 2], &[6, 20], Some((&[20, 6], &[1, 0])));
    }
}
