//! What a network takes on a target, by building it for that: code, and the deepest stack.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Output as Answer;

use super::elf::Elf;
use super::workshop::Workshop;
use super::{build, guard};
use xnorc::Output;
use xnorc::emit::krate::{self, Runtime};
use xnorc::report::Measured;
use xnorc::target::Target;

/// Bytes of stack for what is the library's own, and has no frame that is told: copies, emulated floats.
const LIBRARY: u64 = 256;

/// Builds a network, compiled as standalone crate of that name, for a target, and measures what came of it. What keeps it from that is no
/// error: it is said, with what would help.
pub fn measure(output: &Output, name: &str, target: &Target) -> Measured {
    measure_by(&build::compiler(), output, name, target)
}

/// The same by that rustc.
pub fn measure_by(compiler: &OsStr, output: &Output, name: &str, target: &Target) -> Measured {
    match built(compiler, output, name, target) {
        Ok((code, stack)) => Measured::Built { code, stack },
        Err(why) => Measured::Not(why),
    }
}

fn built(compiler: &OsStr, output: &Output, name: &str, target: &Target) -> Result<(u64, Option<u64>), String> {
    let triple = target.triple();
    let others = ["wasm", "windows", "cygwin", "uefi", "apple", "darwin", "aix", "nvptx", "bpf", "spirv"];
    if others.iter().any(|other| triple.contains(other)) {
        return Err("only ELF files are, and this system has others".to_owned());
    }
    let rustc = |arguments: &[OsString]| {
        // Only so does a stable compiler tell the frames of its functions; nothing else of it is used.
        guard::output(compiler, arguments, &[("RUSTC_BOOTSTRAP", "1")]).map_err(|e| {
            format!(
                "`{}` cannot be started ({e}): install Rust, or name a rustc in the variable RUSTC",
                Path::new(compiler).display()
            )
        })
    };
    let io = |e: std::io::Error| format!("a temporary folder cannot be written: {e}");
    let workshop = Workshop::new(&std::env::temp_dir()).map_err(io)?;
    let home = workshop.path();
    let library = match library(&rustc, triple)? {
        Library::Installed => Vec::new(),
        Library::Source => ["--sysroot".into(), built_library(compiler, triple, home)?.into()].to_vec(),
        Library::Missing => {
            return Err(format!(
                "this rustc does not have the target's core library: `rustup target add {triple}`, or `rustup component add rust-src`, \
                 from which it is built; or name a rustc that has it in the variable RUSTC"
            ));
        }
    };
    let mut files = krate::files(output, name, &Runtime::Inside, None);
    files.push(("main.rs".to_owned(), PROGRAM.into()));
    for (path, bytes) in &files {
        let path = home.join(path);
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(io)?;
    }
    let build = |more: &[OsString]| -> Result<(), String> {
        let all: Vec<OsString> = options(triple).into_iter().chain(library.iter().chain(more).cloned()).collect();
        let result = rustc(&all)?;
        let text = String::from_utf8_lossy(&result.stderr);
        let first = text.lines().find(|line| line.contains("error")).unwrap_or("it failed");
        if result.status.success() { Ok(()) } else { Err(format!("rustc does not build it for this target: {first}")) }
    };
    let network = home.join("libnetwork.rlib");
    build(&[
        "--crate-type=rlib".into(),
        "--crate-name".into(),
        name.into(),
        "-o".into(),
        network.clone().into(),
        home.join("src/lib.rs").into(),
    ])?;
    let mut external = OsString::from("--extern=network=");
    external.push(&network);
    build(&[
        "--crate-type=bin".into(),
        "--crate-name=measured".into(),
        "-Clto=fat".into(),
        "-Clinker=rust-lld".into(),
        "-Clinker-flavor=ld.lld".into(),
        // Where there is a system, memset and its like are its own.
        "-Clink-args=--unresolved-symbols=ignore-all --no-eh-frame-hdr".into(),
        "-Crelocation-model=static".into(),
        "--emit=obj,link".into(),
        external,
        "--out-dir".into(),
        home.into(),
        home.join("main.rs").into(),
    ])?;
    let read = |file: &str| std::fs::read(home.join(file)).map_err(io);
    let linked = read("measured")?;
    let linked = Elf::new(&linked).ok_or("what rustc made is no ELF file that can be read")?;
    let code = linked.only_read().saturating_sub(output.parameter_bytes() as u64);
    let objects: Vec<PathBuf> = std::fs::read_dir(home)
        .map_err(io)?
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "o"))
        .collect();
    let stack = match &objects[..] {
        [object] => std::fs::read(object).ok().and_then(|bytes| stack(&Elf::new(&bytes)?)),
        _ => None,
    };
    Ok((code, stack))
}

/// What there is of a target's core library.
enum Library {
    Installed,
    Source,
    Missing,
}

