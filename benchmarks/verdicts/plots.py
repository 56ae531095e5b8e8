"""Verdicts drawn: bounds of every market, and how often an edge was claimed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd

from ultimate_deep.evaluation.verdicts.claims import ClaimRate

COLOURS = {False: "#c97b3d", True: "#1f6f8b"}
NAMES = {False: "without an edge", True: "with a tradeable edge"}
LIMIT = "#b02a30"


def draw(table: pd.DataFrame, rates: Sequence[tuple[str, ClaimRate]], path: Path) -> None:
    """Draw the markets' bounds and the rates of claims to a PNG.

    Args:
        table: One row per market.
        rates: Name of a group of markets and its rate, in order from above.
        path: Path of the PNG.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.2), layout="constrained")
    _bounds(left, table)
    _rates(right, rates)
    figure.suptitle(
        f"Verdicts on {len(table)} simulated markets of {int(table['rows'].iloc[0]):,} hourly bars"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bounds(axes: Any, table: pd.DataFrame) -> None:
    for has_edge, group in table.groupby(table["edge"] > 0):
        for claimed, part in group.groupby(group["verdict"] == "edge"):
            said = "called an edge" if claimed else "not called one"
            axes.scatter(
                100 * part["advantage_lower"],
                part["net_bps_lower"],
                s=18,
                alpha=0.75,
                marker="o" if claimed else "x",
                color=COLOURS[bool(has_edge)],
                label=f"{NAMES[bool(has_edge)]}, {said} ({len(part)})",
            )
    axes.axhline(0, color=LIMIT, linewidth=1)
    axes.axvline(0, color=LIMIT, linewidth=1)
    axes.set_xlabel("lower bound of accuracy above the majority's, points")
    axes.set_ylabel("lower bound of net return, bps per bar")
    axes.set_title(
        "Two of the figures behind them; the second is asked, the first is not", fontsize=10
    )
    axes.legend(loc="lower right", fontsize=9)


def _rates(axes: Any, rates: Sequence[tuple[str, ClaimRate]]) -> None:
    names = []
    for place, (name, rate) in enumerate(rates):
        names.append(f"{name} ({rate.claims} of {rate.markets})")
        below, above = 100 * (rate.rate - rate.lower), 100 * (rate.upper - rate.rate)
        axes.errorbar(
            100 * rate.rate,
            -place,
            xerr=[[below], [above]],
            fmt="o",
            capsize=3,
            color=COLOURS[rate.has_edge],
        )
        designed = 100 * rate.designed_rate
        axes.plot([designed, designed], [-place - 0.3, -place + 0.3], color=LIMIT, linewidth=1.5)
    axes.set_yticks([-place for place in range(len(names))], names)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("markets with a claim, % (exact 95% intervals; red: designed)")
    axes.set_title("How often an edge is claimed", fontsize=10)
