//! Which tests are ignored: the long ones unless `XNORC_LONG=1`, and those on large models unless `XNORC_MODELS` names
//! their folder as well.

fn main() {
    println!("cargo::rerun-if-env-changed=XNORC_LONG");
    println!("cargo::rerun-if-env-changed=XNORC_MODELS");
    println!("cargo::rustc-check-cfg=cfg(xnorc_long)");
    println!("cargo::rustc-check-cfg=cfg(xnorc_models)");
    let long = std::env::var_os("XNORC_LONG").is_some_and(|v| v != "0");
    let models = std::env::var_os("XNORC_MODELS");
    if long {
        println!("cargo::rustc-cfg=xnorc_long");
    }
    if long && models.is_some() {
        println!("cargo::rustc-cfg=xnorc_models");
    }
}
