//! What the inner loop of a binary block is made of on AArch64 and in WebAssembly, counted by class.
//!
//! There is no such machine at hand to measure; but how many of the instructions do the work (one XOR, one population
//! count and one addition for each 128 weights) says how near to its own limit each of them can be. The bounds are
//! asserted, the counts printed (`--nocapture`).

use std::collections::BTreeMap;
use std::path::Path;

use xnorc::emit::krate::{self, Runtime};
use xnorc::{Config, MultiplyAdds, Output};
use xnorc_tests::half_block::half_block;
use xnorc_tests::known::fashion;

use crate::tools::{clean, run, sysroot};

/// The assembly of a standalone crate of a half-block.
fn assembly(channels: usize, size: usize, target: &str, flags: &[&str]) -> String {
    assembly_of(&half_block(channels, size), &format!("{target}-{channels}"), target, flags)
}

/// The assembly of a standalone crate, which is kept by a name where that is wanted.
fn assembly_of(output: &Output, name: &str, target: &str, flags: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, bytes) in krate::files(output, "network", &Runtime::Inside, None) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        std::fs::write(path, bytes).expect("a writable folder");
    }
    let file = folder.path().join("network.s");
    run(clean("rustc")
        .args(["--edition=2024", "--crate-type=rlib", "--crate-name=network", "--emit=asm", "-Copt-level=3"])
        .args(["-Ccodegen-units=1", "-Cpanic=abort", "-Dwarnings", "--target", target, "--sysroot"])
        .arg(sysroot(target))
        .args(flags)
        .arg("-o")
        .arg(&file)
        .arg(folder.path().join("src/lib.rs")));
    if let Some(keep) = std::env::var_os("XNORC_KEEP") {
        std::fs::copy(&file, Path::new(&keep).join(format!("{name}.s"))).expect("a copy");
    }
    std::fs::read_to_string(file).expect("what rustc wrote")
}

/// Class of an instruction; nothing for what is none.
type Classify = fn(&str) -> &'static str;

const WORK: [&str; 3] = ["xor", "count", "add"];

fn neon(line: &str) -> &'static str {
    let Some((operation, operands)) = line.split_once('\t') else { return "other" };
    let bytes = operands.contains(".16b");
    match operation {
        "eor" if bytes => "xor",
        "cnt" if bytes => "count",
        "add" if bytes => "add",
        "ldr" | "ldp" | "ldur" | "ld1r" | "dup" | "mov" | "fmov" => "load",
        "str" | "stp" | "stur" => "store",
        _ => "other",
    }
}

fn simd128(line: &str) -> &'static str {
    match line.split('\t').next().unwrap_or("") {
        "v128.xor" => "xor",
        "i8x16.popcnt" => "count",
        "i8x16.add" | "i8x16.add_sat_u" => "add",
        "v128.load" | "v128.load64_splat" | "i64x2.splat" | "i64.load" => "load",
        "v128.store" => "store",
        // Where a value is kept, and how a constant gets into an instruction, is up to the engine.
        "local.get" | "local.set" | "local.tee" | "i32.const" => "",
        _ => "other",
    }
}

/// Planes of bits are added by XOR and a selection.
fn simd128_planes(line: &str) -> &'static str {
    match line {
        _ if line.starts_with("v128.and") => "and",
        _ if line.starts_with("v128.bitselect") => "select",
        _ => simd128(line),
    }
}

/// Instructions by class.
type Counts = BTreeMap<&'static str, usize>;

/// The loop of one basic block with most work; where there is none, as all are unrolled, the basic block with most.
fn hottest(assembly: &str, classify: Classify, work: &[&str]) -> Counts {
    let work = |counts: &Counts| work.iter().map(|c| counts.get(c).copied().unwrap_or(0)).min();
    let (mut best_loop, mut best_block, mut block) = (Counts::new(), Counts::new(), Counts::new());
    let mut label = "";
    for line in assembly.lines().map(str::trim) {
        let is_label = line.ends_with(':') || line == "loop";
        let branches = ["b\t", "b.", "cb", "tb", "br", "end_", "ret"].iter().any(|b| line.starts_with(b));
        if !line.starts_with(['.', '#', '/']) && !is_label && !line.is_empty() {
            let class = classify(line);
            if !class.is_empty() {
                *block.entry(class).or_default() += 1;
            }
        }
        if is_label || branches {
            // In WebAssembly, the loop that a block is in is the innermost one: depth 0.
            let target = line.rsplit(['\t', ' ']).next().unwrap_or("");
            let innermost = label == "loop" && line.starts_with("br_if") && target == "0";
            let repeats = branches && !label.is_empty() && (target == label || innermost);
            let best = if repeats { &mut best_loop } else { &mut best_block };
            if work(&block) > work(best) {
                *best = std::mem::take(&mut block);
            }
            block.clear();
            label = if is_label { line.trim_end_matches(':') } else { "" };
        }
    }
    if best_loop.is_empty() { best_block } else { best_loop }
}

