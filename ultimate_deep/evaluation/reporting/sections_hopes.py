"""What the specification hoped for, beside what was measured here."""

from dataclasses import dataclass
from html import escape
from typing import Literal

from ultimate_deep.evaluation.reporting.data import ReportData
from ultimate_deep.evaluation.reporting.grid import DASH, at, figure_of
from ultimate_deep.evaluation.reporting.page import section
from ultimate_deep.evaluation.significance.bootstrap import Interval

Answer = Literal["reached", "not reached", "open"]


@dataclass(frozen=True, kw_only=True)
class Hope:
    """A figure that the specification expects.

    Args:
        title: Name of the figure in words.
        said: What is expected, in words.
        interval: Name of the measured interval in the assessment.
        least: Smallest value that would do.
        form: Format of the figure.
    """

    title: str
    said: str
    interval: str
    least: float
    form: str


HOPES = (
    Hope(
        title="directions that are right", said="more than 75%", interval="accuracy", least=0.75,
        form="{:.1%}",
    ),
    Hope(
        title="trades won", said="65% to 70%", interval="win_rate", least=0.65, form="{:.1%}",
    ),
    Hope(title="net Sharpe ratio a year", said="2 to 2.5", interval="sharpe", least=2.0,
         form="{:.2f}"),
    Hope(title="net Sortino ratio a year", said="3 to 3.5", interval="sortino", least=3.0,
         form="{:.2f}"),
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
    rows = ""
    for hope in HOPES:
        interval, here = data.assessment.intervals[hope.interval], at(
            "assessment/intervals", hope.interval
        )  # fmt: skip
        estimate, lower, upper = (
            figure_of(at(here, side), getattr(interval, side), hope.form)
            for side in ("estimate", "lower", "upper")
        )
        known = interval.lower == interval.lower  # NaN is not
        word = reached(interval, hope.least) if known else DASH
        rows += (
            f"<tr><td>{escape(hope.title)}</td><td>{escape(hope.said)}</td>"
            f"<td>{estimate}<small>{lower} to {upper}</small></td><td>{word}</td></tr>"
        )
    note = ", simulated bars" if data.simulated else ""
    return section(
        "What the specification hoped for",
        f'<div class="scroll"><table><caption>Test part{note}</caption><thead><tr><th></th>'
        f"<th>hoped for</th><th>measured</th><th></th></tr></thead><tbody>{rows}</tbody></table>"
        "</div>",
        hint="Reached where the whole interval lies at or above the hope, not reached where all of "
        "it lies below, else open. An edge does not need these figures.",
    )
