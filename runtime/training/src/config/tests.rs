use std::path::Path;

use super::*;

const FINE: &str = r#"
output = "out"

[data]
format = "idx"
folder = "data"
mean = [0.3]
std = [0.3]

[networks.net]
architecture = "binary"
widths = [8, 16]
depths = [1, 1]

[[steps]]
name = "first"
network = "net"
epochs = 3
batch = 4
optimiser = { kind = "adam", rate = 1e-3 }
"#;

fn problems(text: &str) -> String {
    parse::<Config>(text).and_then(Config::checked).unwrap_err().to_string()
}

#[test]
fn defaults_are_the_papers() {
    let config = parse::<Config>(FINE).and_then(Config::checked).unwrap();
    let block = config.networks["net"].block();
    assert_eq!((block.order, block.skip, block.downsample), (Order::NormFirst, Skip::Double, Downsample::Real));
    assert_eq!((block.scale, block.padding, block.gate), (Scale::Channel, Padding::Zero, None));
    let step = &config.steps[0];
    assert_eq!((step.inputs, step.weights, step.accumulate), (Inputs::Sign, Weights::Sign, 1));
    assert_eq!(step.losses, Losses { labels: 1.0, logits: None, attention: None });
    // What is written down beside results reads back as the same.
    assert_eq!(parse::<Config>(&toml::to_string(&config).unwrap()).unwrap(), config);
    let switched = |value: &str| parse::<Config>(&format!("tensorboard = {value}\n{FINE}"));
    for (value, folder) in [("false", None), ("true", Some("out/tensorboard")), ("\"events\"", Some("events"))] {
        let config = switched(value).unwrap();
        assert_eq!(config.tensorboard.folder(&config.output).as_deref(), folder.map(Path::new));
        assert_eq!(parse::<Config>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }
    let told = switched("3").unwrap_err().to_string();
    assert!(told.contains("line 1, column 15: invalid type: integer `3`, expected true, false or a folder"), "{told}");
}

#[test]
fn the_ready_configurations_are_fine() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let config = Config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(config.output.starts_with(path.parent().unwrap()));
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn every_mistake_of_the_text_is_told_with_its_line() {
    let text = FINE
        .replace("output", "ouptut")
        .replace("mean = [0.3]", "mean = \"0.3\"")
        .replace("widths", "width")
        .replace("epochs = 3\n", "")
        .replace("rate = 1e-3", "rate = 1e-3, momentun = 0.9");
    let told = problems(&text);
    for part in [
        "line 2, column 1: unknown field `ouptut`",
        "missing field `output`",
        "line 7, column 8: invalid type: string \"0.3\"",
        "line 12, column 1: unknown field `width`",
        "missing field `epochs`; add it",
        "unknown field `momentun`",
    ] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    assert_eq!(told.lines().count(), 6, "{told}");
    assert!(problems("output = ").contains("line 1"));
}

#[test]
fn every_value_that_makes_no_sense_is_told() {
    let text = FINE
        .replace("mean = [0.3]", "mean = [0.3, 0.3, 0.3]")
        .replace("std = [0.3]", "std = [0]")
        .replace("depths = [1, 1]", "depths = [1]\nstem = { kernel = 4 }")
        .replace("epochs = 3", "epochs = 0")
        .replace("name = \"first\"", "name = \"../first\"\nteacher = \"none\"\nlosses = { labels = 0 }")
        .replace("rate = 1e-3", "rate = -1, momentum = 0.9");
    let told = problems(&text);
    for place in [
        "data.mean",
        "data.std",
        "networks.net.depths",
        "networks.net.stem.kernel",
        "steps[0].name",
        "steps[0].teacher",
        "steps[0].epochs",
        "steps[0].losses.labels",
        "steps[0].optimiser.rate",
        "steps[0].optimiser.momentum",
    ] {
        assert!(told.contains(&format!("{place}: ")), "{place}:\n{told}");
    }
}

#[test]
fn steps_fit_together() {
    let second = |keys: &str| {
        format!(
            "{FINE}\n[networks.other]\narchitecture = \"resnet\"\nwidths = [8, 16]\ndepths = [2, 1]\n[[steps]]\nname = \
             \"second\"\nepochs = 9\nbatch = 4\noptimiser = {{ kind = \"sgd\", rate = 0.1 }}\n{keys}"
        )
    };
    let fine = second("network = \"net\"\nteacher = \"first\"\nstart-from = \"first\"\nlosses = { attention = {} }");
    parse::<Config>(&fine).and_then(Config::checked).unwrap();
    let told = |keys: &str| problems(&second(keys));
    assert!(told("network = \"net\"\nlosses = { logits = {} }").contains("matching needs a teacher"));
    assert!(told("network = \"other\"\nstart-from = \"first\"").contains("trains another network"));
    assert!(told("network = \"other\"\nweights = \"real\"").contains("has no binary convolutions"));
    let points = "network = \"other\"\nteacher = \"first\"\nlosses = { attention = { points = \"blocks\" } }";
    assert!(told(points).contains("the student has 3 of them, the teacher 2"));
    let weights = "network = \"net\"\nteacher = \"first\"\nlosses = { attention = { point-weights = [1] } }";
    assert!(told(weights).contains("1 weights for 2 points"));
    let schedule = "network = \"net\"\nschedule = { kind = \"step\", at = [4, 12], warm-up = 9 }";
    assert_eq!(told(schedule).lines().count(), 2);
    let both = "network = \"net\"\nstart-from = \"first\"\ninitial = \"a.safetensors\"";
    assert!(told(both).contains("initial: and `start-from` exclude each other"));
    let trained = FINE.replace("epochs = 3", "epochs = 0\ninitial = \"a.safetensors\"");
    parse::<Config>(&trained).and_then(Config::checked).unwrap();
    assert!(told("network = \"nett\"").contains("there is no network `nett`, but `net`, `other`"));
}

/// Each form of the validation part, and what does not go together.
#[test]
fn validation_pictures_come_from_one_place() {
    let told = |value: &str| {
        let text = FINE.replace("mean = [0.3]", &format!("mean = [0.3]\nvalidation = {value}"));
        parse::<Config>(&text).and_then(Config::checked).map_err(|problems| problems.to_string())
    };
    assert_eq!(told("{}").unwrap(), parse::<Config>(FINE).unwrap());
    assert_eq!(told("{ share = 0.2, seed = 3 }").unwrap().data.validation.share(), 0.2);
    told("{ from = \"test\" }").unwrap();
    for (value, places) in [
        ("{ share = 1.0 }", vec!["share: above 0"]),
        ("{ from = \"test\", share = 0.1, seed = 1 }", vec!["share: that of", "seed: that of"]),
        ("{ folder = \"dev\" }", vec!["folder: goes with"]),
        ("{ from = \"folder\" }", vec!["folder: goes with", "from: only data of"]),
        ("{ from = \"train\" }", vec!["unknown variant"]),
    ] {
        let problems = told(value).unwrap_err();
        assert_eq!(problems.lines().count(), places.len(), "{problems}");
        assert!(places.iter().all(|place| problems.contains(place)), "{value}: {problems}");
    }
}

/// The keys of shards go together, and nowhere else.
#[test]
fn shards_are_said_where_they_are() {
    let told = |keys: &str| {
        let text = FINE.replace("= [0.3]", "= [0.3, 0.3, 0.3]").replace("format = \"idx\"", keys);
        parse::<Config>(&text).and_then(Config::checked).map_err(|problems| problems.to_string())
    };
    let fine = "format = \"shards\"\nsize = 8\nshards = { train = \"a-*.tar\", test = \"b.tar\" }";
    assert_eq!(told(fine).unwrap().data.shards.unwrap().buffer, 1000);
    told(&fine.replace("test =", "validation = \"c.tar\", test =")).unwrap_err();
    let apart = format!("validation = {{ from = \"shards\" }}\n{fine}");
    told(&apart.replace("test =", "validation = \"c.tar\", test =")).unwrap();
    for (keys, part) in [
        (apart.as_str(), "shards.validation: goes with"),
        ("format = \"shards\"\nsize = 8", "data.shards: goes with"),
        (&fine.replace("size = 8", ""), "data.size: "),
        (&fine.replace("= { train", "= { buffer = 0, train"), "shards.buffer: 1 or more"),
        (&fine.replace("\"shards\"", "\"folders\""), "data.shards: goes with"),
    ] {
        let problems = told(keys).unwrap_err();
        assert!(problems.contains(part) && problems.lines().count() == 1, "{part}: {problems}");
    }
}

#[test]
fn crops_and_shared_steps_make_sense() {
    let told = |keys: &str| problems(&FINE.replace("epochs = 3", &format!("epochs = 3\n{keys}")));
    assert!(told("augmentation = { pad-crop = 2, crop-from = 32 }").contains("exclude each other"));
    assert!(told("early-stopping = { patience = 0 }").contains("steps[0].early-stopping.patience: 1 or more"));
    assert!(told("early-stopping = {}").contains("missing field `patience`"));
    assert!(told("folder = \"../first\"").contains("steps[0].seed: a step with a `folder`"));
    let text = FINE
        .replace("[networks.net]", "size = 28\n[networks.net]")
        .replace("epochs = 3", "epochs = 3\naugmentation = { crop-from = 24 }");
    assert!(problems(&text).contains("crop-from: not smaller"));
    let second = "\n[[steps]]\nname = \"second\"\nnetwork = \"net\"\nepochs = 1\nbatch = 4\nstart-from = \"first\"\n\
                  folder = \"../second\"\nseed = 1\noptimiser = { kind = \"adamw\", rate = 1e-3 }";
    assert!(problems(&format!("{FINE}{second}")).contains("start-from: a step with a `folder`"));
    let ablation = "\n[ablation]\nseeds = [1, 1]\nrows = []";
    let text = problems(&format!("{FINE}{ablation}"));
    assert!(text.contains("ablation.seeds: each once") && text.contains("ablation.rows: one at least"), "{text}");
}
