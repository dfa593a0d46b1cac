"""A step of training beside PyTorch's, in one command: `python3 tests/benchmarks/training.py`

The same network, batch and optimiser in both (`runtime/training/examples/step_time.rs` and
`runtime/training/tests/pytorch/step_time.py`), each in a process of its own, in turns. Writes the table between the
markers of tests/benchmarks/README.md.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path

import environment
import page
from environment import HERE, ROOT

TITLES = {
    "fashion": "Fashion-MNIST: 28x28, batch 128, widths 32 and 64, stem 3x3/2",
    "cifar": "CIFAR: 32x32, batch 64, widths 32 and 64, stem 3x3",
    "imagenet": "Real-to-Binary ResNet-18: 224x224, batch 8",
}
TRAINING = ROOT / "runtime" / "training"


def build():
    """The example in release; gives the path of it."""
    command = ["cargo", "build", "--release", "-p", "xnorc-training", "--example", "step_time", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    built = [message["executable"] for message in map(json.loads, lines) if message.get("executable")]
    return built[-1]


def step(command, threads, cores):
    """What one process says, on the last `threads` of `cores`."""
    wanted = ",".join(map(str, cores[-threads:]))
    variables = {**os.environ, "RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    result = subprocess.run(
        ["taskset", "-c", wanted, *command], env=variables, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(result.stdout.splitlines()[-1])


def measure(name, threads, ours, theirs, options):
    """Both engines in turns; gives a record."""
    cores = sorted(os.sched_getaffinity(0))
    runs = {"ours": [], "PyTorch": []}
    for _ in range(options.rounds):
        runs["ours"].append(step([ours, name, str(options.steps)], threads, cores))
        runs["PyTorch"].append(step([*theirs, name, str(options.steps), str(threads)], threads, cores))
    record = {"name": name, "threads": threads}
    for engine, results in runs.items():
        record[engine] = {
            "best": min(min(result["times"]) for result in results),
            "peak": max(result["peak"] for result in results),
        }
    ratios = [min(a["times"])[0] / min(b["times"])[0] for a, b in zip(runs["ours"], runs["PyTorch"])]
    record["ratio"] = sorted(ratios)[len(ratios) // 2]
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=TITLES, default=list(TITLES), help="default: all")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="default: 1 2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="of each engine in each round")
    parser.add_argument("--python", type=Path, help="an interpreter that has PyTorch and numpy")
    parser.add_argument("--redraw", action="store_true", help="only write the page anew from results/training.json")
    options = parser.parse_args()
    results = HERE / "results" / "training.json"
    if not options.redraw:
        python = options.python or environment.python("requirements-training.txt")
        theirs = [str(python), str(TRAINING / "tests" / "pytorch" / "step_time.py")]
        version = [str(python), "-c", "import torch; print(torch.__version__)"]
        outcome = {
            "machine": page.machine(),
            "rounds": options.rounds,
            "torch": subprocess.run(version, check=True, stdout=subprocess.PIPE, text=True).stdout.strip(),
            "records": [],
        }
        ours = build()
        for name in options.networks:
            for threads in options.threads:
                outcome["records"].append(measure(name, threads, ours, theirs, options))
                print(page.training({**outcome, "records": outcome["records"][-1:]}, TITLES))
        if options.networks != list(TITLES):
            return
        results.write_text(json.dumps(outcome, indent=1) + "\n")
    page.replace(HERE / "README.md", "training", page.training(json.loads(results.read_text()), TITLES))


if __name__ == "__main__":
    main()
