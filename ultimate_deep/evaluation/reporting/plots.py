"""The report's plots, each an `<svg>` string. Empty or undefined data gives a sentence instead."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ultimate_deep.evaluation.measures.metrics import (
    drawdown,
    reliability,
    roc_auc,
    roc_curve,
    threshold_sweep,
)
from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.evaluation.reporting.data import Contender, Predictions, ReportData
from ultimate_deep.machine.counts import how_many, written
from ultimate_deep.market.times import utc_times

_LEAST_TRADES = 20  # fewer trades than this give no win rate worth drawing

# Decisions, their name, colour and line.
Part = tuple[Predictions, str, str, fig.Line]
_VALIDATION = "validation_"
_CURVES = ("loss", "learning_rate")


def plot_contenders(data: ReportData) -> str:
    """Accuracy with its interval for every contender, against the majority's."""
    contenders, majority = data.contenders, data.verdict.majority_accuracy
    shown = [c for c in contenders if np.isfinite(c.metrics.get("accuracy", np.nan))]
    figure, (axis,) = fig.new_figure(fig.WIDE, 1.3 + 0.34 * max(len(shown), 1))
    for place, contender in enumerate(reversed(shown)):
        colour = fig.MODEL if contender is contenders[0] else fig.REFERENCE
        accuracy = contender.metrics["accuracy"]
        if contender.accuracy is not None:
            ends = [contender.accuracy.lower, contender.accuracy.upper]
            axis.plot(ends, [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
        mark = "o" if contender is contenders[0] else "D"
        axis.plot([accuracy], [place], mark, color=colour, markersize=7 if mark == "o" else 5)
    axis.set_yticks(range(len(shown)), [c.name for c in reversed(shown)], color=fig.INK)
    axis.set_ylim(-0.7, max(len(shown), 1) - 0.3)
    axis.axvline(majority, color=fig.BAD, linewidth=1.4, linestyle=(0, (4, 3)))
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    title = f"Accuracy on the {data.part}, dashed: the majority's"
    fig.label_axes(axis, title, "", "", simulated=data.simulated)
    said = fig.told(f"{one.name} {_with_ends(one)}" for one in shown)
    alone = f"Accuracy on the {data.part}; the majority's is {majority:.1%}: {said}"
    return fig.to_svg(figure, "contenders", alone)


def _with_ends(contender: Contender) -> str:
    interval, accuracy = contender.accuracy, f"{contender.metrics['accuracy']:.1%}"
    if interval is None or not np.isfinite(interval.lower + interval.upper):
        return accuracy
    return f"{accuracy} ({interval.lower:.1%} to {interval.upper:.1%})"


def plot_learning_curves(history: pd.DataFrame, *, simulated: bool) -> list[str]:
    """One picture per measured quantity: its training and `validation_` curves together."""
    numeric = history.select_dtypes("number")
    quantities = list(
        dict.fromkeys(
            str(name).removeprefix(_VALIDATION)
            for name in numeric.columns
            if str(name) in _CURVES or str(name).startswith(_VALIDATION)
        )
    )[:3]
    return [_plot_curves(numeric, one, simulated=simulated) for one in quantities]


def _plot_curves(history: pd.DataFrame, quantity: str, *, simulated: bool) -> str:
    figure, (axis,) = fig.new_figure(fig.NARROW, 3.1)
    epochs = np.arange(1, len(history) + 1)
    said = []
    for name, colour, mark, line, label in (
        (quantity, fig.MODEL, "o", "-", "training"),
        (_VALIDATION + quantity, fig.VALIDATION, "s", fig.DASHED, "validation"),
    ):
        if name in history:
            values = history[name]
            axis.plot(
                epochs, values, color=colour, marker=mark if len(history) < 30 else "", ms=4,
                linestyle=line, label=label,
            )  # fmt: skip
            said.append(f"{label} from {values.iloc[0]:.4g} to {values.iloc[-1]:.4g}")
    if quantity != "learning_rate":
        fig.add_legend(axis)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    title = quantity.replace("_", " ")
    title = "AUC" if title == "auc" else title.capitalize()
    fig.label_axes(axis, title, "epoch", "", simulated=simulated)
    alone = f"{title} over {how_many(len(history), 'epoch')}: {fig.told(said)}"
    return fig.to_svg(figure, f"learning-{quantity}", alone)


def plot_roc(data: ReportData) -> str:
    """True against false positives, validation and what is judged."""
    figure, (axis,) = fig.new_figure(4.5, 4.2)
    axis.plot([0, 1], [0, 1], color=fig.MUTED, linewidth=1, linestyle=(0, (4, 3)))
    areas = []
    for part, name, colour, line in _parts(data):
        rows = part.judged
        area = roc_auc(part.label[rows], part.probability[rows]) if rows.any() else np.nan
        if np.isnan(area):
            continue
        curve = roc_curve(part.label[rows], part.probability[rows])
        distance = curve.true_positive_rate - curve.false_positive_rate
        kept = fig.thin(distance, 800)
        x, y = curve.false_positive_rate[kept], curve.true_positive_rate[kept]
        areas.append(f"{name}, AUC {area:.3f}")
        axis.plot(x, y, color=colour, linewidth=1.8, linestyle=line, label=areas[-1])
    if not areas:
        return ""  # there is one class of labels, or none
    axis.set_aspect("equal")
    fig.label_axes(
        axis, "ROC", "false positive rate", "true positive rate", simulated=data.simulated
    )
    fig.add_legend(axis)
    return fig.to_svg(figure, "roc", f"ROC curve: {fig.told(areas)}")


def plot_calibration(test: Predictions, *, temperature: float, simulated: bool) -> str:
    """Forecast against frequency of what is judged, before and after the temperature."""
    rows, said = test.judged, []
    if not rows.any():
        return ""
    figure, (axis,) = fig.new_figure(4.5, 4.2)
    low, high = 1.0, 0.0
    after = f"after, T = {temperature:.3g}"
    for values, name, colour, mark, line in (
        (test.probability_raw, "before", fig.REFERENCE, "s", fig.DASHED),
        (test.probability, after, fig.MODEL, "o", "-"),
    ):
        table = reliability(test.label[rows], values[rows], bins=10)
        error = 2.0 * np.sqrt(0.25 / table["rows"])
        axis.errorbar(
            table["probability"], table["frequency"], error, color=colour, label=name,
            marker=mark, markersize=5, linewidth=1.5, elinewidth=0.8, linestyle=line,
        )  # fmt: skip
        distance = np.abs(table["frequency"] - table["probability"])
        said.append(f"{name}, off by {np.average(distance, weights=table['rows']):.1%} on average")
        low = min(low, table["probability"].min(), table["frequency"].min())
        high = max(high, table["probability"].max(), table["frequency"].max())
    axis.plot([low, high], [low, high], color=fig.MUTED, linewidth=1, linestyle=(0, (4, 3)))
    fig.add_legend(axis)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(PercentFormatter(1.0))
    fig.label_axes(axis, "Calibration", "forecast of up", "share of ups", simulated=simulated)
    return fig.to_svg(figure, "calibration", f"Share of ups by forecast: {fig.told(said)}")


def plot_threshold_sweep(data: ReportData) -> list[str]:
    """Share of decisions won, and mean net return, against those kept, validation and test."""
    parts = [part for part in _parts(data) if len(part[0].probability)]
    return [
        _plot_kept(data, parts, "win_rate", "Decisions won after costs", "{:.1%}"),
        _plot_kept(data, parts, "net_return_bps", "Net return of each, bps", "{:+.2f} bps"),
    ]


def _plot_kept(data: ReportData, parts: Sequence[Part], column: str, title: str, form: str) -> str:
    figure, (axis,) = fig.new_figure(fig.NARROW, 3.4)
    said = []
    for part, name, colour, line in parts:
        table = threshold_sweep(part.probability, part.return_log, mode=data.mode, costs=data.costs)
        table = table[table["trades"] >= _LEAST_TRADES]
        chosen = threshold_sweep(
            part.probability, part.return_log, mode=data.mode, costs=data.costs,
            thresholds=[data.threshold],
        )  # fmt: skip
        axis.plot(
            table["coverage"], table[column], color=colour, lw=1.8, linestyle=line, label=name
        )
        axis.plot(chosen["coverage"], chosen[column], "o", color=colour, markersize=8)
        kept, value = float(chosen["coverage"].iloc[0]), float(chosen[column].iloc[0])
        number = form.format(value) if np.isfinite(value) else "nothing"
        said.append(f"{name} {number} with {kept:.1%} kept")
    if not any(np.size(line.get_xdata()) > 1 for line in axis.lines):
        return ""  # no threshold keeps enough trades
    axis.axhline(0.5 if column == "win_rate" else 0.0, color=fig.MUTED, linewidth=1)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_xlim(left=0)
    if column == "win_rate":
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    fig.label_axes(axis, title, "decisions kept", "", simulated=data.simulated)
    fig.add_legend(axis)
    alone = f"{title}, at the threshold in use: {fig.told(said)}"
    return fig.to_svg(figure, f"sweep-{column}", alone)


def plot_probabilities(data: ReportData) -> str:
    """How sure the model is: its test probabilities, and from where on it trades."""
    values = fig.finite(data.test.probability)
    if not len(values):
        return ""
    figure, (axis,) = fig.new_figure(fig.WIDE, 2.5)
    axis.hist(values, bins=60, color=fig.MODEL, alpha=0.75)
    lines = [data.threshold] + ([1 - data.threshold] if data.mode == "long_short" else [])
    for line in lines:
        axis.axvline(line, color=fig.BAD, linewidth=1.4, linestyle=(0, (4, 3)))
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    title = f"Probabilities of up, traded from {data.threshold:.3f}"
    fig.label_axes(axis, title, "", "decisions", simulated=data.simulated)
    middle = f", half of them below {np.median(values):.1%}"
    return fig.to_svg(
        figure,
        "probabilities",
        f"Histogram of {how_many(len(values), 'decision')}: {title}{middle}",
    )


def plot_equity(data: ReportData) -> str:
    """Equity and drawdown after costs, model beside buy and hold."""
    figure, axes = fig.new_figure(fig.WIDE, 4.6, rows=2, height_ratios=[2.4, 1.0])
    held, accounts = data.buy_and_hold, []
    if held is not None:
        accounts.append((held, "buy and hold", fig.REFERENCE, fig.LINES[1]))
    accounts.append((data.backtest, "model", fig.MODEL, fig.LINES[0]))
    said = []
    for account, name, colour, line in accounts:
        stamps, fall = utc_times(account.index), -drawdown(account.equity)
        kept = np.union1d(fig.thin(account.equity), fig.thin(fall))
        label = f"{name}, {written(account.metrics['total_return'], '{:+.1%}')}"
        said.append(f"{label}, {-fall.min():.1%} below its height at worst")
        axes[0].plot(stamps[kept], account.equity[kept], color=colour, lw=1.5, ls=line, label=label)
        axes[1].plot(stamps[kept], fall[kept], color=colour, linewidth=1.0, linestyle=line)
        axes[1].fill_between(stamps[kept], fall[kept], 0, color=colour, alpha=0.15, linewidth=0)
    axes[0].axhline(1.0, color=fig.MUTED, linewidth=1)
    axes[1].yaxis.set_major_formatter(PercentFormatter(1.0))
    title = f"Equity on the {data.part} after costs"
    fig.label_axes(axes[0], title, "", "times the start", simulated=data.simulated)
    fig.label_axes(axes[1], "Drawdown", "", "", simulated=data.simulated)
    axes[0].sharex(axes[1])
    fig.date_axis(axes[1])
    axes[0].tick_params(labelbottom=False)
    axes[0].xaxis.get_offset_text().set_visible(False)
    fig.add_legend(axes[0])
    return fig.to_svg(figure, "equity", f"{title}: {fig.told(said)}")


def plot_attention(data: ReportData, weights: np.ndarray) -> str:  # (heads, units)
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
    names = list(data.attention_units) or [str(unit + 1) for unit in range(count)]
    step = max(1, count // 24)
    axis.set_xticks(range(0, count, step), names[::step], color=fig.INK)
    if max(len(name) for name in names) > 6:
        axis.tick_params(axis="x", rotation=35)
    axis.set_yticks(range(heads), [f"head {head + 1}" for head in range(heads)], color=fig.INK)
    title = f"Attention over the units, percent of each head, mean over the {data.part}"
    fig.label_axes(axis, title, "", "", simulated=data.simulated)
    said = fig.told(
        f"head {head + 1} most on {names[int(row.argmax())]}, {row.max():.0%}"
        for head, row in enumerate(weights)
    )
    return fig.to_svg(figure, "attention", f"Attention by head and unit: {said}")


def _cell(column: int, row: int, shade: float) -> Rectangle:
    return Rectangle(
        (column - 0.47, row - 0.46), 0.94, 0.92, color=fig.MODEL, alpha=0.04 + 0.96 * shade,
        linewidth=0,
    )  # fmt: skip


def _parts(data: ReportData) -> list[Part]:
    first: list[Part] = []
    if data.validation is not None:
        first.append((data.validation, "validation", fig.VALIDATION, fig.LINES[1]))
    return [*first, (data.test, data.part.removesuffix(" part"), fig.MODEL, fig.LINES[0])]
