"""What the specification hoped for, beside what was measured here."""

import math
from dataclasses import dataclass
from html import escape
from typing import Literal

from ultimate_deep.evaluation.reporting.data import ReportData
from ultimate_deep.evaluation.reporting.grid import DASH, at, figure_of
from ultimate_deep.evaluation.reporting.page import section
from ultimate_deep.evaluation.significance.bootstrap import Interval

Answer = Literal["reached", "not reached", "open"]
TREES = "gradient boosting"  # the first phase was made of boosted trees
TRAINING, MOST_MINUTES = "training", 120.0


@dataclass(frozen=True, kw_only=True)
class Hope:
    """A figure that the specification expects.

    Args:
        title: Name of the figure in words.
        said: What is expected, in words.
        interval: Name of the measured interval in the assessment.
        least: Smallest value that would do.
        form: Format of the figure.
        metric: Name of the same figure among those of the trees on the same bars.
        trees_said: What the specification says that the trees of its first phase reached.
    """

    title: str
    said: str
    interval: str
    least: float
    form: str
    metric: str
    trees_said: str = DASH


HOPES = (
    Hope(
        title="directions that are right", said="more than 75%", interval="accuracy", least=0.75,
        form="{:.1%}", metric="accuracy",
    ),
    Hope(
        title="trades won", said="65% to 70%", interval="win_rate", least=0.65, form="{:.1%}",
        metric="win_rate", trees_said="63.4%",
    ),
    Hope(
        title="net Sharpe ratio a year", said="2 to 2.5", interval="sharpe", least=2.0,
        form="{:.2f}", metric="sharpe", trees_said="4.11",
    ),
    Hope(
        title="net Sortino ratio a year", said="3 to 3.5", interval="sortino", least=3.0,
        form="{:.2f}", metric="sortino", trees_said="5.61",
    ),
)  # fmt: skip


def reached(interval: Interval, least: float) -> Answer:
    """Return whether an interval lies above what is hoped for, below it, or holds it."""
    if interval.lower >= least:
        return "reached"
    return "not reached" if interval.upper < least else "open"


def hopes_section(data: ReportData) -> str:
    """Return the table of hopes; nothing without an assessment."""
    if data.assessment is None:
        return ""
    names = [one.name for one in data.contenders]
    trees = names.index(TREES) if TREES in names else None
    rows = ""
    for hope in HOPES:
        interval, here = data.assessment.intervals[hope.interval], at(
            "assessment/intervals", hope.interval
        )  # fmt: skip
        estimate, lower, upper = (
            figure_of(at(here, side), getattr(interval, side), hope.form)
            for side in ("estimate", "lower", "upper")
        )
        rows += _row(
            hope.title,
            hope.said,
            f"{estimate}<small>{lower} to {upper}</small>",
            _answer(data, interval, hope.least),
            *((hope.trees_said, _of_trees(data, trees, hope)) if trees is not None else ()),
        )
    rows += _training(data, trees is not None)
    note = ", simulated bars" if data.simulated else ""
    beside = "<th>trees, it says</th><th>trees here</th>" if trees is not None else ""
    return section(
        "What the specification hoped for",
        f'<div class="scroll"><table><caption>{data.part.capitalize()}{note}</caption>'
        f"<thead><tr><th></th><th>hoped for</th><th>measured</th><th></th>{beside}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>",
        hint="Reached where the whole interval lies at or above the hope, not reached where all of "
        "it lies below, else open. An edge does not need these figures.",
    )


def _answer(data: ReportData, interval: Interval, least: float) -> str:
    """Return the word for a hope; none where bars of training are among those judged."""
    if data.verdict.evidence.seen:
        return "no test"
    return DASH if math.isnan(interval.lower) else reached(interval, least)


def _row(title: str, *cells: str) -> str:
    return f"<tr><td>{escape(title)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _of_trees(data: ReportData, place: int, hope: Hope) -> str:
    """Return the figure of the boosted trees that are judged on the same bars."""
    value = data.contenders[place].metrics.get(hope.metric)
    return figure_of(at("contenders", place, "metrics", hope.metric), value, hope.form)


def _training(data: ReportData, beside_trees: bool) -> str:
    """Return the row of the minutes of training; nothing where nothing was trained."""
    spent = data.origin.seconds.get(TRAINING) if data.origin is not None else None
    if spent is None:
        return ""
    return _row(
        "minutes of training",
        "less than 120, once 600",
        figure_of(at("origin/seconds", TRAINING), spent, "{:,.1f}", scale=1.0 / 60.0),
        "reached" if spent < 60.0 * MOST_MINUTES else "not reached",
        *((DASH, DASH) if beside_trees else ()),
    )
