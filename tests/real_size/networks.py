"""Published binary networks at full size, from the layers of the fixtures (`../fixtures/torch_layers.py`).

Weights are random, statistics awkward (gammas of both signs, one of 0; slopes below 0 and above 1): what counts is the
graph that the exporter writes and how large it is, not what the network knows.
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))

from torch_layers import (  # noqa: E402
    BinaryConv2d,
    LearnableBias,
    mean_weight,
    nested_mean_ste_weight,
    plain_sign,
    polynomial_ste,
    sign_weight,
    standardised_weight,
)


class ReActBlock(nn.Module):
    """A depthwise-separable block of MobileNet made binary: 3x3, then 1x1; channels double by two 1x1 and Concat."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.move11 = LearnableBias(c_in)
        self.conv3 = BinaryConv2d(c_in, c_in, stride=stride, weight=nested_mean_ste_weight)
        self.bn1 = nn.BatchNorm2d(c_in)
        self.move12, self.prelu1, self.move13 = LearnableBias(c_in), nn.PReLU(c_in), LearnableBias(c_in)
        self.pool = nn.AvgPool2d(2, 2) if stride == 2 else None
        self.move21 = LearnableBias(c_in)
        points = c_out // c_in
        self.points = nn.ModuleList(
            BinaryConv2d(c_in, c_in, kernel=1, padding=0, weight=nested_mean_ste_weight) for _ in range(points)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(c_in) for _ in range(points))
        self.move22, self.prelu2, self.move23 = LearnableBias(c_out), nn.PReLU(c_out), LearnableBias(c_out)

    def forward(self, x):
        out = self.bn1(self.conv3(polynomial_ste(self.move11(x)))) + (self.pool(x) if self.pool else x)
        out = self.move13(self.prelu1(self.move12(out)))
        sign = polynomial_ste(self.move21(out))
        parts = [norm(point(sign)) + out for point, norm in zip(self.points, self.norms)]
        out = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return self.move23(self.prelu2(self.move22(out)))


class ReActNetA(nn.Module):
    """ReActNet-A (Liu et al. 2020): 29 million weights."""

    PLAN = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32))
        blocks, channels = [], 32
        for c_out, stride in self.PLAN:
            blocks.append(ReActBlock(channels, c_out, stride))
            channels = c_out
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(channels, 1000)

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1)
        return self.linear(x.view(x.size(0), -1))


class PreActBlock(nn.Module):
    """BN -> sign -> 3x3 -> PReLU, twice; one skip around both convolutions, or one around each.

    The shortcut of a block that changes shape is average pool -> 1x1 -> BN, real-valued, or binarised with a sign of
    its own behind the pool.
    """

    def __init__(self, c_in, c_out, stride, skips, binary_shortcut):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(c_in), nn.BatchNorm2d(c_out)
        self.conv1 = BinaryConv2d(c_in, c_out, stride=stride, weight=mean_weight)
        self.conv2 = BinaryConv2d(c_out, c_out, weight=mean_weight)
        self.act1, self.act2 = nn.PReLU(c_out), nn.PReLU(c_out)
        self.double, self.binary = skips == 2, binary_shortcut
        self.shortcut = None
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride),
                Signed(BinaryConv2d(c_in, c_out, kernel=1, padding=0, weight=mean_weight))
                if binary_shortcut
                else nn.Conv2d(c_in, c_out, 1, bias=False),
                nn.BatchNorm2d(c_out),
            )

    def forward(self, x):
        identity = x if self.shortcut is None else self.shortcut(x)
        out = self.act1(self.conv1(plain_sign(self.bn1(x))))
        if self.double:
            out = identity = out + identity
        return self.act2(self.conv2(plain_sign(self.bn2(out)))) + identity


class Signed(nn.Module):
    """A binary layer with its sign in front."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(plain_sign(x))


class StrongBlock(nn.Module):
    """The strong baseline: BN -> sign -> 3x3 -> learned scale -> PReLU -> + skip, twice."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.halves = nn.Sequential(StrongHalf(c_in, c_out, stride), StrongHalf(c_out, c_out, 1))

    def forward(self, x):
        return self.halves(x)


class StrongHalf(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.bn = nn.BatchNorm2d(c_in)
        self.conv = BinaryConv2d(c_in, c_out, stride=stride, weight=sign_weight)
        self.scale = nn.Parameter(torch.rand(1, c_out, 1, 1) * 0.1 + 0.05)
        self.prelu = nn.PReLU(c_out)
        self.shortcut = None
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride), nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x):
        out = self.conv(plain_sign(self.bn(x)))
        out = self.prelu(out.mul(self.scale.expand_as(out)))
        return out + (x if self.shortcut is None else self.shortcut(x))


