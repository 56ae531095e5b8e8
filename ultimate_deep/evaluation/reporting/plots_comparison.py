"""Pictures of many models side by side."""

import math
from collections.abc import Sequence

from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.evaluation.reporting.comparison_data import ComparedModel
from ultimate_deep.machine.counts import written
from ultimate_deep.market.times import utc_times


def plot_equities(models: Sequence[ComparedModel], *, simulated: bool) -> str:
    """Every account on one axis: models in colour, baselines and models past the sixth in grey."""
    figure, (axis,) = fig.new_figure(fig.WIDE, 4.0)
    styles = iter(zip(fig.SERIES, fig.LINES, strict=True))
    said = []
    for model in models:
        if model.backtest is None:
            continue
        grey = (fig.REFERENCE, "-.")
        colour, style = grey if model.baseline else next(styles, grey)
        equity = model.backtest.equity
        stamps = utc_times(model.backtest.index)
        kept = fig.thin(equity, 1000)
        name = f"{model.name}, {written(model.backtest.metrics['total_return'], '{:+.1%}')}"
        said.append(name)
        axis.plot(stamps[kept], equity[kept], color=colour, lw=1.5, linestyle=style, label=name)
    axis.axhline(1.0, color=fig.MUTED, linewidth=1)
    fig.date_axis(axis)
    fig.label_axes(
        axis, "Equity on the test part after costs", "", "times the start", simulated=simulated
    )
    fig.add_legend(axis)
    alone = f"Equity on the test part after costs, at its end: {fig.told(said)}"
    return fig.to_svg(figure, "equities", alone)


def drawable(models: Sequence[ComparedModel], metric: str) -> bool:
    """Whether any model has a finite interval of `metric`."""
    found = (model.intervals.get(metric) for model in models)
    return any(one is not None and math.isfinite(one.lower + one.upper) for one in found)
