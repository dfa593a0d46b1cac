//! That no nest can panic, however it is optimised.
#![cfg(target_os = "linux")]

use std::ops::Range;
use xnorc_tests::nests::cases_of;
use xnorc_tests::panic_free;

/// So many networks of each kind for every level.
const EACH: u64 = 3;

/// Of each kind the networks of these seeds.
fn assert_links(seeds: Range<u64>, level: &str) {
    let networks: Vec<_> = cases_of(seeds)
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
    assert_links(0..1, "z");
}

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn none_in_any_nest() {
    // Each level has its own, as building them is what takes time: together they are more than any level would have alone.
    for (level, first) in ["s", "z", "1", "2", "3"].into_iter().zip((0..).step_by(EACH as usize)) {
        assert_links(first..first + EACH, level);
    }
}
