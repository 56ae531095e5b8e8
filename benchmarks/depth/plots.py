"""The tables drawn."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from benchmarks.depth.targets import (
    BILLION_GIB,
    MILLION_GIB,
    activation_slopes,
    step_rates,
    tracing_overheads,
)

OURS, PEER, LIMIT = "#1f6f8b", "#c97b3d", "#b02a30"
MEMORY_COLOURS = {"reversible": "#1f6f8b", "checkpoint": "#5aa469", "store": "#7a5195"}
PEER_NAMES = {
    "plain": "plain Keras layers",
    "remat": "keras.remat",
    "remat_scope": "keras.RematScope",
    "scan": "jax.lax.scan",
    "scan_checkpoint": "jax.lax.scan + checkpoint",
}
PEER_COLOURS = {
    "plain": "#c97b3d",
    "remat": "#e0a96d",
    "remat_scope": "#a35d2a",
    "scan": "#8c8c8c",
    "scan_checkpoint": "#4d4d4d",
}
MARKERS = {"graph": "s", "XLA": "o"}


def draw(case: str, table: pd.DataFrame, path: Path) -> None:
    """Draw a case's table to a PNG."""
    figure = DRAWINGS[case](table)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _name(row: Any) -> str:
    if row["net"].startswith("scan"):
        return PEER_NAMES[row["net"]]
    name = PEER_NAMES.get(row["net"]) or f"stack, {row['coupling']}, {row['memory']}"
    if row.get("normalization", "layer") not in ("layer", ""):
        name += f", {row['normalization']} norm"
    return f"{name}, JAX" if row.get("backend") == "jax" else f"{name}, {row['compiler']}"


def _bars(axes: Any, table: pd.DataFrame, column: str, title: str, *, log: bool = True) -> None:
    """Horizontal bars with their values; a missing one shows its error's beginning."""
    names = [_name(row) for _, row in table.iterrows()]
    values = table[column].to_numpy(float) if column in table else np.full(len(table), math.nan)
    colours = [OURS if net == "stack" else PEER for net in table["net"]]
    places = np.arange(len(table))[::-1]
    axes.barh(places, np.nan_to_num(values), color=colours, height=0.7)
    axes.set_yticks(places, names)
    least, most = np.nanmin(values), np.nanmax(values)
    if log:
        axes.set_xscale("log")
        axes.set_xlim(least / 2, most * 4)
    else:
        axes.set_xlim(0, most * 1.25)
    left = axes.get_xlim()[0]
    errors = table["error"].fillna("") if "error" in table else pd.Series("", table.index)
    for place, value, error in zip(places, values, errors, strict=True):
        if math.isnan(value):
            text = error if len(error) < 44 else error[:41] + "..."
            axes.text(left, place, f" {text}", va="center", fontsize=7, color=LIMIT)
        else:
            axes.text(value, place, f" {value:.3g}", va="center", fontsize=8)
    axes.set_title(title)
    _clean(axes)


def _clean(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, which="major", axis="both", alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _first_step(table: pd.DataFrame) -> Any:
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(13, 0.34 * len(table) + 1.4), layout="constrained", sharey=True
    )
    _bars(left, table, "first_step_seconds", "to the first step's loss, s")
    _bars(right, table, "step_seconds", "a later step, s")
    _head(figure, table.iloc[0], "First step: building, tracing, compiling and one Adam step")
    return figure


def _depth_tracing(table: pd.DataFrame) -> Any:
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    overheads = tracing_overheads(table)
    for _, rows in overheads.groupby(["net", "compiler", "coupling", "memory"], sort=False):
        rows = rows.sort_values("depth")
        _line(axes, rows, "overhead_seconds")
    axes.set_xlabel("blocks")
    axes.set_ylabel("seconds to the first step, less one steady step")
    _log_log(axes)
    # Never so close that noise looks like a slope.
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.5), max(high, 50))
    _head(figure, table.iloc[0], "Building, tracing and compiling against depth", depth=False)
    return figure


def _memory(table: pd.DataFrame) -> Any:
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    slopes = activation_slopes(table)
    slopes = slopes[slopes["kib_per_row"] > 0]
    for _, rows in slopes.groupby(["net", "compiler", "coupling", "memory"], sort=False):
        _line(axes, rows.sort_values("depth"), "kib_per_row")
    root = slopes[slopes["memory"] == "checkpoint"].sort_values("depth")
    if len(root):
        first = root.iloc[0]
        law = first["kib_per_row"] * np.sqrt(root["depth"] / first["depth"])
        axes.plot(root["depth"], law, ":", color="black", linewidth=1, label="square-root law")
    axes.set_xlabel("blocks")
    axes.set_ylabel("peak memory per row of the batch, KiB")
    _log_log(axes)
    _head(figure, table.iloc[0], "Activation memory against depth", depth=False, batch=False)
    return figure


def _run(title: str, limit_gib: float) -> Callable[[pd.DataFrame], Any]:
    def drawing(table: pd.DataFrame) -> Any:
        figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
        for _, row in table.iterrows():
            losses = str(row.get("losses", "nan")).split()
            colour = _colour(row)
            steps = range(1, len(losses) + 1)
            axes[0].plot(steps, [float(v) for v in losses], "o-", color=colour, label=_name(row))
        axes[0].set_xlabel("step")
        axes[0].set_title("loss")
        axes[0].legend(fontsize=7, frameon=False)
        _clean(axes[0])
        if table.get("peak_gib", pd.Series(dtype=float)).notna().any():
            _bars(axes[1], table, "peak_gib", "peak memory, GiB", log=False)
            axes[1].set_xlim(0, max(limit_gib, table["peak_gib"].max()) * 1.2)
            axes[1].axvline(limit_gib, color=LIMIT, linewidth=1, linestyle="--")
            _bars(axes[2], table, "step_seconds", "a step, s", log=False)
            axes[2].set_yticklabels([])
        _head(figure, table.iloc[0], title)
        return figure

    return drawing


