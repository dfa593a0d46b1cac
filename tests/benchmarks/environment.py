"""Virtual environments of the benchmarks' own, made on the first use and kept under `target/`."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target" / "benchmarks"


def python(requirements):
    """The interpreter of an environment with the packages of a requirements file.

    The folder's name holds a hash of the file and the version of Python, so a change of either makes a new one.
    Raises `subprocess.CalledProcessError` when a package cannot be installed.
    """
    text = (HERE / requirements).read_bytes()
    version = "{}.{}".format(*sys.version_info[:2])
    digest = hashlib.sha256(text + version.encode()).hexdigest()[:12]
    folder = WORK / f"venv-{Path(requirements).stem}-{digest}"
    interpreter = folder / "bin" / "python"
    complete = folder / "complete"
    if not complete.exists():
        print(f"installing {requirements} into {folder.relative_to(ROOT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--only-binary", ":all:", "-r", HERE / requirements], check=True)
        complete.touch()
    return interpreter


def enter():
    """Goes on in the environment of `requirements.txt`, by starting this program anew in it if need be."""
    interpreter = python("requirements.txt")
    if Path(sys.prefix) != interpreter.parent.parent:
        os.execv(interpreter, [str(interpreter), *sys.argv])
