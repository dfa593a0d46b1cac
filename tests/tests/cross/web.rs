//! Crates for the web: built by what their README says, and the same bits from Node.js and from a browser as from Rust.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use xnorc::Config;
use xnorc::emit::krate::{self, Faces};
use xnorc::ir::Tensor;
use xnorc_tests::{fixtures, known, recorded};

use crate::browser::Browser;
use crate::tools::{clean, library_flags, need, run};

const TARGET: &str = "wasm32-unknown-unknown";

/// The crate of a model, in a folder so named, and what its README says done in it.
fn built(model: &Path, name: &str, home: &Path) -> PathBuf {
    let mut config = Config::new();
    config.standalone(true).name(name).target(TARGET);
    let output = xnorc::load(model, &config).expect("a network");
    let folder = home.join(name);
    for (path, bytes) in krate::faced_files(&output, name, Faces { c: false, web: true }, None) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        std::fs::write(path, bytes).expect("a writable folder");
    }
    let lines = block(&folder, "sh");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    for line in lines.lines() {
        let arguments = line.strip_prefix("rustc ").expect("a line for rustc");
        run(clean("rustc").args(library_flags(TARGET)).args(["-Dwarnings", arguments]).current_dir(&folder));
    }
    folder.join("web")
}

/// The block of the crate's README in this language.
fn block(folder: &Path, language: &str) -> String {
    let readme = std::fs::read_to_string(folder.join("README.md")).expect("a README");
    let (_, rest) = readme.split_once(&format!("\n```{language}\n")).expect("a block of that language");
    rest.split_once("\n```\n").expect("its end").0.to_owned()
}

/// Both networks, in turns, on as many inputs as there are; the bits of what they answer, and what they say of arrays that do
/// not fit. `variant` names files of WebAssembly, or is what each module chooses.
const ANSWERS: &str = r#"
import { load as loadFashion } from "./fashion/fashion.js";
import { load as loadTwo } from "./two/two.js";

function complaint(f) {
  try { f(); } catch (e) { return `${e.name}: ${e.message}`; }
  return "none";
}

export async function answers(floats, ending) {
  const source = (name) => ending && new URL(`./${name}/${name}${ending}`, import.meta.url);
  const [fashion, again, two] = await Promise.all([loadFashion(source("fashion")), loadFashion(), loadTwo(source("two"))]);
  let lines = `${fashion.level} ${two.level}\n`;
  const bits = (array) => [...(array instanceof Float32Array ? new Uint32Array(array.buffer) : array)].join(" ");
  let start = 0;
  const next = (length) => floats.subarray(start, (start += length));
  const logits = new Float32Array(fashion.outputs[0].length);
  while (start < floats.length) {
    const input = Object.fromEntries(two.inputs.map(({ name, length }) => [name, next(length)]));
    const picture = next(fashion.inputs[0].length);
    again.infer(Array.from(picture, (x) => 1 - x));
    const second = two.infer(input);
    fashion.inferInto(picture, logits);
    if (bits(again.infer(picture)) !== bits(logits)) throw new Error("two of the same differ");
    lines += [...two.outputs.map(({ name }) => bits(second[name])), bits(logits)].join(" ") + "\n";
  }
  lines += [fashion.inputs[0].name, fashion.inputs[0].shape, fashion.outputs[0].name, fashion.outputs[0].shape].join(" ") + "\n";
  for (const wrong of [new Float32Array(3), undefined, "picture"]) lines += complaint(() => fashion.infer(wrong)) + "\n";
  lines += complaint(() => fashion.inferInto(new Float32Array(784), [])) + "\n";
  lines += complaint(() => two.infer({ [two.inputs[0].name]: next(0) })) + "\n";
  return lines;
}
"#;

/// In a page, with a server that knows the type of WebAssembly and one that does not.
const PAGE: &str = r#"<!doctype html>
<script type="module">
  import { answers } from "./answers.js";
  const send = (body) => fetch("/answer", { method: "POST", body });
  try {
    const floats = new Float32Array(await (await fetch("./inputs")).arrayBuffer());
    let all = "";
    for (const ending of [undefined, ".wasm", ".relaxed.wasm", ".wasm?type=text/plain"]) all += await answers(floats, ending);
    await send(all);
  } catch (e) {
    await send(`${e.stack}`);
  }
</script>
"#;

const NODE: &str = r#"
import { readFile } from "node:fs/promises";
import { setFlagsFromString } from "node:v8";
import { answers } from "./answers.js";
const floats = new Float32Array((await readFile(new URL("./inputs", import.meta.url))).buffer);
console.log(await answers(floats) + await answers(floats, ".wasm"));
"#;

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn the_same_bits_from_the_web() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let model = fixtures().join("two_in_two_out_ts17.onnx");
    let put = |file: &str, bytes: &[u8]| std::fs::write(home.path().join(file), bytes).expect("a writable folder");
    for (model, name) in [(&known::fashion(), "fashion"), (&model, "two")] {
        let web = built(model, name, home.path());
        let place = home.path().join("page").join(name);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("a writable folder");
        std::fs::rename(web, place).expect("one file system");
    }
    let (pictures, twos) = (known::pictures(), vec![recorded(&model); 10]);
    let mut wanted = String::new();
    for (two, logits) in std::iter::zip(known::expected(&model, &twos), known::expected(&known::fashion(), &pictures)) {
        let words: Vec<String> = two.iter().chain(&logits).map(u64::to_string).collect();
        writeln!(wanted, "{}", words.join(" ")).expect("text");
    }
    wanted += "picture 1,1,28,28 logits 1,10
