//! Weights of a few evenly spaced numbers per channel: planes of signs with weights 1, 2, 4... whose sum they are, exactly.

use super::codes::Code;
use super::weights::{TOLERANCE, by_channel};
use super::{Affine, Arc, Binary, BinaryWeights, Node, Op, Part, Rewriter, ValueId, Window, repeat};
use crate::passes::rewrite::NewNode;

/// Steps from zero to the largest weight, at most: those of five bits.
const STEPS: usize = 15;

/// What the planes of the weights are worth, and their signs.
pub(super) struct Planes {
    planes: Vec<(f32, Vec<bool>)>,
    /// One for each channel: the weights are so much times a whole number.
    units: Vec<f64>,
    /// Of these whole numbers, for each channel.
    sums: Vec<i64>,
}

impl Planes {
    pub(super) fn count(&self) -> usize {
        self.planes.len()
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
            let unit = largest / steps as f64;
            units.push(unit);
            whole.extend(row.iter().map(|&x| (f64::from(x) / unit).round() as i64));
        }
        Some(Self::split(&whole, units, per_channel))
    }

    /// Odd numbers are sums of ±1, ±2, ±4...; even ones of one more ±1. Others are half of even ones.
    fn split(whole: &[i64], mut units: Vec<f64>, per_channel: usize) -> Self {
        let odd = whole.iter().all(|n| n % 2 != 0);
        let whole: Vec<i64> = whole.iter().map(|n| if odd { *n } else { 2 * n }).collect();
        if !odd {
            units.iter_mut().for_each(|unit| *unit /= 2.0);
        }
        let largest = whole.iter().map(|n| n.abs()).max().unwrap_or(1);
        let bits = (1..).find(|bits| (1_i64 << bits) - i64::from(odd) >= largest).unwrap_or(1);
        let full = (1_i64 << bits) - 1;
        let extra: Vec<bool> = whole.iter().map(|&n| n > full).collect();
        let rest = |at: usize| {
            whole[at]
                - if odd {
                    0
                } else if extra[at] {
                    1
                } else {
                    -1
                }
        };
        let plane = |bit: i64| (0..whole.len()).map(|at| ((rest(at) + full) / 2) >> bit & 1 == 1).collect();
        let mut planes: Vec<(f32, Vec<bool>)> = (0..bits).map(|bit| ((1_i64 << bit) as f32, plane(bit))).collect();
        if !odd {
            planes.insert(0, (1.0, extra));
        }
        let sums = whole.chunks(per_channel).map(|row| row.iter().sum()).collect();
        Self { planes, units, sums }
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
        let map = |channel: usize| {
            let inner = code.map.of_sums(self.sums[channel] as f32).of_sum(code.planes.len())?;
            let bias = bias.as_ref().map_or(0.0, |b| b[channel]);
            Some(inner.scaled(self.units[channel]).shifted(f64::from(bias)))
        };
        let maps = (0..self.units.len()).map(map).collect::<Option<Vec<Affine>>>()?;
        let shape = rewriter.graph.shape(node.output).to_vec();
        let axis = shape.len() - 1;
        let emit = |rewriter: &mut Rewriter<'_>, op: Op, inputs: Vec<ValueId>, suffix: &str, parts: Vec<Part>| {
            rewriter.emit(NewNode { op, inputs, like: node.output, suffix, shape: &shape, origin: None, parts })
        };
        let add = |rewriter: &mut Rewriter<'_>, sum: Option<ValueId>, term: ValueId| match sum {
            None => term,
            Some(sum) => emit(rewriter, Op::Binary(Binary::Add), vec![sum, term], "sum", vec![Part::Planes]),
        };
        let mut all = None;
        for (worth, signs) in &self.planes {
            let weights = Arc::new(BinaryWeights { signs: signs.clone(), zeros: 0, deviation: 0.0 });
            let mut sum = None;
            for (at, &plane) in code.planes.iter().enumerate() {
                let op = match (&node.op, windows.get(at)) {
                    (Op::Conv { groups, .. }, Some(window)) => {
                        Op::BinaryConv { window: window.clone(), groups: *groups, weights: weights.clone() }
                    }
                    _ => Op::BinaryMatMul { weights: weights.clone() },
                };
                let first = all.is_none() && sum.is_none();
                let parts = if first { node.parts.clone() } else { super::plane(node) };
                let dot = emit(rewriter, op, vec![plane], "dot", parts);
                sum = Some(add(rewriter, sum, dot));
            }
            let mut sum = sum?;
            if *worth != 1.0 {
                let op = Op::Affine { axis, maps: repeat(&Affine::linear(*worth, 0.0), shape[axis]) };
                sum = emit(rewriter, op, vec![sum], "worth", vec![Part::Scale]);
            }
            all = Some(add(rewriter, all, sum));
        }
        let all = all?;
        let name = format!("{}.scale", node.name);
        let parts = std::iter::once(Part::Scale).chain(bias.map(|_| Part::Bias)).collect();
        let op = Op::Affine { axis, maps: Arc::new(maps) };
        rewriter.change(Node { name, op, inputs: vec![all], output: node.output, parts, reason: None });
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The planes' signs times what they are worth are the weights again.
    #[test]
    fn planes_add_up() {
        let all: Vec<Vec<i64>> =
            vec![vec![-3, -1, 1, 3], vec![-1, 0, 1], vec![-2, 2, 0], vec![7, -7, 5], (-8..8).collect()];
        let counts = [2, 2, 3, 3, 5];
        for (whole, count) in std::iter::zip(all, counts) {
            let planes = Planes::split(&whole, vec![1.0], whole.len());
            assert_eq!(planes.count(), count, "{whole:?}");
            for (at, &n) in whole.iter().enumerate() {
                let sum: f64 = planes.planes.iter().map(|(w, s)| f64::from(if s[at] { *w } else { -*w })).sum();
                assert_eq!(sum * planes.units[0], n as f64, "{whole:?}");
            }
            assert_eq!(planes.sums[0] as f64 * planes.units[0], whole.iter().sum::<i64>() as f64);
        }
    }
}
