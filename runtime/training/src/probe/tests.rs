use burn::tensor::Device;

use super::*;
use crate::config::{Downsample, NetworkConfig, Points, parse};
use crate::data::Dataset;
use crate::nn::{Form, Network};
use crate::testing::{device, procedure, values, write_data};

fn network(text: &str, device: &Device) -> Network {
    let config = parse::<NetworkConfig>(text).unwrap();
    let task = Task { channels: 1, size: [8, 8], classes: 3 };
    Network::new(&config, task, Form::default(), 3, device)
}

const BINARY: &str = "architecture = \"binary\"\nwidths = [8, 16]\ndepths = [1, 2]\n";

#[test]
fn maps_are_those_of_the_loss_for_the_pictures_of_the_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let device = device();
    let config = procedure(folder.path(), "out").data;
    let data = Dataset::load(&config).unwrap();
    let sample = Sample::new(&data.test, &config, data.task(&config), 3, &device).unwrap();
    // 24 pictures: numbers 0, 8 and 16.
    assert_eq!(sample.labels, [0, 2, 1]);
    assert_eq!(sample.pictures[1], data.test.picture(8).unwrap());
    let real = network("architecture = \"resnet\"\nwidths = [8, 16]\ndepths = [1, 2]", &device);
    let binary = network(BINARY, &device);
    let looks = attention(&[&real, &binary], Points::Stages, &sample);
    assert_eq!(looks.len(), 3);
    let features = binary.run(sample.tensor.clone(), Some(Points::Stages)).points.remove(1);
    let squares = values(features.powi_scalar(2).sum_dim(1));
    for (look, squares) in looks.iter().zip(squares.chunks(16)) {
        assert_eq!((look.maps.len(), look.maps[0].len(), look.maps[1].len()), (2, 2, 2));
        assert_eq!((look.maps[0][0].size, look.maps[1][1].size), ([8, 8], [4, 4]));
        let size = squares.iter().map(|v| v * v).sum::<f32>().sqrt();
        let expected = squares.iter().map(|v| v / size);
        assert!(look.maps[1][1].values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5));
    }
    // More pictures than there are.
    assert_eq!(Sample::new(&data.test, &config, data.task(&config), 99, &device).unwrap().labels.len(), 24);
}

#[test]
fn distributions_are_of_every_binary_convolution() {
    let device = device();
    let pictures = crate::testing::wave([2, 1, 8, 8], 0.3, &device);
    let binary = network(BINARY, &device);
    let found = activations(&binary, pictures.clone());
    assert_eq!(found.len(), 6);
    assert_eq!((found[0].name.as_str(), found[0].count()), ("stage 1, block 1, conv 1", 2 * 8 * 8 * 8));
    assert_eq!((found[5].name.as_str(), found[5].count()), ("stage 2, block 2, conv 2", 2 * 16 * 4 * 4));
    // The first sign is taken of the stem's output behind BN, which changes nothing yet.
    let seen = values(binary.stem.forward(pictures.clone()));
    assert_eq!(found[0].within, seen.iter().filter(|v| v.abs() <= 1.0).count() as u64);
    assert_eq!(latent_weights(&binary).len(), 6);
    let mut config = parse::<NetworkConfig>(BINARY).unwrap();
    config.block = Some(crate::config::BlockConfig { downsample: Downsample::Binary, ..config.block() });
    let task = Task { channels: 1, size: [8, 8], classes: 3 };
    let weights = latent_weights(&Network::new(&config, task, Form::default(), 3, &device));
    let shortcut = weights.iter().find(|layer| layer.name == "stage 2, block 1, shortcut").unwrap();
    assert_eq!((weights.len(), shortcut.count()), (7, 8 * 16));
    let real = network("architecture = \"resnet\"\nwidths = [8]\ndepths = [1]", &device);
    assert!(activations(&real, pictures).is_empty() && latent_weights(&real).is_empty());
}

#[test]
fn histograms_count_every_value_once() {
    let layer = Histogram::of(String::new(), &[-5.0, -4.0, -1.0, 0.0, 1.0, 1.1, 3.99, 4.0, 70.0], Some(4.0));
    assert_eq!((layer.count(), layer.within), (9, 3));
    assert_eq!((layer.bins[0], layer.bins[30], layer.bins[60]), (2, 1, 3));
    let free = Histogram::of(String::new(), &[0.5, -0.25], None);
    assert_eq!((free.limit, free.bins[60], free.within), (0.5, 1, 2));
    // 0 has the bin in the middle, whose bounds are ±limit / 61.
    assert_eq!(Histogram::of(String::new(), &[0.0, 1e-3, -1e-3], Some(1.0)).bins[30], 3);
}
