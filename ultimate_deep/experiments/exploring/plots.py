"""Pictures of an exploration, each an `<svg>` string."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.stats import norm

from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.experiments.exploring.exploration import Exploration
from ultimate_deep.experiments.exploring.importance import Importances
from ultimate_deep.experiments.exploring.summary import group_label
from ultimate_deep.features.judging.stability import SHIFT, STRONG_SHIFT

# Cells are tinted over the page, so that they read on light and dark ones.
POSITIVE, NEGATIVE = "#1f66d1", "#d9822b"
_MOST_PERIODS = 48
_LEAST_PIXELS = 900  # of the correlation picture, so that its cells have sharp edges


def plot_against_chance(explored: Exploration) -> str:
    """Sizes of t by rank, beside those that chance alone gives."""
    found, count = explored.scores, explored.scores.tested
    figure, (axis,) = fig.new_figure(9.2, 3.4)
    if not count:
        fig.say(axis, "no feature varies")
    else:
        known = np.isfinite(found.p)
        order = np.argsort(-np.abs(found.t[known]))
        sizes = np.abs(found.t[known])[order]
        claimed = found.significant[known][order]
        ranks = np.arange(1, count + 1)
        chance = norm.isf((ranks - 0.5) / (2.0 * count))
        axis.plot(ranks, chance, color=fig.REFERENCE, linewidth=1.8, label="chance alone")
        for chosen, colour, name in (
            (~claimed, fig.VALIDATION, "not claimed"),
            (claimed, fig.MODEL, "claimed after correction"),
        ):
            if chosen.any():
                axis.plot(ranks[chosen], sizes[chosen], "o", ms=4, color=colour, label=name)
        axis.set_ylim(bottom=0)
        fig.add_legend(axis)
    simulated = explored.market.simulated
    title = "Size of t, features from the largest to the smallest"
    fig.label_axes(axis, title, "rank of the feature", "|t|", simulated=simulated)
    return fig.to_svg(figure, "chance", "Sizes of t by rank, beside chance")


def plot_ic_by_period(explored: Exploration, columns: Sequence[int]) -> str:
    """Heat map of the coefficients of some features, by period."""
    table = explored.scores.by_period[list(columns)]
    limit = _limit(table)
    return _plot_periods(
        explored, columns, table / limit, explored.scores.periods,
        title=f"Information coefficient by period, full tint at ±{limit:.2f}",
        name="ic-periods",
    )  # fmt: skip


def plot_stability(explored: Exploration, columns: Sequence[int]) -> str:
    """Heat map of the stability index of some features, by period."""
    table = explored.stability.psi[list(columns)]
    limit = max(2.0 * STRONG_SHIFT, SHIFT)
    return _plot_periods(
        explored, columns, -table / limit, explored.stability.periods,
        title=f"Stability index by period, full tint from {limit:g}",
        name="stability",
    )  # fmt: skip


def _plot_periods(
    explored: Exploration,
    columns: Sequence[int],
    strength: npt.NDArray[np.float64],
    periods: Sequence[str],
    *,
    title: str,
    name: str,
) -> str:
    """Cells tinted by strength in [-1, 1] `(features, periods)`; the newest periods only."""
    strength, periods = strength[:, -_MOST_PERIODS:], periods[-_MOST_PERIODS:]
    figure, (axis,) = fig.new_figure(9.2, 1.4 + 0.235 * max(len(columns), 1))
    axis.grid(False)
    if not strength.size or not np.isfinite(strength).any():
        fig.say(axis, "no period has enough rows")
    else:
        _add_cells(axis, strength)
        axis.set_xlim(-0.5, len(periods) - 0.5)
        axis.set_ylim(len(columns) - 0.5, -0.5)
        step = max(1, -(-len(periods) // 12))
        axis.set_xticks(range(0, len(periods), step), periods[::step], color=fig.INK)
        if len(periods[0]) > 6 and len(periods) > 7:
            axis.tick_params(axis="x", rotation=30)
        names = [explored.names[column] for column in columns]
        axis.set_yticks(range(len(names)), names, color=fig.INK)
    fig.label_axes(axis, title, "", "", simulated=explored.market.simulated)
    return fig.to_svg(figure, name, title)


def _add_cells(axis: Axes, strength: npt.NDArray[np.float64]) -> None:
    cells, colours = [], []
    for (row, column), value in np.ndenumerate(strength):
        if np.isfinite(value):
            cells.append(Rectangle((column - 0.48, row - 0.46), 0.96, 0.92))
            colours.append((*to_rgb(POSITIVE if value > 0 else NEGATIVE), _alpha(value)))
    axis.add_collection(PatchCollection(cells, facecolors=colours, linewidths=0))


def _alpha(value: float) -> float:
    return float(0.04 + 0.96 * min(abs(value), 1.0))


def plot_correlation(explored: Exploration) -> str:
    """Correlations of all features, alike ones side by side."""
    matrix = explored.correlation
    order = clustered_order(matrix)
    shown = matrix[np.ix_(order, order)]
    picture = np.empty((*shown.shape, 4))
    picture[..., :3] = np.where(shown[..., None] >= 0, to_rgb(POSITIVE), to_rgb(NEGATIVE))
    picture[..., 3] = np.abs(shown)
    pixels = -(-_LEAST_PIXELS // len(order))
    picture = picture.repeat(pixels, axis=0).repeat(pixels, axis=1)
    figure, (axis,) = fig.new_figure(9.2, 8.4)
    axis.grid(False)
    edge = len(order) - 0.5
    axis.imshow(picture, interpolation="none", extent=(-0.5, edge, edge, -0.5))
    if len(order) <= 40:
        names = [explored.names[column] for column in order]
        axis.set_xticks(range(len(order)), names, rotation=90, color=fig.INK)
        axis.set_yticks(range(len(order)), names, color=fig.INK)
    else:
        axis.set_xticks([])
        axis.set_yticks([])
    title = f"Correlation of {len(order)} features, alike ones together"
    fig.label_axes(axis, title, "", "", simulated=explored.market.simulated)
    return fig.to_svg(figure, "correlation", title)


def clustered_order(correlation: npt.NDArray[np.float64]) -> list[int]:
    """Columns in the order of an average-linkage tree of `1 - |correlation|`."""
    if len(correlation) < 3:
        return list(range(len(correlation)))
    distance = 1.0 - np.abs(correlation)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return leaves_list(tree).tolist()


def plot_warmup(explored: Exploration) -> str:
    """Share of the features that have a value after so many bars."""
    figure, (axis,) = fig.new_figure(9.2, 2.4)
    bars = np.sort(explored.warmup_bars)
    share = np.arange(1, len(bars) + 1) / len(bars)
    end = max(int(bars[-1]), 1)
    steps = np.concatenate([[0], bars, [1.05 * end]])
    axis.step(steps, np.concatenate([[0.0], share, [1.0]]), where="post", color=fig.MODEL)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_ylim(0, 1.05)
    axis.set_xlim(0, 1.05 * end)
    title = "Features with a value, by bars seen"
    fig.label_axes(axis, title, "bars", "", simulated=explored.market.simulated)
    return fig.to_svg(figure, "warmup", title)


def plot_importance(found: Importances, *, most: int, simulated: bool) -> str:
    """Rise of the log loss with its interval, for the features that are needed most."""
    shown = found.entries[:most]
    figure, (axis,) = fig.new_figure(9.2, 1.4 + 0.26 * max(len(shown), 1))
    for place, entry in enumerate(shown):
        sure = entry.log_loss.lower > 0.0
        colour = fig.MODEL if sure else fig.REFERENCE
        ends = [entry.log_loss.lower, entry.log_loss.upper]
        axis.plot(ends, [place, place], color=colour, linewidth=2.2, solid_capstyle="round")
        axis.plot([entry.log_loss.estimate], [place], "o", color=colour, markersize=5.5)
    axis.axvline(0.0, color=fig.BAD, linewidth=1.3, linestyle=(0, (4, 3)))
    labels = [group_label(entry.names) for entry in shown]
    axis.set_yticks(range(len(shown)), labels, color=fig.INK)
    axis.set_ylim(len(shown) - 0.4, -0.6)
    title = f"Rise of the log loss when shuffled, with {found.config.level:.0%} interval"
    fig.label_axes(axis, title, "", "", simulated=simulated)
    return fig.to_svg(figure, "importance", title)


def _limit(table: npt.NDArray[np.float64]) -> float:
    sizes = fig.finite(np.abs(table))
    return max(float(np.quantile(sizes, 0.98)), 1e-3) if len(sizes) else 1.0
