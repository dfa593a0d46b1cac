//! What can be said on the command line.

use std::path::PathBuf;

use crate::evaluate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use xnorc::emit::krate::Runtime;
use xnorc::target::Target;
use xnorc::{Arithmetic, Config, MultiplyAdds, Zeros};
use xnorc_runtime::Level;

use super::help;

/// An ahead-of-time compiler for binary neural networks: a trained ONNX file in, specialised `no_std` Rust out.
#[derive(Debug, Parser)]
#[command(name = "xnorc", version, after_help = help::ALL, max_term_width = 100)]
pub(super) struct Invocation {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a complete crate: manifest, README, source, weights, a test with a recorded input and output
    #[command(after_help = help::COMPILE)]
    Compile(Compile),
    /// Show at a glance how binary, small and fast a model is, and what stands in the way; or every block
    #[command(after_help = help::INSPECT)]
    Inspect(Inspect),
    /// Build the model and compare it with an independent engine, block by block and end to end
    #[command(after_help = help::VERIFY)]
    Verify(Verify),
    /// Build the model and run it
    #[command(after_help = help::RUN)]
    Run(Run),
    /// Build the model and let it classify pictures: accuracy, confusions, time, beside another engine
    #[command(after_help = help::EVALUATE)]
    Evaluate(Evaluate),
    /// Build the model and measure each block against the machine's limit
    #[command(after_help = help::BENCH)]
    Bench(Bench),
    /// Print what makes a shell complete these commands
    #[command(after_help = help::COMPLETIONS)]
    Completions(Completions),
}

/// The model, common to all commands.
#[derive(Args, Debug)]
pub(super) struct Model {
    /// The trained network, as ONNX; external data is read from its folder only
    #[arg(value_name = "MODEL")]
    pub(super) path: PathBuf,
    /// Bind a symbolic dimension, as in `batch=1` (may be repeated); an unbound batch is 1
    #[arg(long = "dim", value_name = "NAME=N", value_parser = dimension, help_heading = "The model")]
    pub(super) dims: Vec<(String, usize)>,
    /// Name of the crate and module: letters, digits and underscores [default: from the file's name]
    #[arg(long, value_parser = name, help_heading = "The model")]
    pub(super) name: Option<String>,
    /// Take every warning (X1xx) for an error
    #[arg(long, help_heading = "The model")]
    pub(super) strict: bool,
    /// What ONNX's sign(0) = 0 becomes in front of a binary layer: `plus`, +1 in one bit; `exact`, 0 in a second plane of bits
    #[arg(long, value_name = "RULE", default_value = "plus", value_parser = zero, help_heading = "The model")]
    pub(super) zero: Zeros,
    /// Multiply-add in f32 where the processor has floats but no instruction for it: rounded `once` as everywhere, by
    /// emulation; or `loose`, rounded twice, which is faster there and gives other last bits
    #[arg(long, value_name = "RULE", default_value = "once", value_parser = multiply_add, help_heading = "The model")]
    pub(super) multiply_add: MultiplyAdds,
    /// Arithmetic of the real-valued layers: f32, or faster and looser bf16 or int8; of a single one as in `bf16:NAME`, by
    /// its name in `inspect` (may be repeated, the last one counts); or fixed, the whole network in integers, for cores without a
    /// floating-point unit
    #[arg(long = "real", value_name = "ARITHMETIC[:NAME]", value_parser = real, help_heading = "The model")]
    pub(super) real: Vec<(Arithmetic, Option<String>)>,
    /// Example input for int8 and fixed as .npy or .npz, or a stack of them along the first axis; a model of k inputs takes k of them per
    /// example, in the file's order (may be repeated)
    #[arg(long = "calibrate", value_name = "X.npy", help_heading = "The model")]
    pub(super) calibrate: Vec<PathBuf>,
}

