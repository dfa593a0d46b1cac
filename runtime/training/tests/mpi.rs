//! Several processes that train together: `mpirun` has to be there.
#![cfg(all(feature = "mpi", unix))]

mod small;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use prost::Message as _;
use small::{IDX, PROGRAM, program, told, write_config, write_data};
use tract_onnx::pb::ModelProto;

/// The launcher, also where it is asked for more processes than there are processors, and by root in a container.
fn mpirun(folder: &Path, processes: usize) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["-n", &processes.to_string()]).current_dir(folder);
    command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
    // Open MPI 4, and 5.
    command
        .env("OMPI_MCA_rmaps_base_oversubscribe", "1")
        .env("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe");
    command.env("RAYON_NUM_THREADS", "1");
    command
}

fn together(folder: &Path, processes: usize, args: &[&str]) -> Output {
    mpirun(folder, processes).arg(PROGRAM).args(args).output().unwrap()
}

/// The small configuration with losses of all kinds, and such a batch.
fn configure(folder: &Path, name: &str, batch: usize) {
    write_config(folder, name, IDX);
    let path = folder.join(name).with_extension("toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("logits = {}", "logits = {}, attention = { weight = 10.0 }");
    fs::write(path, text.replace("batch = 10", &format!("batch = {batch}"))).unwrap();
}

/// What is told of every epoch of both steps, without times.
fn metrics(folder: &Path, name: &str) -> Vec<f64> {
    let of = |step: &str| {
        let text = fs::read_to_string(folder.join(name).join(step).join("metrics.csv")).unwrap();
        let row = |line: &str| line.rsplitn(3, ',').nth(2).unwrap().split(',').map(|v| v.parse().unwrap()).collect();
        text.lines().skip(1).flat_map(|line| -> Vec<f64> { row(line) }).collect::<Vec<_>>()
    };
    let all = ["sign", "binary"].map(of).concat();
    assert!(all.len() >= 6 * 8, "{all:?}");
    all
}

/// Latent weights and everything else that the exported file of the last network holds.
fn weights(folder: &Path, name: &str) -> Vec<f64> {
    let onnx = format!("{name}.onnx");
    let config = format!("{name}.toml");
    let output = program(folder, &["export", "--config", &config, "--last", "--weights", "latent", "--out", &onnx]);
    assert!(output.status.success(), "{}", told(&output));
    let model = ModelProto::decode(&fs::read(folder.join(onnx)).unwrap()[..]).unwrap();
    let float = |bytes: &[u8]| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()));
    let tensors = model.graph.unwrap().initializer.into_iter().filter(|tensor| tensor.data_type == 1);
    let all: Vec<f64> =
        tensors.flat_map(|tensor| tensor.raw_data.chunks_exact(4).map(float).collect::<Vec<_>>()).collect();
    assert!(all.len() > 1000, "{} weights", all.len());
    all
}

/// The largest difference, relative to the value where that is above 1.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / a.abs().max(1.0)).fold(0.0, f64::max)
}

/// Sums of f32 have another order: this is what may come of it in 30 updates.
const ROUNDING: f64 = 2e-5;

/// Two and five processes have the epochs and the weights of one process with the same whole batch; one process with half
/// of the batch does not, nor would processes whose gradients, losses or statistics were those of their shares.
#[test]
fn processes_together_train_as_one_with_the_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_data(folder, 60);
    let result = |name: &str, batch: usize, processes: usize| {
        configure(folder, name, batch);
        let config = format!("{name}.toml");
        let output = match processes {
            1 => program(folder, &["run", &config]),
            n => together(folder, n, &["run", &config]),
        };
        assert!(output.status.success(), "{}", told(&output));
        // One process alone tells: a line of each epoch, and one at the end of each step.
        assert_eq!(told(&output).lines().count(), 8, "{}", told(&output));
        (metrics(folder, name), weights(folder, name))
    };
    let one = result("one", 10, 1);
    for processes in [2, 5] {
        let several = result(&format!("of-{processes}"), 10, processes);
        let found = (distance(&one.0, &several.0), distance(&one.1, &several.1));
        println!("{processes} processes: metrics differ by {:e}, weights by {:e}", found.0, found.1);
        assert!(found.0 < ROUNDING && found.1 < ROUNDING, "{processes} processes: {found:?}");
    }
    let half = result("half", 5, 1);
    let found = (distance(&one.0, &half.0), distance(&one.1, &half.1));
    println!("half of the batch: metrics differ by {:e}, weights by {:e}", found.0, found.1);
    assert!(found.0 > 1000.0 * ROUNDING && found.1 > 1000.0 * ROUNDING, "{found:?}");
    // A batch larger than all pictures: 54 of them, in unequal shares of 10 and 11.
    let (one, several) = (result("all", 60, 1), result("all-of-5", 60, 5));
    let found = (distance(&one.0, &several.0), distance(&one.1, &several.1));
    println!("unequal shares: metrics differ by {:e}, weights by {:e}", found.0, found.1);
    assert!(found.0 < ROUNDING && found.1 < ROUNDING, "unequal shares: {found:?}");
}

