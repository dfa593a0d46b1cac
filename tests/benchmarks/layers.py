"""OpenVINO's binary convolution beside ours, layer by layer: `python3 tests/benchmarks/layers.py`

OpenVINO's CPU plugin has an AVX-512 VPOPCNTDQ kernel for its operation BinaryConvolution-1, but nothing that reads a file
makes that operation any more; here the graph is written by hand. Each of the four layers of a binary ResNet-18 at 224 is
measured in half-blocks (BN, sign, 3x3 convolution, PReLU, skip; with and without Real-to-Binary's gate) in both engines,
with the same weights and answers compared, on one core, in turns:

- their kernel alone (their own profiler's time of the node) beside our whole block;
- the whole block in a chain: the time of a long chain of equal half-blocks less that of a single one, per block. What
  happens once, such as a change of layout at the ends, is not in it; sign, packing and sums are;
- a half-block on its own, channels first at both ends, with everything that calling it costs.
"""

import environment

if __name__ == "__main__":
    environment.enter()

import argparse
import json
import os
import subprocess
import sys

import numpy as np

import engines
import networks
import page
from environment import HERE, WORK

LAYERS = [(56, 64), (28, 128), (14, 256), (7, 512)]
LENGTHS = (1, 9)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each engine in each round")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="default: the last")
    parser.add_argument("--redraw", action="store_true", help="only write the page anew from results/layers.json")
    options = parser.parse_args()
    results = HERE / "results" / "layers.json"
    if not options.redraw:
        engines.cargo("build", "--release", "-p", "xnorc-cli")
        layers = [layer(side, channels, options) for side, channels in LAYERS]
        # One machine: a peak measured lower was disturbed.
        peak = max(record["peak_gmacs"] for record in layers)
        for record in layers:
            record["limit_ms"] = record["side"] ** 2 * record["channels"] ** 2 * 9 / peak / 1e6
        import openvino

        version = openvino.__version__.split("-")[0]
        results.write_text(json.dumps({"machine": page.machine(), "openvino": version, "layers": layers}, indent=1) + "\n")
    outcome = json.loads(results.read_text())
    print(page.layers(outcome))
    page.replace(HERE / "README.md", "layers", page.layers(outcome))


def layer(side, channels, options):
    """Measures one geometry; gives its record."""
    folder = WORK / f"layer{side}"
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "input.npy"
    np.save(picture, np.random.default_rng(1).standard_normal((1, channels, side, side), dtype=np.float32))
    workers = {}
    for gate in (False, True):
        for length in LENGTHS:
            name = f"{'gated' if gate else 'plain'}{length}"
            model = folder / f"{name}.onnx"
            model.write_bytes(networks.chain(side, channels, length, gate).SerializeToString())
            program = engines.build_xnorc(model, folder / name)
            script = [sys.executable, HERE / "workers" / "openvino_layers.py", model, picture, engines.ANSWER]
            commands = {"ours": [program, picture, engines.ANSWER], "theirs": script}
            if name == f"plain{max(LENGTHS)}":
                commands["profiler"] = [*script, "profile"]
                long_chain = model
            for who, command in commands.items():
                workers[who, gate, length] = engines.Worker(f"{who} {name}", command, options.core, folder)
    for worker in workers.values():
        worker.start()
    for (who, *chain), worker in workers.items():
        if who == "ours":
            compare(worker, workers["theirs", *chain])
    engines.measure(list(workers.values()), options.rounds, options.seconds)
    for worker in workers.values():
        worker.stop()
    best = {key: min(map(min, worker.times)) for key, worker in workers.items()}
    short, long = LENGTHS
    record = {"side": side, "channels": channels}
    for who in ("ours", "theirs"):
        for gate, label in ((False, "plain"), (True, "gated")):
            record[f"{who}_{label}_ms"] = (best[who, gate, long] - best[who, gate, short]) / (long - short)
        record[f"{who}_alone_ms"] = best[who, False, 1]
    record["their_kernel_ms"] = best["profiler", False, long]
    record["peak_gmacs"] = highest_rate(long_chain, options.core)
    print(record)
    return record


def compare(ours, theirs):
    """Ends the program when two answers differ by more than a sign decided otherwise here and there would explain."""
    spread = np.ptp(theirs.answer)
    different = np.mean(np.abs(ours.answer - theirs.answer) > 1e-4 * spread)
    if different > 0.05:
        raise SystemExit(f"{ours.folder.name}: {different:.1%} of the values of {ours.name} and {theirs.name} differ")


def highest_rate(model, core):
    """The machine's highest rate, in G binary multiply-accumulates a second."""
    command = ["taskset", "-c", str(core), engines.XNORC, "bench", model, "--json", "--repeat", "50"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)["peak_binary_gmacs"]


if __name__ == "__main__":
    main()
