//! Whether all processes have the same network.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::Together;

/// A number that differs where any weight or running statistic of two networks differs; not computed by a process that is
/// alone.
pub(crate) fn digest<M: Module>(together: Together, module: &M) -> u32 {
    let mut digest = Digest(0);
    if !together.alone() {
        module.visit(&mut digest);
    }
    digest.0
}

struct Digest(u32);

impl ModuleVisitor for Digest {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values: Vec<f32> = param.val().into_data().convert::<f32>().try_into_vec().unwrap_or_default();
        let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
        self.0 = crc32c::crc32c_append(self.0, &bytes);
    }
}
