//! How a model is to be compiled, as Python says it.

use std::path::PathBuf;

use pyo3::prelude::*;
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};
use xnorc::{Arithmetic, Config, MultiplyAdds, Zeros};
use xnorc_cli::arrays;

/// A dictionary with these keys.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    dims: Vec<(String, usize)>,
    /// Arithmetics; of one layer with its name.
    real: Vec<(String, Option<String>)>,
    /// Files of example inputs.
    calibrate: Vec<PathBuf>,
    zero: String,
    multiply_add: String,
    strict: bool,
}

fn unknown(what: &str, given: &str, wanted: &str) -> Diagnostics {
    Diagnostic::error(Code::Unsupported, None, format!("{what} is {given:?}, but must be one of {wanted}")).into()
}

impl Options {
    /// For building, too.
    pub(crate) fn config(&self) -> Result<Config, Diagnostics> {
        let mut config = Config::new();
        config.standalone(true).probe(true).strict(self.strict);
        config.zero(match self.zero.as_str() {
            "plus" => Zeros::Plus,
            "exact" => Zeros::Exact,
            other => return Err(unknown("zero", other, "plus, exact")),
        });
        config.multiply_add(match self.multiply_add.as_str() {
            "once" => MultiplyAdds::Once,
            "loose" => MultiplyAdds::Loose,
            other => return Err(unknown("multiply_add", other, "once, loose")),
        });
        config.dims.clone_from(&self.dims);
        for (word, layer) in &self.real {
            let arithmetic = Arithmetic::ALL.into_iter().find(|arithmetic| arithmetic.name() == word);
            let arithmetic = arithmetic.ok_or_else(|| unknown("real", word, "f32, bf16, int8, fixed"))?;
            match layer {
                Some(layer) => config.real_layer(layer, arithmetic),
                None => config.real_layers(arithmetic),
            };
        }
        for path in &self.calibrate {
            let array = arrays::single(path)?.tensor();
            match config.calibration.first_mut() {
                Some(arrays) => arrays.push(array),
                None => config.calibration.push(vec![array]),
            }
        }
        Ok(config)
    }
}
