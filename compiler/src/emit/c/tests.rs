//! The texts for C, of one tensor on each side and of several; what they cannot be called.

use super::testing::{several, single};
use super::{View, check_name, face, header, list};
use crate::emit::Output;

fn both(output: &Output) -> String {
    let view = View::of(output, "sample");
    let (header, face) = (header::text(&view), face::text(&view));
    // What those are told who read neither.
    let function = super::c_function(output, "sample");
    for (text, parts) in [
        (
            &header,
            [
                format!("int {}(", function.name),
                format!("SCRATCH_BYTES {}\n", function.scratch_bytes),
                format!("SCRATCH_ALIGN {}\n", function.scratch_align),
            ],
        ),
        (
            &face,
            [
                format!("fn {}(", function.name),
                format!("<= {} &&", function.scratch_bytes),
                format!("== {})", function.scratch_align),
            ],
        ),
    ] {
        parts.iter().for_each(|part| assert!(text.contains(part), "{part}: {text}"));
    }
    format!("{header}\n{face}")
}

#[test]
fn one_input_and_one_output() {
    insta::assert_snapshot!(both(&single()));
}

#[test]
fn several_inputs_and_outputs() {
    insta::assert_snapshot!(both(&several()));
}

#[test]
fn shapes() {
    assert_eq!((list(&[]), list(&[7]), list(&[1, 28, 28])), (String::new(), "7".to_owned(), "1, 28, 28".to_owned()));
}

#[test]
fn names() {
    for good in ["net", "fashion_net", "r2b18"] {
        assert_eq!(check_name(good), Ok(()));
    }
    for (bad, reason) in [
        ("", "no identifier"),
        ("2b", "no identifier"),
        ("_net", "no identifier"),
        ("a__b", "no identifier"),
        ("a-b", "no identifier"),
        ("é", "no identifier"),
        ("int", "keyword"),
        ("namespace", "keyword"),
        ("xor_eq", "keyword"),
        ("math", "<math.h>"),
    ] {
        assert!(check_name(bad).is_err_and(|text| text.contains(reason)), "{bad}");
    }
}
