//! The command itself: exit codes, one line per problem, nothing half-written, JSON as promised.

mod crates;
mod evaluate;
mod folder;
mod generated;
mod kept;
mod models;
mod stacks;
mod targets;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use xnorc::diagnostics::Code;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

/// A folder to run the command in, and the runs.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file there.
    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Copies a fixture there.
    fn take(&self, name: &str) {
        std::fs::copy(fixture(name), self.path(name)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xnorc"));
        command.args(arguments).current_dir(self.0.path()).env_remove("XNORC_LEVEL");
        // Programs are kept from test to test, and from run to run of the tests; nothing of it is the user's.
        command.env("XNORC_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&self.command(arguments).output().unwrap())
    }

    /// Every path below the folder.
    fn everything(&self) -> Vec<PathBuf> {
        let mut all = Vec::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path.clone());
                }
                all.push(path);
            }
        }
        all.sort();
        all
    }
}

/// What a run of the command left.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// It failed as it should: exit code 1, no result, only lines with a code.
    fn assert_refused(&self, what: &str) {
        assert_eq!(self.code, Some(1), "{what}: {}", self.stderr);
        assert_eq!(self.stdout, "", "{what}");
        assert!(!self.stderr.is_empty(), "{what}");
        for line in self.stderr.lines() {
            let code = line.strip_prefix("error: ").or(line.strip_prefix("warning: ")).and_then(|l| l.get(..4));
            assert!(code.is_some_and(|code| Code::ALL.iter().any(|(c, _)| c.as_str() == code)), "{what}: {line}");
        }
    }

    /// It succeeded, and what it printed is JSON.
    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }
}

/// Every problem and warning that the command can report, in one text: a section for each run.
fn catalogue() -> String {
    let outer = Desk::new();
    outer.put("secret.data", &[0; 16]);
    let desk = Desk(tempfile::tempdir_in(outer.0.path()).unwrap());
    desk.put("short.data", &[0; 15]);
    let mut text = String::new();
    let mut section = |name: &str, run: &Run| {
        write!(text, "== {name}\n{}", run.stderr).unwrap();
    };
    let mut files = models::broken();
    let training = "training_bn_ts17";
    files.push((training, std::fs::read(fixture("training_bn_ts17.onnx")).unwrap()));
    for (name, bytes) in files {
        let file = format!("{name}.onnx");
        desk.put(&file, &bytes);
        let before = desk.everything();
        let run = desk.run(&["compile", &file, "--out", "crate"]);
        run.assert_refused(name);
        assert_eq!(desk.everything(), before, "{name}: something was written");
        section(name, &run);
        // The other commands say the same.
        let inspected = desk.run(&["inspect", &file, "--json"]);
        inspected.assert_refused(name);
        assert_eq!(inspected.stderr, run.stderr, "{name}");
    }

    desk.put("relu.onnx", &models::relu(17).bytes());
    desk.put("x.npy", &xnorc::npy::write(&xnorc::ir::Tensor::f32([1, 4], vec![-1.0, 0.0, 1.0, 2.0])));
    desk.put("other.npy", &xnorc::npy::write(&xnorc::ir::Tensor::f32([1, 5], vec![0.0; 5])));
    std::fs::create_dir(desk.path("mine")).unwrap();
    desk.put("mine/letter.txt", b"dear");
    std::fs::create_dir_all(desk.path("album/cats")).unwrap();
    desk.put("album/cats/1.png", b"meow");
    desk.take("r2b_ts17.onnx");
    desk.take("r2b_ts17.in.npy");
    desk.take("clip_ste_ts17.onnx");
    desk.take("two_in_two_out_ts17.onnx");
    assert_eq!(desk.run(&["compile", "clip_ste_ts17.onnx", "--out", "theirs"]).code, Some(0));
    for (name, arguments) in [
        ("no_such_layer", &["compile", "relu.onnx", "--out", "crate", "--real", "bf16:stem"][..]),
        ("a_layer_that_cannot_be_narrow", &["compile", "relu.onnx", "--out", "crate", "--real", "bf16:y"]),
        ("nothing_to_calibrate_on", &["compile", "r2b_ts17.onnx", "--out", "crate", "--real", "int8"]),
        ("no_form_in_fixed_point", &["compile", "two_in_two_out_ts17.onnx", "--out", "crate", "--real", "fixed"]),
        ("another_model_s_example", &["inspect", "r2b_ts17.onnx", "--real", "int8", "--calibrate", "other.npy"]),
        ("no_such_dimension", &["compile", "relu.onnx", "--out", "crate", "--dim", "batch=2"]),
        ("no_such_file", &["compile", "lost.onnx", "--out", "crate"]),
        ("folder_of_another", &["compile", "relu.onnx", "--out", "mine"]),
        ("folder_of_another_network", &["compile", "relu.onnx", "--out", "theirs"]),
        ("below_a_file", &["compile", "relu.onnx", "--out", "mine/letter.txt/net"]),
        ("answers_into_no_folder", &["run", "relu.onnx", "--input", "x.npy", "--output", "lost/y.npy"]),
        (
            "scores_into_no_folder",
            &["evaluate", "r2b_ts17.onnx", "--images", "r2b_ts17.in.npy", "--save", "lost/y.npy"],
        ),
        ("no_picture", &["evaluate", "r2b_ts17.onnx", "--images", "album"]),
        ("plot_into_no_folder", &["bench", "relu.onnx", "--plot", "lost/plot.svg"]),
        ("not_an_array", &["run", "relu.onnx", "--input", "relu.onnx"]),
        ("array_of_another_shape", &["run", "relu.onnx", "--input", "other.npy"]),
    ] {
        let before = desk.everything();
        let run = desk.run(arguments);
        run.assert_refused(name);
        assert_eq!(desk.everything(), before, "{name}: something was written");
        section(name, &run);
    }
    let no_rustc = Run::of(
        &desk.command(&["run", "relu.onnx", "--input", "x.npy"]).env("RUSTC", "/no/such/rustc").output().unwrap(),
    );
    no_rustc.assert_refused("no_rustc");
    section("no_rustc", &no_rustc);

    desk.put("new_opset.onnx", &models::relu(99).bytes());
    desk.take("real_input_ts17.onnx");
    desk.put("half_binary.onnx", &models::half_binary().bytes());
    for name in ["new_opset", "real_input_ts17", "half_binary"] {
        let run = desk.run(&["compile", &format!("{name}.onnx"), "--out", name]);
        assert_eq!(run.code, Some(0), "{name}: {}", run.stderr);
        assert!(desk.path(name).join("src/lib.rs").is_file(), "{name}");
        assert!(run.stderr.starts_with("warning: "), "{name}: {}", run.stderr);
        section(name, &run);
    }
    text
}

