"""What each figure is called, how it is written, and what it means: in one place for all."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ultimate_deep.evaluation.assessment import Assessment
from ultimate_deep.evaluation.significance.bootstrap import Interval

Of = Literal["decisions", "bars", "trades"]
_OF_ACCOUNT: Of = "bars"
_TIMES = "times"


@dataclass(frozen=True)
class Headline:
    """How one figure is named and written, what it means, and what no skill would show.

    Args:
        title: Name that people read.
        form: Format of the number, such as `{:.2%}`.
        means: Definition in a sentence.
        of: What is counted or averaged.
        unit: Unit of the stored value.
        no_skill: Value that no skill would show; None where there is none.
        least_is_best: Whether smaller values are better.
    """

    title: str
    form: str
    means: str
    of: Of = "decisions"
    unit: str = "share"
    no_skill: float | None = None
    least_is_best: bool = False


def _decided(title: str, form: str, means: str, **options: Any) -> Headline:
    return Headline(title, form, means, **options)


def _of_account(title: str, form: str, means: str, **options: Any) -> Headline:
    return Headline(title, form, means, _OF_ACCOUNT, **options)


def _of_trades(title: str, form: str, means: str, **options: Any) -> Headline:
    return Headline(title, form, means, "trades", **options)


HEADLINES: dict[str, Headline] = {
    "rows": _decided(
        "labelled rows", "{:,.0f}", "Decisions whose label is known, flat ones left out.",
        unit="count",
    ),
    "accuracy": _decided(
        "accuracy", "{:.2%}", "Share of decisions on the side that came.",
    ),
    "advantage": _decided(
        "accuracy above the majority's", "{:+.2%}",
        "Accuracy less that of always naming the class that most training labels had.",
        no_skill=0.0,
    ),
    "balanced_accuracy": _decided(
        "balanced accuracy", "{:.2%}", "Mean of the accuracies where the price rose and fell.",
        no_skill=0.5,
    ),
    "roc_auc": _decided(
        "AUC", "{:.3f}", "Share of pairs of an up and a down in which the up is ranked higher.",
        no_skill=0.5,
    ),
    "information_coefficient": _decided(
        "information coefficient", "{:+.4f}", "Correlation of probability and return.",
        unit="correlation", no_skill=0.0,
    ),
    "rank_information_coefficient": _decided(
        "rank information coefficient", "{:+.4f}", "Correlation of their ranks.",
        unit="correlation", no_skill=0.0,
    ),
    "log_loss": _decided(
        "log loss", "{:.4f}", "Mean of minus the log of the probability of what came.",
        unit="nats", no_skill=math.log(2.0), least_is_best=True,
    ),
    "brier": _decided(
        "Brier score", "{:.4f}", "Mean squared distance of the probability from 0 or 1.",
        no_skill=0.25, least_is_best=True,
    ),
    "ece": _decided(
        "calibration error", "{:.4f}", "Mean distance of forecast and frequency, in ten bins.",
        least_is_best=True,
    ),
    "expected_accuracy": _decided(
        "expected accuracy", "{:.2%}",
        "Accuracy over all labels that could have come, by the simulator's own probabilities.",
    ),
    "oracle_accuracy": _decided(
        "oracle's accuracy", "{:.2%}", "The same of whoever knows the simulator's probabilities.",
    ),
    "share_of_edge": _decided(
        "share of edge", "{:.0%}",
        "Expected accuracy above one half, as a share of the oracle's in this market.",
        no_skill=0.0,
    ),
    "threshold": _decided(
        "threshold", "{:.3f}", "Least probability of the side taken.",
    ),
    "coverage": _decided(
        "decisions traded", "{:.1%}", "Share of decisions that take a side.",
    ),
    "sharpe": _of_account(
        "net Sharpe a year", "{:.2f}",
        "Mean net return per bar over its deviation, times the root of the bars in a year.",
        unit="per year", no_skill=0.0,
    ),
    "sortino": _of_account(
        "net Sortino a year", "{:.2f}",
        "The same over the root mean square of the losing bars.", unit="per year", no_skill=0.0,
    ),
    "mean_return_net_bps": _of_account(
        "net return per bar, bps", "{:+.3f}", "Mean net return per bar after costs.",
        unit="bps", no_skill=0.0,
    ),
    "total_return": _of_account(
        "net return", "{:+,.1%}", "Final equity over the first, less one, after costs.",
        no_skill=0.0,
    ),
    "total_return_gross": _of_account(
        "return before costs", "{:+,.1%}", "The same without costs.", no_skill=0.0,
    ),
    "annual_return": _of_account(
        "net return a year", "{:+,.1%}", "The net return compounded to a year.", no_skill=0.0,
    ),
    "annual_volatility": _of_account(
        "volatility a year", "{:.1%}",
        "Deviation of net returns per bar, times the root of the bars in a year.",
    ),
    "max_drawdown": _of_account(
        "max drawdown", "{:.1%}", "Largest fall from a highest equity.", least_is_best=True,
    ),
    "turnover": _of_account(
        "turnover, times equity", "{:,.1f}", "What was traded, over the equity of its time.",
        unit=_TIMES,
    ),
    "annual_turnover": _of_account(
        "turnover a year", "{:,.0f}", "The same in a year.", unit=_TIMES,
    ),
    "exposure": _of_account("exposure", "{:.0%}", "Mean size of the position."),
    "cost_paid": _of_account(
        "costs, of starting capital", "{:.2%}", "All costs over what the account began with.",
    ),
    "bars": _of_account("bars", "{:,.0f}", "Bars of the account.", unit="count"),
    "trades": _of_trades(
        "trades", "{:,.0f}", "Positions from entry to exit, or to the other side.", unit="count",
    ),
    "win_rate": _of_trades("trades won", "{:.1%}", "Share of trades above zero after costs."),
    "profit_factor": _of_trades(
        "profit factor", "{:.2f}", "Gains of the winning trades over losses of the others.",
        unit="ratio", no_skill=1.0,
    ),
    "average_trade_bps": _of_trades(
        "net return per trade, bps", "{:+.2f}", "Mean net return of a trade.", unit="bps",
        no_skill=0.0,
    ),
    "average_trade_bars": _of_trades(
        "bars per trade", "{:,.1f}", "Mean length of a trade.", unit="bars",
    ),
}  # fmt: skip


def headline(name: str) -> Headline:
    """Return how to show the figure; a plain form for one that is not listed."""
    return HEADLINES.get(name, Headline(name.replace("_", " "), "{:.4g}", "", unit=""))


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a judged model, made once.

    Args:
        name: Name in tables and files.
        title: Name that people read.
        value: The figure itself; NaN where undefined.
        unit: Unit of the value.
        interval: Bounds with their level; None where it has none.
        of: What it was computed on.
        rows: How many of those there were.
        means: Definition in a sentence.
    """

    name: str
    title: str
    value: float
    unit: str
    interval: Interval | None
    of: Of
    rows: int
    means: str


def figures_of(
    metrics: Mapping[str, float], assessment: Assessment | None = None
) -> dict[str, Figure]:
    """Return the figures of a judged model by name.

    Args:
        metrics: Figures of the model's decisions and account.
        assessment: Holds the intervals, and those figures that only have one.
    """
    intervals = assessment.intervals if assessment is not None else {}
    counts = {
        "decisions": metrics.get("rows", 0.0),
        "bars": metrics.get("bars", 0.0),
        "trades": metrics.get("trades", 0.0),
    }
    found = {}
    for name in dict.fromkeys((*metrics, *intervals)):
        shown, interval = headline(name), intervals.get(name)
        value = metrics[name] if name in metrics else intervals[name].estimate
        found[name] = Figure(
            name=name,
            title=shown.title,
            value=float(value),
            unit=shown.unit,
            interval=interval,
            of=shown.of,
            rows=int(counts[shown.of]),
            means=shown.means,
        )
    return found
