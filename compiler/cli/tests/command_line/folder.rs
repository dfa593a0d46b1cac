//! The folder that `compile` writes, under two runs at once and under runs that are killed: one crate or the other, never
//! a mixture, and nothing beside it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::generated::files;
use super::{Desk, models};

type Files = BTreeMap<String, Vec<u8>>;

/// Two crates that differ in every file that the other has too, and in their number.
const RUNS: [&[&str]; 2] = [
    &["compile", "clip_ste_ts17.onnx", "--out", "net", "--name", "first", "--force"],
    &["compile", "relu.onnx", "--out", "net", "--name", "second", "--force"],
];

/// A desk with both models, and both crates.
fn desk() -> (Desk, [Files; 2]) {
    let desk = Desk::new();
    desk.put("relu.onnx", &models::relu(17).bytes());
    desk.take("clip_ste_ts17.onnx");
    let crates = RUNS.map(|run| {
        let run = desk.run(run);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        files(&desk.path("net"))
    });
    assert_ne!(crates[0], crates[1]);
    (desk, crates)
}

/// Which of the crates the folder holds, apart from what is not theirs.
fn held(folder: &Path, crates: &[Files; 2]) -> Option<usize> {
    let mut found = files(folder);
    found.retain(|path, _| path != "Cargo.lock" && !path.starts_with("target/"));
    crates.iter().position(|wanted| *wanted == found)
}

fn litter(desk: &Desk) -> Vec<String> {
    let entries = std::fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.starts_with('.')).collect()
}

#[test]
fn two_runs_at_once_never_mix() {
    let (desk, crates) = desk();
    for round in 0..12 {
        let children: Vec<_> = (0..3)
            .map(|i| desk.command(RUNS[(i + round) % 2]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert!(held(&desk.path("net"), &crates).is_some(), "round {round}: a mixture");
    }
    assert_eq!(litter(&desk), [""; 0]);
}

#[test]
fn a_killed_run_never_mixes_and_is_put_away() {
    let (desk, crates) = desk();
    // What is not the compiler's stays, whenever it is killed.
    std::fs::create_dir(desk.path("net/target")).unwrap();
    desk.put("net/target/mine", b"mine");
    desk.put("net/Cargo.lock", b"mine");
    let start = std::time::Instant::now();
    assert_eq!(desk.run(RUNS[0]).code, Some(0));
    let whole = start.elapsed();
    let (rounds, mut killed) = (40_u32, 0);
    for round in 0..rounds {
        let before = held(&desk.path("net"), &crates);
        assert!(before.is_some(), "round {round}");
        // The other one, killed at a time of its run that is another one each round.
        let mut child = desk.command(RUNS[1 - before.unwrap()]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * round / rounds + Duration::from_micros(u64::from(round) * 137));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        assert!(held(&desk.path("net"), &crates).is_some(), "round {round}: a mixture");
    }
    assert!(killed > 5, "only {killed} runs were killed");
    let run = desk.run(RUNS[1]);
    assert_eq!((run.code, held(&desk.path("net"), &crates)), (Some(0), Some(1)), "{}", run.stderr);
    assert_eq!(litter(&desk), [""; 0]);
    assert_eq!(std::fs::read(desk.path("net/target/mine")).unwrap(), b"mine");
    assert_eq!(std::fs::read(desk.path("net/Cargo.lock")).unwrap(), b"mine");
}

/// What would take the interpreter minutes is written without an example, at once.
#[test]
fn no_example_is_worth_any_time() {
    let desk = Desk::new();
    desk.take("dynamic_batch_ts17.onnx");
    let batch = |n: u32| format!("batch={n}");
    let start = std::time::Instant::now();
    let run = desk.run(&["compile", "dynamic_batch_ts17.onnx", "--out", "net", "--dim", &batch(20_000)]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("no test with an example: the interpreter would take"), "{}", run.stdout);
    assert!(start.elapsed() < Duration::from_secs(20));
    let crate_ = files(&desk.path("net"));
    assert!(!crate_.keys().any(|path| path.starts_with("tests/")), "{:?}", crate_.keys());
    assert!(!String::from_utf8_lossy(&crate_["README.md"]).contains("recorded"));
    // The next one takes no test of an earlier one along.
    let run = desk.run(&["compile", "dynamic_batch_ts17.onnx", "--out", "net"]);
    assert!(!run.stdout.contains("no test"), "{}", run.stdout);
    assert!(desk.path("net/tests/recorded.rs").is_file());
    assert_eq!(
        desk.run(&["compile", "dynamic_batch_ts17.onnx", "--out", "net", "--dim", &batch(20_000)]).code,
        Some(0)
    );
    assert_eq!(files(&desk.path("net")), crate_);
}

/// A folder that somebody stands in is written too.
#[test]
fn the_current_folder() {
    let (desk, crates) = desk();
    let run = |model: &str, name: &str, more: &[&str]| {
        let mut command = desk.command(&[&["compile", model, "--out", ".", "--name", name, "--force"], more].concat());
        command.current_dir(desk.path("net")).output().unwrap()
    };
    for (index, model, name, more) in
        [(0, "../clip_ste_ts17.onnx", "first", &["--runtime", "inside"][..]), (1, "../relu.onnx", "second", &[])]
    {
        let output = run(model, name, more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(held(&desk.path("net"), &crates), Some(index));
    }
}

/// Whoever kills `verify` does not leave rustc at work.
#[cfg(target_os = "linux")]
#[test]
fn a_killed_run_leaves_no_rustc() {
    let desk = Desk::new();
    desk.take("r2b_ts17.onnx");
    desk.take("r2b_ts17.in.npy");
    let mut child = desk
        .command(&["verify", "r2b_ts17.onnx", "--input", "r2b_ts17.in.npy"])
        // By this the processes of this run are known, whatever else runs on this machine.
        .env("XNORC_CACHE", desk.path("cache"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let place = desk.path("").to_string_lossy().into_owned();
    let running = || -> Vec<String> {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        let texts = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
        texts.filter(|line| line.contains(&place) && line.contains("lib.rs")).collect()
    };
    let wait = |wanted: bool, tries: usize| {
        for _ in 0..tries {
            if running().is_empty() != wanted {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    };
    assert!(wait(true, 6000), "rustc never ran");
    child.kill().unwrap();
    child.wait().unwrap();
    // Sooner than it would be done.
    let ended = wait(false, 200);
    assert!(ended, "still running: {:?}", running());
    // And its files are put away by the next one.
    let workshops = || {
        let names = std::fs::read_dir(desk.path("cache")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("xnorc-")).count()
    };
    assert_eq!(workshops(), 1);
    desk.put("relu.onnx", &models::relu(17).bytes());
    desk.put("x.npy", &xnorc::npy::write(&xnorc::ir::Tensor::f32([1, 4], vec![0.0; 4])));
    let mut command = desk.command(&["run", "relu.onnx", "--input", "x.npy"]);
    let run = command.env("XNORC_CACHE", desk.path("cache")).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(workshops(), 0);
}