class BiRealBlock(nn.Module):
    """sign -> 3x3 -> BN -> + skip, twice; the sign's polynomial estimator and the weights' scale are live nodes."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.halves = nn.Sequential(BiRealHalf(c_in, c_out, stride), BiRealHalf(c_out, c_out, 1))

    def forward(self, x):
        return self.halves(x)


class BiRealHalf(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv = BinaryConv2d(c_in, c_out, stride=stride, weight=nested_mean_ste_weight)
        self.bn = nn.BatchNorm2d(c_out)
        self.shortcut = None
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride), nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x):
        return self.bn(self.conv(polynomial_ste(x))) + (x if self.shortcut is None else self.shortcut(x))


class IrBlock(nn.Module):
    """sign -> 3x3 with standardised weights and a power-of-two scale -> BN -> hard tanh -> + skip, twice."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.halves = nn.Sequential(IrHalf(c_in, c_out, stride), IrHalf(c_out, c_out, 1))

    def forward(self, x):
        return self.halves(x)


class IrHalf(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv = BinaryConv2d(c_in, c_out, stride=stride, weight=standardised_weight)
        self.bn = nn.BatchNorm2d(c_out)
        self.shortcut = None
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        skip = x if self.shortcut is None else self.shortcut(x)
        return F.hardtanh(self.bn(self.conv(plain_sign(x))) + skip)


class ResNet18(nn.Module):
    """The ImageNet ResNet-18 around the blocks of a family: 7x7 stem, 64 to 512 channels, linear head."""

    def __init__(self, block, activation=nn.Identity):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), activation(), nn.MaxPool2d(3, 2, 1)
        )
        blocks, channels = [], 64
        for c_out, stride in [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]:
            blocks.append(block(channels, c_out, stride))
            channels = c_out
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(channels, 1000)

    def forward(self, x):
        return self.linear(torch.flatten(F.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1), 1))


def preact_resnet18(skips, binary_shortcut):
    """The pre-activation XNOR ResNet-18 with PReLU, in the style of the Real-to-Binary authors' public code."""
    return ResNet18(lambda *shape: PreActBlock(*shape, skips, binary_shortcut), lambda: nn.PReLU(64))


class BinaryLinear(nn.Module):
    """A transformer's linear layer of bits: sign of the shifted input; weights centred, their mean size a scale."""

    def __init__(self, c_in, c_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in) * 0.02)
        self.bias = nn.Parameter(torch.randn(c_out) * 0.02)
        self.move = nn.Parameter(torch.randn(c_in) * 0.02)

    def forward(self, x):
        w = self.weight - self.weight.mean(-1, keepdim=True)
        w = torch.sign(w) * w.abs().mean(1, keepdim=True)
        return F.linear(plain_sign(x + self.move), w, self.bias)


class BinaryEncoderLayer(nn.Module):
    """Attention of 12 heads and a feed-forward part, all six linear layers of bits; LayerNorm and ReLU between."""

    def __init__(self, width, heads, hidden):
        super().__init__()
        self.query, self.key, self.value = (BinaryLinear(width, width) for _ in range(3))
        self.out, self.up, self.down = BinaryLinear(width, width), BinaryLinear(width, hidden), BinaryLinear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.heads = heads

    def split(self, x):
        n, length, width = x.shape
        return x.view(n, length, self.heads, width // self.heads).transpose(1, 2)

    def forward(self, x):
        q, k, v = (self.split(part(x)) for part in (self.query, self.key, self.value))
        scores = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, -1)
        mixed = (scores @ v).transpose(1, 2).reshape(x.shape)
        x = self.norm1(self.out(mixed) + x)
        return self.norm2(self.down(F.relu(self.up(x))) + x)


class BinaryBert(nn.Module):
    """The encoder of BERT base with layers of bits: 12 layers, 85 million weights; its input is embedded already."""

    def __init__(self, layers=12, width=768):
        super().__init__()
        self.layers = nn.Sequential(*(BinaryEncoderLayer(width, 12, 4 * width) for _ in range(layers)))
        self.classifier = nn.Linear(width, 2)

    def forward(self, x):
        return self.classifier(self.layers(x)[:, 0])
