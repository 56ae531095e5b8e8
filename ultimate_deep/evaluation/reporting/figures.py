"""Vector figures that follow the page: matplotlib's shapes, the style sheet's colours and fonts.

Figures are drawn with marker colours, which are replaced by CSS variables in the SVG, so that one
picture reads well on a light and on a dark page.
"""

import io
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text

from ultimate_deep.evaluation.arrays import Array1D

INK, MUTED, GRID, PANEL = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04"
MODEL, REFERENCE, VALIDATION = "#0a0b05", "#0a0b06", "#0a0b07"
GOOD, BAD = "#0a0b08", "#0a0b09"
SERIES = ("#0a0b11", "#0a0b12", "#0a0b13", "#0a0b14", "#0a0b15", "#0a0b16")
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PANEL: "var(--panel)",
    MODEL: "var(--model)",
    REFERENCE: "var(--reference)",
    VALIDATION: "var(--validation)",
    GOOD: "var(--good)",
    BAD: "var(--bad)",
} | {colour: f"var(--series-{place})" for place, colour in enumerate(SERIES)}
_FONT = re.compile(r"font: (?:(\w+) )?([\d.]+)px [^;\"]+")
_LEAST_TEXT, _TITLE, _SMALLEST_TITLE = 10.5, 12.5, 8.5
WIDE, NARROW = 6.4, 4.5  # inches: a picture of its own, and one of a pair; both fit a phone
DASHED = (0, (4, 3))
# One for each colour of a series, so that no line is told by its colour alone.
Line = str | tuple[float, tuple[float, ...]]
LINES: tuple[Line, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1, 1.5)),
    (0, (7, 2, 1, 2)),
    (0, (3, 1)),
    (0, (7, 2, 1, 2, 1, 2)),
)
_MOST_TOLD, _PADDING = 12, 0.1
SIMULATED = " · simulated bars"


