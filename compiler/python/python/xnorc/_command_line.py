"""The program `xnorc`, as `pip` installs it."""

import signal
import sys

from xnorc import _native


def main() -> int:
    """Runs the command line of `xnorc`; gives its exit code."""
    # The interpreter would look at an interrupt only when the command has ended.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.main(["xnorc", *sys.argv[1:]])
