"""A residual network that PyTorch trains, as the teacher of a procedure: safetensors, and what it says of test pictures.

    python tests/pytorch/teacher.py DATA --widths 16 32 64 128 --epochs 1 --out teacher.safetensors --logits theirs.npy
    xnorc-training run net.toml        # its first step: initial = "teacher.safetensors", epochs = 0
    xnorc-training evaluate net.toml --step teacher --logits ours.npy
    python -c 'import numpy as n; print(abs(n.load("ours.npy") - n.load("theirs.npy")).max())'

DATA is a folder with train/CLASS/* and val/CLASS/*, pictures of one size. Parameters have the names of torchvision's. Logits
of PNG files are the same to rounding; of JPEG files they are not, for Pillow decodes those to other bytes.
"""

import argparse
import json
import pathlib
import struct

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Block(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        down = stride > 1
        self.downsample = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)) if down else None

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, widths, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = len(widths)
        width = widths[0]
        for i, w in enumerate(widths):
            setattr(self, f"layer{i + 1}", nn.Sequential(Block(width, w, 1 if i == 0 else 2), Block(w, w, 1)))
            width = w
        self.fc = nn.Linear(width, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        return self.fc(x.mean((2, 3)))


def pictures(folder, every=1):
    """Every so-manieth picture of each class, normalised, and the labels; classes and files in the order of names."""
    values, labels = [], []
    for label, of_class in enumerate(sorted(p for p in pathlib.Path(folder).iterdir() if p.is_dir())):
        for path in sorted(of_class.iterdir())[::every]:
            values.append(np.asarray(Image.open(path).convert("RGB")))
            labels.append(label)
    x = (np.stack(values).astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), torch.tensor(labels)


def save(tensors, path):
    """The format of safetensors: length of the header, header, tensors."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        kind = {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype]
        raw = tensor.numpy().tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data")
    arguments.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128])
    arguments.add_argument("--epochs", type=int, default=1)
    arguments.add_argument("--every", type=int, default=1, help="train on every so-manieth picture")
    arguments.add_argument("--out", required=True)
    arguments.add_argument("--logits")
    options = arguments.parse_args()
    torch.manual_seed(1)
    x, labels = pictures(f"{options.data}/train", options.every)
    net = ResNet(options.widths, int(labels.max()) + 1)
    sgd = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
    for epoch in range(options.epochs):
        for batch in torch.randperm(len(x)).split(64):
            sgd.zero_grad()
            loss = F.cross_entropy(net(x[batch]), labels[batch])
            loss.backward()
            sgd.step()
        print(f"epoch {epoch + 1}: loss of the last batch {loss.item():.4f}", flush=True)
    net.eval()
    save(net.state_dict(), options.out)
    if options.logits:
        x, labels = pictures(f"{options.data}/val")
        with torch.no_grad():
            logits = torch.cat([net(batch) for batch in x.split(200)])
        np.save(options.logits, logits.numpy())
        print(f"right: {(logits.argmax(1) == labels).float().mean().item():.4f} of {len(x)} test pictures")


if __name__ == "__main__":
    main()
