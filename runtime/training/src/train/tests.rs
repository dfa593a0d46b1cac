use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::config::{Config, DataFormat, EarlyStopping, ShardsConfig, TensorBoard};
use crate::problem::Result;
use crate::testing::{procedure as config, write_data, write_shards};

fn train(config: &Config) -> Result<Outcome> {
    run(config, &AtomicBool::new(false), &mut Quiet)
}

/// Sets `stop` when so many updates were told.
struct StopAfter<'a> {
    updates: usize,
    seen: &'a AtomicUsize,
    stop: &'a AtomicBool,
}

impl Progress for StopAfter<'_> {
    fn epoch(&mut self, _: &str, _: usize, _: usize, _: usize) {}
    fn update(&mut self, _: usize, _: f64, _: f64, _: f64) {
        if self.seen.fetch_add(1, Ordering::Relaxed) + 1 >= self.updates {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
    fn done(&mut self, _: &str, _: &Epoch) {}
    fn note(&mut self, _: &str) {}
}

const STEPS: [&str; 4] = ["teacher", "tanh", "sign", "binary"];

/// Everything that is kept of a run but the time it took.
fn results(config: &Config) -> Vec<(String, Vec<Epoch>, Vec<u8>)> {
    let of = |step: &&str| {
        let checkpoint = Checkpoint::new(&config.output, step);
        let mut state = checkpoint.state().unwrap();
        state.epochs.iter_mut().for_each(|epoch| (epoch.seconds, epoch.waited) = (0.0, 0.0));
        // The order of tensors in a file is not fixed; their values are.
        let network = trained(config, step, false, &device("cpu").unwrap()).unwrap();
        let values = crate::testing::every_value(&network).into_iter().flat_map(f32::to_le_bytes).collect();
        ((*step).to_owned(), state.epochs, values)
    };
    STEPS.iter().map(of).collect()
}

/// Interrupts a run after every two updates, with another number of threads reading pictures each time, and goes on until it is
/// done: how many runs that took.
fn in_parts(config: &Config) -> usize {
    let mut config = config.clone();
    for runs in 1..50 {
        let (stop, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
        config.data.workers = 1 + runs % 3;
        if run(&config, &stop, &mut StopAfter { updates: 2, seen: &seen, stop: &stop }).unwrap() == Outcome::Done {
            return runs;
        }
    }
    panic!("it does not come to an end");
}

/// Interrupted after every few batches, in every step, and taken up again each time: the same numbers, bit for bit,
/// with another number of threads reading pictures.
#[test]
fn an_interrupted_run_ends_like_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let whole = config(folder.path(), "whole");
    assert_eq!(train(&whole).unwrap(), Outcome::Done);
    let parts = config(folder.path(), "parts");
    let runs = in_parts(&parts);
    assert!(runs > 4, "{runs} runs");
    assert_eq!(results(&whole), results(&parts));
    // What is done is not done again.
    let before = std::fs::metadata(whole.output.join("binary/state.json")).unwrap().modified().unwrap();
    assert_eq!(train(&whole).unwrap(), Outcome::Done);
    assert_eq!(std::fs::metadata(whole.output.join("binary/state.json")).unwrap().modified().unwrap(), before);
    // The files are those of the last and the best epoch, and nothing else.
    let mut names: Vec<String> = std::fs::read_dir(whole.output.join("binary"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names[1..],
        ["last-2.network", "last-2.optimiser", "lock", "metrics.csv", "metrics.jsonl", "state.json"]
    );
    let csv = std::fs::read_to_string(whole.output.join("binary/metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.starts_with("epoch,rate,loss"));
    let lines = std::fs::read_to_string(whole.output.join("binary/metrics.jsonl")).unwrap();
    let parsed: Vec<Epoch> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(parsed.len(), 2);
    // What was written down beside the results is a configuration that goes on with them, from wherever it is called.
    let copy = Config::load(&whole.output.join("config.toml")).unwrap();
    assert_eq!(train(&copy).unwrap(), Outcome::Done);
    let detour = Config { output: whole.output.join("../whole"), ..whole.clone() };
    assert_eq!(train(&detour).unwrap(), Outcome::Done);
    // Another configuration does not go on with these results.
    let other = Config { seed: 2, ..whole };
    assert!(train(&other).unwrap_err().to_string().contains("other settings"));
}

/// The same where pictures lie in tar files, and are drawn from a buffer.
#[test]
fn an_interrupted_run_on_shards_ends_like_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    write_shards(folder.path());
    let on_shards = |output: &str| {
        let mut config = config(folder.path(), output);
        config.data.format = DataFormat::Shards;
        config.data.size = Some(8);
        // Pictures in tar files have three channels.
        (config.data.mean, config.data.std) = (vec![0.4; 3], vec![0.25; 3]);
        config.data.shards = Some(ShardsConfig {
            train: "train-*.tar".into(),
            test: "t10k-0.tar".into(),
            validation: None,
            classes: None,
            buffer: 15,
        });
        config
    };
    let (whole, parts) = (on_shards("whole"), on_shards("parts"));
    assert_eq!(train(&whole).unwrap(), Outcome::Done);
    assert!(in_parts(&parts) > 4);
    assert_eq!(results(&whole), results(&parts));
}

#[test]
fn training_learns() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let mut config = config(folder.path(), "out");
    config.steps.truncate(1);
    config.steps[0].epochs = 8;
    train(&config).unwrap();
    let state = Checkpoint::new(&config.output, "teacher").state().unwrap();
    let last = state.epochs.last().unwrap();
    assert!(last.loss < 0.5 * state.epochs[0].loss && last.validation_accuracy > 0.8, "{:?}", state.epochs);
    // What evaluation says of the best network is what was told at the end.
    let device = device("cpu").unwrap();
    let network = trained(&config, "teacher", true, &device).unwrap();
    let data = crate::data::Dataset::load(&config.data).unwrap();
    let task = data.task(&config.data);
    let plan = crate::data::Plan::new(&config.data, task.size, task.classes, 7, crate::data::Order::Sequential);
    let told = state.test.unwrap();
    let watched = std::sync::Arc::new(data.watched().clone());
    let result = evaluate(&network, &watched, plan.clone(), task, &device);
    assert_eq!(result.top1, state.epochs[state.best - 1].validation_accuracy);
    let network = |best| trained(&config, "teacher", best, &device).unwrap();
    let test = std::sync::Arc::new(data.test);
    let last = evaluate(&network(false), &test, plan.clone(), task, &device);
    let result = evaluate(&network(true), &test, plan, task, &device);
    assert_eq!([last.top1, result.top1, result.top5], [told.last.top1, told.best.top1, told.best.top5]);
    assert!((result.loss - told.best.loss).abs() < 1e-6 && (last.loss - told.last.loss).abs() < 1e-6);
    assert_eq!(result.top5, 1.0);
    let right: usize = (0..3).map(|class| result.confusion[class][class]).sum();
    assert_eq!((right as f64 / 24.0, result.confusion.iter().flatten().sum::<usize>()), (result.top1, 24));
}

/// A file for each step, as much in it after interruptions as without; and switched on later it has what was before.
#[test]
fn tensorboard_has_every_step() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let mut config = config(folder.path(), "out");
    config.steps.truncate(2);
    config.tensorboard = TensorBoard::On;
    while {
        let (stop, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
        run(&config, &stop, &mut StopAfter { updates: 3, seen: &seen, stop: &stop }).unwrap() != Outcome::Done
    } {}
    let size = |folder: std::path::PathBuf, step: &str| {
        let files: Vec<_> = std::fs::read_dir(folder.join(step)).unwrap().map(|entry| entry.unwrap()).collect();
        assert!(files.len() == 1 && files[0].file_name().to_str().unwrap().contains("tfevents"));
        files[0].metadata().unwrap().len()
    };
    let before = ["teacher", "tanh"].map(|step| size(config.output.join("tensorboard"), step));
    config.tensorboard = TensorBoard::Folder(folder.path().join("events"));
    assert_eq!(train(&config).unwrap(), Outcome::Done);
    assert_eq!(["teacher", "tanh"].map(|step| size(folder.path().join("events"), step)), before);
}

/// Soon all answers are right: the step ends so many epochs later, however often it is interrupted,
/// and is done then.
#[test]
fn a_step_that_gets_no_better_ends_early() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let early = |output: &str| {
        let mut config = config(folder.path(), output);
        config.steps.truncate(1);
        (config.steps[0].epochs, config.steps[0].early_stopping) = (60, Some(EarlyStopping { patience: 3 }));
        config
    };
    let (whole, parts) = (early("whole"), early("parts"));
    let state = |config: &Config| {
        let mut state = Checkpoint::new(&config.output, "teacher").state().unwrap();
        state.epochs.iter_mut().for_each(|epoch| (epoch.seconds, epoch.waited) = (0.0, 0.0));
        state
    };
    assert_eq!(train(&whole).unwrap(), Outcome::Done);
    let ended = state(&whole);
    assert!(ended.epochs.len() < 60 && ended.epochs.len() == ended.best + 3 && ended.test.is_some(), "{ended:?}");
    let mut runs = 0;
    loop {
        let (stop, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
        runs += 1;
        if run(&parts, &stop, &mut StopAfter { updates: 3, seen: &seen, stop: &stop }).unwrap() == Outcome::Done {
            break;
        }
        assert!(runs < 200);
    }
    assert!(runs > 3 && state(&parts) == ended, "{runs} runs: {:?}", state(&parts));
    assert_eq!((train(&whole).unwrap(), state(&whole)), (Outcome::Done, ended.clone()));
    // Epochs of the warm-up are not waited in vain.
    let mut step = whole.steps[0].clone();
    step.schedule.warm_up = ended.epochs.len() - 1;
    assert!(ended.gave_up(&whole.steps[0]) && !ended.gave_up(&step));
    step.early_stopping = None;
    assert!(!ended.gave_up(&step) && !State::default().gave_up(&whole.steps[0]));
}

/// Its network is the file's, best and last, without an epoch, and what a later step learns from.
#[test]
fn a_teacher_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let mut config = config(folder.path(), "out");
    let cpu = device("cpu").unwrap();
    config.steps.truncate(2);
    train(&Config { steps: config.steps[..1].to_vec(), ..config.clone() }).unwrap();
    let own = trained(&config, "teacher", false, &cpu).unwrap();
    let file = folder.path().join("teacher.safetensors");
    std::fs::write(&file, crate::testing::safetensors(&own)).unwrap();
    config.output = folder.path().join("taught");
    (config.steps[0].epochs, config.steps[0].initial) = (0, Some(file.clone()));
    assert_eq!(train(&config).unwrap(), Outcome::Done);
    for best in [true, false] {
        let network = trained(&config, "teacher", best, &cpu).unwrap();
        assert_eq!(crate::testing::every_value(&network), crate::testing::every_value(&own));
    }
    let checkpoint = |step| Checkpoint::new(&config.output, step).state().unwrap();
    assert!(checkpoint("teacher").epochs.is_empty() && checkpoint("teacher").test.is_some());
    assert!(checkpoint("tanh").epochs[0].logits > 0.0);
    // The same file elsewhere makes no other procedure; a file that is missing is told.
    config.steps[0].initial = Some(folder.path().join("gone").join("teacher.safetensors"));
    assert_eq!(train(&config).unwrap(), Outcome::Done);
    config.output = folder.path().join("again");
    assert!(train(&config).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let mut config = config(folder.path(), "out");
    config.steps.truncate(1);
    config.steps[0].epochs = 1;
    train(&config).unwrap();
    // The second epoch goes wrong.
    std::fs::remove_file(config.output.join("config.toml")).unwrap();
    config.steps[0].epochs = 2;
    config.steps[0].optimiser.rate = 1e30;
    let told = train(&config).unwrap_err().to_string();
    assert!(told.contains("no number any more in epoch 2"), "{told}");
    let state = Checkpoint::new(&config.output, "teacher").state().unwrap();
    assert_eq!(state.epochs.len(), 1);
    trained(&config, "teacher", false, &device("cpu").unwrap()).unwrap();
    // One update in an epoch: its own loss is a number, but not what comes after it.
    std::fs::remove_file(config.output.join("config.toml")).unwrap();
    (config.steps[0].batch, config.steps[0].accumulate) = (60, 1);
    let told = train(&config).unwrap_err().to_string();
    assert!(told.contains("no number any more in epoch 2"), "{told}");
    assert_eq!(Checkpoint::new(&config.output, "teacher").state().unwrap(), state);
}

#[test]
fn what_cannot_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let config = config(folder.path(), "out");
    let cpu = device("cpu").unwrap();
    assert!(device("gpu").unwrap_err().to_string().contains("none of cpu"));
    assert!(device("cuda:x").unwrap_err().to_string().contains("number"));
    for kind in ["cuda", "vulkan", "wgpu"] {
        let told = device(&format!("{kind}:99")).unwrap_err().to_string();
        let built = match kind {
            "cuda" => cfg!(feature = "cuda"),
            "vulkan" => cfg!(feature = "vulkan"),
            _ => cfg!(feature = "wgpu"),
        };
        let expected = if built { "on this machine".into() } else { format!("build it with `--features {kind}`") };
        assert!(told.contains(&expected), "{told}");
    }
    assert!(trained(&config, "binary", true, &cpu).unwrap_err().to_string().contains("nothing is trained here"));
    assert!(trained(&config, "none", true, &cpu).unwrap_err().to_string().contains("there is no step `none`"));
    // A file in the place of a folder cannot be written into.
    std::fs::create_dir(&config.output).unwrap();
    std::fs::write(config.output.join("teacher"), "in the way").unwrap();
    assert!(train(&config).unwrap_err().to_string().contains("teacher"));
    // Weights of another network are refused.
    std::fs::remove_file(config.output.join("teacher")).unwrap();
    let mut few = config.clone();
    few.steps.truncate(1);
    few.output = folder.path().join("few");
    train(&few).unwrap();
    few.networks.get_mut("teacher").unwrap().widths = vec![4, 8];
    assert!(trained(&few, "teacher", true, &cpu).unwrap_err().to_string().contains("weights of this network"));
}

#[test]
fn confusion_is_told_to_people_and_to_programs() {
    let result = Evaluation {
        loss: 0.5,
        top1: 0.75,
        top5: 1.0,
        confusion: vec![vec![3, 1, 0], vec![10, 120, 0], vec![0, 0, 0]],
        ..Evaluation::default()
    };
    let classes = ["cat", "big, black dog", "bird"].map(str::to_owned);
    let expected = "\
top-1 75.00 %, top-5 100.00 %, cross-entropy 0.5000; 134 pictures

rows: the true class, columns: what the network says, last: right in per cent
                      cat big, black d         bird
cat                     3            1            0   75.0
big, black d           10          120            0   92.3
bird                    0            0            0      –
";
    assert_eq!(result.text(&classes), expected);
    assert_eq!(
        result.csv(&classes),
        "true,cat,\"big, black dog\",bird\ncat,3,1,0\n\"big, black dog\",10,120,0\nbird,0,0,0\n"
    );
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&result).unwrap()).unwrap();
    assert_eq!((&json["top1"], &json["confusion"][1][1]), (&0.75.into(), &120.into()));
}
