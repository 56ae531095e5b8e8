"""Pictures of validation schemes: what each split trains on, leaves out and tests."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.patches import Patch

from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.evaluation.schemes.combinatorial import CombinatorialPurged
from ultimate_deep.evaluation.schemes.purging import Fold, Spans
from ultimate_deep.evaluation.schemes.scheme import Scheme
from ultimate_deep.machine.counts import how_many

_PARTS = ("not used", "training", "embargoed", "purged", "test")
_COLOURS = (fig.GRID, fig.MODEL, fig.VALIDATION, fig.BAD, fig.GOOD)
_HATCHES = ("", "", "....", "xxxx", "////")
_ORDER = (0, 1, 4, 2, 3)  # the narrow ones last, so that they lie on top
_MOST_SPLITS = 30
# Purged stretches are a few bars long: drawn at least this wide, as a share of the picture.
_LEAST_WIDTH = 0.004


def plot_scheme(scheme: Scheme, title: str, *, simulated: bool, name: str = "scheme") -> str:
    """Draw each fold as a bar over time, in the colours of its parts; SVG.

    Of more than 30 folds, evenly chosen ones are drawn. Stretches that would be too narrow to
    see are drawn wider.

    Args:
        scheme: The scheme that is drawn.
        title: Title of the picture.
        simulated: Whether the bars are simulated.
        name: Name that is unique on the page.
    """
    folds = list(scheme.folds())
    chosen = np.unique(np.linspace(0, len(folds) - 1, min(len(folds), _MOST_SPLITS)).astype(int))
    figure, (axis,) = fig.new_figure(fig.WIDE, 1.5 + 0.26 * len(chosen))
    used: set[int] = set()
    for place, number in enumerate(chosen):
        part = _parts_over_time(scheme.spans, folds[number])
        _draw_split(axis, scheme.spans, part, place)
        used.update(np.unique(part).tolist())
    axis.set_yticks(range(len(chosen)), [str(number + 1) for number in chosen], color=fig.INK)
    axis.set_ylim(len(chosen) - 0.4, -0.6)
    axis.grid(False)
    axis.xaxis_date()
    fig.date_axis(axis)
    shown = f" ({len(chosen)} of {len(folds)} folds)" if len(chosen) < len(folds) else ""
    fig.label_axes(axis, title + shown, "", "fold", simulated=simulated)
    handles = [
        Patch(
            facecolor=_COLOURS[code], edgecolor=fig.PANEL, hatch=_HATCHES[code], linewidth=0,
            label=_PARTS[code],
        )
        for code in _ORDER
        if code in used
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside lower center", frameon=False, labelcolor=fig.INK,
        ncols=3 if len(handles) > 4 else len(handles), fontsize=10.5,
    )  # fmt: skip
    return fig.to_svg(figure, name, _description(scheme, folds))


def plot_paths(scheme: CombinatorialPurged, *, simulated: bool, name: str = "paths") -> str:
    """Draw which fold's model predicts each group on each path; SVG."""
    paths = scheme.paths()
    shown = paths[:_MOST_SPLITS]
    figure, (axis,) = fig.new_figure(fig.WIDE, 1.4 + 0.3 * len(shown))
    axis.grid(False)
    for path, splits in enumerate(shown):
        for group, split in enumerate(splits):
            axis.broken_barh(
                [(group - 0.48, 0.96)], (path - 0.45, 0.9), color=fig.MODEL,
                alpha=0.08 + 0.5 * path / max(len(shown) - 1, 1), linewidth=0,
            )  # fmt: skip
            axis.text(group, path, str(split + 1), ha="center", va="center", color=fig.INK)
    groups = range(paths.shape[1])
    axis.set_xticks(groups, [str(group + 1) for group in groups], color=fig.INK)
    axis.set_yticks(range(len(shown)), [str(path + 1) for path in range(len(shown))], color=fig.INK)
    axis.set_xlim(-0.6, paths.shape[1] - 0.4)
    axis.set_ylim(len(shown) - 0.4, -0.6)
    some = f" ({len(shown)} of {len(paths)} paths)" if len(shown) < len(paths) else ""
    title = "The fold whose model predicts each group on each path" + some
    fig.label_axes(axis, title, "group of time", "path", simulated=simulated)
    said = fig.told(
        f"path {path + 1} by folds {', '.join(str(split + 1) for split in splits)}"
        for path, splits in enumerate(shown)
    )
    return fig.to_svg(figure, name, f"Which fold predicts each group of time: {said}")


def _parts_over_time(spans: Spans, fold: Fold) -> np.ndarray:
    """Return the part of each decision time: test first, then purged, embargoed, training."""
    part = np.zeros(len(spans.times), np.int64)
    for code, rows in enumerate((fold.train, fold.embargoed, fold.purged, fold.test), start=1):
        part[spans.place[rows]] = code
    return part


def _draw_split(axis: Axes, spans: Spans, part: np.ndarray, place: int) -> None:
    span = float(date2num(spans.times[-1]) - date2num(spans.times[0])) or 1.0
    for layer, code in enumerate(_ORDER):
        stretches = [
            (left, max(right - left, _LEAST_WIDTH * span))
            for left, right in _stretches(spans, part == code)
        ]
        axis.broken_barh(
            stretches, (place - 0.4, 0.8), facecolor=_COLOURS[code], edgecolor=fig.PANEL,
            hatch=_HATCHES[code], linewidth=0, zorder=2 + layer,
        )  # fmt: skip


def _stretches(spans: Spans, inside: np.ndarray) -> Iterator[tuple[float, float]]:
    times = spans.times
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        end = times[stop] if stop < len(times) else times[-1] + spans.interval
        yield float(date2num(times[first])), float(date2num(end))


def _description(scheme: Scheme, folds: Sequence[Fold]) -> str:
    purged = sum(fold.purged.size for fold in folds)
    embargoed = sum(fold.embargoed.size for fold in folds)
    return (
        f"{how_many(len(folds), 'fold')} over time; {how_many(purged, 'row')} purged and "
        f"{embargoed} embargoed in all, of {len(scheme.spans)}"
    )
