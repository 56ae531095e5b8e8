"""Is the best of many models better than a benchmark, and which models may be the best?

All functions take **losses**: less is better. For returns give minus the returns. The engine is
`arch`; around it stand the checks, this project's block length, and two corrections:

- `arch` 8.0 accepts `studentize=True` but compares means that are not divided by their standard
  errors. Where the paper does divide (`superior_predictive_ability`, and with it the stepwise
  test), the differences are divided before `arch` sees them.
- `arch` keeps every resample's row numbers, 8 GB for a million rows, and some of its steps grow
  with the square of the rows. So it gets means over buckets of at most a quarter of the mean
  block: 8,000 rows at most. Every bucket has equally many rows, but for one more in some.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.arrays import Array1D, same_length, vector
from evaluation.bootstrap import block_bars_for
from evaluation.significance.decision_times import sums_per_time
from evaluation.significance.long_run_variance import autocovariance
from evaluation.significance.matrices import Array2D, column_names, finite_matrix, trial_matrix

_LEAST_TIMES = 20
_MOST_MODELS_IN_SET = 100  # pairs of models times resamples are held in memory: 80 MB


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How the stationary bootstrap draws.

    Args:
        resamples: at least 100.
        block_bars: mean block length in decision times; None:
            `evaluation.bootstrap.block_bars_for`.
    """

    resamples: int = 1000
    block_bars: float | None = None

    def __post_init__(self) -> None:
        if self.resamples < 100:
            raise ValueError(
                f"resamples must be at least 100, got {self.resamples}; "
                "p-values from fewer are guesses."
            )


@dataclass(frozen=True, kw_only=True)
class RealityCheck:
    """White's test of "no model is better than the benchmark".

    Args:
        p_value: small means that the best model's lead is more than the luck of the best of so
            many; never below 1 / (resamples + 1).
        best: name of the model with the smallest mean loss.
        best_gain: mean loss of the benchmark minus that model's, per row.
        models, times, block_bars, resamples: what was judged, and how; times are the distinct
            decision times.
    """

    p_value: float
    best: str
    best_gain: float
    models: int
    times: int
    block_bars: float
    resamples: int


@dataclass(frozen=True, kw_only=True)
class SuperiorPredictiveAbility:
    """Hansen's test of the same; poor models cost it less power.

    Args:
        p_value: the consistent one; 1 where no model loses less than the benchmark.
        p_value_lower, p_value_upper: bounds, as if poor models did not count, or all did.
        best: name of the model with the largest studentised gain.
        best_gain: mean loss of the benchmark minus that model's, per row.
        best_t: that gain in standard errors.
        superior: models better than the benchmark by the stepwise test of Romano & Wolf (2005),
            at most one of them wrongly so with a chance of `error_rate`.
        error_rate: of the stepwise test.
        models, times, block_bars, resamples: what was judged, and how; times are the distinct
            decision times.
    """

    p_value: float
    p_value_lower: float
    p_value_upper: float
    best: str
    best_gain: float
    best_t: float
    superior: tuple[str, ...]
    error_rate: float
    models: int
    times: int
    block_bars: float
    resamples: int


@dataclass(frozen=True, kw_only=True)
class ModelConfidenceSet:
    """Models among which the best one is, with the stated confidence.

    Args:
        included: names of the set.
        p_values: by name, the smallest error rate at which the model would be left out.
        mean_losses: by name.
        error_rate: chance that the best model is not in the set.
        times, block_bars, resamples: what was judged, and how; times are the distinct decision
            times.
    """

    included: tuple[str, ...]
    p_values: dict[str, float]
    mean_losses: dict[str, float]
    error_rate: float
    times: int
    block_bars: float
    resamples: int


