//! Accuracy on real pictures.

use std::path::Path;

use serde_json::Value;
use xnorc::ir::Tensor;

use super::{Desk, Run};

/// The trained example's pictures, as the example itself counts them.
#[test]
fn the_examples_pictures_are_classified_as_the_example_does() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../generated-examples/fashion");
    let read = |name: &str| std::fs::read(example.join(name)).unwrap();
    let (pictures, labels) = (read("pictures.bin"), read("labels.bin"));
    let logits: Vec<f32> = read("logits.bin").as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let desk = Desk::new();
    desk.put("pictures.npy", &bytes(&[1000, 28, 28], &pictures));
    desk.put("labels.txt", labels.iter().map(|label| format!("{label}\n")).collect::<String>().as_bytes());
    desk.put("trainer.npy", &xnorc::npy::write(&Tensor::f32([1000, 10], logits)));
    let model = example.join("fashion.onnx");
    let evaluate = |more: &[&str]| {
        let run: Run = desk.run(&[&["evaluate", model.to_str().unwrap(), "--json"][..], more].concat());
        run.json()
    };
    let stack = ["--images", "pictures.npy", "--labels", "labels.txt"];
    let all = evaluate(
        &[&stack[..], &["--beside", "trainer.npy", "--save", "own.npy", "--confusion", "confusion.csv"]].concat(),
    );
    // README of the example, and what `cargo run -p classify` prints: 92.5 %.
    assert_eq!((&all["pictures"], &all["right"], &all["top1"]), (&1000.into(), &925.into(), &0.925.into()), "{all}");
    assert!(all["top5"].as_f64() > Some(0.99) && all["min_ms"].as_f64() > Some(0.0), "{all}");
    assert_eq!((&all["beside"][0]["agreement"], &all["beside"][0]["right"]), (&1.0.into(), &925.into()), "{all}");
    let csv = std::fs::read_to_string(desk.path("confusion.csv")).unwrap();
    let count = |line: &str| line.split(',').skip(1).map(|cell| cell.parse::<usize>().unwrap()).sum::<usize>();
    assert_eq!(csv.lines().skip(1).map(count).sum::<usize>(), 1000, "{csv}");
    assert_eq!(all["worst"].as_array().map(Vec::len), Some(5));

    // The same pictures as files, in a folder for each class.
    for (index, (picture, label)) in pictures.chunks(784).zip(&labels).take(30).enumerate() {
        std::fs::create_dir_all(desk.path(&format!("set/{label}"))).unwrap();
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 28, 28);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(picture).unwrap();
        desk.put(&format!("set/{label}/{index:04}.png"), &file);
    }
    let few = evaluate(&[&stack[..], &["--limit", "30"]].concat());
    let files = evaluate(&["--images", "set", "--save", "files.npy"]);
    for key in ["pictures", "right", "top1", "top5"] {
        assert_eq!(few[key], files[key], "{key}");
    }
    // The saved outputs are those of a run, and of the files in their order.
    let read = |name: &str| xnorc::npy::read(&std::fs::read(desk.path(name)).unwrap()).unwrap();
    let (own, files) = (read("own.npy"), read("files.npy"));
    assert_eq!((&own.shape[..], &files.shape[..]), (&[1000, 10][..], &[30, 10][..]));
    let mut order: Vec<usize> = (0..30).collect();
    order.sort_by_key(|&index| (labels[index], index));
    let rows: Vec<f32> = order.iter().flat_map(|index| own.to_f32()[10 * index..][..10].to_vec()).collect();
    assert_eq!(files.to_f32(), rows);

    // What contradicts itself, or the pictures.
    for (code, arguments, message) in [
        (2, &["--images", "set", "--labels", "labels.txt"][..], "--labels contradicts folders"),
        (2, &["--images", "pictures.npy", "--confusion", "c.csv"], "--confusion needs --labels"),
        (1, &["--images", "set", "--beside", "files.npy", "--limit", "29", "--mean", "0,1"], "--mean has 2 numbers"),
        (1, &["--images", "pictures.npy", "--beside", "files.npy"], "answers for 30 pictures, but there are 1000"),
        (1, &["--images", "trainer.npy"], "X009 at file \"trainer.npy\": pictures of shape [1000, 10]"),
    ] {
        let run = desk.run(&[&["evaluate", model.to_str().unwrap()], arguments].concat());
        assert!(run.code == Some(code) && run.stderr.contains(message), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    // Without labels there are outputs and times alone.
    let unlabelled = evaluate(&["--images", "pictures.npy", "--limit", "3"]);
    assert_eq!((unlabelled.get("right"), &unlabelled["pictures"]), (None, &Value::from(3)));
    let interpreted = evaluate(&[&stack[..], &["--limit", "3", "--engine", "interpreter"]].concat());
    assert_eq!((&interpreted["level"], &interpreted["pictures"]), (&"interpreter".into(), &3.into()));
}

/// An array of bytes, as numpy saves it.
fn bytes(shape: &[usize], values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape:?}, }}").replace('[', "(");
    let header = header.replace(']', ")");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(values);
    file
}
