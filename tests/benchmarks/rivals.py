"""Our networks against other engines', in one command: `python3 tests/benchmarks/rivals.py`

Makes its own Python environments and its own networks, builds the compiler in release, and lets every engine run the
same file and picture on one thread of one core, in turns. Checks the answers, then writes the table and the plot
between the markers of the README and of tests/benchmarks/README.md.
"""

import environment

if __name__ == "__main__":
    environment.enter()

import argparse
import json
import os
import subprocess
from pathlib import Path

import numpy as np

import engines
import networks
import newer
import page
import plots
from environment import HERE, ROOT, WORK
from networks import ResNet

R2B_224 = ResNet("r2b18_224")
R2B_32 = ResNet("r2b18_32", side=32, imagenet_stem=False, classes=10, seed=2)
REAL_224 = ResNet("resnet18_224", seed=3)
TITLES = {
    "r2b18_224": "Real-to-Binary ResNet-18, 224x224",
    "r2b18_32": "Real-to-Binary ResNet-18, 32x32",
    "fashion": "Real-to-Binary network for Fashion-MNIST, 28x28",
    "resnet18_224": "real-valued ResNet-18, 224x224, for scale",
    "quicknet": "QuickNet, 224x224",
    "reactnet_a": "ReActNet-A, 224x224",
    "meliusnet_22": "MeliusNet-22, 224x224",
}
LARQ = {"r2b18_224", "r2b18_32"}
"""Networks that Larq's layers can say; it has no importer."""
INSTEAD = {"r2b18_224": "resnet18_224"}
"""Networks beside which stands what one would take instead: the real-valued one in 8 bits."""
ENGINES = ["xnorc", "onnxruntime", "OpenVINO", "OpenVINO, f32", "tract", "Larq Compute Engine", *engines.EIGHT_BITS]
# f32 engines sum in different orders; a sign that flips for it moves the answer by more than rounding. This bound, of
# the spread of the logits, holds with a dozen flips and fails with a wrong layer.
TOLERANCE = 0.02


def model_file(name):
    """Path and shape of the input; networks of `networks.py` are written if they are not there."""
    if name == "fashion":
        return ROOT / "generated-examples" / "fashion" / "fashion.onnx", (1, 1, 28, 28)
    build, side = {
        "r2b18_224": (lambda: networks.real_to_binary(R2B_224), 224),
        "r2b18_32": (lambda: networks.real_to_binary(R2B_32), 32),
        "resnet18_224": (lambda: networks.real_valued(REAL_224), 224),
        "quicknet": (newer.quicknet, 224),
        "reactnet_a": (newer.reactnet_a, 224),
        "meliusnet_22": (newer.meliusnet_22, 224),
    }[name]
    path = WORK / "networks" / f"{name}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(build().SerializeToString())
    return path, (1, 3, side, side)


def eight_bits(name):
    """The file of a real-valued network in 8 bits, by onnxruntime's own quantiser; ranges from four pictures of noise."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model, shape = model_file(name)
    pictures = [{"input": np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)} for seed in range(4)]

    class Pictures(quantization.CalibrationDataReader):
        def get_next(self):
            return pictures.pop() if pictures else None

    prepared, path = (model.with_name(f"{name}_{step}.onnx") for step in ("prepared", "int8"))
    quant_pre_process(model, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(prepared, path, Pictures(), per_channel=True)
    return path


def picture_for(model, shape, path):
    """Of eight pictures of noise the one whose first class is farthest from the second, so that equal top-1 means something."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    candidates = [np.random.default_rng(seed).standard_normal(shape, dtype=np.float32) for seed in range(8)]

    def margin(x):
        first, second = np.sort(session.run(None, {name: x})[0].ravel())[:-3:-1]
        return first - second

    np.save(path, max(candidates, key=margin))


def compare(answer, reference):
    """Largest difference as a share of the reference's spread, and whether the first class is the same."""
    if answer.shape != reference.shape:
        return {"difference": float("inf"), "top1": False}
    difference = np.abs(answer - reference).max() / np.ptp(reference)
    return {"difference": float(difference), "top1": bool(answer.argmax() == reference.argmax())}


