"""Compiles trained binary neural networks (ONNX) to Rust, and calls them on numpy arrays.

    net = xnorc.compile("net.onnx")   # by the rustc at hand; kept, so the next time it is there at once
    y = net(x)                        # numpy in, numpy out

`inspect` says what became of a network, `verify` whether it is right, `evaluate` how often. The program `xnorc` is in the same
package.
"""

import os
import tempfile
import warnings
from contextlib import ExitStack

import numpy as np

from xnorc import _native
from xnorc._network import Network, Tensor
from xnorc._results import Diagnostic, Evaluation, ModelError, ModelWarning, Report, Result, Verification

__all__ = [
    "Diagnostic",
    "Evaluation",
    "ModelError",
    "ModelWarning",
    "Network",
    "Report",
    "Result",
    "Tensor",
    "Verification",
    "compile",
    "evaluate",
    "inspect",
    "verify",
]
__version__ = _native.__version__


def inspect(model, *, dims=None, real=None, calibrate=None, zero="plus", multiply_add="once", strict=False) -> Report:
    """Says what becomes of a model, without building it: print it for the glance, `.table` for every block; its items are those
    of `xnorc inspect --json`. The options are those of `compile`.

    ModelError: the model cannot be compiled.
    """
    with ExitStack() as files:
        glance, table, data, warned = _native.inspect(os.fspath(model), _options(files, dims, real, calibrate, zero, multiply_add, strict))
    _warn(warned)
    return Report(glance, table, data)


def compile(
    model,
    *,
    dims=None,
    real=None,
    calibrate=None,
    zero="plus",
    multiply_add="once",
    strict=False,
    engine="rust",
    keep=True,
) -> Network:
    """Compiles a model, builds it with the rustc at hand (`RUSTC` names another one), and loads it.

    model: path of the ONNX file.
    dims: symbolic dimensions by name, `{"batch": 1}`.
    real: arithmetic of real-valued layers: "f32", or faster and looser "bf16" or "int8"; single layers by a dictionary,
        `{"/stem/Conv": "bf16", None: "f32"}`, in which None is all others. Or "fixed", the whole network in integers, for cores
        without a floating-point unit.
    calibrate: for int8 and fixed, an array of example inputs or the path of one.
    zero: what `sign(0) = 0` is in front of a binary layer: "plus" (+1, one bit) or "exact" (0, two planes of bits).
    multiply_add: in float32 where the processor has no instruction for it: "once" (rounded once, as everywhere, by emulation) or
        "loose" (rounded twice: faster there, and other last bits).
    strict: warnings are errors.
    engine: "rust", or "interpreter", which needs no rustc and takes about a thousand times as long.
    keep: what was built is kept for the next time, in `~/.cache/xnorc` or the folder that `XNORC_CACHE` names.

    ModelError: the model cannot be compiled, or there is no rustc. Warnings are ModelWarning.
    """
    path = os.fspath(model)
    with ExitStack() as files:
        options = _options(files, dims, real, calibrate, zero, multiply_add, strict)
        network = Network(_native.Network(path, options, _interpreter(engine), keep), os.path.basename(path))
    _warn(network.warnings)
    return network


def verify(
    model,
    inputs=None,
    expected=None,
    *,
    samples=4,
    seed=1,
    dims=None,
    real=None,
    calibrate=None,
    zero="plus",
    multiply_add="once",
    strict=False,
    engine="rust",
    keep=True,
) -> Verification:
    """Compares what was compiled with an independent engine, block by block and end to end.

    inputs, expected: an array (or a stack), several as a dictionary by name, or the path of a `.npy` or `.npz`. Without inputs,
        `samples` random ones of that `seed`.

    The result has `ok`; print it for the rest. The other options are those of `compile`.

    ModelError: the model cannot be compiled, or run by the other engine. That something is *wrong* is no error.
    """
    if inputs is None and expected is not None:
        raise TypeError("expected outputs need the inputs they are of")
    with ExitStack() as files:
        options = _options(files, dims, real, calibrate, zero, multiply_add, strict)
        on = {"inputs": _file(files, inputs), "expected": _file(files, expected), "samples": samples, "seed": seed}
        return Verification(*_native.verify(os.fspath(model), options, on, _interpreter(engine), keep))


def evaluate(
    model,
    images,
    labels=None,
    *,
    scale=None,
    mean=(),
    std=(),
    layout=None,
    limit=None,
    save=None,
    threads=1,
    dims=None,
    real=None,
    calibrate=None,
    zero="plus",
    multiply_add="once",
    strict=False,
    engine="rust",
    keep=True,
) -> Evaluation:
    """Lets a network classify pictures, and says how often it is right, and how long it takes.

    images: a stack as an array, or the path of one (`.npy`, `.npz`), or a folder of PNG and JPEG, in a folder for each class.
    labels: a class for each picture, as an array or the path of one; not for folders that say the class.
    scale, mean, std: a value becomes `(x * scale - mean) / std`; scale is 1/255 for bytes, else 1, if it is None.
    layout: "nchw" or "nhwc", where the shape does not say it.
    limit: only so many pictures. save: path for the outputs. threads: for each inference.

    The other options are those of `compile`. ModelError: the model, a picture or a label is not as it must be.
    """
    with ExitStack() as files:
        options = _options(files, dims, real, calibrate, zero, multiply_add, strict)
        given = {
            "images": _file(files, images),
            "labels": _file(files, labels),
            "scale": scale,
            "mean": [float(value) for value in np.atleast_1d(mean)],
            "std": [float(value) for value in np.atleast_1d(std)],
            "layout": _one_of("layout", layout, None, "nchw", "nhwc"),
            "limit": limit,
            "save": None if save is None else os.fspath(save),
            "threads": threads,
        }
        return Evaluation(*_native.evaluate(os.fspath(model), options, given, _interpreter(engine), keep))


def _options(files, dims, real, calibrate, zero, multiply_add, strict) -> dict:
    """What the compiler shall be told."""
    layers = {None: real} if isinstance(real, str) else (real or {})
    calibrations = [] if calibrate is None else [_file(files, calibrate)]
    return {
        "dims": list((dims or {}).items()),
        "real": [(_one_of("real", word, "f32", "bf16", "int8", "fixed"), layer) for layer, word in layers.items()],
        "calibrate": calibrations,
        "zero": _one_of("zero", zero, "plus", "exact"),
        "multiply_add": _one_of("multiply_add", multiply_add, "once", "loose"),
        "strict": strict,
    }


def _interpreter(engine: str) -> bool:
    return _one_of("engine", engine, "rust", "interpreter") == "interpreter"


def _one_of(what: str, given, *words):
    """A word that is one of these."""
    if given not in words:
        raise ValueError(f"{what} must be one of {', '.join(map(str, words))}, but is {given!r}")
    return given


def _file(files: ExitStack, arrays):
    """Arrays as a file, as long as `files` is open; a path as it is."""
    if arrays is None:
        return None
    if isinstance(arrays, (str, os.PathLike)):
        return os.fspath(arrays)
    folder = files.enter_context(tempfile.TemporaryDirectory(prefix="xnorc-"))
    if isinstance(arrays, dict):
        path = os.path.join(folder, "arrays.npz")
        np.savez(path, **arrays)
    else:
        path = os.path.join(folder, "array.npy")
        np.save(path, np.ascontiguousarray(arrays))
    return path


def _warn(warned) -> None:
    """Says what the compiler warned of, at the line of the caller."""
    for each in warned:
        warnings.warn(str(Diagnostic(*each)), ModelWarning, stacklevel=3)
