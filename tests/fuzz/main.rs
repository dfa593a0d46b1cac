//! Random input to the whole compiler, seeded: a run is the same on every machine, and a failure names the seed that shows it.
//!
//! - [`bytes`]: anything at all in place of a model. - [`mutants`]: the fixtures with a few things changed in their structure.
//! - [`compare`]: random valid binary networks ([`network`]), computed in every way there is.
//!
//! - [`found`]: what these found, each as small as it can be.
//!
//! A few of each are part of the tests. For long:
//!
//! ```text
//! XNORC_FUZZ=20000 XNORC_FUZZ_SEED=1 cargo test --release -p xnorc-tests --test fuzz -- --nocapture
//! ```
//!
//! runs so many networks (a tenth of them emitted) and twenty times as many mutants and byte strings. With a Python that has
//! onnxruntime, `XNORC_PYTHON=python3 cargo test -p xnorc-tests --test fuzz -- --ignored` compares the networks with that.

mod bytes;
mod compare;
mod found;
mod model;
mod mutants;
mod network;

/// How many networks are wanted, where nobody asks for more.
fn count(few: usize) -> usize {
    std::env::var("XNORC_FUZZ").ok().map_or(few, |n| n.parse().expect("XNORC_FUZZ is a number"))
}

/// The first seed.
fn first_seed() -> u64 {
    std::env::var("XNORC_FUZZ_SEED").ok().map_or(0, |n| n.parse().expect("XNORC_FUZZ_SEED is a number"))
}

/// The text of a panic.
fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}
