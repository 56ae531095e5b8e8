"""Stationary block bootstrap: how far a figure could lie from what this one history shows.

Blocks of random length keep the dependence of neighbouring bars (overlapping labels, clustered
volatility), which an ordinary bootstrap would destroy and so promise too narrow intervals.
Source: Politis & Romano (1994), J. American Statistical Association 89(428).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, vector
from ultimate_deep.evaluation.significance.block_kernels import end_at, sum_blocks

Array2D = npt.NDArray[np.float64]
Seed = int | np.random.Generator

_CHUNK_BLOCKS = 4_000_000  # blocks drawn at once: about 100 MB


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its bootstrap bounds.

    Args:
        estimate: The figure on the history itself.
        lower, upper: Percentile bounds, each missed with probability `(1 - level) / 2`.
        level: Two-sided confidence, in (0, 1).
        standard_error: Standard deviation over the resamples.
        block_bars: Mean length of the blocks.
        resamples: How many histories were drawn.
    """

    estimate: float
    lower: float
    upper: float
    level: float
    standard_error: float
    block_bars: float
    resamples: int


def optimal_block_bars(values: npt.ArrayLike) -> float:
    """Mean block length that makes the stationary bootstrap of the mean most accurate.

    Between 1 and `min(3 sqrt(rows), rows / 3)` bars; 1 for a constant or fewer than nine rows.
    Source: Politis & White (2004), Econometric Reviews 23(1), sec. 3.2, with the corrected
    variance of Patton, Politis & White (2009), Econometric Reviews 28(4).
    """
    series = vector("values", values)
    rows = len(series)
    if rows < 9:
        return 1.0
    series = series - series.mean()
    span = max(5, int(math.sqrt(math.log10(rows))))
    longest = min(math.ceil(math.sqrt(rows)) + span, rows - 1)
    covariance = _autocovariance(series, longest)
    if covariance[0] <= np.finfo(np.float64).tiny:
        return 1.0
    small = np.abs(covariance[1:] / covariance[0]) < 2.0 * math.sqrt(math.log10(rows) / rows)
    lag = min(2 * max(_last_large_lag(small, span, longest), 1), longest)
    lags = np.arange(1, lag + 1)
    taper = np.minimum(1.0, 2.0 * (1.0 - lags / lag))  # flat to one half, then falling to zero
    weighted = taper * covariance[1 : lag + 1]
    slope = 2.0 * float((lags * weighted).sum())
    level = float(covariance[0] + 2.0 * weighted.sum())
    if level <= 0.0:
        return 1.0
    best = (slope / level) ** 2.0 * rows
    ceiling = math.ceil(min(3.0 * math.sqrt(rows), rows / 3.0))
    return float(min(max(best ** (1.0 / 3.0), 1.0), ceiling))


def _autocovariance(centred: Array1D, lags: int) -> Array1D:
    rows = len(centred)
    size = 1 << (rows + lags).bit_length()  # room against wrap-around
    spectrum = np.fft.rfft(centred, size)
    product = np.fft.irfft(np.abs(spectrum) ** 2, size)[: lags + 1]
    return np.asarray(product / rows, dtype=np.float64)


def _last_large_lag(small: npt.NDArray[np.bool_], span: int, longest: int) -> int:
    """Lag after which `span` correlations in a row are small, else the last that is not."""
    run = 0
    for position, is_small in enumerate(small[:longest]):
        run = run + 1 if is_small else 0
        if run == span:
            return position + 1 - span
    large = np.flatnonzero(~small[:longest])
    return int(large[-1]) + 1 if len(large) else 1


