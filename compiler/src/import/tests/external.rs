//! External data: read from the model's folder only, and never more than is there.

use insta::assert_snapshot;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{StringStringEntryProto, TensorProto};

use super::fixture::{Fixture, tensor};
use crate::import::{Options, load};

fn model(dims: &[i64], entries: &[(&str, &str)]) -> Vec<u8> {
    let entry = |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.to_owned(), value: value.to_owned() };
    let constant = TensorProto {
        data_location: Some(DataLocation::External as i32),
        external_data: entries.iter().map(entry).collect(),
        ..tensor("w", DataType::Float, dims)
    };
    Fixture::new(17).input("x", &[2]).tensor(constant).node("Add", &["x", "w"], &["y"]).output("y").bytes()
}

/// A folder `inside`, with a data file of 16 bytes, and a file beside the folder.
fn folders() -> (tempfile::TempDir, Options) {
    let root = tempfile::tempdir().unwrap();
    let inside = root.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let floats: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(inside.join("w.data"), &floats).unwrap();
    std::fs::write(root.path().join("secret"), &floats).unwrap();
    let options = Options { folder: Some(inside), ..Options::default() };
    (root, options)
}

fn problems(dims: &[i64], entries: &[(&str, &str)]) -> String {
    let (_root, options) = folders();
    load(&model(dims, entries), &options).expect_err("the model is broken").to_string()
}

#[test]
fn offset_and_length() {
    let (_root, options) = folders();
    let bytes = model(&[2], &[("location", "./w.data"), ("offset", "8"), ("length", "8")]);
    let imported = load(&bytes, &options).unwrap();
    assert_eq!(imported.files, [options.folder.unwrap().join("./w.data")]);
    let graph = imported.graph;
    let weights = graph.nodes[0].inputs[1];
    assert_eq!(graph.constant(weights).unwrap().as_f32(), Some(&[3.0, 4.0][..]));
}

#[test]
fn given_as_bytes() {
    let floats: Vec<u8> = [5.0_f32, 6.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let (_root, in_a_folder) = folders();
    for folder in [None, in_a_folder.folder] {
        let options =
            Options { folder, given: vec![("w.data".to_owned(), floats.clone().into())], ..Options::default() };
        let bytes = model(&[1], &[("location", "data/w.data"), ("offset", "4")]);
        let imported = load(&bytes, &options).unwrap();
        assert!(imported.files.is_empty());
        let weights = imported.graph.nodes[0].inputs[1];
        assert_eq!(imported.graph.constant(weights).unwrap().as_f32(), Some(&[6.0][..]));
        let short = load(&model(&[2], &[("location", "w.data"), ("offset", "4")]), &options).unwrap_err();
        assert!(short.to_string().contains("\"w.data\" ends, after 8 bytes"), "{short}");
    }
}

#[test]
fn missing_or_short() {
    assert_snapshot!(problems(&[2], &[("location", "lost.data")]), @r#"X003 at initializer "w": "lost.data" cannot be opened: No such file or directory (os error 2); help: the model keeps its weights in this file: put it beside the model under this name"#);
    assert_snapshot!(problems(&[2], &[("location", "w.data"), ("offset", "9")]), @r#"X003 at initializer "w": "w.data" ends, after 16 bytes, before the data of the constant; help: the data file is truncated or belongs to another model"#);
    assert_snapshot!(problems(&[2], &[("location", "w.data"), ("offset", "18446744073709551615")]), @r#"X003 at initializer "w": "w.data" ends, after 16 bytes, before the data of the constant; help: the data file is truncated or belongs to another model"#);
    assert_snapshot!(problems(&[1 << 40], &[("location", "w.data")]), @r#"X003 at initializer "w": "w.data" ends, after 16 bytes, before the data of the constant; help: the data file is truncated or belongs to another model"#);
    assert_snapshot!(problems(&[2], &[("location", "w.data"), ("length", "4")]), @r#"X003 at initializer "w": 4 bytes in "w.data" for a constant that takes 8"#);
    assert_snapshot!(problems(&[2], &[("location", "w.data"), ("offset", "-8")]), @r#"X003 at initializer "w": offset "-8" is not a number"#);
    assert_snapshot!(problems(&[2], &[]), @r#"X003 at initializer "w": no location is given"#);
    assert_snapshot!(problems(&[2], &[("location", ".")]), @r#"X003 at initializer "w": "." is not a file"#);
}

/// A file that is not there is one line, however many constants lie in it.
#[test]
fn one_line_for_one_file() {
    let constant = |name: &str| {
        let location = StringStringEntryProto { key: "location".to_owned(), value: "lost.data".to_owned() };
        TensorProto {
            data_location: Some(DataLocation::External as i32),
            external_data: vec![location],
            ..tensor(name, DataType::Float, &[2])
        }
    };
    let model = Fixture::new(17)
        .input("x", &[2])
        .tensor(constant("a"))
        .tensor(constant("b"))
        .tensor(constant("c"))
        .node("Add", &["x", "a"], &["s"])
        .node("Add", &["b", "c"], &["t"])
        .node("Add", &["s", "t"], &["y"])
        .output("y");
    let (_root, options) = folders();
    let text = load(&model.bytes(), &options).expect_err("the file is not there").to_string();
    assert!(text.starts_with(r#"X003 at initializer "a" and 2 more: "lost.data" cannot be opened: "#), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn outside_of_the_folder() {
    assert_snapshot!(problems(&[2], &[("location", "../secret")]), @r#"X003 at initializer "w": "../secret" leaves the model's folder; help: external data must lie beside the model or below it"#);
    assert_snapshot!(problems(&[2], &[("location", "/etc/passwd")]), @r#"X003 at initializer "w": "/etc/passwd" leaves the model's folder; help: external data must lie beside the model or below it"#);
    let bytes = model(&[2], &[("location", "w.data")]);
    assert_snapshot!(load(&bytes, &Options::default()).expect_err("no folder"), @r#"X003 at initializer "w": the data lie in "w.data", but the model was given without that file; help: give the file together with the model"#);
}

#[cfg(unix)]
#[test]
fn links() {
    let (root, options) = folders();
    let folder = options.folder.clone().unwrap();
    std::os::unix::fs::symlink(root.path().join("secret"), folder.join("link")).unwrap();
    let outside = load(&model(&[2], &[("location", "link")]), &options).expect_err("it leads outside");
    assert_snapshot!(outside, @r#"X003 at initializer "w": "link" leaves the model's folder; help: external data must lie beside the model or below it"#);
    std::os::unix::fs::symlink(folder.join("w.data"), folder.join("same")).unwrap();
    assert!(load(&model(&[2], &[("location", "same")]), &options).is_ok());
}
