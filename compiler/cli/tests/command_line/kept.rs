//! Programs that were built are there the next time; and the interpreter needs none.

use serde_json::Value;

use super::{Desk, Run, models};

#[test]
fn a_program_is_built_once() {
    let desk = Desk::new();
    desk.put("relu.onnx", &models::relu(17).bytes());
    desk.put("x.npy", &xnorc::npy::write(&xnorc::ir::Tensor::f32([1, 4], vec![-1.0, 0.0, 1.0, 2.0])));
    let run = |more: &[&str]| {
        let mut command = desk.command(&[&["run", "relu.onnx", "--input", "x.npy", "--json"], more].concat());
        command.env("XNORC_CACHE", desk.path("cache"));
        Run::of(&command.output().unwrap()).json()
    };
    let kept = |more: &[&str]| run(more)["kept"] == Value::Bool(true);
    assert!(!kept(&["--no-cache"]));
    assert!(!desk.path("cache").exists());
    assert!(!kept(&[]) && kept(&[]));
    assert!(!kept(&["--no-cache"]));
    // Another program, and the first one is still there.
    assert!(!kept(&["--name", "other"]) && kept(&["--repeat", "3"]));
    // The time is that of the run that built it.
    assert!(run(&[])["rustc_seconds"].as_f64() > Some(0.0));
}

/// Without rustc: the interpreter runs and verifies, and gives the same answer.
#[test]
fn the_interpreter_needs_no_rustc() {
    let desk = Desk::new();
    let [model, x, y] = ["r2b_ts17.onnx", "r2b_ts17.in.npy", "r2b_ts17.out.npy"].map(|name| {
        desk.take(name);
        name
    });
    let without =
        |arguments: &[&str]| Run::of(&desk.command(arguments).env("RUSTC", "/no/such/rustc").output().unwrap());
    let refused = without(&["run", model, "--input", x]);
    assert!(refused.code == Some(1) && refused.stderr.contains("--engine interpreter"), "{}", refused.stderr);
    let ran = without(&["run", model, "--input", x, "--output", "i.npy", "--engine", "interpreter", "--json"]).json();
    assert_eq!(
        (&ran["level"], &ran["rustc_seconds"], &ran["kept"]),
        (&"interpreter".into(), &Value::Null, &false.into())
    );
    assert_eq!(desk.run(&["run", model, "--input", x, "--output", "p.npy"]).code, Some(0));
    let read = |name: &str| xnorc::npy::read(&std::fs::read(desk.path(name)).unwrap()).unwrap().to_f32();
    let worst = read("i.npy").iter().zip(read("p.npy")).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
    let verified = without(&["verify", model, "--input", x, "--expect", y, "--engine", "interpreter", "--json"]).json();
    assert_eq!((&verified["ok"], &verified["level"]), (&true.into(), &"interpreter".into()));
    for option in [&["--threads", "2"][..], &["--level", "portable"]] {
        let run = desk.run(&[&["run", model, "--input", x, "--engine", "interpreter"], option].concat());
        assert_eq!(run.code, Some(2), "{}", run.stderr);
    }
}
