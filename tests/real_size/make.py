"""Writes networks of real size as PyTorch's exporters write them: `python make.py FOLDER [NAME ...]`.

For each NAME there are NAME.onnx (with NAME.onnx.data beside it where the exporter writes weights there), the input
NAME.in.npy and onnxruntime's output NAME.out.npy. `*_dyn` is the dynamo exporter as it is by default (external data),
`*_batch` the same with a batch that stays open, `*_ts17` the TorchScript exporter with opset 17 (one file).
Needs what `../fixtures/requirements-torch.txt` names; FOLDER is wanted outside of the repository: the files take 2 GB.
"""

import argparse
import sys
import time
import zlib
from pathlib import Path

import networks as net
import numpy as np
import torch
import torch_grown as grown
from fixture import session
from torch import nn
from torch_layers import randomise

IMAGE = (1, 3, 224, 224)
NETWORKS = {
    "xnor_preact18_bin_1": (lambda: net.preact_resnet18(1, True), IMAGE, ["dyn", "ts17"]),
    "reactnet_a": (net.ReActNetA, IMAGE, ["dyn", "batch", "ts17"]),
    "xnor_preact18_real_1": (lambda: net.preact_resnet18(1, False), IMAGE, ["dyn", "batch"]),
    "xnor_preact18_bin_2": (lambda: net.preact_resnet18(2, True), IMAGE, ["dyn", "batch"]),
    "xnor_preact18_real_2": (lambda: net.preact_resnet18(2, False), IMAGE, ["dyn"]),
    "bert_base": (net.BinaryBert, (1, 128, 768), ["dyn"]),
    "bireal18": (lambda: net.ResNet18(net.BiRealBlock), IMAGE, ["dyn", "ts17"]),
    "irnet18": (lambda: net.ResNet18(net.IrBlock), IMAGE, ["dyn", "ts17"]),
    "binary_densenet28": (grown.binary_densenet28, IMAGE, ["dyn", "ts17"]),
    "meliusnet22": (grown.meliusnet22, IMAGE, ["dyn", "ts17"]),
    "meliusnet22_pad": (lambda: grown.meliusnet22("pad"), IMAGE, ["dyn", "ts17"]),
    "bnext_tiny": (grown.bnext_tiny, IMAGE, ["dyn", "ts17"]),
    "quicknet": (grown.quicknet, IMAGE, ["dyn", "ts17"]),
    "mm_r2b18": (lambda: net.ResNet18(grown.MmBlock, lambda: nn.PReLU(64)), IMAGE, ["dyn", "ts17"]),
    "strong18": (lambda: net.ResNet18(net.StrongBlock), IMAGE, ["dyn"]),
}


def export(model, example, path, kind):
    if kind == "ts17":
        torch.onnx.export(model, (example,), str(path), dynamo=False, opset_version=17)
        return
    shapes = ({0: torch.export.Dim("batch")},) if kind == "batch" else None
    # An example of one picture would make the exporter take the batch for fixed.
    example = example.repeat(2, *[1] * (example.dim() - 1)) if kind == "batch" else example
    torch.onnx.export(
        model, (example,), str(path), dynamo=True, external_data=True, dynamic_shapes=shapes, verbose=False
    )


def make(name, kind, folder):
    build, shape, _ = NETWORKS[name]
    torch.manual_seed(zlib.crc32(name.encode()))
    model = randomise(build(), torch.Generator().manual_seed(1)).eval()
    path = folder / f"{name}_{kind}.onnx"
    started = time.time()
    with torch.no_grad():
        export(model, torch.randn(shape), path, kind)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    ort = session(str(path))
    y = ort.run(None, {ort.get_inputs()[0].name: x})[0]
    assert np.isfinite(y).all(), path.name
    np.save(path.with_suffix(".in.npy"), x)
    np.save(path.with_suffix(".out.npy"), y)
    size = sum(file.stat().st_size for file in folder.glob(f"{path.name}*")) / 1e6
    line = f"{path.name}: {size:.0f} MB, std of the output {np.std(y):.3g}, {time.time() - started:.0f} s"
    print(line, flush=True)
    with (folder / "INDEX").open("a") as index:
        index.write(line + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="as NETWORK or NETWORK_KIND; all without any")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    known = [(name, kind) for name, (_, _, kinds) in NETWORKS.items() for kind in kinds]
    wanted = [
        (name, kind) for name, kind in known if not args.names or {name, f"{name}_{kind}"} & set(args.names)
    ]
    if not wanted:
        sys.exit(f"nothing of that name; there are {', '.join(f'{n}_{k}' for n, k in known)}")
    for name, kind in wanted:
        make(name, kind, args.folder)


if __name__ == "__main__":
    main()
