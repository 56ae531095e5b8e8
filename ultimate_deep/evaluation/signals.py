"""From probabilities to signals: what a model wants to hold after each bar's close."""

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, unit_interval
from ultimate_deep.portfolio.mode import Mode, check_mode


def check_threshold(threshold: float) -> None:
    """Raise `ValueError` unless `threshold` lies in [0.5, 1]."""
    if not 0.5 <= threshold <= 1.0:  # NaN fails too
        raise ValueError(
            f"threshold must lie in [0.5, 1], got {threshold}; it is the probability of the "
            "side taken, so below one half it would bet against the model"
        )


def signal_from_probability(
    probability: npt.ArrayLike, threshold: float, *, mode: Mode = "long_flat"
) -> Array1D:
    """Return the wanted position after each bar's close.

    Long (1) where `probability >= threshold`. In "long_short", short (-1) where
    `probability <= 1 - threshold`; a probability that is both (one half at threshold one half)
    is long. Flat (0) elsewhere and where the probability is NaN.

    Args:
        probability: probability of up, shape `(rows,)`, in [0, 1] or NaN.
        threshold: least probability of the side taken, in [0.5, 1].
        mode: "long_flat" or "long_short".

    Returns:
        Signals in {-1, 0, 1}, float64, shape `(rows,)`, never NaN.

    Raises:
        ValueError: wrong shape, a probability outside [0, 1], a threshold outside [0.5, 1],
            an unknown mode.
    """
    check_mode(mode)
    check_threshold(threshold)
    probability = unit_interval("probability", probability, allow_nan=True)
    signal = np.zeros(len(probability))
    if mode == "long_short":
        signal[probability <= 1.0 - threshold] = -1.0
    signal[probability >= threshold] = 1.0
    return signal