def reality_check(
    benchmark_loss: npt.ArrayLike,
    model_losses: npt.ArrayLike,
    *,
    horizon_bars: int = 1,
    decision_time: npt.ArrayLike | None = None,
    seed: int = 0,
    resampling: Resampling = Resampling(),
) -> RealityCheck:
    """Test whether any model is better than the benchmark, counting that the best was picked.

    Args:
        benchmark_loss: finite, shape `(rows,)`, in order of time.
        model_losses: finite, shape `(rows, models)`; a frame's columns give the names.
        horizon_bars: over how many bars labels reach, a floor for the blocks.
        decision_time: time of each row, shape `(rows,)`, when several symbols are pooled; losses
            of one time then count as one observation.
        seed: same seed, same histories.
        resampling: how histories are drawn.

    Raises:
        ValueError: shapes that differ, fewer than 20 times, NaN, a model whose loss differs from
            the benchmark's by a constant.

    Source: White (2000), Econometrica 68(5), sec. 2, through `arch`.
    """
    # arch takes half a second to import, so only where it is used.
    from arch.bootstrap import RealityCheck as ArchRealityCheck

    gains, names = _gains(benchmark_loss, model_losses, decision_time)
    bars, buckets, block = _buckets(gains, horizon_bars, resampling)
    # nested: variances by resampling; the other way takes a pass over the rows for every lag.
    test = ArchRealityCheck(
        np.zeros(len(buckets)),
        -buckets,
        block_size=block,
        reps=resampling.resamples,
        seed=seed,
        nested=True,
    )
    test.compute()
    best = int(gains.mean(axis=0).argmax())
    return RealityCheck(
        p_value=_p_value(test.pvalues["upper"], resampling),
        best=names[best],
        best_gain=float(gains[:, best].mean()),
        models=len(names),
        times=len(gains),
        block_bars=bars,
        resamples=resampling.resamples,
    )


def superior_predictive_ability(
    benchmark_loss: npt.ArrayLike,
    model_losses: npt.ArrayLike,
    *,
    horizon_bars: int = 1,
    decision_time: npt.ArrayLike | None = None,
    seed: int = 0,
    resampling: Resampling = Resampling(),
    error_rate: float = 0.05,
) -> SuperiorPredictiveAbility:
    """Test the same as `reality_check` with gains in standard errors.

    Args, Raises: as for `reality_check`; `error_rate` of the stepwise test, in (0, 1).

    Source: Hansen (2005), J. Business & Economic Statistics 23(4), sec. 2-3; standard errors by
        the stationary bootstrap's own kernel. Stepwise: Romano & Wolf (2005), Econometrica 73(4).
        Both through `arch`.
    """
    # arch takes half a second to import, so only where it is used.
    from arch.bootstrap import SPA

    _check_error_rate(error_rate)
    gains, names = _gains(benchmark_loss, model_losses, decision_time)
    bars, buckets, block = _buckets(gains, horizon_bars, resampling)
    studentised = buckets / _bootstrap_deviation(buckets, block)
    test = SPA(
        np.zeros(len(buckets)),
        -studentised,
        block_size=block,
        reps=resampling.resamples,
        seed=seed,
        nested=True,  # as in `reality_check`
    )
    superior = _stepwise(test, len(names), error_rate)
    strength = studentised.mean(axis=0) * np.sqrt(len(buckets))
    best = int(strength.argmax())
    # Where no model gains anything there is nothing to test: Hansen's convention, not arch's.
    p_value = {
        name: _p_value(share, resampling) if strength[best] > 0.0 else 1.0
        for name, share in test.pvalues.items()
    }
    return SuperiorPredictiveAbility(
        p_value=p_value["consistent"],
        p_value_lower=p_value["lower"],
        p_value_upper=p_value["upper"],
        best=names[best],
        best_gain=float(gains[:, best].mean()),
        best_t=float(strength[best]),
        superior=tuple(names[model] for model in superior),
        error_rate=error_rate,
        models=len(names),
        times=len(gains),
        block_bars=bars,
        resamples=resampling.resamples,
    )


def _stepwise(test: Any, models: int, error_rate: float) -> list[int]:
    """Find the superior models, then compute the test on all of them again.

    As `arch.bootstrap.StepM`, which fails where every model is superior in more than one step.
    """
    test.compute()
    found: list[int] = []
    while new := [int(model) for model in test.better_models(error_rate)]:
        found += new
        if len(found) == models:
            break
        left = np.ones(models, dtype=np.bool_)
        left[found] = False
        test.subset(left)
        test.compute()
    test.subset(np.ones(models, dtype=np.bool_))
    test.compute()
    return sorted(found)


