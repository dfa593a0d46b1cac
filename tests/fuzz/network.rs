//! Random binary networks, as valid models of ONNX operators: what exporters write, and combinations that none has written yet.
//!
//! Half of the networks compute on a grid: inputs, weights, thresholds and scales are small multiples of powers of two, so that
//! every engine's arithmetic is exact, whatever its order of summation, and values lie exactly on thresholds, and are exactly
//! zero, all the time. The other half has real numbers everywhere; values on a threshold are no concern there.

use crate::model::{Model, Value, float, int, ints};
use xnorc::ir::Tensor;
use xnorc_tests::random::Random;

/// Finer than the grid: what is shifted by it is not zero.
const SHIFT: f32 = 1.0 / 8192.0;

/// A network and inputs for it.
pub(crate) struct Sample {
    pub(crate) model: Vec<u8>,
    pub(crate) inputs: Vec<Vec<Tensor>>,
    /// Whether some of its signs are ONNX's own, 0 at zero, and are to be compiled as such.
    pub(crate) zeros: bool,
}

struct Maker {
    m: Model,
    r: Random,
    /// Whether everything is on the grid.
    exact: bool,
    /// Whether signs may be 0.
    zeros: bool,
    /// Feature maps made so far.
    maps: Vec<Value>,
}

/// Networks of that seed, cut to so many blocks: where a long one fails, a short one may as well.
pub(crate) fn network(seed: u64, blocks: usize) -> Sample {
    let mut r = Random::new(seed);
    let exact = seed.is_multiple_of(2);
    let (n, h, w) = (r.pick(&[1, 1, 1, 2, 3]), r.pick(&[1, 2, 5, 6, 8, 9]), r.pick(&[1, 3, 4, 7, 8, 16]));
    let channels = r.pick(&[1, 2, 3, 4, 8, 16, 33, 65, 130]);
    let mut maker = Maker { m: Model::default(), r, exact, zeros: exact && seed.is_multiple_of(4), maps: Vec::new() };
    let x = maker.m.input(&[n, channels, h, w]);
    maker.maps.push(x.clone());
    if maker.r.once_in(6) {
        let second = maker.m.input(&[n, channels, h, w]);
        maker.maps.push(second);
    }
    let mut wanted = maker.r.below(6) + 1;
    wanted = wanted.min(blocks);
    for _ in 0..wanted {
        let y = maker.block();
        maker.maps.push(y);
    }
    if maker.r.once_in(3) {
        let extra = maker.any();
        let used_as_number = maker.norm(&extra);
        maker.m.output(&used_as_number);
    }
    let last = maker.maps[maker.maps.len() - 1].clone();
    match maker.r.below(4) {
        0 => maker.m.output(&last),
        1 => {
            let y = maker.head(&last);
            maker.m.output(&y);
        }
        2 => {
            let y = maker.binary_head(&last);
            maker.m.output(&y);
        }
        _ => {
            let y = maker.norm(&last);
            let s = maker.sign(&y);
            let y = maker.binary_conv(&s);
            maker.m.output(&y);
        }
    }
    let shapes: Vec<Vec<usize>> = maker.m.graph.input.iter().map(|_| vec![n, channels, h, w]).collect();
    let inputs = (0..2)
        .map(|_| {
            shapes
                .iter()
                .map(|shape| {
                    let data = (0..shape.iter().product()).map(|_| maker.number(8)).collect();
                    Tensor::f32(shape.clone(), data)
                })
                .collect()
        })
        .collect();
    Sample { zeros: maker.zeros, model: maker.m.bytes(), inputs }
}

impl Maker {
    /// A quarter of a whole number of at most `n` quarters, or a real number as large.
    fn number(&mut self, n: usize) -> f32 {
        if self.exact { (self.r.below(2 * n + 1) as f32 - n as f32) / 4.0 } else { self.r.real() * n as f32 / 4.0 }
    }

    /// One of those values that the map of features has made so far, recent ones more often.
    fn any(&mut self) -> Value {
        let back = self.r.below(self.maps.len().min(3));
        self.maps[self.maps.len() - 1 - back].clone()
    }

