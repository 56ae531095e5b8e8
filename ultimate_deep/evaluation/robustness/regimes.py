"""When does it work? Accuracy and net return by trend, volatility, hour and weekday."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr

from ultimate_deep.evaluation.arrays import Array1D, vector
from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.measures.metrics import predicted_up
from ultimate_deep.evaluation.robustness.trade import Decisions
from ultimate_deep.evaluation.verdicts.accuracy import accuracy_interval
from ultimate_deep.evaluation.verdicts.bounds import ALONE, Bounds
from ultimate_deep.machine.counts import how_many, noun_for
from ultimate_deep.market.times import utc_times

Mask = npt.NDArray[np.bool_]
_LEAST_ROWS = 30  # fewer than this give no interval
_TREND_EDGE = 0.5  # of a standard deviation of the window's return
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ALPHA = 0.05
_COLUMNS = [
    "kind", "regime", "rows", "accuracy", "accuracy_lower", "accuracy_upper",
    "bars", "net_return_bps", "net_lower_bps", "net_upper_bps", "p_value",
]  # fmt: skip
_MOST_NAMED = 4  # in the sentence
RESAMPLES = 600


@dataclass(frozen=True, eq=False, kw_only=True)
class Regimes:
    """Figures by regime, each cell with intervals.

    Args:
        table: Columns `kind` (trend, volatility, hour, weekday), `regime`, `rows` (decisions
            judged), `accuracy` with `accuracy_lower`, `accuracy_upper`, `bars`,
            `net_return_bps` (mean per bar) with `net_lower_bps`, `net_upper_bps`, `p_value`
            (two-sided, of a mean net return of zero), `p_holm` (corrected for all cells),
            `survives`. Bounds and p-values are NaN below 30 rows or bars.
        volatility_edges: The two bounds between low, middle and high volatility; NaN without.
        edges_in_sample: Whether these are terciles of the judged rows themselves.
        sentence: What survives the correction.
    """

    table: pd.DataFrame
    volatility_edges: tuple[float, float]
    edges_in_sample: bool
    sentence: str


def market_state(close: npt.ArrayLike, *, window_bars: int) -> pd.DataFrame:
    """Return trend and volatility known at each bar's close.

    `volatility` is the standard deviation (ddof 1) of the last `window_bars` log returns per
    bar; `trend` the log return over the window divided by `volatility * sqrt(window_bars)`.
    Both are NaN in the first `window_bars` rows, `trend` also where prices stand still.

    Args:
        close: Positive prices of one symbol, shape `(rows,)`.
        window_bars: Bars in the window, at least 2.
    """
    prices = vector("close", close)
    if window_bars < 2:
        raise ValueError(f"window_bars must be at least 2, got {window_bars}")
    if len(prices) and prices.min() <= 0.0:
        raise ValueError(f"close must be positive, got {prices.min()}; repair the bars first")
    level = np.log(prices)
    trend, volatility = np.full((2, len(prices)), math.nan)
    if len(prices) > window_bars:
        windows = np.lib.stride_tricks.sliding_window_view(np.diff(level), window_bars)
        spread = windows.std(axis=1, ddof=1)
        volatility[window_bars:] = spread
        move = level[window_bars:] - level[:-window_bars]
        scale = spread * math.sqrt(window_bars)
        np.divide(move, scale, out=trend[window_bars:], where=scale > 0.0)
    return pd.DataFrame({"trend": trend, "volatility": volatility})


def regimes(
    account: BacktestResult,
    decisions: Decisions,
    *,
    volatility_edges: tuple[float, float] | None = None,
    horizon_bars: int = 1,
    error_rate: float = ALONE,
    seed: int = 0,
) -> Regimes:
    """Judge decisions and the account's bars apart by regime.

    Each bar of the account belongs to the regime of the latest decision before it; with several
    symbols, to that of their mean trend and volatility. Many cells are looked at, so some must
    look good or bad by chance: `survives` marks those whose net return differs from zero after
    Holm's correction over all cells, at 5%.

    Args:
        account: Account of the test part.
        decisions: Decisions of the test part.
        volatility_edges: Two bounds of volatility, known before the test part (terciles of the
            training part, say). None takes terciles of the judged rows: a description after the
            fact, which nobody could have traded on.
        horizon_bars: Number of bars over which labels reach.
        error_rate: Chance of each bound to be wrong, the verdict's.
        seed: Seed of the bootstrap.

    Source: Holm (1979), Scandinavian J. Statistics 6(2); intervals as in the verdict.
    """
    edges, in_sample = _volatility_edges(decisions, volatility_edges)
    bounds = Bounds(error_rate, RESAMPLES)
    rows: list[dict[str, str | float]] = [
        {"kind": kind, "regime": name}
        | _accuracy(decisions, chosen, bounds, horizon_bars, seed)
        | _net_return(account.return_net[bars], bounds, horizon_bars, seed)
        for kind, name, chosen, bars in _cells(account, decisions, edges)
    ]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table["p_holm"] = holm(table["p_value"].to_numpy(dtype=np.float64))
    table["survives"] = table["p_holm"] <= _ALPHA
    return Regimes(
        table=table,
        volatility_edges=edges,
        edges_in_sample=in_sample,
        sentence=_sentence(table),
    )


def holm(p_values: Array1D) -> Array1D:
    """Return Holm's corrected p-values, shape `(tests,)`; NaN stays NaN and counts as no test."""
    corrected = np.full(len(p_values), math.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    scaled = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected


def _volatility_edges(
    decisions: Decisions, given: tuple[float, float] | None
) -> tuple[tuple[float, float], bool]:
    if given is not None:
        low, high = given
        if not low <= high:
            raise ValueError(f"volatility_edges must rise, got {given}")
        return (float(low), float(high)), False
    values = decisions.volatility
    known = values[np.isfinite(values)] if values is not None else np.zeros(0)
    if not len(known):
        return (math.nan, math.nan), True
    low, high = np.quantile(known, [1.0 / 3.0, 2.0 / 3.0])
    return (float(low), float(high)), True


def _cells(
    account: BacktestResult, decisions: Decisions, edges: tuple[float, float]
) -> Iterator[tuple[str, str, Mask, Mask]]:
    """Kind, name, decisions `(rows,)` and bars `(bars,)` of each regime that occurs."""
    times, which = np.unique(decisions.decision_time, return_inverse=True)
    stamps = utc_times(account.index)
    latest = np.searchsorted(times, stamps, side="right") - 1
    states: list[tuple[str, dict[str, tuple[float, float]], Array1D, Array1D]] = []
    if decisions.trend is not None:
        bounds = _bounds(("falling", "flat", "rising"), (-_TREND_EDGE, _TREND_EDGE))
        mean = _mean_by(which, decisions.trend, len(times))
        states.append(("trend", bounds, decisions.trend, mean))
    if decisions.volatility is not None and not math.isnan(edges[0]):
        bounds = _bounds(("low", "middle", "high"), edges)
        mean = _mean_by(which, decisions.volatility, len(times))
        states.append(("volatility", bounds, decisions.volatility, mean))
    for kind, bounds, own, mean in states:
        of_bar = np.where(latest >= 0, mean[latest], math.nan)
        for name, (low, high) in bounds.items():
            yield kind, name, (own > low) & (own <= high), (of_bar > low) & (of_bar <= high)
    clock = pd.DatetimeIndex(times)
    hours, days = clock.hour.to_numpy(), clock.day_of_week.to_numpy()
    for kind, values, names in (
        ("hour", hours, [f"{hour:02d}:00" for hour in range(24)]),
        ("weekday", days, list(_WEEKDAYS)),
    ):
        present = np.unique(values)
        if len(present) < 2:
            continue
        of_bar = np.where(latest >= 0, values[latest], -1)
        for value in present:
            yield kind, names[value], values[which] == value, of_bar == value


def _bounds(names: tuple[str, ...], edges: tuple[float, float]) -> dict[str, tuple[float, float]]:
    low, high = edges
    limits = ((-math.inf, low), (low, high), (high, math.inf))
    return dict(zip(names, limits, strict=True))


def _mean_by(which: npt.NDArray[np.intp], values: Array1D, times: int) -> Array1D:
    """Mean of the known values at each distinct time, shape `(times,)`; NaN where none is."""
    known = np.isfinite(values)
    count = np.bincount(which[known], minlength=times)
    total = np.bincount(which[known], weights=values[known], minlength=times)
    return np.divide(total, count, out=np.full(times, math.nan), where=count > 0)


def _accuracy(
    decisions: Decisions, chosen: Mask, bounds: Bounds, horizon_bars: int, seed: int
) -> dict[str, str | float]:
    known = chosen & np.isfinite(decisions.label) & np.isfinite(decisions.probability)
    count = int(known.sum())
    accuracy = lower = upper = math.nan
    if count:
        guess = predicted_up(decisions.probability[known])
        accuracy = float((guess == decisions.label[known]).mean())
    if count >= _LEAST_ROWS:
        interval = accuracy_interval(
            decisions.label[known],
            guess,
            decision_time=decisions.decision_time[known],
            horizon_bars=horizon_bars,
            seed=seed,
            bounds=bounds,
        )
        lower, upper = interval.lower, interval.upper
    return {
        "rows": count, "accuracy": accuracy, "accuracy_lower": lower, "accuracy_upper": upper,
    }  # fmt: skip


def _net_return(
    returns: Array1D, bounds: Bounds, horizon_bars: int, seed: int
) -> dict[str, str | float]:
    count = len(returns)
    cell: dict[str, str | float] = {
        "bars": count,
        "net_return_bps": 1e4 * float(returns.mean()) if count else math.nan,
        "net_lower_bps": math.nan,
        "net_upper_bps": math.nan,
        "p_value": math.nan,
    }
    if count < _LEAST_ROWS:
        return cell
    interval = bounds.of_mean(returns, horizon_bars=horizon_bars, seed=seed)
    cell["net_lower_bps"], cell["net_upper_bps"] = 1e4 * interval.lower, 1e4 * interval.upper
    if interval.standard_error > 0.0:
        reach = abs(interval.estimate) / interval.standard_error
        cell["p_value"] = 2.0 * float(ndtr(-reach))
    return cell


def _sentence(table: pd.DataFrame) -> str:
    tested = int(table["p_value"].notna().sum())
    if not tested:
        return "Too few bars to tell regimes apart."
    cells = table[table["survives"]]
    if cells.empty:
        if tested == 1:
            return "The one regime with enough bars has no net return that differs from zero."
        return (
            f"None of {tested:,} regimes has a net return that differs from zero once the number "
            "of looks is counted."
        )
    best = cells.reindex(cells["p_value"].sort_values(kind="stable").index)[:_MOST_NAMED]
    named = [
        f"{kind} {regime} ({gain:+.2f} bps per bar)"
        for kind, regime, gain in zip(
            best["kind"], best["regime"], best["net_return_bps"], strict=True
        )
    ]
    more = f" and {len(cells) - len(best)} more" if len(cells) > len(best) else ""
    return (
        f"{len(cells)} of {how_many(tested, 'regime')} {noun_for(len(cells), 'has', 'have')} a "
        "net return that differs from zero after "
        f"correction: {', '.join(named)}{more}."
    )
