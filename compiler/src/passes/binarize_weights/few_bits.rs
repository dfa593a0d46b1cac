//! Weights of a few evenly spaced numbers per channel: planes of signs with weights 1, 2, 4... whose sum they are, exactly.

use super::codes::Code;
use super::weights::{TOLERANCE, by_channel};
use super::{Affine, Arc, Binary, BinaryWeights, MOST_PLANES, Node, Op, Part, Rewriter, ValueId, Window, repeat};
use crate::passes::rewrite::NewNode;

/// Steps from zero to the largest weight, at most: those of five bits.
const STEPS: usize = 15;

/// What the planes of the weights are worth, and their signs.
pub(super) struct Planes {
    planes: Vec<(f32, Vec<bool>)>,
    /// What all weights are besides, if the planes are off by that: -1 or +1. The sum of the input, the same for all channels.
    all: Option<bool>,
    /// Whether that can be one channel: there is one group.
    in_one_channel: bool,
    /// One for each channel: the weights are so much times a whole number.
    units: Vec<f64>,
    /// Of these whole numbers, for each channel.
    sums: Vec<i64>,
}

impl Planes {
    /// How many there are, of as many channels as the layer has, at least.
    pub(super) fn count(&self) -> usize {
        self.planes.len() + usize::from(self.all.is_some() && !self.in_one_channel)
    }

    /// The weights of a layer, if they are whole multiples of a number per channel, up to so many times.
    pub(super) fn of(rewriter: &Rewriter<'_>, node: &Node) -> Option<Self> {
        let tensor = by_channel(rewriter, node).ok()?;
        let values = tensor.as_f32().filter(|v| !v.is_empty())?;
        let per_channel = values.len() / tensor.shape[0];
        // Of a handful, few are different by accident.
        if per_channel < 8 {
            return None;
        }
        let mut units = Vec::new();
        let mut whole: Vec<i64> = Vec::new();
        for row in values.chunks(per_channel) {
            let largest = f64::from(row.iter().fold(0.0_f32, |m, x| m.max(x.abs())));
            if !largest.is_finite() {
                return None;
            }
            let fits = |steps: &usize| {
                let unit = largest / *steps as f64;
                row.iter().all(|&x| {
                    let at = f64::from(x) / unit;
                    (at - at.round()).abs() <= TOLERANCE * *steps as f64
                })
            };
            if largest == 0.0 {
                // A normalisation by 0 folded in: any numbers, times 0, and so those that take no plane more.
                units.push(0.0);
                whole.extend(row.iter().map(|_| 1));
                continue;
            }
            let steps = (1..=STEPS).find(fits)?;
            // What is beyond the others is below zero in each channel, as in two's complement.
            let least = f64::from(row.iter().fold(0.0_f32, |m, x| m.min(*x)));
            let unit = if -least < largest { -largest } else { largest } / steps as f64;
            units.push(unit);
            whole.extend(row.iter().map(|&x| (f64::from(x) / unit).round() as i64));
        }
        let in_one_channel = !matches!(&node.op, Op::Conv { groups, .. } if *groups != 1);
        Some(Self { in_one_channel, ..Self::split(&whole, units, per_channel) })
    }