#[test]
fn every_problem_has_its_line() {
    let catalogue = catalogue();
    // A fault of the compiler itself has no file that provokes it.
    for (code, meaning) in Code::ALL.iter().filter(|(code, _)| *code != Code::Internal) {
        let code = code.as_str();
        assert!(
            catalogue.contains(&format!("error: {code}")) || catalogue.contains(&format!("warning: {code}")),
            "nothing provokes {code}: {meaning}"
        );
    }
    insta::assert_snapshot!(catalogue);
}

#[test]
fn warnings_are_in_the_report_too() {
    let desk = Desk::new();
    desk.take("real_input_ts17.onnx");
    let report = desk.run(&["inspect", "real_input_ts17.onnx", "--json"]).json();
    let warnings = report["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|w| w.as_str().unwrap().starts_with("X101 at node ")), "{report}");
    assert!(report["blocks"].as_array().unwrap().iter().any(|b| {
        b["binary"] == false && b["reason"].as_str().is_some_and(|r| r.starts_with("input is not binary"))
    }));
}

/// What is looser by choice is named, smaller, and computed as its definition says.
#[test]
fn looser_arithmetic_by_choice() {
    let desk = Desk::new();
    desk.take("r2b_ts17.onnx");
    desk.take("r2b_ts17.in.npy");
    let inspect = |more: &[&str]| desk.run(&[&["inspect", "r2b_ts17.onnx", "--json"][..], more].concat()).json();
    let bytes = |report: &Value| report["totals"]["weight_bytes"].as_u64().unwrap();
    let exact = inspect(&[]);
    let layers = |report: &Value, arithmetic: &str| -> Vec<String> {
        let of = |b: &&Value| b["arithmetic"] == arithmetic;
        let name = |b: &Value| b["name"].as_str().unwrap().to_owned();
        report["blocks"].as_array().unwrap().iter().filter(of).map(name).collect()
    };
    let all = layers(&exact, "f32");
    assert!(!all.is_empty());
    let bf16 = inspect(&["--real", "bf16"]);
    assert_eq!(layers(&bf16, "bf16"), all);
    let int8 = inspect(&["--real", "int8", "--calibrate", "r2b_ts17.in.npy"]);
    assert_eq!(layers(&int8, "int8"), all);
    assert!(bytes(&exact) > bytes(&bf16) && bytes(&bf16) > bytes(&int8), "{exact} {bf16} {int8}");
    let reason = |b: &Value| b["reason"].as_str().unwrap_or_default().to_owned();
    let stem = bf16["blocks"].as_array().unwrap().iter().find(|b| b["name"] == *all[0]).unwrap().clone();
    assert!(reason(&stem).starts_with("bf16 by choice; "), "{stem}");
    let one = inspect(&["--real", &format!("bf16:{}", all[0])]);
    assert_eq!(layers(&one, "bf16"), all[..1]);
    assert_eq!(layers(&one, "f32"), all[1..]);

    let verified =
        desk.run(&["verify", "r2b_ts17.onnx", "--input", "r2b_ts17.in.npy", "--real", "bf16", "--json"]).json();
    assert_eq!(verified["ok"], true, "{verified}");
    assert!(verified["mean_abs_error"].as_f64().unwrap() > 0.0);
    for block in verified["blocks"].as_array().unwrap() {
        let looser = block["arithmetic"] == "bf16";
        assert_eq!(block.get("as_defined").is_some(), looser, "{block}");
        assert!(!looser || block["as_defined"] == true, "{block}");
    }
}

#[test]
fn usage_errors_are_exit_code_2() {
    let desk = Desk::new();
    desk.put("relu.onnx", &models::relu(17).bytes());
    desk.put("x.npy", &xnorc::npy::write(&xnorc::ir::Tensor::f32([1, 4], vec![0.0; 4])));
    let before = desk.everything();
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["compile", "relu.onnx"],
        &["compile", "relu.onnx", "--out", "a", "--name", "fn"],
        &["compile", "relu.onnx", "--out", "a", "--real", "fp16"],
        &["compile", "relu.onnx", "--out", "a", "--dim", "batch"],
        &["compile", "relu.onnx", "--out", "a", "--target", "avx2"],
        &["compile", "relu.onnx", "--out", "a", "--target", "aarch64-apple-darwin", "--web"],
        &["inspect"],
        &["inspect", "relu.onnx", "--threads", "65"],
        &["inspect", "relu.onnx", "--threads", "4", "--schedule"],
        &["verify", "relu.onnx", "--expect", "x.npy"],
        &["verify", "relu.onnx", "--input", "x.npy", "--expect", "x.npy", "--expect", "x.npy"],
        &["run", "relu.onnx"],
        &["run", "relu.onnx", "--input", "x.npy", "--input", "x.npy"],
        &["run", "relu.onnx", "--input", "x.npy", "--output", "y.npy", "--output", "z.npy"],
        &["run", "relu.onnx", "--input", "x.npy", "--level", "mmx"],
        &["compile", "relu.onnx", "--out", "a", "--real", "fixed:stem"],
        &["run", "relu.onnx", "--input", "x.npy", "--real", "fixed", "--calibrate", "x.npy", "--threads", "2"],
        &["verify", "relu.onnx", "--real", "fixed", "--calibrate", "x.npy", "--level", "avx2"],
        &["bench", "relu.onnx", "--real", "fixed", "--calibrate", "x.npy"],
        &["inspect", "relu.onnx", "--real", "fixed", "--calibrate", "x.npy", "--schedule"],
    ] {
        let run = desk.run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments:?}");
    }
    let level = desk.command(&["run", "relu.onnx", "--input", "x.npy"]).env("XNORC_LEVEL", "mmx").output().unwrap();
    assert_eq!(level.status.code(), Some(2));
    assert_eq!(desk.everything(), before);

    let help = desk.run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for word in ["compile", "inspect", "verify", "run", "Exit codes", "Examples"] {
        assert!(help.stdout.contains(word), "{}", help.stdout);
    }
}

