//! Many compiled networks in one program: one run of rustc for all, which is what makes thousands of them affordable.
//!
//! Each network is a module over one copy of the runtime. The program takes requests on its standard input (which
//! network, instruction set, number of threads, inputs) and answers with the bits of every output.

use std::fmt::Write as _;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use xnorc::emit::krate::{self, Runtime};
use xnorc::ir::Tensor;
use xnorc::ir::network::NetTensor;
use xnorc::{Config, Output};

/// The configuration that networks of such a program must be compiled with.
pub fn config() -> Config {
    // Every block with more than one row can be divided among threads, be it ever so small.
    Config::new().standalone(true).probe(true).share_from(0).clone()
}

/// The name that a network of such a program must be compiled under.
pub fn name(index: usize) -> String {
    format!("network_{index}")
}

/// The tensors of one network.
struct Ports {
    /// Elements of each input.
    inputs: Vec<usize>,
    /// Elements of each output, and whether they are integers.
    outputs: Vec<(usize, bool)>,
}

/// The networks that [`Many::start`]'s error is about, each once.
pub fn culprits(message: &str) -> Vec<usize> {
    let named = message.split("network_").skip(1);
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let mut culprits: Vec<usize> = named.filter_map(digits).collect();
    culprits.sort_unstable();
    culprits.dedup();
    culprits
}

/// What the program is built for, and run by.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// For rustc, besides the usual.
    pub arguments: Vec<String>,
    /// What runs it: a program and its arguments; nothing where this machine does.
    pub runner: Vec<String>,
}

/// A running program of many networks.
pub struct Many {
    child: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
    networks: Vec<Ports>,
    // Dropped last: the program runs from it.
    _workshop: tempfile::TempDir,
}

impl Many {
    /// Builds the networks, each compiled with [`config`] under its [`name`], and starts the program.
    ///
    /// # Errors
    /// What rustc says.
    pub fn start(networks: &[Output]) -> Result<Self, String> {
        Self::start_on(&Machine::default(), networks)
    }

    /// The same on a machine.
    ///
    /// # Errors
    /// What rustc says.
    pub fn start_on(machine: &Machine, networks: &[Output]) -> Result<Self, String> {
        let workshop = tempfile::tempdir().map_err(|e| e.to_string())?;
        write(networks, workshop.path())?;
        // Optimisation costs minutes here; every instruction set is there without it.
        let out = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--edition=2024", "--crate-name=many", "--cap-lints=allow", "--error-format=short"])
            .args(["-Copt-level=0", "-Ccodegen-units=16", "-Cdebug-assertions=on", "-Cdebuginfo=0"])
            .args(["--cfg", "feature=\"std\""])
            .args(&machine.arguments)
            .arg("-o")
            .arg(workshop.path().join("many"))
            .arg(workshop.path().join("src/main.rs"))
            .output()
            .map_err(|e| format!("rustc cannot be started: {e}"))?;
        if !out.status.success() {
            let text = String::from_utf8_lossy(&out.stderr);
            let lines: Vec<&str> = text.lines().filter(|l| l.contains("error")).take(100).collect();
            return Err(format!("rustc refused it: {}", lines.join("\n")));
        }
        let program = workshop.path().join("many");
        let mut command = match &machine.runner[..] {
            [] => Command::new(program),
            [runner, arguments @ ..] => {
                let mut command = Command::new(runner);
                command.args(arguments).arg(program);
                command
            }
        };
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
        let (to, from) = (child.stdin.take().ok_or("no pipe")?, child.stdout.take().ok_or("no pipe")?);
        let ports = networks
            .iter()
            .map(|output| {
                let tensor = |id| output.network.tensor(id);
                let inputs = output.network.inputs.iter().map(|&id| len(tensor(id))).collect();
                let outputs = output.network.outputs.iter().map(|&id| (len(tensor(id)), is_integer(tensor(id))));
                Ports { inputs, outputs: outputs.collect() }
            })
            .collect();
        Ok(Self { child, to: BufWriter::new(to), from: BufReader::new(from), networks: ports, _workshop: workshop })
    }