impl Model {
    /// The configuration they ask for, without example inputs.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::new();
        config.strict(self.strict).zero(self.zero).multiply_add(self.multiply_add);
        (config.dims, config.name) = (self.dims.clone(), self.name.clone());
        for (arithmetic, name) in &self.real {
            match name {
                Some(name) => config.real_layer(name, *arithmetic),
                None => config.real_layers(*arithmetic),
            };
        }
        config
    }
}

#[derive(Args, Debug)]
pub(super) struct Compile {
    #[command(flatten)]
    pub(super) model: Model,
    /// Folder of the crate; made if need be, replaced if it holds an earlier one of this network (the same file, or the same
    /// name, inputs and outputs), otherwise it must be empty
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Where the runtime is: its source `inside` the crate, which then depends on nothing at all; the `registry`; or a folder, as the
    /// manifest shall say it
    #[arg(long, value_name = "inside|registry|PATH", value_parser = runtime, default_value = "inside")]
    pub(super) runtime: Runtime,
    /// For C and C++ too: a header, and a library that needs no Rust where it is linked; the crate's README has the commands, a
    /// Makefile and CMake's lines
    #[arg(long)]
    pub(super) c: bool,
    /// For the web too: a module of JavaScript with types, and two lines in the crate's README that build the WebAssembly behind it
    /// [with no other target and no --c: for WebAssembly's instruction sets only]
    #[arg(long)]
    pub(super) web: bool,
    /// Where the code will run, as rustc calls it: a crate with the runtime inside then carries only the instruction sets that
    /// can occur there [default: everywhere]
    #[arg(long, value_name = "TRIPLE", value_parser = target)]
    pub(super) target: Option<String>,
    /// Replace another network's crate; write into a folder that holds something else, where only files of the same names
    /// are replaced
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Args, Debug)]
pub(super) struct Inspect {
    #[command(flatten)]
    pub(super) model: Model,
    /// Show every block: kind, geometry, operations, bytes, what was fused, and the reason for all that is not binary; then
    /// the totals, notes and warnings
    #[arg(long, conflicts_with_all = ["schedule", "threads"])]
    pub(super) all: bool,
    /// Show how each block is computed instead: its loops in the order in which they are emitted, tiles by instruction set,
    /// borders, what threads divide, memory and cost, each choice with its reason
    #[arg(long, conflicts_with = "threads")]
    pub(super) schedule: bool,
    /// Show instead how many times as fast 1, 2, 4, 8... up to N threads can be, block by block and for all of it, from the
    /// schedule alone: nothing is built or measured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) threads: Option<u32>,
    /// Show, behind the glance, what it takes where it will run, as rustc calls that: flash (code as built, where rustc has the
    /// target's library or its source), RAM, instructions (estimated), what is emulated there and how to avoid it, and the loops of each
    /// block; with --all, --schedule or --threads these are of that target
    #[arg(long, value_name = "TRIPLE", value_parser = target)]
    pub(super) target: Option<String>,
    /// Whether all of it fits into the regions FLASH and RAM of this linker script; exit code 1 where it does not
    #[arg(long, value_name = "memory.x", requires = "target", conflicts_with_all = ["all", "schedule", "threads"])]
    pub(super) memory: Option<PathBuf>,
    /// Print JSON: model, inputs, outputs, blocks, totals, notes, warnings; with --schedule blocks with their lines, with
    /// --threads numbers of threads, blocks with their bounds, and those of the network; with --target alone flash, ram,
    /// instructions, blocks, emulated, memory
    #[arg(long)]
    pub(super) json: bool,
}

