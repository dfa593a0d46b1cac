"""Binary networks that came after Real-to-Binary, from a seed, as ordinary ONNX: QuickNet, ReActNet-A and MeliusNet-22.

Widths, depths and the order of layers are those of the papers and of Larq Zoo: QuickNet (Bannink et al. 2021), ReActNet
(Liu et al. 2020), MeliusNet (Bethge et al. 2020). Weights are random, as a benchmark needs no others.
"""

from math import sqrt

import numpy as np
from networks import Builder, binary_weight, finish, same


def convolution(b, x, name, channels, out, kernel, stride, side, group=1):
    """A real one without a bias."""
    weight = b.normal(out, channels // group, kernel, kernel, scale=sqrt(2 * group / (channels * kernel * kernel)))
    return grouped(b, x, weight, name, stride, side, group)


def grouped(b, x, weight, name, stride, side, group):
    kernel = weight.shape[2]
    inputs = [x, b.constant(f"{name}.weight", weight)]
    return b.node(
        "Conv", inputs, name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=same(side, kernel, stride), group=group
    )


def signed(b, x, name, channels, out, kernel, stride, side, one_padded=False):
    """Sign and a binary convolution; `one_padded`: what lies beyond the picture is +1, not 0."""
    x = b.node("Sign", [x], f"{name}.sign")
    weight = binary_weight(b, out, channels, kernel)
    if not one_padded:
        return b.conv(x, weight, name, stride, side)
    top, left, bottom, right = same(side, kernel, stride)
    pads = b.constant(f"{name}.pads", np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
    x = b.node("Pad", [x, pads, b.constant(f"{name}.one", np.float32(1))], f"{name}.pad")
    inputs = [x, b.constant(f"{name}.weight", weight)]
    return b.node("Conv", inputs, name, kernel_shape=[kernel] * 2, strides=[stride] * 2)


def pool(b, operator, x, name, kernel, stride, side):
    pads = same(side, kernel, stride)
    return b.node(operator, [x], name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)


def classifier(b, x, channels):
    x = b.node("Flatten", [b.node("GlobalAveragePool", [x], "head.pool")], "head.flat")
    return b.linear(x, channels, 1000, "head")


def quicknet(side=224):
    """QuickNet: half-blocks of sign, convolution padded with ones, ReLU and BatchNorm; pooling that blurs between stages."""
    b = Builder(11)
    x = convolution(b, "input", "stem.conv", 3, 16, 3, 2, side)
    x = b.node("Relu", [b.batch_norm(x, 16, "stem.bn")], "stem.relu")
    x = convolution(b, x, "stem.depthwise", 16, 16, 3, 2, side // 2, group=16)
    x = b.batch_norm(x, 16, "stem.depthwise.bn")
    x = b.batch_norm(convolution(b, x, "stem.point", 16, 64, 1, 1, side // 4), 64, "stem.point.bn")
    channels, at = 64, side // 4
    for stage, width in enumerate((64, 128, 256, 512)):
        if stage > 0:
            name = f"transition{stage}"
            x = pool(b, "MaxPool", b.node("Relu", [x], f"{name}.relu"), f"{name}.pool", 3, 1, at)
            row = np.array([1, 2, 1], np.float32) / 4
            blur = np.broadcast_to(np.outer(row, row), (channels, 1, 3, 3))
            x = grouped(b, x, blur, f"{name}.blur", 2, at, channels)
            at //= 2
            x = b.batch_norm(convolution(b, x, f"{name}.point", channels, width, 1, 1, at), width, f"{name}.bn")
            channels = width
        for block in range(4):
            name = f"stage{stage}.{block}"
            y = b.node("Relu", [signed(b, x, f"{name}.conv", width, width, 3, 1, at, one_padded=True)], f"{name}.relu")
            x = b.node("Add", [b.batch_norm(y, width, f"{name}.bn"), x], name)
    return finish(b, "quicknet", [1, 3, side, side], classifier(b, b.node("Relu", [x], "head.relu"), 512), [1, 1000])


def shifted(b, x, channels, name):
    return b.node("Add", [x, b.constant(f"{name}.bias", b.normal(channels, 1, 1, scale=0.2))], name)


def r_prelu(b, x, channels, name):
    """ReActNet's activation: a shift, PReLU, a shift."""
    x = b.prelu(shifted(b, x, channels, f"{name}.before"), channels, f"{name}.prelu")
    return shifted(b, x, channels, f"{name}.behind")


def reactnet_a(side=224):
    """ReActNet-A: MobileNet's blocks with a sign before each convolution, whose channels double by two and a Concat."""
    b = Builder(12)
    x = b.batch_norm(convolution(b, "input", "stem", 3, 32, 3, 2, side), 32, "stem.bn")
    channels, at = 32, side // 2
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for index, (out, stride) in enumerate(plan):
        name = f"block{index}"
        skip = pool(b, "AveragePool", x, f"{name}.pool", 2, 2, at) if stride == 2 else x
        y = signed(b, shifted(b, x, channels, f"{name}.move"), f"{name}.conv", channels, channels, 3, stride, at)
        at //= stride
        x = b.node("Add", [b.batch_norm(y, channels, f"{name}.bn"), skip], f"{name}.sum")
        x = r_prelu(b, x, channels, f"{name}.act")
        moved = shifted(b, x, channels, f"{name}.point.move")
        parts = []
        for part in range(out // channels):
            y = signed(b, moved, f"{name}.point{part}", channels, channels, 1, 1, at)
            parts.append(b.node("Add", [b.batch_norm(y, channels, f"{name}.point{part}.bn"), x], f"{name}.point{part}.sum"))
        x = parts[0] if len(parts) == 1 else b.node("Concat", parts, f"{name}.concat", axis=1)
        channels = out
        x = r_prelu(b, x, channels, f"{name}.point.act")
    return finish(b, "reactnet_a", [1, 3, side, side], classifier(b, x, channels), [1, 1000])


def meliusnet_22(side=224):
    """MeliusNet-22: dense blocks that append 64 channels, each followed by a block that improves just these."""
    b = Builder(13)
    x = convolution(b, "input", "stem.conv0", 3, 32, 3, 2, side)
    x = b.node("Relu", [b.batch_norm(x, 32, "stem.bn0")], "stem.relu0")
    x = convolution(b, x, "stem.conv1", 32, 32, 3, 1, side // 2, group=4)
    x = b.node("Relu", [b.batch_norm(x, 32, "stem.bn1")], "stem.relu1")
    x = convolution(b, x, "stem.conv2", 32, 64, 3, 1, side // 2, group=8)
    x = b.node("Relu", [b.batch_norm(x, 64, "stem.bn2")], "stem.relu2")
    x = pool(b, "MaxPool", x, "stem.pool", 3, 2, side // 2)
    channels, at = 64, side // 4
    for stage, (depth, width) in enumerate(zip((4, 5, 4, 4), (160, 224, 256, None))):
        for block in range(depth):
            name = f"stage{stage}.{block}"
            y = b.batch_norm(x, channels, f"{name}.bn")
            y = signed(b, y, f"{name}.conv", channels, 64, 3, 1, at)
            x = b.node("Concat", [x, y], f"{name}.concat", axis=1)
            channels += 64
            y = b.batch_norm(x, channels, f"{name}.improve.bn")
            y = signed(b, y, f"{name}.improve", channels, 64, 3, 1, at)
            split = b.constant(f"{name}.split", np.array([channels - 64, 64], np.int64))
            b.nodes.append(two_parts(x, split, name))
            y = b.node("Add", [f"{name}.new", y], f"{name}.improved")
            x = b.node("Concat", [f"{name}.old", y], name, axis=1)
        x = b.batch_norm(x, channels, f"transition{stage}.bn")
        if width is None:
            break
        x = pool(b, "MaxPool", x, f"transition{stage}.pool", 2, 2, at)
        at //= 2
        x = b.node("Relu", [x], f"transition{stage}.relu")
        x = convolution(b, x, f"transition{stage}.point", channels, width, 1, 1, at)
        channels = width
    return finish(
        b, "meliusnet22", [1, 3, side, side], classifier(b, b.node("Relu", [x], "head.relu"), channels), [1, 1000]
    )


def two_parts(x, split, name):
    """The old and the new channels of `x`."""
    from onnx import helper

    return helper.make_node("Split", [x, split], [f"{name}.old", f"{name}.new"], f"{name}.parts", axis=1)
