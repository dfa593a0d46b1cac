use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use xnorc::npy;

/// A folder with files.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn floats(&self, name: &str, shape: &[usize]) -> PathBuf {
        let len = shape.iter().product::<usize>();
        self.put(name, &npy::write(&Tensor::f32(shape, (0..len).map(|i| i as f32).collect())))
    }

    fn png(&self, name: &str, size: [u32; 2], color: png::ColorType, pixel: impl Fn(usize) -> u8) -> PathBuf {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, size[0], size[1]);
        encoder.set_color(color);
        let len = color.samples() * (size[0] * size[1]) as usize;
        let data: Vec<u8> = (0..len).map(pixel).collect();
        encoder.write_header().unwrap().write_image_data(&data).unwrap();
        self.put(name, &bytes)
    }
}

fn open(path: &Path, input: &[usize]) -> Result<Pictures, Diagnostics> {
    Pictures::open(path, input, &Preparation::default())
}

fn with(path: &Path, input: &[usize], preparation: Preparation) -> Vec<f32> {
    Pictures::open(path, input, &preparation).unwrap().picture(0).unwrap()
}

#[test]
fn stacks_of_every_layout() {
    let home = Home::new();
    // Two pixels of three channels.
    let own = home.floats("own.npy", &[4, 3, 1, 2]);
    let other = home.floats("other.npy", &[4, 1, 2, 3]);
    let first = |path: &Path, input: &[usize]| open(path, input).unwrap().picture(1).unwrap();
    assert_eq!(first(&own, &[1, 3, 1, 2]), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    assert_eq!(first(&other, &[1, 3, 1, 2]), [6.0, 9.0, 7.0, 10.0, 8.0, 11.0]);
    assert_eq!(first(&other, &[1, 1, 2, 3]), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    // A model of five rows and two columns, pixel by pixel.
    let planar = home.floats("planar.npy", &[2, 3, 5, 2]);
    assert_eq!(first(&planar, &[1, 5, 2, 3])[..4], [30.0, 40.0, 50.0, 31.0]);
    assert_eq!(first(&other, &[1, 6]), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    // Both fit: the layout says it.
    let cube = home.floats("cube.npy", &[2, 3, 3, 3]);
    let layout = |layout| Preparation { layout, ..Preparation::default() };
    assert_eq!(with(&cube, &[1, 3, 3, 3], layout(None))[..3], [0.0, 1.0, 2.0]);
    assert_eq!(with(&cube, &[1, 3, 3, 3], layout(Some(Layout::Nhwc)))[..3], [0.0, 3.0, 6.0]);
    let refused = open(&own, &[1, 3, 2, 2]).unwrap_err().to_string();
    assert!(refused.contains("pictures of shape [4, 3, 1, 2], but the model takes [N, 3, 2, 2]"), "{refused}");
    let wrong = Pictures::open(&own, &[1, 3, 1, 2], &layout(Some(Layout::Nhwc))).unwrap_err().to_string();
    assert!(wrong.contains("`--layout nhwc` or nchw"), "{wrong}");
}

#[test]
fn values_are_prepared_by_channel() {
    let home = Home::new();
    let floats = home.floats("x.npy", &[1, 2, 1, 2]);
    let prepared = |scale, mean: &[f32], std: &[f32]| {
        with(&floats, &[1, 2, 1, 2], Preparation { scale, mean: mean.into(), std: std.into(), layout: None })
    };
    assert_eq!(prepared(None, &[], &[]), [0.0, 1.0, 2.0, 3.0]);
    assert_eq!(prepared(Some(2.0), &[1.0], &[0.5]), [-2.0, 2.0, 6.0, 10.0]);
    assert_eq!(prepared(None, &[0.0, 1.0], &[1.0, 2.0]), [0.0, 1.0, 0.5, 1.0]);
    let many = Preparation { mean: vec![0.0; 3], ..Preparation::default() };
    let refused = Pictures::open(&floats, &[1, 2, 1, 2], &many).unwrap_err().to_string();
    assert!(refused.contains("--mean has 3 numbers, but pictures of this model have 2 channels"), "{refused}");
    // Bytes are of 255, by division as everybody does it; unless told otherwise.
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2)}";
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend([7, 255]);
    let bytes = home.put("bytes.npy", &bytes);
    assert_eq!(with(&bytes, &[1, 2], Preparation::default()), [7.0 / 255.0, 1.0]);
    let scale = Preparation { scale: Some(2.0), ..Preparation::default() };
    assert_eq!(with(&bytes, &[1, 2], scale), [14.0, 510.0]);
}

#[test]
fn folders_of_pictures() {
    use png::ColorType::{Grayscale, Rgb, Rgba};
    let home = Home::new();
    home.png("set/cat/deep/2.png", [3, 2], Rgb, |i| i as u8);
    home.png("set/cat/1.png", [3, 2], Rgba, |i| if i % 4 == 3 { 0 } else { 3 * (i / 4) as u8 + (i % 4) as u8 });
    home.png("set/ant/9.png", [3, 2], Grayscale, |i| 10 * i as u8);
    home.put("set/.hidden/x.png", b"no picture");
    home.put("set/cat/notes.txt", b"no picture");
    let folder = home.0.path().join("set");
    let pictures = open(&folder, &[1, 3, 2, 3]).unwrap();
    assert_eq!((pictures.classes(), pictures.labels()), (&["ant".to_owned(), "cat".into()][..], Some(vec![0, 1, 1])));
    let bytes = |i: usize, input: &[usize]| -> Vec<f32> {
        let values = open(&folder, input).unwrap().picture(i).unwrap();
        values.into_iter().map(|v| (v * 255.0).round()).collect()
    };
    let planes: Vec<f32> = (0..3).flat_map(|c| (0..6).map(move |p| (3 * p + c) as f32)).collect();
    // Without the alpha channel; and the file below comes after those beside it.
    assert_eq!((bytes(1, &[1, 3, 2, 3]), bytes(2, &[1, 3, 2, 3])), (planes.clone(), planes.clone()));
    assert_eq!(bytes(0, &[1, 3, 2, 3]), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0].repeat(3));
    // Pixel by pixel; in grey, where 0.299 r + 0.587 g + 0.114 b is the middle one of three in a row, nearly.
    let layout = Preparation { layout: Some(Layout::Nhwc), scale: Some(1.0), ..Preparation::default() };
    let interleaved = Pictures::open(&folder, &[1, 2, 3, 3], &layout).unwrap().picture(1).unwrap();
    assert_eq!(interleaved, (0..18).map(|i| i as f32).collect::<Vec<_>>());
    assert_eq!(bytes(1, &[1, 1, 2, 3]), [1.0, 4.0, 7.0, 10.0, 13.0, 16.0]);
    // Flat: in grey or in colours, by the number of values.
    assert_eq!((bytes(1, &[1, 6]), bytes(1, &[1, 18])), (vec![1.0, 4.0, 7.0, 10.0, 13.0, 16.0], planes));
    // Of another size.
    home.png("set/cat/3.png", [3, 3], Rgb, |i| i as u8);
    home.png("set/dog/4.png", [5, 3], Rgb, |i| i as u8);
    let refused = open(&folder, &[1, 3, 2, 3]).unwrap_err().to_string();
    assert!(
        refused
            .contains("3.png\": a picture of 3x3 pixels, but the model takes 3x2 pixels, as one other does not have"),
        "{refused}"
    );
    assert!(refused.contains("magick mogrify -resize 3x2^"), "{refused}");
    home.put("empty/x.txt", b"");
    assert!(open(&home.0.path().join("empty"), &[1, 3, 2, 3]).unwrap_err().to_string().contains("holds no pictures"));
    home.put("broken/x.jpg", b"no picture");
    assert!(
        open(&home.0.path().join("broken"), &[1, 3, 2, 3]).unwrap_err().to_string().contains("x.jpg\": cannot be read")
    );
}

