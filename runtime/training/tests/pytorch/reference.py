"""The trainer's networks and losses in PyTorch, for comparison: same structure, same names of parameters.

Only what the comparisons need: the binary architecture with BN first, double skip, a scale per channel, gates.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def wave(shape, seed):
    """Numbers in [-1, 1] without a pattern, which the trainer's tests compute by the same formula."""
    i = np.arange(int(np.prod(shape)), dtype=np.float64)
    return torch.from_numpy(np.sin(np.sin(i * 12.9898 + seed) * 43.758).astype(np.float32)).reshape(shape)


class Sign(torch.autograd.Function):
    """sign(0) = +1; the gradient passes where |x| <= 1."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class Norm(nn.BatchNorm2d):
    """BN whose parameters are called gamma and beta."""

    def __init__(self, channels):
        super().__init__(channels)
        self.gamma, self.beta = nn.Parameter(self.weight.data), nn.Parameter(self.bias.data)
        del self.weight, self.bias

    def forward(self, x):
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.gamma, self.beta, self.training, self.momentum, self.eps
        )


class Conv(nn.Module):
    def __init__(self, c_in, c_out, kernel, stride):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kernel, kernel))
        self.stride = stride

    def forward(self, x):
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.weight.shape[2] // 2)


class BinaryConv(nn.Module):
    def __init__(self, c_in, c_out, stride, binary):
        super().__init__()
        self.latent = nn.Parameter(torch.randn(c_out, c_in, 3, 3))
        self.alpha = nn.Parameter(torch.ones(c_out))
        self.stride, self.binary = stride, binary

    def forward(self, x):
        weight = Sign.apply(self.latent) if self.binary else self.latent
        return F.conv2d(x, weight, stride=self.stride, padding=1)


class Act(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels,), 0.25))

    def forward(self, x):
        return F.prelu(x, self.slope)


class Dense(nn.Module):
    def __init__(self, c_in, c_out, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_in, c_out) / c_in**0.5)
        self.bias = nn.Parameter(torch.zeros(c_out)) if bias else None

    def forward(self, x):
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


class Gate(nn.Module):
    def __init__(self, c_in, c_out, reduction):
        super().__init__()
        self.down = Dense(c_in, max(c_out // reduction, 1), False)
        self.up = Dense(max(c_out // reduction, 1), c_out, False)

    def forward(self, x):
        return torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))[:, :, None, None]


class Shortcut(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.real = Conv(c_in, c_out, 1, 1)
        self.norm = Norm(c_out)

    def forward(self, x):
        return self.norm(self.real(F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)))


class HalfBlock(nn.Module):
    def __init__(self, c_in, c_out, stride, reduction, tanh, binary):
        super().__init__()
        self.norm = Norm(c_in)
        self.conv = BinaryConv(c_in, c_out, stride, binary)
        self.gate = Gate(c_in, c_out, reduction)
        self.act = Act(c_out)
        self.shortcut = Shortcut(c_in, c_out) if stride > 1 else None
        self.tanh = tanh

    def forward(self, x):
        t = self.norm(x)
        y = self.conv(torch.tanh(t) if self.tanh else Sign.apply(t))
        y = self.act(y * (self.conv.alpha[None, :, None, None] * self.gate(t)))
        return y + (x if self.shortcut is None else self.shortcut(x))


class Block(nn.Module):
    def __init__(self, c_in, c_out, stride, **kind):
        super().__init__()
        self.first = HalfBlock(c_in, c_out, stride, **kind)
        self.second = HalfBlock(c_out, c_out, 1, **kind)

    def forward(self, x):
        return self.second(self.first(x))


class Stem(nn.Module):
    def __init__(self, c_in, c_out, kernel, stride, pool):
        super().__init__()
        self.conv, self.norm, self.act = Conv(c_in, c_out, kernel, stride), Norm(c_out), Act(c_out)
        self.pool = pool

    def forward(self, x):
        x = self.act(self.norm(self.conv(x)))
        return F.max_pool2d(x, 3, 2, 1) if self.pool else x


class Stage(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)


class Head(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.dense = Dense(width, classes, True)

    def forward(self, x):
        return self.dense(x.mean((2, 3)))


class Network(nn.Module):
    def __init__(self, channels, classes, widths, depths, kernel=3, stride=1, pool=False, reduction=8, tanh=False, binary=True):
        super().__init__()
        kind = dict(reduction=reduction, tanh=tanh, binary=binary)
        self.stem = Stem(channels, widths[0], kernel, stride, pool)
        stages, width = [], widths[0]
        for s, (w, depth) in enumerate(zip(widths, depths)):
            blocks = []
            for b in range(depth):
                blocks.append(Block(width, w, 2 if s > 0 and b == 0 else 1, **kind))
                width = w
            stages.append(Stage(blocks))
        self.stages = nn.ModuleList(stages)
        self.head = Head(width, classes)

    def forward(self, x):
        return self.run(x)[0]

    def run(self, x):
        """The logits and the features at the end of each stage."""
        x, points = self.stem(x), []
        for stage in self.stages:
            for block in stage.blocks:
                x = block(x)
            points.append(x)
        return self.head(x), points


def value(name, shape):
    """What the tests give a parameter: by its name and a formula."""
    numbers = wave(shape, sum(name.encode()))
    kind = name.rsplit(".", 1)[-1]
    offset, size = {"gamma": (1, 0.25), "alpha": (1, 0.25), "beta": (0, 0.25), "slope": (0.25, 0.1), "bias": (0, 0.1)}.get(
        kind, (0, 0.5)
    )
    return offset + size * numbers


def match_logits(student, teacher, temperature):
    kl = F.kl_div(
        F.log_softmax(student / temperature, 1), F.log_softmax(teacher / temperature, 1), reduction="batchmean", log_target=True
    )
    return kl * temperature**2


def attention(student, teacher, form, norm, weights):
    def normed(features):
        q = features.pow(2).sum(1).flatten(1)
        return F.normalize(q, p=2, dim=1) if norm == "l2" else q / q.max(1, keepdim=True).values

    total = 0
    for weight, s, t in zip(weights, student, teacher):
        difference = normed(s) - normed(t)
        distance = difference.norm(p=2, dim=1).mean() if form == "norm" else difference.pow(2).mean()
        total = total + weight * distance
    return total
