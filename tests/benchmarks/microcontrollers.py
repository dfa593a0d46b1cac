"""What others need on small cores, in one command: `python3 tests/benchmarks/microcontrollers.py`

Counts instructions by the emulator and the plugin that count ours (tests/tests/cross): of float C that emx-onnx-cgen writes of
the network for Fashion-MNIST, and of CMSIS-NN's convolution in 8 bits of the size of the integer block (Cortex-M alone: it is
written for these), compiled by gcc. An answer is checked before its count is taken: the network's against onnxruntime's and
against the one recorded of the same picture, the convolution's against the same one in numpy, to the bit. Our figures are those
of the table of tests/benchmarks/README.md, which the tests check; the size of our weights is what `xnorc inspect` tells.
Writes the tables between the markers there.

Needs Debian's packages gcc, libc6-dev, qemu-user, gcc-arm-none-eabi, libnewlib-arm-none-eabi, gcc-riscv64-unknown-elf and
picolibc-riscv64-unknown-elf. CMSIS-NN itself is in no registry of packages; the package bakenn brings some of its sources along.
Those compiled here are unchanged, and the headers but for what is not used here.
"""

import environment

if __name__ == "__main__":
    environment.enter()

import argparse
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import engines
import families
import page
import rivals
from environment import HERE, ROOT, WORK

MODEL = ROOT / "generated-examples" / "fashion" / "fashion.onnx"
RECORDED = ROOT / "generated-examples" / "fashion-net" / "tests" / "recorded.input"
PLUGIN = ROOT / "tests" / "tests" / "cross" / "counted" / "plugin.c"
FOLDER = WORK / "microcontrollers"
COMMON = ["-O3", "-ffunction-sections", "-fdata-sections", "-nostartfiles", "-Wl,--gc-sections"]
SIDE, CHANNELS = 14, 64
"""Of the integer block; the numbers are in workers/counted_cmsis_nn.c, too."""


@dataclass
class Core:
    """`name`: its row in the table of our figures; `triple`: its target there; `flags`: for gcc."""

    name: str
    triple: str
    flags: list

    @property
    def arm(self):
        return self.triple.startswith("thumb")

    @property
    def prefix(self):
        return "arm-none-eabi-" if self.arm else "riscv64-unknown-elf-"

    @property
    def emulator(self):
        return "qemu-arm" if self.arm else "qemu-riscv32"


