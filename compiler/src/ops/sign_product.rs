//! Products of two matrices of signs that are both computed at run time: queries and keys, or a mask of attention and values.

use super::node::problem;
use super::{AtRunTime, Form, Infer, Operator, WholeCost, floats, mismatched};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{DType, Shape, Tensor};

/// a `[..., M, K]`, b `[..., N, K]`; whether -1 stands for 0 in each. A batch of both, or none.
pub(super) struct SignProduct(pub(super) [bool; 2]);

impl SignProduct {
    /// The sums, given what the elements stand for.
    fn sums(&self, [a, b]: [&Tensor; 2], shape: &[usize], sign: impl Fn(f32) -> f32) -> Result<Tensor, String> {
        let (x, y) = (floats(a)?, floats(b)?);
        let (Some(&[m, k]), Some(&[n, depth])) = (a.shape.last_chunk(), b.shape.last_chunk()) else {
            return Err("a product of vectors".to_owned());
        };
        let len: usize = shape.iter().product();
        let batch = len / (m * n).max(1);
        let stride = |len: usize, matrix: usize| if len == matrix { 0 } else { matrix };
        let (left, right) = (stride(x.len(), m * k), stride(y.len(), k * n));
        let wanted = |stride: usize, matrix: usize| if stride == 0 { matrix } else { batch * matrix };
        if k != depth || len != batch * m * n || x.len() != wanted(left, m * k) || y.len() != wanted(right, k * n) {
            return Err(format!("{:?} times {:?} is not {shape:?}", a.shape, b.shape));
        }
        let number = |x: f32, zero_one: bool| if zero_one { (sign(x) + 1.0) / 2.0 } else { sign(x) };
        let values = (0..len).map(|i| {
            let (image, row, column) = (i / (m * n), i / n % m, i % n);
            let (from, by) = (&x[image * left + row * k..][..k], &y[image * right + column * k..][..k]);
            // From 0 on: an integer has one zero.
            from.iter().zip(by).fold(0.0, |sum, (&x, &y)| sum + number(x, self.0[0]) * number(y, self.0[1]))
        });
        Ok(Tensor::f32(shape, values.collect()))
    }
}

impl Operator for SignProduct {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (a, b) = (&given.floats(0)?.shape, &given.floats(1)?.shape);
        let wrong = || problem(Code::ShapeMismatch, format!("a product of signs of shapes {a:?} and {b:?}"));
        let ([left @ .., m, k], [right @ .., n, depth]) = (&a[..], &b[..]) else { return Err(wrong()) };
        let batch = crate::ir::broadcast(left, right).filter(|_| k == depth).ok_or_else(wrong)?;
        Ok(([&batch[..], &[*m, *n]].concat(), DType::F32))
    }

    /// Exact integers; where a sign is 0, so is its product.
    fn apply(&self, inputs: &[&Tensor], shape: &[usize]) -> Result<Tensor, String> {
        let &[a, b] = inputs else { return Err(mismatched(inputs)) };
        self.sums([a, b], shape, |x| x)
    }

    fn work(&self, inputs: &[&Tensor]) -> Option<usize> {
        Some(inputs.first().and_then(|a| a.shape.last().copied()).unwrap_or(1))
    }

    fn whole(&self) -> Option<&dyn AtRunTime> {
        Some(self)
    }
}

impl AtRunTime for SignProduct {
    fn kind(&self) -> String {
        "binary matmul".to_owned()
    }

    fn reason(&self) -> &'static str {
        "binary; both factors are computed at run time, and packed here"
    }

    fn form(&self) -> Form {
        Form::SignProduct { zero_one: self.0 }
    }

    fn cost(&self, inputs: &[&[usize]], output: &[usize]) -> WholeCost {
        let depth = inputs[0].last().copied().unwrap_or(1);
        let packed: usize = inputs.iter().map(|shape| shape.iter().product::<usize>()).sum();
        WholeCost {
            bops: (output.iter().product::<usize>() * depth) as u64,
            flops: packed as u64,
            ..Default::default()
        }
    }

    /// One bit takes 0 for +1.
    fn run(&self, inputs: &[&Tensor], shape: &[usize]) -> Result<Tensor, String> {
        let &[a, b] = inputs else { return Err(mismatched(inputs)) };
        self.sums([a, b], shape, |x| if x >= 0.0 { 1.0 } else { -1.0 })
    }
}
