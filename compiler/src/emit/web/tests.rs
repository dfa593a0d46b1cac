//! The texts for the web, of one tensor on each side and of several.

use super::files;
use crate::emit::Output;
use crate::emit::c::testing::{several, single};

fn texts(output: &Output) -> String {
    let all =
        files(output, "sample").into_iter().chain([("README.md".to_owned(), super::section(output, "sample").into())]);
    // What is the same for all is read where it is written.
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(include_str!("net.js"), "...\n");
    all.map(|(path, bytes)| format!("--- {path}\n{}", text(bytes))).collect()
}

#[test]
fn one_input_and_one_output() {
    insta::assert_snapshot!(texts(&single()));
}

#[test]
fn several_inputs_and_outputs() {
    insta::assert_snapshot!(texts(&several()));
}
