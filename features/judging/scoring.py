"""How much each feature says about the return that follows: information coefficients by period.

The coefficient is the mean of the products of standardised ranks. Its standard error is that
of the mean of a dependent series: autocovariances up to twice the horizon (at least
`4 (n / 100) ** (2 / 9)` lags, rounded down to an even number) under a flat-top kernel, which
is unbiased for returns that overlap; it is never taken smaller than for independent rows.
Measured on noise at the 5% level: 4 to 5.5% uncorrected claims for one-bar returns, 5 to 6.5%
where 5 or 20 bars overlap. Below about 100 returns that do not overlap, the corrected claims
are wrong more often than promised (15% of families instead of 5%).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import false_discovery_control, norm, rankdata

from ultimate_deep.features.judging.config import Method, Period, ScoringConfig
from ultimate_deep.features.judging.outliers import check_table

Array1D = npt.NDArray[np.float64]
Array2D = npt.NDArray[np.float64]

_CODES = {"year": "Y", "quarter": "Q", "month": "M", "week": "W", "day": "D"}
_ENOUGH_PERIODS = 6  # that `auto` looks for
_BLOCK_COLUMNS = 8  # float64 columns ranked at once
_FEWEST_ROWS = 30


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcomes:
    """What followed each row. All arrays `(rows,)`.

    Args:
        return_log: Forward log return, as `market.labels.make_labels` gives it; NaN where none.
        decision_time: UTC time of the decision, datetime64.
        symbol_code: Number of the row's symbol; None for one symbol. Ranks are taken within each
            symbol, and rows of one time count as one observation in the standard error.
        horizon_bars: Bars that each return spans.

    Raises:
        ValueError: Shapes differ, or `horizon_bars` is below 1.
    """

    return_log: np.ndarray
    decision_time: np.ndarray
    symbol_code: np.ndarray | None = None
    horizon_bars: int = 1

    def __post_init__(self) -> None:
        shapes = {np.shape(self.return_log), np.shape(self.decision_time)}
        if self.symbol_code is not None:
            shapes.add(np.shape(self.symbol_code))
        if len(shapes) > 1 or len(next(iter(shapes))) != 1:
            raise ValueError(f"outcomes have one entry per row, got shapes {sorted(shapes)}")
        if self.horizon_bars < 1:
            raise ValueError(f"horizon_bars must be at least 1, got {self.horizon_bars}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Scores:
    """Information coefficients of features.

    Attributes:
        names: Features in order.
        periods: Labels of the periods in order of time.
        ic: Coefficient over all rows, `(features,)`; NaN for a constant feature.
        standard_error: Standard error of `ic`, allowing for overlapping and clustered returns,
            `(features,)`.
        p: Two-sided probability of a coefficient of this size without any relation.
        q: Smallest false discovery rate at which the feature is claimed.
        by_period: `(features, periods)`; NaN where a period has too few rows or does not vary.
        rows: Rows with a return.
        rows_by_period: `(periods,)`.
        config: How they were taken.
    """

    names: tuple[str, ...]
    periods: tuple[str, ...]
    ic: Array1D
    standard_error: Array1D
    p: Array1D
    q: Array1D
    by_period: Array2D
    rows: int
    rows_by_period: npt.NDArray[np.int64]
    config: ScoringConfig

    @property
    def t(self) -> Array1D:
        """Coefficient over its standard error, `(features,)`."""
        return self.ic / self.standard_error

    @property
    def significant(self) -> npt.NDArray[np.bool_]:
        """Features claimed after the correction, `(features,)`."""
        return self.q <= self.config.false_discovery_rate

    @property
    def tested(self) -> int:
        """Number of features with a coefficient."""
        return int(np.isfinite(self.p).sum())

    @property
    def uncorrected(self) -> int:
        """Number of features that one would claim if each were the only one."""
        return int((self.p <= self.config.false_discovery_rate).sum())

    @property
    def expected_by_chance(self) -> float:
        """How many of those chance alone gives where no feature says anything."""
        return self.config.false_discovery_rate * self.tested

    @property
    def mean_by_period(self) -> Array1D:
        """Mean of the periods' coefficients, `(features,)`; NaN without any."""
        return _mean(self.by_period)

    @property
    def sign_share(self) -> Array1D:
        """Share of periods whose coefficient has the sign of `ic`, `(features,)`."""
        known = np.isfinite(self.by_period)
        same = np.sign(self.by_period) == np.sign(self.ic)[:, None]
        count = known.sum(axis=1)
        share = (same & known).sum(axis=1) / np.maximum(count, 1)
        return np.where((count > 0) & np.isfinite(self.ic), share, np.nan)

    def to_frame(self) -> pd.DataFrame:
        """One row per feature: `name ic ic_mean standard_error t p q significant sign_share`."""
        return pd.DataFrame(
            {
                "name": self.names,
                "ic": self.ic,
                "ic_mean": self.mean_by_period,
                "standard_error": self.standard_error,
                "t": self.t,
                "p": self.p,
                "q": self.q,
                "significant": self.significant,
                "sign_share": self.sign_share,
            }
        )


