//! Which tests are ignored: the long ones unless `XNORC_LONG=1`, and those on large models unless these are there as well.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=XNORC_LONG");
    println!("cargo::rerun-if-env-changed=XNORC_MODELS");
    println!("cargo::rustc-check-cfg=cfg(xnorc_long)");
    println!("cargo::rustc-check-cfg=cfg(xnorc_models)");
    let long = std::env::var_os("XNORC_LONG").is_some_and(|v| v != "0");
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let models = std::env::var_os("XNORC_MODELS").map_or_else(beside, Into::into);
    if long {
        println!("cargo::rustc-cfg=xnorc_long");
    }
    if long && models.is_dir() {
        println!("cargo::rustc-cfg=xnorc_models");
    }
}
