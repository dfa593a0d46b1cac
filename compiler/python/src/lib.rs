//! The native half of the Python package `xnorc`: compiles, builds and calls. What is comfortable about it is written in
//! Python (`python/xnorc`).

mod judge;
mod library;
mod options;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics, Severity};
use xnorc::internal::caught;
use xnorc::ir::network::{Network as Compiled, Storage, TensorId};
use xnorc::ir::{DType, Data};
use xnorc::report::{Glance, Report};
use xnorc_cli::toolchain::{self, Cache, Obtained, Program, Space};
use xnorc_cli::verify::outputs;

use library::Loaded;
use options::Options;

/// A problem or a warning: severity, code, place, message, help.
type Words = (&'static str, &'static str, Option<String>, String, Option<String>);

/// A tensor of the caller's: name, shape, type as numpy calls it.
type Port = (String, Vec<usize>, &'static str);

fn words(problems: &Diagnostics) -> Vec<Words> {
    let one = |d: &Diagnostic| {
        let severity = match d.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        (severity, d.code.as_str(), d.place.clone(), d.message.clone(), d.help.clone())
    };
    problems.0.iter().map(one).collect()
}

/// `xnorc.ModelError`.
fn model_error(py: Python<'_>, problems: &Diagnostics) -> PyErr {
    let class = py.import("xnorc._results").and_then(|module| module.getattr("ModelError"));
    match class.and_then(|class| class.call_method1("_of", (words(problems),))) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// Runs a part that needs no interpreter, while others may have it; its problems, and its faults, become errors.
fn apart<T: Send>(py: Python<'_>, part: impl FnOnce() -> Result<T, Diagnostics> + Send) -> PyResult<T> {
    py.detach(|| caught(part)).map_err(|problems| model_error(py, &problems))
}

fn json(value: &impl serde::Serialize) -> Result<String, Diagnostics> {
    serde_json::to_string(value).map_err(|e| Diagnostic::error(Code::Io, None, format!("no JSON: {e}")).into())
}

/// The command line; gives the exit code.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| xnorc_cli::cli::main(arguments))
}

/// The report of a model: at a glance, the whole table, and as JSON; and what was warned of.
#[pyfunction]
fn inspect(py: Python<'_>, path: PathBuf, options: Options) -> PyResult<(String, String, String, Vec<Words>)> {
    apart(py, || {
        let output = xnorc::load(&path, &options.config()?)?;
        let bytes = std::iter::once(&path).chain(&output.files).filter_map(|file| std::fs::metadata(file).ok());
        let glance = Glance::new(&output, xnorc_runtime::level(), bytes.map(|file| file.len()).sum()).to_string();
        let report = Report::new(&output);
        Ok((glance, report.to_string(), json(&report)?, words(&output.warnings)))
    })
}

/// How a network is run.
enum Engine {
    Library(Loaded, Obtained),
    Interpreter(Mutex<Program>),
}

/// A compiled network.
#[pyclass(frozen, module = "xnorc._native")]
struct Network {
    engine: Engine,
    network: Compiled,
    warnings: Vec<Words>,
}

#[pymethods]
impl Network {
    /// Compiles a model, and builds it, unless the interpreter shall run it.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, options: Options, interpreter: bool, keep: bool) -> PyResult<Self> {
        apart(py, || {
            let config = options.config()?;
            let output = xnorc::load(&path, &config)?;
            let warnings = words(&output.warnings);
            let engine = if interpreter {
                Engine::Interpreter(Mutex::new(Program::interpreted(&output)))
            } else {
                let cache = Cache::of_user().filter(|_| keep);
                let obtained = toolchain::obtain_library(&output, &config.name_for(&path), cache.as_ref())?;
                let sizes = [&output.network.inputs, &output.network.outputs];
                let sizes = sizes.map(|ids| ids.iter().map(|&id| bytes(&output.network, id)).collect());
                let loaded = Loaded::open(&obtained.built.program, sizes).map_err(|e| {
                    let message = format!("the library that was built cannot be loaded: {e}");
                    Diagnostic::error(Code::Toolchain, None, message)
                })?;
                Engine::Library(loaded, obtained)
            };
            Ok(Self { engine, network: output.network, warnings })
        })
    }

    #[getter]
    fn inputs(&self) -> Vec<Port> {
        ports(&self.network, &self.network.inputs)
    }

    #[getter]
    fn outputs(&self) -> Vec<Port> {
        ports(&self.network, &self.network.outputs)
    }

    #[getter]
    fn warnings(&self) -> Vec<Words> {
        self.warnings.clone()
    }

    /// Whether the library was there already; none of the interpreter.
    #[getter]
    fn kept(&self) -> Option<bool> {
        match &self.engine {
            Engine::Library(_, obtained) => Some(obtained.kept),
            Engine::Interpreter(_) => None,
        }
    }

    /// Inferences on tensors as bytes, one after the other or on threads.
    fn infer(
        &self,
        py: Python<'_>,
        inputs: Vec<PyBuffer<u8>>,
        outputs: Vec<PyBuffer<u8>>,
        count: usize,
        threads: usize,
    ) -> PyResult<()> {
        match &self.engine {
            Engine::Library(loaded, _) => {
                let tensors = loaded.tensors([inputs, outputs], count).map_err(PyValueError::new_err)?;
                py.detach(|| loaded.infer(&tensors, threads));
                Ok(())
            }
            Engine::Interpreter(program) => self.interpret(py, program, &inputs, &outputs, count),
        }
    }
}

