//! Operators on whole tensors, as [`apply`] defines them: booleans are 0 and 1 here.

use super::Runner;
use crate::interpret::apply;
use crate::ir::network::Whole;
use crate::ir::{Binary, Data, Op, Tensor, Unary};

impl Runner<'_> {
    pub(super) fn whole(&mut self, Whole { op, inputs, output }: &Whole) -> Result<(), String> {
        let operands = inputs
            .iter()
            .enumerate()
            .map(|(i, &id)| {
                let tensor = self.get(id)?;
                // A reshape in place may have given it another shape.
                let shape = self.network.tensor(id).shape.clone();
                let data = match &tensor.data {
                    Data::F32(v) if is_condition(op, i) => Data::Bool(v.iter().map(|&x| x != 0.0).collect()),
                    data => data.clone(),
                };
                Ok(Tensor { shape, data })
            })
            .collect::<Result<Vec<Tensor>, String>>()?;
        let operands: Vec<&Tensor> = operands.iter().collect();
        let shape = &self.network.tensor(*output).shape;
        let result = match (op, &operands[..]) {
            // The products are added up in order, in f32 and with fused multiply-add: so the emitted code does it.
            (Op::MatMul, &[a, b]) => matmul(a, b, shape)?,
            _ => apply(op, &operands, shape)?,
        };
        let data = match result.data {
            Data::Bool(_) => Data::F32(result.to_f32()),
            data => data,
        };
        self.put(*output, data)
    }
}

/// Whether an operand of an operator is boolean in the graph.
fn is_condition(op: &Op, operand: usize) -> bool {
    match op {
        Op::Binary(Binary::And | Binary::Or | Binary::Xor) | Op::Unary(Unary::Not) => true,
        Op::Where => operand == 0,
        _ => false,
    }
}

fn matmul(a: &Tensor, b: &Tensor, shape: &[usize]) -> Result<Tensor, String> {
    let (Some(x), Some(y)) = (a.as_f32(), b.as_f32()) else { return Err("a product of no floats".to_owned()) };
    let (Some(&[m, k]), Some(&[depth, n])) = (a.shape.last_chunk(), b.shape.last_chunk()) else {
        return Err("a product of vectors".to_owned());
    };
    let len: usize = shape.iter().product();
    let batch = len / (m * n).max(1);
    // An operand without a batch of its own is the same for all.
    let stride = |len: usize, matrix: usize| if len == matrix { 0 } else { matrix };
    let (left, right) = (stride(x.len(), m * k), stride(y.len(), k * n));
    let wanted = |stride: usize, matrix: usize| if stride == 0 { matrix } else { batch * matrix };
    if k != depth || len != batch * m * n || x.len() != wanted(left, m * k) || y.len() != wanted(right, k * n) {
        return Err(format!("{:?} times {:?} is not {shape:?}", a.shape, b.shape));
    }
    let mut values = Vec::with_capacity(len);
    for i in 0..len {
        let (image, row, column) = (i / (m * n), i / n % m, i % n);
        let products = (0..k).map(|j| (x[image * left + row * k + j], y[image * right + j * n + column]));
        values.push(products.fold(0.0_f32, |sum, (x, y)| x.mul_add(y, sum)));
    }
    Ok(Tensor::f32(shape, values))
}
