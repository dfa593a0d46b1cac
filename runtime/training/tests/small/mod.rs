//! A procedure that takes a second, for tests of the program.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_xnorc-training");

/// Pictures of three classes that differ in where they are bright, as IDX files.
pub(crate) fn write_data(folder: &Path, train: u32) {
    let idx = |dims: &[u32], data: Vec<u8>| {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend(data);
        bytes
    };
    for (name, count) in [("train", train), ("t10k", 30)] {
        let pixel = |n: u32, p: u32| {
            let noise = (n.wrapping_mul(2_654_435_761).wrapping_add(p.wrapping_mul(40_503)) >> 13) % 120;
            (noise + if p / 8 % 3 == n % 3 { 130 } else { 0 }) as u8
        };
        let pixels = (0..count).flat_map(|n| (0..64).map(move |p| pixel(n, p))).collect();
        fs::write(folder.join(format!("{name}-images-idx3-ubyte")), idx(&[count, 8, 8], pixels)).unwrap();
        let labels = (0..count).map(|n| (n % 3) as u8).collect();
        fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), idx(&[count], labels)).unwrap();
    }
}

/// Two steps, each of three epochs, with everything random that there is.
pub(crate) fn write_config(folder: &Path, name: &str, data: &str) {
    let step = "epochs = 3\nbatch = 10\noptimiser = { kind = \"adam\", rate = 5e-3 }\n\
                augmentation = { pad-crop = 1, flip = true, mix-up = 0.2 }";
    let text = format!(
        "output = \"{name}\"\n[data]\n{data}\n\
         [networks.net]\narchitecture = \"binary\"\nwidths = [8, 16]\ndepths = [1, 1]\nblock = {{ gate = {{}} }}\n\
         [[steps]]\nname = \"sign\"\nnetwork = \"net\"\nweights = \"real\"\n{step}\n\
         [[steps]]\nname = \"binary\"\nnetwork = \"net\"\nteacher = \"sign\"\nstart-from = \"sign\"\n\
         losses = {{ logits = {{}} }}\n{step}\n"
    );
    fs::write(folder.join(name).with_extension("toml"), text).unwrap();
}

pub(crate) const IDX: &str = "format = \"idx\"\nfolder = \".\"\nmean = [0.4]\nstd = [0.25]";

/// Pictures of two classes, by their colour, in folders: eight and two of each.
#[allow(dead_code)] // Not every test that has this module needs them.
pub(crate) fn write_folders(folder: &Path) {
    for (part, count) in [("train", 8), ("val", 2)] {
        for (class, colour) in [("cat", [220, 30, 30]), ("dog, big", [30, 30, 220])] {
            let class = folder.join("data").join(part).join(class);
            fs::create_dir_all(&class).unwrap();
            for i in 0..count {
                image::RgbImage::from_pixel(9 + i, 8, image::Rgb(colour)).save(class.join(format!("{i}.png"))).unwrap();
            }
        }
    }
}

#[allow(dead_code)]
pub(crate) const FOLDERS: &str = "format = \"folders\"\nfolder = \"data\"\nmean = [0.5, 0.5, 0.5]\nstd = [0.3, 0.3, 0.3]\n\
                                  size = 8\nvalidation = { from = \"test\" }";

#[allow(dead_code)]
pub(crate) fn program(folder: &Path, args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).current_dir(folder).output().unwrap()
}

pub(crate) fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
