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

from ultimate_deep.evaluation.significance.comparison_inputs import (
    LEAST_TIMES,
    Resampling,
    bootstrap_deviation,
    bucket_means,
    check_error_rate,
    check_models_differ,
    counted_p_value,
    gains_per_time,
    means_per_time,
)
from ultimate_deep.evaluation.significance.matrices import column_names, finite_matrix

__all__ = [
    "ModelConfidenceSet",
    "RealityCheck",
    "Resampling",
    "SuperiorPredictiveAbility",
    "model_confidence_set",
    "reality_check",
    "superior_predictive_ability",
]


@dataclass(frozen=True, kw_only=True)
class RealityCheck:
    """White's test of "no model is better than the benchmark".

    Args:
        p_value: Small means that the best model's lead is more than the luck of the best of so
            many; never below 1 / (resamples + 1).
        best: Name of the model with the smallest mean loss.
        best_gain: Mean loss of the benchmark minus that model's, per row.
        models, times, block_bars, resamples: What was judged, and how; times are the distinct
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
        p_value: The consistent one; 1 where no model loses less than the benchmark.
        p_value_lower, p_value_upper: Bounds, as if poor models did not count, or all did.
        best: Name of the model with the largest studentised gain.
        best_gain: Mean loss of the benchmark minus that model's, per row.
        best_t: That gain in standard errors.
        superior: Models better than the benchmark by the stepwise test of Romano & Wolf (2005),
            at most one of them wrongly so with a chance of `error_rate`.
        error_rate: Rate of the stepwise test.
        models, times, block_bars, resamples: What was judged, and how; times are the distinct
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
        included: Names of the set.
        p_values: The smallest error rate at which the model would be left out, by name.
        mean_losses: Mean losses by name.
        error_rate: Chance that the best model is not in the set.
        times, block_bars, resamples: What was judged, and how; times are the distinct decision
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
        benchmark_loss: Finite values, shape `(rows,)`, in order of time.
        model_losses: Finite values, shape `(rows, models)`; a frame's columns give the names.
        horizon_bars: Number of bars over which labels reach, a floor for the blocks.
        decision_time: Time of each row, shape `(rows,)`, when several symbols are pooled; losses
            of one time then count as one observation.
        seed: The same seed gives the same histories.
        resampling: How histories are drawn.

    Raises:
        ValueError: Shapes that differ, fewer than 20 times, NaN, a model whose loss differs from
            the benchmark's by a constant.

    Source: White (2000), Econometrica 68(5), sec. 2, through `arch`.
    """
    # arch takes half a second to import, so only where it is used.
    from arch.bootstrap import RealityCheck as ArchRealityCheck

    gains, names = gains_per_time(benchmark_loss, model_losses, decision_time)
    bars, buckets, block = bucket_means(gains, horizon_bars, resampling)
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
        p_value=counted_p_value(test.pvalues["upper"], resampling),
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

    check_error_rate(error_rate)
    gains, names = gains_per_time(benchmark_loss, model_losses, decision_time)
    bars, buckets, block = bucket_means(gains, horizon_bars, resampling)
    studentised = buckets / bootstrap_deviation(buckets, block)
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
        name: counted_p_value(share, resampling) if strength[best] > 0.0 else 1.0
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
        losses: Finite values, shape `(rows, models)`, 2 to 100 models; a frame's columns
            give the names.
        error_rate: Chance that the best model is not in the set, in (0, 1).
        horizon_bars, decision_time, seed, resampling: The same as in `reality_check`.

    Raises:
        ValueError: Another shape, fewer than 20 times, NaN, two models whose losses differ by a
            constant.

    Source: Hansen, Lunde & Nason (2011), Econometrica 79(2), sec. 3 (statistic T_R), through
        `arch`.
    """
    # arch takes half a second to import, so only where it is used.
    from arch.bootstrap import MCS

    check_error_rate(error_rate)
    table = finite_matrix("losses", losses, least_columns=2, least_rows=LEAST_TIMES)
    names = column_names(losses, table.shape[1])
    table = means_per_time(table, decision_time)
    check_models_differ(table, names)
    centred = table - table.mean(axis=1, keepdims=True)  # what all share does not matter
    bars, buckets, block = bucket_means(centred, horizon_bars, resampling)
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