fn check(title: &str, assembly: &str, classify: Classify, percent: usize) {
    let counts = hottest(assembly, classify, &WORK);
    let of = |class: &str| counts.get(class).copied().unwrap_or(0);
    let (work, total): (usize, usize) = (WORK.iter().map(|c| of(c)).sum(), counts.values().sum());
    println!("{title}: {counts:?}: {work} of {total}");
    assert!(of("xor") >= 16 && of("count") == of("xor"), "{title}: {counts:?}");
    // The first word of a tile has nothing to be added to.
    assert!(of("add") <= of("xor") && of("add") + 32 >= of("xor"), "{title}: {counts:?}");
    assert!(work * 100 >= total * percent, "{title}: {counts:?}");
    assert_eq!(of("store"), 0, "{title}: counters do not stay in registers: {counts:?}");
}

/// The loop that counts down the lanes, but for the planes above, which every other turn looks at: 16 rows of weights, each loaded
/// once, by 15 full adders of two XORs and a selection, of which the last few XORs may stand behind the branch. A row is found by four
/// instructions.
fn check_planes(title: &str, assembly: &str, classify: Classify) {
    let counts = hottest(assembly, classify, &["xor", "select"]);
    let of = |class: &str| counts.get(class).copied().unwrap_or(0);
    println!("{title}: {counts:?}");
    assert_eq!((of("select"), of("load")), (15, 16), "{title}: {counts:?}");
    assert!((25..=30).contains(&of("xor")), "{title}: {counts:?}");
    assert!(of("other") <= 4 * 16 + 4, "{title}: {counts:?}");
    assert_eq!(of("store"), 0, "{title}: planes do not stay in registers: {counts:?}");
}

/// NEON selects bits in one instruction.
fn neon_planes(line: &str) -> &'static str {
    match line.split('\t').next().unwrap_or("") {
        "bsl" | "bit" | "bif" => "select",
        "and" | "orr" if line.contains(".16b") => "and",
        "ldrh" => "place",
        _ => neon(line),
    }
}

/// The same with their places, which are numbers of 16 bits.
fn simd128_pixels(line: &str) -> &'static str {
    if line.starts_with("i32.load16_u") { "place" } else { simd128_planes(line) }
}

/// The loop that counts with pixels as lanes: 16 planes, each loaded once from a place that is, too, and 15 full adders of two XORs and a
/// selection; half adders for the planes above, and no more than so many `others`.
fn check_pixels(title: &str, assembly: &str, classify: Classify, others: usize) {
    let counts = hottest(assembly, classify, &["xor", "select", "place"]);
    let of = |class: &str| counts.get(class).copied().unwrap_or(0);
    println!("{title}: {counts:?}");
    assert_eq!((of("select"), of("place")), (15, 16), "{title}: {counts:?}");
    assert!((30..=36).contains(&of("xor")) && of("and") <= 6, "{title}: {counts:?}");
    assert!((16..=17).contains(&of("load")) && of("other") <= others, "{title}: {counts:?}");
    assert_eq!(of("store"), 0, "{title}: planes do not stay in registers: {counts:?}");
}

/// As deep as in the second and third stage of a ResNet-18, where pixels are lanes.
const BLOCKS: [(usize, usize); 2] = [(128, 28), (256, 14)];

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn inner_loops_do_little_beside_the_work() {
    for (channels, size) in BLOCKS {
        let text = assembly(channels, size, "aarch64-unknown-linux-gnu", &[]);
        check_pixels(&format!("NEON, 3x3x{channels}"), &text, neon_planes, 4);
        let text = assembly(channels, size, "wasm32-unknown-unknown", &["-Ctarget-feature=+simd128"]);
        // The address of a plane is two more for each.
        check_pixels(&format!("SIMD128, 3x3x{channels}"), &text, simd128_pixels, 2 * 16 + 4);
    }
    // Too few pixels for a plane.
    for channels in [128, 256] {
        let text = assembly(channels, 7, "wasm32-unknown-unknown", &["-Ctarget-feature=+simd128"]);
        check_planes(&format!("SIMD128, 3x3x{channels}, rows of weights"), &text, simd128_planes);
    }
    // Too few output channels, too, and words enough for a loop.
    let text = assembly(512, 7, "aarch64-unknown-linux-gnu", &[]);
    check("NEON, 3x3x512", &text, neon, 80);
    for (channels, size) in [(96, 3), (192, 4)] {
        let text = assembly(channels, size, "wasm32-unknown-unknown", &["-Ctarget-feature=+simd128"]);
        check(&format!("SIMD128, 3x3x{channels}"), &text, simd128, 70);
    }
}

/// Multiply-add rounded once is emulated in f64, and rounded twice takes two instructions of f32; what is left is that of sigmoids,
/// which are the same bits everywhere.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn loose_multiply_add_needs_little_f64() {
    let target = "wasm32-unknown-unknown";
    let [once, loose] = [MultiplyAdds::Once, MultiplyAdds::Loose].map(|rule| {
        let mut config = Config::new();
        config.standalone(true).name("network").target(target).multiply_add(rule);
        let output = xnorc::load(&fashion(), &config).unwrap_or_else(|problems| panic!("{problems}"));
        let text = assembly_of(&output, &format!("{target}-{}", rule.name()), target, &["-Ctarget-feature=+simd128"]);
        text.lines().filter(|line| line.trim().starts_with("f64x2.")).count()
    });
    println!("operations of f64x2: {once}, loose {loose}");
    assert!(loose * 4 < once, "{once}, loose {loose}");
}