/// Every command has a page with examples, and a shell can complete it.
#[test]
fn every_command_is_explained_and_completed() {
    let desk = Desk::new();
    let overview = desk.run(&["--help"]).stdout;
    let script = desk.run(&["completions", "bash"]);
    assert_eq!(script.code, Some(0));
    for command in ["compile", "inspect", "verify", "run", "evaluate", "bench", "completions"] {
        assert!(overview.contains(&format!("  {command} ")), "{overview}");
        let help = desk.run(&[command, "--help"]).stdout;
        assert!(help.contains("Examples:") && help.contains(&format!("xnorc {command} ")), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 122), "{help}");
        assert!(script.stdout.contains(command), "{command}");
    }
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        assert!(desk.run(&["completions", shell]).stdout.contains("evaluate"), "{shell}");
    }
    // A pipe knows nothing of progress.
    desk.put("relu.onnx", &models::relu(17).bytes());
    assert_eq!(desk.run(&["verify", "relu.onnx", "--samples", "50"]).stderr, "");
}

/// A key of a report, and what its value must be.
type Key = (&'static str, fn(&Value) -> bool);

/// Paths of keys that are missing, or not of that kind.
fn lacking(value: &Value, keys: &[Key]) -> Vec<String> {
    keys.iter().filter(|(key, is)| !value.pointer(key).is_some_and(is)).map(|(key, _)| (*key).to_owned()).collect()
}

/// The loops and the bounds, as text and as JSON: the same figures.
#[test]
fn inspect_shows_the_schedule_and_what_threads_can_gain() {
    let (desk, model) = (Desk::new(), fixture("r2b_ts17.onnx"));
    let inspect = |more: &[&str]| desk.run(&[&["inspect", model.to_str().unwrap()], more].concat());
    let (text, json) = (inspect(&["--schedule"]).stdout, inspect(&["--schedule", "--json"]).json());
    let blocks = json["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 8);
    for block in blocks {
        let keys: &[Key] = &[
            ("/name", Value::is_string),
            ("/title", Value::is_string),
            ("/lines", Value::is_array),
            ("/cost", Value::is_u64),
        ];
        assert_eq!(lacking(block, keys), [""; 0], "{block}");
        for line in block["lines"].as_array().unwrap() {
            assert!(
                text.contains(line["what"].as_str().unwrap()) && text.contains(line["why"].as_str().unwrap()),
                "{line}"
            );
        }
    }
    assert!(
        text.contains("        3 rows of taps ") && text.contains("# row 0 without tap 0, row 15 without tap 2"),
        "{text}"
    );

    let (text, json) = (inspect(&["--threads", "6"]).stdout, inspect(&["--threads", "6", "--json"]).json());
    assert_eq!(json["threads"], serde_json::json!([1, 2, 4, 6]));
    assert_eq!((&json["blocks"][0]["divided"], &json["blocks"][0]["bounds"][2]), (&"16 rows".into(), &4.0.into()));
    let keys: &[Key] = &[
        ("/network/3", Value::is_f64),
        ("/network_with_grain/3", Value::is_f64),
        ("/grain", Value::is_u64),
        ("/blocks/7/cost", Value::is_u64),
    ];
    assert_eq!(lacking(&json, keys), [""; 0], "{json}");
    assert!(text.contains(&format!("{:.2}", json["network"][3].as_f64().unwrap())), "{text}");
}

/// The glance first; every block behind `--all`.
#[test]
fn inspect_is_one_screen_unless_asked_for_more() {
    let (desk, model) = (Desk::new(), fixture("r2b_ts17.onnx"));
    let inspect = |more: &[&str]| desk.run(&[&["inspect", model.to_str().unwrap()], more].concat()).stdout;
    let (glance, all) = (inspect(&[]), inspect(&["--all"]));
    assert!(glance.lines().count() <= 24, "{glance}");
    let size = std::fs::metadata(&model).unwrap().len() as f64 / 1e3;
    for words in ["binary  ", &format!("size    {size:.1} kB in the file"), "time    about ", "estimated", "`--all`"] {
        assert!(glance.contains(words), "{words}: {glance}");
    }
    assert!(!glance.contains("a gate is real-valued; its first layer"), "{glance}");
    assert!(all.contains("a gate is real-valued; its first layer") && all.contains("least of any order"), "{all}");
    assert_eq!(desk.run(&["inspect", "a.onnx", "--all", "--threads", "2"]).code, Some(2));
}

#[test]
fn inspect_gives_the_promised_keys() {
    let report = Desk::new().run(&["inspect", fixture("r2b_ts17.onnx").to_str().unwrap(), "--json"]).json();
    let keys: &[Key] = &[
        ("/totals/binary_macs", Value::is_u64),
        ("/totals/real_macs", Value::is_u64),
        ("/totals/flops", Value::is_u64),
        ("/totals/binary_operators", Value::is_u64),
        ("/totals/fused_blocks", Value::is_u64),
        ("/totals/weight_bytes", Value::is_u64),
        ("/totals/scratch_bytes", Value::is_u64),
        ("/totals/scratch_bound_bytes", Value::is_u64),
        ("/blocks/0/name", Value::is_string),
        ("/inputs/0/name", Value::is_string),
        ("/inputs/0/shape", Value::is_array),
        ("/inputs/0/type", |v| v == "f32"),
        ("/outputs/0/shape", Value::is_array),
        ("/notes", Value::is_array),
    ];
    assert_eq!(lacking(&report, keys), [""; 0], "{report}");
    for block in report["blocks"].as_array().unwrap() {
        let keys: &[Key] = &[
            ("/name", Value::is_string),
            ("/kind", Value::is_string),
            ("/binary", Value::is_boolean),
            ("/fused", |v| v.as_array().is_some_and(|parts| parts.iter().all(Value::is_string))),
            ("/reason", |v| v.is_null() || v.is_string()),
        ];
        assert_eq!(lacking(block, keys), [""; 0], "{block}");
    }
    assert!(report["totals"]["fused_blocks"].as_u64() > Some(0), "{report}");
}

#[test]
fn verify_and_run_give_the_promised_keys_and_the_recorded_output() {
    let desk = Desk::new();
    for file in ["sign_plain_ts17.onnx", "sign_plain_ts17.in.npy", "sign_plain_ts17.out.npy"] {
        desk.take(file);
    }
    let (model, x, y) = ("sign_plain_ts17.onnx", "sign_plain_ts17.in.npy", "sign_plain_ts17.out.npy");
    let verified = desk.run(&["verify", model, "--input", x, "--expect", y, "--json"]).json();
    let keys: &[Key] = &[
        ("/ok", |v| *v == Value::Bool(true)),
        ("/samples", |v| *v == 1),
        ("/max_abs_error", Value::is_number),
        ("/sign_flips", Value::is_u64),
        ("/top1_agreement", Value::is_number),
        ("/blocks/0/name", Value::is_string),
    ];
    assert_eq!(lacking(&verified, keys), [""; 0], "{verified}");

    let measured = desk.run(&["run", model, "--input", x, "--output", "y.npy", "--repeat", "5", "--json"]).json();
    let keys: &[Key] = &[("/median_ms", Value::is_f64), ("/min_ms", Value::is_f64)];
    assert_eq!(lacking(&measured, keys), [""; 0], "{measured}");
    assert!(measured["min_ms"].as_f64() <= measured["median_ms"].as_f64());
    let read = |name: &str| xnorc::npy::read(&std::fs::read(desk.path(name)).unwrap()).unwrap();
    let (got, wanted) = (read("y.npy"), read(y));
    assert_eq!(got.shape, wanted.shape);
    let worst = got.to_f32().iter().zip(wanted.to_f32()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-4, "{worst}");

    // An expectation that is not met is exit code 1, and said in the same JSON.
    let mut wrong = wanted.to_f32();
    wrong[0] += 1.0;
    desk.put("wrong.npy", &xnorc::npy::write(&xnorc::ir::Tensor::f32(wanted.shape.clone(), wrong)));
    let run = desk.run(&["verify", model, "--input", x, "--expect", "wrong.npy", "--json"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let refused: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(refused["ok"], Value::Bool(false), "{refused}");
}
