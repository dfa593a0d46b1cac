//! Whatever the compiler accepts, rustc does too, and without a warning: whatever the networks hold and however their
//! values are called. Many networks at once, types and lints only, so that this takes seconds.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message as _;
use tract_onnx::pb::ModelProto;
use xnorc::emit::krate::{self, Runtime};
use xnorc::{Arithmetic, Config, Output};
use xnorc_tests::{fixtures, long, recorded, side_by_side};

/// A crate of many networks.
#[derive(Default)]
struct Crate {
    root: String,
    files: Vec<(String, Vec<u8>)>,
}

impl Crate {
    /// The name that the next network must have.
    fn next(&self) -> String {
        format!("network_{}", self.files.iter().filter(|(path, _)| path.ends_with(".weights")).count())
    }

    /// Takes in a network, by the file that a build script would write.
    fn add(&mut self, output: &Output) {
        let name = self.next();
        self.files.push((format!("src/{name}.rs"), krate::module(output, &name).into_bytes()));
        self.files.push((format!("src/{name}.weights"), output.emitted.weights.clone()));
        self.root += &format!("include!({:?});\n", format!("{name}.rs"));
        // And as the only part of a crate, where nothing is unused.
        self.files.push((format!("src/{name}_alone.rs"), output.emitted.source.clone().into_bytes()));
        self.root += &format!("/// Alone.\n#[forbid(unsafe_code)]\npub mod {name}_alone;\n");
    }

    /// What rustc says to it: nothing.
    fn assert_accepted(self) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = "#[allow(unsafe_code, unreachable_pub, unused_imports)]\npub mod runtime;\n";
        let root = format!("//! Many.\n#![no_std]\n#![deny(unsafe_code, missing_docs)]\n{runtime}{}", self.root);
        let sources = self.files.iter().filter(|(path, _)| path.ends_with("_alone.rs"));
        let users: Vec<&str> = sources.map(|(_, source)| std::str::from_utf8(source).unwrap()).collect();
        let carried = krate::runtime_files(&users, None);
        for (path, bytes) in self.files.iter().chain(&carried).chain([&("src/lib.rs".to_owned(), root.into_bytes())]) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let result = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--edition=2024", "--crate-type=lib", "--crate-name=accepted", "--emit=metadata", "-Dwarnings"])
            .arg("--out-dir")
            .arg(folder.path())
            .arg(folder.path().join("src/lib.rs"))
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&result.stderr);
        assert!(result.status.success(), "{}", &errors[..errors.len().min(4000)]);
    }
}

fn models() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    let mut models: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    models.sort();
    assert!(models.len() > 50);
    models
}

/// With everything that a block may have: all that can be divided among threads is.
fn config(name: &str) -> Config {
    let mut config = Config::new();
    config.standalone(true).probe(true).share_from(0).name(name);
    config
}

fn compile(model: &[u8], folder: &Path, name: &str) -> Option<Output> {
    xnorc::generate(model, Some(folder), name, &config(name)).ok()
}

#[test]
fn every_fixture() {
    let mut all = Crate::default();
    let mut accepted = 0;
    for path in models() {
        if let Some(output) = compile(&std::fs::read(&path).unwrap(), &fixtures(), &all.next()) {
            all.add(&output);
            accepted += 1;
        }
    }
    assert!(accepted > 50, "{accepted}");
    all.assert_accepted();
}

