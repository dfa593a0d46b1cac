//! Tensors: extents, element types, elements; strides and broadcasting, once for the whole compiler.

/// The extents of a tensor, outermost axis first. Every extent is known: symbolic ones were bound at import.
pub type Shape = Vec<usize>;

/// Element type of a value. Float16 and float64 become [`DType::F32`] at import, every integer [`DType::I64`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float.
    F32,
    /// 64-bit integer.
    I64,
    /// Boolean.
    Bool,
}

/// The elements of a [`Tensor`], in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Floats.
    F32(Vec<f32>),
    /// Integers.
    I64(Vec<i64>),
    /// Booleans.
    Bool(Vec<bool>),
}

/// A dense, row-major tensor: a constant of the graph, or a value of the interpreter.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Extents, outermost first; empty for a scalar.
    pub shape: Shape,
    /// As many elements as the product of `shape`.
    pub data: Data,
}

impl Tensor {
    /// A float tensor. Panics when `data` does not fill `shape` (an error of the compiler, not of its input).
    pub fn f32(shape: impl Into<Shape>, data: Vec<f32>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.iter().product::<usize>(), data.len(), "{shape:?}");
        Self { shape, data: Data::F32(data) }
    }

    /// An integer tensor.
    pub fn i64(shape: impl Into<Shape>, data: Vec<i64>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.iter().product::<usize>(), data.len(), "{shape:?}");
        Self { shape, data: Data::I64(data) }
    }

    /// A boolean tensor.
    pub fn bool(shape: impl Into<Shape>, data: Vec<bool>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.iter().product::<usize>(), data.len(), "{shape:?}");
        Self { shape, data: Data::Bool(data) }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            Data::F32(_) => DType::F32,
            Data::I64(_) => DType::I64,
            Data::Bool(_) => DType::Bool,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True when there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The floats, if it holds floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(v) => Some(v),
            _ => None,
        }
    }

    /// The integers, if it holds integers.
    pub fn as_i64(&self) -> Option<&[i64]> {
        match &self.data {
            Data::I64(v) => Some(v),
            _ => None,
        }
    }

    /// Every element as a float: integers converted, booleans as 0 and 1.
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.data {
            Data::F32(v) => v.clone(),
            Data::I64(v) => v.iter().map(|&x| x as f32).collect(),
            Data::Bool(v) => v.iter().map(|&x| f32::from(u8::from(x))).collect(),
        }
    }
}

/// Number of elements; `None` where that number, or a product of some of the extents, is beyond all bounds.
pub fn size(shape: &[usize]) -> Option<usize> {
    // Extents of 0 must not hide others whose products overflow later.
    let bound = shape.iter().try_fold(1_usize, |n, &extent| n.checked_mul(extent.max(1)));
    // Beyond what memory holds: on 32 bits, of elements of 8 bytes.
    const MOST: u64 = if usize::BITS < 64 { i32::MAX as u64 / 8 } else { 1 << 48 };
    let bounded = shape.len() <= 64 && bound.is_some_and(|n| n as u64 <= MOST);
    bounded.then(|| shape.iter().product())
}

/// Row-major strides of a shape, in elements. A product beyond `usize` saturates: nothing that large is ever indexed.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// Strides that walk over a tensor of `shape` as if it had the shape `target`, by NumPy's broadcasting; `None` when it cannot
/// be broadcast to it.
pub fn broadcast_strides(shape: &[usize], target: &[usize]) -> Option<Vec<usize>> {
    let missing = target.len().checked_sub(shape.len())?;
    let mut result = vec![0; missing];
    for ((&extent, &wanted), stride) in shape.iter().zip(&target[missing..]).zip(strides(shape)) {
        match extent {
            _ if extent == wanted => result.push(stride),
            1 => result.push(0),
            _ => return None,
        }
    }
    Some(result)
}

/// The shape that two shapes broadcast to, by NumPy's rule; `None` when they do not.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Shape> {
    std::iter::zip(with_rank(a, b.len()), with_rank(b, a.len()))
        .map(|extents| match extents {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// The shape lengthened to `rank` by leading ones, as broadcasting does.
pub fn with_rank(shape: &[usize], rank: usize) -> Shape {
    let mut longer = vec![1; rank.saturating_sub(shape.len())];
    longer.extend(shape);
    longer
}
