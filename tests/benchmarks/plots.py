"""The plots, as SVG that is readable on light and on dark pages."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

INK, PAPER, GRID = "#1f2328", "#ffffff", "#d0d7de"
NIGHT = {INK: "#e6edf3", PAPER: "#0d1117", GRID: "#30363d"}
CURVES = ["#8c959f", "#0969da", "#bc4c00", "#2da44e", "#8250df"]
OURS, THEIRS, LIMIT = "#0969da", "#8c959f", "#bc4c00"

plt.rcParams.update(
    {
        "font.family": "sans-serif",
        "font.size": 11,
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "xnorc",  # the same bytes for the same figures
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "savefig.facecolor": PAPER,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "axes.titlesize": 11,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": GRID,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "legend.frameon": False,
    }
)


def save(figure, path):
    """Writes the figure with a style sheet that changes ink, paper and grid where the reader asks for dark pages."""
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.15)
    plt.close(figure)
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark} !important}}'
        for light, dark in NIGHT.items()
        for kind in ("fill", "stroke")
    )
    head, tag, rest = path.read_text().partition("<defs>")
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>\n "
    path.write_text(head + style + tag + "\n".join(line.rstrip() for line in rest.splitlines()) + "\n")


def rivals(outcome, path):
    """A row of bars per network: minimum time of each engine, with the limit of the machine as a line."""
    records = outcome["networks"]
    rows = [[r for r in record["engines"] if "missing" not in r] for record in records]
    heights = [len(r) + 1.2 for r in rows]
    figure, axes = plt.subplots(
        len(records), 1, figsize=(8, 0.34 * sum(heights)), gridspec_kw={"height_ratios": heights, "hspace": 0.55}
    )
    for axis, record, engines in zip(axes if len(records) > 1 else [axes], records, rows):
        times = [row["min_ms"] for row in engines]
        labels = [row["engine"] for row in engines]
        colors = [OURS if label == "xnorc" else THEIRS for label in labels]
        bars = axis.barh(labels, times, color=colors, height=0.7)
        axis.bar_label(bars, [f"{t:.3g}" for t in times], padding=4, color=INK)
        bound = record["bench"]["limit_ms"]
        axis.axvline(bound, color=LIMIT, linewidth=1.5)
        axis.set_title(f"{record['title']}: ms (limit of the machine {bound:.2g})", loc="left")
        axis.invert_yaxis()
        axis.grid(axis="x")
        axis.set_xlim(0, 1.12 * max(times))
    save(figure, path)


def compile_cost(rows, path):
    """Against depth and against width: time, memory and size, each as a multiple of what the smallest network takes."""
    curves = [
        ("weight_bytes", "weights"),
        ("xnorc_s", "xnorc, time"),
        ("rustc_s", "rustc, time"),
        ("rustc_mib", "rustc, memory"),
        ("text_bytes", "text segment"),
    ]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    axes_of = [
        ("half_blocks", [r for r in rows if r["width"] == 1], "half-blocks (18 to 101 layers)"),
        ("width", [r for r in rows if r["layers"] == 18], "width (18 layers)"),
    ]
    for axis, (key, points, label) in zip(axes, axes_of):
        for (column, name), color in zip(curves, CURVES):
            x = [row[key] for row in points]
            axis.plot(x, [row[column] / points[0][column] for row in points], "o-", color=color, label=name)
        axis.set(xscale="log", yscale="log", xlabel=label)
        axis.set_xticks(x, [f"{value:.0f}" for value in x])
        axis.minorticks_off()
        axis.set_yticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
        axis.grid()
    axes[0].set_ylabel("times that of 18 layers, x1")
    axes[1].legend(loc="upper left")
    save(figure, path)
