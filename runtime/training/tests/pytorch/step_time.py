"""The same as `examples/step_time.rs`, with PyTorch: python step_time.py [network] [steps] [threads]"""

import json
import sys
import time

import torch
from torch.nn import functional as F

from reference import Network

name, steps, threads = (sys.argv[1:] + ["fashion", "10", "2"][len(sys.argv) - 1 :])[:3]
torch.set_num_threads(int(threads))
channels, side, batch, widths, stem = {
    "fashion": (1, 28, 128, (32, 64), dict(kernel=3, stride=2)),
    "cifar": (3, 32, 64, (32, 64), dict(kernel=3, stride=1)),
    "imagenet": (3, 224, 8, (64, 128, 256, 512), dict(kernel=7, stride=2, pool=True)),
}[name]
network = Network(channels, 10, widths, (2,) * len(widths), **stem)
with torch.no_grad():
    for module in network.modules():
        if hasattr(module, "latent"):
            torch.nn.init.kaiming_normal_(module.latent)
adam = torch.optim.Adam(network.parameters(), 1e-3)
pictures, labels = torch.randn(batch, channels, side, side), torch.arange(batch) % 10
times = []
for _ in range(int(steps) + 1):
    start = time.perf_counter()
    logits = network(pictures)
    forward = time.perf_counter() - start
    loss = F.cross_entropy(logits, labels)
    adam.zero_grad()
    loss.backward()
    backward = time.perf_counter() - start
    adam.step()
    all = time.perf_counter() - start
    times.append([1e3 * t for t in (all, forward, backward - forward, all - backward)])
status = open("/proc/self/status").read()
peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
print(json.dumps({"times": times[1:], "peak": peak}))
