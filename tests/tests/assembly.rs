//! What rustc makes of emitted crates: the inner loop of a fused binary block, and that nothing in them can panic.
//!
//! The instructions are counted by class over the loop that does the work. Which registers they use and in which order
//! they come is the compiler's business, so bounds are asserted, and the counts themselves are printed.
#![cfg(target_arch = "x86_64")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;

use xnorc::block::{
    Activation, BinaryWeights, BitLayout, BitPadding, Block, Core, Geometry, Interval, NetTensor, Network, Step,
    Storage,
};
use xnorc::diagnostics::Diagnostics;
use xnorc::emit::krate::{self, Runtime};
use xnorc::ir::DType;
use xnorc::{Config, Output, emit, plan};
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
        foreign.extend(target.filter(|t| !t.is_empty() && !own.contains(t)));
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
pub fn several(inputs: &[Input], outputs: &mut [Output], scratches: &mut [Scratch]) {
    infer_batch(&Two, inputs, outputs, scratches);
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

/// A half-block: signs of x -> 3x3 binary convolution -> scale, PReLU, + x.
fn half_block(channels: usize, size: usize) -> Output {
    let mut network = Network { name: "block".into(), ..Network::default() };
    let shape = vec![1, size, size, channels];
    let mut tensor = |name: &str, storage| {
        network.add_tensor(NetTensor { name: name.into(), shape: shape.clone(), storage, origin: None })
    };
    let input = tensor("x", Storage::Dense(DType::F32));
    let bits = tensor("signs", Storage::Bits(BitLayout { groups: 1, frame: [1; 4], frame_ones: false }));
    let output = tensor("y", Storage::Dense(DType::F32));
    let geometry = Geometry {
        n: 1,
        input: [size, size, channels],
        output: [size, size, channels],
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1, 1],
        groups: 1,
    };
    let signs = (0..channels * 9 * channels).map(|i| i * i % 7 < 3).collect();
    let weights = Arc::new(BinaryWeights { signs, zeros: 0, deviation: 0.0 });
    let ramp = |from: f32| Arc::new((0..channels).map(|i| from + i as f32 / 64.0).collect::<Vec<_>>());
    let intervals = Arc::new(vec![Interval { low: 0.0, high: f32::INFINITY }; channels]);
    let block = |name: &str, core, steps| Block { name: name.into(), core, steps, parts: Vec::new(), reason: None };
    network.blocks = vec![
        block("sign", Core::Map { input }, vec![Step::Sign { bits, intervals }]),
        block(
            "conv",
            Core::BinaryConv { input: bits, geometry, weights, padding: BitPadding::Zero },
            vec![
                Step::Scale(ramp(0.5)),
                Step::Activation(Activation::PRelu(ramp(-0.5))),
                Step::Add(input),
                Step::Store(output),
            ],
        ),
    ];
    network.inputs = vec![input];
    network.outputs = vec![output];
    let plan = plan::run(&network);
    let options = emit::Options {
        name: "network".into(),
        model_hash: String::new(),
        probe: false,
        runtime: "crate::runtime".into(),
        share_from: 0,
    };
    let emitted = emit::run(&network, &plan, &options);
    Output { network, plan, emitted, files: Vec::new(), warnings: Diagnostics::default() }
}

/// The code that compares and counts, of the functions whose name contains `level`: the loop of one basic block that
/// holds most pairs of an XOR and a `mark`, whole; where all loops are unrolled, the basic block that holds most, from the
/// first XOR to the last addition.
fn inner_loop<'a>(assembly: &'a str, level: &str, mark: &str) -> Vec<&'a str> {
    let mut best_loop: Vec<&str> = Vec::new();
    let mut best_block: Vec<&str> = Vec::new();
    let mut block: Vec<&str> = Vec::new();
    let (mut inside, mut label) = (false, "");
    for line in assembly.lines() {
        let is_label = line.ends_with(':') && !line.starts_with(['\t', '#']);
        if inside && !operation(line).is_empty() {
            block.push(line);
        }
        if is_label || operation(line).starts_with('j') {
            let repeats = !is_label && !label.is_empty() && line.trim().rsplit('\t').next() == Some(label);
            let best = if repeats { &mut best_loop } else { &mut best_block };
            if pairs(&block, mark) > pairs(best, mark) {
                best.clone_from(&block);
            }
            block.clear();
            label = "";
        }
        if is_label {
            label = line.trim_end_matches(':');
            if !line.starts_with(".L") {
                inside = line.contains(level);
            }
        }
    }
    if !best_loop.is_empty() {
        return best_loop;
    }
    let first = best_block.iter().position(|l| is_xor(operation(l)));
    let last = best_block.iter().rposition(|l| operation(l) == "vpaddq");
    first.zip(last).and_then(|(first, last)| best_block.get(first..=last)).unwrap_or_default().to_vec()
}

