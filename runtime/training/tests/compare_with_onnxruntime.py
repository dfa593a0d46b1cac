"""An exported network in onnxruntime beside the trainer, on every test picture of a data set: IDX files, or a folder of PNG for each class.

    xnorc-training evaluate CONFIG.toml --last --logits logits.npy
    xnorc-training export --config CONFIG.toml --last --normalise --out net.onnx
    python3 compare_with_onnxruntime.py net.onnx logits.npy [/usr/share/datasets/fashion-mnist] [answers.npy]

Needs numpy and onnxruntime, and pillow for PNG. (JPEG would be decoded by another library than the trainer's, and to other values.) Ends
with an error where the best class of a picture is not the same. Logits differ by more than rounding in a few pictures, where a value
before a sign is so near zero that the order of a sum decides. What onnxruntime says goes into `answers.npy`, for `xnorc evaluate --beside`.
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import onnxruntime

model, logits, *rest = sys.argv[1:]
folder = Path(rest[0] if rest else "/usr/share/datasets/fashion-mnist")


def idx(name, rank):
    """The bytes of an IDX file behind its header, zipped or not."""
    path = folder / name
    data = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank)


def png(files):
    """What they show, channels first."""
    from PIL import Image

    return np.stack([np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1) for file in files])


ours = np.load(logits)
classes = sorted(path for path in folder.iterdir() if path.is_dir())
if classes:
    files = [(file, label) for label, path in enumerate(classes) for file in sorted(path.iterdir())]
    labels = np.array([label for _, label in files])
    pictures = png(file for file, _ in files)
else:
    labels = idx("t10k-labels-idx1-ubyte", 1)
    pictures = idx("t10k-images-idx3-ubyte", 3).reshape(len(labels), 1, 28, 28)
assert len(ours) == len(labels), f"{len(ours)} rows of logits for {len(labels)} pictures"

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
one_by_one = (session.run(None, {name: x[None].astype(np.float32) / 255})[0][0] for x in pictures)
theirs = np.stack(list(one_by_one))
if rest[1:]:
    np.save(rest[1], theirs)

difference = np.abs(ours - theirs).max(axis=1)
close = difference <= 1e-4 * np.abs(ours).max(axis=1)
same = ours.argmax(1) == theirs.argmax(1)
right = [100 * (x.argmax(1) == labels).mean() for x in (ours, theirs)]
print(f"onnxruntime {onnxruntime.__version__}, {len(labels)} pictures: right {right[1]:.2f} %, trainer {right[0]:.2f} %")
print(f"same class: {same.sum()}; same logits: {close.sum()}, largest difference {difference.max():.1e}")
sys.exit(0 if same.all() else 1)
