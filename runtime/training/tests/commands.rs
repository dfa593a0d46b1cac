//! The program's commands on results that are there.

mod small;

use std::fs;

use small::{FOLDERS, IDX, PROGRAM, program, told, write_config, write_data, write_folders};

/// From any folder, by any path, and by the configuration that lies beside the results: it is the same procedure, done
/// already; and it can be drawn and evaluated.
#[test]
fn what_is_trained_can_be_found_drawn_and_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_data(folder, 60);
    write_config(folder, "out", IDX);
    let trained = program(folder, &["run", "out.toml"]);
    assert!(trained.status.success(), "{}", told(&trained));
    // In a file, what is said is lines.
    assert!(told(&trained).ends_with('\n') && !told(&trained).contains(['\r', '\x1b']), "{:?}", told(&trained));
    let done = "sign: done already, 3 epochs\nbinary: done already, 3 epochs\n";
    let absolute = folder.join("out.toml");
    for args in [["run", "out.toml"], ["run", "out/config.toml"], ["run", absolute.to_str().unwrap()]] {
        assert_eq!(told(&program(folder, &args)), done);
        assert_eq!(told(&program(&folder.join("out"), &["run", absolute.to_str().unwrap()])), done);
    }
    // The curves are there without being asked for.
    let read = |name: &str| fs::read_to_string(folder.join("out").join(name)).unwrap();
    assert!(read("curves.svg").contains("binary"));
    let drawn = program(folder, &["plot", "out", "--pictures", "3"]);
    assert!(drawn.status.success(), "{}", told(&drawn));
    let files = String::from_utf8(drawn.stdout).unwrap();
    assert_eq!(files.lines().count(), 1 + 2 * 3, "{files}");
    assert!(files.lines().all(|path| fs::read_to_string(folder.join(path)).unwrap().trim_end().ends_with("</svg>")));
    assert!(read("binary/attention.svg").contains("teacher, point 2"));
    assert!(read("sign/attention.svg").contains("network, point 2"));
    assert!(read("sign/weights.svg").contains("stage 2, block 1, conv 1"));
    let evaluated = |format: &str| {
        let output = program(folder, &["evaluate", "out.toml", "--last", "--format", format]);
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let json: serde_json::Value = serde_json::from_str(&evaluated("json")).unwrap();
    let metrics = read("binary/metrics.jsonl");
    let last: serde_json::Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    // What was told at the end of the step.
    let state: serde_json::Value = serde_json::from_str(&read("binary/state.json")).unwrap();
    assert_eq!(json["top1"], state["test"]["last"]["top1"]);
    let validation = program(folder, &["evaluate", "out.toml", "--last", "--format", "json", "--part", "validation"]);
    let json_of_part: serde_json::Value = serde_json::from_slice(&validation.stdout).unwrap();
    assert_eq!(json_of_part["top1"], last["validation-accuracy"]);
    let right: u64 = (0..3).map(|class| json["confusion"][class][class].as_u64().unwrap()).sum();
    assert_eq!(right as f64 / 30.0, json["top1"].as_f64().unwrap());
    let csv = evaluated("csv");
    assert_eq!(csv.lines().next(), Some("true,0,1,2"));
    assert_eq!(
        csv.lines().nth(1).unwrap(),
        format!("0,{},{},{}", json["confusion"][0][0], json["confusion"][0][1], json["confusion"][0][2])
    );
    assert!(evaluated("text").contains("30 pictures"));
}

