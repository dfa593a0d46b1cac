"""The plots, as SVG that is readable on light and on dark pages."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

INK, PAPER, GRID = "#1f2328", "#ffffff", "#d0d7de"
NIGHT = {INK: "#e6edf3", PAPER: "#0d1117", GRID: "#30363d"}
COLORS = ["#0969da", "#bc4c00", "#2da44e", "#8250df"]
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
