use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::config::{Augmentation, ShardsConfig, Validation};

/// A tar file of these files.
fn tar(path: &Path, files: &[(&str, &[u8])]) {
    let mut builder = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.finish().unwrap();
}

/// A picture whose colour is its number.
fn png(number: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(8, 8, image::Rgb([number; 3])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Pictures number `from` to `to`, three classes in turn; labels in one of the two forms.
fn shard(path: &Path, from: u8, to: u8) {
    let mut files = Vec::new();
    for number in from..to {
        let label = number % 3;
        let (ending, text) = match number % 2 {
            0 => ("cls", format!("{label}\n")),
            _ => ("json", format!("{{\"label\": {label}, \"from\": \"a camera\"}}")),
        };
        files.push((format!("a.b/{number:06}.png"), png(number)));
        files.push((format!("a.b/{number:06}.seg.png"), b"passed over".to_vec()));
        files.push((format!("a.b/{number:06}.{ending}"), text.into_bytes()));
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    tar(path, &files);
}

fn config(folder: &Path, buffer: usize) -> DataConfig {
    let shards = ShardsConfig {
        train: "train-{00..02}.tar".into(),
        test: "val-*.tar".into(),
        validation: None,
        classes: None,
        buffer,
    };
    DataConfig {
        format: DataFormat::Shards,
        folder: folder.to_owned(),
        mean: vec![0.0; 3],
        std: vec![1.0; 3],
        size: Some(8),
        resize: None,
        train_pictures: None,
        test_pictures: None,
        shards: Some(shards),
        validation: Validation { from: ValidationFrom::Test, ..Validation::default() },
        workers: 0,
    }
}

fn write(folder: &Path) {
    for i in 0..3u8 {
        shard(&folder.join(format!("train-0{i}.tar")), 20 * i, 20 * i + 20);
    }
    shard(&folder.join("val-a.tar"), 60, 64);
    shard(&folder.join("val-b.tar"), 64, 66);
}

/// The numbers of the pictures of an epoch, in their order.
fn epoch(part: &Arc<Part>, config: &DataConfig, epoch: usize, workers: usize) -> Vec<u8> {
    let config = DataConfig { workers, ..config.clone() };
    let order = Order::Shuffled { seed: 1, epoch, augmentation: Augmentation::default() };
    let batches = Batches::new(part, Plan::new(&config, [8, 8], 3, 7, order));
    batches.flat_map(|b| b.pictures.chunks(3 * 64).map(|p| (p[0] * 255.0).round() as u8).collect::<Vec<_>>()).collect()
}

#[test]
fn pictures_are_found_with_their_labels() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let own = config(folder.path(), 10);
    let data = Dataset::load(&own).unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.classes.join(" ")), (60, 6, "0 1 2".to_owned()));
    assert_eq!(data.task(&own), Task { channels: 3, size: [8, 8], classes: 3 });
    for part in [&data.train, &data.test] {
        for (i, &label) in part.labels.iter().enumerate() {
            let number = part.picture(i).unwrap().bytes[0];
            assert_eq!(u32::from(number % 3), label);
        }
    }
    // What chooses pictures by number does so here too; names, and validation shards.
    std::fs::write(folder.path().join("names"), "cat\ndog\nbird\n").unwrap();
    let mut own = DataConfig { train_pictures: Some(30), ..own };
    own.validation = Validation { share: Some(0.2), ..Validation::default() };
    own.shards.as_mut().unwrap().classes = Some("names".into());
    let data = Dataset::load(&own).unwrap();
    assert_eq!((data.train.len(), data.watched().len(), data.classes[2].as_str()), (24, 6, "bird"));
    own.validation = Validation { from: ValidationFrom::Shards, ..Validation::default() };
    own.shards.as_mut().unwrap().validation = Some("val-b.{tar}".into());
    assert_eq!(Dataset::load(&own).unwrap().watched().labels, [1, 2]);
}