/// Names as no exporter writes them, and some that one does.
const NAMES: &[&str] = &[
    "a\rb",
    "a\nb\r\nc",
    "\0",
    "*/ /* //",
    "\"quoted\" 'so' \\ `code` ```",
    "\u{202e}right to left\u{2066}",
    "\u{2028}\u{2029}\u{85}\u{200b}\u{feff}",
    "]} #![allow(x)] {[",
    "<script>[link](a)",
    "{} {0} {{ %s $name |",
    "???",
    "",
    " ",
    "_",
    "__",
    "9",
    "9a",
    "layer",
    "layer_",
    "Layer",
    "LAYER",
    "self",
    "Self",
    "crate",
    "super",
    "gen",
    "async",
    "dyn",
    "fn",
    "try",
    "union",
    "r#fn",
    "core",
    "std",
    "alloc",
    "test",
    "runtime",
    "network",
    "probe",
    "infer",
    "infer_on",
    "infer_batch",
    "Input",
    "input",
    "output",
    "scratch",
    "team",
    "Scratch",
    "WEIGHTS",
    "weights",
    "INPUT_SHAPE",
    "SCRATCH_BYTES",
    "real",
    "bits",
    "new",
    "default",
    "f32",
    "usize",
    "str",
    "Some",
    "math",
    "scalar",
    "share",
    "dispatch",
    "gate",
    "x",
    "y",
    "s",
    "v",
    "at",
    "band",
    "tile",
    "pooled",
    "signs",
    "include_bytes",
    "main",
    "élan/層/слой",
    "e\u{301}\u{1f600}",
];

/// The names of a model, each replaced by another.
struct Renaming {
    names: HashMap<String, String>,
    next: usize,
}

impl Renaming {
    fn rename(&mut self, name: &mut String) {
        // No name at all means that there is no value.
        if name.is_empty() {
            return;
        }
        let next = &mut self.next;
        let new = self.names.entry(name.clone()).or_insert_with(|| {
            *next += 1;
            let (round, index) = (*next / NAMES.len(), *next % NAMES.len());
            match (NAMES[index], round) {
                ("", _) => format!("{}\t", "long ".repeat(2000 + *next)),
                (name, 0) => name.to_owned(),
                // A different name of the same letters.
                (name, _) => format!("{name}{}", "/".repeat(round)),
            }
        });
        name.clone_from(new);
    }
}

fn renamed(model: &[u8], start: usize) -> Vec<u8> {
    let mut model = ModelProto::decode(model).unwrap();
    let mut renaming = Renaming { names: HashMap::new(), next: start };
    let graph = model.graph.as_mut().unwrap();
    graph.value_info.clear();
    renaming.rename(&mut graph.name);
    let ports = graph.input.iter_mut().chain(&mut graph.output).map(|port| &mut port.name);
    ports.chain(graph.initializer.iter_mut().map(|tensor| &mut tensor.name)).for_each(|name| renaming.rename(name));
    for node in &mut graph.node {
        node.input.iter_mut().chain(&mut node.output).for_each(|name| renaming.rename(name));
        // Nodes have names of their own.
        let mut name = format!("node {}", node.name);
        renaming.rename(&mut name);
        node.name = name;
    }
    model.encode_to_vec()
}

#[test]
fn names_of_any_kind() {
    let mut all = Crate::default();
    for (index, path) in models().into_iter().enumerate() {
        let bytes = std::fs::read(&path).unwrap();
        // Functions and subgraphs have names of their own.
        let model = ModelProto::decode(&bytes[..]).unwrap();
        let Some(plain) = compile(&bytes, &fixtures(), "plain").filter(|_| model.functions.is_empty()) else {
            continue;
        };
        let bytes = renamed(&bytes, 7 * index);
        let name = all.next();
        let output = xnorc::generate(&bytes, Some(&fixtures()), &name, &config(&name));
        let output = output.unwrap_or_else(|problems| panic!("{}: {problems}", path.display()));
        assert_eq!(output.network.blocks.len(), plain.network.blocks.len(), "{}", path.display());
        assert_eq!(output.emitted.weights, plain.emitted.weights, "{}", path.display());
        let visible =
            |c: char| c == '\n' || !c.is_control() && !matches!(c, '\u{200b}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        for line in output.emitted.source.lines().chain(output.emitted.summary.lines()) {
            assert!(line.chars().all(visible), "{}: {line:?}", path.display());
        }
        all.add(&output);
    }
    all.assert_accepted();
}

/// A look that finds nothing would find this.
#[test]
fn a_warning_would_be_found() {
    let mut all = Crate::default();
    let bytes = std::fs::read(fixtures().join("clip_ste_ts17.onnx")).unwrap();
    let mut output = compile(&bytes, &fixtures(), &all.next()).unwrap();
    output.emitted.source += "\nfn unused(mut x: u8) -> u8 { x }\n";
    all.add(&output);
    assert!(std::panic::catch_unwind(|| all.assert_accepted()).is_err());
}