/// Starts two processes, and ends the second one after the line that begins so.
fn killed_after(folder: &Path, name: &str, line: &str) {
    let script = "echo $$ > pid-$OMPI_COMM_WORLD_RANK$PMI_RANK; exec \"$0\" \"$@\"";
    let mut child = mpirun(folder, 2)
        .args(["sh", "-c", script, PROGRAM, "run", &format!("{name}.toml")])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|told| told.starts_with(line)));
    let pid = fs::read_to_string(folder.join("pid-1")).unwrap();
    assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap().success());
    // The launcher says which process ended, and all end.
    let rest: Vec<String> = lines.collect();
    assert!(!child.wait().unwrap().success());
    assert!(rest.iter().any(|line| line.contains("signal 9")), "{rest:?}");
}

/// One process is lost: all end, nothing is half-written, and the next call goes on from the last whole epoch, with as many
/// processes to the same bits as an undisturbed run, or with one.
#[test]
fn a_lost_process_ends_all_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_data(folder, 2000);
    for name in ["whole", "parts"] {
        configure(folder, name, 10);
    }
    let whole = together(folder, 2, &["run", "whole.toml"]);
    assert!(whole.status.success(), "{}", told(&whole));
    killed_after(folder, "parts", "sign, epoch 1:");
    let broken = fs::read_dir(folder.join("parts/sign")).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|ending| ending == "new")
    });
    assert_eq!(broken.count(), 0);
    let state = fs::read_to_string(folder.join("parts/sign/state.json")).unwrap();
    assert_eq!(state.matches("\"epoch\"").count(), 1, "{state}");
    let network = program(folder, &["evaluate", "parts.toml", "--step", "sign", "--last"]);
    assert!(network.status.success(), "{}", told(&network));
    killed_after(folder, "parts", "binary, epoch 1:");
    // A copy goes on with one process.
    let copied = Command::new("cp").args(["-r", "parts", "alone"]).current_dir(folder).status().unwrap();
    assert!(copied.success());
    configure(folder, "alone", 10);
    let alone = program(folder, &["run", "alone.toml"]);
    assert!(alone.status.success(), "{}", told(&alone));
    let goes_on = "sign: done already, 3 epochs\nbinary: goes on after epoch 1\n";
    assert!(told(&alone).starts_with(goes_on), "{}", told(&alone));
    let rest = together(folder, 2, &["run", "parts.toml"]);
    assert!(rest.status.success(), "{}", told(&rest));
    assert!(told(&rest).starts_with(goes_on), "{}", told(&rest));
    assert_eq!(metrics(folder, "whole"), metrics(folder, "parts"));
    assert_eq!(weights(folder, "whole"), weights(folder, "parts"));
}

/// What cannot be divided is told once, by one process, and nothing is written.
#[test]
fn what_cannot_be_divided_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_data(folder, 60);
    configure(folder, "out", 10);
    for (processes, args, text) in [
        (3, ["run", "out.toml"], "take 9 or 12, or another number of processes"),
        (2, ["run", "none.toml"], "none.toml\": cannot be read"),
        (2, ["check", "out.toml"], "only `run` can be divided among them"),
    ] {
        let output = together(folder, processes, &args);
        assert!(!output.status.success());
        let told = told(&output);
        // Each of both steps has the same batch.
        let expected = if processes == 3 { 2 } else { 1 };
        assert!(told.matches(text).count() == expected && told.matches("error: ").count() == expected, "{told}");
        assert!(!folder.join("out").exists());
    }
    // One process under the launcher is one without it.
    assert!(together(folder, 1, &["check", "out.toml", "--quick"]).status.success());
}
