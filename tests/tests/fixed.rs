//! A network in fixed point, as a user gets it: the emitted crate computes the interpreter's integers, and no sum leaves 32 bits on the
//! way.

use std::path::PathBuf;
use std::process::Command;

use xnorc::emit::krate::{self, Runtime};
use xnorc::fixed::run;
use xnorc::interpret;
use xnorc::{Arithmetic, Config, MultiplyAdds, Output, Tensor};
use xnorc_cli::toolchain::{self, Program};
use xnorc_cli::verify::{self, Sample, Subject, Verification};
use xnorc_tests::{Running, fixtures, known, panic_free, recorded};

const MAIN: &str = r#"
use net::{Input, Output, SCRATCH_BYTES, Scratch, infer, infer_batch, infer_on};

fn main() {
    let pictures = std::fs::read(std::env::args().nth(1).expect("a file")).expect("pictures");
    let mut scratch = Scratch::new();
    for picture in pictures.as_chunks::<{ 4 * 784 }>().0 {
        let mut input: Input = [0.0; 784];
        input.iter_mut().zip(picture.as_chunks::<4>().0).for_each(|(x, b)| *x = f32::from_le_bytes(*b));
        let mut outputs: [Output; 3] = [[0.0; 10]; 3];
        infer(&input, &mut outputs[0], &mut scratch);
        infer_on(&net::runtime::Alone, &input, &mut outputs[1], &mut scratch);
        infer_batch(&net::runtime::Alone, &[input], &mut outputs[2..], std::slice::from_mut(&mut scratch));
        assert!(outputs.iter().all(|output| output == &outputs[0]) && SCRATCH_BYTES == size_of::<Scratch>());
        println!("{:?} {SCRATCH_BYTES}", outputs[0].map(f32::to_bits));
    }
}
"#;

fn pictures() -> Vec<Vec<Tensor>> {
    known::pictures().into_iter().map(|sample| sample.inputs).collect()
}

fn config(name: &str) -> Config {
    let mut config = Config::new();
    config.name(name).standalone(true).probe(true).real_layers(Arithmetic::Fixed);
    config.calibration = pictures();
    config
}