def _throughput(table: pd.DataFrame) -> Any:
    rates = step_rates(table)
    shapes = list(dict.fromkeys(zip(rates["width"], rates["batch"], strict=True)))
    columns = min(3, len(shapes))
    rows_of_axes = -(-len(shapes) // columns)
    figure, axes = plt.subplots(
        rows_of_axes,
        columns,
        figsize=(4.2 * columns + 2, 3.6 * rows_of_axes + 0.8),
        layout="constrained",
        sharey=True,
        squeeze=False,
    )
    for axis in axes.flat[len(shapes) :]:
        axis.set_visible(False)
    products = table[table["net"] == "matrix product"]
    for axis, (width, batch) in zip(axes.flat, shapes, strict=False):
        rows = rates[(rates["width"] == width) & (rates["batch"] == batch)].reset_index()
        _bars(axis, rows, "gflops", f"width {width}, batch {batch}", log=False)
        same = products[(products["width"] == width) & (products["batch"] == batch)]
        axis.axvline(products["best_gflops"].max(), color=LIMIT, linewidth=1)
        axis.axvline(same["same_shape_gflops"].max(), color=LIMIT, linewidth=1, linestyle=":")
        axis.set_xlim(0, max(products["best_gflops"].max(), rows["gflops"].max()) * 1.25)
    figure.supxlabel("GFLOP/s in the matrix products that the mode runs", fontsize=10)
    figure.suptitle(
        "Rate of matrix products in a training step; lines: tf.matmul at its best (solid) and "
        "at this shape (dotted)",
        fontsize=11,
    )
    return figure


def _gradients(table: pd.DataFrame) -> Any:
    figure, axes = plt.subplots(figsize=(9, 0.3 * len(table) + 1.6), layout="constrained")
    places = np.arange(len(table))[::-1]
    exact = table["exact"].astype(bool)
    colours = [MEMORY_COLOURS[memory] for memory in table["memory"]]
    axes.barh(places, table["gradient_error"], color=colours, height=0.7)
    names = [
        f"{row['coupling']}, {row['memory']}{', exact' if row['exact'] else ''}, {row['compiler']}"
        for _, row in table.iterrows()
    ]
    axes.set_yticks(places, names)
    axes.set_xscale("log")
    least, most = table["gradient_error"].min(), table["gradient_error"].max()
    axes.set_xlim(least / 3, most * 60)
    for place, row, rounds in zip(places, table.to_dict("records"), exact, strict=True):
        text = f" {row['gradient_error']:.2g}"
        if rounds and row["memory"] != "store":
            text += ", bits of store" if row["equal_to_store"] else ", other bits than store"
        axes.text(row["gradient_error"], place, text, va="center", fontsize=8)
    axes.set_xlabel("relative error of all weights' gradients against float64")
    _clean(axes)
    _head(figure, table.iloc[0], "Gradients with dropout and stochastic depth")
    return figure


def _saving(table: pd.DataFrame) -> Any:
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(table) + 1.5), layout="constrained")
    places = np.arange(len(table))[::-1]
    left = np.zeros(len(table))
    for part, colour in (("save", "#1f6f8b"), ("load", "#5aa469"), ("predict", "#c97b3d")):
        seconds = table[f"{part}_seconds"].to_numpy(float)
        axes.barh(places, seconds, left=left, color=colour, height=0.6, label=part)
        left = left + np.nan_to_num(seconds)
    names = [f".{row['format']}, width {row['width']}" for _, row in table.iterrows()]
    axes.set_yticks(places, names)
    axes.set_xlabel("seconds, imports apart")
    axes.legend(fontsize=8, frameon=False)
    _clean(axes)
    _head(figure, table.iloc[0], "Save, load in a fresh process, predict", batch=False)
    return figure


def _colour(row: Any) -> str:
    return PEER_COLOURS.get(row["net"]) or MEMORY_COLOURS[row["memory"]]


def _line(axes: Any, rows: pd.DataFrame, column: str) -> None:
    first = rows.iloc[0]
    axes.plot(
        rows["depth"],
        rows[column],
        linestyle="--" if first["compiler"] == "graph" else "-",
        marker=MARKERS[first["compiler"]],
        markersize=5,
        color=_colour(first),
        label=_name(first),
    )


def _log_log(axes: Any) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _clean(axes)


def _head(figure: Any, row: Any, title: str, *, depth: bool = True, batch: bool = True) -> None:
    parts = [f"{row['depth']:,} blocks"] if depth else []
    parts.append(f"width {row['width']}")
    parts += [f"batch {row['batch']}"] if batch and "batch" in row else []
    figure.suptitle(f"{title} ({', '.join(parts)})", fontsize=11)


DRAWINGS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "first_step": _first_step,
    "depth_tracing": _depth_tracing,
    "memory": _memory,
    "million": _run("Training the deepest net", MILLION_GIB),
    "billion": _run("Training the largest net", BILLION_GIB),
    "throughput": _throughput,
    "gradients": _gradients,
    "saving": _saving,
}
