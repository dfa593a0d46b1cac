use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::config::{AblationConfig, Downsample, Losses, Row, SecondTeacher, StepConfig};
use crate::testing::{procedure, write_data};
use crate::train::{Epoch, Quiet};

fn whole(folder: &Path, ablation: AblationConfig) -> Config {
    Config { ablation: Some(ablation), ..procedure(folder, "out") }
}

fn of(rows: &[Row], downsample: &[Downsample], seeds: &[u64]) -> AblationConfig {
    let (rows, downsample, seeds) = (rows.to_vec(), downsample.to_vec(), seeds.to_vec());
    AblationConfig { rows, downsample, seeds, second_teacher: SecondTeacher::Real }
}

fn names(steps: &[StepConfig]) -> Vec<&str> {
    steps.iter().map(|step| step.name.as_str()).collect()
}

/// The parts of each row, and who teaches whom, as sections 4.2 and 5.2 of the paper have them.
#[test]
fn rows_have_the_parts_of_the_paper() {
    let config = whole(Path::new("/none"), AblationConfig::default());
    let all = runs(&config).unwrap();
    assert_eq!(all.len(), 6 * 2 * 3);
    for run in &all {
        let block = run.config.networks["student"].block();
        assert_eq!(block.gate.is_some(), matches!(run.row, Row::Gates | Row::All), "{run}");
        assert_eq!(block.downsample, run.downsample);
        let steps = &run.config.steps;
        let second = steps.last().unwrap();
        let first = &steps[steps.len() - 2];
        assert_eq!((first.name.as_str(), second.name.as_str()), ("sign", "binary"));
        assert_eq!(second.start_from.as_deref(), Some("sign"));
        let matched = |losses: &Losses| (losses.attention.is_some(), losses.logits.is_some());
        let taught = |step: &StepConfig| step.teacher.clone().unwrap_or_default();
        let (losses, teachers) = ((matched(&first.losses), matched(&second.losses)), (taught(first), taught(second)));
        let (no, both) = ((false, false), (true, true));
        match run.row {
            Row::Baseline | Row::Gates => {
                assert_eq!(names(steps), ["sign", "binary"]);
                assert_eq!((losses, teachers), ((no, no), (String::new(), String::new())));
                assert_eq!(first.start_from, None);
                assert!(!run.config.networks.contains_key("teacher"));
            }
            Row::Attention | Row::AttentionLogits => {
                assert_eq!(names(steps), ["teacher", "sign", "binary"]);
                let logits = run.row == Row::AttentionLogits;
                assert_eq!(losses, ((true, logits), (true, logits)));
                assert_eq!(teachers, ("teacher".to_owned(), "teacher".to_owned()));
                assert_eq!(first.start_from, None);
            }
            Row::Progressive | Row::All => {
                assert_eq!(names(steps), ["teacher", "tanh", "sign", "binary"]);
                // Step 3 matches logits only.
                assert_eq!(losses, (both, (false, true)));
                assert_eq!(matched(&steps[1].losses), both);
                assert_eq!(teachers, ("tanh".to_owned(), "sign".to_owned()));
                assert_eq!(taught(&steps[1]), "teacher");
                assert_eq!(first.start_from.as_deref(), Some("tanh"));
            }
        }
        // Roles keep their seeds, whatever the row; the teacher is shared.
        for step in steps {
            let same = |other: &&StepConfig| other.name == step.name;
            let others = all.iter().filter(|other| other.seed == run.seed);
            assert!(others.flat_map(|other| other.config.steps.iter().find(same)).all(|other| other.seed == step.seed));
            assert_eq!(step.folder.is_some(), step.name == "teacher");
        }
    }
    let mut folders: Vec<_> = all.iter().map(|run| run.config.output.clone()).collect();
    folders.sort();
    folders.dedup();
    assert_eq!(folders.len(), all.len());
    // The other choice of a teacher for the second stage.
    let config = whole(
        Path::new("/none"),
        AblationConfig {
            second_teacher: SecondTeacher::FirstStage,
            ..of(&[Row::Attention], &[Downsample::Real], &[1])
        },
    );
    assert_eq!(runs(&config).unwrap()[0].config.steps[2].teacher.as_deref(), Some("sign"));
}

/// The ready configurations of the whole method are ablations too.
#[test]
fn the_ready_configurations_can_be_taken_apart() {
    for name in ["ablation-fashion-mnist", "ablation-cifar10", "fashion-mnist", "cifar10", "cifar100", "imagenet"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs").join(name).with_extension("toml");
        let config = Config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(runs(&config).unwrap_or_else(|problems| panic!("{name}: {problems}")).len(), 6 * 2 * 3);
    }
}

#[test]
fn what_is_not_the_whole_method_is_told() {
    let told = |change: &dyn Fn(&mut Config)| {
        let mut config = whole(Path::new("/none"), AblationConfig::default());
        change(&mut config);
        runs(&config).unwrap_err().to_string()
    };
    assert!(told(&|c| drop(c.steps.remove(1))).contains("tanh"));
    assert!(told(&|c| c.steps[2].losses.attention = None).contains("step `sign`: losses"));
    assert!(told(&|c| c.steps[3].teacher = Some("teacher".into())).contains("step `binary`: teacher"));
    let no_gate = told(&|c| c.networks.get_mut("student").unwrap().block = None);
    assert!(no_gate.contains("gate") && no_gate.lines().count() == 3, "{no_gate}");
}

/// Stops in the middle of the first epoch of whatever is trained.
struct StopAtOnce<'a>(&'a AtomicBool);

