"""The library that was built of a network: a function of C, which is called on addresses of arrays."""

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from xnorc._results import ModelError

_ERRORS = {1: "a pointer is null", 2: "a pointer is not aligned"}
"""What the function says by its codes, as in the header that `xnorc compile --c` writes."""


def _address(array: np.ndarray) -> int:
    """Of an array's first element."""
    # The array's own word for it takes four times as long, which shows in a call; but nothing else says it of what is read-only.
    return ctypes.addressof(ctypes.c_char.from_buffer(array)) if array.flags.writeable else array.ctypes.data


class Library:
    """A loaded library."""

    def __init__(self, native, inputs, outputs) -> None:
        path, function, self._bytes, self._align = native.library
        # The file stays where it is as long as this value lives.
        self._native = native
        try:
            library = ctypes.CDLL(os.path.abspath(path))
        except OSError as error:
            message = f"the library that was built cannot be loaded: {error}"
            raise ModelError._of([("error", "X017", None, message, None)]) from error
        self._infer = library[function]
        self._infer.restype = ctypes.c_int
        # Inputs, outputs, scratch memory.
        self._infer.argtypes = [ctypes.c_void_p] * (len(inputs) + len(outputs) + 1)
        self._sizes = [int(np.prod(t.shape, dtype=int)) * np.dtype(t.dtype).itemsize for t in (*inputs, *outputs)]
        self._free: list[tuple[int, np.ndarray]] = []

    def infer(self, inputs: list, outputs: list, count: int, threads: int) -> None:
        """Inferences on stacks of so many tensors, divided among threads: plain arrays, C-contiguous and aligned, of the network's
        types, the outputs writable and nobody else's."""
        # C compares nothing.
        if [array.nbytes for array in (*inputs, *outputs)] != [count * size for size in self._sizes]:
            raise ValueError(f"these are not the tensors of {count} inferences")
        firsts = [_address(array) for array in (*inputs, *outputs)]
        threads = min(threads, count)
        if threads == 1:
            return self._some(firsts, 0, count)
        # No more than one inference apart in length; the first part is this thread's own.
        bounds = [count * part // threads for part in range(threads + 1)]
        with ThreadPoolExecutor(threads - 1) as pool:
            others = [pool.submit(self._some, firsts, *bounds[part : part + 2]) for part in range(1, threads)]
            self._some(firsts, *bounds[:2])
        for other in others:
            other.result()

    def _some(self, firsts: list[int], start: int, stop: int) -> None:
        """These inferences, one after the other, in scratch memory that no other thread has meanwhile."""
        try:
            scratch = self._free.pop()
        except IndexError:
            memory = np.empty(self._bytes + self._align, np.uint8)
            scratch = -(-_address(memory) // self._align) * self._align, memory
        try:
            for index in range(start, stop):
                # Others may run meanwhile: the interpreter is let go for every call.
                code = self._infer(*[first + index * size for first, size in zip(firsts, self._sizes)], scratch[0])
                if code:
                    raise RuntimeError(f"inference {index} was refused: {_ERRORS.get(code, f'error {code}')}")
        finally:
            self._free.append(scratch)
