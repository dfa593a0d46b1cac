//! The page of `generated-examples/web`, in a browser: what it shows of pictures, of models, and of what is wrong with one.

use std::io::{Cursor, Read as _};
use std::path::Path;

use xnorc::emit::krate::{self, Faces};
use xnorc::{Config, Report};
use xnorc_tests::{fixtures, known};
use zip::ZipArchive;

use crate::browser::Browser;
use crate::tools::{clean, library_flags, run};

const CLASSES: [&str; 10] =
    ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// Uses the page as somebody would, in a frame, and then the compiler below it; what comes of it, line by line.
const DRIVER: &str = r##"<!doctype html>
<iframe src="index.html" width="1200" height="900"></iframe>
<script type="module">
  import init, { Beside, compile } from "./web_compiler.js";
  const said = [];
  const frame = document.querySelector("iframe");
  const find = (selector) => frame.contentDocument.querySelector(selector);
  const until = async (what) => {
    for (let tries = 0; !what(); tries++) {
      if (tries > 2000) throw new Error(`${what}: ${find("#state")?.textContent}`);
      await new Promise((go) => setTimeout(go, 30));
    }
  };
  const frames = () => new Promise((go) => frame.contentWindow.requestAnimationFrame(() => frame.contentWindow.requestAnimationFrame(go)));
  const drop = (...files) => {
    const dataTransfer = new DataTransfer();
    files.forEach((file) => dataTransfer.items.add(file));
    find("#drop").dispatchEvent(new frame.contentWindow.DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  };
  const key = (name, more) =>
    find("#picture").dispatchEvent(new frame.contentWindow.KeyboardEvent("keydown", { key: name, bubbles: true, ...more }));
  try {
    await until(() => find("#pictures button:nth-child(10)") && find("#time").textContent);
    for (let i = 1; i <= 10; i++) {
      find(`#pictures button:nth-child(${i})`).click();
      await frames();
      said.push(find("#answer").textContent);
    }
    key("Delete");
    await frames();
    said.push(find("#answer").textContent);
    for (let i = 0; i < 9; i++) key("ArrowDown", { shiftKey: true });
    await frames();
    said.push(find("#answer").textContent !== "Nothing yet");
    find("#example").click();
    await until(() => !find("#result").hidden);
    said.push(find("#report tbody").rows.length, find("#report .tiles dd").textContent);
    const model = await (await fetch("fashion.onnx")).arrayBuffer();
    drop(new File([model.slice(0, 1000)], "broken.onnx"));
    await until(() => find("#problems li"));
    said.push(find("#result").hidden, [...find("#problems").children].map((item) => item.textContent).join("|"));
    drop(new File([model], "again.onnx"));
    await until(() => !find("#result").hidden);
    said.push(find("#problems").children.length);
    const apart = ["r2b_dyn.onnx.data", "r2b_dyn.onnx"];
    drop(...(await Promise.all(apart.map(async (name) => new File([await (await fetch(name)).arrayBuffer()], name)))));
    await until(() => find("#state").textContent.startsWith("r2b_dyn.onnx: compiled"));
    said.push(find("#report tbody").rows.length);
    await init();
    const archive = compile(new Uint8Array(model), "fashion.onnx", new Beside()).archive(true, true);
    said.push(Array.from(archive, (byte) => byte.toString(16).padStart(2, "0")).join(""));
  } catch (e) {
    said.push(e.stack);
  }
  await fetch("/answer", { method: "POST", body: said.join("\n") });
</script>
"##;

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn the_page() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../generated-examples/web");
    let mut build = clean("cargo");
    build.args(["run", "--quiet", "--locked", "--", "build"]).current_dir(&example);
    let flags = library_flags("wasm32-unknown-unknown").join(" ");
    run(build.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", flags));
    let page = tempfile::tempdir().expect("a temporary folder");
    for entry in std::fs::read_dir(example.join("target/page")).expect("what was built") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, page.path().join(path.file_name().expect("a name"))).expect("a copy");
    }
    for file in ["r2b_dyn.onnx", "r2b_dyn.onnx.data"] {
        std::fs::copy(fixtures().join(file), page.path().join(file)).expect("a copy");
    }
    std::fs::write(page.path().join("driver.html"), DRIVER).expect("a writable folder");
    let said = Browser::open(page.path(), "driver.html");
    let mut said = said.lines();
    let mut next = || said.next().unwrap_or("nothing more");

    for logits in known::expected(&known::fashion(), &known::pictures()) {
        let logits: Vec<f32> = logits.iter().map(|&bits| f32::from_bits(bits as u32)).collect();
        let best = (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).expect("ten classes");
        assert_eq!(next(), CLASSES[best]);
    }
    assert_eq!((next(), next()), ("Nothing yet", "true"), "by keys");

    let mut config = Config::new();
    config.standalone(true).name("fashion");
    let output = xnorc::load(&known::fashion(), &config).expect("a network");
    let report = Report::new(&output);
    let share = report.totals.binary_macs as f64 / (report.totals.binary_macs + report.totals.real_macs) as f64;
    assert_eq!(next(), report.blocks.len().to_string());
    assert_eq!(next(), format!("{:.1} %", 100.0 * share));

    let bytes = std::fs::read(known::fashion()).expect("the model");
    let problems = xnorc::generate(&bytes[..1000], None, "broken", &config).expect_err("half a file");
    let shown: Vec<String> = problems
        .0
        .iter()
        .map(|p| {
            let place = p.place.as_ref().map(|place| format!("at {place}: ")).unwrap_or_default();
            let help = p.help.as_ref().map(|help| format!("What to do: {help}")).unwrap_or_default();
            format!("{} {place}{}{help}", p.code.as_str(), p.message)
        })
        .collect();
    assert_eq!((next(), next()), ("true", &shown.join("|")[..]));
    assert_eq!(next(), "0", "problems of the file before");

    let apart = xnorc::load(&fixtures().join("r2b_dyn.onnx"), &config).expect("a network");
    assert_eq!(next(), Report::new(&apart).blocks.len().to_string(), "with its weights in another file");

    let digits = next().as_bytes();
    let archive: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16))
        .collect::<Result<_, _>>()
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&digits[..digits.len().min(500)])));
    let mut archive = ZipArchive::new(Cursor::new(archive)).expect("a zip file");
    let wanted = krate::faced_files(&output, "fashion", Faces { c: true, web: true }, None);
    assert_eq!(archive.len(), wanted.len());
    for (path, bytes) in wanted {
        let mut found = Vec::new();
        archive.by_name(&format!("fashion/{path}")).expect("a file").read_to_end(&mut found).expect("its bytes");
        assert!(found == bytes, "{path}");
    }
}
