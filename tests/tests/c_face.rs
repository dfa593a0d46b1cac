//! Crates for C and C++: the header and the library in the hands of the system's compilers, two networks in one program.
//!
//! All of them are long: they run cargo.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use xnorc::Config;
use xnorc::emit::krate;
use xnorc::ir::Tensor;
use xnorc_tests::{fixtures, known, recorded};

const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A command free of what the cargo around the tests has set; what it printed.
fn run(command: &mut Command) -> String {
    for inherited in
        ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "RUSTC_WORKSPACE_WRAPPER"]
    {
        command.env_remove(inherited);
    }
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (printed, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{printed}\n{told}", output.status);
    printed.into_owned()
}

/// The crate of a model, in a folder so named.
fn crate_of(model: &Path, name: &str, home: &Path) -> PathBuf {
    let mut config = Config::new();
    config.standalone(true).name(name);
    let output = xnorc::load(model, &config).unwrap();
    let folder = home.join(name);
    for (path, bytes) in krate::c_files(&output, name, None) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

/// The first block of the crate's README in this language.
fn block(folder: &Path, language: &str) -> String {
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let (_, rest) =
        readme.split_once(&format!("\n```{language}\n")).unwrap_or_else(|| panic!("no block of {language}"));
    rest.split_once("\n```\n").unwrap().0.to_owned() + "\n"
}

/// What the README says builds the library, and then what is in it.
fn library(folder: &Path) -> PathBuf {
    let line = block(folder, "sh").lines().next().unwrap().to_owned();
    run(Command::new("sh").args(["-c", &format!("RUSTFLAGS=-Dwarnings {line} --offline")]).current_dir(folder));
    let name = folder.file_name().unwrap().to_str().unwrap();
    folder.join(format!("target/release/lib{name}.a"))
}

/// A program in what C and C++ have in common: it reads inputs of `two` and of `fashion` as floats, and prints the bits of their
/// outputs, in turns.
const PROGRAM: &str = r#"
#include "fashion.h"
#include "two.h"
#include <stdio.h>
#include <string.h>

static float a[TWO_INPUT_A_LEN], b[TWO_INPUT_B_LEN], picture[FASHION_INPUT_LEN];
static float first[TWO_OUTPUT_X_LEN], logits[FASHION_OUTPUT_LEN];
static int64_t second[TWO_OUTPUT_Y_LEN];
TWO_ALIGNED static unsigned char two_scratch[TWO_SCRATCH_BYTES];
FASHION_ALIGNED static unsigned char scratch[FASHION_SCRATCH_BYTES + FASHION_SCRATCH_ALIGN];

static void print(const float *values, int count)
{
    int i;
    for (i = 0; i < count; i++) {
        unsigned int bits;
        memcpy(&bits, &values[i], sizeof bits);
        printf(" %u", bits);
    }
}

int main(void)
{
    const int shape[FASHION_INPUT_RANK] = FASHION_INPUT_SHAPE;
    int i, j;
    if (shape[0] != 1 || shape[1] != 1 || shape[2] != 28 || shape[3] != 28) return 3;
    if (strcmp(FASHION_INPUT_NAME, "picture") != 0 || strcmp(FASHION_OUTPUT_NAME, "logits") != 0) return 4;
    if (fashion_infer(NULL, logits, scratch) != FASHION_ERROR_NULL) return 5;
    if (fashion_infer(picture, NULL, scratch) != FASHION_ERROR_NULL) return 6;
    if (fashion_infer(picture, logits, NULL) != FASHION_ERROR_NULL) return 7;
    if (fashion_infer(picture, logits, scratch + 32) != FASHION_ERROR_ALIGNMENT) return 8;
    if (two_infer(a, NULL, first, second, two_scratch) != TWO_ERROR_NULL) return 9;
    memset(scratch, 0xff, sizeof scratch);
    memset(two_scratch, 0xff, sizeof two_scratch);
    for (i = 0; i < 10; i++) {
        if (fread(a, sizeof a, 1, stdin) != 1 || fread(b, sizeof b, 1, stdin) != 1) return 10;
        if (fread(picture, sizeof picture, 1, stdin) != 1) return 11;
        if (two_infer(a, b, first, second, two_scratch) != TWO_OK) return 12;
        if (fashion_infer(picture, logits, scratch) != FASHION_OK) return 13;
        print(first, TWO_OUTPUT_X_LEN);
        for (j = 0; j < TWO_OUTPUT_Y_LEN; j++) printf(" %lu", (unsigned long)second[j]);
        print(logits, FASHION_OUTPUT_LEN);
        printf("\n");
    }
    return 0;
}
"#;

/// C99 and C++, without a warning, and neither's answers differ from Rust's by a bit.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn two_networks_in_one_program() {
    let home = tempfile::tempdir().unwrap();
    let model = fixtures().join("two_in_two_out_ts17.onnx");
    let folders = [crate_of(&known::fashion(), "fashion", home.path()), crate_of(&model, "two", home.path())];
    let libraries: Vec<PathBuf> = folders.iter().map(|folder| library(folder)).collect();

    let (pictures, twos) = (known::pictures(), vec![recorded(&model); 10]);
    let wanted: String = std::iter::zip(known::expected(&model, &twos), known::expected(&known::fashion(), &pictures))
        .fold(String::new(), |mut text, (two, logits)| {
            two.iter().chain(&logits).for_each(|bits| write!(text, " {bits}").unwrap());
            text + "\n"
        });
    let inputs: Vec<u8> = std::iter::zip(&twos, &pictures)
        .flat_map(|(two, picture)| two.inputs.iter().chain(&picture.inputs))
        .flat_map(Tensor::to_f32)
        .flat_map(f32::to_le_bytes)
        .collect();
    std::fs::write(home.path().join("inputs"), inputs).unwrap();

    for (compiler, standard, file) in
        [("gcc", "-std=c99", "main.c"), ("g++", "-std=c++98", "main.cpp"), ("g++", "-std=c++20", "main.cpp")]
    {
        std::fs::write(home.path().join(file), program(&folders[1])).unwrap();
        let mut link = Command::new(compiler);
        link.arg(standard).args(WARNINGS).current_dir(home.path()).arg(file).args(["-o", "program"]);
        link.args(["-Ifashion/include", "-Itwo/include"]).args(&libraries);
        run(&mut link);
        let inputs = std::fs::File::open(home.path().join("inputs")).unwrap();
        let printed = run(Command::new(home.path().join("program")).stdin(inputs));
        assert_eq!(printed, wanted, "{compiler} {standard}");
    }
}

