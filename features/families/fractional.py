"""Fractional differences: stationary like returns, with some of the level's memory."""

import math

from ultimate_deep.features.engine.graph import Node, clip, fir, ratio
from ultimate_deep.features.engine.windows import deviation
from ultimate_deep.features.families.price import return_log
from ultimate_deep.features.families.volume import relative_volume
from ultimate_deep.features.indicators.classic import change
from ultimate_deep.features.registry import Feature

WINDOW = 100
SOURCE = "Lopez de Prado (2018), ch. 5, fixed-width window"


def fractional_weights(order: float, window: int) -> tuple[float, ...]:
    """Weights of `(1 - L)^order` on the newest value and the `window` before it.

    `w_0 = 1`, `w_k = -w_{k-1} (order - k + 1) / k`. Source: Hosking (1981); Lopez de Prado
    (2018), sec. 5.4.

    Raises:
        ValueError: `order` is not in (0, 1) or `window` is below 1.
    """
    if not 0.0 < order < 1.0 or window < 1:
        raise ValueError(
            "a fractional difference needs an order between 0 and 1 and a window of at least "
            f"1 bar; got {order} and {window}"
        )
    weights = [1.0]
    for k in range(1, window + 1):
        weights.append(-weights[-1] * (order - k + 1.0) / k)
    return tuple(weights)


def change_weights(order: float, window: int) -> tuple[float, ...]:
    """Weights on the last `window` changes that give the fractional difference of the level.

    The weights of a cut window do not sum to 0, so that the difference of a log price would keep
    a share of its unit. Measured from the newest bar, `sum_k w_k (x_{t-k} - x_t)`, the unit drops
    out, and with `x_{t-k} - x_t` as a sum of changes the weight of the change `j` bars ago is
    `w_0 + ... + w_j - (w_0 + ... + w_window)`: positive, falling to 0 at the window's end.
    """
    weights = fractional_weights(order, window)
    total = math.fsum(weights)
    return tuple(math.fsum(weights[: j + 1]) - total for j in range(window))


def fractional_difference(changes: Node, order: float, window: int = WINDOW) -> Node:
    """Fractional difference, level-free, in standard deviations that white changes would have.

    Args:
        changes: First differences of the level, such as log returns.
        order: 1 would be the last change alone, 0 the level.
        window: Changes that are read.
    """
    weights = change_weights(order, window)
    norm = math.sqrt(math.fsum(weight * weight for weight in weights))
    scaled = tuple(weight / norm for weight in weights)
    return clip(ratio(fir(changes, scaled), deviation(changes, window)), -20.0, 20.0)


def entries() -> list[Feature]:
    """The features of this family."""
    unit = "standard deviations"
    bounds = {"low": -20.0, "high": 20.0}
    volumes = change(relative_volume(50))
    return [
        *[
            Feature(
                f"fractional_close_{round(100 * order)}",
                fractional_difference(return_log(), order),
                SOURCE,
                unit,
                **bounds,
            )
            for order in (0.3, 0.5, 0.7)
        ],
        Feature(
            "fractional_volume_50", fractional_difference(volumes, 0.5), SOURCE, unit, **bounds
        ),
    ]