    /// Odd numbers are sums of ±1, ±2, ±4...; even ones of one more ±1, which is the same for all where it can be. Others are half
    /// of even ones.
    fn split(whole: &[i64], mut units: Vec<f64>, per_channel: usize) -> Self {
        let odd = whole.iter().all(|n| n % 2 != 0);
        let whole: Vec<i64> = whole.iter().map(|n| if odd { *n } else { 2 * n }).collect();
        if !odd {
            units.iter_mut().for_each(|unit| *unit /= 2.0);
        }
        let [low, high] = [whole.iter().min(), whole.iter().max()].map(|n| n.copied().unwrap_or(1));
        let largest = high.max(-low);
        let bits = (1..).find(|bits| (1_i64 << bits) - i64::from(odd) >= largest).unwrap_or(1);
        let full = (1_i64 << bits) - 1;
        let all = match (odd, high > full, low < -full) {
            (true, ..) | (_, true, true) => None,
            (_, high_is_beyond, _) => Some(high_is_beyond),
        };
        let extra: Vec<bool> = whole.iter().map(|&n| all.unwrap_or(n > full)).collect();
        let one = |plus: bool| if plus { 1 } else { -1 };
        let rest = |at: usize| whole[at] - if odd { 0 } else { one(extra[at]) };
        let plane = |bit: i64| (0..whole.len()).map(|at| ((rest(at) + full) / 2) >> bit & 1 == 1).collect();
        let mut planes: Vec<(f32, Vec<bool>)> = (0..bits).map(|bit| ((1_i64 << bit) as f32, plane(bit))).collect();
        if !odd && all.is_none() {
            planes.insert(0, (1.0, extra));
        }
        let sums = whole.chunks(per_channel).map(|row| row.iter().sum()).collect();
        Self { planes, all, in_one_channel: true, units, sums }
    }

    /// Emits a layer for each plane of the weights and each of the input, and the Affine of scale and bias behind their sum. The
    /// sums are whole numbers; a channel's result is `unit * (u * sum / planes + v * all weights) + bias` for an input `u * mean + v`.
    pub(super) fn emit(&self, rewriter: &mut Rewriter<'_>, node: &Node, code: &Code, windows: &[Window]) -> Option<()> {
        let bias = match node.inputs.get(2) {
            None => None,
            Some(&v) => match rewriter.floats(v) {
                Some((_, bias)) => Some(bias.to_vec()),
                None => return None,
            },
        };
        let per_channel = self.planes[0].1.len() / self.units.len();
        let worth: f32 = self.planes.iter().map(|(worth, _)| worth).sum();
        if !is_exact(code, per_channel * (worth as usize + 1)) {
            return None;
        }
        let map = |channel: usize| {
            let inner = code.of_dots(self.sums[channel] as f32, 1)?;
            let bias = bias.as_ref().map_or(0.0, |b| b[channel]);
            Some(inner.scaled(self.units[channel]).shifted(f64::from(bias)))
        };
        let maps = (0..self.units.len()).map(map).collect::<Option<Vec<Affine>>>()?;
        let shape = rewriter.graph.shape(node.output).to_vec();
        let axis = shape.len() - 1;
        let mut products = Vec::new();
        // In as many channels as the others it is a part of the same chain, and if that is too many products, in one.
        let operand = code.operand();
        let in_one_channel = self.in_one_channel && (self.planes.len() + 1) * operand.len() > MOST_PLANES;
        let channels = if in_one_channel { 1 } else { self.units.len() };
        let all = self.all.map(|plus| (1.0, vec![plus; channels * per_channel]));
        for (worth, signs) in self.planes.iter().chain(&all) {
            let weights = Arc::new(BinaryWeights { signs: signs.clone(), zeros: 0, deviation: 0.0 });
            for (at, &(of_input, plane)) in operand.iter().enumerate() {
                let op = match (&node.op, windows.get(at)) {
                    (Op::Conv { groups, .. }, Some(window)) => {
                        Op::BinaryConv { window: window.clone(), groups: *groups, weights: weights.clone() }
                    }
                    _ => Op::BinaryMatMul { weights: weights.clone() },
                };
                let is_shared = signs.len() / per_channel < self.units.len();
                products.push((is_shared, worth * of_input, op, plane));
            }
        }
        // What is worth more comes first: each step on the way down is a product with two.
        products.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let one: Vec<usize> = shape.iter().enumerate().map(|(i, &n)| if i == axis { 1 } else { n }).collect();
        let [mut terms, mut shared] = [Vec::new(), Vec::new()];
        for (is_shared, worth, op, plane) in products {
            let parts = if terms.is_empty() { node.parts.clone() } else { super::plane(node) };
            let (list, shape) = if is_shared { (&mut shared, &one) } else { (&mut terms, &shape) };
            let (like, inputs, suffix) = (node.output, vec![plane], "dot");
            list.push((worth, rewriter.emit(NewNode { op, inputs, like, suffix, shape, origin: None, parts })));
        }
        if let Some((&first, rest)) = shared.split_first() {
            let sum = sum(rewriter, first.1, first, rest);
            let (op, inputs, parts) = (Op::Expand, vec![sum], vec![Part::Planes]);
            let (like, shape, suffix) = (node.output, &shape[..], "all");
            terms.push((1.0, rewriter.emit(NewNode { op, inputs, like, suffix, shape, origin: None, parts })));
        }
        let (&first, rest) = terms.split_first()?;
        let all = sum(rewriter, node.output, first, rest);
        let name = format!("{}.scale", node.name);
        let parts = std::iter::once(Part::Scale).chain(bias.map(|_| Part::Bias)).collect();
        let op = Op::Affine { axis, maps: Arc::new(maps) };
        rewriter.change(Node { name, op, inputs: vec![all], output: node.output, parts, reason: None });
        Some(())
    }
}