RangeError: fashion: input \"picture\" takes 784 numbers (1 x 1 x 28 x 28), not 3
TypeError: fashion: input \"picture\" takes 784 numbers (1 x 1 x 28 x 28), in an array
TypeError: fashion: input \"picture\" takes 784 numbers (1 x 1 x 28 x 28), in an array
RangeError: fashion: output \"logits\" takes 10 numbers (1 x 10), not 0
";
    let inputs: Vec<u8> = std::iter::zip(&twos, &pictures)
        .flat_map(|(two, picture)| two.inputs.iter().chain(&picture.inputs))
        .flat_map(Tensor::to_f32)
        .flat_map(f32::to_le_bytes)
        .collect();
    put("page/inputs", &inputs);
    put("page/package.json", b"{ \"type\": \"module\" }");
    put("page/answers.js", ANSWERS.as_bytes());
    put("page/index.html", PAGE.as_bytes());
    put("page/node.mjs", NODE.as_bytes());
    let page = home.path().join("page");

    need("node", &["nodejs"]);
    let printed = run(Command::new("node").arg("node.mjs").current_dir(&page));
    judge(&printed, &wanted, &["simd128", "given"]);

    // Debian's runs on processors with fused multiply-add alone; so does what the tests of relaxed SIMD need.
    let fused = !cfg!(target_arch = "x86_64") || std::arch::is_x86_feature_detected!("fma");
    let best = if fused { "relaxed-simd" } else { "simd128" };
    let mut levels = vec![best, "given", "given", "given"];
    if !fused {
        println!("not the same bits by nature: relaxed SIMD where multiply-add rounds twice");
        levels.remove(2);
    }
    let said = Browser::open(&page, "index.html");
    judge(&said, &wanted, &levels);
}

/// Bytes go in, token ids as bigints; what is no such number is refused.
const INTEGERS: &str = r#"
import { readFile } from "node:fs/promises";
import { load } from "./net.js";
const net = await load(new URL("./net.wasm", import.meta.url));
const given = JSON.parse(await readFile(new URL("./inputs", import.meta.url)));
const arrays = net.inputs.map(({ type }, i) => (type === "u8" ? Uint8Array : BigInt64Array).from(given[i], (x) => type === "u8" ? x : BigInt(x)));
const named = (arrays) => net.inputs.length === 1 ? arrays[0] : Object.fromEntries(net.inputs.map(({ name }, i) => [name, arrays[i]]));
const answer = net.infer(named(arrays));
const lists = net.outputs.length === 1 ? [answer] : net.outputs.map(({ name }) => answer[name]);
for (const list of lists) for (const x of list instanceof Float32Array ? new Uint32Array(list.buffer) : list) console.log(`${x}`);
console.log(net.inputs.map(({ type }) => type).join(" "), net.outputs.map(({ type }) => type).join(" "));
try { net.infer(named(arrays.map((array) => array.subarray(1)))); } catch (e) { console.log(e.name); }
"#;

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn integers_go_in_and_out() {
    need("node", &["nodejs"]);
    for (fixture, types) in [("keywords_ts17", "u8 f32 i64"), ("bibert_where_ts17", "i64 i64 i64 f32")] {
        let home = tempfile::tempdir().expect("a temporary folder");
        let model = fixtures().join(format!("{fixture}.onnx"));
        let web = built(&model, "net", home.path());
        let put = |file: &str, bytes: &[u8]| std::fs::write(web.join(file), bytes).expect("a writable folder");
        let sample = recorded(&model);
        let lists: Vec<String> = sample.inputs.iter().map(|tensor| format!("{:?}", whole(tensor))).collect();
        put("inputs", format!("[{}]", lists.join(",")).as_bytes());
        put("package.json", b"{ \"type\": \"module\" }");
        put("run.mjs", INTEGERS.as_bytes());
        let mut wanted: Vec<String> = known::expected(&model, &[sample]).concat().iter().map(u64::to_string).collect();
        wanted.extend([types.to_owned(), "RangeError".to_owned()]);
        let printed = run(Command::new("node").arg("run.mjs").current_dir(&web));
        assert_eq!(printed.lines().collect::<Vec<_>>(), wanted, "{fixture}");
    }
}

fn whole(tensor: &Tensor) -> Vec<i64> {
    tensor.to_f32().into_iter().map(|x| x as i64).collect()
}

/// One block of answers for each level, and each the same.
fn judge(said: &str, wanted: &str, levels: &[&str]) {
    let lines: Vec<&str> = said.trim_end().lines().collect();
    let each = wanted.lines().count() + 2;
    assert_eq!(lines.len(), each * levels.len(), "{said}");
    for (part, level) in lines.chunks(each).zip(levels) {
        assert_eq!(part[0], format!("{level} {level}"));
        assert_eq!(part[1..each - 1].join("\n") + "\n", wanted, "{level}");
        assert!(part[each - 1].contains("Error: two: input "), "{}", part[each - 1]);
    }
}
