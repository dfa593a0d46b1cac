//! `inspect --target`: what a network takes where it will run.

use super::{Desk, Run};

const MODEL: &str = "two_in_two_out_ts17.onnx";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.take(MODEL);
    desk
}

/// Without a rustc: nothing is built.
fn inspect(desk: &Desk, more: &[&str]) -> Run {
    let mut command = desk.command(&[&["inspect", MODEL], more].concat());
    Run::of(&command.env("RUSTC", desk.path("no-such-rustc")).output().unwrap())
}

#[test]
fn a_target_has_a_screen_behind_the_glance() {
    let desk = desk();
    let glance = inspect(&desk, &[]).stdout;
    for (target, words) in [
        (
            "thumbv6m-none-eabi",
            &["in 64-bit integers", "floats: scales", "-> binarize these layers", "instructions: an estimate"][..],
        ),
        ("thumbv7em-none-eabi", &["-> if it has an FPU (Cortex-M4F, M7): `--target thumbv7em-none-eabihf`"]),
        (
            "thumbv7em-none-eabihf",
            &[
                "multiply-add by its instruction",
                "instructions: an estimate",
                "population count of words, in 2 binary layers",
            ],
        ),
        ("riscv32imc-unknown-none-elf", &["-> if it has the extension F"]),
        ("s390x-unknown-linux-gnu", &["work    not known", "multiply-add in f64"]),
        ("wasm32-unknown-unknown", &["relaxed-simd"]),
    ] {
        let run = inspect(&desk, &["--target", target]);
        assert_eq!(run.code, Some(0), "{target}: {}", run.stderr);
        let screen = run.stdout.strip_prefix(glance.trim_end()).unwrap_or_else(|| panic!("{target}: {}", run.stdout));
        let all = [&["flash ", "ram ", "not measured"][..], words].concat();
        let missing: Vec<_> = all.iter().filter(|word| !screen.contains(**word)).collect();
        assert!(screen.starts_with(&format!("\n\nOn {target}\n")) && missing.is_empty(), "{missing:?} in {screen}");
    }
}

#[test]
fn targets_are_those_of_compile() {
    let desk = desk();
    let message = |run: Run| {
        assert_eq!((run.code, &*run.stdout), (Some(2), ""), "{}", run.stderr);
        run.stderr.lines().next().unwrap().to_owned()
    };
    for wrong in ["avx2", "cortex-m4", "", "thumbv7em"] {
        let inspected = message(desk.run(&["inspect", MODEL, "--target", wrong]));
        assert_eq!(inspected, message(desk.run(&["compile", MODEL, "--out", "net", "--target", wrong])));
        assert!(inspected.contains("is no target of Rust's"), "{inspected}");
    }
}

#[test]
fn memory_is_what_the_linker_has() {
    let desk = desk();
    let target = ["--target", "thumbv7em-none-eabihf", "--memory", "memory.x"];
    let with = |flash: &str, ram: &str, more: &[&str]| {
        let script = format!(
            "/* A board */\nMEMORY\n{{\n  FLASH (rx) : ORIGIN = 0x08000000, LENGTH = {flash}\n  CCM : ORIGIN = 1, LENGTH = 1M\n  \
             RAM : ORIGIN = 0x20000000, LENGTH = {ram}\n}}\n_stack_start = ORIGIN(RAM) + LENGTH(RAM);\n"
        );
        desk.put("memory.x", script.as_bytes());
        inspect(&desk, &[&target, more].concat())
    };
    let json = with("1M", "256K", &["--json"]).json();
    let (flash, ram) = (json["flash"]["weights"].as_u64().unwrap(), &json["ram"]);
    let ram = ["scratch", "input", "output"].iter().map(|part| ram[part].as_u64().unwrap()).sum::<u64>();
    assert!(flash > 0 && ram > 0, "{json}");
    assert_eq!(json["memory"]["fits"], true);
    for (flash, ram, fits) in [(flash, ram, true), (flash - 1, ram, false), (flash, ram - 1, false)] {
        let run = with(&flash.to_string(), &ram.to_string(), &[]);
        let word = if fits { "memory  fits, as far as its size is known" } else { "memory  does not fit" };
        assert_eq!(run.code, Some(i32::from(!fits)), "{}", run.stderr);
        assert!(run.stdout.contains(word) && run.stderr.is_empty(), "{}{}", run.stdout, run.stderr);
    }
    let run = with("256KB", "1K", &[]);
    run.assert_refused("a length that is none");
    assert!(run.stderr.contains("line 4: `256KB` is no number"), "{}", run.stderr);
    desk.put("memory.x", b"MEMORY { ROM : ORIGIN = 0, LENGTH = 1K }");
    let run = inspect(&desk, &target);
    run.assert_refused("a region that is not there");
    assert!(run.stderr.contains("no region RAM in it, but ROM"), "{}", run.stderr);
    let run = inspect(&desk, &["--target", "thumbv7em-none-eabihf", "--memory", "none.x"]);
    run.assert_refused("a script that is not there");
}

/// A picture of bytes takes a byte for each of its values.
#[test]
fn inputs_are_of_their_own_types() {
    let desk = Desk::new();
    std::fs::copy(super::fixture("integers_uint8_image.onnx"), desk.path(MODEL)).unwrap();
    let ports = desk.run(&["inspect", MODEL, "--json"]).json();
    let shape = ports["inputs"][0]["shape"].as_array().unwrap().iter();
    let values = shape.map(|extent| extent.as_u64().unwrap()).product::<u64>();
    let on = inspect(&desk, &["--target", "thumbv6m-none-eabi", "--json"]).json();
    assert_eq!((&ports["inputs"][0]["type"], &on["ram"]["input"]), (&"u8".into(), &values.into()));
}

/// The boards of the examples, by their own scripts.
#[test]
fn the_boards_have_room() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../generated-examples");
    let desk = Desk::new();
    std::fs::copy(examples.join("fashion/fashion.onnx"), desk.path(MODEL)).unwrap();
    for (board, target) in [
        ("cortex-m4", "thumbv7em-none-eabihf"),
        ("cortex-m0", "thumbv6m-none-eabi"),
        ("riscv32", "riscv32imac-unknown-none-elf"),
    ] {
        std::fs::copy(examples.join("boards").join(board).join("memory.x"), desk.path("memory.x")).unwrap();
        let run = inspect(&desk, &["--target", target, "--memory", "memory.x", "--json"]);
        let memory = &run.json()["memory"];
        assert_eq!((&memory["flash"]["bytes"], &memory["fits"]), (&(512 << 10).into(), &true.into()), "{board}");
        assert_eq!(memory["ram"]["bytes"], 64 << 10, "{board}");
    }
}

/// The library of this very machine is always at hand; the stack is bounded where nothing calls itself.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn code_is_measured_by_building_it() {
    let desk = desk();
    let json = desk.run(&["inspect", MODEL, "--target", "x86_64-unknown-linux-gnu", "--json"]).json();
    let code = json["flash"]["code"].as_u64().unwrap_or_else(|| panic!("{}", json["flash"]["not_measured"]));
    let stack = json["ram"]["stack"].as_u64().unwrap();
    assert!((2_000..500_000).contains(&code) && (300..100_000).contains(&stack), "{code} {stack}");
}

#[test]
fn schedules_are_of_the_target() {
    let desk = desk();
    let of = |target: &[&str]| desk.run(&[&["inspect", MODEL, "--schedule"], target].concat()).stdout;
    assert!(of(&[]).contains("avx512") && !of(&["--target", "thumbv6m-none-eabi"]).contains("avx512"));
}