/// How the built program runs.
#[derive(Args, Debug)]
pub(super) struct Machine {
    /// Instructions to use at most [default: the environment variable XNORC_LEVEL, else the best there are]
    #[arg(long, value_parser = LEVELS, help_heading = "The program")]
    pub(super) level: Option<String>,
    /// Threads of one inference; the results are the same for each number
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "The program")]
    pub(super) threads: u32,
    /// Build the program anew, and do not keep it
    ///
    /// Programs are kept in the folder that XNORC_CACHE names [default: xnorc in
    /// the platform's folder for caches, as ~/.cache], by the hash of all that they are made of; of more than 500 MB those
    /// go that were not used for the longest time
    #[arg(long, help_heading = "The program")]
    pub(super) no_cache: bool,
}

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// The emitted program, built by rustc.
    #[default]
    Program,
    /// The compiler's own interpreter: needs no rustc; about a thousand times as slow.
    Interpreter,
}

/// The runtime's levels.
pub(super) const LEVELS: [&str; Level::ALL.len()] = {
    let mut names = [""; Level::ALL.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = Level::ALL[i].name();
        i += 1;
    }
    names
};

/// `verify` runs every block on the oracle's own inputs and compares what it writes, then the whole network. A sign that
/// differs because the value before it is within rounding of its threshold is counted, not failed.
#[derive(Args, Debug)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) model: Model,
    /// Input as .npy, or a stack of them along the first axis; a model of k inputs takes k files per sample, in the file's
    /// order, or one .npz that has them by name (may be repeated)
    #[arg(long = "input", value_name = "X.npy")]
    pub(super) inputs: Vec<PathBuf>,
    /// Output expected for each sample, in the same manner (may be repeated)
    #[arg(long = "expect", value_name = "Y.npy", requires = "inputs")]
    pub(super) expected: Vec<PathBuf>,
    /// Number of random samples (standard normal) when no input is given
    #[arg(long, value_name = "N", default_value_t = 4, conflicts_with = "inputs", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) samples: u32,
    /// Seed of the random samples
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(super) seed: u64,
    /// What computes: the program, built by rustc, or the compiler's interpreter, which needs none and is much slower
    #[arg(long, value_enum, default_value = "program")]
    pub(super) engine: Engine,
    #[command(flatten)]
    pub(super) machine: Machine,
    /// Print JSON: ok, samples, max_abs_error, sign_flips, top1_agreement, blocks...
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) model: Model,
    /// Input as .npy, or a stack of them along the first axis; one for each input of the model, in the file's order, or one
    /// .npz that has them by name. A stack is run picture by picture, or as many at a time as the model takes
    #[arg(long = "input", value_name = "X.npy", required = true)]
    pub(super) inputs: Vec<PathBuf>,
    /// Where to write each output, as .npy (stacked, if the input was), in the file's order
    #[arg(long = "output", value_name = "Y.npy")]
    pub(super) outputs: Vec<PathBuf>,
    /// Measure so many inferences, after a warm-up; prints the shortest and the median. Without it each picture of a stack
    /// is measured once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) repeat: u32,
    /// What computes: the program, built by rustc, or the compiler's interpreter, which needs none and is much slower
    #[arg(long, value_enum, default_value = "program")]
    pub(super) engine: Engine,
    #[command(flatten)]
    pub(super) machine: Machine,
    /// Print JSON: median_ms, min_ms, repeat, pictures, level...
    #[arg(long)]
    pub(super) json: bool,
}

