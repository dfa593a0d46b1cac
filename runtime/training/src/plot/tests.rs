use super::*;
use crate::data::Raster;
use crate::probe::{Histogram, Look, Map};
use crate::train::{Epoch, Evaluation};

/// Whole, and nothing in it that no viewer can draw.
fn sound(text: &str) {
    assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{text}");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

fn step(name: &str, epochs: usize, loss: f64) -> (String, Vec<Epoch>) {
    let epoch = |i| Epoch {
        epoch: i + 1,
        loss: loss / (i + 1) as f64,
        validation_loss: loss,
        accuracy: 0.5,
        rate: 1e-3 / (i + 1) as f64,
        ..Epoch::default()
    };
    (name.to_owned(), (0..epochs).map(epoch).collect())
}

#[test]
fn curves_have_a_mark_per_epoch_and_line() {
    let text = curves(&[step("teacher", 3, 2.0), step("tanh", 0, 1.0), step("sign & co", 2, 1.5)]).unwrap();
    sound(&text);
    // Five epochs: two losses, two accuracies, one rate; and a mark for each of the two lines of two legends.
    assert_eq!(text.matches("<circle").count(), 5 * 5 + 4);
    assert!(text.contains("teacher") && text.contains("sign &amp; co") && !text.contains("tanh"));
    // Numbers that are none, one epoch, nothing at all.
    sound(&curves(&[step("first", 1, f64::NAN)]).unwrap());
    sound(&curves(&[]).unwrap());
    let mut still = step("still", 2, 0.0);
    still.1.iter_mut().for_each(|epoch| epoch.rate = 0.0);
    sound(&curves(&[still]).unwrap());
}

#[test]
fn maps_stand_side_by_side_in_one_scale() {
    let map = |values: [f32; 4]| Map { size: [2, 2], values: values.to_vec() };
    let look = Look {
        picture: Raster { channels: 1, size: [2, 2], bytes: vec![0, 0, 200, 100] },
        label: 3,
        maps: vec![vec![map([0.0, 0.0, 1.0, 0.5])], vec![map([0.5, 0.0, 0.0, 0.0])]],
    };
    let text = attention(&["teacher", "student"], &[look]).unwrap();
    sound(&text);
    assert!(text.contains("teacher, point 1") && text.contains("student, point 1"));
    // The background; 3 rectangles of the picture, 3 and 3 of the maps: equal neighbours are one.
    assert_eq!(text.matches("<rect").count(), 1 + 3 + 3 + 3);
    // Half of the teacher's most is the same colour as the student's half.
    let colour = |text: &str, n: usize| {
        text.split("<rect").nth(n).and_then(|r| r.split("fill=\"").nth(1)).map(|f| f[..7].to_owned()).unwrap()
    };
    assert_eq!(colour(&text, 7), colour(&text, 8));
    assert_ne!(colour(&text, 6), colour(&text, 7));
    sound(&attention(&["student"], &[]).unwrap());
}

#[test]
fn histograms_have_a_bar_per_bin_in_use() {
    let layers = [
        Histogram::of("stage 1, block 1, conv 1".into(), &[-9.0, -0.5, 0.0, 0.5, 9.0], Some(4.0)),
        Histogram::of("no values".into(), &[], None),
        Histogram::of("small".into(), &[0.01, -0.02], None),
    ];
    let text = histograms("Latent weights", &layers).unwrap();
    sound(&text);
    assert_eq!(text.matches("<rect").count(), 1 + 5 + 2);
    assert!(text.contains("60.0 % within ±1") && text.contains("100.0 % within ±1"));
}

#[test]
fn confusion_has_a_cell_for_what_was_said() {
    let confusion = vec![vec![3, 1, 0], vec![0, 200, 1], vec![0, 0, 0]];
    let result = Evaluation { top1: 0.99, confusion, ..Evaluation::default() };
    let text = super::confusion(&result, &["cat", "dog & co", "bird"].map(str::to_owned)).unwrap();
    sound(&text);
    // The background, four cells, and a line around all.
    assert_eq!(text.matches("<rect").count(), 1 + 4 + 1);
    let says = |word: &str| text.lines().any(|line| line.trim() == word);
    assert!(says("75") && says("25") && says("100") && !says("0"), "{text}");
    assert!(text.contains("99.00 % right") && text.matches("dog &amp; co").count() == 2);
    // More classes than there is room for names, and none.
    let many = Evaluation { confusion: vec![vec![1; 1000]; 1000], ..Evaluation::default() };
    let text = super::confusion(&many, &vec!["a name".to_owned(); 1000]).unwrap();
    assert!(!text.contains("a name") && text.matches("<rect").count() == 1_000_002);
    sound(&super::confusion(&Evaluation::default(), &[]).unwrap());
}
