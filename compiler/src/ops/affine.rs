//! One exact affine map per channel: BatchNormalization, learned scales and shifts.

use super::{Infer, Operator, floats, mismatch, mismatched};
use crate::diagnostics::Outcome;
use crate::exact::Affine;
use crate::ir::{DType, Data, Shape, Tensor};

/// One map per index of an axis.
pub(super) struct PerAxis<'a> {
    pub(super) axis: usize,
    pub(super) maps: &'a [Affine],
}

impl Operator for PerAxis<'_> {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (shape, maps) = (&given.floats(0)?.shape, self.maps.len());
        if shape.get(self.axis) != Some(&maps) {
            return Err(mismatch(format!("{maps} channels of parameters for a value of shape {shape:?}")));
        }
        given.same(DType::F32)
    }

    /// In f64, rounded once.
    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let (&[x], &Self { axis, maps }) = (inputs, self) else { return Err(mismatched(inputs)) };
        let values = floats(x)?;
        if x.shape.get(axis) != Some(&maps.len()) {
            return Err(format!("{} maps along axis {axis} of {:?}", maps.len(), x.shape));
        }
        let inner: usize = x.shape[axis + 1..].iter().product();
        let coefficients: Vec<[f64; 4]> = maps.iter().map(Affine::coefficients).collect();
        let mut result = Vec::with_capacity(values.len());
        if inner == 1 {
            for row in values.chunks_exact(maps.len().max(1)) {
                result.extend(row.iter().zip(&coefficients).map(|(&x, c)| Affine::evaluate(c, x)));
            }
        } else {
            for (i, plane) in values.chunks_exact(inner.max(1)).enumerate() {
                let c = &coefficients[i % maps.len()];
                result.extend(plane.iter().map(|&x| Affine::evaluate(c, x)));
            }
        }
        Ok(Tensor { shape: x.shape.clone(), data: Data::F32(result) })
    }
}
