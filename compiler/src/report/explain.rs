//! Words for what a block is, what was fused into it, and why it is not binary.

use crate::ir::network::{Activation, Arithmetic, Block, Core, Geometry, Network, Pool, PoolKind, Step};

/// What a block is, in the field's words.
pub fn kind(core: &Core) -> &'static str {
    match core {
        Core::BinaryConv { geometry, .. } if is_linear(geometry) => "binary linear",
        Core::BinaryConv { .. } => "binary conv",
        Core::RealConv { geometry, .. } if is_linear(geometry) => "real linear",
        Core::RealConv { .. } => "real conv",
        Core::MaxPool { .. } => "max pool",
        Core::AveragePool { .. } => "average pool",
        Core::Map { .. } | Core::Planes { .. } => "map",
        Core::Gate { .. } => "gate",
        Core::BitMaxPool { .. } => "bit max pool",
        Core::Copy { .. } => "copy",
        Core::Reshape { .. } => "reshape",
        Core::Broadcast { .. } => "broadcast",
        Core::Reduce { .. } => "reduce",
        Core::Softmax { log: false, .. } => "softmax",
        Core::Softmax { log: true, .. } => "log softmax",
        Core::ArgMax { .. } => "argmax",
        Core::MatMul { .. } => "matmul",
    }
}

/// A fully connected layer is a 1x1 convolution over a single row of pixels.
fn is_linear(g: &Geometry) -> bool {
    g.input[0] == 1 && g.kernel == [1, 1] && g.strides == [1, 1] && g.pads == [0, 0]
}

/// `3x3/2 p1 56x56x64 -> 28x28x128 g2 d2`, shortened to what is not the default.
fn geometry(g: &Geometry) -> String {
    let [ih, iw, ic] = g.input;
    let [oh, ow, oc] = g.output;
    if is_linear(g) {
        return if iw == 1 { format!("{ic} -> {oc}") } else { format!("{iw} x ({ic} -> {oc})") };
    }
    let mut text = format!("{}x{}", g.kernel[0], g.kernel[1]);
    match g.strides {
        [1, 1] => {}
        [a, b] if a == b => text += &format!("/{a}"),
        [a, b] => text += &format!("/{a}x{b}"),
    }
    if g.dilations != [1, 1] {
        text += &format!(" dilation {}x{}", g.dilations[0], g.dilations[1]);
    }
    // Pools count their channels as groups; that says nothing.
    if g.groups > 1 && g.groups != ic {
        text += &format!(" groups {}", g.groups);
    }
    text + &format!(" {ih}x{iw}x{ic} -> {oh}x{ow}x{oc}")
}

/// What a block works on, in a few characters: the geometry of what slides, the layers of a gate, else the extents of
/// what it writes.
pub fn extents(network: &Network, block: &Block) -> String {
    if let Core::Gate { first, second, .. } = &block.core {
        return format!("{} -> {} -> {}", first.inputs, first.outputs, second.outputs);
    }
    if let Some(g) = super::cost::geometry(&block.core) {
        return geometry(g);
    }
    let shape = block.writes().first().map(|&id| network.tensor(id).shape.as_slice()).unwrap_or_default();
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// True when a step does more than keep the core's value.
fn works(step: &Step) -> bool {
    !matches!(step, Step::Store(_) | Step::Sum(_))
}

/// True when the block's core and at least one of scale, shift, gate, activation, skip or threshold are one piece of
/// code: the values between them are never in memory.
pub fn is_fused(block: &Block) -> bool {
    block.steps.iter().any(works)
}

/// Names of the parts: those the file spelled, and those only the steps know.
pub fn parts(block: &Block) -> Vec<String> {
    let mut parts = block.parts.clone();
    for step in &block.steps {
        let word = match step {
            Step::Scale(_) | Step::ScalePixels(_) => "scale",
            Step::Shift(_) | Step::ShiftPixels(_) => "shift",
            Step::Gate(_) => "gate",
            Step::Activation(a) => activation(a),
            Step::Add(_) => "skip",
            Step::Mul(_) => "multiply",
            Step::Pool(Pool { kind: PoolKind::Max, .. }) => "MaxPool",
            Step::Pool(Pool { kind: PoolKind::Average { .. }, .. }) => "AveragePool",
            Step::Sign { .. } => "Sign",
            Step::Sum(_) => "gate sums",
            Step::Store(_) => continue,
        };
        // An affine map of the file stands for its scale and its shift.
        let affine = matches!(step, Step::Scale(_) | Step::Shift(_));
        let said = parts.iter().any(|p| {
            p.eq_ignore_ascii_case(word) || (affine && ["BatchNormalization", "scale", "shift"].contains(&p.as_str()))
        });
        if !said {
            parts.push(word.to_owned());
        }
    }
    parts
}

fn activation(activation: &Activation) -> &'static str {
    match activation {
        Activation::Unary(function) => function.name(),
        Activation::PRelu(_) => "PRelu",
        Activation::Sign(_) => "Sign",
    }
}

/// Why a block is not binary, or not fused with a neighbour. The compiler's own reason when it gave one; `None` for a
/// binary, fused block without one.
pub fn reason(block: &Block) -> Option<String> {
    if let Some(looser) = block.arithmetic().filter(|a| *a != Arithmetic::F32) {
        let reason = block.reason.as_deref().unwrap_or("weights or input are not ±1");
        return Some(format!("{} by choice; {reason}", looser.name()));
    }
    if block.reason.is_some() {
        return block.reason.clone();
    }
    let text = match &block.core {
        Core::BinaryConv { .. } if is_fused(block) => return None,
        Core::BinaryConv { .. } => "binary; its integer sums are used as they are, so there is nothing to fuse",
        Core::RealConv { .. } => "weights or input are not ±1",
        Core::MaxPool { .. } | Core::AveragePool { .. } => "pools real values",
        Core::Map { .. } | Core::Planes { .. } => {
            "element-wise on real values, with no layer in front to be fused into"
        }
        Core::Gate { .. } => "a gate is real-valued; its first layer takes the sums its block collected",
        Core::BitMaxPool { .. } => return None,
        Core::Copy { .. } => "moves data",
        Core::Reshape { .. } => "costs nothing",
        Core::Broadcast { .. } => "element-wise on two real-valued tensors of different shape",
        Core::Reduce { .. } | Core::Softmax { .. } | Core::ArgMax { .. } => "needs all values of an axis at once",
        Core::MatMul { .. } => "both factors are known only at run time",
    };
    Some(text.to_owned())
}
