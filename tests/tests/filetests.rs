//! `tests/filetests/*/*.xir`: what passes do, as text; one idea each.
//!
//! A file is a graph ([`xnorc::ir`]'s text; lines that begin with `;` are for people), a command among its comments, and what
//! comes out, behind a line `----`:
//!
//! | command | what comes out |
//! |---|---|
//! | `; run: recognise_sign, cleanup` | the graph after these passes, in this order; `all` stands for all |
//! | `; run: lower` | the network of blocks; behind passes too: `all, lower` |
//! | `; run: check` | nothing, or what [`xnorc::check`] finds |
//! | `; error: X014 part of the message` | beside a `run`: it fails so |
//!
//! What is true of every file is asked of every file: a text is read back as it was written, the graph keeps the rules of
//! its level after each pass, and what comes out computes what went in, on inputs with zeros and ties: the outputs, and each
//! value that is said to be one of the file's.
//!
//! `XNORC_UPDATE=1 cargo test -p xnorc-tests --test filetests` writes what comes out into the files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use xnorc::ir::network::Network;
use xnorc::ir::{Graph, Op, Origin, Tensor, ValueId};
use xnorc::passes::{PASSES, lower};
use xnorc::{check, interpret, ops};
use xnorc_tests::fixtures;

const MARK: &str = "----\n";

fn files() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("filetests");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder)
            .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
            .map(|e| e.unwrap().path())
            .collect()
    };
    let mut files: Vec<PathBuf> = entries(&root).iter().flat_map(|folder| entries(folder)).collect();
    files.sort();
    files
}

/// The text behind a word among the comments.
fn command<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix("; ")?.strip_prefix(word)).map(str::trim)
}

/// Inputs with zeros, ties and both signs.
fn inputs(graph: &Graph) -> Vec<Tensor> {
    let numbers = |i: usize, len: usize| (0..len).map(|k| ((k * 7 + i * 3 + k / 5) % 17) as f32 / 4.0 - 2.0).collect();
    let tensor = |(i, id)| {
        let shape = graph.shape(id).to_vec();
        Tensor::f32(shape.clone(), numbers(i, shape.iter().product()))
    };
    graph.inputs.iter().copied().enumerate().map(tensor).collect()
}

/// Says of every value that it is the file's, as the import does.
fn name_origins(graph: &mut Graph) {
    for value in graph.values.iter_mut().filter(|value| value.constant.is_none()) {
        let (name, shape) = (value.name.clone(), value.shape.clone());
        value.origin.get_or_insert(Origin::new(name, shape));
    }
}

/// Whether the values that are said to be the file's are.
fn as_in_the_file(file: &Graph, graph: &Graph) -> Result<(), String> {
    let wanted = interpret::graph(file, &inputs(file))?;
    let found = interpret::graph(graph, &inputs(graph))?;
    let by_name: HashMap<&str, ValueId> =
        file.nodes.iter().map(|node| (file.value(node.output).name.as_str(), node.output)).collect();
    for id in graph.nodes.iter().map(|node| node.output) {
        let Some(origin @ Origin { name, permutation, .. }) = &graph.value(id).origin else { continue };
        let Some(original) = by_name.get(name.as_str()) else { continue };
        let mut original = wanted[original].clone();
        if let Some(permutation) = permutation {
            let shape: Vec<usize> = permutation.iter().map(|&axis| original.shape[axis]).collect();
            original = ops::apply(&Op::Transpose(permutation.clone()), &[&original], &shape)?;
        }
        let elements = original.to_f32().iter().map(|&x| origin.element(x)).collect();
        let original = if origin.between.is_some() { Tensor::f32(original.shape.clone(), elements) } else { original };
        let told = |e| format!("%{} is not the file's {name:?}: {e}", graph.value(id).name);
        close(&[original], &[found[&id].clone()]).map_err(told)?;
    }
    Ok(())
}

