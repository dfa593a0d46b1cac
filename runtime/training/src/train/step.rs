//! One step: epochs of updates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::module::Module as _;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};

use super::evaluate::{Evaluation, evaluate, tensor};
use super::procedure::{tell_tensorboard, write_curves};
use super::{Checkpoint, Epoch, Progress, Shares, State, Tested, restore};
use crate::config::{Config, Points, StepConfig, ValidationFrom};
use crate::data::{Batch, Batches, Order, Part, Plan};
use crate::loss::terms;
use crate::nn::{Network, Output, Task};
use crate::optim::rate;
use crate::problem::{Problems, Result};
use crate::together::{Together, digest, summed};

/// Updates between looks at the loss: each look waits for the device.
const LOOK: usize = 8;

/// Pictures that are named when they cannot be read, in each epoch; of more there is a count.
const NAMED: usize = 10;

/// Updates that are measured to say how long a step takes.
const TIMED: usize = 3;

/// Fewer, if they take longer.
const LONG: Duration = Duration::from_secs(20);

/// What a step works with.
pub(super) struct Step<'a> {
    pub(super) config: &'a Config,
    pub(super) step: &'a StepConfig,
    /// Of this step, of everything random.
    pub(super) seed: u64,
    pub(super) task: Task,
    pub(super) train: Arc<Part>,
    /// What the best epoch is chosen on.
    pub(super) validation: Arc<Part>,
    pub(super) test: Arc<Part>,
    /// Without gradients.
    pub(super) device: &'a Device,
    /// On `device`, in evaluation mode.
    pub(super) teacher: Option<Network>,
    pub(super) clip_latent_weights: bool,
    pub(super) checkpoint: Checkpoint,
    pub(super) stop: &'a AtomicBool,
    pub(super) progress: &'a mut dyn Progress,
    /// Those that train it.
    pub(super) together: Together,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Interrupted,
}

/// Seconds for a picture.
pub(super) struct Speed {
    /// Of training.
    pub(super) learning: f64,
    /// Of evaluation.
    pub(super) looking: f64,
}

/// What is known of a batch, by all processes.
struct Found {
    pictures: f32,
    /// Whether it is learned from: not where one of them could read nothing of its share, for a network cannot be run on no
    /// picture, and all have to run it.
    trains: bool,
    /// Somebody wants to end.
    stop: bool,
}

/// Sums over an epoch.
#[derive(Default)]
struct Sums {
    pictures: f64,
    /// Loss, labels, logits, attention, right answers; each times the pictures.
    values: [f64; 5],
    skipped: Problems,
    /// For pictures.
    waited: Duration,
}

