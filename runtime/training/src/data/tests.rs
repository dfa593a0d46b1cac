use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::config::{Augmentation, Jitter, Validation};

fn config(format: DataFormat, folder: &Path) -> DataConfig {
    let channels = if format == DataFormat::Idx { 1 } else { 3 };
    DataConfig {
        format,
        folder: folder.to_owned(),
        mean: vec![0.5; channels],
        std: vec![0.25; channels],
        size: (format == DataFormat::Folders).then_some(8),
        resize: None,
        train_pictures: None,
        test_pictures: None,
        shards: None,
        validation: Validation { from: ValidationFrom::Test, ..Validation::default() },
        workers: 0,
    }
}

fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn write_idx(folder: &Path, n: u32) {
    let pictures: Vec<u8> = (0..n * 12).map(|i| i as u8).collect();
    let labels: Vec<u8> = (0..n).map(|i| (i % 3) as u8).collect();
    for name in ["train", "t10k"] {
        let file = std::fs::File::create(folder.join(format!("{name}-images-idx3-ubyte.gz"))).unwrap();
        let mut zip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        zip.write_all(&idx(&[n, 4, 3], &pictures)).unwrap();
        zip.finish().unwrap();
        std::fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), idx(&[n], &labels)).unwrap();
    }
}

#[test]
fn idx_files_are_read_zipped_or_not() {
    let folder = tempfile::tempdir().unwrap();
    write_idx(folder.path(), 5);
    let config = config(DataFormat::Idx, folder.path());
    let data = Dataset::load(&config).unwrap();
    assert_eq!(data.task(&config), Task { channels: 1, size: [4, 3], classes: 3 });
    assert_eq!(data.train.labels, [0, 1, 2, 0, 1]);
    assert_eq!(data.test.picture(1).unwrap().bytes, (12..24).collect::<Vec<u8>>());
    let few = Dataset::load(&DataConfig { train_pictures: Some(2), test_pictures: Some(9), ..config }).unwrap();
    assert_eq!((few.train.labels.as_slice(), few.test.len()), ([0, 2].as_slice(), 5));
    assert_eq!(few.train.picture(1).unwrap(), data.train.picture(2).unwrap());
}

#[test]
fn wrong_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let load = |format| Dataset::load(&config(format, folder.path())).unwrap_err().to_string();
    // Nothing there: both parts are named.
    let missing = load(DataFormat::Idx);
    assert!(missing.contains("train-images-idx3-ubyte") && missing.contains("t10k-images-idx3-ubyte"), "{missing}");
    assert_eq!(load(DataFormat::Cifar10).lines().count(), 6);
    write_idx(folder.path(), 5);
    std::fs::write(folder.path().join("t10k-labels-idx1-ubyte"), idx(&[4], &[0; 4])).unwrap();
    assert!(load(DataFormat::Idx).contains("5 pictures but 4 labels"));
    std::fs::write(folder.path().join("t10k-labels-idx1-ubyte"), idx(&[9], &[0; 4])).unwrap();
    assert!(load(DataFormat::Idx).contains("cut off"));
    std::fs::write(folder.path().join("t10k-labels-idx1-ubyte"), b"no").unwrap();
    assert!(load(DataFormat::Idx).contains("no IDX file"));
    std::fs::write(folder.path().join("train.bin"), [1; 100]).unwrap();
    std::fs::write(folder.path().join("test.bin"), [200; 2 + 3072]).unwrap();
    let cifar = load(DataFormat::Cifar100);
    assert!(cifar.contains("no whole number of records") && cifar.contains("label 200 of 100"), "{cifar}");
}

#[test]
fn cifar_files_become_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = vec![7, 42];
    for channel in [10, 20, 30] {
        record.extend([channel; 1024]);
    }
    record[2] = 99; // red, upper left
    for name in ["train.bin", "test.bin"] {
        std::fs::write(folder.path().join(name), &record).unwrap();
    }
    let config = config(DataFormat::Cifar100, folder.path());
    let data = Dataset::load(&config).unwrap();
    assert_eq!(data.task(&config), Task { channels: 3, size: [32, 32], classes: 100 });
    assert_eq!(data.train.labels, [42]);
    assert_eq!(data.train.picture(0).unwrap().bytes[..6], [99, 20, 30, 10, 20, 30]);
    // CIFAR-10 has one label byte.
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        std::fs::write(
            folder.path().join(name).with_extension("bin"),
            record[..1].iter().chain(&record[2..]).copied().collect::<Vec<_>>(),
        )
        .unwrap();
    }
    let ten = Dataset::load(&DataConfig { format: DataFormat::Cifar10, ..config }).unwrap();
    assert_eq!((ten.train.labels, ten.test.len()), (vec![7; 5], 1));
}

