//! Nothing in an emitted crate can panic, however it is optimised: a program whose panics end in a function that does not
//! exist links.
//!
//! Optimised for speed, the compiler sees for itself that no index is out of range. Optimised for size, as small targets
//! are, it looks less far: there a test of a length that is left anywhere is a panic.
#![cfg(target_os = "linux")]

use std::process::Output;

use xnorc_tests::{fixtures, panic_free};

/// Of every kind of block: real-valued and binary, gates, pools of all kinds, groups, layers that rearrange and reduce.
const MODELS: &[&str] = &["two_in_two_out_ts17", "r2b_ts17", "shuffling_ts17", "pooling_ts17"];

const MORE: &[&str] = &[
    "activations_ts17",
    "binary_geometry_ts17",
    "brevitas_mlp_ts17",
    "clip_ste_ts17",
    "dynamic_batch_ts17",
    "larq_binarynet_op17",
    "larq_quicknet_op17",
    "linear_rank3_ts17",
    "odd_channels_ts17",
    "reactnet_ts17",
    "real_geometry_ts17",
    "strong_factorised_dyn",
];

/// What rustc says to a program that runs the models.
fn link(models: &[&str], level: &str, more: &str) -> Output {
    let networks: Vec<_> = (models.iter().enumerate())
        .map(|(index, model)| {
            let mut config = panic_free::config();
            xnorc::load(&fixtures().join(format!("{model}.onnx")), config.name(panic_free::name(index))).unwrap()
        })
        .collect();
    panic_free::link(&networks, level, more)
}

fn assert_links(models: &[&str], level: &str) {
    let result = link(models, level, "");
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{level}: {}", &errors[errors.len().saturating_sub(4000)..]);
}

#[test]
fn none_where_least_is_optimised() {
    assert_links(MODELS, "z");
}

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn none_in_any_kind_of_block() {
    for level in ["s", "z", "1", "2", "3"] {
        assert_links(&[MODELS, MORE].concat(), level);
    }
}

/// A program with one does not link.
#[test]
fn one_would_be_found() {
    let more = "#[unsafe(no_mangle)]\npub extern \"C\" fn one(i: usize) -> u8 { [1, 2, 3][i] }\n";
    let more = format!("{more}#[used]\nstatic ONE: extern \"C\" fn(usize) -> u8 = one;\n");
    let result = link(&MODELS[..1], "z", &more);
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(!result.status.success() && errors.contains("a_panic_is_possible"), "{errors}");
}