def limit(model, core):
    """What `xnorc bench` says of the network on this machine."""
    result = subprocess.run(
        ["taskset", "-c", str(core), engines.XNORC, "bench", model, "--json"], check=True, capture_output=True, text=True
    )
    return json.loads(result.stdout)


def run_network(name, title, model, picture, options):
    """Measures all engines on one network; gives the record of it."""
    folder = WORK / name
    workers, rows = [], []
    instead = eight_bits(INSTEAD[name]) if name in INSTEAD else None
    for label, make in engines.engines(model, picture, folder, options.core, name in LARQ, instead):
        if label in options.without:
            continue
        try:
            worker = make()
            worker.start()
            workers.append(worker)
            print(f"{name}: {label} {worker.version} is ready")
        except engines.Unavailable as reason:
            rows.append({"engine": label, "missing": str(reason)})
            print(f"{name}: {label} does not run: {reason}")
    engines.measure(workers, options.rounds, options.seconds)
    for worker in workers:
        worker.stop()
    reference = next(w for w in workers if w.name == "onnxruntime")
    ours = next(w for w in workers if w.name == "xnorc")
    for worker in workers:
        row = {
            "engine": worker.name,
            "version": worker.version,
            "min_ms": min(min(times) for times in worker.times),
            "median_ms": float(np.median([np.median(times) for times in worker.times])),
            **({"other": True} if worker.other else compare(worker.answer, reference.answer)),
            "exact": worker.exact,
        }
        # Of each round on its own, then the median: a slow phase of the machine falls on both alike.
        ratios = [np.median(theirs) / np.median(own) for theirs, own in zip(worker.times, ours.times)]
        row["ratio"] = float(np.median(ratios))
        rows.append(row)
    rows.sort(key=lambda row: ENGINES.index(row["engine"]))
    bench = limit(model, options.core)
    return {"name": name, "title": title, "engines": rows, "bench": {k: v for k, v in bench.items() if k != "blocks"}}


def wrong(record):
    """What does not agree, as text."""
    for row in record["engines"]:
        if "missing" in row or not row["exact"]:
            continue
        if not row["top1"] or row["difference"] > TOLERANCE:
            yield f"{record['name']}: {row['engine']} differs from onnxruntime by {row['difference']:.2g} of the spread"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=TITLES, default=list(TITLES), help="default: all")
    parser.add_argument("--model", type=Path, help="measure this file instead, writing no page")
    parser.add_argument("--input", type=Path, help="its input, as .npy")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each engine in each round")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="default: the last")
    parser.add_argument("--without", nargs="+", default=[], choices=ENGINES[2:], metavar="ENGINE", help="leave out")
    parser.add_argument("--redraw", action="store_true", help="only write the pages anew from results/rivals.json")
    options = parser.parse_args()
    if (options.model is None) != (options.input is None):
        parser.error("--model and --input belong together")
    results = HERE / "results" / "rivals.json"
    if not options.redraw:
        engines.build_tools()
        records = []
        if options.model:
            records.append(run_network(options.model.stem, str(options.model), options.model, options.input, options))
        for name in [] if options.model else options.networks:
            model, shape = model_file(name)
            picture = WORK / "networks" / f"{name}.npy"
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture_for(model, shape, picture)
            records.append(run_network(name, TITLES[name], model, picture, options))
        outcome = {"machine": page.machine(), "rounds": options.rounds, "networks": records}
        problems = [line for record in records for line in wrong(record)]
        print("\n" + page.rivals(outcome))
        if problems:
            raise SystemExit("\n".join(problems))
        if options.model or options.networks != list(TITLES):
            return
        results.write_text(json.dumps(outcome, indent=1) + "\n")
    outcome = json.loads(results.read_text())
    plots.rivals(outcome, HERE / "results" / "rivals.svg")
    page.replace(HERE / "README.md", "rivals", page.rivals(outcome))
    page.replace(ROOT / "README.md", "rivals", page.rivals_short(outcome))


if __name__ == "__main__":
    main()
