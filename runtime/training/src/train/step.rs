//! One step: epochs of updates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::module::Module as _;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};

use super::evaluate::{evaluate, tensor};
use super::procedure::write_curves;
use super::{Checkpoint, Epoch, Progress, State};
use crate::config::{Config, Points, StepConfig};
use crate::data::{Batch, Batches, Order, Part, Plan};
use crate::loss::terms;
use crate::nn::{Network, Output, Task};
use crate::optim::rate;
use crate::problem::{Problems, Result};

/// Updates between looks at the loss: each look waits for the device.
const LOOK: usize = 8;

/// Pictures that are named when they cannot be read, in each epoch; of more there is a count.
const NAMED: usize = 10;

/// What a step works with.
pub(super) struct Step<'a> {
    pub(super) config: &'a Config,
    pub(super) step: &'a StepConfig,
    /// Of this step, of everything random.
    pub(super) seed: u64,
    pub(super) task: Task,
    pub(super) train: Arc<Part>,
    pub(super) test: Arc<Part>,
    /// Without gradients.
    pub(super) device: &'a Device,
    /// On `device`, in evaluation mode.
    pub(super) teacher: Option<Network>,
    pub(super) clip_latent_weights: bool,
    pub(super) checkpoint: Checkpoint,
    pub(super) stop: &'a AtomicBool,
    pub(super) progress: &'a mut dyn Progress,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Interrupted,
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
        for epoch in state.epochs.len()..self.step.epochs {
            let start = Instant::now();
            let mut sums = Sums::default();
            let Some((trained, rate)) = self.epoch(network, &mut optimiser, epoch, &mut sums)? else {
                return Ok(End::Interrupted);
            };
            network = trained;
            if self.stop.load(Ordering::Relaxed) {
                return Ok(End::Interrupted);
            }
            let plan = self.plan(Order::Sequential);
            let result = evaluate(&network.valid(), &self.test, plan, self.task, self.device);
            if !result.loss.is_finite() {
                return Err(no_number(&self.step.name, epoch));
            }
            let skipped: Vec<_> = sums.skipped.0.iter().chain(&result.skipped.0).collect();
            for problem in skipped.iter().take(NAMED) {
                self.progress.note(&format!("skipped: {problem}"));
            }
            if skipped.len() > NAMED {
                self.progress.note(&format!("skipped: {} pictures more", skipped.len() - NAMED));
            }
            let [loss, labels, logits, attention, right] = sums.values.map(|sum| sum / sums.pictures.max(1.0));
            state.epochs.push(Epoch {
                epoch: epoch + 1,
                rate,
                loss,
                labels,
                logits,
                attention,
                accuracy: right,
                test_loss: result.loss,
                test_accuracy: result.top1,
                test_top5: result.top5,
                skipped: sums.skipped.0.len(),
                seconds: start.elapsed().as_secs_f64(),
                waited: sums.waited.as_secs_f64(),
            });
            let before = state.best.checked_sub(1).map(|best| state.epochs[best].test_accuracy);
            if before.is_none_or(|before| result.top1 > before) {
                state.best = epoch + 1;
            }
            self.checkpoint.save(&state, &network, &optimiser)?;
            write_curves(self.config)?;
            self.progress.done(&self.step.name, &state.epochs[epoch]);
        }
        Ok(End::Done)
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
        let plan = self.plan(Order::Shuffled { seed: self.seed, epoch, augmentation: step.augmentation.clone() });
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
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            sums.skipped.0.append(&mut batch.skipped.0);
            let (update, of_update) = (number / step.accumulate, number % step.accumulate);
            let group = step.accumulate.min(all - update * step.accumulate);
            if !batch.labels.is_empty() {
                let (loss, told) = self.losses(&network, batch);
                let grads = GradientsParams::from_grads((loss / group as f32).backward(), &network);
                accumulator.accumulate(&network, grads);
                pending.push(told);
            }
            if of_update + 1 == group {
                rate_now = rate(&step.schedule, step.optimiser.rate, (epoch, step.epochs), (update, updates));
                network = optimiser.step(rate_now, network, accumulator.grads());
                if self.clip_latent_weights {
                    network = network.with_latent_weights_clipped();
                }
                if (update + 1) % LOOK == 0 || update + 1 == updates {
                    sums.add(std::mem::take(&mut pending), &step.name, epoch)?;
                    let n = sums.pictures.max(1.0);
                    self.progress.update(update + 1, sums.values[0] / n, sums.values[4] / n, rate_now);
                }
            }
        }
        Ok(Some((network, rate_now)))
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
    fn add(&mut self, told: Vec<Tensor<1>>, step: &str, epoch: usize) -> Result {
        for told in told {
            let told: Vec<f32> = told.into_data().convert::<f32>().try_into_vec().unwrap_or_default();
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
