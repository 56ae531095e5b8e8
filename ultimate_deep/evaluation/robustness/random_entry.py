"""Would the same trades at random times have done as well? A test of the timing alone."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, same_length, vector
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.robustness.trade import Trade, rows_by_group

_MEASURES = ("mean_return_net_bps", "sharpe")


@dataclass(frozen=True, eq=False, kw_only=True)
class RandomEntry:
    """The model's account among accounts of equal exposure at random times.

    Args:
        net_return_bps, sharpe: The model's mean net return per bar and yearly Sharpe ratio.
        drawn_net_return_bps, drawn_sharpe: The same of each draw, shape `(draws,)`.
        p_net_return, p_sharpe: `(1 + draws at least as good) / (1 + draws)`; NaN where the model
            never trades.
        quantile: Share of the draws with a lower mean net return; NaN like the above.
        exposure: Mean absolute signal, the same in all draws.
        draws, seed: Number of draws, never more than there are different ones, and their seed.
        sentence: The same in words.
    """

    net_return_bps: float
    sharpe: float
    drawn_net_return_bps: Array1D
    drawn_sharpe: Array1D
    p_net_return: float
    p_sharpe: float
    quantile: float
    exposure: float
    draws: int
    seed: int
    sentence: str


def random_entry(
    trade: Trade,
    signal: Array1D,
    config: BacktestConfig,
    *,
    group: npt.NDArray[np.int64] | None = None,
    draws: int = 500,
    seed: int = 0,
) -> RandomEntry:
    """Compare the signals with themselves at random times.

    Each draw moves every symbol's signals round in a circle by one random share of their length,
    the same for all symbols. So exposure, sides, holding times, the gaps between trades and the
    symbols held together stay what they are; only the link to the market's moves is cut. Where
    the longest symbol has no more different moves than draws, each is taken once.

    Args:
        trade: The way from signals to the account, a `Trade`.
        signal: Wanted positions of the test rows, shape `(rows,)`; NaN means flat.
        config: The rule and costs in use.
        group: Symbol number of each row, rows of one symbol in order of time.
        draws: Random accounts, at least 1.
        seed: Seed of the moves.

    Source: p-value by Davison & Hinkley (1997), Bootstrap Methods and their Application,
    eq. 4.11; circular shifts as in Politis & Romano (1992).
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}; 99 allow a p-value of 1%")
    values = vector("signal", signal, allow_nan=True)
    codes = np.zeros(len(values), dtype=np.int64) if group is None else np.asarray(group)
    same_length(signal=values, group=codes)
    parts = rows_by_group(codes)
    shares = _shares(max(len(rows) for rows in parts) - 1, draws, seed)
    drawn = np.empty((len(shares), len(_MEASURES)))
    for draw, share in enumerate(shares):
        metrics = trade(_shifted(values, parts, float(share)), config).metrics
        drawn[draw] = [metrics[name] for name in _MEASURES]
    metrics = trade(values, config).metrics
    found = [metrics[name] for name in _MEASURES]
    p_net, p_sharpe = (_p_value(own, column) for own, column in zip(found, drawn.T, strict=True))
    if not metrics["trades"]:
        p_net = math.nan
    below = float((drawn[:, 0] < found[0]).mean()) if metrics["trades"] else math.nan
    return RandomEntry(
        net_return_bps=found[0],
        sharpe=found[1],
        drawn_net_return_bps=drawn[:, 0],
        drawn_sharpe=drawn[:, 1],
        p_net_return=p_net,
        p_sharpe=p_sharpe,
        quantile=below,
        exposure=float(np.abs(np.nan_to_num(values)).mean()),
        draws=len(shares),
        seed=seed,
        sentence=_sentence(below, p_net, len(shares)),
    )


def _shares(moves: int, draws: int, seed: int) -> Array1D:
    """Shares to move by: random ones, or each of the different moves where those are fewer."""
    if moves > draws:
        return np.random.default_rng(seed).random(draws)
    return (np.arange(max(moves, 1)) + 0.5) / max(moves, 1)


def _shifted(signal: Array1D, parts: list[npt.NDArray[np.intp]], share: float) -> Array1D:
    """Every part moved round by `share` of its length, at least one row, never all the way."""
    moved = np.empty_like(signal)
    for rows in parts:
        step = 1 + int(share * (len(rows) - 1)) if len(rows) > 1 else 0
        moved[rows] = np.roll(signal[rows], step)
    return moved


def _p_value(found: float, drawn: Array1D) -> float:
    if math.isnan(found):
        return math.nan
    return (1.0 + float((drawn >= found).sum())) / (1.0 + len(drawn))


def _sentence(quantile: float, p_value: float, draws: int) -> str:
    if math.isnan(p_value):
        return "The model never trades, so its timing cannot be judged."
    better = f"The model's timing beats {quantile:.1%} of {draws:,} random ones of equal exposure"
    if p_value <= 0.05:
        return f"{better} (p = {p_value:.3g})."
    return f"{better} (p = {p_value:.2g}): chance alone explains that."
