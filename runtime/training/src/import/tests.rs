use super::*;
use crate::config::{Architecture, NetworkConfig, StemConfig};
use crate::nn::{Form, Task};
use crate::testing::{device, every_value, values, wave};

fn network(architecture: Architecture, seed: u64) -> Network {
    let config = NetworkConfig {
        architecture,
        widths: vec![4, 6],
        depths: vec![1, 2],
        stem: StemConfig::default(),
        block: None,
        head_norm: false,
    };
    let task = Task { channels: 3, size: [8, 8], classes: 5 };
    Network::new(&config, task, Form::default(), seed, &device())
}

/// A file with the tensors of `entries`: name, kind, shape, bytes.
fn file(entries: &[(String, &str, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    header.insert("__metadata__".into(), serde_json::json!({ "format": "pt" }));
    for (name, kind, shape, bytes) in entries {
        let start = data.len();
        data.extend(bytes);
        let entry = serde_json::json!({ "dtype": kind, "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

/// The parameters of a ResNet of two stages as torchvision calls them, with their shapes.
fn torchvision() -> Vec<(String, &'static str, Vec<usize>, Vec<u8>)> {
    let mut all: Vec<(String, Vec<usize>)> = Vec::new();
    let norm = |all: &mut Vec<(String, Vec<usize>)>, name: &str, width: usize| {
        for kind in ["weight", "bias", "running_mean", "running_var"] {
            all.push((format!("{name}.{kind}"), vec![width]));
        }
    };
    all.push(("conv1.weight".into(), vec![4, 3, 3, 3]));
    norm(&mut all, "bn1", 4);
    for (block, inputs, outputs) in [("layer1.0", 4, 4), ("layer2.0", 4, 6), ("layer2.1", 6, 6)] {
        all.push((format!("{block}.conv1.weight"), vec![outputs, inputs, 3, 3]));
        norm(&mut all, &format!("{block}.bn1"), outputs);
        all.push((format!("{block}.conv2.weight"), vec![outputs, outputs, 3, 3]));
        norm(&mut all, &format!("{block}.bn2"), outputs);
    }
    all.push(("layer2.0.downsample.0.weight".into(), vec![6, 4, 1, 1]));
    norm(&mut all, "layer2.0.downsample.1", 6);
    all.push(("fc.weight".into(), vec![5, 6]));
    all.push(("fc.bias".into(), vec![5]));
    let bytes = |name: &str, shape: &[usize]| -> Vec<u8> {
        let seed = name.bytes().map(f64::from).sum();
        values(wave([shape.iter().product()], seed, &device())).into_iter().flat_map(f32::to_le_bytes).collect()
    };
    all.into_iter().map(|(name, shape)| (name.clone(), "F32", shape.clone(), bytes(&name, &shape))).collect()
}

fn load(network: Network, bytes: &[u8]) -> Result<Network> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    std::fs::write(&path, bytes).unwrap();
    with_weights(network, &path)
}

/// Every number gets to where it belongs, the fully connected layer's turned over; a count of batches is no weight.
#[test]
fn the_weights_of_torchvisions_resnet_find_their_places() {
    let mut entries = torchvision();
    entries.push(("bn1.num_batches_tracked".into(), "I64", vec![], vec![0; 8]));
    let loaded = load(network(Architecture::Resnet, 1), &file(&entries)).unwrap();
    let of = |name: &str| -> Vec<f32> {
        let bytes = &entries.iter().find(|entry| entry.0 == name).unwrap().3;
        bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    assert_eq!(values(loaded.stem.norm.beta.val()), of("bn1.bias"));
    assert_eq!(values(loaded.stem.norm.running_var.value()), of("bn1.running_var"));
    let crate::nn::Block::Real(block) = &loaded.stages[1].blocks[0] else { panic!("a real block") };
    assert_eq!(values(block.conv2.weight.val()), of("layer2.0.conv2.weight"));
    assert_eq!(values(block.shortcut.as_ref().unwrap().weight.val()), of("layer2.0.downsample.0.weight"));
    let norm = block.shortcut_norm.as_ref().unwrap();
    assert_eq!(values(norm.running_mean.value()), of("layer2.0.downsample.1.running_mean"));
    assert_eq!(values(loaded.head.dense.weight.val().transpose()), of("fc.weight"));
    // As DataParallel and others call them.
    for (name, other) in [("", "module."), ("fc.", "linear."), ("downsample", "shortcut")] {
        let mut renamed = entries.clone();
        renamed.iter_mut().for_each(|entry| entry.0 = entry.0.replacen(name, other, 1));
        assert_eq!(
            every_value(&load(network(Architecture::Resnet, 2), &file(&renamed)).unwrap()),
            every_value(&loaded)
        );
    }
    // In half the bits: 1, -2 and 0.5 are the same numbers.
    let mut half = entries.clone();
    let bias = half.iter_mut().find(|entry| entry.0 == "fc.bias").unwrap();
    (bias.1, bias.3) = ("F16", [0x3c00u16, 0xc000, 0x3800, 0, 0].iter().flat_map(|b| b.to_le_bytes()).collect());
    let loaded = load(network(Architecture::Resnet, 1), &file(&half)).unwrap();
    assert_eq!(values(loaded.head.dense.bias.as_ref().unwrap().val()), [1.0, -2.0, 0.5, 0.0, 0.0]);
}

/// All at once: what is missing, what has another shape, what is too much.
#[test]
fn a_file_of_another_network_is_told_whole() {
    let mut entries = torchvision();
    entries.remove(0);
    entries.last_mut().unwrap().2 = vec![5, 1];
    entries.push(("layer3.0.conv1.weight".into(), "F32", vec![1], vec![0; 4]));
    entries.push(("projector".into(), "F32", vec![1], vec![0; 4]));
    let told = load(network(Architecture::Resnet, 1), &file(&entries)).unwrap_err().to_string();
    for part in [
        "has nothing for `stem.conv.weight`",
        "`head.dense.bias` has shape [5, 1] there and [5] here",
        "its `layer3.0.conv1.weight` has no place in the network",
        "its `projector` has no place in the network",
    ] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    assert_eq!(told.lines().count(), 4, "{told}");
    assert!(load(network(Architecture::Binary, 1), &file(&torchvision())).unwrap_err().to_string().contains("latent"));
    for (bytes, part) in [
        (b"PK".to_vec(), "cut off"),
        (file(&torchvision())[..8000].to_vec(), "bytes"),
        (b"\x02\0\0\0\0\0\0\0no".to_vec(), "its header"),
        (file(&[("fc.bias".into(), "F32", vec![9], vec![0; 4])]), "tensor `fc.bias`: bytes 0 to 4"),
    ] {
        let told = load(network(Architecture::Resnet, 1), &bytes).unwrap_err().to_string();
        assert!(told.contains(part), "{part}: {told}");
    }
}

/// What was exported with latent weights is the whole network again; with signs all of it but how large the latent weights were.
#[test]
fn an_exported_file_is_the_network_again() {
    use crate::config::{BlockConfig, Inputs, Scale, Weights};
    use crate::export::{Options, WeightForm, onnx};

    let task = Task { channels: 3, size: [8, 8], classes: 5 };
    let form = Form { inputs: Inputs::Sign, weights: Weights::Sign };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    for scale in [Scale::Channel, Scale::Mean, Scale::None, Scale::Factorised] {
        let config = NetworkConfig {
            architecture: Architecture::Binary,
            widths: vec![8, 16],
            depths: vec![1, 1],
            stem: StemConfig::default(),
            block: Some(BlockConfig { scale, ..BlockConfig::default() }),
            head_norm: true,
        };
        let [own, other] = [1, 2].map(|seed| Network::new(&config, task, form, seed, &device()));
        let write = |weights| {
            let normalise = Some((vec![0.5; 3], vec![0.2; 3]));
            let options = Options { weights, normalise, ..Options::default() };
            std::fs::write(&path, onnx(&own, task, &options)).unwrap();
        };
        write(WeightForm::Latent);
        assert_ne!(every_value(&other), every_value(&own));
        assert_eq!(every_value(&with_weights(other.clone(), &path).unwrap()), every_value(&own));
        write(WeightForm::Signs);
        let loaded = with_weights(other.clone(), &path).unwrap();
        let signs = |network: &Network| every_value(network).iter().map(|x| x.is_sign_negative()).collect::<Vec<_>>();
        assert!(signs(&loaded) == signs(&own) && every_value(&loaded) != every_value(&own));
        if scale == Scale::Channel {
            write(WeightForm::Scaled);
            let told = with_weights(other, &path).unwrap_err().to_string();
            assert!(told.contains("has nothing for `stages.0.blocks.0.first.conv.alpha`"), "{told}");
        }
    }
    for (bytes, part) in [(vec![0xff; 9], "is no ONNX file with weights: "), (Vec::new(), "none of its constants has")]
    {
        std::fs::write(&path, bytes).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains(part), "{part}");
    }
}
