"""Where a net looks in a picture, beside the bars that the picture is drawn of, as `<svg>`."""

from collections.abc import Sequence

import numpy as np

from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.evaluation.reporting.looks import Look

_COLOUR = (0.93, 0.35, 0.13)  # an orange that reads on light and on dark pages
_HEIGHT = 2.3


def plot_looks(looks: Sequence[Look], *, simulated: bool) -> str:
    """Draw a row for each decision: the bars, the picture, and the picture with the map over it.

    The bars' background is as dark as the map is on average over the picture's columns, which are
    the window's time.

    Args:
        looks: What to show, one decision or more.
        simulated: Whether the bars are; the title says so.

    Raises:
        ValueError: There is nothing to show.
    """
    if not looks:
        raise ValueError("plot_looks needs one decision or more, got none; leave the plot out")
    figure, axes = fig.new_figure(9.2, 0.6 + _HEIGHT * len(looks), rows=len(looks), columns=3)
    for row, look in enumerate(looks):
        bars, picture, over = axes[3 * row : 3 * row + 3]
        columns = look.heat.mean(axis=0)
        edges = np.linspace(0, len(look.closes), len(columns) + 1) - 0.5
        most = columns.max()
        for left, right, value in zip(edges[:-1], edges[1:], columns, strict=True):
            if most > 0:
                bars.axvspan(left, right, color=_COLOUR, alpha=0.6 * value / most, linewidth=0)
        bars.plot(np.arange(len(look.closes)), look.closes, color=fig.INK, linewidth=1.0)
        bars.set_title(look.name, loc="left", color=fig.INK, fontsize=9.0)
        shade = np.empty((*look.heat.shape, 4))
        shade[..., :3] = _COLOUR
        shade[..., 3] = 0.75 * look.heat
        for axis in (picture, over):
            axis.grid(False)
            axis.imshow(look.picture, cmap="gray", interpolation="none", aspect="auto")
            axis.set_xticks([])
            axis.set_yticks([])
        over.imshow(shade, interpolation="none", aspect="auto")
    fig.title_figure(figure, "Bars, picture, and where the net looks", simulated=simulated)
    said = fig.told(f"{look.name}: {_quarter(look)} quarter" for look in looks)
    return fig.to_svg(figure, "looks", f"Where the net looks most: {said}")


def _quarter(look: Look) -> str:
    """The quarter of the window's time that it looks at most."""
    parts = [part.mean() for part in np.array_split(look.heat.mean(axis=0), 4)]
    return ("oldest", "second", "third", "newest")[int(np.argmax(parts))]