#[test]
fn folders_are_classes_and_bad_pictures_are_skipped_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (part, class, count) in [("train", "cat", 2), ("train", "dog", 1), ("val", "dog", 1)] {
        let class = folder.path().join(part).join(class);
        std::fs::create_dir_all(&class).unwrap();
        for i in 0..count {
            let ending = if i == 0 { "png" } else { "jpg" };
            image::RgbImage::from_pixel(12, 10, image::Rgb([200, 100, 50]))
                .save(class.join(format!("{i}.{ending}")))
                .unwrap();
        }
        std::fs::write(class.join("notes.txt"), "no picture").unwrap();
    }
    std::fs::write(folder.path().join("train/cat/broken.jpg"), "no picture").unwrap();
    let config = config(DataFormat::Folders, folder.path());
    let data = Dataset::load(&config).unwrap();
    assert_eq!(data.classes, ["cat", "dog"]);
    assert_eq!(data.train.labels, [0, 0, 0, 1]);
    let plan = Plan::new(&config, [8, 8], 2, 4, Order::Sequential);
    let batch = Batches::new(&Arc::new(data.train), plan).next().unwrap();
    assert_eq!(batch.labels, [0, 0, 1]);
    assert_eq!(batch.targets, [1.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    assert_eq!(batch.skipped.0.len(), 1);
    assert!(batch.skipped.to_string().contains("broken.jpg"), "{}", batch.skipped);
    // JPEG is lossy; one colour survives it nearly.
    let red = (200.0 / 255.0 - 0.5) / 0.25;
    assert!(batch.pictures[..64].iter().all(|v| (v - red).abs() < 0.05));
    // Validation pictures in a folder of their own.
    let dev = folder.path().join("dev/dog");
    std::fs::create_dir_all(&dev).unwrap();
    std::fs::copy(folder.path().join("val/dog/0.png"), dev.join("1.png")).unwrap();
    let apart = Validation { from: ValidationFrom::Folder, folder: Some("dev".into()), ..Validation::default() };
    let config = DataConfig { validation: apart, ..config };
    let data = Dataset::load(&config).unwrap();
    assert_eq!((data.train.len(), data.watched().labels.as_slice(), data.test.len()), (4, [1].as_slice(), 1));
    std::fs::create_dir(folder.path().join("val/bird")).unwrap();
    std::fs::create_dir(folder.path().join("dev/cow")).unwrap();
    let told = Dataset::load(&config).unwrap_err().to_string();
    assert!(told.contains("bird") && told.contains("cow"), "{told}");
}

/// The same pictures whatever else is random, as many of each class as its share, none in both parts.
#[test]
fn validation_pictures_are_held_back_from_training() {
    let folder = tempfile::tempdir().unwrap();
    write_idx(folder.path(), 22);
    let load = |validation: Validation| {
        Dataset::load(&DataConfig { validation, ..config(DataFormat::Idx, folder.path()) }).unwrap()
    };
    let firsts = |part: &Part| (0..part.len()).map(|i| part.picture(i).unwrap().bytes[0]).collect::<Vec<u8>>();
    let all = load(Validation { from: ValidationFrom::Test, ..Validation::default() });
    assert_eq!((all.validation.is_none(), firsts(all.watched()) == firsts(&all.test)), (true, true));
    let share = |share, seed| load(Validation { share: Some(share), seed: Some(seed), ..Validation::default() });
    let data = share(0.25, 1);
    // Eight, seven and seven of a class: two of each.
    let mut labels = data.watched().labels.clone();
    labels.sort_unstable();
    assert_eq!(labels, [0, 0, 1, 1, 2, 2]);
    assert_eq!((data.train.len(), data.test.len()), (16, 22));
    let mut both = [firsts(&data.train), firsts(data.watched())].concat();
    both.sort_unstable();
    let mut whole = firsts(&all.train);
    whole.sort_unstable();
    assert_eq!(both, whole);
    // A picture keeps its label: the first byte of picture i is 12 i.
    assert!(firsts(data.watched()).iter().zip(&data.watched().labels).all(|(b, &l)| u32::from(b / 12) % 3 == l));
    assert_eq!(firsts(share(0.25, 1).watched()), firsts(data.watched()));
    assert_ne!(firsts(share(0.25, 2).watched()), firsts(data.watched()));
    // One at least, and one left at least.
    assert_eq!((share(0.001, 1).watched().len(), share(0.999, 1).train.len()), (3, 3));
    assert_eq!(load(Validation::default()).watched().len(), 3);
}

/// A picture of one channel whose values tell where they come from.
fn ramp(rows: usize, columns: usize) -> Raster {
    Raster { channels: 1, size: [rows, columns], bytes: (0..rows * columns).map(|i| i as u8 + 1).collect() }
}

#[test]
fn pictures_are_cut_mirrored_turned_and_scaled() {
    let picture = ramp(3, 4);
    assert_eq!(picture.cut([-1, 2], [3, 3]).bytes, [0, 0, 0, 3, 4, 0, 7, 8, 0]);
    assert_eq!(picture.cut([-4, 9], [2, 2]).bytes, [0; 4]);
    // Wherever the part lies, of one channel and of three: what the definition says, pixel by pixel.
    for channels in [1, 3] {
        let picture = Raster { channels, size: [3, 4], bytes: (1..=12 * channels as u8).collect() };
        for (top, left, rows, columns) in
            (-6..6).flat_map(|t| (-7..7).flat_map(move |l| (1..8).map(move |n| (t, l, 1 + n as usize % 3, n as usize))))
        {
            let part = picture.cut([top, left], [rows, columns]);
            let expected = (0..rows * columns * channels).map(|i| {
                let (y, x, k) = (i / (columns * channels), i / channels % columns, i % channels);
                let (y, x) = (top + y as isize, left + x as isize);
                let inside = (0..3).contains(&y) && (0..4).contains(&x);
                if inside { picture.bytes[(y as usize * 4 + x as usize) * channels + k] } else { 0 }
            });
            assert!(part.bytes.iter().copied().eq(expected), "{top} {left} {rows} {columns}");
        }
    }
    assert_eq!(picture.clone().mirrored().bytes, [4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9]);
    assert_eq!(picture.turned(0.0), picture);
    assert_eq!(picture.turned(180.0).bytes, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    // Counter-clockwise: what was at the right comes to the top.
    assert_eq!(ramp(3, 3).turned(90.0).bytes, [3, 6, 9, 2, 5, 8, 1, 4, 7]);
    let grey = Raster { channels: 3, size: [6, 4], bytes: vec![77; 72] };
    assert_eq!(grey.scaled([3, 8]), Raster { channels: 3, size: [3, 8], bytes: vec![77; 72] });
    let mut values = Vec::new();
    Raster { channels: 3, size: [1, 2], bytes: vec![0, 51, 102, 153, 204, 255] }.normalised(
        &[0.0, 0.2, 0.5],
        &[1.0, 0.5, 0.1],
        &mut values,
    );
    let expected = [0.0, 0.6, 0.0, 1.2, -1.0, 5.0];
    assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{values:?}");
}

#[test]
fn evaluation_cuts_the_centre() {
    let picture = ramp(4, 6);
    assert_eq!(
        centred(picture.clone(), None, [4, 4]).bytes,
        [2, 3, 4, 5, 8, 9, 10, 11, 14, 15, 16, 17, 20, 21, 22, 23]
    );
    assert_eq!(centred(picture, Some(4), [2, 2]).bytes, [9, 10, 15, 16]);
}

fn all_changes() -> Augmentation {
    Augmentation {
        pad_crop: 2,
        flip: true,
        rotation: 15.0,
        jitter: Some(Jitter::default()),
        mix_up: 0.5,
        ..Augmentation::default()
    }
}

fn epoch(part: &Arc<Part>, seed: u64, epoch: usize, workers: usize, augmentation: Augmentation) -> Vec<Batch> {
    let config = DataConfig { workers, ..config(DataFormat::Idx, Path::new("")) };
    Batches::new(part, Plan::new(&config, [4, 3], 3, 4, Order::Shuffled { seed, epoch, augmentation })).collect()
}

#[test]
fn batches_depend_on_seed_and_epoch_only() {
    let folder = tempfile::tempdir().unwrap();
    write_idx(folder.path(), 22);
    let part = Arc::new(Dataset::load(&config(DataFormat::Idx, folder.path())).unwrap().train);
    let one = epoch(&part, 1, 0, 1, all_changes());
    // Five full batches; the rest of the pictures waits for another order.
    assert_eq!(one.iter().map(|b| b.labels.len()).collect::<Vec<_>>(), [4; 5]);
    assert_eq!(one, epoch(&part, 1, 0, 3, all_changes()));
    assert_ne!(one, epoch(&part, 1, 1, 1, all_changes()));
    assert_ne!(one, epoch(&part, 2, 0, 1, all_changes()));
    // Shares of classes add up to one, and some pictures are mixed.
    for batch in &one {
        assert!(batch.targets.chunks(3).all(|t| (t.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    }
    assert!(one.iter().any(|b| b.targets.iter().any(|&t| t > 0.01 && t < 0.99)));
    // Unchanged pictures: each comes once.
    let plain = epoch(&part, 1, 0, 2, Augmentation::default());
    let mut firsts: Vec<i32> = plain
        .iter()
        .flat_map(|b| b.pictures.chunks(12).map(|p| ((p[0] * 0.25 + 0.5) * 255.0).round() as i32))
        .collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts.len(), 20);
    // Dropping the batches ends the threads rather than waiting for them.
    let config = config(DataFormat::Idx, folder.path());
    drop(Batches::new(&part, Plan::new(&config, [4, 3], 3, 1, Order::Sequential)));
}

#[test]
fn resized_crops_have_the_size_asked_for() {
    let picture = Raster { channels: 3, size: [30, 41], bytes: vec![120; 3690] };
    let config = Augmentation { resized_crop: 0.08, ..Augmentation::default() };
    for i in 0..20 {
        let random = &mut seeds::generator(1, seeds::Purpose::Picture, 0, i);
        let changed = changed(picture.clone(), &config, [16, 16], random);
        assert_eq!((changed.size, changed.bytes.len()), ([16, 16], 768));
        assert!(changed.bytes.iter().all(|&b| b == 120));
    }
}

/// Scaled to 8 x 12, then 4 x 4 out of it: every place occurs, and none beyond the border.
#[test]
fn random_crops_are_taken_everywhere() {
    let config = Augmentation { crop_from: 8, ..Augmentation::default() };
    let picture = ramp(8, 12);
    let mut corners: Vec<u8> = (0..600)
        .map(|i| {
            let random = &mut seeds::generator(1, seeds::Purpose::Picture, 0, i);
            let crop = changed(picture.clone(), &config, [4, 4], random).bytes;
            assert_eq!(crop[15] - crop[0], 3 * 12 + 3);
            crop[0]
        })
        .collect();
    corners.sort_unstable();
    corners.dedup();
    // Rows 0 to 4, columns 0 to 8.
    assert_eq!(corners.len(), 5 * 9);
    assert_eq!((corners[0], corners[44]), (1, 4 * 12 + 8 + 1));
}

/// What the processes have of a batch is, one after the other, what one process would have: mixed with the same pictures
/// of the whole batch, also where some of them cannot be read.
#[test]
fn shares_are_parts_of_the_same_batches() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["cat", "dog"] {
        for part in ["train", "val"] {
            let folder = folder.path().join(part).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..7u8 {
                let file = folder.join(format!("{i}.png"));
                image::RgbImage::from_pixel(9, 8, image::Rgb([20 * i, 90, 30])).save(file).unwrap();
            }
        }
    }
    std::fs::write(folder.path().join("train/cat/3.png"), "no picture").unwrap();
    let config = config(DataFormat::Folders, folder.path());
    let part = Arc::new(Dataset::load(&config).unwrap().train);
    for augmentation in [all_changes(), Augmentation { mix_up: 0.0, ..all_changes() }] {
        let order = Order::Shuffled { seed: 1, epoch: 0, augmentation };
        let plan = Plan::new(&config, [8, 8], 2, 6, order);
        let of = |share| Batches::new(&part, Plan { share, ..plan.clone() }).collect::<Vec<Batch>>();
        let whole = of(Share::WHOLE);
        assert_eq!(whole.iter().map(|batch| batch.labels.len()).sum::<usize>(), 11);
        for processes in [2, 3] {
            let shares: Vec<Vec<Batch>> = (0..processes).map(|rank| of(Share { rank, of: processes })).collect();
            for (number, batch) in whole.iter().enumerate() {
                let mut joined = Batch::default();
                for share in &shares {
                    let own = share[number].clone();
                    joined.pictures.extend(own.pictures);
                    joined.labels.extend(own.labels);
                    joined.targets.extend(own.targets);
                    joined.skipped.0.extend(own.skipped.0);
                }
                assert_eq!(*batch, joined);
            }
        }
    }
}
