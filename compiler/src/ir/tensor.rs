//! Tensors: extents, element types, elements; strides and broadcasting, once for the whole compiler.

/// The extents of a tensor, outermost axis first. Every extent is known: symbolic ones were bound at import.
pub type Shape = Vec<usize>;

/// Element type of a value. Float16 and float64 become [`DType::F32`] at import. Integers are [`DType::I64`] where they are known, and
/// floats that hold them where they are not; the narrower types are those of the caller's inputs and outputs alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit float.
    F32,
    /// 64-bit integer.
    I64,
    /// Boolean.
    Bool,
    /// 8-bit integer without a sign.
    U8,
    /// 8-bit integer.
    I8,
    /// 16-bit integer without a sign.
    U16,
    /// 16-bit integer.
    I16,
    /// 32-bit integer without a sign.
    U32,
    /// 32-bit integer.
    I32,
}

impl DType {
    /// All of them.
    pub const ALL: [DType; 9] =
        [Self::F32, Self::I64, Self::Bool, Self::U8, Self::I8, Self::U16, Self::I16, Self::U32, Self::I32];

    /// As Rust calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::I64 => "i64",
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
        }
    }

    /// The integers that it holds, if it does.
    pub fn integers(self) -> Option<std::ops::RangeInclusive<i64>> {
        Some(match self {
            Self::F32 | Self::Bool => return None,
            Self::I64 => i64::MIN..=i64::MAX,
            Self::U8 => 0..=u8::MAX.into(),
            Self::I8 => i8::MIN.into()..=i8::MAX.into(),
            Self::U16 => 0..=u16::MAX.into(),
            Self::I16 => i16::MIN.into()..=i16::MAX.into(),
            Self::U32 => 0..=u32::MAX.into(),
            Self::I32 => i32::MIN.into()..=i32::MAX.into(),
        })
    }

    /// Whether it is one of integers.
    pub fn is_integer(self) -> bool {
        self.integers().is_some()
    }

    /// Bytes of an element of the caller's.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::F32 | Self::Bool | Self::U32 | Self::I32 => 4,
            Self::I64 => 8,
        }
    }

    /// The type of [`Data`] that holds such elements.
    pub fn held(self) -> DType {
        if self.is_integer() { Self::I64 } else { self }
    }
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

    /// The same numbers as elements of a type: of integers those nearest to them, towards zero.
    pub fn converted(&self, to: DType) -> Self {
        let shape = self.shape.clone();
        let data = match (&self.data, to.integers()) {
            (Data::I64(v), Some(range)) => {
                Data::I64(v.iter().map(|&x| x.clamp(*range.start(), *range.end())).collect())
            }
            // An `as` cast saturates.
            (_, Some(range)) => {
                let whole = self.to_f32().into_iter().map(|x| (x as i64).clamp(*range.start(), *range.end()));
                Data::I64(whole.collect())
            }
            (_, None) => Data::F32(self.to_f32()),
        };
        Self { shape, data }
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
