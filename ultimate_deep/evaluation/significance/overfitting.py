"""Does picking the best trial by its past pay? Combinatorially symmetric cross-validation (CSCV).

The bars are cut into an even number of blocks. Every half of the blocks selects the trial with
the best Sharpe ratio, the other half judges it. The probability of backtest overfitting is how
often the selected trial is no better than the median trial there.

Source: Bailey, Borwein, Lopez de Prado & Zhu (2017), J. Computational Finance 20(4), sec. 3-4.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.significance.matrices import trial_matrix

Array2D = npt.NDArray[np.float64]

_MOST_BLOCKS = 20  # 184,756 combinations; 24 would be 2.7 million
_CHUNK_CELLS = 1_000_000  # cells of a chunk of subsets by trials: a few arrays of 8 MB
_NO_VARIANCE = 1e-12  # of a column of variance 1


@dataclass(frozen=True, eq=False, kw_only=True)
class CscvDraws:
    """What each combination selected; every array has shape `(combinations,)`.

    Args:
        selected: Column of the trial with the best Sharpe ratio in sample.
        in_sample, out_of_sample: Its Sharpe ratios per bar in both halves.
        logit: `log(w / (1 - w))` of its relative rank `w = rank / (trials + 1)` out of sample;
            0 is the median trial, above 0 is better.
        rows, trials, blocks: What was judged.
    """

    selected: npt.NDArray[np.int64]
    in_sample: Array1D
    out_of_sample: Array1D
    logit: Array1D
    rows: int
    trials: int
    blocks: int


@dataclass(frozen=True, kw_only=True)
class BacktestOverfitting:
    """How much of the best trial's past is selection.

    Args:
        probability: Probability of backtest overfitting: share of the combinations whose selected
            trial is at or below the median out of sample. 0.5 is what chance gives.
        probability_of_loss: Share whose selected trial has a negative Sharpe ratio out of sample.
        degradation_slope, degradation_intercept, degradation_r2: Least squares line of the
            Sharpe ratio out of sample on that in sample, both per bar. NaN where they do not vary.
        in_sample_per_bar, out_of_sample_per_bar: Mean Sharpe ratio of the selected trials.
        logit_median: Median of the logits.
        logit_edges, logit_counts: Histogram of the logits; one more edge than counts.
        rows, trials, blocks, combinations: What was judged.
    """

    probability: float
    probability_of_loss: float
    degradation_slope: float
    degradation_intercept: float
    degradation_r2: float
    in_sample_per_bar: float
    out_of_sample_per_bar: float
    logit_median: float
    logit_edges: tuple[float, ...]
    logit_counts: tuple[int, ...]
    rows: int
    trials: int
    blocks: int
    combinations: int


def backtest_overfitting(trial_returns: npt.ArrayLike, *, blocks: int = 16) -> BacktestOverfitting:
    """Probability of backtest overfitting and its companions.

    Args:
        trial_returns: Net return per bar of every trial on the same bars, finite, every column
            varying, shape `(rows, trials)`. All trials belong here, the poor ones too.
        blocks: Number of blocks, even, from 2 to 20; 16 give 12,870 combinations.

    Raises:
        ValueError: Blocks out of range, fewer than two rows per block, fewer than two trials,
            NaN, a column that does not vary.
    """
    return summarise_overfitting(cscv_draws(trial_returns, blocks=blocks))


def cscv_draws(trial_returns: npt.ArrayLike, *, blocks: int = 16) -> CscvDraws:
    """Every combination's selected trial with its Sharpe ratios and logit.

    Block lengths differ by one row at most, so that no row is dropped. A trial whose returns do
    not vary within a half (it never traded there) counts with a Sharpe ratio of 0 in that half;
    equal ratios share their middle rank. Args and errors as for `backtest_overfitting`.
    """
    if blocks % 2 or not 2 <= blocks <= _MOST_BLOCKS:
        raise ValueError(
            f"blocks must be even and between 2 and {_MOST_BLOCKS}, got {blocks}; "
            "16 is the usual choice"
        )
    table = trial_matrix("trial_returns", trial_returns, least_rows=2 * blocks)
    halves = _halves(blocks)
    # Complement of the i-th half is the i-th from the end, so each half is computed once.
    count, pairs = len(halves), len(halves) // 2
    moments = _block_moments(table, blocks)
    selected = np.empty(count, dtype=np.int64)
    inside, outside, rank = np.empty((3, count))
    step = max(1, _CHUNK_CELLS // table.shape[1])
    for first in range(0, pairs, step):
        here = np.arange(first, min(first + step, pairs))
        there = count - 1 - here
        ratio, mirrored = (_subset_sharpe(halves[rows], moments) for rows in (here, there))
        for rows, own, other in ((here, ratio, mirrored), (there, mirrored, ratio)):
            best = own.argmax(axis=1)
            place = np.arange(len(rows))
            judged = other[place, best]
            selected[rows], inside[rows], outside[rows] = best, own[place, best], judged
            below = np.count_nonzero(other < judged[:, None], axis=1)
            equal = np.count_nonzero(other == judged[:, None], axis=1)
            rank[rows] = below + (equal + 1.0) / 2.0
    trials = table.shape[1]
    return CscvDraws(
        selected=selected,
        in_sample=inside,
        out_of_sample=outside,
        logit=np.log(rank / (trials + 1.0 - rank)),
        rows=len(table),
        trials=trials,
        blocks=blocks,
    )


def _halves(blocks: int) -> Array2D:
    """Each half of the blocks as zeros and ones in lexicographic order, `(halves, blocks)`."""
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    halves = np.zeros((len(chosen), blocks))
    np.put_along_axis(halves, chosen, 1.0, axis=1)
    return halves


def _block_moments(table: Array2D, blocks: int) -> tuple[Array1D, Array2D, Array2D, Array1D]:
    """Rows, sums and sums of squares per block of columns of variance 1, and the mean's ratio.

    Centred and scaled first, so that no digits are lost in `sum of squares - square of the sum`.
    """
    mean, spread = table.mean(axis=0), table.std(axis=0)
    edge = np.linspace(0, len(table), blocks + 1).astype(np.int64)
    total, square = np.empty((2, blocks, table.shape[1]))
    for block in range(blocks):
        part = (table[edge[block] : edge[block + 1]] - mean) / spread
        total[block] = part.sum(axis=0)
        square[block] = np.einsum("ij,ij->j", part, part)
    return np.diff(edge).astype(np.float64), total, square, mean / spread


def _subset_sharpe(halves: Array2D, moments: tuple[Array1D, Array2D, Array2D, Array1D]) -> Array2D:
    """Sharpe ratio per bar of every trial on every half, shape `(halves, trials)`."""
    rows_per_block, total, square, shift = moments
    rows = (halves @ rows_per_block)[:, None]
    mean = halves @ total
    mean /= rows
    variance = halves @ square
    variance /= rows
    variance -= mean * mean
    variance *= rows / (rows - 1.0)
    mean += shift
    flat = variance <= _NO_VARIANCE
    if flat.any():
        mean[flat], variance[flat] = 0.0, 1.0
    mean /= np.sqrt(variance, out=variance)
    return np.asarray(mean, dtype=np.float64)


def summarise_overfitting(draws: CscvDraws) -> BacktestOverfitting:
    """Figures of the combinations of `cscv_draws`."""
    slope, intercept, r2 = _line(draws.in_sample, draws.out_of_sample)
    widest = math.log(draws.trials)
    counts, edges = np.histogram(draws.logit, bins=40, range=(-widest, widest))
    return BacktestOverfitting(
        probability=float((draws.logit <= 0.0).mean()),
        probability_of_loss=float((draws.out_of_sample < 0.0).mean()),
        degradation_slope=slope,
        degradation_intercept=intercept,
        degradation_r2=r2,
        in_sample_per_bar=float(draws.in_sample.mean()),
        out_of_sample_per_bar=float(draws.out_of_sample.mean()),
        logit_median=float(np.median(draws.logit)),
        logit_edges=tuple(edges.tolist()),
        logit_counts=tuple(counts.tolist()),
        rows=draws.rows,
        trials=draws.trials,
        blocks=draws.blocks,
        combinations=len(draws.logit),
    )


def _line(x: Array1D, y: Array1D) -> tuple[float, float, float]:
    dx, dy = x - x.mean(), y - y.mean()
    spread = float(dx @ dx)
    if spread <= 1e-24 * float(x @ x):
        return math.nan, math.nan, math.nan
    slope = float(dx @ dy) / spread
    total = float(dy @ dy)
    r2 = slope * slope * spread / total if total > 0.0 else math.nan
    return slope, float(y.mean()) - slope * float(x.mean()), r2
