//! How many instructions a picture takes on cores without vectors, and on bare AArch64: an emulator counts them, so the figures are
//! the same on every machine, however busy. They depend on the compiler of the toolchain, by less than what is allowed here.
//!
//! What is counted now, as rows of the table [`RECORDED`]:
//! `XNORC_LONG=1 cargo test -p xnorc-tests --test cross a_picture_takes -- --nocapture`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xnorc::emit::krate::{self, Runtime};
use xnorc::report::{Measured, OnTarget};
use xnorc::target::Target;
use xnorc::{Arithmetic, Config, Output};
use xnorc_tests::half_block::{Kind, chain};
use xnorc_tests::known::{self, fashion};

use crate::tools::{self, cargo, need, run};

/// The networks, in the order in which the program runs them: that of Fashion-MNIST, three blocks of each kind, the first in fixed point,
/// four blocks of each kind (what four take more than three is a block, without what chains begin and end with), and one of more channels.
const NETWORKS: [&str; 7] = ["fashion", "integer", "half", "fixed", "integers", "halves", "wide"];

/// Pixels of a row and channels of the blocks: 7.2 million binary multiply-adds each.
const BLOCK: [usize; 2] = [14, 64];

/// Those of one of seven words of output channels: where several are counted together, these are four, two and one.
const WIDE: [usize; 2] = [7, 224];

/// Optimised for size.
const SMALL: &str = "-Copt-level=s";

/// With a population count, as the RISC-V cores of an RP2350 have it.
const ZBB: &str = "-Ctarget-feature=+zbb";

/// 32-bit Arm of which nothing is known.
const ANY: &str = "-Ctarget-cpu=generic";

/// 32-bit Arm with its multiply-add.
const A7: &str = "-Ctarget-cpu=cortex-a7";

/// What each target needs for each of [`NETWORKS`], in thousands of instructions.
const RECORDED: [Row; 15] = [
    Row { target: "thumbv6m-none-eabi", flags: "", counts: [68054, 7110, 24717, 9095, 8783, 32943, 9984] },
    Row { target: "thumbv6m-none-eabi", flags: SMALL, counts: [71418, 7495, 25226, 9656, 9302, 33636, 10068] },
    Row { target: "thumbv7m-none-eabi", flags: "", counts: [40797, 4266, 14075, 6240, 5357, 18766, 5874] },
    Row { target: "thumbv7m-none-eabi", flags: SMALL, counts: [42443, 4434, 14312, 6924, 5573, 19105, 5916] },
    Row { target: "thumbv7em-none-eabihf", flags: "", counts: [4461, 3774, 4932, 6108, 4872, 6583, 3203] },
    Row { target: "thumbv7em-none-eabihf", flags: SMALL, counts: [4617, 3923, 5158, 6746, 5062, 6889, 3245] },
    Row { target: "thumbv8m.main-none-eabihf", flags: "", counts: [4461, 3774, 4932, 6154, 4872, 6583, 3203] },
    Row { target: "riscv32imc-unknown-none-elf", flags: "", counts: [42688, 4681, 14861, 5841, 5735, 19823, 6094] },
    Row { target: "riscv32imc-unknown-none-elf", flags: SMALL, counts: [45060, 4789, 15026, 6202, 5886, 20029, 6117] },
    Row { target: "riscv32imc-unknown-none-elf", flags: ZBB, counts: [41617, 4576, 14752, 5723, 5597, 19678, 6064] },
    Row { target: "riscv32imafc-unknown-none-elf", flags: "", counts: [4710, 3750, 4964, 5680, 4803, 6630, 3185] },
    Row { target: "riscv32imafc-unknown-none-elf", flags: SMALL, counts: [4947, 3870, 5150, 6040, 4966, 6889, 3212] },
    Row { target: "armv7a-none-eabihf", flags: ANY, counts: [7274, 3875, 5019, 6161, 4986, 6690, 3319] },
    Row { target: "armv7a-none-eabihf", flags: A7, counts: [4078, 2244, 3295, 5763, 2843, 4382, 1711] },
    Row { target: "aarch64-unknown-none", flags: "", counts: [1413, 1103, 1154, 4811, 1465, 1529, 1263] },
];

