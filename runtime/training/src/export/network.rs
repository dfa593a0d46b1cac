//! Every module of a network as operators.

use burn::module::Param;
use burn::nn::BatchNorm;
use burn::tensor::Tensor;

use super::writer::{Value, Writer};
use crate::config::{Activation, Inputs, Order, Padding, Scale, Weights};
use crate::nn::{Act, BinaryConv, Block, Conv, Dense, Gate, HalfBlock, Network, RealBlock, Shortcut, Task};

/// How a network is written.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The batch, or any size.
    pub batch: Option<usize>,
    /// What stands for the sign of activations.
    pub sign: SignOperator,
    /// What binary weights look like.
    pub weights: WeightForm,
    /// Mean and standard deviation of each channel: the file then takes values in [0, 1].
    pub normalise: Option<(Vec<f32>, Vec<f32>)>,
    /// What the file says about itself.
    pub doc: String,
}

/// The operator for the sign of activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SignOperator {
    /// `Where(x >= 0, 1, -1)`: what the trainer computes, at 0 too.
    #[default]
    Where,
    /// `Sign(x)`: shorter, and 0 at 0.
    Sign,
}

/// What binary weights look like in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum WeightForm {
    /// Constants of ±1 (±mean size for XNOR-Net's scale), and a learned scale as an operator of its own.
    #[default]
    Signs,
    /// Constants of ±α: a scale per channel is in them.
    Scaled,
    /// Latent weights behind `Sign`, as they are trained.
    Latent,
}

/// The ONNX file of a network; input `picture` [batch, channels, rows, columns], output `logits` [batch, classes].
pub fn onnx(network: &Network, task: Task, options: &Options) -> Vec<u8> {
    let mut export = Export { writer: Writer::default(), options };
    let x = export.network(network);
    let x = export.writer.node("logits", "Identity", &[&x], &[]);
    let [rows, columns] = task.size;
    export.writer.finish(
        ("picture", &[task.channels, rows, columns]),
        (&x, &[task.classes]),
        options.batch,
        &options.doc,
    )
}

struct Export<'a> {
    writer: Writer,
    options: &'a Options,
}

fn values<const D: usize>(param: &Param<Tensor<D>>) -> Vec<f32> {
    param.val().into_data().convert::<f32>().try_into_vec().unwrap_or_default()
}

fn tensor<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap_or_default()
}