    fn same(&mut self, op: &str, inputs: &[&Value]) -> Value {
        let shape = inputs[0].shape.clone();
        self.m.node(op, inputs, vec![], &shape)
    }

    fn scalar(&mut self, x: f32) -> Value {
        self.m.floats(&[], &[x])
    }

    /// A constant per channel.
    fn per_channel(&mut self, x: &Value, f: impl FnMut(&mut Self) -> f32) -> Value {
        let mut f = f;
        let c = x.shape[1];
        let data: Vec<f32> = (0..c).map(|_| f(self)).collect();
        let shape: Vec<usize> = if x.shape.len() == 4 { vec![1, c, 1, 1] } else { vec![c] };
        self.m.floats(&shape, &data)
    }

    /// A BatchNormalization, some of whose channels are turned over and some of which are constant; or a scale and a shift.
    fn norm(&mut self, x: &Value) -> Value {
        let c = x.shape[1];
        let gamma = |s: &mut Self| {
            if s.r.once_in(7) {
                0.0
            } else if s.exact {
                s.r.pick(&[0.5, 0.25, -0.25, -0.5, 1.0])
            } else {
                s.r.real()
            }
        };
        match self.r.below(4) {
            0 => {
                let scale = self.per_channel(x, gamma);
                let y = self.same("Mul", &[x, &scale]);
                let shift = self.per_channel(x, |s| s.number(4));
                self.same("Add", &[&y, &shift])
            }
            1 => {
                let shift = self.per_channel(x, |s| s.number(4));
                self.same("Sub", &[x, &shift])
            }
            _ => {
                let list = |s: &mut Self, f: &mut dyn FnMut(&mut Self) -> f32| {
                    let data: Vec<f32> = (0..c).map(|_| f(s)).collect();
                    s.m.floats(&[c], &data)
                };
                let scale = list(self, &mut { gamma });
                let bias = list(self, &mut |s| s.number(4));
                let mean = list(self, &mut |s| s.number(4));
                let variance = list(self, &mut |s| {
                    if s.exact { s.r.pick(&[0.25, 1.0, 4.0]) } else { s.r.real().abs() + 0.5 }
                });
                let epsilon = if self.exact { 0.0 } else { 1e-5 };
                let shape = x.shape.clone();
                let inputs = [x, &scale, &bias, &mean, &variance];
                self.m.node("BatchNormalization", &inputs, vec![float("epsilon", epsilon)], &shape)
            }
        }
    }

    /// Values of two levels, in one of many spellings. Where a zero would be one of three, there is none: it is shifted away.
    fn sign(&mut self, x: &Value) -> Value {
        // A sum of as many +a as -a is exactly 0, for us and in real arithmetic; an f32 engine leaves ±1e-7 of it, whose sign is
        // that of its order of summation. So no sum of real numbers stands on a threshold here; those on the grid do.
        let x = &if self.exact { x.clone() } else { self.shifted(x, 0.03) };
        let zero = self.scalar(0.0);
        let (one, minus) = (self.scalar(1.0), self.scalar(-1.0));
        match self.r.below(9) {
            8 => {
                // What is never negative: a code of 0 and 1.
                let x = self.same("Relu", &[x]);
                self.same("Sign", &[&x])
            }
            6 if self.zeros => self.same("Sign", &[x]),
            0 => {
                let mask = self.same("GreaterOrEqual", &[x, &zero]);
                let s = self.same("Where", &[&mask, &one, &minus]);
                Value { shape: x.shape.clone(), ..s }
            }
            1 => {
                // ReActNet's: a zero is -1.
                let mask = self.same("Greater", &[x, &zero]);
                self.same("Where", &[&mask, &one, &minus])
            }
            2 => {
                let mask = self.same("Less", &[x, &zero]);
                let float32 = 1;
                let shape = x.shape.clone();
                let code = self.m.node("Cast", &[&mask], vec![int("to", float32)], &shape);
                let two = self.scalar(-2.0);
                let twice = self.same("Mul", &[&code, &two]);
                self.same("Add", &[&twice, &one])
            }
            3 => {
                // A {0, 1} code, or one of other levels.
                let mask = self.same("GreaterOrEqual", &[x, &zero]);
                let shape = x.shape.clone();
                let code = self.m.node("Cast", &[&mask], vec![int("to", 1)], &shape);
                if self.r.once_in(2) {
                    return code;
                }
                let level = self.number(6);
                let level = self.scalar(if level == 0.0 { 0.5 } else { level });
                self.same("Mul", &[&code, &level])
            }
            4 => {
                // A straight-through estimator.
                let x = self.shifted(x, SHIFT);
                let s = self.same("Sign", &[&x]);
                let c = self.clip(&x);
                let d = self.same("Sub", &[&s, &c]);
                self.same("Add", &[&d, &c])
            }
            5 => {
                // Larq's: Sign(Sign(x) + 0.1).
                let s = self.same("Sign", &[x]);
                let tenth = self.scalar(0.1);
                let s = self.same("Add", &[&s, &tenth]);
                self.same("Sign", &[&s])
            }
            _ => {
                let x = self.shifted(x, SHIFT);
                self.same("Sign", &[&x])
            }
        }
    }