/// The program with the names of this model's tensors, as the header has them.
fn program(two: &Path) -> String {
    let header = std::fs::read_to_string(two.join("include/two.h")).unwrap();
    let names =
        header.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once("_LEN ").map(|(name, _)| name));
    let names: Vec<&str> = names.collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let ours = ["TWO_INPUT_A", "TWO_INPUT_B", "TWO_OUTPUT_X", "TWO_OUTPUT_Y"];
    std::iter::zip(ours, names)
        .fold(PROGRAM.to_owned(), |text, (ours, name)| text.replace(&format!("{ours}_LEN"), &format!("{name}_LEN")))
}

/// A program that reads the inputs as bytes and prints the bits of the outputs, made of what the header says: `(name, type)` each.
fn reading_bytes(name: &str, inputs: &[(String, String)], outputs: &[(String, String)]) -> String {
    let upper = name.to_uppercase();
    let mut text = format!("#include \"{name}.h\"\n#include <stdio.h>\n#include <string.h>\n");
    for (tensor, kind) in inputs.iter().chain(outputs) {
        writeln!(text, "static {kind} {tensor}[{upper}_{}_LEN];", tensor.to_uppercase()).unwrap();
    }
    writeln!(text, "{upper}_ALIGNED static unsigned char scratch[{upper}_SCRATCH_BYTES];").unwrap();
    writeln!(text, "int main(void)\n{{\n    int i;\n    unsigned int bits;").unwrap();
    for (tensor, _) in inputs {
        writeln!(text, "    if (fread({tensor}, sizeof {tensor}, 1, stdin) != 1) return 2;").unwrap();
    }
    let all: Vec<&str> = inputs.iter().chain(outputs).map(|(tensor, _)| tensor.as_str()).collect();
    writeln!(text, "    if ({name}_infer({}, scratch) != {upper}_OK) return 3;", all.join(", ")).unwrap();
    for (tensor, kind) in outputs {
        let print = match &kind[..] {
            "float" => format!("memcpy(&bits, &{tensor}[i], sizeof bits); printf(\"%u\\n\", bits);"),
            _ => format!("printf(\"%lu\\n\", (unsigned long){tensor}[i]);"),
        };
        writeln!(text, "    for (i = 0; i < {upper}_{}_LEN; i++) {{ {print} }}", tensor.to_uppercase()).unwrap();
    }
    text + "    return 0;\n}\n"
}

