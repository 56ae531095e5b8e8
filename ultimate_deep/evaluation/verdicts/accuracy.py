"""How often a model is right, beside how often one class is: no question of the verdict's own."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, binary, same_length
from ultimate_deep.evaluation.significance.bootstrap import (
    Interval,
    block_bars_for,
    bootstrap_sums,
)
from ultimate_deep.evaluation.significance.decision_times import sums_per_time
from ultimate_deep.evaluation.verdicts.bounds import Bounds
from ultimate_deep.evaluation.verdicts.config import VerdictConfig


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Shares of right decisions.

    Args:
        accuracy: Share of the model's decisions that are right.
        majority: The same share of always saying the majority's class.
        advantage: The model's less the majority's, paired on the same resamples.
        rows: How many decisions; more than their times where symbols decide together.
    """

    accuracy: Interval
    majority: float
    advantage: Interval
    rows: int


def hits(
    label: npt.ArrayLike,
    predicted_up: npt.ArrayLike,
    *,
    bounds: Bounds,
    majority_up: bool | npt.NDArray[np.bool_] | None = None,
    decision_time: npt.ArrayLike | None = None,
    horizon_bars: int = 1,
    seed: int = 0,
) -> Hits:
    """Compare decisions with one class.

    Args:
        label: 0 or 1 per decision, shape `(rows,)`, in order of time.
        predicted_up: 0 or 1 per decision, shape `(rows,)`.
        bounds: How intervals are made.
        majority_up: The majority's class, known before; of each decision, `(rows,)`, where it was
            another at another time; None takes that of these rows.
        decision_time: Time of each decision, shape `(rows,)`; decisions of one time are drawn
            together, since symbols move together.
        horizon_bars: Number of bars over which the labels reach.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: Shapes that differ, values other than 0 and 1.
    """
    truth, guess = binary("label", label), binary("predicted_up", predicted_up)
    same_length(label=truth, predicted_up=guess)
    table = sums_per_time(_rows(truth, guess, majority_up), decision_time)
    right, majority, count = table.sum(axis=0)
    lead = (table[:, :1] - table[:, 1:2]) - table[:, 2:] * (right - majority) / count
    own = table[:, :1] - table[:, 2:] * right / count
    block_bars = block_bars_for(np.hstack([lead, own]), horizon_bars=horizon_bars)
    sums = bootstrap_sums(table, block_bars=block_bars, resamples=bounds.resamples, seed=seed)
    ahead = (sums[:, 0] - sums[:, 1]) / sums[:, 2]
    return Hits(
        accuracy=bounds.interval(float(right / count), sums[:, 0] / sums[:, 2], block_bars),
        majority=float(majority / count),
        advantage=bounds.interval(float((right - majority) / count), ahead, block_bars),
        rows=int(count),
    )


def accuracy_interval(
    label: npt.ArrayLike,
    predicted_up: npt.ArrayLike,
    *,
    decision_time: npt.ArrayLike | None = None,
    horizon_bars: int = 1,
    seed: int = 0,
    bounds: Bounds = Bounds.shared_by(1, VerdictConfig()),
) -> Interval:
    """Return the accuracy of any predictor with the interval of a verdict; see `hits`."""
    found = hits(
        label,
        predicted_up,
        bounds=bounds,
        decision_time=decision_time,
        horizon_bars=horizon_bars,
        seed=seed,
    )
    return found.accuracy


def _rows(
    truth: Array1D, guess: Array1D, majority_up: bool | npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.float64]:
    """Per decision: right, the majority right, one."""
    up = truth.mean() >= 0.5 if majority_up is None else majority_up
    majority = np.broadcast_to(np.asarray(up, dtype=np.float64), truth.shape)
    columns = [truth == guess, truth == majority, np.ones(len(truth), dtype=bool)]
    return np.column_stack(columns).astype(np.float64)
