//! Times tract, for `tests/benchmarks/rivals.py`: MODEL.onnx INPUT.npy ANSWER.f32 VERSION
//!
//! tract is in the workspace as the independent engine of `verify`; here it runs optimised, as its users would run it.

#[path = "../benchmarks/workers/serve.rs"]
#[allow(unreachable_pub)]
mod serve;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::format_err;

fn main() -> TractResult<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, picture, answer, version] = arguments.as_slice() else {
        return Err(format_err!("usage: tract MODEL.onnx INPUT.npy ANSWER.f32 VERSION"));
    };
    let model = tract_onnx::onnx().model_for_path(model)?.into_typed()?.into_decluttered()?.into_optimized()?;
    let shape = model.input_fact(0)?.shape.eval_to_usize(&SymbolValues::default())?.into_owned();
    let plan = model.into_runnable()?;
    let input: TValue = Tensor::from_shape(&shape, &serve::read_npy(picture)?)?.into();
    let output = plan.run(tvec!(input.clone()))?;
    serve::write_answer(answer, output[0].to_plain_array_view::<f32>()?.as_slice().unwrap_or_default())?;
    serve::serve(version, || {
        plan.run(tvec!(std::hint::black_box(input.clone()))).expect("it ran before");
    })?;
    Ok(())
}
