"""Block-bootstrap intervals for every headline figure.

Figures of one table (decisions, bars, trades) come from the same resampled histories. Nearly all
are functions of sums, and sums of resampled histories need no resampled rows, so that a million
bars take seconds. Bounds are percentiles. What to know when reading them:

- A 90% interval of the Sharpe ratio or the mean covered the truth in 90% of simulated histories
  of 1,000 independent bars, in 87% at an autocorrelation of 0.5, and in 90% to 91% of 10,000 bars.
- A figure that is undefined on some resamples (no loss, one class) is judged on the others; with
  fewer than half left its bounds are NaN.
- `max_drawdown` tends to be larger in a longer or luckier-ordered history; its interval says what
  drawdowns such returns make in other orders, not where a "true" one lies.
"""

import math

import numpy as np

from ultimate_deep.evaluation.arrays import Array1D, binary, same_length, unit_interval, vector
from ultimate_deep.evaluation.measures import metrics, returns
from ultimate_deep.evaluation.significance.bootstrap import Array2D, Interval, resampled_blocks
from ultimate_deep.evaluation.significance.decision_times import sums_per_time
from ultimate_deep.evaluation.significance.interval_inputs import (
    ROUNDING,
    AccountRows,
    DecisionRows,
    Draws,
    IntervalConfig,
    intervals_from,
    ratio_above,
    resampled_sums,
)
from ultimate_deep.evaluation.significance.interval_kernels import deepest_falls
from ultimate_deep.evaluation.significance.permutation import (
    information_coefficient,
    rank_information_coefficient,
)
from ultimate_deep.evaluation.significance.rank_sums import auc_columns, rank_correlation_columns

__all__ = [
    "AccountRows",
    "DecisionRows",
    "IntervalConfig",
    "decision_intervals",
    "headline_intervals",
    "return_intervals",
    "trade_intervals",
]

# Columns of decisions whose dependence sets the blocks; the others follow from the same rows.
_JUDGED = ("hit", "brier", "xy", "rank_xy")


def headline_intervals(
    decisions: DecisionRows, account: AccountRows, config: IntervalConfig = IntervalConfig()
) -> dict[str, Interval]:
    """Return all of `decision_intervals`, `return_intervals` and `trade_intervals` by name."""
    return {
        **decision_intervals(decisions, config),
        **return_intervals(account, config),
        **trade_intervals(account, config),
    }


def decision_intervals(
    decisions: DecisionRows, config: IntervalConfig = IntervalConfig()
) -> dict[str, Interval]:
    """Intervals of `accuracy`, `balanced_accuracy`, `roc_auc`, `log_loss`, `brier` and, where
    outcomes are given, `information_coefficient` and `rank_information_coefficient`.

    Those that rank rows (`roc_auc`, the rank coefficient) are linear approximations on each
    resample, exact up to terms that fall with the rows, not with their root.

    Raises:
        ValueError: Shapes that differ, values out of range, NaN.
    """
    label = binary("label", decisions.label)
    probability = unit_interval("probability", decisions.probability)
    same_length(label=label, probability=probability)
    predicted = metrics.predicted_up(probability)
    columns = _decision_columns(label, probability, predicted)
    auc = metrics.roc_auc(label, probability)
    estimates = {
        "accuracy": metrics.accuracy(label, predicted),
        "balanced_accuracy": metrics.balanced_accuracy(label, predicted),
        "roc_auc": auc,
        "log_loss": metrics.log_loss(label, probability),
        "brier": metrics.brier(label, probability),
    }
    if decisions.outcome is not None:
        outcome = vector("outcome", decisions.outcome)
        same_length(label=label, outcome=outcome)
        columns |= _coefficient_columns(probability, outcome)
        estimates["information_coefficient"] = information_coefficient(probability, outcome)
        estimates["rank_information_coefficient"] = rank_information_coefficient(
            probability, outcome
        )
    table = sums_per_time(np.column_stack(list(columns.values())), decisions.decision_time)
    judged = [place for place, name in enumerate(columns) if name in _JUDGED]
    sums, block_bars = resampled_sums(table, judged, config)
    drawn = dict(zip(columns, sums.T, strict=True))
    draws = _decision_draws(drawn, auc)
    if decisions.outcome is not None:
        draws |= _coefficient_draws(drawn, {name: float(c.sum()) for name, c in columns.items()})
    return intervals_from(estimates, draws, block_bars, config)