/// The outputs.
fn run(graph: &Graph) -> Result<Vec<Tensor>, String> {
    let values = interpret::graph(graph, &inputs(graph))?;
    graph.outputs.iter().map(|id| values.get(id).cloned().ok_or_else(|| "an output is missing".to_owned())).collect()
}

fn close(before: &[Tensor], after: &[Tensor]) -> Result<(), String> {
    for (a, b) in std::iter::zip(before, after) {
        let (x, y) = (a.to_f32(), b.to_f32());
        let scale = x.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
        let same = |(x, y): (&f32, &f32)| {
            (x - y).abs() <= 1e-5 * scale || x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan()
        };
        if a.shape.iter().product::<usize>() != y.len() || !x.iter().zip(&y).all(same) {
            return Err(format!("it computed {x:?}, and now {y:?}"));
        }
    }
    if before.len() == after.len() { Ok(()) } else { Err("an output is gone".to_owned()) }
}

/// A network, read back from its text.
fn read_network(network: &Network) -> Result<Network, String> {
    let written = format!("{network:#}");
    let again: Network = written.parse().map_err(|e| format!("what is written is not read back: {e}"))?;
    let same = format!("{again:#}") == written;
    if same { Ok(again) } else { Err(format!("it is not read back as it was written:\n{written}{again:#}")) }
}

/// What comes out of a file's command.
fn outcome(text: &str) -> Result<String, String> {
    let mut graph: Graph = text.parse()?;
    let written = format!("{graph:#}");
    let again: Graph = written.parse().map_err(|e| format!("what is written is not read back: {e}"))?;
    if format!("{again:#}") != written {
        return Err(format!("it is not read back as it was written:\n{written}{again:#}"));
    }
    let commands = command(text, "run:").ok_or("there is no `; run:`")?;
    check::graph(&graph, "in the file", &[]).map_err(|e| e.to_string())?;
    name_origins(&mut graph);
    let (file, before) = (graph.clone(), run(&graph)?);
    let mut told = String::new();
    for command in commands.split(',').map(str::trim) {
        let passes: Vec<_> = PASSES.iter().filter(|(name, ..)| command == "all" || command == *name).collect();
        match command {
            "check" => {}
            "lower" => {
                let network = lower::run(&graph).map_err(|e| e.to_string())?;
                check::network(&network, "in lowering").map_err(|e| e.to_string())?;
                let network = read_network(&network)?;
                let values = interpret::network::run(&network, &inputs(&graph))?;
                close(&before, &network.outputs.iter().map(|id| values[id].clone()).collect::<Vec<_>>())?;
                told = network.to_string();
            }
            _ if passes.is_empty() => return Err(format!("there is no command {command:?}")),
            _ => {
                for (name, pass, _) in passes {
                    pass(&mut graph);
                    check::graph(&graph, &format!("in the pass {name}"), &[]).map_err(|e| e.to_string())?;
                    close(&before, &run(&graph)?).map_err(|e| format!("{name}: {e}"))?;
                    as_in_the_file(&file, &graph).map_err(|e| format!("{name}: {e}"))?;
                }
                told = graph.to_string();
            }
        }
    }
    for warning in &graph.warnings.0 {
        told += &format!("warning: {warning}\n");
    }
    Ok(told)
}

/// What is wrong with a file, if anything; rewrites it where that is wanted.
fn judge(path: &Path, update: bool) -> Option<String> {
    let whole = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (text, expected) = whole.split_once(MARK).unwrap_or((&whole, ""));
    let unknown = |line: &&str| {
        let command = line.strip_prefix("; ").and_then(|line| line.split_once(':')).map(|(word, _)| word);
        command.is_some_and(|word| !word.contains(' ') && !["run", "error"].contains(&word))
    };
    if let Some(line) = text.lines().find(unknown) {
        return Some(format!("there is no command {line:?}"));
    }
    match (outcome(text), command(text, "error:")) {
        (Err(told), Some(wanted)) => {
            let (code, part) = wanted.split_once(' ').unwrap_or((wanted, ""));
            let fits = told.contains(code) && told.contains(part);
            (!fits).then(|| format!("it fails, but not with {wanted:?}: {told}"))
        }
        (Ok(_), Some(wanted)) => Some(format!("it does not fail with {wanted:?}")),
        (Err(told), None) => Some(told),
        (Ok(found), None) if found == expected => None,
        (Ok(found), None) if update => {
            std::fs::write(path, format!("{text}{MARK}{found}")).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            None
        }
        (Ok(found), None) => Some(format!("what comes out is\n{found}and not\n{expected}")),
    }
}