impl Export<'_> {
    fn network(&mut self, network: &Network) -> String {
        let mut x = "picture".to_owned();
        if let Some((mean, std)) = &self.options.normalise {
            let mean = self.writer.floats("normalise.mean", &[1, mean.len(), 1, 1], mean);
            let std = self.writer.floats("normalise.std", &[1, std.len(), 1, 1], std);
            x = self.writer.node("normalise.centred", "Sub", &[&x, &mean], &[]);
            x = self.writer.node("normalised", "Div", &[&x, &std], &[]);
        }
        x = self.conv("stem.conv", &network.stem.conv, &x);
        x = self.norm("stem.norm", &network.stem.norm, &x);
        x = self.act("stem.act", &network.stem.act, &x);
        if network.stem.pool {
            let [kernel, strides, pads] = [("kernel_shape", &[3, 3][..]), ("strides", &[2, 2]), ("pads", &[1; 4])]
                .map(|(name, ints)| (name, Value::Ints(ints)));
            x = self.writer.node("stem.pool", "MaxPool", &[&x], &[kernel, strides, pads]);
        }
        for (s, stage) in network.stages.iter().enumerate() {
            for (b, block) in stage.blocks.iter().enumerate() {
                let name = format!("stages.{s}.blocks.{b}");
                x = match block {
                    Block::Real(block) => self.real_block(&name, block, &x),
                    Block::Binary(block) => {
                        let first = self.half_block(&format!("{name}.first"), &block.first, &x);
                        let second = self.half_block(&format!("{name}.second"), &block.second, &first);
                        self.skip(&name, block.shortcut.as_ref(), block.single, &second, &x)
                    }
                };
            }
        }
        if let (Some(norm), Some(act)) = (&network.head.norm, &network.head.act) {
            x = self.norm("head.norm", norm, &x);
            x = self.act("head.act", act, &x);
        }
        x = self.means("head.pool", &x);
        self.dense("head.dense", &network.head.dense, &x)
    }

    fn half_block(&mut self, name: &str, half: &HalfBlock, x: &str) -> String {
        let at = |part: &str| format!("{name}.{part}");
        let first = half.order == Order::NormFirst;
        let seen = if first { self.norm(&at("norm"), &half.norm, x) } else { x.to_owned() };
        let bits = self.binarise(&at("sign"), half.inputs, &seen);
        let mut y = self.binary_conv(&at("conv"), &half.conv, &bits);
        if !first {
            y = self.norm(&at("norm"), &half.norm, &y);
        }
        if let Some(gate) = &half.gate {
            let gate = self.gate(&at("gate"), gate, &seen);
            y = self.writer.node(&at("gated"), "Mul", &[&y, &gate], &[]);
        }
        y = self.act(&at("act"), &half.act, &y);
        self.skip(name, half.shortcut.as_ref(), half.skip, &y, x)
    }

    /// Adds x, or its shortcut, to y.
    fn skip(&mut self, name: &str, shortcut: Option<&Shortcut>, skip: bool, y: &str, x: &str) -> String {
        let x = match shortcut {
            Some(shortcut) => self.shortcut(&format!("{name}.shortcut"), shortcut, x),
            None if skip => x.to_owned(),
            None => return y.to_owned(),
        };
        self.writer.node(&format!("{name}.sum"), "Add", &[y, &x], &[])
    }

    fn shortcut(&mut self, name: &str, shortcut: &Shortcut, x: &str) -> String {
        let side = [shortcut.stride as i64; 2];
        let attributes = [
            ("kernel_shape", Value::Ints(&side)),
            ("strides", Value::Ints(&side)),
            ("ceil_mode", Value::Int(1)),
            ("count_include_pad", Value::Int(0)),
        ];
        let at = |part: &str| format!("{name}.{part}");
        let x = self.writer.node(&at("pool"), "AveragePool", &[x], &attributes);
        if let Some(conv) = &shortcut.real {
            let y = self.conv(&at("real"), conv, &x);
            return self.norm(&at("norm"), &shortcut.norm, &y);
        }
        let y = self.norm(&at("norm"), &shortcut.norm, &x);
        let y = self.binarise(&at("sign"), shortcut.inputs, &y);
        match &shortcut.binary {
            Some(conv) => self.binary_conv(&at("binary"), conv, &y),
            None => y,
        }
    }

    fn real_block(&mut self, name: &str, block: &RealBlock, x: &str) -> String {
        let at = |part: &str| format!("{name}.{part}");
        let y = self.conv(&at("conv1"), &block.conv1, x);
        let y = self.norm(&at("norm1"), &block.norm1, &y);
        let y = self.writer.node(&at("act1"), "Relu", &[&y], &[]);
        let y = self.conv(&at("conv2"), &block.conv2, &y);
        let y = self.norm(&at("norm2"), &block.norm2, &y);
        let skip = match (&block.shortcut, &block.shortcut_norm) {
            (Some(conv), Some(norm)) => {
                let skip = self.conv(&at("shortcut"), conv, x);
                self.norm(&at("shortcut_norm"), norm, &skip)
            }
            _ => x.to_owned(),
        };
        let y = self.writer.node(&at("sum"), "Add", &[&y, &skip], &[]);
        self.writer.node(&at("act2"), "Relu", &[&y], &[])
    }

    fn binarise(&mut self, name: &str, inputs: Inputs, x: &str) -> String {
        match (inputs, self.options.sign) {
            (Inputs::Tanh, _) => self.writer.node(name, "Tanh", &[x], &[]),
            (Inputs::Sign, SignOperator::Sign) => self.writer.node(name, "Sign", &[x], &[]),
            (Inputs::Sign, SignOperator::Where) => {
                let constants = [("zero", 0.0), ("plus", 1.0), ("minus", -1.0)]
                    .map(|(part, value)| self.writer.floats(&format!("{name}.{part}"), &[], &[value]));
                let [zero, plus, minus] = &constants;
                let mask = self.writer.node(&format!("{name}.mask"), "GreaterOrEqual", &[x, zero], &[]);
                self.writer.node(name, "Where", &[&mask, plus, minus], &[])
            }
        }
    }

    /// The convolution and its scale.
    fn binary_conv(&mut self, name: &str, conv: &BinaryConv, x: &str) -> String {
        let at = |part: &str| format!("{name}.{part}");
        let dims = conv.latent.val().dims();
        let binary = conv.weights == Weights::Sign;
        // What every weight of an output channel is multiplied with.
        let folded: Option<Vec<f32>> = match (conv.scale, self.options.weights) {
            (Scale::Mean, _) if binary => Some(tensor(crate::nn::mean_size(conv.latent.val().without_autodiff()))),
            (Scale::Channel, WeightForm::Scaled) => conv.alpha.as_ref().map(values),
            _ => None,
        };
        let mut weights = values(&conv.latent);
        let latent = binary && self.options.weights == WeightForm::Latent;
        if latent {
            // ONNX's Sign says 0 at 0; the trainer says +1.
            weights.iter_mut().filter(|w| **w == 0.0).for_each(|w| *w = f32::MIN_POSITIVE);
        } else {
            if binary {
                weights.iter_mut().for_each(|w| *w = if *w >= 0.0 { 1.0 } else { -1.0 });
            }
            if let Some(scales) = &folded {
                let each = weights.len() / scales.len().max(1);
                for (channel, scale) in weights.chunks_mut(each.max(1)).zip(scales) {
                    channel.iter_mut().for_each(|w| *w *= scale);
                }
            }
        }
        let mut weight = self.writer.floats(&at("latent"), &dims, &weights);
        if latent {
            weight = self.writer.node(&at("weight.sign"), "Sign", &[&weight], &[]);
            if let Some(scales) = &folded {
                let mean = self.writer.floats(&at("weight.mean"), &[dims[0], 1, 1, 1], scales);
                weight = self.writer.node(&at("weight"), "Mul", &[&weight, &mean], &[]);
            }
        }
        let mut pad = dims[2] / 2;
        let mut x = x.to_owned();
        if conv.padding == Padding::One && pad > 0 {
            let p = pad as i64;
            let pads = self.writer.ints(&at("pads"), &[0, 0, p, p, 0, 0, p, p]);
            let one = self.writer.floats(&at("pads.value"), &[], &[1.0]);
            x = self.writer.node(&at("padded"), "Pad", &[&x, &pads, &one], &[("mode", Value::Text("constant"))]);
            pad = 0;
        }
        let mut y = self.convolve(name, &weight, dims, conv.stride, pad, &x);
        let in_weights = self.options.weights == WeightForm::Scaled && conv.scale == Scale::Channel;
        if let (Some(alpha), false) = (&conv.alpha, in_weights) {
            let parts = [
                ("alpha", Some(alpha), 1),
                ("alpha_rows", conv.alpha_rows.as_ref(), 2),
                ("alpha_columns", conv.alpha_columns.as_ref(), 3),
            ];
            for (part, param, axis) in parts {
                let Some(param) = param else { continue };
                let scale = values(param);
                let mut shape = [1; 4];
                shape[axis] = scale.len();
                let scale = self.writer.floats(&at(part), &shape, &scale);
                y = self.writer.node(&at(&format!("{part}.scaled")), "Mul", &[&y, &scale], &[]);
            }
        }
        y
    }

    fn conv(&mut self, name: &str, conv: &Conv, x: &str) -> String {
        let dims = conv.weight.val().dims();
        let weight = self.writer.floats(&format!("{name}.weight"), &dims, &values(&conv.weight));
        self.convolve(name, &weight, dims, conv.stride, dims[2] / 2, x)
    }

    fn convolve(&mut self, name: &str, weight: &str, dims: [usize; 4], stride: usize, pad: usize, x: &str) -> String {
        let kernel = [dims[2] as i64, dims[3] as i64];
        let attributes = [
            ("dilations", Value::Ints(&[1, 1])),
            ("group", Value::Int(1)),
            ("kernel_shape", Value::Ints(&kernel)),
            ("pads", Value::Ints(&[pad as i64; 4])),
            ("strides", Value::Ints(&[stride as i64; 2])),
        ];
        self.writer.node(name, "Conv", &[x, weight], &attributes)
    }

    fn norm(&mut self, name: &str, norm: &BatchNorm, x: &str) -> String {
        let channels = norm.gamma.val().dims()[0];
        let parts = [
            ("gamma", values(&norm.gamma)),
            ("beta", values(&norm.beta)),
            ("running_mean", tensor(norm.running_mean.value_sync())),
            ("running_var", tensor(norm.running_var.value_sync())),
        ];
        let parts = parts.map(|(part, v)| self.writer.floats(&format!("{name}.{part}"), &[channels], &v));
        let [gamma, beta, mean, var] = &parts;
        let epsilon = ("epsilon", Value::Float(norm.epsilon as f32));
        self.writer.node(name, "BatchNormalization", &[x, gamma, beta, mean, var], &[epsilon])
    }

    fn act(&mut self, name: &str, act: &Act, x: &str) -> String {
        match (&act.slope, act.kind) {
            (Some(slope), _) => {
                let slope = values(slope);
                let slope = self.writer.floats(&format!("{name}.slope"), &[slope.len(), 1, 1], &slope);
                self.writer.node(name, "PRelu", &[x, &slope], &[])
            }
            (None, Activation::Relu) => self.writer.node(name, "Relu", &[x], &[]),
            (None, _) => x.to_owned(),
        }
    }

    /// Factors [batch, out, 1, 1].
    fn gate(&mut self, name: &str, gate: &Gate, x: &str) -> String {
        let at = |part: &str| format!("{name}.{part}");
        let x = self.means(&at("pool"), x);
        let x = self.dense(&at("down"), &gate.down, &x);
        let x = self.writer.node(&at("relu"), "Relu", &[&x], &[]);
        let x = self.dense(&at("up"), &gate.up, &x);
        let x = self.writer.node(&at("sigmoid"), "Sigmoid", &[&x], &[]);
        let axes = self.writer.ints(&at("axes"), &[2, 3]);
        self.writer.node(name, "Unsqueeze", &[&x, &axes], &[])
    }

    /// [batch, channels, rows, columns] to [batch, channels].
    fn means(&mut self, name: &str, x: &str) -> String {
        let x = self.writer.node(name, "GlobalAveragePool", &[x], &[]);
        self.writer.node(&format!("{name}.flat"), "Flatten", &[&x], &[("axis", Value::Int(1))])
    }

    fn dense(&mut self, name: &str, dense: &Dense, x: &str) -> String {
        let dims = dense.weight.val().dims();
        let weight = self.writer.floats(&format!("{name}.weight"), &dims, &values(&dense.weight));
        match &dense.bias {
            Some(bias) => {
                let bias = self.writer.floats(&format!("{name}.bias"), &[dims[1]], &values(bias));
                self.writer.node(name, "Gemm", &[x, &weight, &bias], &[])
            }
            None => self.writer.node(name, "Gemm", &[x, &weight], &[]),
        }
    }
}