def block_bars_for(columns: Array2D, *, horizon_bars: int = 1) -> float:
    """Mean block length for judging the columns together.

    The largest of their optimal lengths, of `rows ** (1/3)` (the rate at which optimal blocks
    grow, a floor for series that look independent at short lags), of `rows / 2000` (more blocks
    would cost time and add no precision) and of twice the horizon (labels over `h` bars share
    bars with `h - 1` neighbours); at most a third of the rows.
    """
    rows = len(columns)
    lengths = [optimal_block_bars(column) for column in columns.T]
    least = max(rows ** (1.0 / 3.0), rows / 2000.0, 2.0 * horizon_bars)
    return min(max(*lengths, least), max(rows / 3.0, 1.0))


def _draw_blocks(
    rows: int, block_bars: float, resamples: int, generator: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Starts and lengths, both `(resamples, blocks)`; the lengths of each resample sum to `rows`.

    Blocks after the last row have length 0. A block may run over the end into the beginning.
    """
    expected = rows / block_bars
    blocks = int(expected + 5.0 * math.sqrt(expected) + 5.0)
    length = _geometric(block_bars, (resamples, blocks), generator)
    while int(length.sum(axis=1).min()) < rows:
        more = _geometric(block_bars, (resamples, max(blocks // 4, 1)), generator)
        length = np.concatenate([length, more], axis=1)
    end_at(length, rows)
    return generator.integers(0, rows, size=length.shape), length


def _geometric(
    mean: float, shape: tuple[int, int], generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Whole lengths of at least 1 with the given mean: exponentials rounded up, which is the
    same law as `generator.geometric` and several times faster."""
    if mean == 1.0:
        return np.ones(shape, dtype=np.int64)
    draw = generator.standard_exponential(shape)
    draw *= -1.0 / math.log1p(-1.0 / mean)
    draw += 1.0
    return draw.astype(np.int64)


def _check(rows: int, block_bars: float, resamples: int) -> None:
    if rows < 1:
        raise ValueError("the bootstrap needs at least one row, got none")
    if not 1.0 <= block_bars <= max(rows, 1):
        raise ValueError(
            f"block_bars must lie between 1 and the {rows} rows, got {block_bars}; "
            "leave it to `block_bars_for`"
        )
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")


def stationary_indices(
    rows: int, *, block_bars: float, resamples: int, seed: Seed
) -> npt.NDArray[np.int64]:
    """Row numbers of resampled histories, shape `(resamples, rows)`, for any statistic.

    Args:
        rows: Length of the history.
        block_bars: Mean block length, at least 1.
        resamples: How many histories to draw.
        seed: The same seed gives the same histories.
    """
    _check(rows, block_bars, resamples)
    start, length = _draw_blocks(rows, block_bars, resamples, np.random.default_rng(seed))
    length_flat = length.ravel()
    first = np.cumsum(length_flat) - length_flat  # where each block begins in the output
    offset = np.repeat(start.ravel() - first, length_flat)
    return ((offset + np.arange(resamples * rows)) % rows).reshape(resamples, rows)


def bootstrap_sums(
    columns: npt.ArrayLike, *, block_bars: float, resamples: int, seed: Seed
) -> Array2D:
    """Column sums of resampled histories, shape `(resamples, columns)`.

    The same draw for every column keeps them paired. Sums need no resampled rows: each block is a
    difference of two running totals, so the work grows with the blocks, not with the bars. With
    one seed and one chunk it draws the histories of `stationary_indices`.

    Args:
        columns: Finite values, shape `(rows, columns)`.
        block_bars: Mean block length, at least 1.
        resamples: How many histories to draw.
        seed: The same seed gives the same histories.

    Raises:
        ValueError: Another shape, or values that are not finite.
    """
    table = np.asarray(columns, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError(
            f"columns must be finite with shape (rows, columns), got {table.shape}; "
            "drop NaN rows first"
        )
    rows = len(table)
    shift = table.mean(axis=0)  # totals of centred values lose no digits
    total = np.zeros((table.shape[1], 2 * rows + 1))  # twice, for blocks that run over the end
    for column, running in enumerate(total):
        np.cumsum(table[:, column] - shift[column], out=running[1 : rows + 1])
        np.add(running[1 : rows + 1], running[rows], out=running[rows + 1 :])
    sums = np.empty((resamples, table.shape[1]))
    draws = resampled_blocks(rows, block_bars=block_bars, resamples=resamples, seed=seed)
    for part, start, length in draws:
        sum_blocks(total, start, length, sums[part])
    return sums + rows * shift


def resampled_blocks(
    rows: int, *, block_bars: float, resamples: int, seed: Seed
) -> Iterator[tuple[slice, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield resampled histories as blocks, many at a time; one seed, one set of histories.

    Args as for `stationary_indices`, which draws the same.

    Yields:
        Which resamples, then the first row and the length of each block, both of shape
        `(resamples, blocks)`. Lengths sum to `rows`; a block may run over the end into the
        beginning, and those after the last row have length 0.
    """
    _check(rows, block_bars, resamples)
    generator = np.random.default_rng(seed)
    for part in _chunks(resamples, rows / block_bars):
        yield part, *_draw_blocks(rows, block_bars, part.stop - part.start, generator)


def _chunks(resamples: int, blocks: float) -> Iterator[slice]:
    size = max(1, int(_CHUNK_BLOCKS / (blocks + 5.0 * math.sqrt(blocks) + 5.0)))
    for first in range(0, resamples, size):
        yield slice(first, min(first + size, resamples))


def interval_from(estimate: float, draws: Array1D, *, level: float, block_bars: float) -> Interval:
    """Percentile interval of a statistic from its values on the resampled histories."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie in (0, 1), got {level}; give for example 0.96")
    tail = (1.0 - level) / 2.0
    lower, upper = np.quantile(draws, [tail, 1.0 - tail])
    return Interval(
        estimate=estimate,
        lower=float(lower),
        upper=float(upper),
        level=level,
        standard_error=float(draws.std(ddof=1)) if len(draws) > 1 else math.nan,
        block_bars=block_bars,
        resamples=len(draws),
    )


def mean_interval(
    values: npt.ArrayLike,
    *,
    level: float = 0.96,
    horizon_bars: int = 1,
    resamples: int = 4000,
    seed: Seed = 0,
) -> Interval:
    """Interval of the mean of a dependent series of shape `(rows,)`."""
    series = vector("values", values)
    if not len(series):
        raise ValueError("values must have at least one row, got none")
    block_bars = block_bars_for(series[:, None], horizon_bars=horizon_bars)
    sums = bootstrap_sums(series[:, None], block_bars=block_bars, resamples=resamples, seed=seed)
    return interval_from(
        float(series.mean()), sums[:, 0] / len(series), level=level, block_bars=block_bars
    )


def statistic_interval(
    statistic: Callable[[Array2D], float],
    columns: Array2D,
    *,
    level: float = 0.96,
    horizon_bars: int = 1,
    resamples: int = 1000,
    seed: Seed = 0,
) -> Interval:
    """Interval of any statistic of rows that belong together (AUC, Sharpe ratio, ...).

    Resamples on which the statistic is NaN (a single class drawn) are left out.

    Args:
        statistic: Function of `(rows, columns)` that returns one number.
        columns: Finite values, shape `(rows, columns)`.
        level: Two-sided confidence, in (0, 1).
        horizon_bars: Number of bars over which labels reach, a floor for the blocks.
        resamples: How many histories to draw.
        seed: The same seed gives the same histories.
    """
    block_bars = block_bars_for(columns, horizon_bars=horizon_bars)
    generator = np.random.default_rng(seed)
    draws = np.empty(resamples)
    for part in _chunks(resamples, len(columns)):
        indices = stationary_indices(
            len(columns),
            block_bars=block_bars,
            resamples=part.stop - part.start,
            seed=generator,
        )
        draws[part] = [statistic(columns[rows]) for rows in indices]
    defined = draws[~np.isnan(draws)]
    if not len(defined):
        defined = np.array([math.nan])
    return interval_from(statistic(columns), defined, level=level, block_bars=block_bars)
