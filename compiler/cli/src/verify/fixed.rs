//! A network in fixed point: what its integers are worth, and whether the program computes them.

use super::blocks::{self, ties};
use super::compare::{Deviation, Signs, identical, within};
use super::explain::Decisions;
use super::known;
use super::report::Expected;
use super::samples::Sample;
use super::{Judge, TOLERANCE, Verification, Wanted};
use crate::toolchain::Program;
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};
use xnorc::fixed::{Fixed, run};
use xnorc::ir::network::Storage;

impl Judge<'_> {
    /// One sample, from input to output: the program against the interpreter of its integers, and these against the engine.
    pub(super) fn in_fixed_point(
        &mut self,
        fixed: &Fixed,
        program: &mut Program,
        sample: &Sample,
        verification: &mut Verification,
    ) -> Result<(), Diagnostics> {
        let network = &self.subject.output.network;
        let reference = self.oracle.run(&sample.inputs).map_err(|e| -> Diagnostics {
            Diagnostic::error(Code::Unsupported, None, format!("no reference engine can run this model: {e}")).into()
        })?;
        blocks::give_inputs(program, &sample.inputs)?;
        program.infer()?;
        let outputs = blocks::outputs(network, program)?;
        let defined = run::outputs(network, fixed, &sample.inputs).map_err(blocks::unsupported)?;
        let as_defined = identical(&outputs, &defined);
        if !as_defined {
            verification.fail("the program does not compute what its integers are defined to give".to_owned());
        }
        let (values, _) = run::run(network, fixed, &sample.inputs).map_err(blocks::unsupported)?;
        let known = known::all(network, &reference, sample);
        verification.samples += 1;
        for (index, block) in network.blocks.iter().enumerate() {
            let (mut real, mut flips, mut unknown) = (Vec::new(), None, Vec::new());
            for id in block.writes() {
                let tensor = network.tensor(id);
                if let Some(output) = network.outputs.iter().position(|output| *output == id) {
                    real.push(Deviation::of(&outputs[output].to_f32(), &reference.outputs[output].to_f32()));
                    continue;
                }
                let (Some(known), Some(integers)) = (known.get(&id), values.get(&id)) else {
                    unknown.push(tensor.name.clone());
                    continue;
                };
                if let Storage::Bits(_) = tensor.storage {
                    let plus: Vec<bool> = integers.iter().map(|&v| v > 0).collect();
                    flips = Some(flips.unwrap_or(0) + Signs::of(&plus, &known.values, None).flips);
                } else if let Some(scaled) = fixed.tensors.get(&id) {
                    let value = |(i, &v): (usize, &i32)| {
                        (f64::from(v) * f64::powi(2.0, -scaled.exponents[i % scaled.exponents.len()])) as f32
                    };
                    let ours: Vec<f32> = integers.iter().enumerate().map(value).collect();
                    real.push(Deviation::of(&ours, &known.values));
                }
            }
            // A sum beside what it sums needs no comparison of its own.
            let unknown = if real.is_empty() && flips.is_none() { unknown } else { Vec::new() };
            verification.add_end_to_end(index, (&real, flips.unwrap_or(0)), as_defined, unknown);
        }
        // What is looser by choice needs no sign to explain it.
        verification.add_outputs(&outputs, &reference.outputs, true);
        if !sample.expected.is_empty() {
            let ties = ties(network, &reference);
            let wanted = Wanted { outputs: &sample.expected, tolerance: TOLERANCE, ties: &ties };
            let expected = match within(&reference.outputs, wanted.outputs, TOLERANCE, &ties) {
                true => Expected::Computed,
                false => Expected::Searched(self.search(program, sample, &wanted, as_defined, Decisions::new())?),
            };
            verification.add_expected(&outputs, &reference.outputs, &sample.expected, expected);
        }
        Ok(())
    }
}
