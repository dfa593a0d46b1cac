from collections.abc import Mapping
from os import PathLike
from typing import Any, Literal, NamedTuple, TypeAlias

from numpy import ndarray
from numpy.typing import ArrayLike

__version__: str
__all__: list[str]

_Path: TypeAlias = str | PathLike[str]
_Arithmetic: TypeAlias = Literal["f32", "bf16", "int8", "fixed"]
_Real: TypeAlias = _Arithmetic | Mapping[str | None, _Arithmetic] | None
_Zero: TypeAlias = Literal["plus", "exact"]
_MultiplyAdd: TypeAlias = Literal["once", "loose"]
_Engine: TypeAlias = Literal["rust", "interpreter"]
_Arrays: TypeAlias = _Path | ArrayLike | Mapping[str, ArrayLike] | None

class Diagnostic(NamedTuple):
    severity: str
    code: str
    place: str | None
    message: str
    help: str | None

class ModelError(Exception):
    diagnostics: tuple[Diagnostic, ...]
    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...] = ...) -> None: ...

class ModelWarning(UserWarning): ...

class Result(dict[str, Any]):
    text: str
    def __init__(self, text: str, data: str) -> None: ...

class Report(Result):
    table: str
    def __init__(self, text: str, table: str, data: str) -> None: ...

class Verification(Result):
    @property
    def ok(self) -> bool: ...

class Evaluation(Result): ...

class Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    dtype: str

class Network:
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    kept: bool | None
    warnings: tuple[Diagnostic, ...]
    def __call__(
        self, *arrays: ArrayLike | Mapping[str, ArrayLike], threads: int = 1, **named: ArrayLike
    ) -> ndarray | tuple[ndarray, ...]: ...

def inspect(
    model: _Path,
    *,
    dims: Mapping[str, int] | None = None,
    real: _Real = None,
    calibrate: _Arrays = None,
    zero: _Zero = "plus",
    multiply_add: _MultiplyAdd = "once",
    strict: bool = False,
) -> Report: ...
def compile(
    model: _Path,
    *,
    dims: Mapping[str, int] | None = None,
    real: _Real = None,
    calibrate: _Arrays = None,
    zero: _Zero = "plus",
    multiply_add: _MultiplyAdd = "once",
    strict: bool = False,
    engine: _Engine = "rust",
    keep: bool = True,
) -> Network: ...
def verify(
    model: _Path,
    inputs: _Arrays = None,
    expected: _Arrays = None,
    *,
    samples: int = 4,
    seed: int = 1,
    dims: Mapping[str, int] | None = None,
    real: _Real = None,
    calibrate: _Arrays = None,
    zero: _Zero = "plus",
    multiply_add: _MultiplyAdd = "once",
    strict: bool = False,
    engine: _Engine = "rust",
    keep: bool = True,
) -> Verification: ...
def evaluate(
    model: _Path,
    images: _Path | ArrayLike,
    labels: _Path | ArrayLike | None = None,
    *,
    scale: float | None = None,
    mean: ArrayLike = (),
    std: ArrayLike = (),
    layout: Literal["nchw", "nhwc"] | None = None,
    limit: int | None = None,
    save: _Path | None = None,
    threads: int = 1,
    dims: Mapping[str, int] | None = None,
    real: _Real = None,
    calibrate: _Arrays = None,
    zero: _Zero = "plus",
    multiply_add: _MultiplyAdd = "once",
    strict: bool = False,
    engine: _Engine = "rust",
    keep: bool = True,
) -> Evaluation: ...
