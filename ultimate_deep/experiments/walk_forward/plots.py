"""Pictures of a walk-forward: the accounts of its paths, and what each fold brought."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.ticker import PercentFormatter

from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.experiments.walk_forward.judging import JudgedPart, JudgedWalk
from ultimate_deep.machine.counts import written
from ultimate_deep.market.times import utc_times

_MOST_PATHS = 40


def plot_walk_equity(
    judged: JudgedWalk, borders: Sequence[np.datetime64], *, simulated: bool
) -> str:
    """Equity after costs of the whole and of every path, beside buy and hold; SVG.

    Args:
        judged: Accounts to draw.
        borders: Where test parts begin, drawn as thin lines.
        simulated: Whether the bars are simulated.
    """
    figure, (axis,) = fig.new_figure(fig.WIDE, 4.0)
    axis.grid(False, axis="x")
    for border in date2num(list(borders)):
        axis.axvline(float(border), color=fig.GRID, linewidth=1)
    axis.axhline(1.0, color=fig.MUTED, linewidth=1)
    for path in judged.paths[:_MOST_PATHS]:
        if path is not judged.whole:
            _curve(axis, path.judged.backtest, fig.MODEL, width=1.0, alpha=0.35)
    held = judged.rivals[-1]
    _curve(
        axis, held.backtest, fig.REFERENCE, width=1.5, label=_label(held.name, held.backtest),
        line=fig.LINES[1],
    )  # fmt: skip
    account = judged.whole.judged.backtest
    name = "model" if len(judged.paths) == 1 else f"model, {judged.whole.name}"
    _curve(axis, account, fig.MODEL, width=1.8, label=_label(name, account))
    fig.date_axis(axis)
    title = "Equity out of sample, after costs"
    fig.label_axes(axis, title, "", "times the start", simulated=simulated)
    fig.add_legend(axis)
    said = fig.told([_label(name, account), _label(held.name, held.backtest)])
    return fig.to_svg(figure, "walk-equity", f"{title}: {said}")


def plot_fold_accuracy(folds: Sequence[JudgedPart], *, simulated: bool) -> str:
    """Accuracy of each fold with its interval, against its majority's; SVG."""
    figure, (axis,) = fig.new_figure(fig.WIDE, 1.4 + 0.34 * len(folds))
    for place, fold in enumerate(folds):
        interval = fold.verdict.accuracy
        ends = [interval.lower, interval.upper]
        axis.plot(ends, [place, place], color=fig.MODEL, linewidth=2.4, solid_capstyle="round")
        axis.plot([interval.estimate], [place], "o", color=fig.MODEL, markersize=7)
        axis.plot([fold.verdict.majority_accuracy], [place], "|", color=fig.BAD, markersize=14)
    axis.set_yticks(range(len(folds)), [fold.name for fold in folds], color=fig.INK)
    axis.set_ylim(len(folds) - 0.4, -0.6)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    title = "Accuracy by fold with its interval; upright: the majority's"
    fig.label_axes(axis, title, "", "", simulated=simulated)
    said = fig.told(
        f"{fold.name} {fold.verdict.accuracy.estimate:.1%} against "
        f"{fold.verdict.majority_accuracy:.1%}"
        for fold in folds
    )
    return fig.to_svg(figure, "walk-folds", f"Accuracy of each fold, and its majority's: {said}")


def _curve(
    axis: Axes,
    account: BacktestResult,
    colour: str,
    *,
    width: float,
    alpha: float = 1.0,
    label: str | None = None,
    line: fig.Line = "-",
) -> None:
    times = utc_times(account.index)
    kept = fig.thin(account.equity)
    axis.plot(
        times[kept], account.equity[kept], color=colour, linewidth=width, alpha=alpha,
        label=label, linestyle=line,
    )  # fmt: skip


def _label(name: str, account: BacktestResult) -> str:
    return f"{name}, {written(account.metrics['total_return'], '{:+.1%}')}"