impl Step<'_> {
    /// Trains from where `state` is to the end.
    pub(super) fn run(
        &mut self,
        mut network: Network,
        mut optimiser: ModuleOptimizer,
        mut state: State,
    ) -> Result<End> {
        let together = self.together;
        for epoch in state.epochs.len()..self.step.epochs {
            if let Some(early) = self.step.early_stopping.filter(|_| state.gave_up(self.step)) {
                self.progress.note(&format!(
                    "{}: ends after epoch {epoch}, for it got no better on the validation pictures in {}",
                    self.step.name, early.patience
                ));
                break;
            }
            let start = Instant::now();
            let mut sums = Sums::default();
            let Some((trained, rate)) = self.epoch(network, &mut optimiser, epoch, &mut sums)? else {
                return Ok(End::Interrupted);
            };
            network = trained;
            if together.any(self.stop.load(Ordering::Relaxed)) {
                return Ok(End::Interrupted);
            }
            together.same(digest(together, &network), &self.step.name, "the weights of the network")?;
            sums.skipped.0 = together.told(&sums.skipped.0).concat();
            state = together.first(|| {
                let seen = self.look(&state, &network, &sums)?;
                let told = Epoch { rate, seconds: start.elapsed().as_secs_f64(), ..seen };
                self.save(told, state, &network, &optimiser)
            })?;
        }
        together.first(|| self.end(state, &network, &optimiser))?;
        Ok(End::Done)
    }

    /// What there is to tell of an epoch behind those of `state`, but rate and time.
    fn look(&mut self, state: &State, network: &Network, sums: &Sums) -> Result<Epoch> {
        let epoch = state.epochs.len();
        let result = self.evaluate(&network.valid(), &self.validation);
        if !result.loss.is_finite() {
            return Err(no_number(&self.step.name, epoch));
        }
        self.name_skipped(&[&sums.skipped, &result.skipped]);
        let [loss, labels, logits, attention, right] = sums.values.map(|sum| sum / sums.pictures.max(1.0));
        Ok(Epoch {
            epoch: epoch + 1,
            loss,
            labels,
            logits,
            attention,
            accuracy: right,
            validation_loss: result.loss,
            validation_accuracy: result.top1,
            validation_top5: result.top5,
            skipped: sums.skipped.0.len(),
            waited: sums.waited.as_secs_f64(),
            ..Epoch::default()
        })
    }

    /// Writes and tells of an epoch: the state after it.
    fn save(&mut self, told: Epoch, before: State, network: &Network, optimiser: &ModuleOptimizer) -> Result<State> {
        let mut state = before;
        let best = state.best.checked_sub(1).map(|best| state.epochs[best].validation_accuracy);
        let told = told.kept();
        if best.is_none_or(|best| told.validation_accuracy > best) {
            state.best = told.epoch;
        }
        state.epochs.push(told.clone());
        self.checkpoint.save(&state, network, optimiser)?;
        write_curves(self.config)?;
        tell_tensorboard(self.config, self.step, &state)?;
        self.progress.done(&self.step.name, &told);
        Ok(state)
    }

    /// Looks at the test pictures, and writes and tells the end of the step.
    fn end(&mut self, before: State, network: &Network, optimiser: &ModuleOptimizer) -> Result {
        let mut state = before;
        if state.epochs.is_empty() {
            // Nothing but weights from a file.
            self.checkpoint.save(&state, network, optimiser)?;
        }
        let tested = self.tested(network, &state)?;
        state.test = Some(tested);
        self.checkpoint.save_state(&state)?;
        tell_tensorboard(self.config, self.step, &state)?;
        let [best, last] = [tested.best, tested.last].map(|shares| 100.0 * shares.top1);
        let when = match state.best {
            0 => "by the weights of the file".to_owned(),
            epoch => format!("after the best epoch, {epoch}, and {last:.2} % after the last"),
        };
        self.progress.note(&format!("{}, test pictures: {best:.2} % right {when}", self.step.name));
        Ok(())
    }

    /// How fast it goes here, by a few updates and one batch of validation pictures.
    pub(super) fn speed(&self, mut network: Network, mut optimiser: ModuleOptimizer) -> Speed {
        let order = Order::Shuffled { seed: self.seed, epoch: 0, augmentation: self.step.augmentation.clone() };
        let (mut start, mut pictures) = (Instant::now(), 0);
        for (number, batch) in Batches::new(&self.train, self.plan(order)).take(1 + TIMED).enumerate() {
            // The first one warms up.
            if number == 1 {
                (start, pictures) = (Instant::now(), 0);
            }
            pictures += batch.labels.len();
            if batch.labels.is_empty() {
                continue;
            }
            let (loss, told) = self.losses(&network, batch);
            let grads = GradientsParams::from_grads(loss.backward(), &network);
            network = optimiser.step(self.step.optimiser.rate, network, grads);
            // Waits for the device.
            let _ = told.into_data();
            if start.elapsed() > LONG {
                break;
            }
        }
        let per_picture = |start: Instant, pictures: usize| start.elapsed().as_secs_f64() / pictures.max(1) as f64;
        let learning = per_picture(start, pictures);
        let (network, start) = (network.valid(), Instant::now());
        let batch = Batches::new(&self.validation, self.plan(Order::Sequential)).next().unwrap_or_default();
        let pictures = batch.labels.len();
        if pictures > 0 {
            let _ = network.forward(tensor(batch.pictures, pictures, self.task, self.device)).into_data();
        }
        Speed { learning, looking: per_picture(start, pictures) }
    }

    /// What the best and the last network say of the test pictures.
    fn tested(&mut self, last: &Network, state: &State) -> Result<Tested> {
        if self.config.data.validation.from == ValidationFrom::Test && !state.epochs.is_empty() {
            // They have been looked at.
            let of = |epoch: &Epoch| Shares {
                loss: epoch.validation_loss,
                top1: epoch.validation_accuracy,
                top5: epoch.validation_top5,
            };
            let [best, last] = [state.best, state.epochs.len()].map(|number| of(&state.epochs[number - 1]));
            return Ok(Tested { best, last });
        }
        let of = |result: &Evaluation| Shares { loss: result.loss, top1: result.top1, top5: result.top5 };
        let network = last.valid();
        let result = self.evaluate(&network, &self.test);
        self.name_skipped(&[&result.skipped]);
        let last = of(&result);
        let best = match state.best == state.epochs.len() {
            true => last,
            false => of(&self.evaluate(&restore(network, &self.checkpoint.network(state, true))?, &self.test)),
        };
        Ok(Tested { best, last })
    }

    /// Says which pictures could not be read.
    fn name_skipped(&mut self, skipped: &[&Problems]) {
        let skipped = || skipped.iter().flat_map(|problems| &problems.0);
        for problem in skipped().take(NAMED) {
            self.progress.note(&format!("skipped: {problem}"));
        }
        let more = skipped().count().saturating_sub(NAMED);
        if more > 0 {
            self.progress.note(&format!("skipped: {more} pictures more"));
        }
    }

    fn evaluate(&self, network: &Network, part: &Arc<Part>) -> Evaluation {
        evaluate(network, part, self.plan(Order::Sequential), self.task, self.device)
    }

    fn plan(&self, order: Order) -> Plan {
        Plan::new(&self.config.data, self.task.size, self.task.classes, self.step.batch, order)
    }

    /// One epoch: the network after it and the last learning rate, or `None` after an interruption.
    fn epoch(
        &mut self,
        mut network: Network,
        optimiser: &mut ModuleOptimizer,
        epoch: usize,
        sums: &mut Sums,
    ) -> Result<Option<(Network, f64)>> {
        let step = self.step;
        let order = Order::Shuffled { seed: self.seed, epoch, augmentation: step.augmentation.clone() };
        let plan = Plan { share: self.together.share(), ..self.plan(order) };
        let mut batches = Batches::new(&self.train, plan);
        let all = batches.len();
        let updates = all.div_ceil(step.accumulate);
        self.progress.epoch(&step.name, epoch + 1, step.epochs, updates);
        let mut accumulator = GradientsAccumulator::new();
        let mut pending: Vec<Tensor<1>> = Vec::new();
        let mut rate_now = 0.0;
        for number in 0..all {
            let asked = Instant::now();
            let Some(mut batch) = batches.next() else { break };
            sums.waited += asked.elapsed();
            sums.skipped.0.append(&mut batch.skipped.0);
            let found = self.found(batch.labels.len());
            if found.stop {
                return Ok(None);
            }
            let (update, of_update) = (number / step.accumulate, number % step.accumulate);
            let group = step.accumulate.min(all - update * step.accumulate);
            if found.trains {
                // Weighed by pictures, the processes' means add up to that of the whole batch.
                let share = batch.labels.len() as f32 / found.pictures;
                let (loss, told) = self.losses(&network, batch);
                let grads = GradientsParams::from_grads((loss / (group as f32 / share)).backward(), &network);
                accumulator.accumulate(&network, grads);
                pending.push(told);
            } else if found.pictures > 0.0 {
                self.progress.note("skipped: a batch of which one of the processes can read no picture");
            }
            if of_update + 1 == group {
                rate_now = rate(&step.schedule, step.optimiser.rate, (epoch, step.epochs), (update, updates));
                let grads = summed(self.together, &network, accumulator.grads());
                network = optimiser.step(rate_now, network, grads);
                if self.clip_latent_weights {
                    network = network.with_latent_weights_clipped();
                }
                if (update + 1) % LOOK == 0 || update + 1 == updates {
                    sums.add(self.together, std::mem::take(&mut pending), &step.name, epoch)?;
                    let n = sums.pictures.max(1.0);
                    self.progress.update(update + 1, sums.values[0] / n, sums.values[4] / n, rate_now);
                }
            }
        }
        Ok(Some((network, rate_now)))
    }

    /// What all processes together have of a batch, of which this one has so many pictures.
    fn found(&self, pictures: usize) -> Found {
        let stop = self.stop.load(Ordering::Relaxed);
        let mut counts = [pictures as f32, f32::from(u8::from(pictures == 0)), f32::from(u8::from(stop))];
        self.together.sum(&mut counts);
        let [pictures, without, stops] = counts;
        Found { pictures, trains: without == 0.0, stop: stops > 0.0 }
    }

    /// The loss of a batch, and what is told about it: pictures, and the sums of [`Sums::values`].
    fn losses(&self, network: &Network, batch: Batch) -> (Tensor<1>, Tensor<1>) {
        let (n, task) = (batch.labels.len(), self.task);
        let points: Option<Points> = self.step.losses.attention.as_ref().map(|attention| attention.points);
        let targets = Tensor::<2>::from_data(TensorData::new(batch.targets, [n, task.classes]), self.device);
        let pictures = tensor(batch.pictures, n, task, self.device);
        let taught = self.teacher.as_ref().map(|teacher| {
            let output = teacher.run(pictures.clone(), points);
            Output {
                logits: Tensor::from_inner(output.logits),
                points: output.points.into_iter().map(Tensor::from_inner).collect(),
            }
        });
        let output = network.run(Tensor::from_inner(pictures), points);
        let said = output.logits.clone().inner().argmax(1);
        let right = targets.clone().argmax(1).equal(said).float().sum();
        let terms = terms(&self.step.losses, &output, taught.as_ref(), Tensor::from_inner(targets));
        let none = || Tensor::<1>::zeros([1], self.device);
        let count = n as f32;
        let mean = |term: &Option<Tensor<1>>| term.clone().map_or_else(none, |term| term.inner() * count);
        let told = Tensor::cat(
            vec![
                none() + count,
                terms.total.clone().inner() * count,
                mean(&terms.labels),
                mean(&terms.logits),
                mean(&terms.attention),
                right,
            ],
            0,
        );
        (terms.total, told)
    }
}

impl Sums {
    fn add(&mut self, together: Together, told: Vec<Tensor<1>>, step: &str, epoch: usize) -> Result {
        let of = |told: Tensor<1>| -> Vec<f32> { told.into_data().convert::<f32>().try_into_vec().unwrap_or_default() };
        let mut told: Vec<f32> = told.into_iter().flat_map(of).collect();
        together.sum(&mut told);
        for told in told.chunks(1 + self.values.len()) {
            let Some((pictures, values)) = told.split_first() else { continue };
            if !values.iter().all(|v| v.is_finite()) {
                return Err(no_number(step, epoch));
            }
            self.pictures += f64::from(*pictures);
            for (sum, value) in self.values.iter_mut().zip(values) {
                *sum += f64::from(*value);
            }
        }
        Ok(())
    }
}

/// Of a loss while training, or on the test pictures: what the last update did is seen there first.
fn no_number(step: &str, epoch: usize) -> Problems {
    let what = format_args!(
        "the loss is no number any more in epoch {}; the checkpoint of the epoch before is whole. Try a lower learning \
         rate, or a longer warm-up",
        epoch + 1
    );
    Problems::one(format_args!("step `{step}`"), what)
}
