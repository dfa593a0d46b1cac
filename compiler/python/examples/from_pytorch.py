"""From PyTorch to running code: python examples/from_pytorch.py (needs torch and onnx besides)."""

import numpy as np
import torch

import xnorc


def sign(x):
    return torch.where(x >= 0, 1.0, -1.0)


class Binary(torch.nn.Conv2d):
    """A convolution of signs with signs."""

    def forward(self, x):
        return torch.nn.functional.conv2d(sign(x), sign(self.weight), padding=1)


torch.manual_seed(1)
blocks = [layer for _ in range(3) for layer in (Binary(64, 64, 3, bias=False), torch.nn.BatchNorm2d(64), torch.nn.PReLU(64))]
net = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3), *blocks, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
picture = torch.randn(8, 3, 32, 32)  # train it here
torch.onnx.export(net, picture[:1], "net.onnx", dynamo=False)

print(xnorc.inspect("net.onnx"))
compiled = xnorc.compile("net.onnx")
answers = compiled(picture.numpy(), threads=2)
print(answers.shape, "largest difference:", np.abs(answers - net(picture).detach().numpy()).max())
