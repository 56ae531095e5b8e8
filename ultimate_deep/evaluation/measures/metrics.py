"""Every metric's one definition, in NumPy. Wrong shapes raise; undefined values are NaN.

Labels are 0 or 1 without NaN: drop undefined rows from labels and probabilities together.
Measures of returns live in `evaluation.measures.returns`, scores against a known truth in
`evaluation.measures.oracle`; both can be imported from here too.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from ultimate_deep.evaluation.arrays import Array1D, binary, same_length, unit_interval, vector
from ultimate_deep.evaluation.measures.classes import class_confusion
from ultimate_deep.evaluation.measures.oracle import (
    expected_accuracy,
    oracle_accuracy,
    share_of_edge,
)
from ultimate_deep.evaluation.measures.returns import (
    annual_return,
    annual_volatility,
    drawdown,
    max_drawdown,
    profit_factor,
    sharpe,
    sortino,
    win_rate,
)
from ultimate_deep.evaluation.signals import check_threshold, signal_from_probability
from ultimate_deep.portfolio.costs import DEFAULT_COSTS, CostSpec
from ultimate_deep.portfolio.mode import Mode

__all__ = [
    "RocCurve",
    "accuracy",
    "annual_return",
    "annual_volatility",
    "balanced_accuracy",
    "brier",
    "classification_metrics",
    "confusion",
    "drawdown",
    "ece",
    "expected_accuracy",
    "log_loss",
    "max_drawdown",
    "oracle_accuracy",
    "predicted_up",
    "profit_factor",
    "reliability",
    "roc_auc",
    "roc_curve",
    "share_of_edge",
    "sharpe",
    "sortino",
    "threshold_sweep",
    "win_rate",
]

_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


def predicted_up(probability: npt.ArrayLike) -> Array1D:
    """1 where the probability of up is at least one half, else 0; shape `(rows,)`."""
    return (unit_interval("probability", probability) >= 0.5).astype(np.float64)


def accuracy(label: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Share of rows where the prediction (0 or 1) is the label (0 or 1)."""
    truth, guess = binary("label", label), binary("predicted", predicted)
    same_length(label=truth, predicted=guess)
    return float((truth == guess).mean())


