//! That no nest can panic, however it is optimised.
#![cfg(target_os = "linux")]

use xnorc_tests::nests::{FEW, cases};
use xnorc_tests::panic_free;

/// So many networks of each kind.
fn assert_links(each: u64, level: &str) {
    let networks: Vec<_> = cases(each)
        .into_iter()
        .enumerate()
        .map(|(i, case)| {
            xnorc::of_network(case.network, String::new(), &panic_free::name(i), &panic_free::config()).unwrap()
        })
        .collect();
    let result = panic_free::link(&networks, level, "");
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{level}: {}", &errors[errors.len().saturating_sub(4000)..]);
}

#[test]
fn none_where_least_is_optimised() {
    assert_links(1, "z");
}

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn none_in_any_nest() {
    for level in ["s", "z", "1", "2", "3"] {
        assert_links(FEW, level);
    }
}