PICOLIBC = "--specs=picolibc.specs"
CORES = [
    Core("Cortex-M0", "thumbv6m-none-eabi", ["-mthumb", "-mcpu=cortex-m0"]),
    Core("Cortex-M3", "thumbv7m-none-eabi", ["-mthumb", "-mcpu=cortex-m3"]),
    Core(
        "Cortex-M4F, M33",
        "thumbv7em-none-eabihf",
        ["-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    ),
    Core("RV32IMC", "riscv32imc-unknown-none-elf", [PICOLIBC, "-march=rv32imc", "-mabi=ilp32"]),
    Core("RV32IMAFC", "riscv32imafc-unknown-none-elf", [PICOLIBC, "-march=rv32imafc", "-mabi=ilp32f"]),
]


def run(*command):
    """What a command prints; it has to succeed."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def need_packages():
    """Ends the program, with the command that installs what is missing."""
    programs = {
        "gcc": ["gcc", "libc6-dev"],
        "qemu-arm": ["qemu-user"],
        "qemu-riscv32": ["qemu-user"],
        "arm-none-eabi-gcc": ["gcc-arm-none-eabi"],
        "riscv64-unknown-elf-gcc": ["gcc-riscv64-unknown-elf"],
    }
    files = {
        ("arm-none-eabi-gcc", "libm.a"): "libnewlib-arm-none-eabi",
        ("riscv64-unknown-elf-gcc", "picolibc.specs"): "picolibc-riscv64-unknown-elf",
    }
    missing = {name for program, names in programs.items() if not shutil.which(program) for name in names}
    for (compiler, file), name in files.items():
        # A file that is not found is named as it was asked for.
        if not shutil.which(compiler) or run(compiler, f"-print-file-name={file}").strip() == file:
            missing.add(name)
    if missing:
        raise SystemExit(f"missing Debian packages: apt-get install {' '.join(sorted(missing))}")


def build_plugin():
    """The emulator's plugin, for its version; and that version."""
    version = run("qemu-arm", "--version").split()[2]
    interface = 2 if int(version.split(".")[0]) >= 9 else 1
    plugin = FOLDER / "plugin.so"
    run("gcc", "-O2", "-shared", "-fPIC", f"-DVERSION={interface}", "-o", plugin, PLUGIN)
    return plugin, version


@dataclass
class Program:
    """A program of `workers/counted_*.c` on a core."""

    core: Core
    path: Path

    def size(self):
        """Bytes of flash and of memory that is reserved from the start."""
        text, data, bss = map(int, run(f"{self.core.prefix}size", self.path).splitlines()[1].split()[:3])
        return np.array([text + data, data + bss])

    def weights(self):
        """Bytes of constants whose names begin as those of a generated network do."""
        lines = run(f"{self.core.prefix}nm", "-S", "--defined-only", self.path).splitlines()
        symbols = [line.split() for line in lines]
        return sum(int(words[1], 16) for words in symbols if len(words) == 4 and words[3].startswith("weight"))

    def count(self, plugin):
        """Instructions of the work, the answer's bytes, and the bytes of stack."""
        emulator = [self.core.emulator, "-s", str(8 << 20), "-plugin", plugin, self.path]
        result = subprocess.run(emulator, check=True, capture_output=True)
        # Before the work, behind it, at the answer, at the stack; and the end.
        marks = [int(line) for line in result.stderr.split()]
        assert len(marks) == 5, marks
        return marks[1] - marks[0], result.stdout[:-4], int.from_bytes(result.stdout[-4:], "little")


def build(core, name, source, options):
    """A program, and the same without its work, to subtract."""
    programs = []
    for suffix, others in (("", []), ("-nothing", ["-DNOTHING"])):
        path = FOLDER / f"{name}-{core.triple}{suffix}"
        linker = ["-T", HERE / "workers" / "counted.ld", "-lm"]
        own = [HERE / "workers" / f"{source}.c", *options, *others]
        run(f"{core.prefix}gcc", *core.flags, *COMMON, *own, *linker, "-o", path)
        programs.append(Program(core, path))
    return programs


def measured(core, plugin, name, source, options):
    """The record of a program, and its answer."""
    program, nothing = build(core, name, source, options)
    instructions, answer, stack = program.count(plugin)
    flash, static = (program.size() - nothing.size()).tolist()
    record = {"core": core.name, "instructions": instructions, "flash": flash, "static": static, "stack": stack}
    return record, answer, program


def reference(picture):
    """onnxruntime's answer."""
    import onnxruntime

    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return session.run(None, {given.name: picture.reshape(given.shape)})[0].ravel()


def networks(interpreter, plugin):
    """The network in float C, on all cores."""
    source = FOLDER / "network.c"
    # Weights in the source, and what is computed on the stack: no files, no allocator.
    options = ["--large-weight-threshold", "0", "--large-temp-threshold", "0", "--model-name", "model"]
    run(interpreter.parent / "emx-onnx-cgen", "compile", *options, MODEL, source)
    wanted = reference(np.fromfile(RECORDED, "<f4"))
    recorded = np.fromfile(RECORDED.with_suffix(".output"), "<f4")
    assert rivals.compare(recorded, wanted)["top1"]
    for core in CORES:
        program = [f'-DPICTURE="{RECORDED}"', source]
        record, answer, built = measured(core, plugin, "network", "counted_network", program)
        agreement = rivals.compare(np.frombuffer(answer, "<f4"), wanted)
        assert agreement["top1"] and agreement["difference"] < rivals.TOLERANCE, f"{core.name}: {agreement}"
        weights = families.said("inspect", MODEL, "--target", core.triple)["flash"]["weights"]
        yield record | {"weights": built.weights(), "difference": agreement["difference"], "our_weights": weights}


def write_layer():
    """The convolution's numbers as files; what has to come out."""
    random = np.random.default_rng(1)
    picture = random.integers(-128, 128, (SIDE, SIDE, CHANNELS), np.int8)
    weights = random.integers(-127, 128, (CHANNELS, 3, 3, CHANNELS), np.int8)
    bias = random.integers(-20000, 20001, CHANNELS, np.int32)
    multipliers = random.integers(1 << 30, (1 << 31) - 1, CHANNELS, np.int32)
    shifts = random.integers(-12, -9, CHANNELS, np.int32)
    numbers = {"picture": picture, "weights": weights, "bias": bias, "multipliers": multipliers, "shifts": shifts}
    for name, values in numbers.items():
        values.tofile(FOLDER / f"{name}.bin")
    padded = np.pad(picture.astype(np.int64), ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 1))
    sums = np.einsum("yxcij,oijc->yxo", windows, weights.astype(np.int64)) + bias
    # The upper half of the doubled product, rounded; then a shift, rounded to the nearest, a half away from zero.
    high = (sums * multipliers + (1 << 30)) >> 31
    shifted = np.sign(high) * ((np.abs(high) + (1 << (-shifts - 1))) >> -shifts)
    return shifted.clip(-128, 127).astype(np.int8)


def layers(interpreter, plugin):
    """CMSIS-NN's convolution, on Cortex-M; and its version."""
    program = "from importlib.resources import files; from bakenn.backend.cmsis_nn import bundle; "
    program += "print(bundle.CMSIS_NN_VERSION, files('bakenn.backend.cmsis_nn.vendor'))"
    version, folder = run(interpreter, "-c", program).strip().split(maxsplit=1)
    folder = Path(folder)
    sources = [
        "ConvolutionFunctions/arm_convolve_s8.c",
        "ConvolutionFunctions/arm_nn_mat_mult_kernel_s8_s16.c",
        "NNSupportFunctions/arm_q7_to_q15_with_offset.c",
    ]
    options = [f'-DFOLDER="{FOLDER}"']
    options += [f"-I{folder / name / 'Include'}" for name in ("cmsis_nn", "cmsis_core")]
    options += [folder / "cmsis_nn" / "Source" / name for name in sources]
    wanted = write_layer()
    records = []
    for core in CORES:
        if core.arm:
            record, answer, _ = measured(core, plugin, "layer", "counted_cmsis_nn", options)
            assert answer == wanted.tobytes(), f"{core.name}: other numbers"
            records.append(record)
    return records, version


def measure():
    engines.cargo("build", "--release", "-p", "xnorc-cli")
    FOLDER.mkdir(parents=True, exist_ok=True)
    interpreter = environment.python("requirements-microcontrollers.txt")
    plugin, emulator = build_plugin()
    records, version = layers(interpreter, plugin)
    written = run(interpreter, "-c", "from importlib.metadata import version; print(version('emx-onnx-cgen'))")
    return {
        "emulator": emulator,
        "gcc": {core.prefix: run(f"{core.prefix}gcc", "-dumpfullversion").strip() for core in CORES},
        "emx": written.strip(),
        "networks": list(networks(interpreter, plugin)),
        "cmsis_nn": version,
        "layers": records,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redraw", action="store_true", help="only write the page anew from results/microcontrollers.json")
    options = parser.parse_args()
    results = HERE / "results" / "microcontrollers.json"
    if not options.redraw:
        need_packages()
        results.write_text(json.dumps(measure(), indent=1) + "\n")
    outcome = json.loads(results.read_text())
    print(page.microcontrollers(outcome))
    page.replace(HERE / "README.md", "microcontrollers", page.microcontrollers(outcome))


if __name__ == "__main__":
    main()
