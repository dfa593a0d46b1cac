"""Trains the Fashion-MNIST network of this folder and exports it; needed only to make `fashion.onnx` anew.

    apt-get install dataset-fashion-mnist                  # the four IDX files, MIT licence
    python -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python train.py                              # under an hour on one CPU core

Two stages, as in the Real-to-Binary paper: first binary activations with real weights, then both binary, each with
Adam and a cosine learning rate. Pictures are mirrored at random; they are also shifted, except in the last epochs,
where the network may settle on centred pictures such as those it is tested on. The weights exported are those after
the last step, not those of the best epoch. In the second stage the state is saved and exported after every
epoch, so that an interrupted run leaves something usable and can be taken up again with `--resume`.
"""

import argparse
import gzip
import math
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch.nn import functional as F

from network import Network

HERE = Path(__file__).resolve().parent
KEPT_PICTURES = 1000


def read_idx(path):
    """A gzipped IDX file of bytes (the format of the MNIST files) as an array."""
    with gzip.open(path, "rb") as file:
        data = file.read()
    assert data[:3] == b"\0\0\x08", f"{path} is not an IDX file of bytes"
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def augment(pictures, shifted, generator):
    """Each picture [N, 1, 28, 28] mirrored or not, then, if `shifted`, moved by up to two pixels, with black coming in."""
    flip = torch.rand(len(pictures), generator=generator) < 0.5
    pictures = torch.where(flip[:, None, None, None], pictures.flip(3), pictures)
    if not shifted:
        return pictures
    padded = F.pad(pictures, (2, 2, 2, 2))
    shift = torch.randint(0, 5, (len(pictures), 2), generator=generator)
    rows = shift[:, 0, None] + torch.arange(28)
    columns = shift[:, 1, None] + torch.arange(28)
    return padded[torch.arange(len(pictures))[:, None, None], 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)


@torch.no_grad()
def accuracy(network, pictures, labels):
    network.eval()
    right = sum(
        (network(x.float() / 255).argmax(1) == y).sum().item() for x, y in zip(pictures.split(500), labels.split(500))
    )
    network.train()
    return right / len(labels)


def export(state, config, path):
    """Writes the network as ordinary ONNX: no custom operator, batch 1, +-1 kernels as constants."""
    network = Network(**config)
    network.load_state_dict(state)
    warnings.simplefilter("ignore", DeprecationWarning)  # the TorchScript exporter is meant
    torch.onnx.export(
        network.ready_for_export(),
        (torch.zeros(1, 1, 28, 28),),
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=["picture"],
        output_names=["logits"],
    )


