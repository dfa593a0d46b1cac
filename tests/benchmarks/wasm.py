"""Our network as WebAssembly beside onnxruntime-web, in node: `python3 tests/benchmarks/wasm.py`

Both take turns on one thread of one core with the same file and picture, compiled by the engine's optimising compiler from
the start (`--no-liftoff`), as they are after a while anyway. Ours three times: with SIMD128, where multiply-add is emulated to
the bit, or by choice rounded twice, and with relaxed SIMD, which has it. Checks the answers against onnxruntime's, then writes the table of
tests/benchmarks/README.md. Needs node and npm.
"""

import environment

if __name__ == "__main__":
    environment.enter()

import argparse
import json
import os
import statistics
import subprocess

import numpy as np

import engines
import page
import rivals
from environment import HERE, WORK

TARGET = "wasm32-wasip1"
# Features of rustc, options of the compiler.
BUILDS = {
    "xnorc, relaxed SIMD": ("+simd128,+relaxed-simd", []),
    "xnorc, SIMD128, loose multiply-add": ("+simd128", ["--multiply-add", "loose"]),
    "xnorc, SIMD128": ("+simd128", []),
}
NODE = ["node", "--no-warnings", "--no-liftoff"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each engine in each round")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="default: the last")
    parser.add_argument("--redraw", action="store_true", help="only write the page anew from results/wasm.json")
    options = parser.parse_args()
    results = HERE / "results" / "wasm.json"
    if not options.redraw:
        results.write_text(json.dumps(measure(options), indent=1) + "\n")
    outcome = json.loads(results.read_text())
    print(page.wasm(outcome))
    page.replace(HERE / "README.md", "wasm", page.wasm(outcome))


def measure(options):
    engines.cargo("build", "--release", "-p", "xnorc-cli")
    subprocess.run(["rustup", "target", "add", TARGET], check=True)
    model, shape = rivals.model_file("r2b18_224")
    folder = WORK / "wasm"
    packages = folder / "node"
    packages.mkdir(parents=True, exist_ok=True)
    (packages / "package.json").write_text((HERE / "workers" / "package.json").read_text())
    subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit"], cwd=packages, check=True)
    picture = folder / "picture.npy"
    rivals.picture_for(model, shape, picture)

    def worker(name, script, file, *others):
        command = [*NODE, HERE / "workers" / script, file, picture, engines.ANSWER, *others]
        return engines.Worker(name, command, options.core, packages)

    workers = []
    for name, (features, chosen) in BUILDS.items():
        flags = f"-Ctarget-feature={features}"
        module = engines.build_xnorc(model, folder / engines.slug(name), TARGET, flags, chosen)
        workers.append(worker(name, "wasi.mjs", module))
    workers.append(worker("onnxruntime-web", "onnxruntime_web.mjs", model, packages))
    reference = answer_of_onnxruntime(model, picture)
    for one in workers:
        one.start()
        agreement = rivals.compare(one.answer, reference)
        assert agreement["top1"] and agreement["difference"] < rivals.TOLERANCE, f"{one.name}: {agreement}"
    engines.measure(workers, options.rounds, options.seconds)
    for one in workers:
        one.stop()
    rows = []
    for one in workers:
        times = [time for times in one.times for time in times]
        rows.append(
            {"engine": one.name, "version": one.version, "min_ms": min(times), "median_ms": statistics.median(times)}
        )
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"machine": page.machine(), "node": node, "rounds": options.rounds, "engines": rows}


def answer_of_onnxruntime(model, picture):
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: np.load(picture)})[0].ravel()


if __name__ == "__main__":
    main()
