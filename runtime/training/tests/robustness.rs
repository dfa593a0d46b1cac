//! What happens to the program from outside: Ctrl-C, a full disk, damaged and wrong files.
#![cfg(unix)]

mod small;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use small::{IDX, PROGRAM, program, told, write_config, write_data};

/// Starts `run NAME.toml`, and interrupts it in the epoch after the line that `marks` is true of.
fn interrupted_after(folder: &Path, name: &str, marks: impl Fn(&str) -> bool) {
    let mut child = Command::new(PROGRAM)
        .args(["run", &format!("{name}.toml")])
        .current_dir(folder)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut seen = Vec::new();
    assert!(lines.by_ref().inspect(|line| seen.push(line.clone())).any(|line| marks(&line)), "{seen:?}");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    // In the middle of an epoch, which is not told of; two were to come.
    assert!(rest.iter().any(|line| line.contains("goes on from the last whole epoch")), "{rest:?}");
    assert!(!rest.iter().any(|line| line.contains("epoch 3:")), "{rest:?}");
}

/// Everything that a run leaves but times: the metrics of both steps, and the last network as ONNX, whose bytes are
/// those of its weights.
fn left(folder: &Path, name: &str) -> (Vec<String>, Vec<u8>) {
    let metrics = ["sign", "binary"].map(|step| {
        let text = fs::read_to_string(folder.join(name).join(step).join("metrics.csv")).unwrap();
        // The last columns.
        assert!(text.lines().next().unwrap().ends_with(",seconds,waited"), "{text}");
        text.lines().map(|line| line.rsplitn(3, ',').nth(2).unwrap().to_owned()).collect::<Vec<_>>().join("\n")
    });
    let onnx = format!("{name}.onnx");
    let args = ["export", "--config", &format!("{name}.toml"), "--last", "--out", &onnx];
    let output = program(folder, &args);
    assert!(output.status.success(), "{}", told(&output));
    (metrics.to_vec(), fs::read(folder.join(onnx)).unwrap())
}

/// Ctrl-C in the middle of epochs of both steps, a full disk in between: the run that goes on ends as one that was never
/// disturbed, bit for bit.
#[test]
fn interrupted_and_out_of_space_a_run_ends_as_an_undisturbed_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_data(folder, 500);
    for name in ["whole", "parts"] {
        write_config(folder, name, IDX);
    }
    let whole = program(folder, &["run", "whole.toml"]);
    assert!(whole.status.success(), "{}", told(&whole));
    // Without a terminal there is a plain line per epoch, and one at the end of each step.
    let lines = told(&whole);
    assert_eq!(lines.lines().count(), 8, "{lines}");
    assert!(
        lines
            .lines()
            .all(|line| (line.contains(", epoch ") || line.contains(", test pictures: "))
                && !line.contains(['\r', '\x1b'])),
        "{lines}"
    );
    interrupted_after(folder, "parts", |line| line.starts_with("sign, epoch 1"));
    let state = || fs::read_to_string(folder.join("parts/sign/state.json")).unwrap();
    let before = state();
    let next = before.matches("\"epoch\"").count() + 1;
    let blocked = [format!("best-{next}.new"), format!("last-{next}.new")];
    // No space is left for the networks of the next epoch: the checkpoint before stays, and nothing half-written.
    if cfg!(target_os = "linux") {
        for file in &blocked {
            std::os::unix::fs::symlink("/dev/full", folder.join("parts/sign").join(file)).unwrap();
        }
        let full = program(folder, &["run", "parts.toml"]);
        assert_eq!(full.status.code(), Some(1));
        let text = told(&full);
        assert!(text.contains("error: file \"parts/sign/") && text.contains("No space left on device"), "{text}");
        assert_eq!(state(), before);
        assert!(program(folder, &["evaluate", "parts.toml", "--step", "sign", "--last"]).status.success());
        // There is space again.
        for file in &blocked {
            let _ = fs::remove_file(folder.join("parts/sign").join(file));
        }
    }
    interrupted_after(folder, "parts", |line| line.starts_with("binary, epoch 1"));
    let rest = program(folder, &["run", "parts.toml"]);
    assert!(rest.status.success(), "{}", told(&rest));
    assert!(
        told(&rest).starts_with("sign: done already, 3 epochs\nbinary: goes on after epoch 1\n"),
        "{}",
        told(&rest)
    );
    let (whole, parts) = (left(folder, "whole"), left(folder, "parts"));
    assert_eq!(whole.0, parts.0);
    assert!(whole.1 == parts.1, "the networks differ");
    let names = |name: &str| {
        let entries = fs::read_dir(folder.join("parts").join(name)).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).filter(|n| n.ends_with(".new")).count()
    };
    assert_eq!((names("sign"), names("binary")), (0, 0));
}

