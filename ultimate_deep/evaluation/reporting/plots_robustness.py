"""Pictures of robustness, each narrow enough to be read on a phone."""

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.evaluation.robustness.capacity import Capacity
from ultimate_deep.evaluation.robustness.costs import CostSweep
from ultimate_deep.evaluation.robustness.random_entry import RandomEntry
from ultimate_deep.evaluation.robustness.sensitivity import DelaySensitivity, ThresholdSensitivity

_WIDTH = fig.NARROW
_DASHED, _DOTTED = fig.DASHED, (0, (1.5, 2))


def plot_costs(sweep: CostSweep, *, simulated: bool) -> str:
    """Mean net return per bar by cost per side, with the cost in use and the break-even."""
    figure, (axis,) = fig.new_figure(_WIDTH, 3.1)
    table = sweep.table
    axis.plot(table["cost_bps"], table["net_return_bps"], "o-", color=fig.MODEL, ms=5, lw=1.8)
    axis.axhline(0.0, color=fig.MUTED, linewidth=1)
    axis.axvline(sweep.cost_bps, color=fig.MUTED, linewidth=1.8, linestyle=_DOTTED, label="in use")
    if 0.0 < sweep.break_even_bps <= 3.0 * float(table["cost_bps"].max()):
        axis.axvline(
            sweep.break_even_bps, color=fig.BAD, linewidth=1.4, linestyle=_DASHED,
            label="break-even",
        )  # fmt: skip
    fig.add_legend(axis)
    title = "Net return by cost"
    fig.title_figure(figure, title, simulated=simulated)
    fig.label_sides(axis, "cost per side, bps", "bps per bar")
    return fig.to_svg(figure, "costs", f"{title}. {sweep.sentence}")


def plot_capacity(found: Capacity, *, simulated: bool) -> str:
    """Mean net return per bar by capital, on a logarithmic axis; nothing where none is known."""
    if not found.known or found.table.empty:
        return ""
    figure, (axis,) = fig.new_figure(_WIDTH, 3.1)
    gain = found.table["net_return_bps"].to_numpy()
    top = float(gain.max())
    kept = gain >= (-top if top > 0.0 else 4.0 * top)  # a ruined account would hide the rest
    axis.semilogx(found.table["capital"][kept], gain[kept], "o-", color=fig.MODEL, ms=5, lw=1.8)
    for capital, name, colour, line in (
        (found.capital_half, "half is gone", fig.VALIDATION, _DOTTED),
        (found.capital_gone, "all is gone", fig.BAD, _DASHED),
    ):
        if np.isfinite(capital):
            axis.axvline(capital, color=colour, linewidth=1.8, linestyle=line, label=name)
    axis.xaxis.set_major_formatter(FuncFormatter(_capital))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.axhline(0.0, color=fig.MUTED, linewidth=1)
    fig.add_legend(axis)
    title = "Net return by capital"
    fig.title_figure(figure, title, simulated=simulated)
    fig.label_sides(axis, "capital, units of the price", "bps per bar")
    return fig.to_svg(figure, "capacity", f"{title}. {found.sentence}")


def _capital(value: float, _: float | None = None) -> str:
    """Short names of powers of ten: 0.1, 10, 1k, 10M."""
    for size, unit in ((1e12, "T"), (1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:,.0f}{unit}"
    return f"{value:g}"


def plot_regimes(table: pd.DataFrame, name: str, title: str, *, simulated: bool) -> str:
    """Mean net return per bar with its interval for each regime; those that survive coloured."""
    figure, (axis,) = fig.new_figure(_WIDTH, 1.2 + 0.235 * max(len(table), 1))
    axis.axvline(0.0, color=fig.BAD, linewidth=1.2, linestyle=_DASHED)
    kinds = table["kind"].to_numpy()
    gaps = np.concatenate([[0.0], np.cumsum(np.where(kinds[1:] != kinds[:-1], 1.6, 1.0))])
    figures = table[["net_lower_bps", "net_return_bps", "net_upper_bps"]].to_numpy(np.float64)
    survives = table["survives"].to_numpy(dtype=bool)
    for place, (low, middle, high), real in zip(-gaps, figures, survives, strict=True):
        colour = (fig.GOOD if middle > 0 else fig.BAD) if real else fig.REFERENCE
        axis.plot([low, high], [place, place], color=colour, lw=2.2, solid_capstyle="round")
        fill = colour if real else fig.PANEL  # hollow where chance explains it
        axis.plot([middle], [place], "o", color=colour, markerfacecolor=fill, markersize=5)
    axis.set_yticks(-gaps, table["regime"].tolist(), color=fig.INK)
    axis.set_ylim(-float(gaps[-1]) - 0.8, 0.8)
    fig.title_figure(figure, title, simulated=simulated)
    fig.label_sides(axis, "net bps per bar", "")
    said = fig.told(
        f"{regime} {middle:+.2f}" + (" (not by chance)" if real else "")
        for regime, (_, middle, _), real in zip(table["regime"], figures, survives, strict=True)
        if np.isfinite(middle)
    )
    return fig.to_svg(figure, name, f"Net bps per bar by regime, {title}: {said}")


def plot_thresholds(found: ThresholdSensitivity, *, simulated: bool) -> str:
    """Mean net return per bar by share of decisions kept, the threshold in use marked."""
    figure, (axis,) = fig.new_figure(_WIDTH, 3.1)
    table = found.table
    axis.plot(table["coverage"], table["net_return_bps"], "o-", color=fig.REFERENCE, ms=5, lw=1.6)
    chosen = table[table["chosen"]]
    axis.plot(
        chosen["coverage"], chosen["net_return_bps"], "o", color=fig.MODEL, ms=9, label="in use"
    )
    axis.axhline(0.0, color=fig.MUTED, linewidth=1)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0))
    fig.add_legend(axis)
    title = "Neighbouring thresholds"
    fig.title_figure(figure, title, simulated=simulated)
    fig.label_sides(axis, "bars with a signal", "net bps per bar")
    return fig.to_svg(figure, "thresholds", f"{title}. {found.sentence}")