/// Pictures come as a stack or a folder, labels as a file or by the folders. A value x of a picture becomes
/// (x * scale - mean) / std.
#[derive(Args, Debug)]
pub(super) struct Evaluate {
    #[command(flatten)]
    pub(super) model: Model,
    /// Pictures: a stack of them along the first axis (.npy, .npz, or FILE.npz:NAME); or a folder of PNG and JPEG files, or of
    /// a folder of these for each class, whose names in order are the classes 0, 1, 2...
    #[arg(long, value_name = "DIR|FILE")]
    pub(super) images: PathBuf,
    /// Right classes, 0, 1, 2...: .npy, .npz or FILE.npz:NAME, or a text with one in each line, or with the name of a
    /// picture's file, a comma, and its class
    #[arg(long, value_name = "FILE")]
    pub(super) labels: Option<PathBuf>,
    /// Multiply every value by this first, as 0.00784 or 1/127.5 [default: 1/255 for bytes, 1 for floats]
    #[arg(long, value_name = "S", allow_hyphen_values = true, value_parser = number)]
    pub(super) scale: Option<f32>,
    /// Then subtract this: one number, or one for each channel, as in 0.485,0.456,0.406
    #[arg(long, value_name = "M,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = number)]
    pub(super) mean: Vec<f32>,
    /// Then divide by this, in the same manner, as in 0.229,0.224,0.225
    #[arg(long, value_name = "S,...", value_delimiter = ',', value_parser = divisor)]
    pub(super) std: Vec<f32>,
    /// Order of the axes of the stack, where it is not that of the model's input [default: as it fits]; of the model's input,
    /// for a folder, where its shape does not tell
    #[arg(long, value_enum)]
    pub(super) layout: Option<Layout>,
    /// Take the first N pictures only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
    /// Write the model's first output for all pictures, as .npy
    #[arg(long, value_name = "Y.npy")]
    pub(super) save: Option<PathBuf>,
    /// Write how often each class was taken for each, as CSV: a row for each label, a column for each answer
    #[arg(long, value_name = "FILE.csv")]
    pub(super) confusion: Option<PathBuf>,
    /// Another engine's answers for the same pictures, as .npy: a row of scores for each, or a class; said are its accuracy and
    /// how often it agrees (may be repeated)
    #[arg(long, value_name = "Y.npy")]
    pub(super) beside: Vec<PathBuf>,
    /// What computes: the program, built by rustc, or the compiler's interpreter, which needs none and is much slower
    #[arg(long, value_enum, default_value = "program")]
    pub(super) engine: Engine,
    #[command(flatten)]
    pub(super) machine: Machine,
    /// Print JSON: pictures, right, top1, top5, median_ms, min_ms, worst, beside...
    #[arg(long)]
    pub(super) json: bool,
}

/// The order of axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Layout {
    /// Channel by channel, as PyTorch has it.
    Nchw,
    /// Pixel by pixel, as TensorFlow has it.
    Nhwc,
}

impl From<Layout> for evaluate::Layout {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Nchw => Self::Nchw,
            Layout::Nhwc => Self::Nhwc,
        }
    }
}

/// The limit is what the multiply-accumulates would take at the rates this machine reaches with nothing else to do, both
/// measured in the same run. The input is noise: times do not depend on it.
#[derive(Args, Debug)]
pub(super) struct Bench {
    #[command(flatten)]
    pub(super) model: Model,
    /// Number of inferences to measure, after a warm-up
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) repeat: u32,
    #[command(flatten)]
    pub(super) machine: Machine,
    /// Draw the time of each block beside its limit
    #[arg(long, value_name = "FILE.svg")]
    pub(super) plot: Option<PathBuf>,
    /// Print JSON: median_ms, min_ms, limit_ms, peak_binary_gmacs, peak_rows_gmacs, peak_pixels_gmacs,
    /// peak_real_gmacs, threads, blocks...
    #[arg(long)]
    pub(super) json: bool,
}

fn real(text: &str) -> Result<(Arithmetic, Option<String>), String> {
    let (word, name) = match text.split_once(':') {
        Some((word, name)) => (word, Some(name.to_owned())),
        None => (text, None),
    };
    let arithmetic = Arithmetic::ALL.into_iter().find(|a| a.name() == word);
    let arithmetic = arithmetic.ok_or("expected f32, bf16, int8 or fixed, or one with a layer, as in bf16:NAME")?;
    if arithmetic == Arithmetic::Fixed && name.is_some() {
        return Err(
            "fixed point is of the whole network: fixed stands alone; single layers can be bf16 or int8".to_owned()
        );
    }
    if name.as_deref() == Some("") {
        return Err("expected the name of a layer behind the colon, as `xnorc inspect` prints it".to_owned());
    }
    Ok((arithmetic, name))
}

