"""A compiled network, on numpy arrays."""

import math
from typing import NamedTuple

import numpy as np

from xnorc._library import Library
from xnorc._results import Diagnostic


class Tensor(NamedTuple):
    """An input or an output of a network."""

    name: str
    """As in the model."""
    shape: tuple[int, ...]
    """As in the model, of one inference."""
    dtype: str
    """`float32`, or that of integers as the model has it: `uint8`, `int64`..."""


def _stacked(given: tuple[int, ...], shape: tuple[int, ...]) -> tuple[tuple[int, ...], int] | None:
    """How an array is a stack for an input: its leading axes, and how many pictures of an inference the last of these counts
    (0: whole inferences). None if it is no stack."""
    rank = len(shape)
    if given[len(given) - rank :] == shape and len(given) >= rank:
        return given[: len(given) - rank], 0
    if rank > 1 and len(given) >= rank - 1 and given[len(given) - rank + 1 :] == shape[1:]:
        leading = given[: len(given) - rank + 1]
        if leading or shape[0] == 1:
            return leading, shape[0]
    return None


def _plain(array, tensor: Tensor) -> np.ndarray:
    """As C takes it: elements of the input's type, of this machine, in order and aligned, where it lies if it is so already.

    TypeError: numbers that are not whole, for an input of integers. ValueError: integers that its type does not hold."""
    dtype = np.dtype(tensor.dtype)
    if type(array) is np.ndarray and array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array
    if dtype.kind in "iu":
        array = np.asarray(array)
        if array.dtype.kind not in "iub":
            raise TypeError(f"input {tensor.name!r} takes {tensor.dtype}, not {array.dtype}")
        info = np.iinfo(dtype)
        if array.size and not (info.min <= int(array.min()) and int(array.max()) <= info.max):
            raise ValueError(f"input {tensor.name!r} takes {tensor.dtype}, {info.min} to {info.max}")
    return np.require(array, dtype, ["C", "A", "E"])


class _Interpreter:
    """What stands in for a library: it gets its tensors as bytes."""

    def __init__(self, native) -> None:
        self._native = native

    def infer(self, inputs: list, outputs: list, count: int, threads: int) -> None:
        self._native.interpret(*([array.reshape(-1).view(np.uint8) for array in each] for each in (inputs, outputs)), count)