fn compiled(config: &Config) -> Output {
    xnorc::load(&known::fashion(), config).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A program, or the interpreter, on the pictures.
fn verified(output: &Output, program: &mut Program) -> Verification {
    let path = known::fashion();
    let model = std::fs::read(&path).unwrap();
    let graph = xnorc::load_graph(&path, &Config::new()).unwrap();
    let subject = Subject { model: &model, folder: path.parent().unwrap(), graph: &graph, output };
    verify::verify(&subject, program, &known::pictures()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn built(output: &Output) -> Verification {
    let folder = tempfile::tempdir().unwrap();
    let built = toolchain::build(output, "net", folder.path()).unwrap_or_else(|problems| panic!("{problems}"));
    verified(output, &mut Program::start(&built).unwrap())
}

/// `verify` tells errors and flips, the same of the program and of the interpreter; and a program that rounds otherwise in one place is
/// wrong.
#[test]
fn verify_judges_it() {
    let mut config = config("net");
    // Nothing is multiplied in f32.
    config.multiply_add(MultiplyAdds::Loose);
    let mut output = compiled(&config);
    let program = built(&output);
    let interpreted = verified(&output, &mut Program::interpreted(&output));
    for all in [&program, &interpreted] {
        assert!(all.ok && all.end_to_end_flips > 0 && all.top1_agreement == 1.0, "{all}");
        assert!(all.to_string().contains("the whole network in fixed point"), "{all}");
        assert!(all.multiply_add.is_none(), "{all}");
        assert!(0.0 < all.max_abs_error && all.max_abs_error < 1.0, "{all}");
    }
    assert_eq!((program.max_abs_error, program.sign_flips), (interpreted.max_abs_error, interpreted.sign_flips));
    assert!(output.emitted.source.contains(" + (1 << "), "nothing is rounded");
    output.emitted.source = output.emitted.source.replacen(" + (1 << ", " + (3 << ", 1);
    let wrong = built(&output);
    assert_eq!(wrong.failures, ["the program does not compute what its integers are defined to give"]);
}

/// What a build script leaves: a module without warnings, and a report that names the mode; of a model that is refused, nothing.
#[test]
fn a_build_script_writes_a_module() {
    let out = tempfile::tempdir().unwrap();
    let mut config = config("net");
    config.probe(false).out_dir(out.path()).compile(known::fashion());
    let text = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap();
    assert!(
        text("net.report.txt").contains("the whole network is in fixed point by choice"),
        "{}",
        text("net.report.txt")
    );
    for (path, bytes) in krate::runtime_files(&[&text("net.rs")], None) {
        let path = out.path().join(path.trim_start_matches("src/"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let root = "#![no_std]\n#[allow(dead_code, unused_imports)]\nmod runtime;\ninclude!(\"net.rs\");\n";
    std::fs::write(out.path().join("root.rs"), root).unwrap();
    let arguments =
        ["--edition=2024", "--crate-type=rlib", "-Dwarnings", "--check-cfg=cfg(feature, values(any()))", "root.rs"];
    let built = Command::new("rustc").args(arguments).current_dir(out.path()).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    config.name("other").compile(fixtures().join("two_in_two_out_ts17.onnx"));
    assert!(!out.path().join("other.rs").exists());
}

/// Linear layers alone, shortcuts, pools and gates of other geometries.
#[test]
fn networks_of_exporters() {
    for name in [
        "linear_rank3_ts17",
        "brevitas_mlp_ts17",
        "r2b_ts17",
        "larq_quicknet_op17",
        "real_geometry_ts17",
        "odd_channels_ts17",
        "clip_ste_ts17",
        "reactnet_ts17",
    ] {
        let path = fixtures().join(format!("{name}.onnx"));
        let sample = recorded(&path);
        let inputs = sample.inputs.clone();
        let mut config = Config::new();
        config.real_layers(Arithmetic::Fixed).calibrate(sample.inputs.clone());
        let mut running = Running::start_as(&path, config).unwrap_or_else(|e| panic!("{name}: {e}"));
        let verification = running.verify(&[Sample { expected: vec![], ..sample }]).unwrap();
        assert!(verification.ok, "{name}: {verification}");
        // On the very values that the ranges are from, and without a sign that flips, 16 bits are near.
        let network = &running.output.network;
        let scale = interpret::network::outputs(network, &inputs).unwrap()[0]
            .to_f32()
            .iter()
            .fold(0.0_f32, |m, x| m.max(x.abs()));
        let error = verification.max_abs_error / f64::from(scale);
        assert!(verification.end_to_end_flips > 0 || error < 5e-3, "{name}: {error}\n{verification}");
    }
}

#[test]
fn nothing_can_panic() {
    // By words, and down the lanes.
    let mut config = [0, 1].map(|i| config(&panic_free::name(i)));
    config[1].target("thumbv6m-none-eabi");
    let outputs = config.map(|mut config| compiled(config.probe(false)));
    assert_eq!(outputs.each_ref().map(|output| output.source().contains("count_window")), [false, true]);
    for level in ["s", "z", "1", "3"] {
        let result = panic_free::link(&outputs, level, "");
        let errors = String::from_utf8_lossy(&result.stderr);
        assert!(result.status.success(), "{level}: {}", &errors[errors.len().saturating_sub(2000)..]);
    }
}

#[test]
fn the_crate_computes_the_integers() {
    let (output, pictures) = (compiled(config("net").probe(false)), pictures());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fixed");
    for (path, bytes) in krate::files(&output, "net", &Runtime::Inside, None) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let bytes = pictures.iter().flatten().flat_map(Tensor::to_f32).flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    std::fs::write(folder.join("main.rs"), MAIN).unwrap();
    std::fs::write(folder.join("pictures"), bytes).unwrap();
    let rustc = |arguments: &[&str]| {
        // A warning in what was emitted would be the user's.
        let common =
            ["--edition=2024", "-O", "-Coverflow-checks=on", "-Dwarnings", "--check-cfg=cfg(feature, values(any()))"];
        let built = Command::new("rustc").args(common).args(arguments).current_dir(&folder).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    };
    let library = ["--crate-type=rlib", "--crate-name=net", "src/lib.rs"];
    rustc(&[&library[..], &["--cfg=feature=\"std\"", "--cfg=feature=\"alloc\""]].concat());
    rustc(&library);
    rustc(&["--extern=net=libnet.rlib", "-o", "main", "main.rs"]);
    let ran = Command::new(folder.join("main")).arg("pictures").current_dir(&folder).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let fixed = output.fixed.as_ref().unwrap();
    let wanted: String = (pictures.iter())
        .map(|picture| {
            let logits = run::outputs(&output.network, fixed, picture).unwrap()[0].to_f32();
            // 1 568 bytes of the picture, 12 544 of the widest stream.
            format!("{:?} 15936\n", logits.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), wanted);
}