    /// Each channel shifted up or down.
    fn shifted(&mut self, x: &Value, by: f32) -> Value {
        let shift = self.per_channel(x, |s| if s.r.once_in(2) { by } else { -by });
        self.same("Add", &[x, &shift])
    }

    fn clip(&mut self, x: &Value) -> Value {
        let (low, high) = self.r.pick(&[(-1.0, 1.0), (-0.5, 1.0), (0.0, 6.0)]);
        let (low, high) = (self.scalar(low), self.scalar(high));
        self.same("Clip", &[x, &low, &high])
    }

    fn activation(&mut self, x: &Value) -> Value {
        match self.r.below(7) {
            0 => self.same("Relu", &[x]),
            1 | 2 => {
                let slope = if self.r.once_in(4) {
                    let slope = self.number(2);
                    self.m.floats(&[1, 1, 1], &[slope])
                } else {
                    let slopes = self.per_channel(x, |s| s.number(4));
                    // As exporters write it: without the axis of the batch.
                    let c = x.shape[1];
                    let initializer = self.m.graph.initializer.last_mut().expect("just made");
                    initializer.dims = vec![c as i64, 1, 1];
                    slopes
                };
                self.same("PRelu", &[x, &slope])
            }
            3 => self.clip(x),
            4 => {
                let shape = x.shape.clone();
                self.m.node("LeakyRelu", &[x], vec![float("alpha", 0.25)], &shape)
            }
            5 if !self.exact => {
                let op = self.r.pick(&["Tanh", "Sigmoid", "HardSwish", "Elu", "Softplus"]);
                self.same(op, &[x])
            }
            _ => self.norm(x),
        }
    }

    fn geometry(&mut self, x: &Value, kernels: &[usize]) -> ([usize; 2], [usize; 2], [usize; 2], [usize; 4]) {
        let mut kernel = [self.r.pick(kernels), 0];
        kernel[1] = if self.r.once_in(5) { self.r.pick(kernels) } else { kernel[0] };
        let stride = [self.r.pick(&[1, 1, 1, 2]); 2];
        let dilation = [self.r.pick(&[1, 1, 1, 1, 2]); 2];
        let mut pads = [0; 4];
        for axis in 0..2 {
            let extent = x.shape[2 + axis];
            let mut reach = (kernel[axis] - 1) * dilation[axis] + 1;
            let half = kernel[axis] / 2 * dilation[axis];
            let pad = self.r.pick(&[0, half, half]);
            (pads[axis], pads[axis + 2]) = (pad, if self.r.once_in(6) { 0 } else { pad });
            if reach > extent + pads[axis] + pads[axis + 2] {
                // A picture too small for it.
                kernel[axis] = 1;
                (pads[axis], pads[axis + 2]) = (0, 0);
                reach = 1;
            }
            debug_assert!(reach <= extent + pads[axis] + pads[axis + 2]);
        }
        (kernel, stride, dilation, pads)
    }

