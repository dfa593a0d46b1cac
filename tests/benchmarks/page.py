"""The tables of the pages, written between markers, from the results."""

import subprocess
from pathlib import Path


def machine():
    """The processor as the system names it, with the instructions that matter here."""
    text = Path("/proc/cpuinfo").read_text()
    first = dict(line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in first.items()}
    flags = fields.get("flags", "").split()
    shown = [f for f in ("avx2", "avx512_vpopcntdq", "avx512_vnni", "avx512_bf16") if f in flags]
    name = fields.get("model name", "unknown processor")
    family = f"family {fields.get('cpu family', '?')} model {fields.get('model', '?')}"
    return f"{name} ({family}; {', '.join(shown)})"


def rustc():
    return subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


def replace(path, name, text):
    """Puts `text` between `<!-- name -->` and `<!-- /name -->`. Raises `ValueError` without the markers."""
    before, middle, rest = path.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not middle or not end:
        raise ValueError(f"{path} has no markers <!-- {name} --> and <!-- /{name} -->")
    path.write_text(f"{before}{middle}{text.rstrip()}\n{end}{after}")


def table(head, rows, numbers):
    """Markdown; the last `numbers` columns to the right."""
    align = ["---"] * (len(head) - numbers) + ["--:"] * numbers
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, align, *rows]) + "\n"


def ms(value):
    """Three significant digits."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def rival_rows(record):
    for row in record["engines"]:
        if "missing" in row:
            yield [row["engine"], "", row["missing"], "", "", ""]
            continue
        if row["engine"] == "onnxruntime":
            agrees = "reference"
        elif row.get("other"):
            agrees = "other network"
        else:
            agrees = f"{row['difference']:.0e}" + ("" if row["top1"] else ", other class")
        ratio = "" if row["engine"] == "xnorc" else f"{row['ratio']:.1f}"
        yield [row["engine"], row["version"], ms(row["min_ms"]), ms(row["median_ms"]), ratio, agrees]
    bench = record["bench"]
    yield ["limit of the machine", bench["level"], ms(bench["limit_ms"]), "", "", ""]


def rivals(outcome):
    """All networks, all engines."""
    text = f"{outcome['machine']}, one thread, {outcome['rounds']} rounds in turns.\n"
    for record in outcome["networks"]:
        bench = record["bench"]
        head = ["engine", "version", "minimum, ms", "median, ms", "times ours", "difference"]
        peaks = f"{bench['peak_binary_gmacs']:.0f} G binary and {bench['peak_real_gmacs']:.1f} G real"
        text += f"\n**{record['title']}**\n\n{table(head, list(rival_rows(record)), 4)}"
        text += f"\nMeasured peaks: {peaks} multiply-accumulates a second.\n"
    return text


def rivals_short(outcome):
    """The first network, for the README of the project."""
    record = outcome["networks"][0]
    rows = [[row[0] + (f" {row[1]}" if row[1] else ""), *row[2:5]] for row in rival_rows(record)]
    text = f"{record['title']}; {outcome['machine']}, one thread:\n\n"
    text += table(["", "minimum, ms", "median, ms", "times ours"], rows, 3)
    return text + "\n![Time per inference](tests/benchmarks/results/rivals.svg)\n"


def layers(outcome):
    """Our blocks beside OpenVINO's kernel and blocks: ours, theirs, theirs / ours."""
    head = ["layer", "limit", "their kernel", "our block", "block in a chain", "with the gate", "on its own"]
    rows = []
    for row in outcome["layers"]:
        kernel, plain = row["their_kernel_ms"], row["ours_plain_ms"]
        cells = [f"{row['limit_ms']:.3f}", f"{kernel:.3f}", f"{plain:.3f}: {kernel / plain:.2f}"]
        for label in ("plain", "gated", "alone"):
            ours, theirs = row[f"ours_{label}_ms"], row[f"theirs_{label}_ms"]
            cells.append(f"{ours:.3f}, {theirs:.3f}: {theirs / ours:.2f}")
        rows.append([f"{row['side']}x{row['side']}x{row['channels']}", *cells])
    versions = f"OpenVINO {outcome['openvino']}, {outcome['machine']}, one thread; milliseconds"
    return f"{versions}.\n\n" + table(head, rows, 6)


def wasm(outcome):
    """WebAssembly: ours and others'."""
    least = min(row["min_ms"] for row in outcome["engines"] if row["engine"].startswith("xnorc"))
    rows = [
        [row["engine"], row["version"], ms(row["min_ms"]), ms(row["median_ms"]), f"{row['min_ms'] / least:.1f}"]
        for row in outcome["engines"]
    ]
    text = f"node {outcome['node']}, {outcome['machine']}, one thread, {outcome['rounds']} rounds in turns.\n\n"
    return text + table(["engine", "version", "minimum, ms", "median, ms", "times our best"], rows, 3)


def arm(outcome):
    """Inner loops on AArch64, by a model of processors."""
    cores = list(outcome["rows"][0]["cycles"])
    rows = [
        [
            row["loop"],
            f"{row['instructions']}",
            f"{row['macs']:.0f}",
            f"{128 * row['instructions'] / row['macs']:.2f}",
            *(f"{row['macs'] / row['cycles'][core]:.0f}" for core in cores),
        ]
        for row in outcome["rows"]
    ]
    rows.append(["Larq Compute Engine, words", "", "", "3.47", "85", "31", "34"])
    head = ["loop", "instructions", "for so many products", "for 128", *(f"{core.title()}: products a cycle" for core in cores)]
    return f"{outcome['tool']}.\n\n" + table(head, rows, len(head) - 1)


