//! The native half of the Python package `xnorc`: compiles and builds. What calls the library that was built, and all that is comfortable,
//! is written in Python (`python/xnorc`).

mod judge;
mod options;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics, Severity};
use xnorc::emit::{CFunction, c_function};
use xnorc::internal::caught;
use xnorc::ir::network::{Network as Compiled, TensorId};
use xnorc::ir::{DType, Data};
use xnorc::report::{Glance, Report};
use xnorc_cli::toolchain::{self, Cache, Obtained, Program, Space};
use xnorc_cli::verify::outputs;

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

/// The name of every network that is built: of its crate, and in the name of its function. A library shows it to who loads it and to nobody
/// else, so that all may have the same one, whatever the model's file is called.
const NAME: &str = "net";

/// How a network is run.
enum Engine {
    Library(Obtained, CFunction),
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
            let mut config = options.config()?;
            config.name(NAME).probe(false);
            let output = xnorc::load(&path, &config)?;
            let warnings = words(&output.warnings);
            let engine = if interpreter {
                Engine::Interpreter(Mutex::new(Program::interpreted(&output)))
            } else {
                let cache = Cache::of_user().filter(|_| keep);
                let obtained = toolchain::obtain_library(&output, NAME, cache.as_ref())?;
                Engine::Library(obtained, c_function(&output, NAME))
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
            Engine::Library(obtained, _) => Some(obtained.kept),
            Engine::Interpreter(_) => None,
        }
    }

    /// What was built, as long as this value is: the file, the name of its function, and of its scratch memory the bytes and what the
    /// address is a multiple of; none of the interpreter.
    #[getter]
    fn library(&self) -> Option<(PathBuf, String, usize, usize)> {
        match &self.engine {
            Engine::Library(obtained, function) => Some((
                obtained.built.program.clone(),
                function.name.clone(),
                function.scratch_bytes,
                function.scratch_align,
            )),
            Engine::Interpreter(_) => None,
        }
    }

    /// Inferences by the interpreter, one after the other, on tensors as bytes.
    fn interpret(
        &self,
        py: Python<'_>,
        inputs: Vec<PyBuffer<u8>>,
        outputs: Vec<PyBuffer<u8>>,
        count: usize,
    ) -> PyResult<()> {
        let Engine::Interpreter(program) = &self.engine else {
            return Err(PyValueError::new_err("it was built: its library is to be called"));
        };
        self.check(&inputs, &self.network.inputs, count)?;
        self.check(&outputs, &self.network.outputs, count)?;
        let given = inputs.iter().map(|buffer| buffer.to_vec(py)).collect::<PyResult<Vec<_>>>()?;
        let mut taken = vec![Vec::new(); outputs.len()];
        apart(py, || {
            let mut program = program.lock().unwrap_or_else(PoisonError::into_inner);
            for index in 0..count {
                for (i, (bytes, &id)) in given.iter().zip(&self.network.inputs).enumerate() {
                    let size = self::bytes(&self.network, id);
                    let values = numbers(element(&self.network, id), &bytes[index * size..][..size]);
                    program.write_f32(Space::Input(i), 0, &values)?;
                }
                program.infer()?;
                let answers = self::outputs(&self.network, &mut program)?;
                for ((taken, tensor), &id) in taken.iter_mut().zip(answers).zip(&self.network.outputs) {
                    match &tensor.data {
                        Data::I64(values) => {
                            // The low bytes come first, and a narrower type has all that count.
                            let size = element(&self.network, id).bytes();
                            taken.extend(values.iter().flat_map(|v| v.to_le_bytes().into_iter().take(size)));
                        }
                        _ => taken.extend(tensor.to_f32().iter().flat_map(|v| v.to_ne_bytes())),
                    }
                }
            }
            Ok(())
        })?;
        outputs.iter().zip(&taken).try_for_each(|(buffer, bytes)| buffer.copy_from_slice(py, bytes))
    }
}

impl Network {
    /// Whether these are tensors of so many inferences.
    fn check(&self, buffers: &[PyBuffer<u8>], ids: &[TensorId], count: usize) -> PyResult<()> {
        if buffers.len() != ids.len() {
            return Err(PyValueError::new_err(format!("{} tensors where {} are wanted", buffers.len(), ids.len())));
        }
        for (buffer, &id) in buffers.iter().zip(ids) {
            let (len, size) = (buffer.len_bytes(), bytes(&self.network, id));
            if Some(len) != size.checked_mul(count) {
                return Err(PyValueError::new_err(format!("a tensor of {len} bytes is not {count} times {size}")));
            }
        }
        Ok(())
    }
}

/// The type of the elements of one of the caller's tensors.
fn element(network: &Compiled, id: TensorId) -> DType {
    network.tensor(id).integer().unwrap_or(DType::F32)
}

/// Elements of a type, as numbers.
fn numbers(element: DType, bytes: &[u8]) -> Vec<f32> {
    let Some(range) = element.integers() else {
        return bytes.as_chunks().0.iter().map(|b| f32::from_ne_bytes(*b)).collect();
    };
    let number = |bytes: &[u8]| {
        // The sign fills the bytes that a narrower type does not have.
        let negative = *range.start() < 0 && bytes.last().is_some_and(|&last| last >= 0x80);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        i64::from_le_bytes(wide) as f32
    };
    bytes.chunks_exact(element.bytes()).map(number).collect()
}

/// Bytes of a tensor.
fn bytes(network: &Compiled, id: TensorId) -> usize {
    network.tensor(id).storage_len() * element(network, id).bytes()
}

fn ports(network: &Compiled, ids: &[TensorId]) -> Vec<Port> {
    let port = |&id: &TensorId| {
        let tensor = network.tensor(id);
        let dtype = match element(network, id) {
            DType::F32 | DType::Bool => "float32",
            DType::I64 => "int64",
            DType::U8 => "uint8",
            DType::I8 => "int8",
            DType::U16 => "uint16",
            DType::I16 => "int16",
            DType::U32 => "uint32",
            DType::I32 => "int32",
        };
        (tensor.name.clone(), tensor.shape.clone(), dtype)
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
