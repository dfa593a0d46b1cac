//! The program on files of a user's: pictures of two formats and sizes, and what is no picture.

use std::fs;
use std::path::Path;
use std::process::Command;

use image::{Rgb, RgbImage};

/// A red disc on blue: nothing that the network knows, but the same in any size.
fn draw(file: &Path, width: u32, height: u32) {
    let side = width.min(height);
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let from_middle = |at: u32, start: u32| (f64::from(at) - f64::from(start) + 0.5) / f64::from(side) - 0.5;
        let inside = from_middle(x, left).hypot(from_middle(y, top)) < 0.3;
        if inside { Rgb([220, 30, 20]) } else { Rgb([30, 60, 200]) }
    });
    picture.save(file).expect("a writable folder");
}

#[test]
fn pictures_of_any_size_are_classified_and_what_is_none_is_told() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("photographs");
    fs::create_dir_all(&folder).expect("a writable target folder");
    let [small, large, other] = ["small.png", "large.jpg", "other.txt"].map(|name| folder.join(name));
    draw(&small, 32, 32);
    draw(&large, 640, 480);
    fs::write(&other, "no picture").expect("a writable folder");
    let gone = folder.join("gone.png");
    let output =
        Command::new(env!("CARGO_BIN_EXE_classify")).args([&small, &other, &large, &gone]).output().expect("it starts");
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = told.lines().collect();
    let class_of = |line: &str, file: &Path| {
        let said = line.strip_prefix(&format!("{}: ", file.display())).expect("the file is named");
        said.split_once(',').expect("class and probability").0.to_owned()
    };
    assert_eq!(lines.len(), 2, "{told}");
    assert_eq!(class_of(lines[0], &small), class_of(lines[1], &large), "{told}");
    assert!(errors.contains("other.txt") && errors.contains("gone.png") && errors.lines().count() == 2, "{errors}");
    assert_eq!(output.status.code(), Some(1));
}