#[derive(Args, Debug)]
pub(super) struct Completions {
    /// The shell
    pub(super) shell: Shell,
}

/// A number, or one divided by another.
fn number(text: &str) -> Result<f32, String> {
    let one = |text: &str| text.trim().parse::<f32>().ok().filter(|number| number.is_finite());
    let number = match text.split_once('/') {
        Some((above, below)) => one(above).zip(one(below)).map(|(above, below)| above / below),
        None => one(text),
    };
    number.filter(|number| number.is_finite()).ok_or_else(|| "expected a number, as 0.5 or 1/255".to_owned())
}

fn divisor(text: &str) -> Result<f32, String> {
    number(text).and_then(|number| if number == 0.0 { Err("0 divides nothing".to_owned()) } else { Ok(number) })
}

fn zero(text: &str) -> Result<Zeros, String> {
    match text {
        "plus" => Ok(Zeros::Plus),
        "exact" => Ok(Zeros::Exact),
        _ => Err("expected plus or exact".to_owned()),
    }
}

fn multiply_add(text: &str) -> Result<MultiplyAdds, String> {
    let found = [MultiplyAdds::Once, MultiplyAdds::Loose].into_iter().find(|rule| rule.name() == text);
    found.ok_or_else(|| "expected once or loose".to_owned())
}

fn dimension(text: &str) -> Result<(String, usize), String> {
    let (name, extent) = text.split_once('=').ok_or("expected NAME=N, as in batch=1")?;
    let name = name.trim();
    let extent: usize = extent.trim().parse().map_err(|_| "the extent must be a number, as in batch=1")?;
    if name.is_empty() || extent == 0 {
        return Err("expected a name and an extent of at least 1, as in batch=1".to_owned());
    }
    Ok((name.to_owned(), extent))
}

fn target(text: &str) -> Result<String, String> {
    let problem = |e: xnorc::Diagnostic| format!("{}; {}", e.message, e.help.unwrap_or_default());
    Target::named(text).map(|target| target.triple().to_owned()).map_err(problem)
}

fn runtime(text: &str) -> Result<Runtime, String> {
    match text {
        "inside" => Ok(Runtime::Inside),
        "registry" => Ok(Runtime::Published),
        _ if text.contains(['/', '\\']) || text.starts_with('.') => Ok(Runtime::Path(text.to_owned())),
        _ => Err("expected `inside`, `registry`, or the path of a folder, as in ./runtime".to_owned()),
    }
}

