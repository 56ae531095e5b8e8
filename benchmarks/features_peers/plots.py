"""The table drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from benchmarks.features_peers.targets import LIVE_MEDIAN_US, LIVE_P99_US

COLOURS = {
    "ours": "#1f6f8b",
    "TA-Lib": "#c97b3d",
    "pandas": "#7a5195",
    "polars": "#5aa469",
    "pandas-ta-classic": "#8c8c8c",
    "talipp": "#b8a03a",
    "memory": "#b0b0b0",
}
LIMIT = "#b02a30"


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw what the table holds to a PNG; panels of absent cases stay away."""
    chosen = [(name, panel) for name, panel in PANELS if (table["case"] == name).any()]
    wide = int((table["case"] == "shared").any())
    rows = -(-len(chosen) // 2)
    figure = plt.figure(figsize=(15, 4.6 * (rows + 1.3 * wide)), layout="constrained")
    grid = figure.add_gridspec(rows + wide, 2, height_ratios=[1.0] * rows + [1.3] * wide)
    for place, (name, panel) in enumerate(chosen):
        axes = figure.add_subplot(grid[place // 2, place % 2])
        panel(axes, table[table["case"] == name])
    if wide:
        _each(figure.add_subplot(grid[rows, :]), table[table["case"] == "shared"])
    bars = "bars are simulated; one thread; least of several calls"
    figure.suptitle(f"Features on {path.stem.removeprefix('features_')}: {bars}")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _row_of_bars(
    axes: Any, names: list[str], values: list[float], colours: list[str], title: str
) -> None:
    """Horizontal bars on a log scale with their values."""
    places = np.arange(len(names))[::-1]
    axes.barh(places, values, color=colours, height=0.7)
    axes.set_yticks(places, names)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 2.0, max(values) * 3.0)
    for place, value in zip(places, values, strict=True):
        axes.text(value, place, f" {_plain(value)}", va="center", fontsize=8)
    axes.set_title(title, fontsize=10)


def _plain(value: float) -> str:
    """Three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100.0 else f"{value:.3g}"


def _per_bar(table: pd.DataFrame) -> pd.Series:
    return table["cpu_seconds"] / table["bars"] * 1e9


def _many(axes: Any, table: pd.DataFrame) -> None:
    _seconds(axes, table, "All default features: core-nanoseconds per bar")


def _bound(axes: Any, table: pd.DataFrame) -> None:
    """How far from what memory alone takes."""
    ratios = [f"{ratio:.1f}" for ratio in table["ratio"].dropna()]
    title = f"Memory alone and the engine, {' and '.join(ratios)} times it: ns per bar"
    _seconds(axes, table, title)


def _seconds(axes: Any, table: pd.DataFrame, title: str) -> None:
    table = table[table["cpu_seconds"].notna()]
    colours = [COLOURS[who] for who in table["who"]]
    _row_of_bars(axes, table["what"].tolist(), _per_bar(table).tolist(), colours, title)


def _totals(axes: Any, table: pd.DataFrame) -> None:
    rows = table[table["what"].str.startswith("total")]
    single = rows["what"].str.contains("one at a time|one query|compute_indicators")
    rows = rows[single | (rows["what"] == "total, all at once")]
    names = [
        f"{row.who}, {row.what.removeprefix('total, ')}"
        + ("" if np.isnan(row.indicators) else f" ({row.indicators:.0f})")
        for _, row in rows.iterrows()
    ]
    title = "Indicators that TA-Lib has too, in total: core-nanoseconds per bar"
    colours = [COLOURS[who] for who in rows["who"]]
    _row_of_bars(axes, names, _per_bar(rows).tolist(), colours, title)


def _each(axes: Any, table: pd.DataFrame) -> None:
    """Every indicator alone, by library, in the order of TA-Lib's times."""
    rows = table[~table["what"].str.startswith(("total", "peer"))]
    if "note" in rows:
        rows = rows[rows["note"].isna()]
    wide = rows.assign(ns=_per_bar(rows)).pivot_table(index="what", columns="who", values="ns")
    first = "TA-Lib" if "TA-Lib" in wide else "ours"
    wide = wide.sort_values(first)
    for who in wide.columns:
        axes.plot(wide.index, wide[who], ".", color=COLOURS[who], label=who, markersize=6)
    axes.set_yscale("log")
    axes.tick_params(axis="x", labelrotation=90, labelsize=6)
    axes.margins(x=0.01)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(ncols=5, fontsize=8, loc="upper left")
    axes.set_title("Each of them alone: core-nanoseconds per bar", fontsize=10)


def _single(axes: Any, table: pd.DataFrame) -> None:
    rows = table[table["median_us"].notna()]
    places = np.arange(len(rows))[::-1]
    for column, marker, label in (
        ("median_us", "o", "median"),
        ("p99_us", "|", "99th percentile"),
        ("max_us", "x", "largest"),
    ):
        axes.plot(rows[column], places, marker, color="#333333", label=label)
    for place, (_, row) in zip(places, rows.iterrows(), strict=True):
        axes.plot([row.median_us, row.p99_us], [place] * 2, color=COLOURS[row.who], lw=5, alpha=0.6)
        axes.text(row.median_us, place + 0.15, _plain(row.median_us), fontsize=8, ha="center")
    names = [
        f"{row.who}, "
        + (
            f"{row.features:.0f} features"
            if row.features > 0
            else f"{row.indicators:.0f} indicators"
        )
        for _, row in rows.iterrows()
    ]
    axes.set_yticks(places, names)
    axes.set_ylim(-0.6, len(rows) - 0.3)
    axes.set_xscale("log")
    axes.set_xlim(left=2.0)
    for limit, whose in ((LIVE_MEDIAN_US, "median"), (LIVE_P99_US, "p99")):
        axes.axvline(limit, color=LIMIT, ls=":", lw=1)
        text = f" limit of the {whose}"
        axes.text(limit, -0.55, text, color=LIMIT, fontsize=7, rotation=90, va="bottom")
    axes.legend(fontsize=8)
    axes.set_title("One live bar: microseconds", fontsize=10)


def _starts(axes: Any, table: pd.DataFrame) -> None:
    names = [f"{row.who}, {row.what}" for _, row in table.iterrows()]
    colours = [COLOURS.get(who, COLOURS["memory"]) for who in table["who"]]
    title = "From the start of a process to its end: seconds"
    _row_of_bars(axes, names, table["wall_seconds"].tolist(), colours, title)


PANELS: tuple[tuple[str, Callable[[Any, pd.DataFrame], None]], ...] = (
    ("batch", _many),
    ("bound", _bound),
    ("shared", _totals),
    ("live", _single),
    ("cold", _starts),
)
