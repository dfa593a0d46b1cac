//! A network in fixed point: the emitted loops compute the interpreter's integers, and no sum leaves 32 bits on the way.

use std::path::PathBuf;
use std::process::Command;

use xnorc::fixed::{choose, emit, run};
use xnorc::{Config, Tensor};
use xnorc_tests::known;

const MAIN: &str = r#"
#[allow(dead_code, unused)]
mod network { include!("network.rs"); }

fn main() {
    let pictures = std::fs::read(std::env::args().nth(1).expect("a file")).expect("pictures");
    let mut scratch = network::Scratch::new();
    for picture in pictures.as_chunks::<{ 4 * 784 }>().0 {
        let mut input = [0.0; 784];
        input.iter_mut().zip(picture.as_chunks::<4>().0).for_each(|(x, b)| *x = f32::from_le_bytes(*b));
        let mut output = [0.0; 10];
        network::infer(&input, &mut output, &mut scratch);
        println!("{:?} {}", output.map(f32::to_bits), std::mem::size_of::<network::Scratch>());
    }
}
"#;

#[test]
fn the_loops_compute_the_integers() {
    let output = xnorc::load(&known::fashion(), &Config::new()).unwrap();
    let pictures: Vec<Vec<Tensor>> = known::pictures().into_iter().map(|sample| sample.inputs).collect();
    let fixed = choose::run(&output.network, &pictures).unwrap();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fixed");
    std::fs::create_dir_all(&folder).unwrap();
    let bytes = pictures.iter().flatten().flat_map(Tensor::to_f32).flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    std::fs::write(folder.join("network.rs"), emit::run(&output.network, &fixed).unwrap()).unwrap();
    std::fs::write(folder.join("main.rs"), MAIN).unwrap();
    std::fs::write(folder.join("pictures"), bytes).unwrap();
    let built = Command::new("rustc")
        .args(["--edition=2024", "-O", "-Coverflow-checks=on", "-o", "main", "main.rs"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(folder.join("main")).arg("pictures").current_dir(&folder).output().unwrap();
    let ran = String::from_utf8(ran.stdout).unwrap();
    let wanted: String = (pictures.iter())
        .map(|picture| {
            let logits = &run::run(&output.network, &fixed, picture).unwrap().1[&output.network.outputs[0]];
            // 784 bytes a picture, 12 544 of the widest stream.
            format!("{:?} 19072\n", logits.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(ran, wanted);
}
