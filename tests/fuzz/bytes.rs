//! Bytes that are no model, or hardly one: an answer within bounds, whatever they are, and never a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{count, first_seed, mutants, text};
use xnorc_tests::random::Random;

/// A fixture with bytes changed, cut, doubled or moved; or bytes by chance.
fn bytes(seed: u64, fixtures: &[(String, Vec<u8>)]) -> (String, Vec<u8>) {
    let mut r = Random::new(seed);
    if r.once_in(10) {
        let len = r.below(300);
        return ("chance".into(), (0..len).map(|_| r.word() as u8).collect());
    }
    let (name, model) = r.pick(fixtures);
    let mut bytes = model;
    for _ in 0..1 + r.below(4) {
        let at = r.below(bytes.len());
        let len = (1 + r.below(20)).min(bytes.len() - at);
        match r.below(6) {
            0 => bytes.truncate(at + 1),
            1 => drop(bytes.drain(at..at + len)),
            2 => {
                let part = bytes[at..at + len].to_vec();
                let to = r.below(bytes.len());
                bytes.splice(to..to, part);
            }
            3 => bytes[at] ^= 1 << r.below(8),
            _ => bytes[at] = r.pick(&[0, 1, 0x7f, 0x80, 0xff, 7]),
        }
        if bytes.is_empty() {
            break;
        }
    }
    (name, bytes)
}

#[test]
fn the_importer_answers_whatever_it_gets() {
    let fixtures = mutants::small_fixtures(40_000);
    let all = 20 * count(150);
    let mut failures = Vec::new();
    let mut models = 0;
    for seed in (first_seed()..).take(all) {
        let (name, bytes) = bytes(seed, &fixtures);
        let start = std::time::Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            xnorc::import::load(&bytes, &xnorc::import::Options::default()).map(drop)
        }));
        match outcome {
            Err(panic) => failures.push(format!("seed {seed} ({name}): panic: {}", text(&*panic))),
            Ok(Ok(())) => models += 1,
            Ok(Err(problems)) if problems.0.iter().any(|p| p.message.is_empty()) || problems.0.is_empty() => {
                failures.push(format!("seed {seed} ({name}): refused without a word"));
            }
            Ok(Err(_)) => {}
        }
        if start.elapsed().as_secs() > 20 {
            failures.push(format!("seed {seed} ({name}): took {:?}", start.elapsed()));
        }
    }
    println!("{all} byte strings, {models} of them models");
    assert!(failures.is_empty(), "{} of {all}:\n{}", failures.len(), failures.join("\n"));
}