    /// The bits of every output of a network, at an instruction set (one the machine lacks is answered with the best below
    /// it, `None` is the best) and with a number of threads.
    ///
    /// # Errors
    /// When it panics.
    pub fn bits(
        &mut self,
        index: usize,
        inputs: &[Tensor],
        level: Option<&str>,
        threads: usize,
    ) -> Result<Vec<Vec<u64>>, String> {
        let Ports { inputs: wanted, outputs } = &self.networks[index];
        let mut request = Vec::new();
        let level = level.unwrap_or("");
        for number in [index, threads, level.len()] {
            request.extend((number as u64).to_le_bytes());
        }
        request.extend(level.as_bytes());
        assert_eq!(inputs.iter().map(Tensor::len).collect::<Vec<_>>(), *wanted, "inputs of network {index}");
        for value in inputs.iter().flat_map(Tensor::to_f32) {
            request.extend(value.to_le_bytes());
        }
        let exchange = || -> std::io::Result<Option<Vec<Vec<u64>>>> {
            self.to.write_all(&request)?;
            self.to.flush()?;
            let mut status = [0];
            self.from.read_exact(&mut status)?;
            if status[0] != b'+' {
                return Ok(None);
            }
            let mut all = Vec::new();
            for &(len, _) in outputs {
                let mut bytes = vec![0; 8 * len];
                self.from.read_exact(&mut bytes)?;
                all.push(bytes.as_chunks().0.iter().map(|b| u64::from_le_bytes(*b)).collect());
            }
            Ok(Some(all))
        };
        match { exchange }() {
            Ok(Some(bits)) => Ok(bits),
            Ok(None) => Err("the emitted code panicked".to_owned()),
            Err(e) => Err(format!("the program ended: {e}")),
        }
    }

