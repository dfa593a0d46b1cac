//! Loops over several operands in step, and the arrays that these are seen as.
//!
//! Transposing, slicing, broadcasting and reducing are one walk: each operand has a stride along each axis. A tensor is seen as
//! an array of arrays whose extents come of these strides, so that each axis is one index and none can be out of range.

/// An axis that all operands walk at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Steps along it.
    pub extent: usize,
    /// Elements from one step to the next, by operand: negative backwards, 0 where it is repeated.
    pub strides: Vec<isize>,
}

/// The axes of a walk: those of one element are left out, and neighbours that all operands walk in one go are one.
pub fn axes(extents: &[usize], strides: &[Vec<isize>]) -> Vec<Axis> {
    let all = extents.iter().enumerate().filter(|(_, extent)| **extent > 1);
    let each = all.map(|(axis, &extent)| Axis { extent, strides: strides.iter().map(|of| of[axis]).collect() });
    merged(each)
}

/// Neighbours that all operands walk in one go are one axis.
pub(super) fn merged(axes: impl IntoIterator<Item = Axis>) -> Vec<Axis> {
    let mut merged: Vec<Axis> = Vec::new();
    for axis in axes {
        let in_one_go = |outer: &Axis| {
            std::iter::zip(&outer.strides, &axis.strides).all(|(&outer, &inner)| {
                isize::try_from(axis.extent).ok().and_then(|extent| inner.checked_mul(extent)) == Some(outer)
            })
        };
        match merged.last_mut() {
            Some(outer) if in_one_go(outer) => *outer = Axis { extent: outer.extent * axis.extent, ..axis },
            _ => merged.push(axis),
        }
    }
    merged
}

/// Strides of a tensor whose elements lie one after the other, forwards.
pub fn signed(strides: &[usize]) -> Vec<isize> {
    strides.iter().map(|&stride| stride as isize).collect()
}

/// A tensor as nested arrays, and where each step of a walk finds its element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Extents of the arrays, the outermost first.
    pub extents: Vec<usize>,
    /// An index for each of them.
    pub index: Vec<Index>,
}

/// An index: the start, and for some axes their steps times a factor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The variable that is added, if the start is not known before.
    pub base: Option<&'static str>,
    /// Where no step is taken.
    pub start: usize,
    /// Axes, and factors that are not 0.
    pub terms: Vec<(usize, isize)>,
}

impl View {
    /// Of operand number `operand` of a walk, which holds so many elements and begins at `start`.
    pub fn of(len: usize, start: usize, axes: &[Axis], operand: usize) -> Self {
        let strides: Vec<(usize, isize)> =
            axes.iter().map(|axis| axis.strides[operand]).enumerate().filter(|(_, stride)| *stride != 0).collect();
        nested(len, start, axes, &strides).unwrap_or_else(|| Self {
            // Axes that share a digit: one index of all.
            extents: vec![len],
            index: vec![Index { base: None, start, terms: strides }],
        })
    }

    /// All elements in a row, from a variable on.
    pub fn from_base(len: usize, base: &'static str, axes: &[Axis], operand: usize) -> Self {
        let strides = axes.iter().map(|axis| axis.strides[operand]).enumerate();
        let terms = strides.filter(|(_, stride)| *stride != 0).collect();
        Self { extents: vec![len], index: vec![Index { base: Some(base), start: 0, terms }] }
    }

    /// Whether every axis has an index of its own, so that no element is met twice but along axes that repeat it.
    pub fn is_nested(&self) -> bool {
        self.index.iter().all(|index| index.terms.len() <= 1)
    }

    /// Whether the last index is that of an axis along which elements are neighbours.
    pub fn ends_in(&self, axis: usize) -> bool {
        self.index.last().is_some_and(|last| last.terms.contains(&(axis, 1)))
    }
}

/// Strides are numbers with one digit in a mixed radix: the extents are the radix.
fn nested(len: usize, start: usize, axes: &[Axis], strides: &[(usize, isize)]) -> Option<View> {
    let mut strides = strides.to_vec();
    strides.sort_by_key(|(_, stride)| std::cmp::Reverse(stride.unsigned_abs()));
    let (mut unit, mut rest) = (len, start);
    let mut view = View { extents: Vec::new(), index: Vec::new() };
    for (axis, stride) in strides {
        let inner = gcd(unit, stride.unsigned_abs());
        let (extent, factor) = (unit / inner, stride / inner as isize);
        let first = rest / inner;
        // The digit must hold the steps of the axis without a carry.
        let last = first as isize + factor * (axes[axis].extent as isize - 1);
        if last < 0 || last >= extent as isize {
            return None;
        }
        view.extents.push(extent);
        view.index.push(Index { base: None, start: first, terms: vec![(axis, factor)] });
        (unit, rest) = (inner, rest % inner);
    }
    if unit > 1 || view.extents.is_empty() {
        view.extents.push(unit);
        view.index.push(Index { base: None, start: rest, terms: Vec::new() });
    }
    Some(view)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(len: usize, start: usize, axes: &[(usize, isize)]) -> View {
        let axes: Vec<Axis> = axes.iter().map(|&(extent, stride)| Axis { extent, strides: vec![stride] }).collect();
        View::of(len, start, &axes, 0)
    }

    fn index(start: usize, terms: &[(usize, isize)]) -> Index {
        Index { base: None, start, terms: terms.to_vec() }
    }

    #[test]
    fn extents_come_of_strides() {
        // Channels first, read pixel by pixel.
        let planes = view(3 * 20, 0, &[(20, 1), (3, 20)]);
        assert_eq!(planes.extents, [3, 20]);
        assert_eq!(planes.index, [index(0, &[(1, 1)]), index(0, &[(0, 1)])]);
        // Every second of five columns of three, backwards.
        let slice = view(2 * 5 * 3, 12, &[(2, 15), (3, -6), (3, 1)]);
        assert_eq!(slice.extents, [2, 5, 3]);
        assert_eq!(slice.index, [index(0, &[(0, 1)]), index(4, &[(1, -2)]), index(0, &[(2, 1)])]);
        // One element of each row.
        let column = view(12, 2, &[(3, 4)]);
        assert_eq!((column.extents, column.index), (vec![3, 4], vec![index(0, &[(0, 1)]), index(2, &[])]));
        // A diagonal has no such digits, nor has what repeats elements of its own.
        assert_eq!(view(9, 0, &[(3, 4)]).extents, [9]);
        assert_eq!(view(9, 0, &[(3, 1), (3, 1)]).index, [index(0, &[(0, 1), (1, 1)])]);
        assert_eq!(view(1, 0, &[]).extents, [1]);
    }

    #[test]
    fn axes_that_go_on_are_one() {
        let axes = axes(&[2, 1, 3, 4], &[vec![12, 0, 4, 1], vec![24, 7, 8, 2]]);
        assert_eq!(axes, [Axis { extent: 24, strides: vec![1, 2] }]);
    }
}