def plot_delay(found: DelaySensitivity, *, simulated: bool) -> str:
    """Mean net return per bar with its interval by bars of delay."""
    figure, (axis,) = fig.new_figure(_WIDTH, 3.1)
    table = found.table
    columns = ["delay_bars", "net_lower_bps", "net_return_bps", "net_upper_bps"]
    for place, low, middle, high in table[columns].to_numpy(np.float64):
        colour = fig.MODEL if place == 0 else fig.VALIDATION
        axis.plot([place, place], [low, high], color=colour, lw=2.4, solid_capstyle="round")
        axis.plot([place], [middle], "o", color=colour, markersize=7)
    axis.axhline(0.0, color=fig.BAD, linewidth=1.2, linestyle=_DASHED)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlim(float(table["delay_bars"].min()) - 0.5, float(table["delay_bars"].max()) + 0.5)
    title = "Fills some bars later"
    fig.title_figure(figure, title, simulated=simulated)
    fig.label_sides(axis, "bars of delay", "net bps per bar")
    said = fig.told(
        f"{place:.0f} later {middle:+.3f} ({low:+.3f} to {high:+.3f})"
        for place, low, middle, high in table[columns].to_numpy(np.float64)
    )
    return fig.to_svg(figure, "delay", f"{title}, net bps per bar by bars of delay: {said}")


def plot_random_entry(found: RandomEntry, *, simulated: bool) -> str:
    """The draws' mean net return per bar as a histogram, the model's as a line."""
    figure, (axis,) = fig.new_figure(_WIDTH, 3.1)
    values = fig.finite(found.drawn_net_return_bps)
    axis.hist(values, bins=min(40, max(8, len(values) // 8)), color=fig.REFERENCE, alpha=0.8)
    axis.axvline(found.net_return_bps, color=fig.MODEL, linewidth=2.4, label="model")
    axis.axvline(0.0, color=fig.MUTED, linewidth=1)
    fig.add_legend(axis)
    title = "The same trades at random times"
    fig.title_figure(figure, title, simulated=simulated)
    fig.label_sides(axis, "net bps per bar", "draws")
    return fig.to_svg(figure, "random", f"{title}. {found.sentence}")


def plot_win_rates(table: pd.DataFrame, *, simulated: bool) -> str:
    """Share of decisions won after costs with its band by share of decisions kept; nothing where
    no threshold trades.
    """
    known = table[table["win_rate"].notna()]
    if known.empty:
        return ""
    figure, (axis,) = fig.new_figure(_WIDTH, 3.1)
    axis.fill_between(
        known["coverage"], known["win_rate_lower"], known["win_rate_upper"], color=fig.MODEL,
        alpha=0.18, linewidth=0,
    )  # fmt: skip
    axis.plot(known["coverage"], known["win_rate"], "o-", color=fig.MODEL, ms=4, lw=1.8)
    chosen = known[known["chosen"]]
    axis.plot(
        chosen["coverage"], chosen["win_rate"], "o", color=fig.VALIDATION, ms=9, label="in use"
    )
    axis.axhline(0.5, color=fig.MUTED, linewidth=1)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(PercentFormatter(1.0))
    fig.add_legend(axis)
    title = "Decisions won by share kept"
    fig.title_figure(figure, title, simulated=simulated)
    fig.label_sides(axis, "decisions kept", "won after costs")
    said = fig.told(
        f"{won:.1%} of those kept at {kept:.1%}"
        for won, kept in known[["win_rate", "coverage"]].to_numpy(np.float64)
    )
    return fig.to_svg(figure, "winrates", f"Decisions won after costs: {said}")