impl Network {
    fn interpret(
        &self,
        py: Python<'_>,
        program: &Mutex<Program>,
        inputs: &[PyBuffer<u8>],
        outputs: &[PyBuffer<u8>],
        count: usize,
    ) -> PyResult<()> {
        let given = inputs.iter().map(|buffer| buffer.to_vec(py)).collect::<PyResult<Vec<_>>>()?;
        let mut taken = vec![Vec::new(); outputs.len()];
        apart(py, || {
            let mut program = program.lock().unwrap_or_else(PoisonError::into_inner);
            for index in 0..count {
                for (i, (bytes, &id)) in given.iter().zip(&self.network.inputs).enumerate() {
                    let size = self::bytes(&self.network, id);
                    let bytes = bytes.get(index * size..(index + 1) * size).unwrap_or_default();
                    let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_ne_bytes(*b)).collect();
                    program.write_f32(Space::Input(i), 0, &values)?;
                }
                program.infer()?;
                for (taken, tensor) in taken.iter_mut().zip(self::outputs(&self.network, &mut program)?) {
                    match &tensor.data {
                        Data::I64(values) => taken.extend(values.iter().flat_map(|v| v.to_ne_bytes())),
                        _ => taken.extend(tensor.to_f32().iter().flat_map(|v| v.to_ne_bytes())),
                    }
                }
            }
            Ok(())
        })?;
        outputs.iter().zip(&taken).try_for_each(|(buffer, bytes)| buffer.copy_from_slice(py, bytes))
    }
}

fn is_integer(network: &Compiled, id: TensorId) -> bool {
    network.tensor(id).storage == Storage::Dense(DType::I64)
}

/// Bytes of a tensor.
fn bytes(network: &Compiled, id: TensorId) -> usize {
    network.tensor(id).storage_len() * if is_integer(network, id) { 8 } else { 4 }
}

fn ports(network: &Compiled, ids: &[TensorId]) -> Vec<Port> {
    let port = |&id: &TensorId| {
        let tensor = network.tensor(id);
        (tensor.name.clone(), tensor.shape.clone(), if is_integer(network, id) { "int64" } else { "float32" })
    };
    ids.iter().map(port).collect()
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Network>()?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(inspect, module)?)?;
    module.add_function(wrap_pyfunction!(judge::verify, module)?)?;
    module.add_function(wrap_pyfunction!(judge::evaluate, module)?)
}
