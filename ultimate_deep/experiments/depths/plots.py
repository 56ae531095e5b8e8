"""Plots of a comparison: what is found and what it costs, by number of layers."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter, StrMethodFormatter

COLOURS = {
    "sequential": "#d5781e",
    "residual": "#1f66d1",
    "dense": "#21aa94",
    "attention": "#712e1d",
    "ultimate": "#ec2160",
    "shallow": "#16202c",
}
MARKS = dict(zip(COLOURS, "os^Dv*", strict=True))
DASHES = {
    "majority": "-",
    "always long": (0, (1, 3)),
    "logistic regression": ":",
    "random forest": "--",
    "gradient boosting": "-.",
}
INK, GRID = "#16202c", "#dfe4ea"


def plot_comparison(summary: pd.DataFrame, path: Path) -> None:
    """Write one row of two plots for each data set: found against layers, cost against layers.

    Args:
        summary: What `summarize` returned.
        path: PNG file to write.
    """
    names = list(dict.fromkeys(summary["data"]))
    figure = Figure(figsize=(14.0, 4.3 * len(names)), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(len(names), 2, squeeze=False)
    for name, (found, cost) in zip(names, axes, strict=True):
        lines = summary[summary["data"] == name]
        simulated = bool(lines["simulated"].iloc[0])
        _plot_found(found, lines, name, simulated=simulated)
        _plot_cost(cost, lines, name)
    canvas.print_png(str(path))


def _plot_found(axis: Axes, lines: pd.DataFrame, name: str, *, simulated: bool) -> None:
    figure = "share_of_edge" if simulated else "accuracy"
    for family, nets in _nets(lines):
        spread = nets[f"{figure}_spread"].fillna(0.0)
        axis.errorbar(
            nets["layers"], nets[figure], yerr=spread, color=COLOURS[family], marker=MARKS[family],
            capsize=3, label=family,
        )  # fmt: skip
    others = lines[lines["layers"].isna()]
    if not simulated:
        others = others[others["model"] != "always long"]
    _levels(axis, others, figure)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    what = "share of the oracle's edge, simulated bars" if simulated else "accuracy, test part"
    _finish(axis, f"{name}: {what} (mean ± standard deviation)")


def _plot_cost(axis: Axes, lines: pd.DataFrame, name: str) -> None:
    for family, nets in _nets(lines):
        colour = COLOURS[family]
        axis.plot(
            nets["layers"], nets["train_seconds"], color=colour, marker=MARKS[family], label=family
        )
        axis.plot(nets["layers"], nets["first_step_seconds"], color=colour, marker="x", ls=":")
    trees = lines[(lines["family"] == "baseline") & lines["train_seconds"].notna()]
    _levels(axis, trees, "train_seconds")
    axis.set_yscale("log")
    axis.set_ylabel("seconds")
    _finish(axis, f"{name}: seconds of training (dotted: to the first step)")


def _levels(axis: Axes, lines: pd.DataFrame, figure: str) -> None:
    for line in lines.to_dict("records"):
        model = str(line["model"])
        axis.axhline(line[figure], color=INK, linewidth=1.2, linestyle=DASHES[model], label=model)


def _nets(lines: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    nets = lines[lines["layers"].notna()].sort_values("layers")
    return [(str(family), group) for family, group in nets.groupby("family", sort=False)]


def _finish(axis: Axes, title: str) -> None:
    if len(np.unique([x for line in axis.lines for x in np.ravel(line.get_xdata())])) > 1:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("weighted layers")
    axis.set_title(title, loc="left", color=INK, fontsize=10.5)
    axis.grid(True, color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