/// Bytes and token ids go in as they are, and indices come out.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn integers_go_in_and_out() {
    for (fixture, name, kinds) in [("keywords_ts17", "keywords", "uint8_t"), ("bibert_where_ts17", "bibert", "int64_t")]
    {
        let home = tempfile::tempdir().unwrap();
        let model = fixtures().join(format!("{fixture}.onnx"));
        let folder = crate_of(&model, name, home.path());
        let archive = library(&folder);
        let header = std::fs::read_to_string(folder.join(format!("include/{name}.h"))).unwrap();
        let (_, signature) = header.split_once(&format!("int {name}_infer(")).unwrap();
        let arguments = signature.split_once(");").unwrap().0.split(',').map(str::trim);
        let mut sides = [Vec::new(), Vec::new()];
        for argument in arguments.filter(|argument| *argument != "void *scratch") {
            let (kind, tensor) = argument.rsplit_once(" *").unwrap();
            let input = kind.strip_prefix("const ");
            sides[usize::from(input.is_none())].push((tensor.to_owned(), input.unwrap_or(kind).to_owned()));
        }
        let [inputs, outputs] = sides;
        assert!(inputs.iter().all(|(_, kind)| kind == kinds), "{inputs:?}");

        let sample = recorded(&model);
        let bytes = |x: f32| match kinds {
            "uint8_t" => vec![x as u8],
            _ => (x as i64).to_le_bytes().to_vec(),
        };
        let given: Vec<u8> = sample.inputs.iter().flat_map(Tensor::to_f32).flat_map(bytes).collect();
        let wanted =
            known::expected(&model, &[sample]).concat().iter().map(|bits| format!("{bits}\n")).collect::<String>();
        std::fs::write(home.path().join("inputs"), given).unwrap();
        std::fs::write(home.path().join("main.c"), reading_bytes(name, &inputs, &outputs)).unwrap();
        let mut link = Command::new("gcc");
        link.arg("-std=c99").args(WARNINGS).args(["-Wno-unused-variable", "main.c", "-o", "program"]);
        run(link.arg(format!("-I{name}/include")).arg(&archive).current_dir(home.path()));
        let given = std::fs::File::open(home.path().join("inputs")).unwrap();
        assert_eq!(run(Command::new(home.path().join("program")).stdin(given)), wanted, "{fixture}");
    }
}

/// The README's program, Makefile, lines of CMake where there is one, and shared library.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn what_the_readme_says_works() {
    let home = tempfile::tempdir().unwrap();
    let folder = crate_of(&fixtures().join("two_in_two_out_ts17.onnx"), "two", home.path());
    let put = |place: &Path, file: &str, text: &str| std::fs::write(place.join(file), text).unwrap();
    put(&folder, "main.c", &block(&folder, "c"));
    let shell = |script: &str| {
        run(Command::new("sh").args(["-ec", script]).env("CARGO_NET_OFFLINE", "true").current_dir(&folder))
    };
    shell(&block(&folder, "sh"));
    assert_eq!(shell("./program"), "0\n");

    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let shared = readme.rsplit_once("```sh\n").unwrap().1.split_once("```").unwrap().0;
    shell(&format!("rm program target/release/libtwo.a\n{shared}"));
    assert_eq!(shell("./program"), "0\n");

    put(home.path(), "main.c", &block(&folder, "c"));
    put(home.path(), "Makefile", &block(&folder, "make"));
    run(Command::new("make").arg("program").env("CARGO_NET_OFFLINE", "true").current_dir(home.path()));
    assert_eq!(run(&mut Command::new(home.path().join("program"))), "0\n");

    put(home.path(), "CMakeLists.txt", &block(&folder, "cmake"));
    if Command::new("cmake").arg("--version").output().is_ok() {
        let script = "cmake -S . -B build && cmake --build build && build/program";
        let printed =
            run(Command::new("sh").args(["-ec", script]).env("CARGO_NET_OFFLINE", "true").current_dir(home.path()));
        assert!(printed.ends_with("\n0\n"), "{printed}");
    } else {
        println!("not tried, as there is no cmake: CMakeLists.txt");
    }
}

/// `generated-examples/fashion-c`: the class of each picture, and its logits to the bit.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn the_example() {
    let build = tempfile::tempdir().unwrap();
    let net = crate_of(&known::fashion(), "fashion_net", build.path());
    let example = repository().join("generated-examples/fashion-c");
    let mut make = Command::new("make");
    // Newer than the model: it need not be compiled again.
    make.args(["-s", "run", "XNORC=false"]).arg(format!("BUILD={}", build.path().display()));
    let printed = run(make
        .arg("CFLAGS=-std=c99 -O1 -Wall -Wextra -Wpedantic -Werror")
        .env("CARGO_NET_OFFLINE", "true")
        .current_dir(example));
    assert!(net.join("target/release/libfashion_net.a").is_file());
    let labels = std::fs::read(repository().join("generated-examples/fashion/labels.bin")).unwrap();
    let classes =
        ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];
    let expected = known::expected(&known::fashion(), &known::pictures());
    assert_eq!(printed.lines().count(), 10, "{printed}");
    let mut right = 0;
    for (index, (line, expected)) in std::iter::zip(printed.lines(), &expected).enumerate() {
        let (answer, logits) = line.split_once("; ").unwrap();
        right += usize::from(answer == format!("picture {index}: {}", classes[usize::from(labels[index])]));
        let bits: Vec<u64> = logits.split(' ').map(|text| u64::from(hexadecimal(text).to_bits())).collect();
        assert_eq!(&bits, expected, "{line}");
    }
    assert!(right >= 9, "{printed}");
}

/// `-0x1.e96b9cp+1`.
fn hexadecimal(text: &str) -> f32 {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (digits, exponent) = text.strip_prefix("0x").unwrap().split_once('p').unwrap();
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).unwrap() as f64;
    let exponent = exponent.parse::<i32>().unwrap() - 4 * i32::try_from(fraction.len()).unwrap();
    (sign * digits * 2.0_f64.powi(exponent)) as f32
}