/// As another decoder has them (Pillow).
#[test]
fn jpeg_files() {
    let home = Home::new();
    home.put("a.jpg", include_bytes!("red.jpg"));
    home.put("b.JPEG", include_bytes!("grey.jpg"));
    let scale = Preparation { scale: Some(1.0), ..Preparation::default() };
    let picture = |channels: usize, index: usize| {
        Pictures::open(home.0.path(), &[1, channels, 4, 6], &scale).unwrap().picture(index).unwrap()
    };
    assert_eq!(picture(3, 0), [[200.0; 24], [30.0; 24], [59.0; 24]].concat());
    assert_eq!((picture(1, 0), picture(1, 1), picture(3, 1)), (vec![84.0; 24], vec![77.0; 24], vec![77.0; 72]));
}

#[test]
fn labels_from_every_kind_of_file() {
    let home = Home::new();
    let stack = open(&home.floats("x.npy", &[3, 2]), &[1, 2]).unwrap();
    let read = |name: &str, bytes: &[u8]| read_labels(&home.put(name, bytes), &stack);
    assert_eq!(read("a.npy", &npy::write(&Tensor::i64([3, 1], vec![2, 0, 1]))), Ok(vec![2, 0, 1]));
    assert_eq!(read("b.npy", &npy::write(&Tensor::f32([3], vec![2.0, 0.0, 1.0]))), Ok(vec![2, 0, 1]));
    assert_eq!(read("c.txt", b"2\n0\n\n1\n"), Ok(vec![2, 0, 1]));
    assert_eq!(read("d.csv", b"label\r\n2\r\n0\r\n1"), Ok(vec![2, 0, 1]));
    for (name, bytes, message) in [
        ("e.txt", &b"2\n0"[..], "2 labels, but there are 3 pictures"),
        ("f.txt", b"2\ncat\n1", "line 2: \"cat\" is no label"),
        ("g.txt", b"2\n-1\n1", "line 2: \"-1\" is no label"),
        ("h.csv", b"a.png,2\nb.png,1", "but the pictures are a stack"),
        ("i.npy", &npy::write(&Tensor::i64([3], vec![2, -1, 1])), "that are no classes"),
        ("j.npy", &npy::write(&Tensor::f32([3], vec![2.0, 0.5, 1.0])), "that are no classes"),
        ("k.npy", &npy::write(&Tensor::f32([3, 4], vec![0.0; 12])), "numpy.argmax"),
    ] {
        let refused = read(name, bytes).unwrap_err().to_string();
        assert!(refused.contains(message), "{name}: {refused}");
    }
    // By name, in any order.
    for name in ["c", "a", "b"] {
        home.png(&format!("set/{name}.png"), [2, 1], png::ColorType::Grayscale, |_| 0);
    }
    let folder = open(&home.0.path().join("set"), &[1, 2]).unwrap();
    let read = |text: &str| read_labels(&home.put("names.csv", text.as_bytes()), &folder);
    assert_eq!(read("file,label\n\"b.png\",7\nc,8\na.png,9\nd,1"), Ok(vec![9, 7, 8]));
    assert!(read("a.png,1\nb.png,2").unwrap_err().to_string().contains("has no label for \"c.png\""));
}