impl Progress for StopAtOnce<'_> {
    fn epoch(&mut self, step: &str, epoch: usize, _: usize, _: usize) {
        self.0.store(step == "sign" && epoch == 2, std::sync::atomic::Ordering::Relaxed);
    }
    fn update(&mut self, _: usize, _: f64, _: f64, _: f64) {}
    fn done(&mut self, _: &str, _: &Epoch) {}
    fn note(&mut self, _: &str) {}
}

/// Two rows and two seeds: the teacher of a seed is trained once, an interrupted ablation goes on, one that is done does
/// nothing, and the files hold what the runs have reached.
#[test]
fn an_ablation_shares_goes_on_and_tells() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let chosen = of(&[Row::Baseline, Row::AttentionLogits], &[Downsample::Binary], &[1, 2]);
    let config = whole(folder.path(), chosen.clone());
    let out = config.output.clone();
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    // The first seed's baseline is interrupted in its first stage.
    let stop = AtomicBool::new(false);
    assert_eq!(run(&config, &chosen, &stop, &mut StopAtOnce(&stop)).unwrap(), Outcome::Interrupted);
    assert!(out.join("seed-1/baseline-binary-downsample/sign/state.json").exists());
    assert!(!out.join("seed-1/teacher").exists());
    assert!(read("ablation.md").contains("| binary | strong baseline | – | – | – | – |  | 0 |"));
    // One seed, then the others: each run and each teacher is trained once.
    let one = AblationConfig { seeds: vec![1], ..chosen.clone() };
    let go = |chosen: &AblationConfig| run(&config, chosen, &AtomicBool::new(false), &mut Quiet).unwrap();
    assert_eq!(go(&one), Outcome::Done);
    let teacher = out.join("seed-1/teacher/state.json");
    let before = std::fs::metadata(&teacher).unwrap().modified().unwrap();
    assert!(!out.join("seed-2").exists());
    assert_eq!(go(&chosen), Outcome::Done);
    assert_eq!(std::fs::metadata(&teacher).unwrap().modified().unwrap(), before);
    let again = go(&chosen);
    assert_eq!((again, std::fs::metadata(&teacher).unwrap().modified().unwrap()), (Outcome::Done, before));
    // What the table says is what the runs have reached.
    let runs = runs(&config).unwrap();
    let table = Table::read(&config, &runs).unwrap();
    let last = |run: &Run| {
        let step = run.config.steps.last().unwrap();
        train::checkpoint(&run.config, step).state().unwrap().test.unwrap().last.top1
    };
    let base: Vec<f64> = runs.iter().filter(|run| run.row == Row::Baseline).map(last).collect();
    let cell = table.cell(Row::Baseline, Downsample::Binary, 1)[0].unwrap();
    let mean = (base[0] + base[1]) / 2.0;
    assert!((cell.mean - mean).abs() < 1e-12);
    assert!((cell.deviation.unwrap() - (base[0] - base[1]).abs() / 2f64.sqrt()).abs() < 1e-12);
    assert_eq!(table.real.len(), 2);
    assert_eq!(read("runs.csv").lines().count(), 1 + 2 * 2 * 2 + 2);
    assert_eq!(read("ablation.csv").lines().count(), 1 + 2 * 2 + 1);
    assert!(read("ablation.svg").contains("strong baseline") && read("ablation.svg").trim_end().ends_with("</svg>"));
    assert!(plan(&runs, &table).contains("binary: 2 epochs, network student (sign, binary weights), starts from sign"));
    // A run is an ordinary procedure that can be looked at where it lies.
    let own = Config::load(&out.join("seed-2/attention-logits-binary-downsample/config.toml")).unwrap();
    let cpu = train::device("cpu").unwrap();
    train::trained(&own, "binary", true, &cpu).unwrap();
    train::trained(&own, "teacher", true, &cpu).unwrap();
    // Other settings of the shared teacher are not mixed with these.
    let mut other = config.clone();
    other.steps[0].optimiser.rate = 0.2;
    let baseline = of(&[Row::Attention], &[Downsample::Binary], &[1]);
    let told = run(&other, &baseline, &AtomicBool::new(false), &mut Quiet).unwrap_err().to_string();
    assert!(told.contains("other settings"), "{told}");
}

/// The tanh step diverges, which only one of the two rows has.
#[test]
fn a_run_that_fails_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    let chosen = of(&[Row::Progressive, Row::Baseline], &[Downsample::Binary], &[1]);
    let mut config = whole(folder.path(), chosen.clone());
    config.steps[1].optimiser.rate = 1e30;
    let told = run(&config, &chosen, &AtomicBool::new(false), &mut Quiet).unwrap_err().to_string();
    assert!(told.starts_with("+ progressive, binary downsample, seed 1: step `tanh`: the loss is no number"), "{told}");
    let runs = runs(&config).unwrap();
    assert_eq!(runs[0].row, Row::Progressive);
    let table = Table::read(&config, &runs).unwrap();
    let done = |row| table.cell(row, Downsample::Binary, 1)[0].is_some();
    assert!(done(Row::Baseline) && !done(Row::Progressive));
}

#[test]
fn spreads_are_sample_standard_deviations() {
    let cell = Cell::of(&[0.70, 0.72, 0.76]).unwrap();
    // Mean 0.7267, deviations -0.0267, -0.0067, 0.0333; squares add up to 0.0018667; over 2.
    assert!((cell.mean - 0.726_666_667).abs() < 1e-9 && (cell.deviation.unwrap() - 0.030_550_505).abs() < 1e-9);
    assert_eq!(Cell::of(&[0.5]).unwrap().deviation, None);
    assert_eq!(Cell::of(&[]), None);
}