def balanced_accuracy(label: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Mean of the accuracies on up rows and on down rows. NaN where one class is absent."""
    matrix = confusion(label, predicted)
    rows = matrix.sum(axis=1)
    if not rows.all():
        return math.nan
    return float((np.diag(matrix) / rows).mean())


def confusion(label: npt.ArrayLike, predicted: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Counts of shape `(2, 2)`: row is the label (down, up), column the prediction."""
    truth, guess = binary("label", label), binary("predicted", predicted)
    same_length(label=truth, predicted=guess)
    return class_confusion(truth, guess, classes=2)


def log_loss(label: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Mean negative log likelihood in nats; a coin has 0.6931.

    Probabilities are clipped to `[eps, 1 - eps]` with the float64 `eps`, as scikit-learn does.
    """
    truth, guess = _label_and_probability(label, probability)
    guess = np.clip(guess, _SMALLEST_PROBABILITY, 1.0 - _SMALLEST_PROBABILITY)
    return float(-np.mean(truth * np.log(guess) + (1.0 - truth) * np.log1p(-guess)))


def brier(label: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Mean squared distance of probability and label; a coin has 0.25. Source: Brier (1950)."""
    truth, guess = _label_and_probability(label, probability)
    return float(np.mean(np.square(guess - truth)))


def reliability(
    label: npt.ArrayLike, probability: npt.ArrayLike, *, bins: int = 10
) -> pd.DataFrame:
    """Forecast against frequency in bins that hold equally many rows.

    Bins follow the quantiles of the probabilities, because forecasts of market direction crowd
    around one half; equal probabilities always share a bin, so there may be fewer than asked.

    Returns:
        Columns `rows`, `probability` (mean forecast), `frequency` (share of ups).
    """
    truth, guess = _label_and_probability(label, probability)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    edges = np.unique(np.quantile(guess, np.linspace(0.0, 1.0, bins + 1)))
    which = np.clip(np.searchsorted(edges, guess, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = np.bincount(which)
    used = rows > 0
    counts = rows[used]
    return pd.DataFrame(
        {
            "rows": counts,
            "probability": np.bincount(which, weights=guess)[used] / counts,
            "frequency": np.bincount(which, weights=truth)[used] / counts,
        }
    )


def ece(label: npt.ArrayLike, probability: npt.ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error: mean distance of forecast and frequency over the bins of
    `reliability`, weighted by rows. Source: Nguyen & O'Connor (2015), sec. 3 (adaptive bins)."""
    table = reliability(label, probability, bins=bins)
    distance = (table["probability"] - table["frequency"]).abs()
    return float(np.average(distance, weights=table["rows"]))


def roc_auc(label: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Chance that an up row is ranked above a down row, ties one half. NaN with one class.

    Source: Mann & Whitney (1947) by mid-ranks.
    """
    truth, guess = _label_and_probability(label, probability)
    ups = int(truth.sum())
    downs = len(truth) - ups
    if not ups or not downs:
        return math.nan
    rank_sum = float(rankdata(guess)[truth == 1.0].sum())
    return (rank_sum - ups * (ups + 1) / 2.0) / (ups * downs)


@dataclass(frozen=True, eq=False, kw_only=True)
class RocCurve:
    """Points of the ROC curve from (0, 0) to (1, 1), one per distinct score; shape `(points,)`."""

    false_positive_rate: Array1D
    true_positive_rate: Array1D
    threshold: Array1D  # the first is infinity: nothing is called up


def roc_curve(label: npt.ArrayLike, probability: npt.ArrayLike) -> RocCurve:
    """Return true against false positives as the threshold falls. Rates are NaN with one class."""
    truth, guess = _label_and_probability(label, probability)
    order = np.argsort(-guess, kind="stable")
    truth, guess = truth[order], guess[order]
    last = np.concatenate([np.flatnonzero(np.diff(guess)), [len(guess) - 1]])  # of each tie
    hits = np.cumsum(truth)[last]
    alarms = last + 1.0 - hits
    ups, downs = float(truth.sum()), float(len(truth) - truth.sum())
    nowhere = np.full(len(last), math.nan)
    return RocCurve(
        false_positive_rate=np.concatenate([[0.0], alarms / downs if downs else nowhere]),
        true_positive_rate=np.concatenate([[0.0], hits / ups if ups else nowhere]),
        threshold=np.concatenate([[math.inf], guess[last]]),
    )


def classification_metrics(label: npt.ArrayLike, probability: npt.ArrayLike) -> dict[str, float]:
    """Return all of the above for one set of rows, by name."""
    guess = predicted_up(probability)
    return {
        "rows": float(len(guess)),
        "accuracy": accuracy(label, guess),
        "balanced_accuracy": balanced_accuracy(label, guess),
        "roc_auc": roc_auc(label, probability),
        "log_loss": log_loss(label, probability),
        "brier": brier(label, probability),
        "ece": ece(label, probability),
    }


DEFAULT_THRESHOLDS: tuple[float, ...] = tuple(round(0.5 + 0.01 * step, 2) for step in range(41))


def threshold_sweep(
    probability: npt.ArrayLike,
    return_log: npt.ArrayLike,
    *,
    mode: Mode = "long_flat",
    costs: CostSpec = DEFAULT_COSTS,
    thresholds: npt.ArrayLike = DEFAULT_THRESHOLDS,
) -> pd.DataFrame:
    """What each threshold keeps and what that is worth, every decision a trade of its own.

    A decision at threshold `q` is taken where `signal_from_probability` is not flat; it earns
    `side * (exp(return_log) - 1)` minus a round trip of costs. Rows with a NaN probability or
    return are left out.

    Args:
        probability: Probability of up, shape `(rows,)`.
        return_log: Log return over the label's horizon, from fill to exit, shape `(rows,)`.
        mode: Whether shorts are taken.
        costs: Fees and slippage per side.
        thresholds: Thresholds in [0.5, 1], shape `(thresholds,)`.

    Returns:
        Columns `threshold`, `trades`, `coverage` (share of rows traded), `win_rate` (net return
        above zero), `hit_rate` (right side before costs), `net_return_bps` (mean per trade);
        the last three are NaN where nothing is traded.
    """
    guess = unit_interval("probability", probability, allow_nan=True)
    moves = vector("return_log", return_log, allow_nan=True)
    same_length(probability=guess, return_log=moves)
    steps = vector("thresholds", thresholds)
    known = np.isfinite(guess) & np.isfinite(moves)
    guess, gain = guess[known], np.expm1(moves[known])
    rows = []
    for step in steps:
        check_threshold(float(step))
        side = signal_from_probability(guess, float(step), mode=mode)
        taken = side != 0.0
        gross = side[taken] * gain[taken]
        net = gross - costs.round_trip_bps / 1e4
        count = len(net)
        rows.append(
            {
                "threshold": float(step),
                "trades": count,
                "coverage": count / len(guess) if len(guess) else math.nan,
                "win_rate": win_rate(net),
                "hit_rate": float((gross > 0).mean()) if count else math.nan,
                "net_return_bps": float(net.mean()) * 1e4 if count else math.nan,
            }
        )
    return pd.DataFrame(rows)


def _label_and_probability(
    label: npt.ArrayLike, probability: npt.ArrayLike
) -> tuple[Array1D, Array1D]:
    truth, guess = binary("label", label), unit_interval("probability", probability)
    same_length(label=truth, probability=guess)
    return truth, guess
