"""What compiling costs, as a function of depth and of width: `python3 tests/benchmarks/compile_cost.py`

Real-to-Binary residual networks from 18 to 101 layers at the usual widths, and of 18 layers at one, two and four times
those. Measured: time and peak memory of `xnorc compile` and of rustc (release, the crate with the runtime inside), bytes
of the emitted source, of the weights and of the text segment. Writes results/compile_cost.csv, the plot and the table.
"""

import environment

if __name__ == "__main__":
    environment.enter()

import argparse
import csv
import multiprocessing
import os
import shutil
import subprocess

import engines
import networks
import page
import plots
from environment import HERE, WORK

# Half-blocks per stage. A basic block of ResNet-18 and -34 is two of them; of the deeper ones, which have bottlenecks of
# three convolutions, as many half-blocks are taken as there are convolutions, in the same stages.
DEPTHS = {18: (4, 4, 4, 4), 34: (6, 8, 12, 6), 50: (9, 12, 18, 9), 101: (9, 12, 69, 9)}
WIDTHS = (1, 2, 4)
COLUMNS = [
    "layers",
    "width",
    "half_blocks",
    "model_bytes",
    "xnorc_s",
    "xnorc_mib",
    "rustc_s",
    "rustc_mib",
    "source_bytes",
    "weight_bytes",
    "text_bytes",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="the least of so many runs is taken")
    parser.add_argument("--depths", type=int, nargs="+", choices=DEPTHS, default=list(DEPTHS), help="writes no page")
    parser.add_argument("--redraw", action="store_true", help="only write the page anew from results/compile_cost.csv")
    options = parser.parse_args()
    results = HERE / "results" / "compile_cost.csv"
    if not options.redraw:
        engines.cargo("build", "--release", "-p", "xnorc-cli")
        grid = [(layers, 1) for layers in options.depths] + [(18, width) for width in WIDTHS[1:]]
        rows = [cost(layers, width, options.repeat) for layers, width in grid]
        if options.depths != list(DEPTHS):
            return
        with open(results, "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    with open(results, newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    plots.compile_cost(rows, HERE / "results" / "compile_cost.svg")
    page.replace(HERE / "README.md", "compile_cost", page.compile_cost(rows))


def cost(layers, width, repeat):
    """Measures one network; gives its row."""
    folder = WORK / "compile_cost"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    widths = tuple(width * usual for usual in networks.ResNet.widths)
    net = networks.ResNet(f"r2b{layers}x{width}", widths=widths, depths=DEPTHS[layers])
    model = folder / "model.onnx"
    # In a process of its own: the peak memory that Linux tells of a child begins with what its parent holds.
    writer = multiprocessing.get_context("spawn").Process(target=networks.write, args=(net, model))
    writer.start()
    writer.join()
    crate = folder / "network"
    xnorc = [engines.XNORC, "compile", model, "--out", crate, "--name", "network", "--force"]
    xnorc_s, xnorc_mib = least(xnorc, repeat)
    # As cargo's release profile calls it, without cargo.
    rustc = ["rustc", "--edition=2024", "-Copt-level=3", "-Ccodegen-units=16", "-Cembed-bitcode=no", "--cap-lints=allow"]
    library = folder / "libnetwork.rlib"
    crate_type = ["--crate-name=network", "--crate-type=rlib", "-o", library, crate / "src" / "lib.rs"]
    rustc_s, rustc_mib = least([*rustc, *crate_type], repeat)
    main_rs = folder / "main.rs"
    main_rs.write_text(PROGRAM)
    subprocess.run([*rustc, "--extern", f"network={library}", "-o", folder / "with", main_rs], check=True)
    main_rs.write_text("fn main() {}\n")
    subprocess.run([*rustc, "-o", folder / "without", main_rs], check=True)
    row = {
        "layers": layers,
        "width": width,
        "half_blocks": sum(net.depths),
        "model_bytes": model.stat().st_size,
        "xnorc_s": round(xnorc_s, 3),
        "xnorc_mib": round(xnorc_mib, 1),
        "rustc_s": round(rustc_s, 3),
        "rustc_mib": round(rustc_mib, 1),
        "source_bytes": (crate / "src" / "network.rs").stat().st_size,
        "weight_bytes": (crate / "src" / "network.weights").stat().st_size,
        "text_bytes": text_bytes(folder / "with") - text_bytes(folder / "without"),
    }
    print(row, flush=True)
    return row


PROGRAM = """use std::sync::Mutex;
static SCRATCH: Mutex<network::Scratch> = Mutex::new(network::Scratch::new());
static INPUT: Mutex<network::Input> = Mutex::new([0.0; size_of::<network::Input>() / 4]);
fn main() {
    let mut output = [0.0; size_of::<network::Output>() / 4];
    network::infer(&INPUT.lock().unwrap(), &mut output, &mut SCRATCH.lock().unwrap());
    std::process::exit(output[0] as i32);
}
"""


def least(command, repeat):
    """Seconds of processor time and MiB of peak memory of a command, each the least of so many runs.

    Processor time, not the clock's: it is all that a compiler takes, and others' work on the machine is not in it.
    """
    runs = []
    for _ in range(repeat):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(errors.decode())
        runs.append((usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return min(seconds for seconds, _ in runs), min(mib for _, mib in runs)


def text_bytes(program):
    """Size of the section `.text`, by binutils' `size`."""
    lines = subprocess.run(["size", "-A", program], check=True, capture_output=True, text=True).stdout.splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(".text "))


if __name__ == "__main__":
    main()
