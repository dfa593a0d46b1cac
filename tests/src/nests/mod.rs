//! Nests of loops of random geometry, a network of a few blocks each, and their comparison with the interpreter.

mod cases;
mod maker;
mod wholes;
mod window;

use std::ops::Range;

use xnorc::ir::network::Network;
use xnorc::ir::{Data, Tensor};
use xnorc::{Arithmetic, Config, Output};
use xnorc_runtime::Level;

use crate::many::{self, Machine, Many};

use cases::{KINDS, case};

/// Networks of each kind, where nobody asks for more.
pub const FEW: u64 = 8;

/// So many networks of each kind.
pub fn cases(each: u64) -> Vec<Case> {
    cases_of(0..each)
}

/// Of each kind those of these seeds.
pub fn cases_of(seeds: Range<u64>) -> Vec<Case> {
    seeds.flat_map(|seed| (0..KINDS.len()).map(move |kind| Case::new(kind, seed))).collect()
}

/// So many networks of each kind that counts bits.
pub fn binary_cases(each: u64) -> Vec<Case> {
    let binary = |kind: &usize| KINDS[*kind].0.starts_with("binary");
    (0..each).flat_map(|seed| (0..KINDS.len()).filter(binary).map(move |kind| Case::new(kind, seed))).collect()
}

/// A network and its inputs.
#[derive(Clone, Debug)]
pub struct Case {
    kind: usize,
    seed: u64,
    /// The network.
    pub network: Network,
    /// Of the right shapes.
    pub inputs: Vec<Tensor>,
}

impl Case {
    /// A network of the kind of that number.
    pub fn new(kind: usize, seed: u64) -> Self {
        let (network, inputs) = case(kind, seed);
        Self { kind, seed, network, inputs }
    }

    /// Its kind and its seed.
    pub fn title(&self) -> String {
        format!("{} {} ({})", self.kind, self.seed, KINDS[self.kind].0)
    }
}

/// Bits of floats, all NaN alike.
fn bits(x: f32) -> u64 {
    u64::from(if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() })
}

/// What a program says of a tensor, all NaN alike.
fn elements(tensor: &Tensor) -> Vec<u64> {
    match &tensor.data {
        Data::I64(v) => v.iter().map(|&v| v as u64).collect(),
        _ => tensor.to_f32().into_iter().map(bits).collect(),
    }
}

/// Everything that is wrong with one of them in the running program.
fn faults(many: &mut Many, index: usize, case: &Case, wanted: &[Vec<u64>], levels: &[Level]) -> Result<(), String> {
    for level in levels {
        for threads in [1, 2, 3, 7] {
            let got = many.bits(index, &case.inputs, Some(level.name()), threads)?;
            for (k, (got, wanted)) in got.iter().zip(wanted).enumerate() {
                // No integer of a test is as large as the bits of a NaN, and one below zero has more bits than a float.
                let number = |v: u64| u32::try_from(v).map_or(v, |v| bits(f32::from_bits(v)));
                let got: Vec<u64> = got.iter().map(|&v| number(v)).collect();
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

/// Compares what is emitted with the interpreter, to the bit: on this machine, at every level that it has.
///
/// # Panics
/// With all that differs.
pub fn compare(cases: &[Case]) {
    let levels: Vec<Level> = Level::ALL.into_iter().filter(|level| level.is_available()).collect();
    compare_on(cases, None, &Machine::default(), &levels);
}

/// The same of what is written for a target, on this machine in plain code.
///
/// # Panics
/// With all that differs.
pub fn compare_for(cases: &[Case], target: &str) {
    compare_on(cases, Some(target), &Machine::default(), &[Level::Portable]);
}

/// The same of what is written for a microcontroller by default: nothing is divided among threads.
///
/// # Panics
/// With all that differs.
pub fn compare_whole(cases: &[Case], target: &str) {
    let mut config = many::config();
    config.target(target).share_from(usize::MAX);
    compare_as(cases, &config, &Machine::default(), &[Level::Portable]);
}

/// The same on a machine with these levels.
///
/// # Panics
/// With all that differs.
pub fn compare_on(cases: &[Case], target: Option<&str>, machine: &Machine, levels: &[Level]) {
    let mut config = many::config();
    if let Some(target) = target {
        config.target(target);
    }
    compare_as(cases, &config, machine, levels);
}

/// The same in fixed point, of what has a form in it, on what the ranges are from; gives the networks and those that count down the
/// lanes.
///
/// # Panics
/// With all that differs.
pub fn compare_in_fixed_point(cases: &[Case], target: &str) -> [usize; 2] {
    let mut compiled = Vec::new();
    for case in cases {
        let mut config = many::config();
        config.target(target).real_layers(Arithmetic::Fixed).calibrate(case.inputs.clone());
        let name = many::name(compiled.len());
        match xnorc::of_network(case.network.clone(), String::new(), &name, &config) {
            Ok(output) => compiled.push((case, output)),
            Err(problems) => {
                let problems = problems.to_string();
                assert!(problems.contains("has no form in fixed point"), "{}: {problems}", case.title());
            }
        }
    }
    let (cases, outputs): (Vec<&Case>, Vec<_>) = compiled.into_iter().unzip();
    let down = outputs.iter().filter(|output| output.source().contains("count_window")).count();
    compare_outputs(&cases, &outputs, &Machine::default(), &[Level::Portable]);
    [cases.len(), down]
}

fn compare_as(cases: &[Case], config: &Config, machine: &Machine, levels: &[Level]) {
    let compiled: Vec<_> = (cases.iter().enumerate())
        .map(|(i, case)| {
            let network = case.network.clone();
            let output = xnorc::of_network(network, String::new(), &many::name(i), config);
            output.unwrap_or_else(|problems| panic!("{}: {problems}\n{}", case.title(), case.network))
        })
        .collect();
    compare_outputs(&cases.iter().collect::<Vec<_>>(), &compiled, machine, levels);
}

fn compare_outputs(cases: &[&Case], compiled: &[Output], machine: &Machine, levels: &[Level]) {
    let mut many = Many::start_on(machine, compiled).unwrap_or_else(|message| {
        let titles: Vec<String> = many::culprits(&message).into_iter().map(|i| cases[i].title()).collect();
        panic!("{titles:?}: {message}")
    });
    let mut failures = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let wanted =
            compiled[i].interpreted(&case.inputs).unwrap_or_else(|message| panic!("{}: {message}", case.title()));
        let wanted: Vec<Vec<u64>> = wanted.iter().map(elements).collect();
        if let Err(message) = faults(&mut many, i, case, &wanted, levels) {
            failures.push(format!("{}: {message}", case.title()));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}
