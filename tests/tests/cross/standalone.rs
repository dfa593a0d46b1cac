//! Crates with the runtime inside, for other processors: with the instruction sets of one target or of all, rustc finds nothing
//! in them that is not used.

use xnorc::emit::krate::{self, Runtime};
use xnorc::{Arithmetic, Config};
use xnorc_tests::fixtures;

use crate::tools::{clean, sysroot, try_run};

/// Targets, and flags that choose among their instruction sets.
const TARGETS: [(&str, &[&str]); 9] = [
    ("aarch64-unknown-linux-gnu", &[]),
    ("aarch64_be-unknown-none-softfloat", &[]),
    // As the crate's own build script says; and as where it is not run.
    ("thumbv6m-none-eabi", &["--cfg=xnorc_fma=\"integers\""]),
    ("thumbv7em-none-eabihf", &["--cfg=xnorc_fma=\"vfma\""]),
    ("thumbv7em-none-eabihf", &[]),
    ("riscv32imafc-unknown-none-elf", &["--cfg=xnorc_fma=\"fmadd\""]),
    ("wasm32-unknown-unknown", &[]),
    ("wasm32-unknown-unknown", &["-Ctarget-feature=+simd128"]),
    ("wasm32-unknown-unknown", &["-Ctarget-feature=+simd128,+relaxed-simd"]),
];

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn nothing_is_carried_in_vain_for_other_processors() {
    for name in ["activations_ts17", "larq_quicknet_op17", "r2b_ts17", "shuffling_ts17"] {
        let path = fixtures().join(format!("{name}.onnx"));
        for (target, flags) in TARGETS {
            for (own, real) in [(false, Arithmetic::F32), (true, Arithmetic::F32), (true, Arithmetic::Bf16)] {
                let mut config = Config::new();
                config.standalone(true).name("network").real_layers(real);
                config.target = own.then(|| target.to_owned());
                let output = xnorc::load(&path, &config).expect("a network");
                let folder = tempfile::tempdir().expect("a temporary folder");
                for (path, bytes) in krate::files(&output, "network", &Runtime::Inside, None) {
                    let path = folder.path().join(path);
                    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
                    std::fs::write(path, bytes).expect("a writable folder");
                }
                let mut rustc = clean("rustc");
                rustc.args(["--edition=2024", "--crate-type=lib", "--crate-name=network", "--emit=metadata"]);
                rustc.args([
                    "-Dwarnings",
                    "--check-cfg=cfg(test)",
                    "--check-cfg=cfg(feature, values(\"std\", \"alloc\"))",
                    "--check-cfg=cfg(xnorc_fma, values(\"vfma\", \"fmadd\", \"integers\"))",
                    "--check-cfg=cfg(xnorc_planes, values(\"neon\"))",
                ]);
                rustc.args(["--target", target, "--sysroot"]).arg(sysroot(target)).args(flags);
                rustc.arg("--out-dir").arg(folder.path()).arg(folder.path().join("src/lib.rs"));
                try_run(&mut rustc).unwrap_or_else(|e| panic!("{name}, {real:?}, own: {own}: {e}"));
            }
        }
    }
}
