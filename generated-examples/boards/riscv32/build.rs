//! Compiles the checkpoint for the target that cargo builds for, takes a picture, and tells the linker where the board's memory is.

use std::path::Path;

fn main() {
    xnorc::compile("../../fashion/fashion.onnx");
    let folder = std::env::var("OUT_DIR").expect("cargo sets it");
    let pictures = std::fs::read("../../fashion/pictures.bin").expect("pictures");
    std::fs::write(Path::new(&folder).join("picture.bin"), &pictures[..784]).expect("a writable folder");
    std::fs::copy("memory.x", Path::new(&folder).join("memory.x")).expect("a writable folder");
    println!("cargo::rustc-link-search={folder}");
    println!("cargo::rerun-if-changed=memory.x");
}