    fn extents(
        x: &Value,
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
        pads: [usize; 4],
    ) -> [usize; 2] {
        [0, 1].map(|axis| {
            let reach = (kernel[axis] - 1) * dilation[axis] + 1;
            (x.shape[2 + axis] + pads[axis] + pads[axis + 2] - reach) / stride[axis] + 1
        })
    }

    fn convolution(&mut self, x: &Value, binary: bool, pad_first: bool) -> Value {
        let (kernel, stride, dilation, mut pads) = self.geometry(x, &[1, 2, 3, 3, 3]);
        let [n, c] = [x.shape[0], x.shape[1]];
        let [oh, ow] = Self::extents(x, kernel, stride, dilation, pads);
        let mut x = x.clone();
        if pad_first && pads != [0; 4] {
            let padded = [n, c, x.shape[2] + pads[0] + pads[2], x.shape[3] + pads[1] + pads[3]];
            let amounts = self.m.integers(&[0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]);
            let value = self.r.pick(&[1.0, -1.0]);
            let value = self.scalar(value);
            x = self.m.node("Pad", &[&x, &amounts, &value], vec![], &padded);
            pads = [0; 4];
        }
        let divisors: Vec<usize> = (1..=c).filter(|g| c.is_multiple_of(*g)).collect();
        let groups = if self.r.once_in(3) { self.r.pick(&divisors) } else { 1 };
        let mut out = self.r.pick(&[1, 3, 4, 8, 16, 17, 33]);
        out = if self.r.once_in(2) { c } else { out.div_ceil(groups) * groups };
        let per_filter = c / groups * kernel[0] * kernel[1];
        let with_zeros = self.r.once_in(10);
        let mut weights = Vec::with_capacity(out * per_filter);
        for _ in 0..out {
            let size = if self.exact { self.r.pick(&[0.25, 0.5, 1.0]) } else { self.r.real().abs() + 0.1 };
            for _ in 0..per_filter {
                weights.push(match binary {
                    // A latent weight of exactly zero: that tap is left out.
                    true if with_zeros && self.r.once_in(30) => 0.0,
                    true if self.r.once_in(2) => size,
                    true => -size,
                    false => self.number(2),
                });
            }
        }
        let weights = self.m.floats(&[out, c / groups, kernel[0], kernel[1]], &weights);
        let attributes = vec![
            ints("kernel_shape", &kernel),
            ints("strides", &stride),
            ints("dilations", &dilation),
            ints("pads", &pads),
            int("group", groups as i64),
        ];
        if self.r.once_in(3) {
            let bias: Vec<f32> = (0..out).map(|_| self.number(4)).collect();
            let bias = self.m.floats(&[out], &bias);
            return self.m.node("Conv", &[&x, &weights, &bias], attributes, &[n, out, oh, ow]);
        }
        self.m.node("Conv", &[&x, &weights], attributes, &[n, out, oh, ow])
    }

    fn binary_conv(&mut self, signs: &Value) -> Value {
        let pad_first = self.r.once_in(3);
        self.convolution(signs, true, pad_first)
    }

    fn pool(&mut self, x: &Value) -> Value {
        let (kernel, stride, _, pads) = self.geometry(x, &[2, 2, 3]);
        // Windows in padding alone have no maximum.
        let fits = (0..2).all(|axis| pads[axis] < kernel[axis] && pads[axis + 2] < kernel[axis]);
        let pads = if fits && kernel.iter().all(|&k| k > 1) { pads } else { [0; 4] };
        let kernel = [0, 1].map(|axis| kernel[axis].min(x.shape[2 + axis] + pads[axis] + pads[axis + 2]));
        let [oh, ow] = Self::extents(x, kernel, stride, [1, 1], pads);
        let mut attributes = vec![ints("kernel_shape", &kernel), ints("strides", &stride), ints("pads", &pads)];
        let shape = [x.shape[0], x.shape[1], oh, ow];
        // Thirds are off the grid.
        if self.r.once_in(2) && (!self.exact || kernel.iter().all(|k| k.is_power_of_two())) {
            attributes.push(int("count_include_pad", 1));
            return self.m.node("AveragePool", &[x], attributes, &shape);
        }
        self.m.node("MaxPool", &[x], attributes, &shape)
    }

