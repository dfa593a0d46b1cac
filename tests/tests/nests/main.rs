//! Every nest of loops that the compiler writes, on random geometries: what was emitted gives, bit for bit, what the interpreter
//! says, at every instruction set and number of threads. All of them are one program, so that rustc runs once.
//!
//! A run is the same on every machine, and a failure names the network that shows it: `XNORC_NEST="KIND SEED"` with
//! `cargo test -p xnorc-tests --test nests one -- --ignored --nocapture` looks at that alone.

mod panics;
mod reach;

use xnorc::Config;
use xnorc::schedule::Schedule;
use xnorc::target::Target;
use xnorc_tests::long;
use xnorc_tests::nests::{Case, FEW, binary_cases, cases, compare, compare_for, compare_in_fixed_point, compare_whole};

/// What the number of random networks is multiplied by: `XNORC_NESTS`, for a change of the loops that is large.
fn times() -> u64 {
    std::env::var("XNORC_NESTS").map_or(1, |times| times.parse().expect("XNORC_NESTS is a number"))
}

#[test]
fn nests_compute_what_the_interpreter_says() {
    for chunk in cases(times() * FEW).chunks(200) {
        compare(chunk);
    }
}

/// What small cores run, on this machine: planes of 32 channels, which are a part of its own, and of 64.
#[test]
fn nests_for_other_cores_compute_the_same() {
    let all = binary_cases(times() * if long() { FEW } else { 5 });
    // By either way of counting some end in signs that integers decide.
    let target = Target::named("riscv32imc-unknown-none-elf").expect("a target");
    let nests = all.iter().flat_map(|case| Schedule::of(&case.network, 0, Some(&target)).nests).flatten();
    let (down, words): (Vec<_>, Vec<_>) = nests.filter(|n| n.thresholds.is_some()).partition(|n| n.down.is_some());
    assert!(!down.is_empty() && !words.is_empty(), "{} {}", down.len(), words.len());
    compare_for(&all, "riscv32imc-unknown-none-elf");
    compare_for(&all, "riscv64gc-unknown-linux-gnu");
}

/// In fixed point, on cores without vectors: by planes, and by words.
#[test]
fn nests_in_fixed_point_compute_what_the_integers_say() {
    let all = binary_cases(times() * if long() { 60 } else { 25 });
    let [networks, down] = compare_in_fixed_point(&all, "thumbv6m-none-eabi");
    println!("{networks} of {} networks, {down} down the lanes", all.len());
    assert!(networks > down && down >= 5, "{networks} networks, {down} down the lanes");
}

/// What a microcontroller runs by default: by one thread, four lanes at a time, some tensors within the memory of others.
#[test]
fn nests_for_one_core_compute_the_same() {
    let target = "thumbv7em-none-eabihf";
    let all = cases(times() * if long() { FEW } else { 6 });
    let mut config = Config::new();
    config.target(target);
    let (mut over, mut ahead) = (0, 0);
    for case in &all {
        let output = xnorc::of_network(case.network.clone(), String::new(), "network", &config);
        let output = output.unwrap_or_else(|problems| panic!("{}: {problems}", case.title()));
        for (block, nest) in output.network.blocks.iter().zip(&output.schedule.nests) {
            let loops = block.tiled().zip(nest.as_ref());
            let within = loops.and_then(|(tiled, nest)| output.plan.within(&output.network, tiled, nest));
            over += usize::from(within.is_some_and(|within| within.is_window()));
            ahead += usize::from(within.is_some_and(|within| !within.is_window()));
        }
    }
    assert!(over > 1 && ahead > 1, "{over} pools over what they read, {ahead} convolutions in front of it");
    for chunk in all.chunks(200) {
        compare_whole(chunk, target);
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
