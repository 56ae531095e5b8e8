"""Prices that orders are filled at where finer bars of the same market are known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.market.bars import Bars
from ultimate_deep.market.times import close_times, open_times

TOLERANCE = 1e-4  # of a price, by which rounding may take finer bars out of a bar's range
MOST_APART = 0.01  # share of bars that may hold finer ones out of their range
MOST_REPEATED = 0.5  # share of fills at the last close, from which on people should know


@dataclass(frozen=True, eq=False, kw_only=True)
class Fills:
    """What the orders of one symbol are filled at, a price for each bar.

    Args:
        frame: Bars as orders meet them: `open` is the price of a fill at the bar, `high` and `low`
            reach from there to the next fill; `close` and `volume` are the bars' own.
        filled: Whether the price is that of a finer bar, else it is the bar's own open, `(bars,)`.
        interval: Length of the finer bars.
        length_in_words: The same for people.
        has_volume: Whether the finer bars say when there was trade.
        repeated: Share of the prices of finer bars that repeat the bar's last close.
    """

    frame: pd.DataFrame
    filled: np.ndarray
    interval: pd.Timedelta
    length_in_words: str
    has_volume: bool
    repeated: float

    @property
    def share(self) -> float:
        """Share of the bars whose price is that of a finer bar."""
        return float(self.filled.mean())

    @property
    def digest(self) -> str:
        """SHA-256 of the prices: files that fill orders alike have the same."""
        values = np.ascontiguousarray(self.frame[["open", "high", "low"]].to_numpy(np.float64))
        digest = hashlib.sha256(values.tobytes())
        digest.update(self.filled.tobytes())
        return digest.hexdigest()

    @property
    def note(self) -> str:
        """What people should know, in a sentence."""
        which = "that has traded " if self.has_volume else ""
        rest = len(self.filled) - int(self.filled.sum())
        others = f"; the other {rest:,} keep their open" if rest else ""
        unsure = ""
        if not self.has_volume:
            unsure = " These have no volume, so that none may have traded."
        elif self.repeated >= MOST_REPEATED:
            unsure = (
                f" {self.repeated:.0%} of these prices repeat the last close, as they would if the "
                "finer bars were stamped at their end."
            )
        return (
            f"Orders are filled at the close of the first bar of {self.length_in_words} {which}"
            f"after a bar's open, in {len(self.filled) - rest:,} of {len(self.filled):,} bars"
            f"{others}.{unsure}"
        )


def find_fills(bars: Bars, finer: Bars) -> Fills:
    """Return the price of a fill at each bar: the first that is known to come after its opening.

    That is the close of the first finer bar which begins with the bar or after it, ends within it,
    and has traded. Where the finer bars have no volume, it is simply the first one's: to wait for a
    price that differs from the last one would choose the fill by its price, and turn a bounce
    between bid and ask into a gain for whoever follows the last print.

    Args:
        bars: Bars of one symbol that decisions are made on.
        finer: Bars of the same market, at most half as long.

    Raises:
        ValueError: Finer bars of another length, time or market.
    """
    _check_lengths(bars, finer)
    starts, opens = open_times(finer), open_times(bars)
    holder = np.searchsorted(opens, starts, side="right") - 1
    ends = starts + finer.interval.to_timedelta64()
    inside = (holder >= 0) & (ends <= close_times(bars)[holder])
    if not inside.any():
        raise ValueError(
            f"no bar of data.fills lies inside a bar of {bars.symbol}, got {_span(finer)} for "
            f"{_span(bars)}; give finer bars of the same time, or look at timezone and stamp"
        )
    apart = _apart(bars, finer, inside, holder)
    volume = finer.frame["volume"].to_numpy()
    able = np.flatnonzero(inside & (volume > 0.0) if finer.has_volume else inside)
    able = able[~apart[holder[able]]]
    # `holder` never falls, so the first finer bar of each bar is found by where it would stand.
    own = np.arange(len(bars))
    place = np.searchsorted(holder[able], own)
    filled = np.zeros(len(bars), dtype=bool)
    reached = place < len(able)
    filled[reached] = holder[able[place[reached]]] == own[reached]
    if not filled.any():
        raise ValueError(
            f"no bar of {bars.symbol} has a finer one that has traded, got {_span(finer)} whose "
            "volume is zero in all that lie inside; give volume=none in data.columns, or other bars"
        )
    first = np.full(len(bars), -1)
    first[filled] = able[place[filled]]
    met = _as_met(bars.frame, finer.frame, first, np.searchsorted(holder, own, side="right"))
    before = bars.frame["close"].to_numpy()[:-1]
    same = np.isclose(met["open"].to_numpy()[1:], before, rtol=1e-9, atol=0.0)[filled[1:]]
    repeated = float(same.mean()) if len(same) else 0.0
    return Fills(
        frame=met,
        filled=filled,
        repeated=repeated,
        interval=finer.interval,
        length_in_words=finer.length_in_words,
        has_volume=finer.has_volume,
    )


def _check_lengths(bars: Bars, finer: Bars) -> None:
    if bars.irregular or finer.irregular:
        which = bars if bars.irregular else finer
        raise ValueError(
            f"data.fills is for bars of one length, got {which.symbol} of no fixed length; leave "
            "data.fills out, or give bars of time"
        )
    if finer.interval * 2 > bars.interval or bars.interval % finer.interval != pd.Timedelta(0):
        raise ValueError(
            f"the bars of data.fills must divide those of data.path into two or more, got bars of "
            f"{finer.length_in_words} for bars of {bars.length_in_words} ({bars.symbol}); give "
            "finer ones, such as bars of 1 minute"
        )


def _apart(bars: Bars, finer: Bars, inside: np.ndarray, holder: np.ndarray) -> np.ndarray:
    """Return which bars hold a finer one that leaves their range, `(bars,)`.

    Raises:
        ValueError: They are so many that it is another market.
    """
    held = holder[inside]
    high, low = (finer.frame[name].to_numpy()[inside] for name in ("high", "low"))
    top, bottom = (bars.frame[name].to_numpy()[held] for name in ("high", "low"))
    leaves = (high > top * (1.0 + TOLERANCE)) | (low < bottom * (1.0 - TOLERANCE))
    apart = np.zeros(len(bars), dtype=bool)
    apart[held[leaves]] = True
    covered, wrong = len(np.unique(held)), int(apart.sum())
    if wrong > MOST_APART * covered:
        one = int(np.argmax(leaves))
        raise ValueError(
            f"the bars of data.fills are no finer bars of {bars.symbol}: in {wrong:,} of "
            f"{covered:,} bars they leave the range, first at "
            f"{finer.index[inside][one]:%Y-%m-%d %H:%M} from {low[one]:.8g} to {high[one]:.8g} "
            f"where the bar of {bars.index[held[one]]:%Y-%m-%d %H:%M} reaches from "
            f"{bottom[one]:.8g} to {top[one]:.8g}; give bars of the same market, adjusted and "
            "stamped alike and in the same timezone"
        )
    return apart


def _as_met(
    frame: pd.DataFrame, finer: pd.DataFrame, first: np.ndarray, end: np.ndarray
) -> pd.DataFrame:
    """Return bars with the price of a fill as open, and what came between it and the next fill.

    A stop is thus never touched by a print from before its order was filled.

    Args:
        frame: Canonical bars of a symbol.
        finer: Canonical finer bars, in order of time.
        first: Row of the finer bar that fills at each bar, -1 where none does, `(bars,)`.
        end: Row of the first finer bar that is later than each bar, `(bars,)`.
    """
    filled = first >= 0
    following = np.append(first[1:], -1)
    end = np.where(following >= 0, following + 1, end)[filled]
    begin = first[filled] + 1
    met = frame.copy()
    price = finer["close"].to_numpy()[first[filled]]
    high = _extreme(np.maximum, finer["high"].to_numpy(), begin, end, -np.inf)
    low = _extreme(np.minimum, finer["low"].to_numpy(), begin, end, np.inf)
    for name, values in (
        ("open", price), ("high", np.maximum(high, price)), ("low", np.minimum(low, price)),
    ):  # fmt: skip
        column = met[name].to_numpy().copy()
        column[filled] = values
        met[name] = column
    return met


def _extreme(
    function: np.ufunc, values: np.ndarray, begin: np.ndarray, end: np.ndarray, nothing: float
) -> np.ndarray:
    """Return the extreme of each stretch of values, and `nothing` of an empty one."""
    edges = np.column_stack([begin, end]).ravel()
    found: np.ndarray = function.reduceat(np.append(values, nothing), edges)[::2]
    return np.where(end > begin, found, nothing)


def _span(bars: Bars) -> str:
    first, last = bars.index[0], bars.index[-1]
    return (
        f"bars of {bars.length_in_words} from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    )
