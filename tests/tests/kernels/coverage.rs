//! That the random geometries reach every path of the drivers.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::binary::{Padding, cases};

/// Counts, over as many cases as the property test runs, what each exercises.
#[test]
fn random_geometries_reach_every_path() {
    let mut runner = TestRunner::deterministic();
    let mut seen = [0usize; 12];
    let names = [
        "border pixels with zero padding",
        "border pixels with ones",
        "border pixels with minus ones",
        "interior pixels",
        "whole tiles of 4 pixels",
        "remainders of a row",
        "partial words of channels",
        "whole words of channels",
        "partial blocks of outputs",
        "groups",
        "groups whose outputs do not come in sixteens",
        "dilation",
    ];
    for _ in 0..200 {
        let case = cases().new_tree(&mut runner).unwrap().current();
        let [_, oh, ow, _] = case.output();
        let inside = |i: usize, o: usize| {
            let first = o * case.strides[i];
            let last = first + (case.kernel[i] - 1) * case.dilations[i];
            first >= case.pads[i] && last < case.size[i] + case.pads[i]
        };
        let interior = (0..oh).filter(|&y| inside(0, y)).count() * (0..ow).filter(|&x| inside(1, x)).count();
        let border = oh * ow - interior;
        let hits = [
            (case.padding == Padding::Zero) as usize * border,
            (case.padding == Padding::Plus) as usize * border,
            (case.padding == Padding::Minus) as usize * border,
            interior,
            ow / 4,
            ow % 4,
            case.channels % 64,
            case.channels.is_multiple_of(64) as usize,
            case.outputs % 16,
            case.groups - 1,
            (case.groups - 1) * (case.outputs % 16),
            case.dilations[0] - 1 + case.dilations[1] - 1,
        ];
        for (seen, hits) in seen.iter_mut().zip(hits) {
            *seen += (hits > 0) as usize;
        }
    }
    for (name, seen) in names.iter().zip(seen) {
        assert!(seen >= 20, "{name}: {seen} cases");
    }
}
