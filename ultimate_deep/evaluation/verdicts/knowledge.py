"""Does a forecast know something that no constant does? Log loss and rank, on dependent rows.

A constant is the best one with hindsight, for each symbol by itself: a forecast that has only
learnt how often each symbol rises knows nothing here, however well that pays.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from ultimate_deep.evaluation.arrays import Array1D, binary, same_length, unit_interval
from ultimate_deep.evaluation.significance.bootstrap import (
    Interval,
    block_bars_for,
    bootstrap_sums,
)
from ultimate_deep.evaluation.significance.decision_times import sums_per_time
from ultimate_deep.evaluation.verdicts.bounds import Bounds
from ultimate_deep.evaluation.verdicts.config import VerdictConfig

SMALLEST = 1e-6  # probability that a log loss is taken of


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """What a forecast knows beyond the best constants.

    Args:
        gain: Log likelihood of a decision (nats) beyond that of its symbol's share of up.
        rank: Chance that of an up and a down of one symbol the up was given more, less one half;
            the area under the ROC curve beyond chance.
        decisions: Distinct decision times judged.
    """

    gain: Interval
    rank: Interval
    decisions: int


def knowledge(
    probability: npt.ArrayLike,
    label: npt.ArrayLike,
    *,
    decision_time: npt.ArrayLike | None = None,
    group: npt.ArrayLike | None = None,
    horizon_bars: int = 1,
    bounds: Bounds = Bounds.shared_by(1, VerdictConfig()),
    seed: int = 0,
) -> Knowledge:
    """Compare a forecast with the best constants by a block bootstrap of decision times.

    The rank is linearised for the bootstrap: each row counts by its placement among the rows of
    the other class.

    Args:
        probability: Probability of up, shape `(rows,)`, in order of time.
        label: 0 or 1, shape `(rows,)`.
        decision_time: Time of each decision, shape `(rows,)`; decisions of one time are drawn
            together.
        group: Whole number of each row's symbol, shape `(rows,)`.
        horizon_bars: Number of bars over which the labels reach.
        bounds: How intervals are made.
        seed: The same seed gives the same histories.

    Raises:
        ValueError: Shapes that differ, or values out of range.

    Source: placements, DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44(3), eq. 3 to 5.
    """
    given, truth = unit_interval("probability", probability), binary("label", label)
    same_length(probability=given, label=truth)
    groups = np.zeros(len(truth), np.int64) if group is None else np.asarray(group)
    values = np.zeros((len(truth), 3))
    values[:, 2] = 1.0
    for code in np.unique(groups):
        chosen = groups == code
        values[chosen, 0] = _gain(given[chosen], truth[chosen])
        values[chosen, 1] = _placed(given[chosen], truth[chosen])
    table = sums_per_time(values, decision_time)
    means = table[:, :2].sum(axis=0) / table[:, 2].sum()
    block_bars = block_bars_for(table[:, :2] - table[:, 2:] * means, horizon_bars=horizon_bars)
    sums = bootstrap_sums(table, block_bars=block_bars, resamples=bounds.resamples, seed=seed)
    gain, rank = (
        bounds.interval(float(means[k]), sums[:, k] / sums[:, 2], block_bars) for k in (0, 1)
    )
    return Knowledge(gain=gain, rank=rank, decisions=len(table))


def _gain(probability: Array1D, truth: Array1D) -> Array1D:
    """Log likelihood of each row beyond that of the rows' share of up."""
    return _log_likelihood(probability, truth) - _log_likelihood(
        np.full(len(truth), truth.mean()), truth
    )


def _log_likelihood(probability: Array1D, truth: Array1D) -> Array1D:
    known = np.clip(probability, SMALLEST, 1.0 - SMALLEST)
    return np.where(truth == 1.0, np.log(known), np.log1p(-known))


def _placed(probability: Array1D, truth: Array1D) -> Array1D:
    """What each row adds to the rank beyond chance; their mean is the rank. Zero of one class."""
    up = truth == 1.0
    ups, downs = int(up.sum()), int((~up).sum())
    if not ups or not downs:
        return np.zeros(len(truth))
    everywhere = rankdata(probability)
    placed = np.empty(len(truth))
    placed[up] = (everywhere[up] - rankdata(probability[up])) / downs
    placed[~up] = 1.0 - (everywhere[~up] - rankdata(probability[~up])) / ups
    area = float(placed[up].mean())
    share = np.where(up, ups, downs) / len(truth)
    return np.asarray(area - 0.5 + (placed - area) / share)
