//! The benchmark scripts, as far as that costs nothing: they parse, and the pages say what the results say.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// What a Python program prints; nothing where there is no Python.
fn python(program: &str, arguments: &[PathBuf]) -> Option<String> {
    let mut command = Command::new("python3");
    command.current_dir(root().join("tests/benchmarks")).args(["-B", "-c", program]).args(arguments);
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The text between two markers of a page.
fn marked(page: &str, name: &str) -> String {
    let text = read(page);
    let (_, rest) = text.split_once(&format!("<!-- {name} -->\n")).unwrap_or_else(|| panic!("{page}: no {name}"));
    let (inside, _) = rest.split_once(&format!("<!-- /{name} -->")).unwrap_or_else(|| panic!("{page}: no /{name}"));
    inside.to_owned()
}

#[test]
fn scripts_parse() {
    let mut scripts = Vec::new();
    for folder in ["tests/benchmarks", "tests/benchmarks/workers"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "py") {
                scripts.push(path.canonicalize().unwrap());
            }
        }
    }
    assert!(scripts.len() >= 10, "{scripts:?}");
    python("import ast, sys\nfor path in sys.argv[1:]: ast.parse(open(path, encoding='utf-8').read(), path)", &scripts);
}

/// A table that was edited by hand, or results with other keys than `page.py` reads, would differ.
#[test]
fn pages_are_written_from_the_results() {
    let table = |expression: &str| python(&format!("import csv, json, page\nprint({expression})"), &[]);
    let json = |name: &str| format!("json.load(open('results/{name}.json'))");
    let rows = "[{k: float(v) for k, v in row.items()} for row in csv.DictReader(open('results/compile_cost.csv'))]";
    for (page, name, expression) in [
        ("README.md", "rivals", format!("page.rivals_short({})", json("rivals"))),
        ("tests/benchmarks/README.md", "rivals", format!("page.rivals({})", json("rivals"))),
        ("tests/benchmarks/README.md", "layers", format!("page.layers({})", json("layers"))),
        ("tests/benchmarks/README.md", "wasm", format!("page.wasm({})", json("wasm"))),
        ("tests/benchmarks/README.md", "arm", format!("page.arm({})", json("arm"))),
        ("tests/benchmarks/README.md", "families", format!("page.families({})", json("families"))),
        (
            "tests/benchmarks/README.md",
            "microcontrollers",
            format!("page.microcontrollers({})", json("microcontrollers")),
        ),
        ("tests/benchmarks/README.md", "compile_cost", format!("page.compile_cost({rows})")),
    ] {
        let Some(expected) = table(&expression) else { return };
        assert_eq!(marked(page, name).trim_end(), expected.trim_end(), "{page}, {name}: run the script with --redraw");
    }
}

/// The scripts read these fields of `xnorc bench --json`.
#[test]
fn the_fields_the_scripts_read_exist() {
    let text = serde_json::to_string(&xnorc_cli::bench::Bench::default()).unwrap();
    for (script, field) in [
        ("tests/benchmarks/layers.py", "peak_binary_gmacs"),
        ("tests/benchmarks/page.py", "peak_binary_gmacs"),
        ("tests/benchmarks/page.py", "peak_real_gmacs"),
        ("tests/benchmarks/page.py", "limit_ms"),
        ("tests/benchmarks/page.py", "level"),
    ] {
        assert!(
            read(script).contains(&format!("\"{field}\"")) || read(script).contains(&format!("['{field}']")),
            "{script}"
        );
        assert!(text.contains(&format!("\"{field}\":")), "{script} reads {field}, which is not in {text}");
    }
}