#[test]
fn every_file() {
    let update = std::env::var_os("XNORC_UPDATE").is_some_and(|value| value == "1");
    let files = files();
    assert!(files.len() > 20, "{files:?}");
    let wrong: Vec<String> = (files.iter())
        .filter_map(|path| {
            let told = judge(path, update)?;
            Some(format!("{}: {told}", path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(path).display()))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} files\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

/// Each pass has its files, which `passes/mod.rs` names.
#[test]
fn every_pass_has_files() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("filetests");
    let page = include_str!("../../compiler/src/passes/mod.rs");
    for folder in PASSES.iter().map(|(name, ..)| name.trim_end_matches("_again")).chain(["lower"]) {
        assert!(root.join(folder).is_dir(), "no files for {folder}");
        assert!(page.contains(&format!("tests/filetests/{folder}")), "passes/mod.rs does not name those of {folder}");
    }
}

/// The runner finds fault where there is some.
#[test]
fn a_wrong_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let graph = "graph \"g\"\n%x: f32[1] = input\n%y: f32[1] = Relu(%x)\nreturn %y\n";
    for (text, told) in [
        (format!("; run: nothing\n{graph}{MARK}"), "there is no command \"nothing\""),
        (format!("; walk: cleanup\n{graph}{MARK}"), "there is no command"),
        (format!("{graph}{MARK}"), "there is no `; run:`"),
        (format!("; run: cleanup\n{graph}{MARK}{}", graph.replace("Relu", "Tanh")), "what comes out is"),
        (format!("; run: cleanup\n; error: X014\n{graph}"), "does not fail"),
        (format!("; run: check\n; error: X014\n{}", graph.replace("%y: f32[1]", "%y: f32[2]")), "but not with"),
        (format!("; run: check\n{}", graph.replace("%y: f32[1]", "%y: f32[2]")), "X900"),
    ] {
        let path = folder.path().join("wrong.xir");
        std::fs::write(&path, text).unwrap();
        let found = judge(&path, false).unwrap_or_else(|| panic!("nothing instead of {told:?}"));
        assert!(found.contains(told), "{told}: {found}");
    }
}

/// Every graph of the fixtures, as imported and behind each pass, is read back as it was written, and becomes the same network.
#[test]
fn fixtures_are_read_back() {
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "onnx") {
            continue;
        }
        let options = xnorc::import::Options { folder: Some(fixtures()), ..Default::default() };
        let Ok(imported) = xnorc::import::load(&std::fs::read(&path).unwrap(), &options) else { continue };
        let read = |graph: &Graph, pass: &str| -> Graph {
            let written = format!("{graph:#}");
            let again: Graph = written.parse().unwrap_or_else(|e| panic!("{} {pass}: {e}", path.display()));
            assert!(format!("{again:#}") == written, "{} {pass}", path.display());
            again
        };
        let mut graph = imported.graph;
        read(&graph, "import");
        for (name, pass, _) in PASSES {
            pass(&mut graph);
            read(&graph, name);
        }
        let (first, second) = (lower::run(&graph), lower::run(&read(&graph, "all")));
        if let Ok(network) = &first {
            read_network(network).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
        assert_eq!(first.map(|n| n.to_string()).ok(), second.map(|n| n.to_string()).ok(), "{}", path.display());
        seen += 1;
    }
    assert!(seen > 60, "{seen}");
}
