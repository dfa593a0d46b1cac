//! The whole path in small, on the pictures that are part of the project: four steps of training, ONNX, compiled crate,
//! pictures; and the shipped network beside what the trainer said when it wrote it.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use retrain::{LABELS, LOGITS, MODEL, PICTURES, Trained, compare, train};
use xnorc_training::config::Config;
use xnorc_training::train::Quiet;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// The shipped pictures as a data set of 800 for training and 200 for the test.
fn write_data(folder: &Path) {
    let shipped = root().join("generated-examples/fashion");
    let (pictures, labels) = (read(&shipped.join(PICTURES)), read(&shipped.join(LABELS)));
    let file = |name: &str, dims: &[u32], data: &[u8]| {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend(data);
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    for (name, from, to) in [("train", 0, 800), ("t10k", 800, 1000)] {
        let n = (to - from) as u32;
        file(&format!("{name}-images-idx3-ubyte"), &[n, 28, 28], &pictures[784 * from..784 * to]);
        file(&format!("{name}-labels-idx1-ubyte"), &[n], &labels[from..to]);
    }
}

/// The shipped configuration with less of everything.
fn config(folder: &Path) -> Config {
    let mut config = Config::load(&root().join("runtime/training/configs/fashion-mnist.toml")).unwrap();
    config.output = folder.join("results");
    config.data.folder = folder.to_owned();
    for network in config.networks.values_mut() {
        network.widths = vec![8, 16];
        network.depths = vec![1, 1];
    }
    for step in &mut config.steps {
        (step.epochs, step.batch, step.schedule.warm_up) = (2, 20, 0);
    }
    config.checked().unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_whole_path() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let config = config(folder.path());
    let trained =
        train(&config, folder.path(), 50, &AtomicBool::new(false), &mut Quiet).unwrap_or_else(|p| panic!("{p}"));
    let trained = trained.unwrap();
    assert_eq!((trained.labels.len(), trained.logits.len()), (200, 2000));
    // What stays beside the network is the beginning of what was compared.
    assert_eq!(floats(&read(&folder.path().join(LOGITS))), trained.logits[..500]);
    assert_eq!(read(&folder.path().join(PICTURES)), trained.pictures[..50 * 784]);
    assert_eq!(read(&folder.path().join(LABELS)), trained.labels[..50]);
    let (result, verification) = compare(folder.path(), &trained, 50).unwrap_or_else(|p| panic!("{p}"));
    assert!(verification.ok, "{verification}");
    assert_eq!(result.pictures, 200);
    assert_eq!(result.same, 200, "{result:?}");
    // A sign near zero that another rounding turns shows in its picture's logits; few pictures have one.
    assert!(result.close >= 190, "{result:?}");
    // It learned: ten classes.
    assert!(result.right > 50, "{result:?}");
    // The second time nothing is trained, and the same is written.
    let model = read(&folder.path().join(MODEL));
    train(&config, folder.path(), 50, &AtomicBool::new(false), &mut Quiet).unwrap();
    assert_eq!(read(&folder.path().join(MODEL)), model);
}

/// The compiled crate gives, on every shipped picture, what the trainer recorded when it wrote the file.
#[test]
fn the_shipped_network() {
    let folder = root().join("generated-examples/fashion");
    let trained = Trained::kept(&folder).unwrap();
    assert_eq!((trained.pixels, trained.classes), (784, 10));
    let long = std::env::var_os("XNORC_LONG").is_some_and(|v| v != "0");
    let (result, verification) = compare(&folder, &trained, if long { 1000 } else { 20 }).unwrap();
    assert!(verification.ok, "{verification}");
    assert_eq!((result.pictures, result.same), (1000, 1000), "{result:?}");
    assert!(result.close >= 950, "{result:?}");
    assert!(result.right >= 900, "{result:?}");
}
