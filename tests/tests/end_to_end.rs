//! Every fixture through the whole compiler: emitted, built, run; block by block and end to end against an independent
//! engine and the recorded outputs; and every instruction set against the portable one, and several threads against one, to the bit.
//!
//! A few are built as users build them; the others unoptimised, with rustc's checks of overflow, which takes a third of the time.
//!
//! A table of what each file became (binary operators, fused blocks, what stayed real and why) is a snapshot: a pattern
//! that is no longer recognised changes it, even though the answers stay right.

use std::path::PathBuf;

use xnorc_tests::{Running, fixtures, long, recorded};

/// Fixtures that are optimised, and tried when the long tests are off, too: one of each exporter, the trickiest geometries, 16-bit floats.
const SHORT: &[&str] = &[
    "r2b_ts17",
    "r2b_dyn",
    "larq_r2b_op17",
    "brevitas_conv_qonnx",
    "binary_geometry_ts17",
    "pooling_ts17",
    "r2b_fp16_ts17",
    "integers_uint8_image",
    "integers_qdq_lenet",
    "integers_token_embedding",
    "bibert_assign_dyn",
    "keywords_ts17",
    "quantised_resnet_dyn",
];

fn names(prefixes: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".onnx")?.to_owned()))
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .filter(|name| name != "training_bn_ts17")
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{prefixes:?}");
    names
}

/// Runs one fixture; a line for the table, or what is wrong.
fn check(name: &str) -> Result<String, String> {
    let path: PathBuf = fixtures().join(format!("{name}.onnx"));
    let sample = recorded(&path);
    if sample.inputs.is_empty() || sample.expected.is_empty() {
        return Err("nothing is recorded beside it".to_owned());
    }
    let optimised = SHORT.contains(&name);
    let running = if optimised { Running::start(&path) } else { Running::start_unoptimised(&path) };
    let mut running = running.map_err(|e| e.to_string())?;
    let verification = running.verify(std::slice::from_ref(&sample)).map_err(|e| e.to_string())?;
    if !verification.ok {
        return Err(format!("verify: {}\n{}", verification.ok, verification.failures.join("\n")));
    }
    let portable = running.bits(&sample, Some("portable")).map_err(|e| e.to_string())?;
    for level in [Some("popcnt"), Some("avx2"), Some("avx512bw"), None] {
        // A level the machine lacks is answered with the best below it.
        let bits = running.bits(&sample, level).map_err(|e| e.to_string())?;
        if bits != portable {
            return Err(format!("{} gives other bits than portable", level.unwrap_or("the best level")));
        }
    }
    for threads in [2, 3, 7] {
        running.program.threads(threads, Some(0)).map_err(|e| e.to_string())?;
        let bits = running.bits(&sample, None).map_err(|e| e.to_string())?;
        if bits != portable {
            return Err(format!("{threads} threads give other bits than one"));
        }
    }
    let totals = xnorc::report::Report::new(&running.output).totals;
    let compared = verification.blocks.iter().filter(|b| b.compared).count();
    Ok(format!(
        "{name}: {} binary operators, {} fused blocks, {} blocks ({compared} compared with {})",
        totals.binary_operators,
        totals.fused_blocks,
        running.output.network.blocks.len(),
        verification.oracle,
    ))
}

fn table(prefixes: &[&str]) -> Option<String> {
    let all = names(prefixes);
    let chosen: Vec<&String> = all.iter().filter(|n| long() || SHORT.contains(&n.as_str())).collect();
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for name in chosen {
        match check(name) {
            Ok(line) => lines.push(line),
            Err(message) => wrong.push(format!("{name}: {message}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    // Only the whole table is a snapshot.
    long().then(|| lines.join("\n"))
}

macro_rules! groups {
    ($($test:ident: $($prefix:literal)*;)*) => {
        $(
            #[test]
            fn $test() {
                if let Some(table) = table(&[$($prefix),*]) {
                    insta::assert_snapshot!(stringify!($test), table);
                }
            }
        )*

        /// No fixture falls between the groups.
        #[test]
        fn every_fixture_is_in_a_group() {
            let grouped = names(&[$($($prefix),*),*]);
            assert_eq!(grouped, names(&[""]));
        }
    };
}

groups! {
    real_to_binary: "r2b_" "stem_" "strong_" "outer_" "dynamic_" "fp16_" "larq_";
    other_networks: "bireal_" "clip_" "reactnet_" "xnor_" "folded_" "irnet_" "brevitas_";
    joined_channels_and_others: "densenet_" "melius_" "bnext_" "quicknet_" "mm_";
    geometry_weights_and_signs: "linear_" "weights_" "odd_" "binary_" "sign_" "real_input";
    integers: "integers_";
    whole_networks: "attention_" "bibert_" "bit_" "unet_" "yolo_" "keywords_" "quantised_" "dorefa_" "lsq_" "ternary_";
    real_layers: "activations_" "pooling_" "shuffling_" "real_geometry" "two_" "assigned_";
}