    /// [`bits`](Self::bits) as numbers.
    ///
    /// # Errors
    /// When it panics.
    pub fn run(&mut self, index: usize, inputs: &[Tensor]) -> Result<Vec<Vec<f64>>, String> {
        let bits = self.bits(index, inputs, None, 1)?;
        let number = |integer: bool, bits: u64| {
            if integer { bits as i64 as f64 } else { f64::from(f32::from_bits(bits as u32)) }
        };
        let kinds = self.networks[index].outputs.iter().map(|&(_, integer)| integer);
        Ok(bits.into_iter().zip(kinds).map(|(v, k)| v.into_iter().map(|b| number(k, b)).collect()).collect())
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_integer(tensor: &NetTensor) -> bool {
    tensor.integer().is_some()
}

fn len(tensor: &NetTensor) -> usize {
    tensor.shape.iter().product()
}

fn write(networks: &[Output], folder: &Path) -> Result<(), String> {
    let put = |path: &str, bytes: &[u8]| {
        let path = folder.join(path);
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(|e| format!("{}: {e}", path.display()))
    };
    let mut modules = String::new();
    let mut table = String::new();
    for (index, output) in networks.iter().enumerate() {
        let name = name(index);
        for (path, bytes) in krate::files(output, &name, &Runtime::Inside, None) {
            if path == "src/network.rs" {
                put(&format!("src/{name}.rs"), &bytes)?;
            } else if path.ends_with(".weights") {
                put(&path, &bytes)?;
            }
        }
        let network = &output.network;
        let zero = |tensor: &NetTensor| format!("[{}; {}]", if is_integer(tensor) { "0" } else { "0.0" }, len(tensor));
        let new = |ids: &[xnorc::ir::network::TensorId], ty: &str| match ids {
            [id] => zero(network.tensor(*id)),
            _ => format!("{name}::{ty}::new()"),
        };
        let integers: Vec<Option<usize>> = (network.outputs.iter())
            .map(|&id| Some(network.tensor(id)).filter(|tensor| is_integer(tensor)).map(len))
            .collect();
        // Of inputs of integers, which are set one by one.
        let lens = network.inputs.iter().map(|&id| network.tensor(id));
        let lens: Vec<usize> = lens.map(|tensor| if is_integer(tensor) { len(tensor) } else { 0 }).collect();
        let _ = writeln!(modules, "#[allow(clippy::all)] mod {name};");
        let _ = writeln!(
            table,
            "network!({name}, {}, {}, {}, {lens:?}, {integers:?}, {}),",
            new(&network.inputs, "Input"),
            new(&network.outputs, "Output"),
            network.inputs.len(),
            fill(&name, output.fixed.is_some()),
        );
    }
    let users: Vec<&str> = networks.iter().map(Output::source).chain([MAIN]).collect();
    for (path, bytes) in krate::runtime_files(&users, None) {
        put(&path, &bytes)?;
    }
    put("src/main.rs", MAIN.replace("MODULES", &modules).replace("TABLE", &table).as_bytes())
}

/// A closure that fills a network's scratch memory with what must not matter; floats with NaNs.
fn fill(name: &str, in_fixed_point: bool) -> String {
    let fills = if in_fixed_point {
        "scratch.shorts.fill(-31_000); scratch.sums.fill(i32::MIN); scratch.words.fill(0xdead_beef);"
    } else {
        "scratch.real.fill(f32::NAN); scratch.bits.fill(0x5a5a_a5a5_dead_beef);"
    };
    format!("|scratch: &mut {name}::Scratch| {{ {fills} }}")
}

const MAIN: &str = r#"
#[allow(dead_code, unused_imports)]
mod runtime;
MODULES
use std::io::{self, Read, Write};

type Run = fn(&mut dyn Read, &dyn runtime::Team, bool) -> io::Result<Option<Vec<u8>>>;

macro_rules! network {
    ($name:ident, $input:expr, $output:expr, $inputs:expr, $lens:expr, $integers:expr, $fill:expr) => {{
        fn run(from: &mut dyn Read, team: &dyn runtime::Team, alone: bool) -> io::Result<Option<Vec<u8>>> {
            struct State { input: $name::Input, output: $name::Output, scratch: $name::Scratch }
            static STATE: std::sync::Mutex<State> =
                std::sync::Mutex::new(State { input: $input, output: $output, scratch: $name::Scratch::new() });
            let mut state = match STATE.lock() { Ok(state) => state, Err(poisoned) => poisoned.into_inner() };
            let State { input, output, scratch } = &mut *state;
            for i in 0..$inputs {
                let mut next = || -> io::Result<f32> {
                    let mut bytes = [0; 4];
                    from.read_exact(&mut bytes)?;
                    Ok(f32::from_le_bytes(bytes))
                };
                for value in $name::probe::input(input, i) {
                    *value = next()?;
                }
                for at in 0..$lens[i] {
                    $name::probe::set_input_integer(input, i, at, next()?);
                }
            }
            $fill(scratch);
            let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                if alone { $name::infer(input, output, scratch) } else { $name::infer_on(&team, input, output, scratch) }
            }));
            if ran.is_err() {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            // The length of an output of integers.
            let integers: &[Option<usize>] = &$integers;
            for (i, integer) in integers.iter().enumerate() {
                if let Some(len) = *integer {
                    bytes.extend((0..len).flat_map(|at| $name::probe::output_integer(output, i, at).to_le_bytes()));
                } else {
                    bytes.extend($name::probe::output_f32(output, i).iter().flat_map(|v| u64::from(v.to_bits()).to_le_bytes()));
                }
            }
            Ok(Some(bytes))
        }
        run
    }};
}

static NETWORKS: &[Run] = &[TABLE];

fn main() -> io::Result<()> {
    let mut from = io::BufReader::new(io::stdin().lock());
    let mut to = io::BufWriter::new(io::stdout().lock());
    let pools: Vec<runtime::Pool> =
        (0..8).map(|n| runtime::Pool::new(n).map(|p| p.with_grain(0))).collect::<io::Result<_>>()?;
    loop {
        let mut bytes = [0; 24];
        if from.read_exact(&mut bytes).is_err() {
            return Ok(());
        }
        let number = |i: usize| u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().unwrap()) as usize;
        let (index, threads) = (number(0), number(1));
        let mut name = vec![0; number(2)];
        from.read_exact(&mut name)?;
        runtime::force_level(runtime::Level::from_name(&String::from_utf8_lossy(&name)));
        match NETWORKS[index](&mut from, &pools[threads], threads == 1)? {
            Some(bytes) => {
                to.write_all(b"+")?;
                to.write_all(&bytes)?;
            }
            None => to.write_all(b"!")?,
        }
        to.flush()?;
    }
}
"#;
