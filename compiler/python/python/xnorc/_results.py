"""What `xnorc` gives back: results, problems and warnings."""

import json
from typing import NamedTuple


class Diagnostic(NamedTuple):
    """A problem or a warning about a model: what is wrong, where, and what to do."""

    severity: str
    """`error` or `warning`."""
    code: str
    """`X001` and so on: the same for all problems of a kind."""
    place: str | None
    """The node, tensor or file."""
    message: str
    """What is wrong there."""
    help: str | None
    """What to do."""

    def __str__(self) -> str:
        place = f" at {self.place}" if self.place else ""
        help = f"; help: {self.help}" if self.help else ""
        return f"{self.code}{place}: {self.message}{help}"


class ModelError(Exception):
    """A model, a file or this machine is not as it must be. All that was found is in `diagnostics`, and a line each in the text."""

    diagnostics: tuple[Diagnostic, ...]

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics

    def __reduce__(self):
        return type(self), (str(self), self.diagnostics)

    @classmethod
    def _of(cls, words: list[tuple]) -> "ModelError":
        diagnostics = tuple(Diagnostic(*each) for each in words)
        return cls("\n".join(map(str, diagnostics)), diagnostics)


class ModelWarning(UserWarning):
    """A model was compiled, but something about it should be known."""


class Result(dict):
    """A result: the keys of the command's `--json`, and text to read (`print`)."""

    def __init__(self, text: str, data: str) -> None:
        super().__init__(json.loads(data))
        self.text = text
        """The words of the command."""

    def __str__(self) -> str:
        return self.text.rstrip()


class Report(Result):
    """What became of a network: blocks, costs, reasons. Its text is the glance; that of every block is `table`."""

    def __init__(self, text: str, table: str, data: str) -> None:
        super().__init__(text, data)
        self.table = table
        """A line per block, what was fused, and the reason for all that is not binary."""


class Verification(Result):
    """How a program compares with an independent engine."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return self["ok"]


class Evaluation(Result):
    """How often a network is right, and how long it takes."""
