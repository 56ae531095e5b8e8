"""What bars themselves say of the market's spread, and of opens that are no trades of their own."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pandas as pd

QUARTERS = 4
NEAR = 0.03  # of a usual bar's move
SAME = 1e-6  # of the price: single precision, and eight digits
FEW = 0.05  # share of the steps between prices that may be smaller than a tick
NEAR_OF_BOUNCE = 1.0 / 3.0
LARGE = 5.0  # usual moves
SURE = 3.0  # standard errors
Array1D = npt.NDArray[np.float64]


def effective_spread(frame: pd.DataFrame) -> float:
    """Estimate the effective bid-ask spread from open, high, low and close.

    Trades bounce between bid and ask, so that returns from and to prints are negatively correlated
    where they share one, while midranges cancel the bounce. Two such products are combined by the
    inverse of their variances, corrected for bars that repeat a price or do not trade.

    Args:
        frame: Canonical bars of one symbol.

    Returns:
        The spread (ask less bid over the mid, fraction), 0 where noise outweighs it; NaN where
        fewer than three bars move.

    Source: Ardia, Guidotti & Kroencke (2024), J. Financial Economics 161, the estimator EDGE.
    """
    if len(frame) < 3:
        return math.nan
    logs = {name: np.log(frame[name].to_numpy()) for name in ("open", "high", "low", "close")}
    logs["mid"] = (logs["high"] + logs["low"]) / 2.0
    now = {name: one[1:] for name, one in logs.items()}
    last = {name: one[:-1] for name, one in logs.items()}
    traded = (now["high"] != now["low"]) | (now["low"] != last["close"])
    extremes = ("high", "low")
    at_open = sum(_share(traded & (now["open"] != now[name])) for name in extremes)
    at_close = sum(_share(traded & (last["close"] != last[name])) for name in extremes)
    if traded.sum() < 2 or not at_open or not at_close:
        return math.nan
    since_open = _centred(now["mid"] - now["open"], traded) * (-4.0 / at_open)
    since_close = _centred(now["mid"] - last["close"], traded)
    between = _centred(now["open"] - last["close"], traded)
    back = (last["close"] - last["mid"]) * (-4.0 / at_close)
    first = since_open * (now["open"] - last["mid"]) + since_close * back
    second = since_open * (now["open"] - last["close"]) + between * back
    one, other = float(first.var()), float(second.var())
    if one + other == 0.0:
        return math.nan
    squared = (other * float(first.mean()) + one * float(second.mean())) / (one + other)
    return math.sqrt(max(squared, 0.0))


def _share(chosen: npt.NDArray[np.bool_]) -> float:
    return float(chosen.mean())


def _centred(steps: Array1D, traded: npt.NDArray[np.bool_]) -> Array1D:
    return np.asarray(steps - steps.mean() / traded.mean() * traded)


def half_spread(frame: pd.DataFrame) -> float:
    """Return half of the spread that bars show throughout: the least of four quarters.

    Noise makes a spread of about a tenth of a bar's move in every other quarter, seldom in all.

    Args:
        frame: Canonical bars of one symbol.

    Returns:
        A fraction of the price, 0 where a quarter shows none; NaN where one has too few bars.
    """
    edges = [len(frame) * number // QUARTERS for number in range(QUARTERS + 1)]
    found = [effective_spread(frame.iloc[start:end]) for start, end in itertools.pairwise(edges)]
    return math.nan if any(map(math.isnan, found)) else min(found) / 2.0


def repeats(frame: pd.DataFrame, *, near: float | None = None) -> npt.NDArray[np.bool_]:
    """Return whether each bar's open repeats the close before, `(rows,)`.

    Args:
        frame: Bars of one symbol, with a fill's price as `open` where that is another.
        near: What `nearest_told` returns of them, where that is known already.
    """
    opened, closed = frame["open"].to_numpy(), frame["close"].to_numpy()
    found = np.zeros(len(frame), dtype=np.bool_)
    told = nearest_told(frame) if near is None else near
    found[1:] = np.abs(opened[1:] - closed[:-1]) <= np.maximum(told, SAME * closed[:-1])
    return found


def nearest_told(frame: pd.DataFrame) -> float:
    """Return the distance of prices from which on bars tell them apart, in the price's units.

    That is a tick, `NEAR` of a usual bar's move, since a column may be rounded or moved by noise,
    and `NEAR_OF_BOUNCE` of the bounce that closes show: a price that is nearer is on the same side
    of the spread.

    Args:
        frame: Bars of one symbol.
    """
    close = frame["close"].to_numpy()
    prices = np.unique(frame[["open", "close"]].to_numpy())
    steps = np.diff(prices)
    steps = steps[steps > SAME * prices[1:]]  # less is no tick, but rounding
    # A few prices may have more digits, and a tick is a whole number of units only on paper.
    tick = (1.0 + 1e-3) * float(np.quantile(steps, FEW)) if len(steps) else 0.0
    moves = np.abs(np.diff(close))
    moves = moves[moves > 0.0]
    if not len(moves):
        return tick
    near = NEAR * float(np.median(moves))
    return max(tick, near, NEAR_OF_BOUNCE * bounce(frame) * float(np.median(close)))


def bounce(frame: pd.DataFrame) -> float:
    """Return half of the spread that would make closes go back as they do, as a fraction of the
    price; 0 where they do so by chance.

    Args:
        frame: Bars of one symbol.

    Source: Roll (1984), J. Finance 39(4), eq. 2, on returns that are cut at `LARGE` usual ones.
    """
    moves = np.diff(np.log(frame["close"].to_numpy()))
    if len(moves) < 3 or not moves.any():
        return 0.0
    most = LARGE * float(np.median(np.abs(moves[moves != 0.0])))
    cut = np.clip(moves, -most, most)
    cut -= cut.mean()
    products = cut[1:] * cut[:-1]
    back, error = -float(products.mean()), float(products.std()) / math.sqrt(len(products))
    return math.sqrt(back) if back > SURE * error and back > 0.0 else 0.0
