"""What the benchmarks of the flagship found, drawn."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito's colours, and a mark each, for those who tell colours apart less well.
MARKS = tuple(
    zip(
        ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"),
        ("o", "s", "^", "D", "v", "P", "X"),
        strict=True,
    )
)


def draw_depths(table: pd.DataFrame, path: Path) -> None:
    """Draw the share of the edge by depth, a panel for each comparison, to a PNG.

    Args:
        table: Columns `comparison`, `market`, `layers`, `share_of_edge`.
        path: Path of the PNG.
    """
    comparisons = list(table["comparison"].unique())
    figure, panels = plt.subplots(
        1, max(len(comparisons), 1), figsize=(11, 4.6), sharey=True, layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for axes, comparison in zip(panels[0], comparisons, strict=True):
        here = table[table["comparison"] == comparison]
        for (market, group), (colour, mark) in zip(here.groupby("market"), MARKS, strict=False):
            name = str(market).rpartition("_")[0].replace("_", " ")
            share = 100 * group["share_of_edge"]
            axes.plot(group["layers"], share, marker=mark, color=colour, label=name)
        axes.set_xscale("log")
        layers = sorted(here["layers"].unique())
        axes.set_xticks(layers, [f"{one:,}" for one in layers])
        axes.minorticks_off()
        axes.set_xlabel("weighted layers")
        axes.set_title(comparison, fontsize=10)
        axes.grid(alpha=0.3)
    panels[0][0].set_ylabel("share of the edge found, %")
    _legend_beside(figure, panels[0][-1])
    _save(figure, path)


def draw_shares(table: pd.DataFrame, path: Path) -> None:
    """Draw what every model finds on each kind of market, a panel for each length, to a PNG.

    Args:
        table: Columns `rows`, `kind`, `model`, `share_of_edge`.
        path: Path of the PNG.
    """
    sizes = sorted(table["rows"].unique())
    marks = dict(zip(dict.fromkeys(table["model"]), MARKS, strict=False))
    figure, panels = plt.subplots(
        max(len(sizes), 1), 1, figsize=(9, 1 + 3.2 * max(len(sizes), 1)), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for axes, bars in zip(panels[:, 0], sizes, strict=False):
        here = table[table["rows"] == bars]
        kinds, models = list(dict.fromkeys(here["kind"])), list(dict.fromkeys(here["model"]))
        for place, model in enumerate(models):
            colour, mark = marks[model]
            own = here[here["model"] == model].set_index("kind")["share_of_edge"]
            aside = (place - (len(models) - 1) / 2) * 0.12
            at = [kinds.index(kind) + aside for kind in own.index]
            axes.plot(at, 100 * own, mark, color=colour, label=model, markersize=8)
        axes.set_xticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds])
        axes.set_ylabel("share of the edge found, %")
        axes.set_title(f"{bars:,} bars", fontsize=10)
        axes.grid(alpha=0.3, axis="y")
    _legend_beside(figure, panels[0, 0])
    _save(figure, path)


def draw_differences(table: pd.DataFrame, path: Path) -> None:
    """Draw how far each line is from its recipe, with its standard error, to a PNG.

    Args:
        table: Columns `line`, `validation_log_loss_apart`, `validation_log_loss_error`,
            `share_of_edge_apart`, `share_of_edge_error`, in the order from the top.
        path: Path of the PNG.
    """
    height = 1.2 + 0.24 * len(table)
    figure, panels = plt.subplots(1, 2, figsize=(10, height), sharey=True, layout="constrained")
    shown = (
        ("validation_log_loss", 1e3, "validation log loss apart, 1/1,000 nats\n(left is better)"),
        ("share_of_edge", 100, "share of the edge apart, points\n(right is better)"),
    )
    places = range(len(table))
    for axes, (figure_name, factor, label), (colour, mark) in zip(
        panels, shown, MARKS, strict=False
    ):
        apart = factor * table[f"{figure_name}_apart"]
        error = factor * table[f"{figure_name}_error"].fillna(0.0)
        axes.errorbar(apart, places, xerr=error, fmt=mark, color=colour, capsize=2)
        axes.axvline(0.0, color="0.4", linewidth=1)
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    panels[0].set_yticks(places, table["line"])
    panels[0].set_ylim(len(table) - 0.5, -0.5)  # the first line on top
    _save(figure, path)


def _legend_beside(figure: Figure, panel: Axes) -> None:
    """Put a panel's legend beside all panels: inside, it would cover a line somewhere."""
    figure.legend(*panel.get_legend_handles_labels(), loc="outside right upper", fontsize=9)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110)
    plt.close(figure)