def new_figure(
    width: float, height: float, *, rows: int = 1, columns: int = 1, **grid: Sequence[float]
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure (inches) with styled axes, in reading order."""
    figure = Figure(figsize=(width, height), dpi=72, facecolor="none", layout="constrained")
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(w_pad=_PADDING)  # fonts differ: a reader's may be wider than the one measured here
    axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=dict(grid)).ravel().tolist()
    for axis in axes:
        axis.set_facecolor("none")
        axis.tick_params(colors=MUTED, labelsize=_LEAST_TEXT, length=3)
        axis.grid(True, color=GRID, linewidth=0.8)
        axis.set_axisbelow(True)
        for side, spine in axis.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(GRID)
    return figure, axes


def label_axes(
    axis: Axes, title: str, x: str, y: str, *, simulated: bool, size: float = _TITLE
) -> None:
    """Set title and axis labels; the title says when the bars are simulated."""
    axis.set_title(
        title + (SIMULATED if simulated else ""), loc="left", color=INK, fontsize=size, pad=10
    )
    label_sides(axis, x, y)


def title_figure(figure: Figure, title: str, *, simulated: bool) -> None:
    """Set the title over the whole figure, where long names leave the axes little room."""
    figure.suptitle(
        title + (SIMULATED if simulated else ""), x=0.01, ha="left", color=INK, fontsize=_TITLE
    )


def label_sides(axis: Axes, x: str, y: str) -> None:
    """Set the labels of both axes."""
    axis.set_xlabel(x, color=MUTED, fontsize=_LEAST_TEXT)
    axis.set_ylabel(y, color=MUTED, fontsize=_LEAST_TEXT)


def add_legend(axis: Axes) -> None:
    """Add a legend below the picture, where nothing is drawn, if anything is labelled."""
    handles, labels = axis.get_legend_handles_labels()
    if not labels:
        return
    figure = axis.get_figure()
    assert isinstance(figure, Figure)
    room = 72.0 * figure.get_figwidth() / (6.2 * max(map(len, labels)) + 45.0)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=max(1, min(len(labels), int(room))),
        frameon=False, labelcolor=INK, fontsize=_LEAST_TEXT,
    )  # fmt: skip


def date_axis(axis: Axes) -> None:
    """Label the horizontal axis with dates, few and short."""
    locator = AutoDateLocator(minticks=4, maxticks=9)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axis.xaxis.get_offset_text().set_color(MUTED)


def say(axis: Axes, message: str) -> None:
    """Write `message` in place of a plot that has nothing to show, without its axes."""
    axis.set_axis_off()
    axis.text(
        0.5, 0.5, message, transform=axis.transAxes, ha="center", va="center", color=MUTED,
        fontsize=_TITLE,
    )  # fmt: skip


def told(parts: Iterable[str]) -> str:
    """Return what a picture's parts are, for those who cannot see it; of many, the first."""
    every = list(parts)
    more = f"; and {len(every) - _MOST_TOLD} more" if len(every) > _MOST_TOLD else ""
    return "; ".join(every[:_MOST_TOLD]) + more


def thin(values: npt.NDArray[np.float64], points: int = 1500) -> npt.NDArray[np.int64]:
    """Row numbers that keep the first, the last and both extremes of every stretch of a curve."""
    rows = len(values)
    if rows <= points:
        return np.arange(rows)
    edges = np.linspace(0, rows, points // 2 + 1).astype(np.int64)
    chosen = [0, rows - 1]
    for first, last in pairwise(edges):
        stretch = values[first:last]
        chosen += [int(first + np.argmin(stretch)), int(first + np.argmax(stretch))]
    return np.unique(chosen)


def to_svg(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an `<svg>` element for a page.

    Args:
        figure: A figure drawn with the colours of this file.
        name: Name that is unique on the page; keeps the ids of two pictures apart.
        description: What a reader who cannot see the picture is told.
    """
    buffer = io.StringIO()
    canvas = FigureCanvasSVG(figure)
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")  # once: `savefig` would do it again for each drawing
        for axis in figure.axes:
            _part_labels(axis)
        _fit_titles(figure)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        canvas.print_svg(buffer, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    used = set(re.findall(r"#([\w.-]+)[)\"]", text))
    text = re.sub(
        r' id="([^"]+)"', lambda match: match.group(0) if match.group(1) in used else "", text
    )
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    text = _FONT.sub(_page_font, text)
    text = re.sub(r' width="[\d.]+pt"| height="[\d.]+pt"', "", text, count=2)
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    wide = ' class="wide"' if figure.get_figwidth() > WIDE else ""
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}"{wide} ', 1)


def _part_labels(axis: Axes) -> None:
    """Hide every second label of the horizontal axis until none touches the next."""
    for _ in range(4):
        shown = [
            one for one in axis.get_xticklabels() if one.get_visible() and one.get_text().strip()
        ]
        boxes = sorted(((one.get_window_extent(), one) for one in shown), key=lambda at: at[0].x0)
        if all(left.x1 + 3.0 <= right.x0 for (left, _), (right, _) in pairwise(boxes)):
            return
        for _, label in boxes[1::2]:
            label.set_visible(False)


def _fit_titles(figure: Figure) -> None:
    """Make titles smaller that are longer than the picture is wide."""
    drawn = [*figure.texts, *(one for axis in figure.axes for one in axis.get_children())]
    for title in (one for one in drawn if isinstance(one, Text) and one.get_text()):
        box = title.get_window_extent()
        room = float(figure.bbox.width) - box.x0
        if box.width > room:
            size = float(title.get_fontsize()) * room / box.width
            title.set_fontsize(max(_SMALLEST_TITLE, size))


def _page_font(match: re.Match[str]) -> str:
    weight = f"font-weight: {match.group(1)}; " if match.group(1) else ""
    return f"{weight}font-size: {match.group(2)}px; font-family: var(--font)"


def finite(values: npt.ArrayLike) -> Array1D:
    """Return the finite entries of a vector."""
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]
