//! Batches, made by threads of their own while the network computes, in a fixed order.
//!
//! Thread t of n makes batches t, t + n, t + 2n, …, each into its own short queue, and the receiver takes from the
//! queues in turn: the order is fixed without sorting, and no thread runs far ahead.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use rand::seq::SliceRandom as _;
use rand_distr::{Beta, Distribution as _};

use super::seeds::{Purpose, generator};
use super::{Part, Share, augment};
use crate::config::{Augmentation, DataConfig};
use crate::problem::Problems;

/// Batches a thread makes ahead.
const AHEAD: usize = 2;

/// How the pictures of a part become batches.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rows and columns of what comes out.
    pub size: [usize; 2],
    /// How many classes.
    pub classes: usize,
    /// Pictures in a batch, of all processes.
    pub batch: usize,
    /// What of each batch is made; all of it, unless several processes share them.
    pub share: Share,
    /// In which order, changed how.
    pub order: Order,
    /// Mean and standard deviation of each channel.
    pub mean: Vec<f32>,
    /// See `mean`.
    pub std: Vec<f32>,
    /// The shorter side before the centre is cut out, for evaluation.
    pub resize: Option<usize>,
    /// Threads; 0 for as many as there are processors.
    pub workers: usize,
}

/// What distinguishes training from evaluation.
#[derive(Clone, Debug)]
pub enum Order {
    /// A new order and new changes every epoch; what does not fill a batch is left out, if there is a full one.
    Shuffled {
        /// Of everything random.
        seed: u64,
        /// Counted from 0.
        epoch: usize,
        /// How pictures change.
        augmentation: Augmentation,
    },
    /// As they come, unchanged, all of them.
    Sequential,
}

/// Pictures with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Normalised, [n, channels, rows, columns].
    pub pictures: Vec<f32>,
    /// `[n]`; before mix-up.
    pub labels: Vec<u32>,
    /// The share of each class, [n, classes].
    pub targets: Vec<f32>,
    /// Pictures that could not be read and are not in the batch.
    pub skipped: Problems,
}

impl Plan {
    /// A plan for pictures as the configuration has them.
    pub fn new(config: &DataConfig, size: [usize; 2], classes: usize, batch: usize, order: Order) -> Self {
        let (mean, std) = (config.mean.clone(), config.std.clone());
        let (resize, workers, share) = (config.resize, config.workers, Share::WHOLE);
        Self { size, classes, batch, share, order, mean, std, resize, workers }
    }

    /// How many batches `pictures` pictures make.
    pub fn batches(&self, pictures: usize) -> usize {
        match self.order {
            Order::Shuffled { .. } => (pictures / self.batch).max(usize::from(pictures > 0)),
            Order::Sequential => pictures.div_ceil(self.batch),
        }
    }

    /// Which pictures come when.
    fn indices(&self, part: &Part) -> Vec<usize> {
        match &self.order {
            Order::Shuffled { seed, epoch, .. } => part.shuffled(&mut generator(*seed, Purpose::Order, *epoch, 0)),
            Order::Sequential => (0..part.len()).collect(),
        }
    }

    /// The share of batch number `number`, of these pictures.
    fn make(&self, part: &Part, number: usize, indices: &[usize]) -> Batch {
        let mut batch = Batch::default();
        let own = self.share.of(indices.len());
        // Pictures are mixed with any others of the batch, and with which of them depends on how many can be read: all
        // are.
        let mixes = matches!(&self.order, Order::Shuffled { augmentation, .. } if augmentation.mix_up > 0.0);
        let read = if mixes { 0..indices.len() } else { own.clone() };
        // Where the share is among those that can be read.
        let mut found = 0..0;
        for at in read {
            let index = indices[at];
            let picture = match part.picture(index) {
                Ok(picture) => picture,
                Err(mut problems) => {
                    if own.contains(&at) {
                        batch.skipped.0.append(&mut problems.0);
                    }
                    continue;
                }
            };
            found.start += usize::from(at < own.start);
            found.end += usize::from(at < own.end);
            let picture = match &self.order {
                Order::Shuffled { seed, epoch, augmentation } => {
                    let random = &mut generator(*seed, Purpose::Picture, *epoch, index);
                    augment::changed(picture, augmentation, self.size, random)
                }
                Order::Sequential => augment::centred(picture, self.resize, self.size),
            };
            picture.normalised(&self.mean, &self.std, &mut batch.pictures);
            batch.labels.push(part.labels[index]);
        }
        batch.targets = vec![0.0; batch.labels.len() * self.classes];
        for (i, &label) in batch.labels.iter().enumerate() {
            batch.targets[i * self.classes + label as usize] = 1.0;
        }
        if let Order::Shuffled { seed, epoch, augmentation } = &self.order
            && augmentation.mix_up > 0.0
        {
            mix(&mut batch, augmentation.mix_up, &mut generator(*seed, Purpose::MixUp, *epoch, number));
        }
        batch.keep(found);
        batch
    }
}

impl Batch {
    /// Leaves out all pictures but these.
    fn keep(&mut self, pictures: Range<usize>) {
        let n = self.labels.len();
        if pictures == (0..n) {
            return;
        }
        for values in [&mut self.pictures, &mut self.targets] {
            let len = values.len() / n;
            *values = values[pictures.start * len..pictures.end * len].to_vec();
        }
        self.labels = self.labels[pictures].to_vec();
    }
}

/// Mix-up: each picture and its targets with those of another one of the batch, all by the same share.
fn mix(batch: &mut Batch, alpha: f32, random: &mut rand_chacha::ChaCha8Rng) {
    let n = batch.labels.len();
    let Some(share) = Beta::new(alpha, alpha).ok().map(|beta| beta.sample(random)) else { return };
    let mut others: Vec<usize> = (0..n).collect();
    others.shuffle(random);
    for values in [&mut batch.pictures, &mut batch.targets] {
        let len = values.len().checked_div(n).unwrap_or(0);
        let old = values.clone();
        for (i, &other) in others.iter().enumerate() {
            for k in 0..len {
                values[i * len + k] = share * old[i * len + k] + (1.0 - share) * old[other * len + k];
            }
        }
    }
}

/// The batches of one pass over a part.
#[derive(Debug)]
pub struct Batches {
    queues: Vec<Receiver<Batch>>,
    next: usize,
    all: usize,
}

impl Batches {
    /// Starts the threads; they end when this is dropped.
    pub fn new(part: &Arc<Part>, plan: Plan) -> Self {
        let indices = Arc::new(plan.indices(part));
        let all = plan.batches(part.len());
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if plan.workers == 0 { processors() } else { plan.workers }.clamp(1, all.max(1));
        let plan = Arc::new(plan);
        let queues = (0..workers).map(|worker| {
            let (sender, receiver) = sync_channel(AHEAD);
            let (part, plan, indices) = (part.clone(), plan.clone(), indices.clone());
            std::thread::spawn(move || {
                for number in (worker..all).step_by(workers) {
                    let start = number * plan.batch;
                    let end = (start + plan.batch).min(indices.len());
                    // Nobody is waiting any more.
                    if sender.send(plan.make(&part, number, &indices[start..end])).is_err() {
                        return;
                    }
                }
            });
            receiver
        });
        Self { queues: queues.collect(), next: 0, all }
    }
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        if self.next == self.all {
            return None;
        }
        let batch = self.queues[self.next % self.queues.len()].recv().ok();
        self.next += 1;
        batch
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.all - self.next, Some(self.all - self.next))
    }
}

impl ExactSizeIterator for Batches {}
