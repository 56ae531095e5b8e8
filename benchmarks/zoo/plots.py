"""The zoo's figures drawn."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

OURS_COLOUR, PLAIN_COLOUR, SPAN_COLOUR = "#1f6f8b", "#c97b3d", "#8aa7b5"
PANELS = (
    ("step_ms", "training step of 32 rows, ms"),
    ("latency_ms", "one sample, ms (line: to the 99th percentile)"),
    ("growth_mib", "memory taken, MiB"),
)


def draw_models(ours: pd.DataFrame, plain: pd.DataFrame, path: Path, title: str) -> None:
    """Draw step, latency and memory of every model to a PNG, beside plain Keras where it is.

    Args:
        ours: One row per model, in the order of the picture from above.
        plain: Those of plain Keras, fewer.
        path: Path of the PNG.
        title: Above all panels.
    """
    height = 1.6 + 0.36 * len(ours)
    figure, panels = plt.subplots(1, len(PANELS), figsize=(15, height), layout="constrained")
    places = -np.arange(len(ours), dtype=float)
    by_name = plain.set_index("model").reindex(ours["model"])
    for axes, (column, label) in zip(panels, PANELS, strict=True):
        axes.barh(places + 0.19, ours[column], 0.36, color=OURS_COLOUR, label="this package")
        axes.barh(
            places - 0.19, by_name[column], 0.36, color=PLAIN_COLOUR, label="plain Keras layers"
        )
        if column == "latency_ms":
            _span(axes, places + 0.19, ours)
            _span(axes, places - 0.19, by_name)
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
        axes.set_yticks(places, ours["model"] if axes is panels[0] else [""] * len(ours))
        axes.set_ylim(places[-1] - 0.6, 0.6)
    panels[0].legend(loc="upper right", fontsize=9)
    figure.suptitle(title)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _span(axes: Any, places: np.ndarray, table: pd.DataFrame) -> None:
    axes.hlines(places, table["latency_ms"], table["latency_p99_ms"], color="black", linewidth=1)