/// Each crate on its own, as it is written for somebody to keep: rustc finds nothing in it that is not used, of the runtime
/// neither, with a pool of threads or without, for everywhere or for one target.
#[test]
fn nothing_is_carried_in_vain() {
    use Arithmetic::{Bf16, F32, Fixed, Int8};
    let few = ["activations_ts17", "larq_quicknet_op17", "r2b_ts17", "shuffling_ts17"];
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let (everywhere, here, plain) = (None, Some(host.as_str()), Some("riscv32imac-unknown-none-elf"));
    let all = [everywhere, here, plain].map(|target| [F32, Bf16, Int8, Fixed].map(|real| (target, real)));
    let some =
        [(everywhere, F32), (everywhere, Bf16), (here, F32), (here, Int8), (plain, F32), (here, Fixed), (plain, Fixed)];
    let crates = AtomicUsize::new(0);
    let models: Vec<_> = models().into_iter().enumerate().collect();
    side_by_side::for_each(&models, |(index, path)| {
        let is_one_of_few = few.contains(&path.file_stem().unwrap().to_str().unwrap());
        if !long() && !is_one_of_few {
            return;
        }
        let kinds = if long() && is_one_of_few { all.as_flattened() } else { &some };
        let model = std::fs::read(path).unwrap();
        for (turn, &(target, real)) in kinds.iter().enumerate() {
            // The others take turns: every second kind, with every second choice of features.
            let turn = index + turn;
            if !is_one_of_few && turn % 2 > 0 {
                continue;
            }
            let mut config = Config::new();
            config.standalone(true).name("network").real_layers(real).target = target.map(str::to_owned);
            if matches!(real, Int8 | Fixed) {
                config.calibrate(recorded(path).inputs);
            }
            // Some are refused, as they should be.
            let Ok(output) = xnorc::generate(&model, Some(&fixtures()), "network", &config) else { continue };
            let files = krate::files(&output, "network", &Runtime::Inside, None);
            let all_features = ["--cfg=feature=\"std\"", "--cfg=feature=\"alloc\""];
            let both = [&[][..], &all_features];
            let features = match is_one_of_few {
                true => &both[..if long() || target == here { 2 } else { 1 }],
                false => &both[turn / 2 % 2..][..1],
            };
            for features in features {
                let (accepted, errors) = checked(&files, features);
                assert!(accepted, "{} {target:?} {real:?} {features:?}:\n{errors}", path.display());
                crates.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let crates = crates.into_inner();
    assert!(crates >= 20, "{crates}");
}

/// An item that nothing uses is found.
#[test]
fn something_in_vain_would_be_found() {
    let output = xnorc::load(&fixtures().join("clip_ste_ts17.onnx"), Config::new().standalone(true).name("network"));
    let mut files = krate::files(&output.unwrap(), "network", &Runtime::Inside, None);
    let (_, bytes) = files.iter_mut().find(|(path, _)| path == "src/runtime/parts.rs").unwrap();
    bytes.extend_from_slice(b"\npub(crate) fn in_vain() {}\n");
    let (accepted, errors) = checked(&files, &[]);
    assert!(!accepted && errors.contains("function `in_vain` is never used"), "{errors}");
}

/// Whether rustc accepts a crate without a warning, and what it says.
fn checked(files: &[(String, Vec<u8>)], more: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let result = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=lib", "--crate-name=network", "--emit=metadata", "-Dwarnings"])
        .args(["--check-cfg=cfg(test)", "--check-cfg=cfg(feature, values(\"std\", \"alloc\"))"])
        // As the crate's build script declares it.
        .arg("--check-cfg=cfg(xnorc_fma, values(\"vfma\", \"fmadd\", \"integers\"))")
        .arg("--check-cfg=cfg(xnorc_planes, values(\"neon\"))")
        .args(more)
        .arg("--out-dir")
        .arg(folder.path())
        .arg(folder.path().join("src/lib.rs"))
        .output()
        .unwrap();
    (result.status.success(), String::from_utf8_lossy(&result.stderr).into_owned())
}