def _decision_columns(label: Array1D, probability: Array1D, predicted: Array1D) -> Draws:
    hit = (label == predicted).astype(np.float64)
    clipped = np.clip(probability, np.finfo(np.float64).eps, 1.0 - np.finfo(np.float64).eps)
    above, below = auc_columns(label, probability)
    return {
        "rows": np.ones(len(label)),
        "hit": hit,
        "up": label,
        "hit_up": hit * label,
        "log_loss": -np.where(label == 1.0, np.log(clipped), np.log1p(-clipped)),
        "brier": np.square(probability - label),
        "above": above,
        "below": below,
    }


def _decision_draws(sums: Draws, auc: float) -> Draws:
    rows, ups = sums["rows"], sums["up"]
    downs = rows - ups
    up_rate = ratio_above(sums["hit_up"], ups, 0.5)
    down_rate = ratio_above(sums["hit"] - sums["hit_up"], downs, 0.5)
    placed = ratio_above(sums["above"], ups, 0.5) + ratio_above(sums["below"], downs, 0.5)
    return {
        "accuracy": sums["hit"] / rows,
        "balanced_accuracy": 0.5 * (up_rate + down_rate),
        "roc_auc": np.clip(placed - auc, 0.0, 1.0),
        "log_loss": sums["log_loss"] / rows,
        "brier": sums["brier"] / rows,
    }


def _coefficient_columns(forecast: Array1D, outcome: Array1D) -> Draws:
    x, y = (_standardised(values) for values in (forecast, outcome))
    both, own, other = rank_correlation_columns(forecast, outcome)
    return {
        "x": x,
        "y": y,
        "xx": x * x,
        "yy": y * y,
        "xy": x * y,
        "rank_xy": both,
        "rank_xx": own,
        "rank_yy": other,
    }


def _standardised(values: Array1D) -> Array1D:
    centred = values - values.mean()
    spread = float(centred.std())
    return np.asarray(centred / spread if spread > 0.0 else centred, dtype=np.float64)


def _coefficient_draws(sums: Draws, whole: dict[str, float]) -> Draws:
    rows = sums["rows"]
    x, y = sums["x"] / rows, sums["y"] / rows
    variance_x, variance_y = sums["xx"] / rows - x * x, sums["yy"] / rows - y * y
    # Each column of ranks sums to three times its moment: see `rank_sums`.
    xy, xx, yy = (
        sums[name] / rows - 2.0 / 3.0 * whole[name] / whole["rows"] - 0.25
        for name in ("rank_xy", "rank_xx", "rank_yy")
    )
    return {
        "information_coefficient": _correlation(sums["xy"] / rows - x * y, variance_x, variance_y),
        "rank_information_coefficient": _correlation(xy, xx, yy),
    }


def _correlation(covariance: Array1D, variance_x: Array1D, variance_y: Array1D) -> Array1D:
    product = np.sqrt(np.maximum(variance_x, 0.0) * np.maximum(variance_y, 0.0))
    return np.clip(ratio_above(covariance, product, ROUNDING), -1.0, 1.0)