def families(outcome):
    """Fixtures of the families: layers of few bits by construction, found, fused; verdict; times."""
    head = ["network", "fixture", "exporter", "layers", "found", "fused", "`verify`", "ours, ms", "limit, ms", "ratio", "onnxruntime, ms"]
    rows = []
    for record in outcome["fixtures"]:
        eight = f" and {record['eight']} of 8 bits" if record["eight"] else ""
        found = f" and {record['eight_found']}" if record["eight"] else ""
        rows.append([
            record["family"],
            f"`{record['name']}`",
            record["exporter"],
            f"{record['layers']}{eight}",
            f"{record['found']}{found}",
            str(record["fused"]),
            "ok" if record["verify"] else "wrong",
            ms(record["ms"]),
            ms(record["limit_ms"]),
            f"{record['ms'] / record['limit_ms']:.1f}",
            ms(record["onnxruntime_ms"]),
        ])  # fmt: skip
    text = f"{outcome['machine']}, one thread, minima of {outcome['rounds']} rounds in turns.\n\n"
    return text + table(head, rows, 7)


def ours_on_small_cores():
    """The table of our own counts on the page, which the tests check: by core, its cells."""
    text = (Path(__file__).parent / "README.md").read_text()
    lines = text.partition("<!-- micro -->\n")[2].partition("<!-- /micro -->")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    names = ["core", "network before", "network", "block before", "block", "block's limit"]
    names += ["half-block before", "half-block", "half-block's limit", "code", "scratch", "scratch in fixed point"]
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def microcontrollers(outcome):
    """The network in float C and a layer in 8 bits beside our own counts: instructions, flash, memory."""
    ours = ours_on_small_cores()

    def million(count):
        return f"{count / 1e6:.2f}"

    def kilo(count):
        return f"{count / 1e3:.1f}"

    def times(theirs, own):
        return f"{theirs / 1e6 / float(own):.1f}"

    rows = []
    for record in outcome["networks"]:
        own = ours[record["core"]]
        rows.append([
            record["core"],
            own["network"],
            million(record["instructions"]),
            times(record["instructions"], own["network"]),
            own["code"],
            kilo(record["flash"] - record["weights"]),
            kilo(record["our_weights"]),
            kilo(record["weights"]),
            own["scratch"],
            kilo(record["stack"] + record["static"]),
        ])  # fmt: skip
    head = ["the network", "instructions, M: xnorc", "float C", "ratio", "code, kB: xnorc", "float C"]
    head += ["weights, kB: xnorc", "float C", "RAM, kB: xnorc", "float C"]
    compilers = ", ".join(f"{prefix}gcc {version}" for prefix, version in outcome["gcc"].items())
    text = f"emx-onnx-cgen {outcome['emx']}, CMSIS-NN {outcome['cmsis_nn']}, {compilers}, QEMU {outcome['emulator']}.\n\n"
    text += table(head, rows, 9)
    rows = []
    for record in outcome["layers"]:
        block = ours[record["core"]]["block"]
        cells = [block, million(record["instructions"]), times(record["instructions"], block)]
        cells += [kilo(record["flash"]), kilo(record["stack"] + record["static"])]
        rows.append([record["core"], *cells])
    head = ["a layer", "instructions, M: xnorc, binary", "CMSIS-NN, 8 bits", "ratio", "its code, kB", "its RAM, kB"]
    return text + "\n" + table(head, rows, 5)


def compile_cost(rows):
    """Depth, then width."""
    head = ["layers, width", "half-blocks", "xnorc, s", "MiB", "rustc, s", "MiB", "source, KiB", "weights, MiB", "text, KiB"]
    cells = [
        [
            f"{row['layers']:.0f} x{row['width']:.0f}",
            f"{row['half_blocks']:.0f}",
            f"{row['xnorc_s']:.1f}",
            f"{row['xnorc_mib']:.0f}",
            f"{row['rustc_s']:.1f}",
            f"{row['rustc_mib']:.0f}",
            f"{row['source_bytes'] / 1024:.0f}",
            f"{row['weight_bytes'] / 2**20:.1f}",
            f"{row['text_bytes'] / 1024:.0f}",
        ]
        for row in rows
    ]
    return table(head, cells, 8) + "\n![What compiling costs](results/compile_cost.svg)\n"


def training(outcome, titles):
    """A step of training beside PyTorch's."""
    head = ["network", "threads", "ours, ms", "PyTorch, ms", "ratio", "ours, MiB", "PyTorch, MiB"]
    rows = []
    for record in outcome["records"]:
        ours, theirs = record["ours"], record["PyTorch"]
        cells = [ms(ours["best"][0]), ms(theirs["best"][0]), f"{record['ratio']:.2f}"]
        cells += [f"{ours['peak']:.0f}", f"{theirs['peak']:.0f}"]
        rows.append([titles[record["name"]], str(record["threads"]), *cells])
    text = f"{outcome['machine']}, PyTorch {outcome['torch']}, {outcome['rounds']} rounds in turns.\n\n"
    return text + table(head, rows, 6)