fn name(text: &str) -> Result<String, String> {
    if xnorc::is_name(text) {
        return Ok(text.to_owned());
    }
    Err(format!("a crate's name has {}", xnorc::NAME_RULE))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Invocation::command().debug_assert();
    }

    #[test]
    fn dimensions() {
        assert_eq!(dimension("batch=4"), Ok(("batch".to_owned(), 4)));
        for bad in ["batch", "batch=", "=1", "batch=0", "batch=x", "batch=-1"] {
            assert!(dimension(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn places_of_the_runtime() {
        let path = |text: &str| Ok(Runtime::Path(text.to_owned()));
        assert_eq!(runtime("inside"), Ok(Runtime::Inside));
        assert_eq!(runtime("registry"), Ok(Runtime::Published));
        for folder in ["../runtime", "/opt/xnorc/runtime", ".", r"C:\xnorc\runtime"] {
            assert_eq!(runtime(folder), path(folder));
        }
        for bad in ["insde", "", "runtime"] {
            assert!(runtime(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn arithmetic() {
        assert_eq!(real("fixed"), Ok((Arithmetic::Fixed, None)));
        assert!(real("fixed:stem").unwrap_err().contains("whole network"));
        assert_eq!(real("bf16"), Ok((Arithmetic::Bf16, None)));
        assert_eq!(real("int8:/a:b/Conv"), Ok((Arithmetic::Int8, Some("/a:b/Conv".to_owned()))));
        for bad in ["fp16", "", ":x", "bf16:"] {
            assert!(real(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn zeros() {
        for (rule, zero) in [(None, Zeros::Plus), (Some("plus"), Zeros::Plus), (Some("exact"), Zeros::Exact)] {
            let line = ["xnorc", "inspect", "a.onnx"].into_iter().chain(rule.map(|_| "--zero")).chain(rule);
            let Command::Inspect(args) = Invocation::try_parse_from(line).unwrap().command else { unreachable!() };
            assert_eq!(args.model.config().zero, zero);
        }
        assert!(Invocation::try_parse_from(["xnorc", "inspect", "a.onnx", "--zero", "minus"]).is_err());
    }

    #[test]
    fn multiply_adds() {
        for rule in [MultiplyAdds::Once, MultiplyAdds::Loose] {
            let line = ["xnorc", "inspect", "a.onnx", "--multiply-add", rule.name()];
            let Command::Inspect(args) = Invocation::try_parse_from(line).unwrap().command else { unreachable!() };
            assert_eq!(args.model.config().multiply_add, rule);
        }
        assert!(Invocation::try_parse_from(["xnorc", "inspect", "a.onnx", "--multiply-add", "twice"]).is_err());
    }

    #[test]
    fn numbers() {
        assert_eq!((number("1/4"), number(" -0.5"), number("2e1")), (Ok(0.25), Ok(-0.5), Ok(20.0)));
        for bad in ["", "x", "1/0", "nan", "1/2/3", "inf"] {
            assert!(number(bad).is_err(), "{bad}");
        }
        assert!(divisor("0").is_err() && divisor("0.2") == Ok(0.2));
        let line = "xnorc evaluate a.onnx --images d --mean -0.5,0.25,1/2 --layout nhwc";
        let Command::Evaluate(args) = Invocation::try_parse_from(line.split(' ')).unwrap().command else {
            unreachable!()
        };
        assert_eq!((args.mean, args.layout), (vec![-0.5, 0.25, 0.5], Some(Layout::Nhwc)));
    }

    #[test]
    fn the_last_choice_counts() {
        let line = ["xnorc", "inspect", "a.onnx", "--real", "int8", "--real", "f32:x", "--real", "bf16"];
        let Command::Inspect(args) = Invocation::try_parse_from(line).unwrap().command else { unreachable!() };
        let config = args.model.config();
        assert_eq!(config.real_layers, Arithmetic::Bf16);
        assert_eq!(config.real_layers_by_name, [("x".to_owned(), Arithmetic::F32)]);
    }

    #[test]
    fn bad_usage_is_exit_code_2() {
        for bad in [
            &["xnorc"][..],
            &["xnorc", "compile", "a.onnx"],
            &["xnorc", "compile", "a.onnx", "--out", "b", "--name", "fn"],
            &["xnorc", "verify", "a.onnx", "--expect", "y.npy"],
            &["xnorc", "verify", "a.onnx", "--samples", "0"],
            &["xnorc", "run", "a.onnx"],
            &["xnorc", "evaluate", "a.onnx"],
            &["xnorc", "evaluate", "a.onnx", "--images", "d", "--std", "0"],
            &["xnorc", "inspect", "a.onnx", "--threads", "65"],
            &["xnorc", "inspect", "a.onnx", "--target", "avx2"],
            &["xnorc", "inspect", "a.onnx", "--memory", "memory.x"],
            &["xnorc", "inspect", "a.onnx", "--threads", "4", "--schedule"],
            &["xnorc", "bench", "a.onnx", "--threads", "0"],
            &["xnorc", "run", "a.onnx", "--input", "x.npy", "--level", "mmx"],
        ] {
            assert_eq!(Invocation::try_parse_from(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
        assert_eq!(Invocation::try_parse_from(["xnorc", "--help"]).unwrap_err().exit_code(), 0);
    }
}