fn library(rustc: &dyn Fn(&[OsString]) -> Result<Answer, String>, triple: &str) -> Result<Library, String> {
    let path = |answer: &Answer| PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim());
    let folder = rustc(&["--print=target-libdir".into(), "--target".into(), triple.into()])?;
    if !folder.status.success() {
        return Err(format!("this rustc knows no target {triple}"));
    }
    let is_core = |file: std::fs::DirEntry| file.file_name().to_string_lossy().starts_with("libcore-");
    if std::fs::read_dir(path(&folder)).is_ok_and(|files| files.flatten().any(is_core)) {
        return Ok(Library::Installed);
    }
    let source = path(&rustc(&["--print=sysroot".into()])?).join("lib/rustlib/src/rust/library/core/src/lib.rs");
    Ok(if source.is_file() { Library::Source } else { Library::Missing })
}

/// Builds the core library of a target from its source, with cargo, and gives the folder that rustc takes for its own.
fn built_library(compiler: &OsStr, triple: &str, home: &Path) -> Result<PathBuf, String> {
    let io = |e: std::io::Error| format!("the target's core library cannot be put together: {e}");
    let (empty, to) = (home.join("core"), home.join("sysroot"));
    std::fs::create_dir_all(empty.join("src")).map_err(io)?;
    let manifest = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::write(empty.join("Cargo.toml"), manifest).map_err(io)?;
    std::fs::write(empty.join("src/lib.rs"), "#![no_std]\n").map_err(io)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = empty.join("target");
    let arguments: Vec<OsString> = vec![
        "build".into(),
        "--release".into(),
        "-Zbuild-std=core".into(),
        "--target".into(),
        triple.into(),
        "--manifest-path".into(),
        empty.join("Cargo.toml").into(),
        "--target-dir".into(),
        built.clone().into(),
    ];
    let compiler = compiler.to_string_lossy();
    // As in the library that comes with a target: what is optimised as a whole needs bitcode.
    let variables = [("RUSTC_BOOTSTRAP", "1"), ("RUSTC", &*compiler), ("RUSTFLAGS", "-Cembed-bitcode=yes")];
    let result = guard::output(&cargo, &arguments, &variables).map_err(|e| format!("cargo cannot be started: {e}"))?;
    if !result.status.success() {
        let text = String::from_utf8_lossy(&result.stderr);
        let first = text.lines().find(|line| line.contains("error")).unwrap_or("it failed");
        return Err(format!("the target's core library cannot be built from its source: {first}"));
    }
    let libraries = to.join("lib/rustlib").join(triple).join("lib");
    std::fs::create_dir_all(&libraries).map_err(io)?;
    for file in std::fs::read_dir(built.join(triple).join("release/deps")).map_err(io)?.flatten() {
        let name = file.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".rlib") && !text.starts_with("libempty") {
            std::fs::copy(file.path(), libraries.join(&name)).map_err(io)?;
        }
    }
    Ok(to)
}

/// A program that has nothing but the network. It is not run.
const PROGRAM: &str = "#![no_std]
#![no_main]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
#[unsafe(no_mangle)]
pub extern \"C\" fn _start(input: &network::Input, output: &mut network::Output, scratch: &mut network::Scratch) {
    network::infer(input, output, scratch);
}
";

fn options(triple: &str) -> Vec<OsString> {
    let mut options: Vec<OsString> = [
        "--edition=2024",
        "-Copt-level=3",
        "-Ccodegen-units=1",
        "-Cpanic=abort",
        "-Cforce-unwind-tables=no",
        "-Zemit-stack-sizes",
        "--cap-lints=allow",
        "--error-format=short",
        "--target",
        triple,
    ]
    .map(OsString::from)
    .to_vec();
    // What the crate's build script would say.
    if let Some(way) = xnorc_runtime::multiply_add(triple) {
        options.push(format!("--cfg=xnorc_fma=\"{way}\"").into());
    }
    options
}

/// The deepest stack of the entry, by the frames of the functions and who refers to whom; `None` where functions call themselves.
/// A function whose address is taken counts as called.
fn stack(object: &Elf<'_>) -> Option<u64> {
    let frames = object.frames()?;
    let start = object.section_of("_start")?;
    let mut known: HashMap<usize, Option<u64>> = HashMap::new();
    let deepest = deepest(start, &frames, &object.references(), &mut known)?;
    (!frames.is_empty()).then_some(deepest + LIBRARY)
}

fn deepest(
    section: usize,
    frames: &HashMap<usize, u64>,
    references: &HashMap<usize, Vec<usize>>,
    known: &mut HashMap<usize, Option<u64>>,
) -> Option<u64> {
    if let Some(depth) = known.get(&section) {
        // `None` while it is being looked at: it calls itself.
        return *depth;
    }
    known.insert(section, None);
    let mut most = 0;
    for &other in references.get(&section).into_iter().flatten().filter(|other| **other != section) {
        most = most.max(deepest(other, frames, references, known)?);
    }
    let depth = most + frames.get(&section).copied().unwrap_or(0);
    known.insert(section, Some(depth));
    Some(depth)
}
