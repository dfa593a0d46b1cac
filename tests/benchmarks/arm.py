"""The inner loops of binary layers on AArch64, by a model of processors: `python3 tests/benchmarks/arm.py`

Compiles a network for AArch64, takes from the assembly the loop that counts words and the one that adds planes of pixels, and lets
llvm-mca say how many cycles each takes where all it reads is in the nearest cache. Then writes the table of
tests/benchmarks/README.md. Needs rustc's target aarch64-unknown-linux-gnu (RUSTFLAGS may say where its library is) and llvm-mca.
"""

import environment

if __name__ == "__main__":
    environment.enter()

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import engines
import page
import rivals
from environment import HERE, WORK

TARGET = "aarch64-unknown-linux-gnu"
CORES = ["cortex-a76", "cortex-a53", "cortex-a55"]
TURNS = 200


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="instead of the untrained Real-to-Binary ResNet-18")
    parser.add_argument("--redraw", action="store_true", help="only write the page anew from results/arm.json")
    options = parser.parse_args()
    results = HERE / "results" / "arm.json"
    if not options.redraw:
        results.write_text(json.dumps(measure(options.model), indent=1) + "\n")
    outcome = json.loads(results.read_text())
    print(page.arm(outcome))
    page.replace(HERE / "README.md", "arm", page.arm(outcome))


def measure(model):
    if not shutil.which("llvm-mca"):
        sys.exit("llvm-mca is missing: it is in the package llvm of most systems")
    engines.cargo("build", "--release", "-p", "xnorc-cli")
    model = model or rivals.model_file("r2b18_224")[0]
    folder = WORK / "arm"
    folder.mkdir(parents=True, exist_ok=True)
    compiled = [engines.XNORC, "compile", model, "--out", folder / "network", "--name", "network", "--target", TARGET, "--force"]
    subprocess.run(compiled, check=True, stdout=subprocess.DEVNULL)
    rustc = ["rustc", "--edition=2024", "--crate-type=rlib", "--crate-name=network", "--emit=asm", "--target", TARGET]
    rustc += ["-Copt-level=3", "-Ccodegen-units=1", "-Cpanic=abort", *os.environ.get("RUSTFLAGS", "").split()]
    assembly = folder / "network.s"
    subprocess.run([*rustc, "-o", assembly, folder / "network" / "src" / "lib.rs"], check=True)
    loops = list(loops_of(assembly.read_text()))
    # Sixteen planes of 128 pixels each, of which four channels share 15 of 16 additions; and 128 signs for each population count.
    planes = [loop for loop in loops if count(loop, "bsl") == 15 and count(loop, "ldrh") == 16]
    words = [loop for loop in loops if count(loop, "cnt") >= 16 and not count(loop, "str")]
    if not planes or not words:
        sys.exit("no such loops in the assembly")
    planes, words = min(planes, key=len), max(words, key=lambda loop: count(loop, "cnt") / len(loop))
    macs = [16 * 128 * 4 * 16 / 15, 128 * count(words, "cnt")]
    rows = [row(*of) for of in zip(["planes of pixels", "words"], [planes, words], macs)]
    tool = re.search(r"version (\S+)", subprocess.run(["llvm-mca", "--version"], capture_output=True, text=True).stdout)
    return {"tool": f"llvm-mca {tool[1]}", "rows": rows}


def loops_of(text):
    """The loops without a jump inside, as lines."""
    label, body = None, []
    for line in map(str.strip, text.splitlines()):
        if line.endswith(":"):
            label, body = line[:-1], []
        elif line and not line.startswith((".", "//")):
            body.append(line)
            if re.match(r"(b\.|cb|tb|b\t|ret)", line):
                if label and line.split()[-1] == label:
                    yield body
                label, body = None, []


def count(loop, name):
    return sum(line.split()[0] == name for line in loop)


def row(name, loop, macs):
    # Where it jumps to does not matter to the model, but has to be somewhere.
    text = "\n".join(["0:", *loop[:-1], re.sub(r"\S+$", "0b", loop[-1])])
    cycles = {}
    for core in CORES:
        command = ["llvm-mca", "-mtriple=aarch64", f"-mcpu={core}", f"-iterations={TURNS}"]
        said = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
        cycles[core] = int(re.search(r"Total Cycles:\s+(\d+)", said)[1]) / TURNS
    return {"loop": name, "instructions": len(loop), "macs": macs, "cycles": cycles}


if __name__ == "__main__":
    main()
