"""Writes what PyTorch says to `losses.json` and `trajectory.json`, which the trainer's tests compare themselves with.

    pip install torch numpy; python record.py

Inputs and weights come from formulas that both sides evaluate.
"""

import json
import re
from pathlib import Path

import torch
from torch.nn import functional as F

from reference import Network, attention, match_logits, value, wave

HERE = Path(__file__).resolve().parent
torch.set_num_threads(1)


def numbers(tensor):
    return [float(f"{v:.9g}") for v in tensor.detach().flatten().tolist()]


def write(name, rows):
    """One line per list of numbers."""
    text = json.dumps(rows, indent=1)
    (HERE / name).write_text(re.sub(r"(?<=[\[,\d])\s+(?=[-\d\]])", " ", text) + "\n")


def losses():
    student = (3 * wave((4, 6), 0.1)).requires_grad_()
    teacher = 3 * wave((4, 6), 0.2)
    targets = F.softmax(2 * wave((4, 6), 0.3), 1)
    rows = {}

    def row(name, loss, *inputs):
        rows[name] = {"loss": loss.item(), "gradients": [numbers(g) for g in torch.autograd.grad(loss, inputs)]}

    row("labels", F.cross_entropy(student, torch.tensor([0, 5, 2, 2])), student)
    row("mixed labels", F.cross_entropy(student, targets), student)
    for t in (1, 2, 4.5):
        row(f"logits {t}", match_logits(student, teacher, t), student)
    shapes = [(2, 3, 4, 4), (2, 5, 2, 2)]
    students = [(2 * wave(s, 0.4 + i)).requires_grad_() for i, s in enumerate(shapes)]
    teachers = [2 * wave((s[0], s[1] + 1, *s[2:]), 0.6 + i) for i, s in enumerate(shapes)]
    for form in ("norm", "squared-mean"):
        for norm in ("l2", "max"):
            row(f"attention {form} {norm}", attention(students, teachers, form, norm, [1, 1]), *students)
    row("attention weighed", attention(students, teachers, "norm", "l2", [0.5, 2]), *students)
    write("losses.json", rows)


def trajectory():
    """20 steps of a small network: the loss before each, every parameter after the last."""
    runs = {}
    optimisers = {
        "adam": lambda p: torch.optim.Adam(p, lr=1e-3, weight_decay=1e-2),
        "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=1e-1),
        "sgd": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=1e-2),
    }
    forms = {"tanh, real": (True, False), "sign, real": (False, False), "sign, sign": (False, True)}
    for form, (tanh, binary) in forms.items():
        for kind, optimiser in optimisers.items():
            network = Network(3, 5, (4, 6), (1, 1), reduction=2, tanh=tanh, binary=binary)
            with torch.no_grad():
                for name, parameter in network.named_parameters():
                    parameter.copy_(value(name, parameter.shape))
            teacher_logits, teacher_points = wave((8, 5), 0.7), [wave((8, 4, 8, 8), 0.8), wave((8, 6, 4, 4), 0.9)]
            steps = optimiser(network.parameters())
            losses = []
            for step in range(20):
                pictures = wave((8, 3, 8, 8), 1000.5 + step)
                labels = torch.tensor([(3 * step + 7 * i) % 5 for i in range(8)])
                logits, points = network.run(pictures)
                loss = F.cross_entropy(logits, labels) + 0.5 * match_logits(logits, teacher_logits, 2)
                loss = loss + 10 * attention(points, teacher_points, "squared-mean", "l2", [1, 1])
                losses.append(loss.item())
                steps.zero_grad()
                loss.backward()
                steps.step()
            # A dozen or two of each parameter's values, evenly spaced.
            after = {name: numbers(p)[:: max(p.numel() // 12, 1)] for name, p in network.named_parameters()}
            runs[f"{kind}, {form}"] = {"losses": losses, "after": after}
    write("trajectory.json", runs)


if __name__ == "__main__":
    losses()
    trajectory()
