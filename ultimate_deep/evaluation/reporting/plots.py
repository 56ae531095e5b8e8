"""The report's plots, each an `<svg>` string. Empty or undefined data gives a sentence instead."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.measures.metrics import (
    drawdown,
    reliability,
    roc_auc,
    roc_curve,
    threshold_sweep,
)
from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.evaluation.reporting.data import Contender, Predictions, ReportData
from ultimate_deep.market.times import utc_times

_LEAST_TRADES = 20  # fewer trades than this give no win rate worth drawing

_VALIDATION = "validation_"
_CURVES = ("loss", "learning_rate")


def plot_contenders(contenders: Sequence[Contender], majority: float, *, simulated: bool) -> str:
    """Accuracy with its interval for every contender, against the majority's."""
    shown = [c for c in contenders if np.isfinite(c.metrics.get("accuracy", np.nan))]
    figure, (axis,) = fig.new_figure(9.2, 1.3 + 0.38 * max(len(shown), 1))
    for place, contender in enumerate(reversed(shown)):
        colour = fig.MODEL if contender is contenders[0] else fig.REFERENCE
        accuracy = contender.metrics["accuracy"]
        if contender.accuracy is not None:
            ends = [contender.accuracy.lower, contender.accuracy.upper]
            axis.plot(ends, [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
        axis.plot([accuracy], [place], "o", color=colour, markersize=7)
    axis.set_yticks(range(len(shown)), [c.name for c in reversed(shown)], color=fig.INK)
    axis.set_ylim(-0.7, max(len(shown), 1) - 0.3)
    axis.axvline(majority, color=fig.BAD, linewidth=1.4, linestyle=(0, (4, 3)))
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    title = "Accuracy on the test part, dashed: the majority's"
    fig.label_axes(axis, title, "", "", simulated=simulated)
    return fig.to_svg(figure, "contenders", "Accuracy with interval of model and baselines")


def plot_learning_curves(history: pd.DataFrame, *, simulated: bool) -> str:
    """One panel per measured quantity: training and `validation_` curves of one name together."""
    numeric = history.select_dtypes("number")
    quantities = list(
        dict.fromkeys(
            str(name).removeprefix(_VALIDATION)
            for name in numeric.columns
            if str(name) in _CURVES or str(name).startswith(_VALIDATION)
        )
    )[:3]
    figure, axes = fig.new_figure(9.2, 3.1, columns=max(len(quantities), 1))
    epochs = np.arange(1, len(history) + 1)
    mark = "o" if len(history) < 30 else ""
    for axis, quantity in zip(axes, quantities, strict=False):
        for name, colour, label in (
            (quantity, fig.MODEL, "training"),
            (_VALIDATION + quantity, fig.VALIDATION, "validation"),
        ):
            if name in numeric.columns:
                axis.plot(epochs, numeric[name], color=colour, marker=mark, ms=4, label=label)
        if quantity != "learning_rate":
            fig.add_legend(axis)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        title = quantity.replace("_", " ")
        title = "AUC" if title == "auc" else title.capitalize()
        fig.label_axes(axis, title, "epoch", "", simulated=simulated, size=10.0)
    return fig.to_svg(figure, "learning", "Learning curves by epoch")


def plot_roc(test: Predictions, validation: Predictions | None, *, simulated: bool) -> str:
    """True against false positives, validation and test."""
    figure, (axis,) = fig.new_figure(4.5, 4.2)
    axis.plot([0, 1], [0, 1], color=fig.MUTED, linewidth=1, linestyle=(0, (4, 3)))
    for part, name, colour in _parts(test, validation):
        rows = part.judged
        area = roc_auc(part.label[rows], part.probability[rows]) if rows.any() else np.nan
        if np.isnan(area):
            continue
        curve = roc_curve(part.label[rows], part.probability[rows])
        distance = curve.true_positive_rate - curve.false_positive_rate
        kept = fig.thin(distance, 800)
        x, y = curve.false_positive_rate[kept], curve.true_positive_rate[kept]
        axis.plot(x, y, color=colour, linewidth=1.8, label=f"{name}, AUC {area:.3f}")
    if len(axis.lines) == 1:
        fig.say(axis, "undefined:\nonly one class of labels")
    axis.set_aspect("equal")
    fig.label_axes(axis, "ROC", "false positive rate", "true positive rate", simulated=simulated)
    fig.add_legend(axis, "lower right")
    return fig.to_svg(figure, "roc", "ROC curve")


def plot_calibration(test: Predictions, *, temperature: float, simulated: bool) -> str:
    """Forecast against frequency on the test part, before and after the temperature."""
    figure, (axis,) = fig.new_figure(4.5, 4.2)
    rows = test.judged
    if not rows.any():
        fig.say(axis, "no judged rows")
    else:
        low, high = 1.0, 0.0
        after = f"after, T = {temperature:.3g}"
        for values, name, colour, mark in (
            (test.probability_raw, "before", fig.REFERENCE, "s"),
            (test.probability, after, fig.MODEL, "o"),
        ):
            table = reliability(test.label[rows], values[rows], bins=10)
            error = 2.0 * np.sqrt(0.25 / table["rows"])
            axis.errorbar(
                table["probability"], table["frequency"], error, color=colour, label=name,
                marker=mark, markersize=5, linewidth=1.5, elinewidth=0.8,
            )  # fmt: skip
            low = min(low, table["probability"].min(), table["frequency"].min())
            high = max(high, table["probability"].max(), table["frequency"].max())
        axis.plot([low, high], [low, high], color=fig.MUTED, linewidth=1, linestyle=(0, (4, 3)))
        fig.add_legend(axis, "upper left")
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(PercentFormatter(1.0))
    fig.label_axes(axis, "Calibration", "forecast of up", "share of ups", simulated=simulated)
    return fig.to_svg(figure, "calibration", "Calibration before and after the temperature")


def plot_threshold_sweep(data: ReportData) -> str:
    """Share of decisions won and mean net return against those kept, validation and test."""
    figure, axes = fig.new_figure(9.2, 3.5, columns=2)
    panels = (
        ("win_rate", "Decisions won after costs"),
        ("net_return_bps", "Net return of each, bps"),
    )
    for part, name, colour in _parts(data.test, data.validation):
        if not len(part.probability):
            continue
        table = threshold_sweep(part.probability, part.return_log, mode=data.mode, costs=data.costs)
        table = table[table["trades"] >= _LEAST_TRADES]
        chosen = threshold_sweep(
            part.probability, part.return_log, mode=data.mode, costs=data.costs,
            thresholds=[data.threshold],
        )  # fmt: skip
        for axis, (column, _) in zip(axes, panels, strict=True):
            axis.plot(table["coverage"], table[column], color=colour, linewidth=1.8, label=name)
            axis.plot(chosen["coverage"], chosen[column], "o", color=colour, markersize=8)
    for axis, (column, title) in zip(axes, panels, strict=True):
        if not any(np.size(line.get_xdata()) > 1 for line in axis.lines):
            fig.say(axis, f"no threshold keeps {_LEAST_TRADES} trades")
        axis.axhline(0.5 if column == "win_rate" else 0.0, color=fig.MUTED, linewidth=1)
        axis.xaxis.set_major_formatter(PercentFormatter(1.0))
        axis.set_xlim(left=0)
        fig.label_axes(axis, title, "decisions kept", "", simulated=data.simulated)
    axes[0].yaxis.set_major_formatter(PercentFormatter(1.0))
    fig.add_legend(axes[0])
    return fig.to_svg(
        figure, "sweep", "Threshold sweep: decisions won and return against those kept"
    )


def plot_probabilities(data: ReportData) -> str:
    """How sure the model is: its test probabilities, and from where on it trades."""
    figure, (axis,) = fig.new_figure(9.2, 2.5)
    values = fig.finite(data.test.probability)
    if len(values):
        axis.hist(values, bins=60, color=fig.MODEL, alpha=0.75)
        lines = [data.threshold] + ([1 - data.threshold] if data.mode == "long_short" else [])
        for line in lines:
            axis.axvline(line, color=fig.BAD, linewidth=1.4, linestyle=(0, (4, 3)))
        axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    else:
        fig.say(axis, "no predictions")
    title = f"Probabilities of up, traded from {data.threshold:.3f}"
    fig.label_axes(axis, title, "", "decisions", simulated=data.simulated)
    return fig.to_svg(figure, "probabilities", "Histogram of test probabilities")


def plot_equity(
    backtest: BacktestResult, buy_and_hold: BacktestResult | None, *, simulated: bool
) -> str:
    """Equity and drawdown after costs, model beside buy and hold."""
    figure, axes = fig.new_figure(9.2, 5.0, rows=2, height_ratios=[2.4, 1.0])
    accounts = [(buy_and_hold, "buy and hold", fig.REFERENCE)] if buy_and_hold else []
    for account, name, colour in [*accounts, (backtest, "model", fig.MODEL)]:
        stamps, fall = utc_times(account.index), -drawdown(account.equity)
        kept = np.union1d(fig.thin(account.equity), fig.thin(fall))
        label = f"{name}, {account.metrics['total_return']:+.1%}"
        axes[0].plot(stamps[kept], account.equity[kept], color=colour, linewidth=1.5, label=label)
        axes[1].plot(stamps[kept], fall[kept], color=colour, linewidth=1.0)
        axes[1].fill_between(stamps[kept], fall[kept], 0, color=colour, alpha=0.15, linewidth=0)
    axes[0].axhline(1.0, color=fig.MUTED, linewidth=1)
    axes[1].yaxis.set_major_formatter(PercentFormatter(1.0))
    title = "Equity on the test part after costs"
    fig.label_axes(axes[0], title, "", "times the start", simulated=simulated)
    fig.label_axes(axes[1], "Drawdown", "", "", simulated=simulated)
    axes[0].sharex(axes[1])
    fig.date_axis(axes[1])
    axes[0].tick_params(labelbottom=False)
    axes[0].xaxis.get_offset_text().set_visible(False)
    fig.add_legend(axes[0], "upper left")
    return fig.to_svg(figure, "equity", "Equity and drawdown of the model and of buy and hold")


def plot_attention(
    weights: np.ndarray, units: Sequence[str], *, simulated: bool
) -> str:  # (heads, units)
    """Heat map of attention weights, heads by units."""
    heads, count = weights.shape
    figure, (axis,) = fig.new_figure(9.2, 1.7 + 0.36 * heads)
    top = float(weights.max()) or 1.0
    axis.grid(False)
    for row in range(heads):
        for column in range(count):
            share = float(weights[row, column])
            axis.add_patch(_cell(column, row, share / top))
            if count <= 16:
                axis.text(
                    column, row, f"{100 * share:.0f}", ha="center", va="center",
                    fontsize=9.5, color=fig.PANEL if share / top > 0.55 else fig.INK,
                )  # fmt: skip
    axis.set_xlim(-0.5, count - 0.5)
    axis.set_ylim(heads - 0.5, -0.5)
    names = list(units) or [str(unit + 1) for unit in range(count)]
    step = max(1, count // 24)
    axis.set_xticks(range(0, count, step), names[::step], color=fig.INK)
    if max(len(name) for name in names) > 6:
        axis.tick_params(axis="x", rotation=35)
    axis.set_yticks(range(heads), [f"head {head + 1}" for head in range(heads)], color=fig.INK)
    title = "Attention over the units, percent of each head, mean over the test part"
    fig.label_axes(axis, title, "", "", simulated=simulated)
    return fig.to_svg(figure, "attention", "Attention weights by head and unit")


def _cell(column: int, row: int, shade: float) -> Rectangle:
    return Rectangle(
        (column - 0.47, row - 0.46), 0.94, 0.92, color=fig.MODEL, alpha=0.04 + 0.96 * shade,
        linewidth=0,
    )  # fmt: skip


def _parts(test: Predictions, validation: Predictions | None) -> list[tuple[Predictions, str, str]]:
    first = [(validation, "validation", fig.VALIDATION)] if validation is not None else []
    return [*first, (test, "test", fig.MODEL)]
