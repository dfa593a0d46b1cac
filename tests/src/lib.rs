//! What the tests that cross crate borders share: the models, and a compiled model as a running program.

pub mod half_block;
pub mod known;
pub mod many;
pub mod nests;
pub mod panic_free;
pub mod random;
pub mod side_by_side;

use std::path::{Path, PathBuf};

use xnorc::diagnostics::Diagnostics;
use xnorc::ir::{Graph, Tensor};
use xnorc::{Config, Output};
use xnorc_cli::toolchain::{self, Built, Program, Space};
use xnorc_cli::verify::{self, Sample, Verification};

/// True when the long tests are asked for (`XNORC_LONG=1`).
pub fn long() -> bool {
    std::env::var_os("XNORC_LONG").is_some_and(|v| v != "0")
}

/// The folder of the small models.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The folder of large models that are not part of the project: `XNORC_MODELS`.
///
/// # Panics
/// Without that variable.
pub fn models() -> PathBuf {
    std::env::var_os("XNORC_MODELS").expect("XNORC_MODELS is the folder of the large models").into()
}

/// A model that was compiled, built and started.
pub struct Running {
    /// The model's bytes.
    pub model: Vec<u8>,
    /// Its folder.
    pub folder: PathBuf,
    /// Level 1 of the IR.
    pub graph: Graph,
    /// What the compiler gave.
    pub output: Output,
    /// The program.
    pub program: Program,
    // Dropped last: the program runs from it.
    _workshop: tempfile::TempDir,
}

impl Running {
    /// Compiles, builds and starts a model.
    ///
    /// # Errors
    /// What the compiler or the toolchain says.
    pub fn start(path: &Path) -> Result<Self, Diagnostics> {
        Self::start_as(path, Config::new())
    }

    /// The same with a configuration.
    ///
    /// # Errors
    /// What the compiler or the toolchain says.
    pub fn start_as(path: &Path, config: Config) -> Result<Self, Diagnostics> {
        Self::start_by(path, config, toolchain::build)
    }

    /// The same, unoptimised, with every check that rustc can add.
    ///
    /// # Errors
    /// What the compiler or the toolchain says.
    pub fn start_unoptimised(path: &Path) -> Result<Self, Diagnostics> {
        Self::start_by(path, Config::new(), toolchain::build_unoptimised)
    }

    fn start_by(
        path: &Path,
        mut config: Config,
        build: fn(&Output, &str, &Path) -> Result<Built, Diagnostics>,
    ) -> Result<Self, Diagnostics> {
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        // Every block with more than one row can be divided among threads, be it ever so small.
        config.standalone(true).probe(true).share_from(0);
        let model = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let output = xnorc::generate(&model, Some(&folder), "network", &config)?;
        let graph = xnorc::load_graph(path, &config)?;
        let workshop = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        let built = build(&output, "network", workshop.path())?;
        let program = Program::start(&built)?;
        Ok(Self { model, folder, graph, output, program, _workshop: workshop })
    }

    /// Compares with the independent engine and with expected outputs.
    ///
    /// # Errors
    /// What the toolchain says.
    pub fn verify(&mut self, samples: &[Sample]) -> Result<Verification, Diagnostics> {
        let subject =
            verify::Subject { model: &self.model, folder: &self.folder, graph: &self.graph, output: &self.output };
        verify::verify(&subject, &mut self.program, samples)
    }

    /// Runs one sample on a level (`None`: the best), giving the bits of every output.
    ///
    /// # Errors
    /// What the toolchain says.
    pub fn bits(&mut self, sample: &Sample, level: Option<&str>) -> Result<Vec<Vec<u64>>, Diagnostics> {
        self.program.level(level)?;
        for (index, input) in sample.inputs.iter().enumerate() {
            self.program.write_f32(Space::Input(index), 0, &input.to_f32())?;
        }
        self.program.infer()?;
        let network = &self.output.network;
        let mut bits = Vec::new();
        for (index, &id) in network.outputs.iter().enumerate() {
            let tensor = network.tensor(id);
            let len = tensor.shape.iter().product();
            bits.push(match tensor.integer() {
                Some(_) => self.program.read_i64(index, len)?.into_iter().map(|v| v as u64).collect(),
                None => {
                    let floats = self.program.read_f32(Space::Output(index), 0, len)?;
                    floats.into_iter().map(|v| u64::from(v.to_bits())).collect()
                }
            });
        }
        Ok(bits)
    }
}

/// The recorded sample of a fixture: `NAME.in*.npy` and `NAME.out*.npy` beside `NAME.onnx`.
pub fn recorded(path: &Path) -> Sample {
    let stem = path.with_extension("");
    let tensors = |word: &str| -> Vec<Tensor> {
        let one = PathBuf::from(format!("{}.{word}.npy", stem.display()));
        let many = (0..).map(|i| PathBuf::from(format!("{}.{word}{i}.npy", stem.display())));
        let paths: Vec<PathBuf> =
            if one.exists() { vec![one] } else { many.take_while(|path| path.exists()).collect() };
        paths.iter().map(|path| read_npy(path)).collect()
    };
    Sample { inputs: tensors("in"), expected: tensors("out") }
}

/// A tensor from a file.
pub fn read_npy(path: &Path) -> Tensor {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    xnorc::npy::read(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
