use std::fmt::Write as _;

use crate::check;
use crate::ir::network::testing;
use crate::schedule::Schedule;

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