    /// A squeeze-and-excitation gate on x, from the means of y.
    fn gate(&mut self, x: &Value, y: &Value) -> Value {
        let [n, c] = [y.shape[0], y.shape[1]];
        let mean = self.m.node("GlobalAveragePool", &[y], vec![], &[n, c, 1, 1]);
        let hidden = self.r.pick(&[1, 2, 5]);
        let weights: Vec<f32> = (0..hidden * c).map(|_| self.number(2)).collect();
        let weights = self.m.floats(&[hidden, c, 1, 1], &weights);
        let kernel = || vec![ints("kernel_shape", &[1, 1])];
        let t = self.m.node("Conv", &[&mean, &weights], kernel(), &[n, hidden, 1, 1]);
        let t = self.same("Relu", &[&t]);
        let out = x.shape[1];
        let weights: Vec<f32> = (0..hidden * out).map(|_| self.number(2)).collect();
        let weights = self.m.floats(&[out, hidden, 1, 1], &weights);
        let bias: Vec<f32> = (0..out).map(|_| self.number(2)).collect();
        let bias = self.m.floats(&[out], &bias);
        let t = self.m.node("Conv", &[&t, &weights, &bias], kernel(), &[n, out, 1, 1]);
        let op = self.r.pick(&["Sigmoid", "HardSigmoid"]);
        let t = self.same(op, &[&t]);
        self.same("Mul", &[x, &t])
    }

    /// Adds a map of that shape, if there is one.
    fn skip(&mut self, y: &Value) -> Value {
        let others: Vec<Value> = self.maps.iter().filter(|m| m.shape == y.shape && m.name != y.name).cloned().collect();
        if others.is_empty() || self.r.once_in(5) {
            return y.clone();
        }
        let other = self.r.pick(&others);
        if self.r.once_in(2) { self.same("Add", &[y, &other]) } else { self.same("Add", &[&other, y]) }
    }

    /// x -> norm -> sign -> binary convolution -> scale, activation, skip, in many orders.
    fn half_block(&mut self, x: &Value) -> Value {
        let t = if self.r.once_in(4) { x.clone() } else { self.norm(x) };
        let mut s = self.sign(&t);
        if self.r.once_in(4) {
            let (kernel, stride) = ([2, 2].map(|k: usize| k), self.r.pick(&[1, 2]));
            let kernel = [0, 1].map(|axis| kernel[axis].min(x.shape[2 + axis]));
            let [oh, ow] = Self::extents(&s, kernel, [stride; 2], [1, 1], [0; 4]);
            let attributes = vec![ints("kernel_shape", &kernel), ints("strides", &[stride; 2])];
            s = self.m.node("MaxPool", &[&s], attributes, &[s.shape[0], s.shape[1], oh, ow]);
        }
        let mut y = self.binary_conv(&s);
        for _ in 0..self.r.below(3) {
            y = match self.r.below(3) {
                0 => self.activation(&y),
                1 => self.norm(&y),
                _ if !self.exact && self.r.once_in(2) => self.gate(&y, x),
                _ => self.skip(&y),
            };
        }
        if self.r.once_in(4) {
            y = self.pool(&y);
        }
        self.skip(&y)
    }

