"""What the field deploys, family by family, in one command: `python3 tests/benchmarks/families.py`

The fixtures of the families beyond the residual ones, as real exporters write them: how many layers of few bits a network has
by construction, how many the compiler finds and fuses, what `verify` says, and how long an inference takes beside the
machine's limit and onnxruntime, in the same run. Writes the table between the markers of tests/benchmarks/README.md.
"""

import environment

if __name__ == "__main__":
    environment.enter()

import argparse
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import engines
import page
from environment import HERE, ROOT

FIXTURES = ROOT / "tests" / "fixtures"
EXPORTERS = {
    "ts17": "PyTorch, TorchScript",
    "dyn": "PyTorch, dynamo",
    "op17": "tf2onnx",
    "qonnx": "Brevitas, QONNX",
}
"""By the last word of a fixture's name."""


@dataclass
class Family:
    """Fixtures of one network: `layers` convolutions, linear layers and products of activations whose both operands have
    few bits, as its code says (tests/fixtures/torch_*.py); `eight` layers of 8-bit integers."""

    title: str
    files: list
    layers: int
    eight: int = 0


FAMILIES = [
    Family("BinaryDenseNet", ["densenet_ts17", "densenet_dyn"], 4),
    Family("MeliusNet", ["melius_slice_ts17", "melius_zeros_ts17", "melius_pad_dyn"], 6),
    Family("BNext", ["bnext_ts17"], 5),
    Family("QuickNet", ["quicknet_dyn"], 3),
    Family("QuickNet of Larq Zoo", ["larq_quicknet_op17"], 2),
    Family("gate of the layer's own result", ["mm_r2b_ts17"], 2),
    Family("BiBERT, `x[x == -1] = 0`", ["bibert_assign_ts17", "bibert_assign_dyn"], 8),
    Family("BiBERT, `where`", ["bibert_where_ts17", "bibert_where_dyn"], 8),
    Family("BiT", ["bit_ts17", "bit_dyn"], 8),
    Family("DoReFa, weights of 1 bit, activations of 1", ["dorefa_11_ts17", "dorefa_11_dyn"], 2),
    Family("DoReFa, 1 and 2", ["dorefa_12_ts17", "dorefa_12_dyn"], 2),
    Family("DoReFa, 2 and 2", ["dorefa_22_ts17", "dorefa_22_dyn"], 2),
    Family("DoReFa, 1 and 4", ["dorefa_14_ts17", "dorefa_14_dyn"], 2),
    Family("LSQ, 2 and 2", ["lsq_22_ts17", "lsq_22_dyn"], 2),
    Family("LSQ, 2 and 4 with a sign", ["lsq_24_ts17", "lsq_24_dyn"], 2),
    Family("ternary weights and activations", ["ternary_ts17", "ternary_dyn"], 2),
    Family("ResNet in QDQ with a binary middle", ["quantised_resnet_ts17", "quantised_resnet_dyn"], 2, 3),
    Family("U-Net, transposed convolutions", ["unet_ts17", "unet_dyn"], 6),
    Family("YOLO head", ["yolo_ts17", "yolo_dyn"], 3),
    Family("keyword spotting on bytes", ["keywords_ts17", "keywords_dyn"], 2),
]


def said(*arguments, wrong=(0,)):
    """What the compiler says as JSON. Raises `subprocess.CalledProcessError` on an exit code that is not among `wrong`."""
    result = subprocess.run([engines.XNORC, *arguments, "--json"], capture_output=True, text=True)
    if result.returncode not in wrong:
        raise subprocess.CalledProcessError(result.returncode, result.args, result.stdout, result.stderr)
    return json.loads(result.stdout)


def arrays(name, end):
    """The recorded inputs (`in`) or outputs (`out`) of a fixture, in the graph's order."""
    one = FIXTURES / f"{name}.{end}.npy"
    if one.exists():
        return [one]
    return sorted(FIXTURES.glob(f"{name}.{end}*.npy"), key=lambda path: int(path.stem.removeprefix(f"{name}.{end}")))


def theirs(model, inputs, seconds):
    """onnxruntime's shortest inference on one thread, in milliseconds."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {value.name: np.load(path) for value, path in zip(session.get_inputs(), inputs, strict=True)}
    least, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        session.run(None, feed)
        least = min(least, time.perf_counter() - begin)
    return least * 1e3


def measure(family, name, options):
    """The record of a fixture."""
    model = FIXTURES / f"{name}.onnx"
    report = said("inspect", model)
    given = [word for path in arrays(name, "in") for word in ("--input", path)]
    expected = [word for path in arrays(name, "out") for word in ("--expect", path)]
    verdict = said("verify", model, *given, *expected, wrong=(0, 1))
    bench, ort = [], []
    for _ in range(options.rounds):
        bench.append(said("bench", model, "--repeat", "2000"))
        ort.append(theirs(model, arrays(name, "in"), options.seconds))
    return {
        "family": family.title,
        "name": name,
        "exporter": EXPORTERS[name.rsplit("_", 1)[1]],
        "layers": family.layers,
        "found": report["totals"]["binary_operators"],
        "fused": report["totals"]["fused_blocks"],
        "eight": family.eight,
        "eight_found": sum(row.get("arithmetic") == "int8 of the file" for row in report["blocks"]),
        "verify": verdict["ok"],
        "expected": verdict["expected"]["max_abs_error"],
        "level": bench[0]["level"],
        "ms": min(result["min_ms"] for result in bench),
        "limit_ms": min(result["limit_ms"] for result in bench),
        "onnxruntime_ms": min(ort),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of onnxruntime in each round")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="default: the last")
    parser.add_argument("--only", nargs="+", help="these fixtures, writing no page")
    parser.add_argument("--redraw", action="store_true", help="only write the page anew, from what was measured")
    options = parser.parse_args()
    results = HERE / "results" / "families.json"
    if not options.redraw:
        engines.cargo("build", "--release", "-p", "xnorc-cli")
        os.sched_setaffinity(0, {options.core})
        fixtures = [(family, name) for family in FAMILIES for name in family.files]
        records = []
        for family, name in fixtures:
            if options.only is None or name in options.only:
                records.append(measure(family, name, options))
                print(records[-1])
        outcome = {"machine": page.machine(), "rounds": options.rounds, "fixtures": records}
        wrong = [record["name"] for record in records if not record["verify"]]
        if wrong:
            raise SystemExit(f"verify says wrong: {', '.join(wrong)}")
        if options.only:
            return
    else:
        # What the code of the networks says is not measured: it follows FAMILIES.
        outcome = json.loads(results.read_text())
        known = {name: family for family in FAMILIES for name in family.files}
        for record in outcome["fixtures"]:
            family = known[record["name"]]
            record |= {"family": family.title, "layers": family.layers, "eight": family.eight}
    results.write_text(json.dumps(outcome, indent=1) + "\n")
    page.replace(HERE / "README.md", "families", page.families(outcome))


if __name__ == "__main__":
    main()
