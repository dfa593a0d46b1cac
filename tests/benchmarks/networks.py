"""Networks to measure with, made from a seed, so that a benchmark needs no file that is not in the repository.

Real-to-Binary residual networks of any depth and width as ordinary ONNX (opset 17): BatchNormalization, Sign, Conv with
weights of +-alpha per output channel, gate, PRelu, Add. Padding is TensorFlow's "same" (with stride 2 only right and
below), as in Larq Zoo's RealToBinaryNet, so that every engine can run the same network.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


@dataclass(frozen=True)
class ResNet:
    """A residual network of half-blocks: one convolution and one skip each."""

    name: str
    side: int = 224
    """Pixels of the square picture."""
    widths: tuple = (64, 128, 256, 512)
    """Channels of each stage; the first half-block of every stage but the first has stride 2."""
    depths: tuple = (4, 4, 4, 4)
    """Half-blocks of each stage."""
    imagenet_stem: bool = True
    """7x7 with stride 2 and max-pool; otherwise 3x3."""
    classes: int = 1000
    seed: int = 1

    def half_blocks(self):
        """(channels in, channels out, stride) of each."""
        width = self.widths[0]
        for stage, (out, depth) in enumerate(zip(self.widths, self.depths)):
            for index in range(depth):
                yield width, out, 2 if stage > 0 and index == 0 else 1
                width = out


class Builder:
    """Collects nodes and constants; values of layers are 4-dimensional, NCHW."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes = []
        self.constants = []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, operator, inputs, name, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def normal(self, *shape, scale=1.0):
        return self.random.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    def uniform(self, low, high, *shape):
        return self.random.uniform(low, high, shape).astype(np.float32)

    def batch_norm(self, x, channels, name):
        """Random gamma of mostly positive sign, small shifts, statistics about those of a unit normal."""
        values = {
            "scale": self.uniform(0.5, 1.5, channels) * np.where(self.random.random(channels) < 0.1, -1, 1),
            "shift": self.normal(channels, scale=0.3),
            "mean": self.normal(channels, scale=0.3),
            "variance": self.uniform(0.5, 2.0, channels),
        }
        inputs = [self.constant(f"{name}.{key}", value.astype(np.float32)) for key, value in values.items()]
        return self.node("BatchNormalization", [x, *inputs], name, epsilon=1e-5)

    def conv(self, x, weight, name, stride=1, side=None):
        """`side`: pixels of the input, from which "same" padding follows."""
        kernel = weight.shape[2]
        pads = same(side, kernel, stride)
        weight = self.constant(f"{name}.weight", weight)
        return self.node("Conv", [x, weight], name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)

    def prelu(self, x, channels, name):
        slope = self.constant(f"{name}.slope", self.uniform(0.05, 0.4, channels, 1, 1))
        return self.node("PRelu", [x, slope], name)

    def linear(self, x, inputs, outputs, name):
        weight = self.constant(f"{name}.weight", self.normal(outputs, inputs, scale=1 / sqrt(inputs)))
        bias = self.constant(f"{name}.bias", self.normal(outputs, scale=0.1))
        return self.node("Gemm", [x, weight, bias], name, transB=1)