/// How many XORs have a `mark`.
fn pairs(block: &[&str], mark: &str) -> usize {
    let count = |is: &dyn Fn(&str) -> bool| block.iter().filter(|l| is(operation(l))).count();
    count(&|o| o == mark).min(count(&is_xor))
}

fn is_xor(operation: &str) -> bool {
    ["vpxor", "vpxorq", "vpxord"].contains(&operation)
}

/// The operation of a line; nothing for labels, directives and comments.
fn operation(line: &str) -> &str {
    let line = line.trim();
    if line.ends_with(':') || line.starts_with(['.', '#']) { "" } else { line.split('\t').next().unwrap_or("") }
}

/// Instructions by class.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    xor: usize,
    popcount: usize,
    add: usize,
    /// Moves from memory or between registers, and broadcasts.
    load: usize,
    other: BTreeMap<String, usize>,
}

impl Counts {
    fn of(lines: &[&str], popcount: &[&str], add: &[&str]) -> Self {
        let mut counts = Self::default();
        for operation in lines.iter().map(|l| operation(l)).filter(|o| !o.is_empty()) {
            if is_xor(operation) {
                counts.xor += 1;
            } else if popcount.contains(&operation) {
                counts.popcount += 1;
            } else if add.contains(&operation) {
                counts.add += 1;
            } else if operation.starts_with("vmov") || operation.starts_with("vpbroadcast") {
                counts.load += 1;
            } else {
                *counts.other.entry(operation.to_owned()).or_default() += 1;
            }
        }
        counts
    }

    fn rest(&self) -> usize {
        self.other.values().sum()
    }

    fn total(&self) -> usize {
        self.xor + self.popcount + self.add + self.load + self.rest()
    }
}

/// A dozen lines from the middle, for whoever wants to see it (`--nocapture`).
fn show(title: &str, lines: &[&str], counts: &Counts) {
    println!("{title}: {counts:?}");
    for line in lines.iter().skip(lines.len() / 2).take(12) {
        println!("{}", line.replace('\t', "    "));
    }
}

/// A half-block as wide as in Real-to-Binary's first stage, and as deep as in its third.
const BLOCKS: [(usize, usize); 2] = [(64, 56), (256, 14)];

#[test]
fn inner_loops_count_and_do_little_else() {
    for (channels, size) in BLOCKS {
        let text = assembly(&half_block(channels, size), "");

        // One XOR, one population count, one addition for 512 weights.
        let lines = inner_loop(&text, "avx512", "vpopcntq");
        let counts = Counts::of(&lines, &["vpopcntq"], &["vpaddq"]);
        show(&format!("AVX-512, 3x3x{channels}"), &lines, &counts);
        assert!(counts.xor >= 8 && counts.popcount == counts.xor, "{counts:?}");
        // The first words of a tile have nothing to be added to: two vectors of counters for each of at most 8 pixels.
        assert!((counts.xor.saturating_sub(16)..=counts.xor).contains(&counts.add), "{counts:?}");
        // A word is compared with two vectors of weights, a vector of weights with the words of several pixels.
        assert!(counts.load <= counts.xor, "{counts:?}");
        assert!(counts.rest() * 8 <= counts.total(), "{counts:?}");

        // 7 instructions stand for a population count.
        let lines = inner_loop(&text, "avx2", "vpsadbw");
        let counts = Counts::of(&lines, &["vpand", "vpsrlw", "vpshufb", "vpaddb", "vpsadbw"], &["vpaddq"]);
        show(&format!("AVX2, 3x3x{channels}"), &lines, &counts);
        assert!(counts.xor >= 4 && (counts.popcount as isize - 7 * counts.xor as isize).abs() <= 7, "{counts:?}");
        let useful = counts.xor + counts.popcount + counts.add;
        assert!(useful * 10 >= counts.total() * 7, "{counts:?}");
        assert!(counts.rest() * 8 <= counts.total(), "{counts:?}");
    }
}