def model_confidence_set(
    losses: npt.ArrayLike,
    *,
    error_rate: float = 0.05,
    horizon_bars: int = 1,
    decision_time: npt.ArrayLike | None = None,
    seed: int = 0,
    resampling: Resampling = Resampling(),
) -> ModelConfidenceSet:
    """Drop models one by one until the rest cannot be told apart.

    Args:
        losses: finite, shape `(rows, models)`, 2 to 100 models; a frame's columns give the names.
        error_rate: chance that the best model is not in the set, in (0, 1).
        horizon_bars, decision_time, seed, resampling: as for `reality_check`.

    Raises:
        ValueError: another shape, fewer than 20 times, NaN, two models whose losses differ by a
            constant.

    Source: Hansen, Lunde & Nason (2011), Econometrica 79(2), sec. 3 (statistic T_R), through
        `arch`.
    """
    # arch takes half a second to import, so only where it is used.
    from arch.bootstrap import MCS

    _check_error_rate(error_rate)
    table = finite_matrix("losses", losses, least_columns=2, least_rows=_LEAST_TIMES)
    names = column_names(losses, table.shape[1])
    table = _per_time(table, decision_time)
    _check_models_differ(table, names)
    centred = table - table.mean(axis=1, keepdims=True)  # what all share does not matter
    bars, buckets, block = _buckets(centred, horizon_bars, resampling)
    test = MCS(
        buckets, size=error_rate, reps=resampling.resamples, block_size=block, method="R", seed=seed
    )
    test.compute()
    p_values = {names[int(model)]: float(p) for model, p in test.pvalues["Pvalue"].items()}
    mean = table.mean(axis=0)
    return ModelConfidenceSet(
        included=tuple(names[int(model)] for model in test.included),
        p_values={name: p_values[name] for name in names},
        mean_losses={name: float(loss) for name, loss in zip(names, mean, strict=True)},
        error_rate=error_rate,
        times=len(table),
        block_bars=bars,
        resamples=resampling.resamples,
    )


def _gains(
    benchmark_loss: npt.ArrayLike,
    model_losses: npt.ArrayLike,
    decision_time: npt.ArrayLike | None,
) -> tuple[Array2D, tuple[str, ...]]:
    """Benchmark's loss less each model's, one row per time, and the models' names."""
    benchmark = vector("benchmark_loss", benchmark_loss)
    table = finite_matrix("model_losses", model_losses)
    same_length(benchmark_loss=benchmark, model_losses=table)
    gains = _per_time(benchmark[:, None] - table, decision_time)
    name = "benchmark_loss - model_losses, per time,"
    trial_matrix(name, gains, least_columns=1, least_rows=_LEAST_TIMES)
    return gains, column_names(model_losses, table.shape[1])


def _per_time(table: Array2D, decision_time: npt.ArrayLike | None) -> Array2D:
    """One row per time, scaled so that the mean over times is the mean over the rows."""
    sums = sums_per_time(table, decision_time)
    return np.asarray(sums * (len(sums) / len(table)), dtype=np.float64)


def _buckets(
    columns: Array2D, horizon_bars: int, resampling: Resampling
) -> tuple[float, Array2D, float]:
    """Mean block in bars, means over buckets of bars, mean block in buckets."""
    rows = len(columns)
    bars = resampling.block_bars
    if bars is None:
        bars = block_bars_for(columns, horizon_bars=horizon_bars)
    if not 1.0 <= bars <= rows:
        raise ValueError(f"block_bars must lie between 1 and the {rows} rows, got {bars}.")
    size = max(1, int(bars / 4.0))
    if size == 1:
        return bars, columns, bars
    count = rows // size
    start = np.linspace(0, rows, count, endpoint=False).astype(np.int64)
    means = np.add.reduceat(columns, start, axis=0) * (count / rows)
    return bars, means, bars * count / rows


def _bootstrap_deviation(columns: Array2D, block: float) -> Array1D:
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


def _check_models_differ(table: Array2D, names: tuple[str, ...]) -> None:
    if len(names) > _MOST_MODELS_IN_SET:
        raise ValueError(
            f"the confidence set takes at most {_MOST_MODELS_IN_SET} models, got {len(names)}; "
            "keep those with the smallest mean losses."
        )
    centred = table - table.mean(axis=0)
    for column in range(1, len(names)):
        distance = np.abs(centred[:, :column] - centred[:, column : column + 1]).max(axis=0)
        same = np.flatnonzero(distance <= 1e-12 * max(float(np.abs(table).max()), 1e-300))
        if len(same):
            raise ValueError(
                f"the losses of {names[int(same[0])]!r} and {names[column]!r} differ by a "
                "constant only, so their difference has no error; leave out one of them."
            )


def _check_error_rate(error_rate: float) -> None:
    if not 0.0 < error_rate < 1.0:
        raise ValueError(f"error_rate must lie in (0, 1), got {error_rate}; 0.05 is usual.")


def _p_value(share: float, resampling: Resampling) -> float:
    """Count the data themselves as one of the draws, so that no p-value is zero."""
    draws = resampling.resamples
    return (float(share) * draws + 1.0) / (draws + 1.0)
