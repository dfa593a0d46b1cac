//! Blocks that move elements.

use super::walk::offsets;
use super::{Runner, sources};
use crate::ir::network::{Move, Piece, TensorId};
use crate::ir::{DType, Data, Op};

impl Runner<'_> {
    pub(super) fn moved(&mut self, moved: &Move) -> Result<(), String> {
        match moved {
            Move::BitMaxPool { input, output, geometry } => {
                let tile = sources::max_pool(geometry, self.floats(*input)?)?;
                self.put(*output, Data::F32(tile.values))
            }
            Move::BitProduct { inputs, output } => {
                let mut product = vec![1.0; self.network.tensor(*output).shape.iter().product()];
                for &input in inputs {
                    std::iter::zip(&mut product, self.floats(input)?).for_each(|(y, x)| *y *= x);
                }
                self.put(*output, Data::F32(product))
            }
            Move::BitJoin { inputs, output } => {
                let parts = inputs.iter().map(|&input| self.get(input)).collect::<Result<Vec<_>, _>>()?;
                let (op, shape) = (Op::Concat { axis: 3 }, &self.network.tensor(*output).shape);
                let joined = crate::interpret::apply(&op, &parts, shape)?;
                self.put(*output, joined.data)
            }
            Move::Copy { fill, pieces, output } => self.copy(*fill, pieces, *output),
            Move::Lookup { rows, table, extents: [outer, count, inner], output } => {
                let rows: Vec<usize> = self.floats(*rows)?.iter().map(|&row| crate::ops::row(row, *count)).collect();
                let all = (0..*outer).flat_map(|o| rows.iter().map(move |row| (o * count + row) * inner));
                self.put(*output, Data::F32(all.flat_map(|at| table[at..at + inner].iter().copied()).collect()))
            }
            Move::Convert { input, output } => {
                let to = self.network.tensor(*output).integer().unwrap_or(DType::F32);
                let data = self.get(*input)?.converted(to).data;
                self.put(*output, data)
            }
            Move::Reshape { input, output } => {
                let data = self.get(*input)?.data.clone();
                self.put(*output, data)
            }
        }
    }

    fn copy(&mut self, fill: Option<f32>, pieces: &[Piece], output: TensorId) -> Result<(), String> {
        let len = self.network.tensor(output).shape.iter().product();
        // Without a fill the pieces must cover everything: what they leave out shows as NaN.
        let mut values = vec![fill.unwrap_or(f32::NAN); len];
        for piece in pieces {
            let input = self.get(piece.input)?.to_f32();
            let strides: Vec<isize> = piece.output_strides.iter().map(|&s| s as isize).collect();
            let from = offsets(&piece.extents, &piece.input_strides);
            for (from, to) in from.zip(offsets(&piece.extents, &strides)) {
                let from = from + piece.input_offset as isize;
                let value = usize::try_from(from).ok().and_then(|at| input.get(at)).ok_or("a copy reads outside")?;
                *values.get_mut(piece.output_offset + to as usize).ok_or("a copy writes outside")? = *value;
            }
        }
        self.put(output, Data::F32(values))
    }
}
