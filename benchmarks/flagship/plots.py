"""What the benchmarks of the flagship found, drawn."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd

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
    # Beside the panels: inside, it would cover a line somewhere.
    figure.legend(*panels[0][-1].get_legend_handles_labels(), loc="outside right upper", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