/// Per cent by which a count may differ from what is recorded.
const ALLOWED: u64 = 3;

struct Row {
    target: &'static str,
    /// For rustc.
    flags: &'static str,
    counts: [u64; NETWORKS.len()],
}

impl Row {
    /// What runs the target's programs.
    fn emulator(&self) -> &'static str {
        match self.target.split('-').next() {
            Some("aarch64") => "qemu-aarch64",
            Some(riscv) if riscv.starts_with("riscv32") => "qemu-riscv32",
            _ => "qemu-arm",
        }
    }
}

/// The networks for a target.
fn networks(target: &str) -> [(&'static str, Output); NETWORKS.len()] {
    let model = fashion();
    let [fashion, integer, half, fixed, integers, halves, wide] = NETWORKS;
    let load = |config: &Config| xnorc::load(&model, config).unwrap_or_else(|problems| panic!("{problems}"));
    let mut in_fixed_point = Config::new();
    in_fixed_point.name(fixed).target(target).real_layers(Arithmetic::Fixed);
    in_fixed_point.calibration = known::pictures().into_iter().map(|sample| sample.inputs).collect();
    [
        (fashion, load(Config::new().name(fashion).target(target))),
        (integer, chain(Kind::Integer, 3, BLOCK, integer, target)),
        (half, chain(Kind::Half, 3, BLOCK, half, target)),
        (fixed, load(&in_fixed_point)),
        (integers, chain(Kind::Integer, 4, BLOCK, integers, target)),
        (halves, chain(Kind::Half, 4, BLOCK, halves, target)),
        (wide, chain(Kind::Half, 1, WIDE, wide, target)),
    ]
}

/// The crate of the program and those of the networks, which it finds as any user's crate does.
fn write_project(folder: &Path, target: &str) {
    let outputs = networks(target);
    let write = |path: PathBuf, bytes: &[u8]| {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a writable target folder");
        // What is the same is not built again.
        if fs::read(&path).map_or(true, |old| old != bytes) {
            fs::write(path, bytes).expect("a writable target folder");
        }
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository");
    let runtime = Runtime::Path(root.join("runtime").display().to_string());
    let mut dependencies = String::new();
    for (name, output) in outputs {
        for (path, bytes) in krate::files(&output, name, &runtime, None) {
            write(folder.join(name).join(path), &bytes);
        }
        dependencies += &format!("{name} = {{ path = \"{name}\" }}\n");
    }
    let manifest = format!(
        "[package]\nname = \"counted\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[[bin]]\nname = \"counted\"\npath = \"main.rs\"\n\
         [dependencies]\n{dependencies}[workspace]\n[profile.release]\npanic = \"abort\"\ncodegen-units = 1\n"
    );
    write(folder.join("Cargo.toml"), manifest.as_bytes());
    write(folder.join("main.rs"), include_bytes!("counted/main.rs"));
    let recorded = root.join("generated-examples/fashion-net/tests/recorded.input");
    write(folder.join("recorded.input"), &fs::read(recorded).expect("the recorded picture"));
}

/// What was executed for each network, and the hash of its outputs.
fn count(row: &Row, project: &Path, plugin: &Path) -> [(u64, String); NETWORKS.len()] {
    need(row.emulator(), &["qemu-user"]);
    write_project(project, row.target);
    run(cargo(row.target, &["build"], row.flags).current_dir(project));
    let program = tools::folder().join("target").join(row.target).join("release/counted");
    let mut emulator = Command::new(row.emulator());
    emulator.arg("-plugin").arg(plugin).arg(program);
    let output = tools::try_run(&mut emulator).unwrap_or_else(|e| panic!("{}: {e}", row.target));
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let hashes = text(output.stdout);
    let marks: Vec<u64> = text(output.stderr).lines().map(|line| line.parse().expect("a count")).collect();
    // Before each network, behind it, at its hash; and the end.
    assert_eq!((hashes.lines().count(), marks.len()), (NETWORKS.len(), 3 * NETWORKS.len() + 1), "{}", row.target);
    let mut hashes = hashes.lines().map(str::to_owned);
    std::array::from_fn(|i| (marks[3 * i + 1] - marks[3 * i], hashes.next().expect("a line")))
}

/// The emulator's plugin, for its version.
fn plugin(folder: &Path) -> PathBuf {
    need("gcc", &["gcc", "libc6-dev"]);
    need("qemu-arm", &["qemu-user"]);
    let version = run(Command::new("qemu-arm").arg("--version"));
    let major = version.split_whitespace().nth(2).and_then(|word| word.split('.').next()?.parse::<u32>().ok());
    let interface = if major.is_some_and(|major| major >= 9) { 2 } else { 1 };
    let plugin = folder.join("plugin.so");
    run(Command::new("gcc")
        .args(["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", &format!("-DVERSION={interface}"), "-o"])
        .arg(&plugin)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cross/counted/plugin.c")));
    plugin
}

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn a_picture_takes_no_more_instructions_than_recorded() {
    let folder = tools::folder().join("counted");
    fs::create_dir_all(&folder).expect("a writable target folder");
    let plugin = plugin(&folder);
    let mut hashes = None;
    let (mut table, mut wrong) = (String::new(), Vec::new());
    for row in &RECORDED {
        let counted = count(row, &folder.join(row.target), &plugin);
        let bits = counted.each_ref().map(|(_, hash)| hash.clone());
        assert_eq!(hashes.get_or_insert_with(|| bits.clone()), &bits, "{}: other bits", row.target);
        let thousands = counted.map(|(count, _)| count.div_ceil(1000));
        let flags = match row.flags {
            SMALL => "SMALL",
            ZBB => "ZBB",
            ANY => "ANY",
            A7 => "A7",
            _ => "\"\"",
        };
        let target = row.target;
        table += &format!("    Row {{ target: {target:?}, flags: {flags}, counts: {thousands:?} }},\n");
        for (name, (now, recorded)) in NETWORKS.iter().zip(thousands.iter().zip(row.counts)) {
            if now.abs_diff(recorded) * 100 > recorded * ALLOWED {
                let fell = if *now < recorded { "fewer, so record it" } else { "more" };
                wrong.push(format!("{} {}, {name}: {now}, recorded {recorded}: {fell}", row.target, row.flags));
            }
        }
    }
    // Shown where the test fails, too.
    println!("{table}outputs: {}", hashes.unwrap_or_default().join(" "));
    assert!(wrong.is_empty(), "in thousands of instructions:\n{}", wrong.join("\n"));
}

/// What `xnorc inspect --target` estimates is near to what was counted.
#[test]
fn estimates_are_near_the_counts() {
    for row in RECORDED.iter().filter(|row| row.flags.is_empty()) {
        let target = Target::named(row.target).expect("a target");
        for ((name, output), counted) in networks(row.target).iter().zip(row.counts) {
            let on = OnTarget::new(output, &target, Measured::Not(String::new()));
            if output.fixed.is_some() {
                assert_eq!(on.instructions, None, "the schedule is of floats");
                continue;
            }
            let estimate = on.instructions.expect("such a processor was counted on") / 1000;
            let off = estimate.abs_diff(counted) * 100 / counted;
            assert!(off <= 10, "{} {name}: estimated {estimate}, counted {counted} thousand", row.target);
        }
    }
}

/// A row of the table in `tests/benchmarks/README.md`.
struct OnPage {
    name: &'static str,
    target: &'static str,
    flags: &'static str,
    /// What was counted before there were loops for small cores: the network, an integer block, a half-block; millions.
    before: [f64; 3],
    /// The least that an integer block and a half-block could take, as is reckoned there; millions.
    limit: [f64; 2],
}

const PAGE: [OnPage; 6] = [
    OnPage {
        name: "Cortex-M0",
        target: "thumbv6m-none-eabi",
        flags: "",
        before: [159.6, 8.17, 12.34],
        limit: [1.11, 6.48],
    },
    OnPage {
        name: "Cortex-M3",
        target: "thumbv7m-none-eabi",
        flags: "",
        before: [77.4, 4.88, f64::NAN],
        limit: [0.85, 4.01],
    },
    OnPage {
        name: "Cortex-M4F, M33",
        target: "thumbv7em-none-eabihf",
        flags: "",
        before: [59.6, 2.98, 3.09],
        limit: [0.85, 1.01],
    },
    OnPage {
        name: "RV32IMC",
        target: "riscv32imc-unknown-none-elf",
        flags: "",
        before: [84.3, 6.98, 9.26],
        limit: [0.98, 4.7],
    },
    OnPage {
        name: "RV32IMC with Zbb",
        target: "riscv32imc-unknown-none-elf",
        flags: ZBB,
        before: [f64::NAN, 4.17, 6.38],
        limit: [0.82, 4.62],
    },
    OnPage {
        name: "RV32IMAFC",
        target: "riscv32imafc-unknown-none-elf",
        flags: "",
        before: [65.1, 4.39, 4.56],
        limit: [0.98, 1.2],
    },
];

/// What is recorded of a target.
fn recorded(target: &str, flags: &str) -> Option<&'static Row> {
    RECORDED.iter().find(|row| row.target == target && row.flags == flags)
}

/// Thousands of bytes.
fn kilo(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1000.0)
}

/// The code of the network of the examples, where it is recorded.
fn code(target: &str, flags: &str) -> String {
    let code = if flags == ZBB { None } else { super::sizes::code(target, flags == SMALL) };
    code.map_or("-".to_owned(), kilo)
}

/// Scratch memory of the network of the examples, in f32 and in fixed point.
fn scratch(target: &str) -> [String; 2] {
    let [(_, f32), _, _, (_, fixed), ..] = networks(target);
    [f32, fixed].map(|output| kilo(output.scratch_bytes() as u64))
}

/// The table of the front page: the network of the examples, optimised for speed and for size.
fn front_page() -> String {
    let mut page = "| | code, kB | for size | f32: scratch, kB | million instructions | for size | fixed point: scratch, kB | million instructions | for size |\n\
        | --- | --: | --: | --: | --: | --: | --: | --: | --: |\n"
        .to_owned();
    for OnPage { name, target, .. } in PAGE.into_iter().filter(|row| row.flags.is_empty()) {
        let count = |flags: &str, network: usize| {
            let row = recorded(target, flags);
            row.map_or("-".to_owned(), |row| format!("{:.1}", row.counts[network] as f64 / 1000.0))
        };
        let (code, [f32, fixed]) = (["", SMALL].map(|flags| code(target, flags)).join(" | "), scratch(target));
        let [f32, fixed] = [(f32, 0), (fixed, 3)]
            .map(|(scratch, network)| [scratch, count("", network), count(SMALL, network)].join(" | "));
        page += &format!("| {name} | {code} | {f32} | {fixed} |\n");
    }
    page
}

/// The table, from what is recorded here and in `sizes.rs`, and from the plan of the memory.
fn page() -> String {
    let million = |x: f64| if x.is_nan() { "-".to_owned() } else { format!("{x:.2}") };
    let mut page = "| millions of instructions | network: before | now | integer block: before | now | limit | half-block: before | now | limit | code, kB | scratch, kB: f32 | fixed point |\n\
        | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n"
        .to_owned();
    for OnPage { name, target, flags, before, limit } in PAGE {
        let row = recorded(target, flags).expect("a row of each");
        let [network, integer, half, _, integers, halves, _] = row.counts.map(|count| count as f64 / 1000.0);
        let (code, scratch) = (code(target, flags), scratch(target).join(" | "));
        let three = [(network, before[0]), (integers - integer, before[1]), (halves - half, before[2])];
        let [network, integer, half] = three.map(|(now, before)| format!("{} | {}", million(before), million(now)));
        let [least, least_half] = limit.map(million);
        page += &format!("| {name} | {network} | {integer} | {least} | {half} | {least_half} | {code} | {scratch} |\n");
    }
    page
}

#[test]
fn the_pages_say_what_is_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, wanted) in [("benchmarks/README.md", page()), ("../README.md", front_page())] {
        let text = fs::read_to_string(root.join(path)).expect("a page");
        let between = text.split_once("<!-- micro -->\n").and_then(|(_, rest)| rest.split_once("<!-- /micro -->"));
        let (shown, _) = between.expect("the table's place");
        assert!(shown == wanted, "between the marks of {path} should stand:\n{wanted}");
    }
}
