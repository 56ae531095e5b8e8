"""Pictures of chance: intervals measured from no skill, and intervals of several models."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.evaluation.reporting.headlines import headline
from ultimate_deep.evaluation.significance.bootstrap import Interval

_FURTHEST = 1_000.0  # standard errors from no skill


def plot_forest(intervals: Mapping[str, Interval], *, simulated: bool) -> str:
    """Each metric's interval in standard errors from what no skill would show; nothing without."""
    lines = [
        (headline(name).title, *ends)
        for name, interval in intervals.items()
        if (ends := _from_no_skill(name, interval)) is not None
    ]
    if not lines:
        return ""
    figure, (axis,) = fig.new_figure(fig.NARROW, 1.25 + 0.3 * len(lines))
    axis.axvline(0.0, color=fig.BAD, linewidth=1.4, linestyle=(0, (4, 3)))
    for place, (_, lower, middle, upper) in enumerate(reversed(lines)):
        colour = fig.GOOD if lower > 0 else fig.BAD if upper < 0 else fig.REFERENCE
        _interval(axis, place, (lower, middle, upper), colour)
    axis.set_yticks(range(len(lines)), [line[0] for line in reversed(lines)], color=fig.INK)
    axis.set_ylim(-0.7, len(lines) - 0.3)
    fig.title_figure(figure, "Distance from no skill", simulated=simulated)
    fig.label_sides(axis, "standard errors", "")
    said = fig.told(f"{name} {low:+.1f} to {high:+.1f}" for name, low, _, high in lines)
    return fig.to_svg(figure, "forest", f"Standard errors from no skill: {said}")


def _from_no_skill(name: str, interval: Interval) -> tuple[float, float, float] | None:
    """Lower bound, estimate and upper bound in standard errors; better is to the right."""
    shown = headline(name)
    error = interval.standard_error
    if shown.no_skill is None or not error > 0.0 or not math.isfinite(error):
        return None
    ends = [
        (value - shown.no_skill) / error
        for value in (interval.lower, interval.estimate, interval.upper)
    ]
    # An error that is next to nothing, as of a single trade, is no measure of distance.
    if not all(abs(end) < _FURTHEST for end in ends):
        return None
    lower, middle, upper = (-end for end in reversed(ends)) if shown.least_is_best else ends
    return lower, middle, upper


def plot_intervals(
    names: Sequence[str],
    intervals: Sequence[Interval | None],
    *,
    name: str,
    title: str,
    unit: str,
    scale: float,
    simulated: bool,
) -> str:
    """One metric's interval for each model, zero dashed."""
    figure, (axis,) = fig.new_figure(fig.NARROW, 1.25 + 0.32 * max(len(names), 1))
    axis.axvline(0.0, color=fig.BAD, linewidth=1.4, linestyle=(0, (4, 3)))
    said = []
    for place, interval in reversed(list(enumerate(reversed(intervals)))):
        if interval is None or not math.isfinite(interval.lower + interval.upper):
            continue
        ends = (scale * interval.lower, scale * interval.estimate, scale * interval.upper)
        colour = fig.GOOD if ends[0] > 0 else fig.BAD if ends[2] < 0 else fig.REFERENCE
        _interval(axis, place, ends, colour)
        model = names[len(names) - 1 - place]
        said.append(f"{model} {ends[1]:+.3g} ({ends[0]:+.3g} to {ends[2]:+.3g})")
    axis.set_yticks(range(len(names)), list(reversed(names)), color=fig.INK)
    axis.set_ylim(-0.7, max(len(names), 1) - 0.3)
    fig.title_figure(figure, title, simulated=simulated)
    fig.label_sides(axis, unit, "")
    return fig.to_svg(figure, name, f"{title}, {unit}: {fig.told(said)}")


def _interval(axis: Axes, place: float, ends: tuple[float, float, float], colour: str) -> None:
    lower, middle, upper = ends
    axis.plot([lower, upper], [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
    fill = fig.PANEL if lower <= 0.0 <= upper else colour  # hollow where it reaches over zero
    axis.plot([middle], [place], "o", color=colour, markerfacecolor=fill, markersize=6)
