//! Says which processors have a fused multiply-add of single precision that Rust's own conditions do not show on a stable
//! compiler: the names of their targets do.

include!("targets.rs");

fn main() {
    println!("cargo::rustc-check-cfg=cfg(xnorc_fma, values(\"arm\", \"riscv\"))");
    println!("cargo::rerun-if-changed=targets.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    if let Some(kind) = kind(&target) {
        println!("cargo::rustc-cfg=xnorc_fma=\"{kind}\"");
    }
}