/// A limit on the size of files stands for a quota: what the shell sets, the program inherits.
#[test]
fn a_file_that_may_not_grow_stops_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path(), 30);
    write_config(folder.path(), "quota", IDX);
    let limited = "trap '' XFSZ; ulimit -f 8; exec \"$0\" run quota.toml";
    let output = Command::new("sh").args(["-c", limited, PROGRAM]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("cannot be written: File too large"), "{}", told(&output));
    assert!(!folder.path().join("quota/sign/state.json").exists());
    let output = program(folder.path(), &["run", "quota.toml"]);
    assert!(output.status.success(), "{}", told(&output));
}

/// A picture that is damaged is named, left out and counted; the others are learned from.
#[test]
fn a_damaged_picture_is_named_skipped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (part, count) in [("train", 8), ("val", 2)] {
        for (class, colour) in [("cat", [220, 30, 30]), ("dog", [30, 30, 220])] {
            let class = folder.join("data").join(part).join(class);
            fs::create_dir_all(&class).unwrap();
            for i in 0..count {
                image::RgbImage::from_pixel(9, 8, image::Rgb(colour)).save(class.join(format!("{i}.png"))).unwrap();
            }
        }
    }
    let whole = fs::read(folder.join("data/train/cat/3.png")).unwrap();
    fs::write(folder.join("data/train/cat/3.png"), &whole[..whole.len() / 2]).unwrap();
    let data = "format = \"folders\"\nfolder = \"data\"\nmean = [0.5, 0.5, 0.5]\nstd = [0.3, 0.3, 0.3]\nsize = 8\n\
                validation = { from = \"test\" }";
    write_config(folder, "out", data);
    let text = fs::read_to_string(folder.join("out.toml")).unwrap().replace("batch = 10", "batch = 16");
    fs::write(folder.join("out.toml"), text).unwrap();
    let output = program(folder, &["run", "out.toml"]);
    assert!(output.status.success(), "{}", told(&output));
    let text = told(&output);
    assert_eq!(text.matches("skipped: file \"data/train/cat/3.png\": is no picture").count(), 6, "{text}");
    let metrics = fs::read_to_string(folder.join("out/sign/metrics.csv")).unwrap();
    let column = metrics.lines().next().unwrap().split(',').position(|name| name == "skipped").unwrap();
    assert!(metrics.lines().skip(1).all(|line| line.split(',').nth(column) == Some("1")), "{metrics}");
}

/// Wrong files: one message that says which and why, exit code 1, and nothing is left behind.
#[test]
fn wrong_files_are_told_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_data(folder, 30);
    write_config(folder, "out", IDX);
    fs::write(folder.join("t10k-labels-idx1-ubyte"), "<html>not found</html>").unwrap();
    let output = program(folder, &["run", "out.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let text = told(&output);
    assert!(text.contains("t10k-labels-idx1-ubyte\": is no IDX file of bytes"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!folder.join("out").exists());
    // A network file of another network.
    write_data(folder, 30);
    assert!(program(folder, &["run", "out.toml"]).status.success());
    fs::write(folder.join("out/sign/best-1.network"), "no network").unwrap();
    fs::write(folder.join("out/sign/last-3.network"), "no network").unwrap();
    let output = program(folder, &["evaluate", "out.toml", "--step", "sign", "--last"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("last-3.network\": does not hold the weights of this network"), "{}", told(&output));
}

/// Two processes do not train the same step at once.
#[test]
fn a_step_is_trained_by_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_data(folder, 30);
    write_config(folder, "out", IDX);
    fs::create_dir_all(folder.join("out/sign")).unwrap();
    let lock = fs::File::create(folder.join("out/sign/lock")).unwrap();
    lock.lock().unwrap();
    let output = program(folder, &["run", "out.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("another process is training this step"), "{}", told(&output));
    drop(lock);
    assert!(program(folder, &["run", "out.toml"]).status.success());
}