def information_coefficients(
    values: np.ndarray,
    rows: npt.NDArray[np.int64],
    outcomes: Outcomes,
    *,
    names: Sequence[str],
    config: ScoringConfig = ScoringConfig(),
    told: Callable[[int], None] | None = None,
) -> Scores:
    """Correlate every feature with the return that follows, over all rows and by period.

    Args:
        values: Features of all rows, `(rows, features)`; finite in the rows used.
        rows: Numbers of the rows to look at, the training rows; of these, rows without a return
            are left out.
        outcomes: What followed each row of `values`.
        names: Names of the features.
        config: How coefficients are taken.
        told: Called with the number of features done.

    Raises:
        ValueError: Wrong shapes, or fewer than 30 rows with a return.

    Source: Grinold & Kahn (1999), Active Portfolio Management, ch. 6; long-run variance Newey &
    West (1987), Econometrica 55(3), with the flat-top kernel of Politis & Romano (1995), J. Time
    Series Analysis 16(1); Benjamini & Hochberg (1995), J. Royal Statistical Society B 57(1).
    """
    check_table(values, rows, names)
    if len(outcomes.return_log) != len(values):
        raise ValueError(
            f"outcomes have one entry per row of values, got {len(outcomes.return_log)} for "
            f"{len(values)} rows"
        )
    layout = _lay_out(rows, outcomes, config)
    returns = outcomes.return_log[layout.rows, None].astype(np.float64)
    target = _standardise(returns, layout.symbols, config.method)
    target_within = _standardise(returns, layout.runs, config.method)
    ic, error = np.full((2, len(names)), np.nan)
    by_period = np.full((len(names), len(layout.periods)), np.nan)
    for start in range(0, len(names), _BLOCK_COLUMNS):
        block = np.asarray(values[layout.rows, start : start + _BLOCK_COLUMNS])
        _check_finite(block, layout.rows, names[start:])
        part = slice(start, start + block.shape[1])
        ranks = _standardise(block, layout.symbols, config.method)
        products = ranks * target
        varies = ranks.any(axis=0)
        ic[part] = np.where(varies, products.mean(axis=0), np.nan)
        for offset in np.flatnonzero(varies):
            error[start + offset] = _standard_error(products[:, offset], layout, outcomes)
        within = _standardise(block, layout.runs, config.method)
        by_period[part] = _period_means(within, target_within, layout, config.least_rows)
        if told is not None:
            told(part.stop)
    # A standard error of zero belongs to a perfect relation, which is no chance.
    p = 2.0 * norm.sf(np.abs(np.divide(ic, error, out=np.copysign(np.inf, ic), where=error != 0)))
    return Scores(
        names=tuple(names), periods=layout.periods, ic=ic, standard_error=error, p=p,
        q=_corrected(p, config), by_period=by_period, rows=len(layout.rows),
        rows_by_period=layout.period_rows, config=config,
    )  # fmt: skip


def period_labels(decision_time: np.ndarray, period: Period) -> pd.PeriodIndex:
    """Return the period of each UTC time; `auto` takes the longest that is met six times.

    Raises:
        ValueError: An unknown period.
    """
    times = pd.DatetimeIndex(decision_time)
    if period != "auto":
        if period not in _CODES:
            raise ValueError(f"period is auto or one of {', '.join(_CODES)}, got {period!r}")
        return times.to_period(_CODES[period])
    for code in _CODES.values():
        found = times.to_period(code)
        if found.nunique() >= _ENOUGH_PERIODS:
            return found
    return found


def period_name(period: pd.Period) -> str:
    """Return a short label that sorts in time: `2019`, `2019Q1`, `2019-03`, `2019-03-04`.

    A week is named after its Monday.
    """
    return str(period.start_time.date()) if period.freqstr.startswith("W") else str(period)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Layout:
    """Rows in the order symbol, time, and the stretches that belong together.

    Args:
        rows: Row numbers, those with a return.
        symbols: Stretch of each symbol.
        runs: Stretch of each symbol in each period.
        run_period: Number of the period of each run.
        periods: Labels in order of time.
        period_rows: Rows of each period.
        time_code: Number of each row's time among the distinct times in order.
    """

    rows: npt.NDArray[np.int64]
    symbols: tuple[slice, ...]
    runs: tuple[slice, ...]
    run_period: npt.NDArray[np.int64]
    periods: tuple[str, ...]
    period_rows: npt.NDArray[np.int64]
    time_code: npt.NDArray[np.int64]