def same(side, kernel, stride):
    """Pads of an ONNX node (top, left, bottom, right) that do what TensorFlow calls "same"."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return [total // 2] * 2 + [total - total // 2] * 2


def binary_weight(builder, out, channels, kernel=3):
    """Mean |w| times sign(w) of latent weights drawn from a normal distribution: +-alpha, alpha per output channel."""
    latent = builder.normal(out, channels, kernel, kernel, scale=sqrt(2 / (channels * kernel * kernel)))
    return np.where(latent < 0, -1, 1).astype(np.float32) * np.abs(latent).mean((1, 2, 3), keepdims=True)


def half_block(b, x, name, channels, out, stride, side, gate=True):
    """BN, sign, binary conv, gate of the BN's output, PReLU, + skip. `side`: pixels of the input."""
    skip = x
    if stride != 1 or channels != out:
        if stride != 1:
            skip = b.node("AveragePool", [x], f"{name}.pool", kernel_shape=[stride] * 2, strides=[stride] * 2)
        weight = b.normal(out, channels, 1, 1, scale=1 / sqrt(channels))
        skip = b.conv(skip, weight, f"{name}.shortcut", side=side // stride)
        skip = b.batch_norm(skip, out, f"{name}.shortcut.bn")
    normal = b.batch_norm(x, channels, f"{name}.bn")
    y = b.node("Sign", [normal], f"{name}.sign")
    y = b.conv(y, binary_weight(b, out, channels), f"{name}.conv", stride, side)
    if gate:
        g = b.node("GlobalAveragePool", [normal], f"{name}.gate.pool")
        g = b.node("Flatten", [g], f"{name}.gate.flat")
        g = b.node("Relu", [b.linear(g, channels, channels // 8, f"{name}.gate.down")], f"{name}.gate.relu")
        g = b.node("Sigmoid", [b.linear(g, channels // 8, out, f"{name}.gate.up")], f"{name}.gate.sigmoid")
        shape = b.constant(f"{name}.gate.shape", np.array([1, out, 1, 1], np.int64))
        y = b.node("Mul", [y, b.node("Reshape", [g, shape], f"{name}.gate.broad")], f"{name}.gate")
    y = b.prelu(y, out, f"{name}.prelu")
    return b.node("Add", [y, skip], name)


def real_block(b, x, name, channels, out, stride, side):
    """The basic block of a real-valued ResNet, two convolutions: what the binary one replaces."""
    skip = x
    if stride != 1 or channels != out:
        weight = b.normal(out, channels, 1, 1, scale=1 / sqrt(channels))
        skip = b.batch_norm(b.conv(x, weight, f"{name}.shortcut", stride, side), out, f"{name}.shortcut.bn")
    y = x
    for index in range(2):
        width = channels if index == 0 else out
        weight = b.normal(out, width, 3, 3, scale=sqrt(2 / (9 * width)))
        step = stride if index == 0 else 1
        y = b.conv(y, weight, f"{name}.conv{index}", step, side if index == 0 else side // stride)
        y = b.batch_norm(y, out, f"{name}.bn{index}")
        if index == 0:
            y = b.node("Relu", [y], f"{name}.relu{index}")
    return b.node("Relu", [b.node("Add", [y, skip], f"{name}.sum")], name)


def stem(b, x, net, activation):
    """Gives the value and its pixels per side."""
    width, side = net.widths[0], net.side
    kernel, stride = (7, 2) if net.imagenet_stem else (3, 1)
    weight = b.normal(width, 3, kernel, kernel, scale=sqrt(2 / (3 * kernel * kernel)))
    x = b.batch_norm(b.conv(x, weight, "stem", stride, side), width, "stem.bn")
    x = activation(x, "stem.act")
    side //= stride
    if net.imagenet_stem:
        x = b.node("MaxPool", [x], "stem.pool", kernel_shape=[3] * 2, strides=[2] * 2, pads=same(side, 3, 2))
        side //= 2
    return x, side


def head(b, x, net):
    x = b.node("Flatten", [b.node("GlobalAveragePool", [x], "head.pool")], "head.flat")
    return b.linear(x, net.widths[-1], net.classes, "head")


def finish(b, name, shape, output, out_shape):
    graph = helper.make_graph(
        b.nodes,
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, out_shape)],
        b.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def real_to_binary(net):
    """The network of `net`, binary."""
    b = Builder(net.seed)
    x, side = stem(b, "input", net, lambda x, name: b.prelu(x, net.widths[0], name))
    for index, (channels, out, stride) in enumerate(net.half_blocks()):
        x = half_block(b, x, f"block{index}", channels, out, stride, side)
        side //= stride
    return finish(b, net.name, [1, 3, net.side, net.side], head(b, x, net), [1, net.classes])


def write(net, path):
    """Writes the binary network to a file."""
    path.write_bytes(real_to_binary(net).SerializeToString())


def real_valued(net):
    """The network of `net` with real-valued basic blocks, each in the place of two half-blocks."""
    b = Builder(net.seed)
    x, side = stem(b, "input", net, lambda x, name: b.node("Relu", [x], name))
    for index, (channels, out, stride) in enumerate(net.half_blocks()):
        if index % 2 == 0:
            x = real_block(b, x, f"block{index}", channels, out, stride, side)
            side //= stride
    return finish(b, net.name, [1, 3, net.side, net.side], head(b, x, net), [1, net.classes])


def chain(side, channels, depth, gate, seed=1):
    """`depth` equal half-blocks one after another on [1, channels, side, side], nothing around them."""
    b = Builder(seed)
    x = "input"
    for index in range(depth):
        x = half_block(b, x, f"block{index}", channels, channels, 1, side, gate)
    shape = [1, channels, side, side]
    return finish(b, f"chain{side}x{channels}x{depth}", shape, x, shape)
