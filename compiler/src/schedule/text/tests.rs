use std::fmt::Write as _;

use crate::check;
use crate::ir::network::testing;
use crate::schedule::Schedule;
use crate::target::Target;

/// The text of each kind of nest.
#[test]
fn each_kind_of_nest() {
    let mut text = String::new();
    for (name, network) in testing::kinds() {
        check::network(&network, name).unwrap();
        let schedule = Schedule::of(&network, 100, None).text(&network);
        let block = schedule.blocks.iter().find(|block| block.name == "block").unwrap();
        writeln!(text, "-- {name}\n{block}").unwrap();
    }
    insta::assert_snapshot!(text);
}

/// Blocks that are computed alike are told once; a blank line stands around what takes several.
#[test]
fn what_was_told_is_named() {
    let (_, mut network) = testing::kinds().remove(0);
    let mut again = network.blocks[0].clone();
    again.name = "again".into();
    network.blocks.insert(1, again);
    let text = Schedule::of(&network, 100, None).text(&network).to_string();
    assert!(text.contains("\nagain: map 1x8x8x64  # as pack\n\nblock: binary conv"), "{text}");
}

/// Where there are no vectors, none are spoken of, and a layer that always counts down the lanes has no other loops.
#[test]
fn a_target_has_only_its_own_loops() {
    let of = |kind: &str, triple: &str| {
        let (_, network) = testing::kinds().into_iter().find(|(name, _)| *name == kind).unwrap();
        let target = Target::named(triple).unwrap();
        let text = Schedule::of(&network, 100_000, Some(&target)).text(&network);
        text.blocks.iter().find(|block| block.name == "block").unwrap().to_string()
    };
    let cortex = of("binary_conv", "thumbv6m-none-eabi");
    insta::assert_snapshot!(cortex);
    let others = ["binary_conv_strided", "binary_conv_mixed_groups", "real_conv", "real_conv_pointwise"];
    for text in others.map(|kind| of(kind, "riscv32imc-unknown-none-elf")) {
        assert!(!["avx", "neon", "simd128", "tile"].iter().any(|word| text.contains(word)), "{text}");
    }
    for (triple, sizes) in [
        ("x86_64-unknown-linux-gnu", "in tiles of 4 on avx512/avx512bw, else 1"),
        ("aarch64-unknown-linux-gnu", "in tiles of 2 on neon, else 1"),
        ("wasm32-unknown-unknown", "in tiles of 2 on simd128, else 1"),
    ] {
        let text = of("binary_conv", triple);
        assert!(text.contains(sizes) && text.contains("xor, popcount, add"), "{text}");
    }
}