/// An order of seed and epoch alone; each picture once, those of a file near each other, and not as they lie.
#[test]
fn shards_are_shuffled_by_file_and_buffer() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let config = config(folder.path(), 10);
    let part = Arc::new(Dataset::load(&config).unwrap().train);
    let one = epoch(&part, &config, 0, 1);
    assert_eq!((one.len(), &one), (56, &epoch(&part, &config, 0, 3)));
    assert_ne!(one, epoch(&part, &config, 1, 1));
    let whole = part.shuffled(&mut seeds::generator(1, seeds::Purpose::Order, 0, 0));
    assert!(whole.iter().zip(&one).all(|(&number, &picture)| number == usize::from(picture)));
    let mut sorted = whole.clone();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..60));
    // The first ten are of what comes first: of one file, its pictures up to number 19, in no order.
    let file = whole[0] / 20;
    assert!(whole[..10].iter().all(|number| number / 20 == file) && !whole[..10].is_sorted(), "{whole:?}");
    let firsts: std::collections::HashSet<usize> =
        (0..20).map(|epoch| part.shuffled(&mut seeds::generator(1, seeds::Purpose::Order, epoch, 0))[0] / 20).collect();
    assert_eq!(firsts.len(), 3);
    // A buffer larger than the data, and one of one: the order of the files alone.
    let mut all = config.clone();
    for (buffer, sorted) in [(1, true), (100, false)] {
        all.shards.as_mut().unwrap().buffer = buffer;
        let part = Dataset::load(&all).unwrap().train;
        let order = part.shuffled(&mut seeds::generator(1, seeds::Purpose::Order, 0, 0));
        assert_eq!(order[..20].is_sorted(), sorted);
    }
}

#[test]
fn wrong_shards_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder);
    let config = config(folder, 10);
    let told = |config: &DataConfig| Dataset::load(config).unwrap_err().to_string();
    // All of it: one that is missing, one that is cut off, one that is compressed, one without labels.
    std::fs::remove_file(folder.join("train-01.tar")).unwrap();
    let whole = std::fs::read(folder.join("train-02.tar")).unwrap();
    std::fs::write(folder.join("train-02.tar"), &whole[..whole.len() / 2 / 512 * 512 - 300]).unwrap();
    std::fs::write(folder.join("val-c.tar"), [0x1f, 0x8b, 8, 0]).unwrap();
    let picture = png(1);
    tar(&folder.join("val-b.tar"), &[("1.png", &picture), ("1.cls", b"cat"), ("2.png", &picture), ("3.cls", b"1")]);
    let text = told(&config);
    let parts =
        ["train-01.tar\": cannot be", "train-02.tar\": ", "val-b.tar\": 3 of its", "val-c.tar\": is compressed"];
    assert!(text.lines().zip(parts).all(|(line, part)| line.contains(part)), "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");
    // A label beyond the names; a pattern of nothing.
    write(folder);
    std::fs::remove_file(folder.join("val-c.tar")).unwrap();
    std::fs::write(folder.join("names"), "cat\ndog\n").unwrap();
    let mut few = config.clone();
    few.shards.as_mut().unwrap().classes = Some("names".into());
    assert!(told(&few).contains("a number below 2"), "{}", told(&few));
    few.shards.as_mut().unwrap().train = "training-*.tar".into();
    assert!(told(&few).contains("no file there is called `training-*.tar`"), "{}", told(&few));
    // A picture that is damaged is skipped by name, as elsewhere.
    tar(&folder.join("val-a.tar"), &[("1.png", b"no picture"), ("1.cls", b"1"), ("2.png", &picture), ("2.cls", b"1")]);
    let test = Arc::new(Dataset::load(&config).unwrap().test);
    let batch = Batches::new(&test, Plan::new(&config, [8, 8], 3, 9, Order::Sequential)).next().unwrap();
    assert_eq!(batch.labels, [1, 1, 2]);
    assert!(
        batch.skipped.to_string().contains("val-a.tar\": the picture at byte 512 is no picture"),
        "{}",
        batch.skipped
    );
}
