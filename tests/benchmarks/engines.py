"""The engines as processes: each holds one network and runs so many inferences as it is told, on one core."""

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import environment
from environment import HERE, ROOT, WORK

WORKERS = HERE / "workers"
EIGHT_BITS = ["onnxruntime, real ResNet-18 in int8", "OpenVINO, real ResNet-18 in int8"]


class Unavailable(Exception):
    """An engine that cannot run this network here; the text says why, for the table."""


@dataclass
class Worker:
    """A started engine. `name` is the row's label, `exact` whether it promises f32 results."""

    name: str
    command: list
    core: int
    folder: Path
    exact: bool = True
    other: bool = False
    """It holds another network, whose answer is not compared."""
    times: list = field(default_factory=list)
    """Milliseconds, one list per round."""

    def start(self):
        """Starts the process pinned to its core and reads its first answer. Raises `Unavailable`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.answer_file = self.folder / f"{slug(self.name)}.f32"
        self.log = open(self.folder / f"{slug(self.name)}.log", "w+")
        command = [self.answer_file if part is ANSWER else part for part in self.command]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            # What is told of an engine that does not run is its last line.
            env=os.environ | {"RUST_BACKTRACE": "0"},
            preexec_fn=lambda: os.sched_setaffinity(0, {self.core}),
        )
        self.version = self.receive()["version"]
        self.answer = np.fromfile(self.answer_file, np.float32)

    def receive(self):
        while line := self.process.stdout.readline():
            # Converters print to the standard output too; ours are the lines of JSON.
            if line[0] in "[{":
                try:
                    return json.loads(line)
                except json.JSONDecodeError:
                    continue
        self.process.wait()
        self.log.seek(0)
        lines = [line.strip() for line in self.log if line.strip()]
        raise Unavailable(lines[-1][:200] if lines else f"ended with status {self.process.returncode}")

    def run(self, count):
        """Times of `count` inferences, in milliseconds."""
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return self.receive()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


ANSWER = object()
"""Stands in a command for the file that the worker writes its answer to."""


def slug(name):
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")


def measure(workers, rounds, seconds):
    """Lets the workers take turns: in each round each runs for about `seconds`, in the same order."""
    counts = {}
    for worker in workers:
        worker.run(2)  # warm
        counts[worker.name] = max(3, min(2000, round(seconds * 1e3 / min(worker.run(3)))))
    for _ in range(rounds):
        for worker in workers:
            worker.run(1)  # caches and clock as they are in a row of inferences
            worker.times.append(worker.run(counts[worker.name]))


def cargo(*arguments, folder=ROOT, flags=None):
    """Runs cargo, with what it prints on the standard error and, if given, other flags for rustc."""
    env = os.environ if flags is None else os.environ | {"RUSTFLAGS": flags}
    subprocess.run(["cargo", *arguments], cwd=folder, check=True, stdout=sys.stderr, env=env)


def build_tools():
    """Our compiler and tract's program, in release."""
    cargo("build", "--release", "-p", "xnorc-cli")
    cargo("build", "--release", "-p", "xnorc-tests", "--example", "tract")


XNORC = ROOT / "target" / "release" / "xnorc"

MANIFEST = """[package]
name = "program"
version = "0.1.0"
edition = "2024"
publish = false

[dependencies]
network = { path = "../network" }

[workspace]
"""


def build_xnorc(model, folder, target=None, flags=None, options=()):
    """Compiles a network and builds the program that runs it; gives the program's path. Raises `Unavailable`.

    `target`: a WASI target instead of this machine's; `flags`: for rustc; `options`: for the compiler.
    """
    result = subprocess.run(
        [XNORC, "compile", model, "--out", folder / "network", "--name", "network", "--force", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if result.returncode != 0:
        raise Unavailable(result.stderr.strip().splitlines()[0])
    sources = folder / "program" / "src"
    sources.mkdir(parents=True, exist_ok=True)
    (folder / "program" / "Cargo.toml").write_text(MANIFEST)
    (sources / "main.rs").write_text((WORKERS / "xnorc.rs").read_text())
    (sources / "serve.rs").write_text((WORKERS / "serve.rs").read_text())
    place = ["--target-dir", folder / "target", *(["--target", target] if target else [])]
    cargo("build", "--release", "--quiet", *place, folder=folder / "program", flags=flags)
    return folder / "target" / target / "release" / "program.wasm" if target else folder / "target" / "release" / "program"


def tract_version():
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return next(p["version"] for p in lock["package"] if p["name"] == "tract-onnx")


def engines(model, picture, folder, core, larq, instead=None):
    """Everything that may run a network, as (name, factory of a `Worker`); a factory raises `Unavailable`.

    `larq`: whether the file is one that Larq's worker can build anew; `instead`: the file of a network in 8 bits to stand beside it.
    """

    def script(name, *options, exact=True, requirements="requirements.txt", label=None, other=None):
        def make():
            try:
                interpreter = environment.python(requirements)
            except subprocess.CalledProcessError:
                version = "{}.{}".format(*sys.version_info[:2])
                raise Unavailable(f"no wheels that can be installed for Python {version}") from None
            file = WORKERS / f"{name}_worker.py"
            command = [interpreter, file, other or model, picture, ANSWER, *options]
            return Worker(label, command, core, folder, exact and not other, bool(other))

        return label, make

    def compiled():
        return Worker("xnorc", [build_xnorc(model, folder), picture, ANSWER], core, folder)

    def tract():
        program = ROOT / "target" / "release" / "examples" / "tract"
        return Worker("tract", [program, model, picture, ANSWER, tract_version()], core, folder)

    yield "xnorc", compiled
    yield script("onnxruntime", label="onnxruntime")
    yield script("openvino", label="OpenVINO", exact=False)
    yield script("openvino", "f32", label="OpenVINO, f32")
    yield "tract", tract
    if instead:
        for engine, label in zip(("onnxruntime", "openvino"), EIGHT_BITS):
            yield script(engine, label=label, other=instead)

    def larq_reads_no_onnx():
        raise Unavailable("reads no ONNX")

    if not larq:
        yield "Larq Compute Engine", larq_reads_no_onnx
        return
    yield script("larq", "xnnpack", label="Larq Compute Engine", requirements="requirements-larq.txt")