def return_intervals(
    account: AccountRows, config: IntervalConfig = IntervalConfig()
) -> dict[str, Interval]:
    """Intervals of `sharpe`, `sortino`, `annual_return`, `annual_volatility`, `total_return`,
    `mean_return_net_bps` and `max_drawdown` of the net returns per bar.

    Raises:
        ValueError: No bars, NaN, bars per year that are not positive.
    """
    net, per_year = vector("return_net", account.return_net), account.bars_per_year
    same_length(return_net=net)
    ruined = net <= -1.0
    growth_log = np.log1p(np.where(ruined, 0.0, net))
    equity = np.cumprod(1.0 + np.maximum(net, -1.0))
    total = float(equity[-1]) - 1.0
    estimates = {
        "sharpe": returns.sharpe(net, bars_per_year=per_year),
        "sortino": returns.sortino(net, bars_per_year=per_year),
        "annual_return": returns.annual_return(total, rows=len(net), bars_per_year=per_year),
        "annual_volatility": returns.annual_volatility(net, bars_per_year=per_year),
        "total_return": total,
        "mean_return_net_bps": float(net.mean()) * 1e4,
        "max_drawdown": returns.max_drawdown(equity),
    }
    square, downside = np.square(net - net.mean()), np.square(np.minimum(net, 0.0))
    table = np.column_stack([net, square, downside, growth_log, ruined])
    sums, block_bars = resampled_sums(table, [0, 1], config)
    draws = _return_draws(sums, table, per_year)
    path = np.where(ruined, -math.inf, growth_log)
    draws["max_drawdown"] = _drawdown_draws(path, block_bars, config)
    return intervals_from(estimates, draws, block_bars, config)


def _return_draws(sums: Array2D, table: Array2D, bars_per_year: float) -> Draws:
    rows = len(table)
    centre = table[:, 0].mean()
    mean = sums[:, 0] / rows
    # Squares are about the whole history's mean, so that large means cost no digits.
    variance = (sums[:, 1] - rows * np.square(mean - centre)) / max(rows - 1, 1)
    least = ROUNDING * max(float(table[:, 1].mean()), np.finfo(np.float64).tiny)
    variance = np.where(variance <= least, 0.0, variance)
    downside = sums[:, 2] / rows
    spread, lowest = np.sqrt(variance), ROUNDING * float(table[:, 2].mean())
    root = math.sqrt(bars_per_year)
    total_log = np.where(sums[:, 4] > 0.5, -math.inf, sums[:, 3])
    return {
        "sharpe": ratio_above(mean, spread, 0.0) * root,
        "sortino": ratio_above(mean, np.sqrt(np.maximum(downside, 0.0)), math.sqrt(lowest)) * root,
        "annual_return": np.expm1(np.minimum(total_log * bars_per_year / rows, 700.0)),
        "annual_volatility": spread * root,
        "total_return": np.expm1(np.minimum(total_log, 700.0)),
        "mean_return_net_bps": mean * 1e4,
    }


def _drawdown_draws(path: Array1D, block_bars: float, config: IntervalConfig) -> Array1D:
    draws = np.empty(config.resamples)
    blocks = resampled_blocks(
        len(path), block_bars=block_bars, resamples=config.resamples, seed=config.seed
    )
    for part, start, length in blocks:
        draws[part] = -np.expm1(-deepest_falls(path, start, length))
    return draws


def trade_intervals(
    account: AccountRows, config: IntervalConfig = IntervalConfig()
) -> dict[str, Interval]:
    """Intervals of `win_rate`, `profit_factor` and `average_trade_bps`; blocks of trades in order.

    NaN throughout without trades.
    """
    net = vector("trade_return_net", account.trade_return_net)
    estimates = {
        "win_rate": returns.win_rate(net),
        "profit_factor": returns.profit_factor(net),
        "average_trade_bps": float(net.mean()) * 1e4 if len(net) else math.nan,
    }
    if not len(net):
        nothing = dict.fromkeys(estimates, np.full(config.resamples, math.nan))
        return intervals_from(estimates, nothing, math.nan, config)
    table = np.column_stack([net > 0, np.maximum(net, 0.0), np.maximum(-net, 0.0), net])
    sums, block_bars = resampled_sums(table.astype(np.float64), [3], config)
    gains, losses = sums[:, 1], sums[:, 2]
    # Sums of resampled blocks carry rounding; no gain and no loss must be exactly that.
    least = ROUNDING * float(np.abs(net).sum())
    gains, losses = (np.where(part <= least, 0.0, part) for part in (gains, losses))
    factor = np.where(gains > 0.0, math.inf, math.nan)
    np.divide(gains, losses, out=factor, where=losses > 0.0)
    draws = {
        "win_rate": np.clip(sums[:, 0] / len(net), 0.0, 1.0),
        "profit_factor": factor,
        "average_trade_bps": sums[:, 3] / len(net) * 1e4,
    }
    return intervals_from(estimates, draws, block_bars, config)
