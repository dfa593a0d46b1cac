//! What rustc makes of emitted crates: the inner loop of a fused binary block, and that nothing in them can panic.
//!
//! The instructions of each hot loop are counted by class; the counts are a snapshot. Which registers they use and in
//! which order they come is the compiler's business.
#![cfg(target_arch = "x86_64")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use xnorc::emit::krate::{self, Runtime};
use xnorc::ir::network::Geometry;
use xnorc::{Config, Output};
use xnorc_tests::half_block::{half_block, real_block};
use xnorc_tests::{fixtures, long};

/// The assembly of a standalone crate, as cargo's release profile would make it, but in one piece. `more` is added to
/// the crate's root.
fn assembly(output: &Output, more: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (path, mut bytes) in krate::files(output, "network", &Runtime::Inside, None) {
        if path == "src/lib.rs" {
            bytes.extend_from_slice(more.as_bytes());
        }
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let file = folder.path().join("network.s");
    let result = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=rlib", "--crate-name=network", "--emit=asm", "-Copt-level=3"])
        .args(["-Ccodegen-units=1", "-Cpanic=abort", "-Dwarnings", "-o"])
        .arg(&file)
        .arg(folder.path().join("src/lib.rs"))
        .output()
        .unwrap();
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    std::fs::read_to_string(file).unwrap()
}

/// Functions that are called, or whose address is taken, but that are not in this crate.
fn foreign(assembly: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_$.".contains(c);
    let own: BTreeSet<&str> =
        assembly.lines().filter_map(|l| l.strip_suffix(':')).filter(|l| l.chars().all(is_name)).collect();
    let mut foreign = BTreeSet::new();
    for line in assembly.lines().filter(|line| line.starts_with('\t')) {
        let (operation, operand) = line.trim().split_once('\t').unwrap_or((line.trim(), ""));
        let branches = operation.starts_with("call") || operation.starts_with('j');
        let target = if branches {
            operand.trim_start_matches('*').split(|c| !is_name(c)).next()
        } else {
            operand.split_once("@GOTPCREL").and_then(|(name, _)| name.rsplit(|c| !is_name(c)).next())
        };
        // `call *32(%rax)` goes through a table of functions: those of this crate, whose addresses are looked at above.
        let is_call_by_name = |t: &&str| t.starts_with(|c: char| !c.is_ascii_digit());
        foreign.extend(target.filter(|t| is_call_by_name(t) && !own.contains(t)));
    }
    foreign
}

/// What every target has without `std`: rustc's own `compiler_builtins`.
const MEMORY: [&str; 5] = ["memcpy", "memmove", "memset", "memcmp", "bcmp"];

/// A team that divides all it can, so that what divides it is in the crate too.
const TWO: &str = "
struct Two;
impl runtime::Team for Two {
    fn width(&self) -> usize { 2 }
    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) { a(); b(); }
    fn grain(&self) -> usize { 0 }
}
/// Runs the network in halves.
pub fn in_halves(input: &Input, output: &mut Output, scratch: &mut Scratch) {
    infer_on(&Two, input, output, scratch);
}
/// Runs the network on several inputs.
pub fn several(inputs: &[Input], outputs: &mut [Output], scratches: &mut [Scratch]) -> usize {
    infer_batch(&Two, inputs, outputs, scratches)
}
";

/// The crate, runtime included, calls nothing outside but memory functions: above all no panic of `core`.
#[test]
fn nothing_in_a_crate_can_panic() {
    let all =
        ["two_in_two_out_ts17", "clip_ste_ts17", "r2b_ts17", "shuffling_ts17", "larq_quicknet_op17", "pooling_ts17"];
    for name in &all[..if long() { all.len() } else { 1 }] {
        let path = fixtures().join(format!("{name}.onnx"));
        let output = xnorc::load(&path, Config::new().standalone(true).share_from(0).name("network")).unwrap();
        let text = assembly(&output, TWO);
        assert!(text.contains("in_halves"), "{name}: the network is not there");
        let foreign: Vec<&str> = foreign(&text).into_iter().filter(|f| !MEMORY.contains(f)).collect();
        assert!(foreign.is_empty(), "{name}: {foreign:?}");
    }
}

/// The same look at a crate with an index that nobody checked finds the panic.
#[test]
fn a_panic_would_be_found() {
    let more = "/// An unchecked index.\n#[inline(never)]\npub fn control(x: &[u8], i: usize) -> u8 {\n    x[i]\n}\n";
    let text = assembly(&half_block(16, 4), more);
    let foreign = foreign(&text);
    assert!(foreign.iter().any(|f| f.contains("panic_bounds_check")), "{foreign:?}");
}

/// The functions of a level: what their names contain.
fn functions(level: &str) -> &str {
    match level {
        "avx512" => "avx5125enter17h",
        "avx512bw" => "avx51220enter_without_popcnt17h",
        _ => level,
    }
}

