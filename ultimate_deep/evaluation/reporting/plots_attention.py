"""Where a model looks in its windows: maps of attention over time, as an `<svg>` string."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ultimate_deep.evaluation.reporting import figures as fig
from ultimate_deep.machine.counts import how_many

Shares = npt.NDArray[np.floating]

_COLOUR = (0.23, 0.51, 0.96)  # a blue that reads on light and on dark pages
_MOST_HEADS, _FEW_QUERIES = 8, 8
_SUM_TOLERANCE = 1e-3  # bfloat16 products keep 8 bits, the shares themselves are float32


def plot_attention_maps(maps: Mapping[str, Shares], *, simulated: bool) -> str:
    """Draw one row of panels for each layer, one panel for each of its first heads.

    A panel's columns are the bars looked at, its rows the bars (or horizons) that look, the newest
    at the right and at the bottom. The fullest colour is the largest share of that layer, and the
    colour goes with the square root of the share, so that small shares are seen beside it.

    Args:
        maps: Layer name to shares `(heads, queries, keys)`, adding up to 1 over keys, such as the
            mean over rows of what `models.surgery.attention_map.temporal_attention` returns.
        simulated: Whether the bars are; the title says so.

    Raises:
        ValueError: No maps, a wrong shape, or shares that do not add up to 1.
    """
    for name, shares in maps.items():
        _check(name, shares)
    if not maps:
        raise ValueError("plot_attention_maps needs at least one layer's map, got none; add one")
    columns = max(min(len(shares), _MOST_HEADS) for shares in maps.values())
    heights = [
        0.75 if shares.shape[1] <= _FEW_QUERIES else 9.2 / max(columns, 4)
        for shares in maps.values()
    ]
    figure, axes = fig.new_figure(
        9.2,
        0.5 + sum(heights) + 0.55 * len(maps),
        rows=len(maps),
        columns=columns,
        height_ratios=heights,
    )
    for row, (name, shares) in enumerate(maps.items()):
        panels = axes[row * columns : (row + 1) * columns]
        _draw_layer(panels, name, shares)
    fig.title_figure(figure, "Where attention looks: bars ago", simulated=simulated)
    said = fig.told(
        f"{name}, {how_many(len(shares), 'head')}, most "
        f"{shares.shape[2] - 1 - int(shares.mean(axis=(0, 1)).argmax())} bars ago"
        for name, shares in maps.items()
    )
    return fig.to_svg(figure, "attention_maps", f"Attention over time by layer: {said}")


def _draw_layer(panels: list[Axes], name: str, shares: Shares) -> None:
    most = float(shares.max())
    for head, axis in enumerate(panels):
        axis.grid(False)
        if head >= len(shares):
            axis.set_visible(False)
            continue
        _, queries, keys = shares.shape
        picture = np.empty((queries, keys, 4))
        picture[..., :3] = _COLOUR
        picture[..., 3] = np.sqrt(shares[head] / most)
        few = queries <= _FEW_QUERIES
        top, bottom = (-0.5, queries - 0.5) if few else (0.5 - queries, 0.5)
        axis.imshow(
            picture, aspect="auto", interpolation="none", extent=(0.5 - keys, 0.5, bottom, top)
        )
        axis.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axis.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        if head or (few and queries == 1):
            axis.set_yticks([])
    left_out = len(shares) - len(panels)
    more = f", {how_many(left_out, 'more head')} not shown" if left_out > 0 else ""
    panels[0].set_title(
        f"{name}: largest share {most:.0%}{more}", loc="left", color=fig.INK, fontsize=10.0
    )


def _check(name: str, shares: Shares) -> None:
    if shares.ndim != 3:
        raise ValueError(
            f"the map of {name!r} must be (heads, queries, keys), got shape {shares.shape}: take "
            "the mean over rows first"
        )
    if not np.allclose(shares.sum(axis=-1), 1.0, atol=_SUM_TOLERANCE):
        raise ValueError(
            f"the shares of {name!r} must add up to 1 over keys, got sums from "
            f"{shares.sum(axis=-1).min():.4g} to {shares.sum(axis=-1).max():.4g}; "
            "give the weights after their softmax"
        )