    fn block(&mut self) -> Value {
        let x = self.any();
        match self.r.below(14) {
            0..=4 => self.half_block(&x),
            5 => {
                // Two sign tensors in one block: the same signs in two paddings, and those behind a pool.
                let t = self.norm(&x);
                let s = self.sign(&t);
                let a = self.binary_conv(&s);
                let b = self.convolution(&s, true, true);
                self.maps.push(a.clone());
                self.maps.push(b.clone());
                let p = self.pool(&t);
                let s = self.sign(&p);
                self.binary_conv(&s)
            }
            6 => {
                let y = self.convolution(&x, false, false);
                let y = self.norm(&y);
                self.activation(&y)
            }
            7 => self.pool(&x),
            8 => {
                let y = self.activation(&x);
                self.skip(&y)
            }
            9 => {
                // Concatenation with a map of the same extents.
                let fits = |m: &&Value| m.shape[0] == x.shape[0] && m.shape[2..] == x.shape[2..];
                let others: Vec<Value> = self.maps.iter().filter(fits).cloned().collect();
                let y = self.r.pick(&others);
                let shape = [x.shape[0], x.shape[1] + y.shape[1], x.shape[2], x.shape[3]];
                if shape[1] > 140 {
                    return self.norm(&x);
                }
                self.m.node("Concat", &[&x, &y], vec![int("axis", 1)], &shape)
            }
            10 if x.shape[1] > 1 => {
                // Some of the channels.
                let from = self.r.below(x.shape[1] - 1);
                let to = from + 1 + self.r.below(x.shape[1] - from);
                let (starts, ends, axes) = (self.m.integers(&[from]), self.m.integers(&[to]), self.m.integers(&[1]));
                let shape = [x.shape[0], to.min(x.shape[1]) - from, x.shape[2], x.shape[3]];
                self.m.node("Slice", &[&x, &starts, &ends, &axes], vec![], &shape)
            }
            11 => {
                // A channel shuffle.
                let [n, c, h, w] = x.shape[..] else { unreachable!("a map") };
                let divisors: Vec<usize> = (1..=c).filter(|g| c.is_multiple_of(*g)).collect();
                let g = self.r.pick(&divisors);
                let (split, whole) = (self.m.integers(&[n, g, c / g, h, w]), self.m.integers(&[n, c, h, w]));
                let y = self.m.node("Reshape", &[&x, &split], vec![], &[n, g, c / g, h, w]);
                let y = self.m.node("Transpose", &[&y], vec![ints("perm", &[0, 2, 1, 3, 4])], &[n, c / g, g, h, w]);
                self.m.node("Reshape", &[&y, &whole], vec![], &[n, c, h, w])
            }
            12 if !self.exact => {
                let y = self.norm(&x);
                self.gate(&y, &x)
            }
            _ => {
                // Signs used as numbers, and as bits.
                let t = self.norm(&x);
                let s = self.sign(&t);
                let y = self.binary_conv(&s);
                self.maps.push(y);
                let scale = self.per_channel(&s, |m| m.number(4));
                let scaled = self.same("Mul", &[&s, &scale]);
                self.skip(&scaled)
            }
        }
    }

    fn flat(&mut self, x: &Value) -> Value {
        let shape = [x.shape[0], x.shape[1..].iter().product()];
        self.m.node("Flatten", &[x], vec![int("axis", 1)], &shape)
    }

    /// A real-valued classifier.
    fn head(&mut self, x: &Value) -> Value {
        let x = if self.r.once_in(2) && !self.exact {
            self.m.node("GlobalAveragePool", &[x], vec![], &[x.shape[0], x.shape[1], 1, 1])
        } else {
            x.clone()
        };
        let x = self.flat(&x);
        let (k, m) = (x.shape[1], self.r.pick(&[1, 2, 10]));
        let weights: Vec<f32> = (0..k * m).map(|_| self.number(2)).collect();
        let weights = self.m.floats(&[k, m], &weights);
        let bias: Vec<f32> = (0..m).map(|_| self.number(4)).collect();
        let bias = self.m.floats(&[m], &bias);
        self.m.node("Gemm", &[&x, &weights, &bias], vec![], &[x.shape[0], m])
    }

    /// Fully connected binary layers behind a flatten.
    fn binary_head(&mut self, x: &Value) -> Value {
        let mut x = self.flat(x);
        for _ in 0..1 + self.r.below(2) {
            let t = self.norm(&x);
            let s = self.sign(&t);
            let (k, m) = (x.shape[1], self.r.pick(&[1, 5, 16, 33]));
            let size = if self.exact { 0.5 } else { 0.3 };
            let weights: Vec<f32> = (0..k * m).map(|_| if self.r.once_in(2) { size } else { -size }).collect();
            let weights = self.m.floats(&[k, m], &weights);
            x = self.m.node("MatMul", &[&s, &weights], vec![], &[x.shape[0], m]);
        }
        self.norm(&x)
    }
}
