//! Elements of constants in words: the few that are written out, and spellings of many.
//!
//! `fill(0.5)` is one number everywhere; `random(7)` multiples of 1/4 between -2 and 2, and 1/8 more, so that none is 0;
//! `signs(7)` their signs. The number in brackets is a seed.

/// Seeds that a printed constant is compared with.
const SEEDS: u32 = 32;

/// The spelling of many numbers, if they have one.
pub(super) fn spelling(values: &[f32]) -> Option<String> {
    let first = values.first()?;
    let same = |wanted: &mut dyn Iterator<Item = f32>| {
        values.iter().all(|v| wanted.next().map(f32::to_bits) == Some(v.to_bits()))
    };
    if same(&mut std::iter::repeat(*first)) {
        return Some(format!("fill({first:?})"));
    }
    (0..SEEDS).find_map(|seed| {
        if same(&mut random(seed)) {
            Some(format!("random({seed})"))
        } else if same(&mut signs(seed)) {
            Some(format!("signs({seed})"))
        } else {
            None
        }
    })
}

/// The spelling of many bits, if they have one.
pub(super) fn spelling_of_bits(bits: &[bool]) -> Option<String> {
    (0..SEEDS)
        .find(|&seed| bits.iter().zip(signs(seed)).all(|(&bit, sign)| bit == (sign > 0.0)))
        .map(|seed| format!("signs({seed})"))
}

/// So many numbers by their spelling.
pub(super) fn spelled(text: &str, len: usize) -> Option<Vec<f32>> {
    let (word, argument) = text.strip_suffix(')')?.split_once('(')?;
    match word {
        "fill" => Some(vec![argument.parse().ok()?; len]),
        "random" => Some(random(argument.parse().ok()?).take(len).collect()),
        "signs" => Some(signs(argument.parse().ok()?).take(len).collect()),
        _ => None,
    }
}

fn random(seed: u32) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) % 17) as f32 / 4.0 - 1.875
    })
}

fn signs(seed: u32) -> impl Iterator<Item = f32> {
    random(seed).map(|x| if x > 0.0 { 1.0 } else { -1.0 })
}