def _lay_out(rows: npt.NDArray[np.int64], outcomes: Outcomes, config: ScoringConfig) -> _Layout:
    used = rows[np.isfinite(outcomes.return_log[rows])]
    if len(used) < _FEWEST_ROWS:
        raise ValueError(
            f"a coefficient needs at least {_FEWEST_ROWS} rows with a return, got {len(used)}; "
            "bring more bars"
        )
    times = outcomes.decision_time[used].astype("datetime64[ns]")
    symbol = np.zeros(len(used), np.int64)
    if outcomes.symbol_code is not None:
        symbol = outcomes.symbol_code[used].astype(np.int64)
    order = np.lexsort((times, symbol))
    used, times, symbol = used[order], times[order], symbol[order]
    labels = period_labels(times, config.period)
    codes, found = pd.factorize(labels, sort=True)
    run_of_row = symbol * (len(found) + 1) + codes
    runs = _stretches(run_of_row)
    return _Layout(
        rows=used,
        symbols=_stretches(symbol),
        runs=runs,
        run_period=codes[[run.start for run in runs]],
        periods=tuple(period_name(period) for period in found),
        period_rows=np.bincount(codes, minlength=len(found)),
        time_code=np.unique(times, return_inverse=True)[1],
    )


def _stretches(codes: np.ndarray) -> tuple[slice, ...]:
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    return tuple(slice(first, last) for first, last in pairwise(edges))


def _standardise(table: np.ndarray, stretches: Sequence[slice], method: Method) -> Array2D:
    """Mean 0 and mean square 1 of each column in each stretch; 0 where it does not vary."""
    out = np.empty(table.shape)
    for stretch in stretches:
        part = table[stretch]
        part = rankdata(part, axis=0) if method == "spearman" else part.astype(np.float64)
        still = part.min(axis=0) == part.max(axis=0)
        part = part - part.mean(axis=0)
        scale = np.sqrt(np.square(part).mean(axis=0))
        out[stretch] = np.where(still, 0.0, part / np.where(still, 1.0, scale))
    return out


def _period_means(within: Array2D, target: Array2D, layout: _Layout, least_rows: int) -> Array2D:
    """Coefficients `(features, periods)`; NaN where there are too few rows or none varies."""
    starts = [run.start for run in layout.runs]
    shape = (len(layout.periods), within.shape[1])
    total, varies = np.zeros(shape), np.zeros(shape)
    np.add.at(total, layout.run_period, np.add.reduceat(within * target, starts, axis=0))
    np.add.at(varies, layout.run_period, np.add.reduceat(within * within, starts, axis=0))
    known = (layout.period_rows >= least_rows)[:, None] & (varies > 0.0)
    means = total / np.maximum(layout.period_rows, 1)[:, None]
    return np.where(known, means, np.nan).T


def _standard_error(products: Array1D, layout: _Layout, outcomes: Outcomes) -> float:
    """Standard error of the mean of products that depend on each other over time."""
    centred = products - products.mean()
    sums = np.bincount(layout.time_code, weights=centred)  # rows of one time together
    count = len(sums)
    lags = 2 * max(outcomes.horizon_bars, int(2.0 * (count / 100.0) ** (2.0 / 9.0)))
    lags = min(lags, count // 3)
    own = float(sums @ sums)
    steps = np.arange(1, lags + 1)
    weights = np.minimum(1.0, 2.0 * (1.0 - steps / (lags + 1)))
    shifted = np.array([float(sums[lag:] @ sums[:-lag]) for lag in steps])
    return math.sqrt(max(own + 2.0 * float(weights @ shifted), own)) / len(products)


def _corrected(p: Array1D, config: ScoringConfig) -> Array1D:
    q = np.full(len(p), np.nan)
    known = np.isfinite(p)
    if known.any():
        q[known] = false_discovery_control(p[known], method=config.correction)
    return q


def _check_finite(block: np.ndarray, rows: np.ndarray, names: Sequence[str]) -> None:
    bad = np.argwhere(~np.isfinite(block))
    if len(bad):
        row, column = bad[0]
        raise ValueError(
            f"scored rows are finite, got {block[row, column]} in row {rows[row]} of "
            f"{names[column]!r}; leave out the warm-up rows"
        )


def _mean(table: Array2D) -> Array1D:
    known = np.isfinite(table)
    count = known.sum(axis=1)
    total = np.where(known, table, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(table), np.nan), where=count > 0)