class Network:
    """A compiled network, which is called on arrays; `xnorc.compile` makes one."""

    def __init__(self, native, name: str) -> None:
        self._name = name
        self.inputs = tuple(Tensor(name, tuple(shape), dtype) for name, shape, dtype in native.inputs)
        """Names and shapes of the inputs."""
        self.outputs = tuple(Tensor(name, tuple(shape), dtype) for name, shape, dtype in native.outputs)
        """Names, shapes and types of the outputs."""
        self._dtypes = [np.dtype(tensor.dtype) for tensor in self.outputs]
        self._engine = Library(native, self.inputs, self.outputs) if native.library else _Interpreter(native)
        self.kept = native.kept
        """Whether it had been built before, so that no rustc has run; None if the interpreter runs it."""
        self.warnings = tuple(Diagnostic(*each) for each in native.warnings)
        """What should be known about it."""

    def __repr__(self) -> str:
        def ports(tensors):
            return ", ".join(f"{t.name}: {t.dtype}{list(t.shape)}" for t in tensors)

        return f"<xnorc.Network {self._name!r} ({ports(self.inputs)}) -> ({ports(self.outputs)})>"

    def __call__(self, *arrays, threads: int = 1, **named):
        """Runs the network: one array for each input, in their order or by name; gives the array of its output, or a tuple of them.

        Arrays have the shapes of the inputs, with any leading axes: a model of one picture takes a stack of any number, a model of a
        fixed batch too (the last inference is filled up). The inferences of a stack are divided among `threads`, and other
        threads of Python run meanwhile. A C-contiguous array of the input's type is not copied if the network has one input; everything
        else is converted first, numbers for an input of integers if they are integers that it holds.

        ValueError: a shape that does not fit (with what is expected and what was given), or stacks of different lengths.
        TypeError: too few, too many or unknown inputs.
        """
        arrays = self._in_order(arrays, named)
        if not isinstance(threads, int) or threads < 1:
            raise ValueError(f"threads must be at least 1, but is {threads!r}")
        fits = [self._fit(tensor, array) for tensor, array in zip(self.inputs, arrays, strict=True)]
        leading = fits[0][0] if fits else ()
        for tensor, array, (own, _) in zip(self.inputs[1:], arrays[1:], fits[1:], strict=True):
            if own != leading:
                raise ValueError(
                    f"inputs {self.inputs[0].name!r} and {tensor.name!r} of {self._name!r} are stacks of different lengths: "
                    f"expected leading axes {list(leading)}, got {list(own)} of shape {list(array.shape)}"
                )
        batch = max([batch for _, batch in fits], default=0)
        pictures = math.prod(leading)
        if batch > 1:
            arrays = self._filled_up(arrays, fits, batch, pictures)
        count = -(-pictures // batch) if batch else pictures
        outputs = [np.empty((count, *tensor.shape), dtype) for tensor, dtype in zip(self.outputs, self._dtypes)]
        if count:
            self._engine.infer(arrays, outputs, count, threads)
        shaped = []
        for output, tensor in zip(outputs, self.outputs, strict=True):
            if batch and tensor.shape[:1] == (batch,):
                shaped.append(output.reshape(count * batch, *tensor.shape[1:])[:pictures].reshape(*leading, *tensor.shape[1:]))
            else:
                shaped.append(output.reshape(*leading, *tensor.shape))
        return shaped[0] if len(shaped) == 1 else tuple(shaped)

    def _filled_up(self, arrays, fits, batch, pictures):
        """Whole inferences of `batch` pictures each: with the last picture again, where there are no more."""
        if any(own != batch for _, own in fits) or any(tensor.shape[:1] != (batch,) for tensor in self.outputs):
            raise ValueError(
                f"not every tensor of {self._name!r} begins with {batch} pictures: expected whole inferences of shapes "
                f"{[list(tensor.shape) for tensor in self.inputs]}, got {[list(array.shape) for array in arrays]}"
            )
        fill = -pictures % batch
        if not fill or not pictures:
            return arrays
        flat = [array.reshape(pictures, *tensor.shape[1:]) for array, tensor in zip(arrays, self.inputs, strict=True)]
        return [np.concatenate([each, np.repeat(each[-1:], fill, 0)]) for each in flat]

    def _in_order(self, arrays, named):
        """The inputs, given in order or by name."""
        if not named and len(arrays) == len(self.inputs) and not (arrays and isinstance(arrays[0], dict)):
            return [_plain(array, tensor) for array, tensor in zip(arrays, self.inputs, strict=True)]
        names = [tensor.name for tensor in self.inputs]
        if len(arrays) == 1 and isinstance(arrays[0], dict) and not named:
            # Names of tensors need not be names of Python.
            arrays, named = (), arrays[0]
        if len(arrays) > len(names):
            raise TypeError(f"{self._name!r} takes {len(names)} inputs ({', '.join(names)}), but {len(arrays)} were given")
        taken = dict(zip(names, arrays))
        for name, array in named.items():
            if name not in names:
                raise TypeError(f"{self._name!r} has no input {name!r}: its inputs are {', '.join(names)}")
            if name in taken:
                raise TypeError(f"input {name!r} was given twice")
            taken[name] = array
        missing = [name for name in names if name not in taken]
        if missing:
            raise TypeError(f"{self._name!r} takes {len(names)} inputs, but {', '.join(missing)} was not given")
        return [_plain(taken[tensor.name], tensor) for tensor in self.inputs]

    def _fit(self, tensor, array):
        fit = _stacked(array.shape, tensor.shape)
        if fit is None:
            stack = ", ".join(["N", *map(str, tensor.shape[1:])])
            raise ValueError(
                f"input {tensor.name!r} of {self._name!r}: expected shape {list(tensor.shape)} or a stack [{stack}], "
                f"got {list(array.shape)}"
            )
        return fit