fn scores(rows: &[[f32; 6]]) -> Scores {
    Scores::new(&Tensor::f32([rows.len(), 6], rows.concat())).unwrap()
}

#[test]
fn the_best_class_and_the_first_five() {
    let nan = f32::NAN;
    let all = scores(&[[1.0, 3.0, 3.0, 0.0, 2.0, -1.0], [nan, -5.0, nan, -4.0, nan, nan], [nan; 6]]);
    assert_eq!([0, 1, 2].map(|i| all.best(i)), [1, 3, 0]);
    let among = |class: usize| (1..=6).find(|&first| all.is_among(0, class, first)).unwrap();
    assert_eq!([0, 1, 2, 3, 4, 5].map(among), [4, 1, 2, 5, 3, 6]);
    assert!(all.is_among(1, 1, 2) && !all.is_among(1, 0, 6) && !all.is_among(0, 6, 6));
    let classes = Scores::new(&Tensor::i64([3, 1], vec![1, 3, 1])).unwrap();
    assert_eq!((classes.best(1), classes.classes(), classes.has_scores()), (3, 4, false));
    assert!(classes.is_among(0, 1, 1) && !classes.is_among(0, 3, 5));
    assert!(Scores::new(&Tensor::f32([3], vec![0.0; 3])).is_err());
    assert!(Scores::new(&Tensor::i64([2, 3], vec![0; 6])).is_err());
}

#[test]
fn figures() {
    let hot = |class: usize| std::array::from_fn(|i| if i == class { 2.0 } else { -(i as f32) });
    let own = scores(&[hot(0), hot(1), hot(1), hot(2), hot(5)]);
    let other = Scores::new(&Tensor::i64([5], vec![0, 1, 2, 2, 2])).unwrap();
    let labels = [0, 1, 2, 2, 0];
    let timing = Timing::new(vec![Duration::from_micros(40), Duration::from_micros(20), Duration::from_micros(30)]);
    let beside = [("other.npy".to_owned(), other), ("same.npy".to_owned(), own.clone())];
    let names = ["a".to_owned(), "b,c".to_owned()];
    let found = Evaluation::new(&own, &timing, Some(&labels), &names, &beside);
    assert_eq!((found.right, found.top1, found.top5), (Some(3), Some(0.6), Some(1.0)));
    let pair = |label: &str, answer: &str, count, of| Pair { label: label.into(), answer: answer.into(), count, of };
    assert_eq!(found.worst, [pair("a", "5", 1, 2), pair("2", "b,c", 1, 2)]);
    let csv = "label,a,\"b,c\",2,3,4,5\na,1,0,0,0,0,1\n\"b,c\",0,1,0,0,0,0\n2,0,1,1,0,0,0\n";
    assert!(found.confusion_csv().starts_with(csv), "{}", found.confusion_csv());
    let [first, second] = &found.beside[..] else { panic!("{:?}", found.beside) };
    assert_eq!((first.agreement, first.top1, first.top5, first.max_abs_difference), (0.6, Some(0.8), None, None));
    assert_eq!((second.agreement, second.top5, second.max_abs_difference), (1.0, Some(1.0), Some(0.0)));
    let text = found.to_string();
    for line in [
        "pictures          5, 3 classified rightly",
        "top-1             60.0 %",
        "top-5             100.0 %",
        "median 30.0 us, minimum 20.0 us",
        "  a  taken for 5    1 of 2  50.0 %",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // Without labels there is no accuracy.
    let none = Evaluation::new(&own, &timing, None, &[], &beside);
    assert!(none.right.is_none() && none.beside[0].top1.is_none(), "{none}");
    assert!(!none.to_string().lines().any(|line| line.starts_with("top-1")), "{none}");
}
