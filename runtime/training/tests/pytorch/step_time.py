"""The same as `examples/step_time.rs`, with PyTorch: python step_time.py [repeats] [threads]"""

import sys
import time

import torch
from torch.nn import functional as F

from reference import Network

repeats, threads = (int(a) for a in (sys.argv[1:] + ["10", "2"][len(sys.argv) - 1 :]))
torch.set_num_threads(threads)
rows = [
    ("28x28, batch 128, widths 32 64, stem 3x3/2", 1, 28, 128, (32, 64), 2),
    ("32x32, batch 64, widths 32 64, stem 3x3/1", 3, 32, 64, (32, 64), 1),
]
for name, channels, side, batch, widths, stride in rows:
    network = Network(channels, 10, widths, (2,) * len(widths), stride=stride)
    with torch.no_grad():
        for module in network.modules():
            if hasattr(module, "latent"):
                torch.nn.init.kaiming_normal_(module.latent)
    adam = torch.optim.Adam(network.parameters(), 1e-3)
    pictures, labels = torch.randn(batch, channels, side, side), torch.arange(batch) % 10
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        logits = network(pictures)
        forward = time.perf_counter() - start
        loss = F.cross_entropy(logits, labels)
        adam.zero_grad()
        loss.backward()
        backward = time.perf_counter() - start
        adam.step()
        all = time.perf_counter() - start
        times.append((all, forward, backward - forward, all - backward))
    times = sorted(times[1:])
    a, f, b, s = (1e3 * t for t in times[0])
    print(f"{name}: {a:.0f} ms (forward {f:.0f}, backward {b:.0f}, Adam {s:.1f}), median {1e3 * times[len(times) // 2][0]:.0f} ms")
