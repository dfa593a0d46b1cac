"""The Fashion-MNIST network: a small Real-to-Binary network (Martinez et al., ICLR 2020).

    pictures in [0, 1] -> normalise -> stem: real 3x3 conv, stride 2, BN, PReLU     28x28x1  -> 14x14xC1
                       -> half-blocks at 14x14xC1 and, after the down-sampling one, at 7x7xC2
                       -> head: BN, PReLU, global average pool, linear               7x7xC2   -> 10

A half-block is BN -> sign -> binary 3x3 conv (zero padding) -> alpha -> gate -> PReLU -> + skip, where the gate is
a small real-valued squeeze-and-excite network that looks at the BN output. Every half-block has its own skip
("double skip"); the down-sampling one averages 2x2, then a real 1x1 conv and BN.
"""

import torch
from torch import nn
from torch.nn import functional as F

MEAN, STD = 0.2860, 0.3530  # of the training pictures


class SignSte(torch.autograd.Function):
    """Sign with sign(0) = +1; the gradient is that of Bi-Real Net's piecewise polynomial, 2 - 2|x| on [-1, 1]."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * F.relu(2 - 2 * x.abs())


class WeightSte(torch.autograd.Function):
    """Sign with sign(0) = +1; the gradient passes where the latent weight is within [-1, 1]."""

    @staticmethod
    def forward(ctx, w):
        ctx.save_for_backward(w)
        return torch.where(w >= 0, 1.0, -1.0).to(w.dtype)

    @staticmethod
    def backward(ctx, grad):
        (w,) = ctx.saved_tensors
        return grad * (w.abs() <= 1).to(grad.dtype)


class BinaryConv(nn.Module):
    """3x3 conv without bias whose weights are real in the first stage of training, +-1 in the second."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(c_out, c_in, 3, 3))
        nn.init.kaiming_normal_(self.weight)
        self.alpha = nn.Parameter(torch.ones(c_out, 1, 1))
        self.stride = stride
        self.binary = False

    def binarise(self):
        """Starts the second stage: the scale takes over the mean size of the weights, as in XNOR-Net.

        The latent weights are then blown up so that their mean size per channel is 1/4: only their signs matter
        now, and an Adam step of the same size should be able to turn a sign in every layer alike.
        """
        with torch.no_grad():
            size = self.weight.abs().mean(dim=(1, 2, 3), keepdim=True)
            self.alpha.mul_(size.view(-1, 1, 1))
            self.weight.div_(4 * size)
        self.binary = True

    def bake(self):
        """Replaces the latent weights by their signs, so that what is exported is +-1 and nothing else."""
        with torch.no_grad():
            self.weight.copy_(torch.where(self.weight >= 0, 1.0, -1.0))
        self.binary = False

    def forward(self, x):
        weight = WeightSte.apply(self.weight) if self.binary else self.weight
        return F.conv2d(x, weight, stride=self.stride, padding=1) * self.alpha.to(x.dtype)


class HalfBlock(nn.Module):
    """BN -> sign -> binary conv -> alpha -> gate -> PReLU -> + skip."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.bn = nn.BatchNorm2d(c_in)
        self.conv = BinaryConv(c_in, c_out, stride)
        self.gate_down = nn.Linear(c_in, c_in // 8)
        self.gate_up = nn.Linear(c_in // 8, c_out)
        self.prelu = nn.PReLU(c_out)
        self.shortcut = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride), nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out)
            )
        self.plain_sign = False

    def forward(self, x):
        t = self.bn(x)
        gate = F.adaptive_avg_pool2d(t, 1).flatten(1)
        gate = torch.sigmoid(self.gate_up(F.relu(self.gate_down(gate))))
        sign = torch.sign(t) if self.plain_sign else SignSte.apply(t)
        y = self.conv(sign) * gate[:, :, None, None]
        return self.prelu(y) + self.shortcut(x)


class Network(nn.Module):
    """`widths` = (C1, C2); `depths` = half-blocks at 14x14 and at 7x7 (the first of these down-samples)."""

    def __init__(self, widths=(32, 64), depths=(3, 5)):
        super().__init__()
        c1, c2 = widths
        self.stem = nn.Sequential(
            nn.Conv2d(1, c1, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(c1), nn.PReLU(c1)
        )
        blocks = [HalfBlock(c1, c1, 1) for _ in range(depths[0])]
        blocks += [HalfBlock(c1, c2, 2)] + [HalfBlock(c2, c2, 1) for _ in range(depths[1] - 1)]
        self.blocks = nn.Sequential(*blocks)
        self.tail = nn.Sequential(nn.BatchNorm2d(c2), nn.PReLU(c2))
        self.head = nn.Linear(c2, 10)

    def forward(self, pictures):
        """`pictures`: [N, 1, 28, 28], byte value / 255. Returns the ten logits, [N, 10]."""
        x = self.stem((pictures - MEAN) / STD)
        x = self.tail(self.blocks(x))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))

    def binarise(self):
        for block in self.blocks:
            block.conv.binarise()

    def is_binary(self):
        return self.blocks[0].conv.binary

    @torch.no_grad()
    def clip_latent_weights(self):
        """Keeps latent weights within [-1, 1], where the gradient passes."""
        for block in self.blocks:
            if block.conv.binary:
                block.conv.weight.clamp_(-1, 1)

    def ready_for_export(self):
        """+-1 kernels as plain constants and `torch.sign` for the activations: ordinary ONNX."""
        for block in self.blocks:
            block.conv.bake()
            block.plain_sign = True
        return self.eval()
