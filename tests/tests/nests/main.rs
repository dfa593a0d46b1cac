//! Every nest of loops that the compiler writes, on random geometries: what was emitted gives, bit for bit, what the interpreter
//! says, at every instruction set and number of threads. All of them are one program, so that rustc runs once.
//!
//! A run is the same on every machine, and a failure names the network that shows it: `XNORC_NEST="KIND SEED"` with
//! `cargo test -p xnorc-tests --test nests one -- --ignored --nocapture` looks at that alone.

mod cases;
mod maker;
mod panics;
mod reach;
mod window;

use xnorc::interpret;
use xnorc::ir::Tensor;
use xnorc::ir::network::Network;
use xnorc_runtime::Level;
use xnorc_tests::long;
use xnorc_tests::many::{self, Many};

use crate::cases::{KINDS, case};

/// Networks of each kind, where nobody asks for more.
const FEW: u64 = 8;

/// Networks of each kind.
fn count() -> u64 {
    if long() { 10 * FEW } else { FEW }
}

/// A network and what it is to give.
struct Case {
    kind: usize,
    seed: u64,
    network: Network,
    inputs: Vec<Tensor>,
}

impl Case {
    fn new(kind: usize, seed: u64) -> Self {
        let (network, inputs) = case(kind, seed);
        Self { kind, seed, network, inputs }
    }

    fn title(&self) -> String {
        format!("{} {} ({})", self.kind, self.seed, KINDS[self.kind].0)
    }
}

/// Bits of floats, all NaN alike.
fn bits(x: f32) -> u64 {
    u64::from(if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() })
}

/// Everything that is wrong with one of them in the running program.
fn faults(many: &mut Many, index: usize, case: &Case, wanted: &[Vec<u64>]) -> Result<(), String> {
    for level in Level::ALL.into_iter().filter(|level| level.is_available()) {
        for threads in [1, 2, 3, 7] {
            let got = many.bits(index, &case.inputs, Some(level.name()), threads)?;
            for (k, (got, wanted)) in got.iter().zip(wanted).enumerate() {
                let got: Vec<u64> = got.iter().map(|&v| bits(f32::from_bits(v as u32))).collect();
                let first = got.iter().zip(wanted).position(|(a, b)| a != b);
                if let Some(i) = first {
                    let all = got.iter().zip(wanted).filter(|(a, b)| a != b).count();
                    let [got, wanted] = [got[i], wanted[i]].map(|v| f32::from_bits(v as u32));
                    return Err(format!(
                        "{} with {threads} thread(s): output {k}, element {i} is {got:e}, not {wanted:e} ({all} differ)",
                        level.name()
                    ));
                }
            }
        }
    }
    Ok(())
}

fn compare(cases: &[Case]) {
    let compiled: Vec<_> = (cases.iter().enumerate())
        .map(|(i, case)| {
            let network = case.network.clone();
            let output = xnorc::of_network(network, String::new(), &many::name(i), &many::config());
            output.unwrap_or_else(|problems| panic!("{}: {problems}\n{}", case.title(), case.network))
        })
        .collect();
    let mut many = Many::start(&compiled).unwrap_or_else(|message| {
        let titles: Vec<String> = many::culprits(&message).into_iter().map(|i| cases[i].title()).collect();
        panic!("{titles:?}: {message}")
    });
    let mut failures = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let wanted = interpret::network::outputs(&compiled[i].network, &case.inputs)
            .unwrap_or_else(|message| panic!("{}: {message}", case.title()));
        let wanted: Vec<Vec<u64>> =
            wanted.iter().map(|tensor| tensor.to_f32().into_iter().map(bits).collect()).collect();
        if let Err(message) = faults(&mut many, i, case, &wanted) {
            failures.push(format!("{}: {message}", case.title()));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn nests_compute_what_the_interpreter_says() {
    let cases: Vec<Case> =
        (0..count()).flat_map(|seed| (0..KINDS.len()).map(move |kind| Case::new(kind, seed))).collect();
    for chunk in cases.chunks(200) {
        compare(chunk);
    }
}

#[test]
#[ignore = "looks at the network that XNORC_NEST names"]
fn one() {
    let named = std::env::var("XNORC_NEST").expect("XNORC_NEST is a kind and a seed");
    let (kind, seed) = named.split_once(' ').expect("a kind and a seed");
    let case = Case::new(kind.parse().expect("a kind"), seed.parse().expect("a seed"));
    println!("{}", case.network);
    compare(&[case]);
}