/// The user's own files: the probabilities of what an evaluation has the logits of, with the names of the classes, also
/// where the data are no more; what is no picture is told, and the others are predicted.
#[test]
fn own_pictures_are_told_with_their_classes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folders(folder);
    write_config(folder, "out", FOLDERS);
    assert!(program(folder, &["run", "out.toml"]).status.success());
    assert!(program(folder, &["evaluate", "out.toml", "--logits", "x.npy"]).status.success());
    let logits = xnorc::npy::read(&fs::read(folder.join("x.npy")).unwrap()).unwrap();
    let logits = logits.as_f32().unwrap();
    fs::rename(folder.join("data"), folder.join("elsewhere")).unwrap();
    let predict = |more: &[&str]| program(folder, &[&["predict", "out.toml"], more].concat());
    let csv = predict(&["--format", "csv", "elsewhere/val"]);
    assert!(csv.status.success(), "{}", told(&csv));
    let csv = String::from_utf8(csv.stdout).unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("file,class 1,probability 1,class 2,probability 2"));
    for (file, logits) in ["cat/0", "cat/1", "dog, big/0", "dog, big/1"].into_iter().zip(logits.chunks(2)) {
        let likely = usize::from(logits[1] > logits[0]);
        let names = ["cat", "\"dog, big\""];
        let quote = if file.contains(',') { "\"" } else { "" };
        let start = format!("{quote}elsewhere/val/{file}.png{quote},{},", names[likely]);
        let line = lines.next().unwrap();
        assert!(line.starts_with(&start) && line.contains(&format!(",{},", names[1 - likely])), "{line}, {start}");
        let [own, other] = [logits[likely], logits[1 - likely]].map(|v| f64::from(v).exp());
        let told: f64 = line[start.len()..].split(',').next().unwrap().parse().unwrap();
        assert!((told - own / (own + other)).abs() < 1e-6, "{line}: {logits:?}");
    }
    assert_eq!(lines.next(), None);
    // Any size, any colours, any name; and what is wrong, all of it.
    image::GrayImage::from_pixel(50, 31, image::Luma([90])).save(folder.join("grey.png")).unwrap();
    fs::rename(folder.join("grey.png"), folder.join("photo")).unwrap();
    fs::write(folder.join("broken.jpg"), "no picture").unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    let some = predict(&["--top", "1", "broken.jpg", "photo", "gone.png", "empty", "elsewhere/val/cat/0.png"]);
    assert_eq!(some.status.code(), Some(1));
    let text = String::from_utf8(some.stdout.clone()).unwrap();
    let starts: Vec<&str> = text.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(starts, ["photo", "elsewhere/val/cat/0.png"], "{text}");
    assert_eq!(text.matches(" %").count(), 2, "{text}");
    let wrong = told(&some);
    let parts = ["\"empty\": is a folder without pictures", "\"broken.jpg\": is no picture", "\"gone.png\": cannot be"];
    assert!(wrong.lines().zip(parts).all(|(line, part)| line.contains(part)), "{wrong}");
    assert_eq!(wrong.lines().count(), 3, "{wrong}");
    let json = predict(&["--format", "json", "photo"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let sum: f64 = (0..2).map(|i| json[0]["classes"][i]["probability"].as_f64().unwrap()).sum();
    assert!(json[0]["file"] == "photo" && (sum - 1.0).abs() < 1e-6, "{json}");
}

/// All of it in one round: values, device, data; and where nothing is wrong, what there is and how long it takes.
#[test]
fn a_configuration_is_checked_with_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_data(folder, 60);
    write_config(folder, "out", IDX);
    let fine = program(folder, &["check", "out.toml"]);
    assert!(fine.status.success(), "{}", told(&fine));
    let text = String::from_utf8(fine.stdout).unwrap();
    let first = "3 classes, pictures of 8x8 with 1 channels: 54 to train, 6 to choose the best epochs on, 30 to test\n\
                 of each class 18 to train\n";
    assert!(text.starts_with(first) && text.ends_with("\nfine\n"), "{text}");
    assert!(
        text.contains("\nsign: ") && text.contains("5 updates in an epoch") && text.contains("\nall steps: "),
        "{text}"
    );
    if cfg!(target_os = "linux") {
        assert_eq!(text.matches("iB of memory\n").count(), 2, "{text}");
    }
    let quick = program(folder, &["check", "out.toml", "--quick"]);
    assert_eq!(String::from_utf8(quick.stdout).unwrap(), format!("{first}fine\n"));
    let text = fs::read_to_string(folder.join("out.toml")).unwrap();
    fs::write(folder.join("early.toml"), text.replace("batch", "early-stopping = { patience = 2 }\nbatch")).unwrap();
    let early = String::from_utf8(program(folder, &["check", "early.toml"]).stdout).unwrap();
    assert_eq!(early.matches(" at most").count(), 3, "{early}");
    let text = text
        .replace("rate = 5e-3", "rate = 0")
        .replacen("epochs = 3", "epochs = 3\nepoch = 3", 1)
        .replace("output", "device = \"tpu\"\noutput");
    fs::write(folder.join("out.toml"), text.replace("folder = \".\"", "folder = \"nowhere\"")).unwrap();
    let wrong = program(folder, &["check", "out.toml"]);
    assert_eq!(wrong.status.code(), Some(1));
    let text = told(&wrong);
    // A key that nobody knows, two rates, the device, two files; in the order of their places.
    assert!(text.contains("steps[1].optimiser.rate") && text.contains("tpu") && text.contains("t10k-images"), "{text}");
    assert_eq!(text.lines().count(), 1 + 2 + 1 + 2, "{text}");
    let places = [
        "device",
        "file \"nowhere/t10k",
        "file \"nowhere/train",
        "out.toml: line",
        "out.toml: steps[0]",
        "out.toml: steps[1]",
    ];
    assert!(text.lines().zip(places).all(|(line, place)| line.starts_with(&format!("error: {place}"))), "{text}");
    assert!(!folder.join("out").exists());
}

/// What is not there, or not understood, is told with the exit code that the documentation promises.
#[test]
fn mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_data(folder, 30);
    write_config(folder, "out", IDX);
    for (args, code, text) in [
        (vec!["plot", "out.toml", "--step", "none"], 1, "there is no step `none`"),
        (vec!["plot", "nowhere"], 1, "nowhere"),
        (vec!["plot", "out.toml"], 1, "nothing is trained here yet"),
        (vec!["evaluate", "out.toml"], 1, "nothing is trained here yet"),
        (vec!["ablation", "out.toml", "--dry-run"], 1, "the ablation needs the whole method"),
        (vec!["ablation", "out.toml", "--rows", "none"], 2, "none"),
        (vec!["predict", "out.toml", "a.png"], 1, "nothing is trained here yet"),
        (vec!["predict", "out.toml"], 2, "PICTURES"),
        (vec!["teach", "out.toml"], 2, "teach"),
    ] {
        let output = program(folder, &args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", told(&output));
        assert!(told(&output).contains(text), "{args:?}: {}", told(&output));
    }
    assert!(PROGRAM.contains("xnorc-training") && !folder.join("out").exists());
}