def check(path, pictures, labels):
    """Accuracy of the exported file in onnxruntime: over all pictures and over those kept in this folder."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    right = np.array(
        [
            session.run(None, {"picture": x[None].astype(np.float32) / 255})[0].argmax() == y
            for x, y in zip(pictures, labels)
        ]
    )
    return right.mean(), right[:KEPT_PICTURES].mean()


class Stage:
    """One stage of training: its network, its optimiser, and how far it is."""

    def __init__(self, name, network, data, args, epochs, shifted_epochs, lr, seconds):
        self.name, self.network, self.data, self.args = name, network, data, args
        self.epochs, self.shifted_epochs, self.lr = epochs, shifted_epochs, lr
        self.seconds = seconds
        self.optimizer = torch.optim.Adam(network.parameters(), lr, foreach=True)
        self.epoch = 0

    def state(self):
        return {"epoch": self.epoch, "network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def take_up(self, state):
        self.epoch = state["epoch"]
        self.network.load_state_dict(state["network"])
        if "optimizer" in state:
            self.optimizer.load_state_dict(state["optimizer"])

    def run(self, epoch_done):
        """The epochs left; where `seconds` are too few for them, the learning rate falls faster and they end sooner."""
        pictures, labels = self.data
        generator = torch.Generator().manual_seed(self.args.seed + self.epoch)
        forward = torch.compile(self.network) if self.args.compile else self.network
        steps = len(labels) // self.args.batch
        start, first = time.monotonic(), self.epoch / self.epochs
        progress = first
        while self.epoch < self.epochs and progress < 1:
            losses = []
            order = torch.randperm(len(labels), generator=generator)
            for step in range(steps):
                by_time = first + (1 - first) * (time.monotonic() - start) / self.seconds
                progress = max((self.epoch * steps + step) / (self.epochs * steps), by_time)
                if progress >= 1:
                    break
                for group in self.optimizer.param_groups:
                    group["lr"] = self.lr * 0.5 * (1 + math.cos(math.pi * progress))
                batch = order[step * self.args.batch : (step + 1) * self.args.batch]
                x = augment(pictures[batch].float() / 255, self.epoch < self.shifted_epochs, generator)
                loss = F.cross_entropy(forward(x.contiguous(memory_format=torch.channels_last)), labels[batch])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.network.clip_latent_weights()
                losses.append(loss.detach())
            self.epoch += 1
            if losses:
                mean = torch.stack(losses).mean().item()
                print(f"{self.name}, epoch {self.epoch}: loss {mean:.4f}, {time.monotonic() - start:.0f} s", end="")
            epoch_done(self)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="folder of the IDX files"
    )
    parser.add_argument("--out", type=Path, default=HERE, help="where fashion.onnx and the test pictures go")
    parser.add_argument("--widths", type=int, nargs=2, default=(32, 64))
    parser.add_argument("--depths", type=int, nargs=2, default=(3, 5))
    parser.add_argument("--epochs", type=int, nargs=2, default=(10, 24), help="of the first and the second stage")
    parser.add_argument("--shifted-epochs", type=int, default=10, help="of the second stage")
    parser.add_argument("--minutes", type=float, default=60, help="shorten the schedule when it would take longer")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, nargs=2, default=(2e-3, 2e-3))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="needs a C++ compiler")
    parser.add_argument(
        "--resume", type=Path, metavar="STATE", help="go on with the second stage from this saved state"
    )
    parser.add_argument("--export-only", type=Path, metavar="STATE", help="skip the training, export this saved state")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    train_x = torch.from_numpy(read_idx(args.data / "train-images-idx3-ubyte.gz").copy()).unsqueeze(1)
    train_y = torch.from_numpy(read_idx(args.data / "train-labels-idx1-ubyte.gz").astype(np.int64))
    test_x = torch.from_numpy(read_idx(args.data / "t10k-images-idx3-ubyte.gz").copy()).unsqueeze(1)
    test_y = torch.from_numpy(read_idx(args.data / "t10k-labels-idx1-ubyte.gz").astype(np.int64))

    config = dict(widths=tuple(args.widths), depths=tuple(args.depths))
    if not args.export_only:
        network = Network(**config).to(memory_format=torch.channels_last)

        def epoch_done(stage):
            print(f", test accuracy {accuracy(network, test_x, test_y):.4f}", flush=True)
            if network.is_binary():
                torch.save(stage.state(), args.out / "state.pt")
                export(network.state_dict(), config, args.out / "fashion.onnx")

        data = (train_x, train_y)
        first, second = args.epochs
        share = first / (first + second)
        if not args.resume:
            Stage("real weights", network, data, args, first, first, args.lr[0], args.minutes * 60 * share).run(
                epoch_done
            )
        network.binarise()
        stage = Stage(
            "binary", network, data, args, second, args.shifted_epochs, args.lr[1], args.minutes * 60 * (1 - share)
        )
        if args.resume:
            stage.take_up(torch.load(args.resume))
        stage.run(epoch_done)

    state = torch.load(args.export_only or args.out / "state.pt")
    export(state["network"], config, args.out / "fashion.onnx")
    (args.out / "pictures.bin").write_bytes(test_x[:KEPT_PICTURES].numpy().tobytes())
    (args.out / "labels.bin").write_bytes(test_y[:KEPT_PICTURES].numpy().astype(np.uint8).tobytes())
    everything, kept = check(args.out / "fashion.onnx", test_x.numpy(), test_y.numpy())
    print(f"fashion.onnx: {everything:.4f} of the 10 000 test pictures right, {kept:.3f} of the first {KEPT_PICTURES}")


if __name__ == "__main__":
    main()
