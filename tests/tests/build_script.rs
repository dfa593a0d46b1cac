//! What a build script leaves in its output folder.

use std::path::Path;

use xnorc::Config;
use xnorc_tests::fixtures;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn several_models_go_into_one_folder_and_a_bad_one_leaves_no_trace() {
    let out = tempfile::tempdir().unwrap();
    let mut config = Config::new();
    config.out_dir(out.path());
    config.compile(fixtures().join("r2b_ts17.onnx"));
    config.name("second").compile(fixtures().join("bireal_ts17.onnx"));
    let all =
        ["r2b_ts17.report.txt", "r2b_ts17.rs", "r2b_ts17.weights", "second.report.txt", "second.rs", "second.weights"];
    assert_eq!(names(out.path()), all);
    let source = std::fs::read_to_string(out.path().join("second.rs")).unwrap();
    assert!(source.contains("pub mod second {") && source.contains("second.weights"), "{source}");
    assert!(std::fs::metadata(out.path().join("second.weights")).unwrap().len() > 0);

    // The same again touches nothing, so that cargo builds nothing.
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    for name in all {
        std::fs::File::options().write(true).open(out.path().join(name)).unwrap().set_modified(old).unwrap();
    }
    config.compile(fixtures().join("bireal_ts17.onnx"));
    for name in all {
        assert_eq!(std::fs::metadata(out.path().join(name)).unwrap().modified().unwrap(), old, "{name}");
    }

    // A bad model under the name of a good one: problems are printed, and what was there stays as it was.
    let bad = out.path().join("bad");
    std::fs::create_dir(&bad).unwrap();
    std::fs::write(bad.join("second.onnx"), b"nothing of the kind").unwrap();
    config.compile(bad.join("second.onnx"));
    assert_eq!(std::fs::read_to_string(out.path().join("second.rs")).unwrap(), source);
    assert_eq!(names(out.path()).len(), all.len() + 1);
}
