"""What the tests over many models share: their rows, their buckets, their checks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, same_length, vector
from ultimate_deep.evaluation.significance.bootstrap import block_bars_for
from ultimate_deep.evaluation.significance.decision_times import sums_per_time
from ultimate_deep.evaluation.significance.long_run_variance import autocovariance
from ultimate_deep.evaluation.significance.matrices import (
    Array2D,
    column_names,
    finite_matrix,
    trial_matrix,
)

LEAST_TIMES = 20
_MOST_MODELS_IN_SET = 100  # pairs of models times resamples are held in memory: 80 MB


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How the stationary bootstrap draws.

    Args:
        resamples: Bootstrap histories, at least 100.
        block_bars: Mean block length in decision times; None:
            `evaluation.significance.bootstrap.block_bars_for`.
    """

    resamples: int = 1000
    block_bars: float | None = None

    def __post_init__(self) -> None:
        if self.resamples < 100:
            raise ValueError(
                f"resamples must be at least 100, got {self.resamples}; "
                "p-values from fewer are guesses"
            )


def gains_per_time(
    benchmark_loss: npt.ArrayLike,
    model_losses: npt.ArrayLike,
    decision_time: npt.ArrayLike | None,
) -> tuple[Array2D, tuple[str, ...]]:
    """Benchmark's loss less each model's, one row per time, and the models' names.

    Raises:
        ValueError: Shapes that differ, fewer than 20 times, NaN, gains that do not vary.
    """
    benchmark = vector("benchmark_loss", benchmark_loss)
    table = finite_matrix("model_losses", model_losses)
    same_length(benchmark_loss=benchmark, model_losses=table)
    gains = means_per_time(benchmark[:, None] - table, decision_time)
    name = "benchmark_loss - model_losses, per time,"
    trial_matrix(name, gains, least_columns=1, least_rows=LEAST_TIMES)
    return gains, column_names(model_losses, table.shape[1])


def means_per_time(table: Array2D, decision_time: npt.ArrayLike | None) -> Array2D:
    """One row per time, scaled so that the mean over times is the mean over the rows."""
    sums = sums_per_time(table, decision_time)
    return np.asarray(sums * (len(sums) / len(table)), dtype=np.float64)


def bucket_means(
    columns: Array2D, horizon_bars: int, resampling: Resampling
) -> tuple[float, Array2D, float]:
    """Mean block in bars, means over buckets of a quarter of it, mean block in buckets."""
    rows = len(columns)
    bars = resampling.block_bars
    if bars is None:
        bars = block_bars_for(columns, horizon_bars=horizon_bars)
    if not 1.0 <= bars <= rows:
        raise ValueError(f"block_bars must lie between 1 and the {rows} rows, got {bars}")
    size = max(1, int(bars / 4.0))
    if size == 1:
        return bars, columns, bars
    count = rows // size
    start = np.linspace(0, rows, count, endpoint=False).astype(np.int64)
    means = np.add.reduceat(columns, start, axis=0) * (count / rows)
    return bars, means, bars * count / rows


def bootstrap_deviation(columns: Array2D, block: float) -> Array1D:
    """Root of `rows` times the stationary bootstrap's variance of each column's mean.

    Source: Politis & Romano (1994), lemma 1; Hansen (2005), sec. 3.1.
    """
    rows = len(columns)
    lag = np.arange(1, rows)
    stay = 1.0 - 1.0 / block
    weight = (1.0 - lag / rows) * stay**lag + (lag / rows) * stay ** (rows - lag)
    variance = []
    for column in columns.T:
        covariance = autocovariance(column, rows - 1)
        variance.append(covariance[0] + 2.0 * float(weight @ covariance[1:]))
    return np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny))


def check_models_differ(table: Array2D, names: tuple[str, ...]) -> None:
    """Refuse too many models, and two whose losses differ by a constant only."""
    if len(names) > _MOST_MODELS_IN_SET:
        raise ValueError(
            f"the confidence set takes at most {_MOST_MODELS_IN_SET} models, got {len(names)}; "
            "keep those with the smallest mean losses"
        )
    centred = table - table.mean(axis=0)
    for column in range(1, len(names)):
        distance = np.abs(centred[:, :column] - centred[:, column : column + 1]).max(axis=0)
        same = np.flatnonzero(distance <= 1e-12 * max(float(np.abs(table).max()), 1e-300))
        if len(same):
            raise ValueError(
                f"the losses of {names[int(same[0])]!r} and {names[column]!r} differ by a "
                "constant only, so their difference has no error; leave out one of them"
            )


def check_error_rate(error_rate: float) -> None:
    """Refuse what is no rate."""
    if not 0.0 < error_rate < 1.0:
        raise ValueError(f"error_rate must lie in (0, 1), got {error_rate}; 0.05 is usual")


def counted_p_value(share: float, resampling: Resampling) -> float:
    """Count the data themselves as one of the draws, so that no p-value is zero."""
    draws = resampling.resamples
    return (float(share) * draws + 1.0) / (draws + 1.0)