/// Whether the sums of a layer's planes are whole numbers that floats hold, where its weights add up to so much at most.
pub(super) fn is_exact(code: &Code, weights: usize) -> bool {
    let input: f32 = code.operand().iter().map(|(worth, _)| worth.abs()).sum();
    weights.saturating_mul(input as usize) <= 1 << f32::MANTISSA_DIGITS
}

/// The sum of results of layers of planes, each as many times as it is worth: a whole number.
pub(super) fn sum(
    rewriter: &mut Rewriter<'_>,
    like: ValueId,
    (mut worth, mut sum): (f32, ValueId),
    terms: &[(f32, ValueId)],
) -> ValueId {
    let shape = rewriter.graph.shape(like).to_vec();
    let axis = shape.len() - 1;
    let mut emit = |op: Op, inputs: Vec<ValueId>, suffix: &str, part: Part| {
        let (shape, origin, parts) = (&shape[..], None, vec![part]);
        rewriter.emit(NewNode { op, inputs, like, suffix, shape, origin, parts })
    };
    let times = |factor: f32| Op::Affine { axis, maps: repeat(&Affine::linear(factor, 0.0), shape[axis]) };
    // At last it is worth 1.
    let next = terms.iter().map(|&(next, term)| (next, Some(term))).chain([(1.0, None)]);
    for (next, term) in next {
        if worth != next {
            sum = emit(times(worth / next), vec![sum], "worth", Part::Scale);
        }
        if let Some(term) = term {
            sum = emit(Op::Binary(Binary::Add), vec![sum, term], "sum", Part::Planes);
        }
        worth = next;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The planes' signs times what they are worth, and what all weights are besides, are the weights again.
    #[test]
    fn planes_add_up() {
        let all: Vec<Vec<i64>> = vec![
            vec![-3, -1, 1, 3],
            vec![-1, 0, 1],
            vec![-2, 2, 0],
            vec![7, -7, 5],
            (-8..8).collect(),
            (-3..5).collect(),
            (-3..4).collect(),
        ];
        let counts = [(2, None), (2, None), (3, None), (3, None), (4, Some(false)), (3, Some(true)), (3, Some(false))];
        for (whole, (count, all)) in std::iter::zip(all, counts) {
            let planes = Planes::split(&whole, vec![1.0], whole.len());
            assert_eq!((planes.count(), planes.all), (count, all), "{whole:?}");
            for (at, &n) in whole.iter().enumerate() {
                let all = planes.all.map_or(0.0, |plus| if plus { 1.0 } else { -1.0 });
                let sum: f64 = planes.planes.iter().map(|(w, s)| f64::from(if s[at] { *w } else { -*w })).sum();
                let sum = sum + all;
                assert_eq!(sum * planes.units[0], n as f64, "{whole:?}");
            }
            assert_eq!(planes.sums[0] as f64 * planes.units[0], whole.iter().sum::<i64>() as f64);
        }
    }
}
