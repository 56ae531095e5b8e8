"""How much of the equity a signal gets."""

import math

import numpy as np
import numpy.typing as npt

from ultimate_deep.portfolio.arrays import Array1D
from ultimate_deep.portfolio.sizing_spec import SizingSpec


def kelly_fraction(
    probability: npt.ArrayLike, *, average_gain: float = 1.0, average_loss: float = 1.0
) -> Array1D:
    """Share of equity that maximises its expected logarithmic growth, at least 0.

    `p / average_loss - (1 - p) / average_gain`: of a bet that gains `average_gain` times the
    stake with probability `p` and loses `average_loss` times the stake otherwise. It is a share
    of equity and may exceed 1. NaN where the probability is NaN.

    Source: Kelly (1956), Bell System Technical Journal 35(4); Thorp (2006), The Kelly criterion
    in blackjack, sports betting and the stock market, sec. 2, for a gain and a loss that differ.
    """
    chance = np.asarray(probability, dtype=np.float64)
    return np.maximum(chance / average_loss - (1.0 - chance) / average_gain, 0.0)


def size_positions(
    signal: npt.ArrayLike,
    spec: SizingSpec,
    *,
    probability: npt.ArrayLike | None = None,
    volatility_per_year: npt.ArrayLike | None = None,
) -> Array1D:
    """Return the wanted position of each row, shape `(rows,)`, in [-max_position, max_position].

    Every method keeps the signal's side, scales with its size and leaves NaN where it is NaN.

    Args:
        signal: Signals in [-1, 1] or NaN, shape `(rows,)`.
        spec: The rule of sizing.
        probability: Calibrated probability of up, for "kelly" and "confidence", `(rows,)`.
        volatility_per_year: Volatility known at each row's close, for "volatility_target",
            `(rows,)`; where it is NaN or 0 the position is 0.

    Raises:
        ValueError: Shapes that differ; no probability or volatility where the rule needs one; a
            row with a signal and no probability; values out of their range.
    """
    wanted = np.asarray(signal, dtype=np.float64)
    if wanted.ndim != 1 or bool((np.abs(wanted) > 1.0).any()):
        raise ValueError("signal must have shape (rows,) and lie in [-1, 1] or be NaN")
    if spec.method == "fixed":
        share = np.full(len(wanted), spec.fixed_fraction)
    elif spec.method == "volatility_target":
        share = _volatility_share(
            _required("volatility_per_year", volatility_per_year, wanted), spec
        )
    else:
        chance = _side_probability(_required("probability", probability, wanted), wanted)
        share = _probability_share(chance, spec)
    held = np.where(wanted == 0.0, 0.0, wanted * np.minimum(share, spec.max_position))
    return np.where(np.isnan(wanted), math.nan, held)


def _required(name: str, values: npt.ArrayLike | None, signal: Array1D) -> Array1D:
    if values is None:
        raise ValueError(
            f"this sizing needs `{name}`; give one value per row, or choose another method"
        )
    array = np.asarray(values, dtype=np.float64)
    if array.shape != signal.shape:
        raise ValueError(
            f"{name} must have the signal's shape {signal.shape}, got {array.shape}; "
            "give one value per row"
        )
    return array


def _side_probability(probability: Array1D, signal: Array1D) -> Array1D:
    """Probability of the side that each row's signal takes; NaN where there is no signal."""
    taken = (signal != 0.0) & ~np.isnan(signal)
    bad = taken & ~((probability >= 0.0) & (probability <= 1.0))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"probability must lie in [0, 1] wherever there is a signal, got {probability[row]} "
            f"at row {row}; apply the bundle's temperature to logits, or drop the signal"
        )
    side = np.where(signal > 0.0, probability, 1.0 - probability)
    return np.where(taken, side, math.nan)


def _probability_share(chance: Array1D, spec: SizingSpec) -> Array1D:
    if spec.method == "kelly":
        full = kelly_fraction(
            chance, average_gain=spec.average_gain, average_loss=spec.average_loss
        )
        return spec.kelly_fraction * full
    least = spec.confidence_threshold
    return np.clip((chance - least) / (1.0 - least), 0.0, 1.0)


def _volatility_share(volatility: Array1D, spec: SizingSpec) -> Array1D:
    if bool((volatility < 0.0).any()) or bool(np.isinf(volatility).any()):
        raise ValueError("volatility_per_year must not be negative or infinite; NaN where unknown")
    share = np.zeros(len(volatility))
    known = volatility > 0.0  # NaN is not
    np.divide(spec.target_volatility, volatility, out=share, where=known)
    return share