/// The basic block that does most of all kinds of `work` (address arithmetic has XORs too), of the functions whose name contains
/// `level`: the body of the hot loop, or most of it where the loop has branches.
fn hot_loop<'a>(assembly: &'a str, level: &str, work: &[&str], counts_down: bool) -> Vec<&'a str> {
    let mut best: Vec<&str> = Vec::new();
    let mut block: Vec<&str> = Vec::new();
    let mut inside = false;
    let of = |block: &[&str], kind: &str| block.iter().filter(|line| class(line, counts_down) == kind).count();
    // What does more beside the work (turning planes of bits into numbers), or stores much of it (sums of parts), is no loop of it.
    let is_it = |block: &[&str]| {
        let all = work.iter().map(|kind| of(block, kind)).sum();
        of(block, "other") <= all && 20 * of(block, "store") <= all
    };
    let amount = |block: &[&str]| if is_it(block) { work.iter().map(|kind| of(block, kind)).min() } else { None };
    for line in assembly.lines() {
        let is_label = line.ends_with(':') && !line.starts_with(['\t', '#']);
        if inside && !operation(line).is_empty() {
            block.push(line);
        }
        if is_label || operation(line).starts_with('j') {
            if amount(&block) > amount(&best) {
                best.clone_from(&block);
            }
            block.clear();
        }
        if is_label && !line.starts_with(".L") {
            inside = line.contains(level);
        }
    }
    best
}

/// The operation of a line; nothing for labels, directives and comments.
fn operation(line: &str) -> &str {
    let line = line.trim();
    if line.ends_with(':') || line.starts_with(['.', '#']) { "" } else { line.split('\t').next().unwrap_or("") }
}

/// The class of an instruction: what it is to a convolution.
fn class(line: &str, counts_down: bool) -> &'static str {
    // The destination comes last.
    let to_memory = line.trim_end().ends_with(')');
    let operands = line.trim().split_once('\t').map_or("", |(_, operands)| operands);
    let mut registers = operands.split(", ");
    let first = registers.next();
    match operation(line) {
        // A register with itself is a zero, and costs nothing.
        "vpxor" | "vpxorq" | "vpxord" if registers.all(|r| Some(r) == first) => "zero",
        "vpxor" | "vpxorq" | "vpxord" => "xor",
        // Without an instruction for it, a population count is two nibbles of every byte by table.
        "vpand" | "vpandq" if counts_down => "and",
        "vpopcntq" | "vpand" | "vpandq" | "vpsrlw" | "vpshufb" | "vpaddb" => "popcount",
        "vpaddq" | "vpsadbw" => "add",
        "vpternlogq" | "vpternlogd" => "ternary",
        o if o.starts_with("vfmadd") => "fma",
        o if o.starts_with("vpbroadcast") || o.starts_with("vbroadcast") => "broadcast",
        o if o.starts_with("vmov") && to_memory => "store",
        o if o.starts_with("vmov") => "load",
        _ => "other",
    }
}

/// The instructions of the hot loop, by class.
fn counts(title: &str, assembly: &str, level: &str, work: &[&str]) -> String {
    let counts_down = work.contains(&"and");
    let mut counts = BTreeMap::<&str, usize>::new();
    let lines = hot_loop(assembly, functions(level), work, counts_down);
    for line in &lines {
        *counts.entry(class(line, counts_down)).or_default() += 1;
    }
    let share = work.iter().map(|kind| counts.get(kind).copied().unwrap_or_default()).min().unwrap_or_default();
    assert!(share >= 4, "{title}, {level}: no loop that does it: {counts:?}");
    let counts: Vec<String> = counts.iter().map(|(class, count)| format!("{class} {count}")).collect();
    format!("{title:<22} {level:<8} {}\n", counts.join(", "))
}

fn geometry(input: [usize; 3], output: [usize; 3], kernel: usize, stride: usize, pad: usize) -> Geometry {
    let (kernel, strides) = ([kernel; 2], [stride; 2]);
    Geometry { n: 1, input, output, kernel, strides, dilations: [1, 1], pads: [pad; 2], groups: 1 }
}

/// The hot loops of Real-to-Binary's layers. One XOR, one population count and one addition stand for 512 signs on
/// AVX-512; on AVX2 16 rows of weights, or 16 planes of pixels, added down the lanes by 15 full adders of three XORs and two
/// ANDs (on AVX-512 without VPOPCNTDQ two instructions of three operands), and a few half adders, stand for 32 signs of 256
/// channels, or 17 of 256 pixels and four channels. What else there is costs time; a change is to be looked at like one of a
/// measured time, without its noise.
#[test]
fn hot_loops_do_little_beside_the_work() {
    let mut table = String::new();
    for (channels, size) in [(64, 56), (128, 28), (256, 14), (512, 7)] {
        let text = assembly(&half_block(channels, size), "");
        // Planes are added by XOR and AND, or by both in one instruction of three operands.
        for (level, work) in
            [("avx512", &["xor", "popcount"][..]), ("avx512bw", &["ternary", "load"]), ("avx2", &["xor", "and"])]
        {
            table += &counts(&format!("binary 3x3, {channels}"), &text, level, work);
        }
    }
    for (title, geometry) in [
        ("real 7x7/2, 3 to 64", geometry([224, 224, 3], [112, 112, 64], 7, 2, 3)),
        ("real 1x1, 64 to 128", geometry([28, 28, 64], [28, 28, 128], 1, 1, 0)),
        ("real 1x1, 256 to 512", geometry([7, 7, 256], [7, 7, 512], 1, 1, 0)),
    ] {
        let text = assembly(&real_block(geometry), "");
        for level in ["avx512", "avx512bw", "avx2"] {
            table += &counts(title, &text, level, &["fma"]);
        }
    }
    insta::assert_snapshot!(table);
}
