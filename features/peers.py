"""Other symbols' bars beside the target's: a causal join of whole frames, and its live twin.

Bars are stamped by their open, so a peer's bar counts from its open *plus its interval* on: joining
by open times alone would show the target a bar that is still forming.
"""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.market.times import (
    duration_microseconds,
    index_microseconds,
    stamp_microseconds,
)

PEER_COLUMNS = ("peer_close", "peer_age_bars", "peers_rising")

BREADTH_BARS = 20
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def _length(interval: pd.Timedelta, name: str) -> int:
    length = pd.Timedelta(interval)
    if not length > pd.Timedelta(0):
        raise ValueError(f"the interval of {name} must be above zero; got {interval}")
    microseconds = duration_microseconds(length)
    if microseconds == 0:
        raise ValueError(
            f"bars of {name} must be of at least a microsecond to be joined; got {interval}; join "
            "bars put together to that length"
        )
    return microseconds


def _intervals(
    symbols: list[str],
    reference: str,
    interval: pd.Timedelta,
    peer_intervals: Mapping[str, pd.Timedelta] | None,
    breadth_bars: int,
) -> dict[str, int]:
    """Interval of each peer in microseconds, once the choices are known to make sense."""
    given = dict(peer_intervals or {})
    if reference not in symbols:
        raise ValueError(f"the reference must be one of the peers {symbols}; got {reference!r}")
    unknown = sorted(set(given) - set(symbols))
    if unknown:
        raise ValueError(f"intervals are given for {unknown}, which are not among {symbols}")
    if breadth_bars < 1:
        raise ValueError(f"breadth needs at least 1 bar; got {breadth_bars}")
    return {symbol: _length(given.get(symbol, interval), symbol) for symbol in symbols}


def _opens(frame: pd.DataFrame, name: str, interval: int) -> Integers:
    """UTC microseconds of a frame's bars, which may not overlap."""
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise TypeError(
            f"bars of {name} must be indexed by tz-aware open times; got "
            f"{type(index).__name__}. frame.tz_localize('UTC') states the zone"
        )
    times = index_microseconds(index)
    close_by = np.diff(times) < interval
    if close_by.any():
        row = int(close_by.argmax()) + 1
        raise ValueError(
            f"bars of {name} must follow each other by at least their interval of "
            f"{interval / 1e6:g} s; row {row} ({index[row]}) follows {index[row - 1]}; sort the "
            "frame, drop duplicates or state the interval"
        )
    return times


def _closes(frame: pd.DataFrame, symbol: str) -> Floats:
    closes = frame["close"].to_numpy(dtype=np.float64)
    bad = ~(np.isfinite(closes) & (closes > 0.0))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"closes of {symbol} must be finite and above zero; the bar at {frame.index[row]} "
            f"(row {row}) has {closes[row]}; drop or repair it first"
        )
    return closes


def _rising(now: Any, before: Any) -> Any:
    """1 where the close rose, 0.5 where it is unchanged, else 0."""
    return np.where(now > before, 1.0, np.where(now == before, 0.5, 0.0))


def join_peers(
    frame: pd.DataFrame,
    peers: Mapping[str, pd.DataFrame],
    *,
    reference: str,
    interval: pd.Timedelta,
    peer_intervals: Mapping[str, pd.Timedelta] | None = None,
    breadth_bars: int = BREADTH_BARS,
) -> pd.DataFrame:
    """Add what is known of other symbols at each bar's close.

    Calendars may differ: the last bar of a peer that has closed at or before the target's close
    stands until its next one does, and `peer_age_bars` says for how long. A bar that its session
    cuts short counts as closing after its full interval.

    Args:
        frame: The target's bars, stamped by their tz-aware open times.
        peers: Bars of other symbols by name; only `close` is read.
        reference: The peer whose close is joined.
        interval: Length of the target's bars, from open to close.
        peer_intervals: The same of peers, where it differs.
        breadth_bars: Bars of its own calendar over which a peer is rising or not.

    Returns:
        A copy of `frame`, without the leading rows at which some peer has fewer than
        `breadth_bars + 1` closed bars, and with `peer_close`, `peer_age_bars` (time since the
        reference's last close, in its bars, 0 when it closed together with the target) and
        `peers_rising` (share of peers above their close of `breadth_bars` bars before, ties half).

    Raises:
        TypeError: An index holds no tz-aware times.
        ValueError: The reference is not among the peers, bars are out of order or overlap, a
            close is not a price, the columns exist already, or no row is left.
    """
    taken = [name for name in PEER_COLUMNS if name in frame.columns]
    if taken:
        raise ValueError(f"the frame has {taken} already; drop them before joining peers")
    lengths = _intervals(list(peers), reference, interval, peer_intervals, breadth_bars)
    own = _length(interval, "the target")
    known_at = _opens(frame, "the target", own) + own
    joined: dict[str, Floats] = {}
    rising = np.zeros(len(frame))
    enough = np.ones(len(frame), dtype=bool)
    for symbol, bars in peers.items():
        closed_at = _opens(bars, symbol, lengths[symbol]) + lengths[symbol]
        closes = _closes(bars, symbol)
        last = np.searchsorted(closed_at, known_at, side="right") - 1
        enough &= last >= breadth_bars
        last = np.maximum(last, breadth_bars)
        if len(closes) <= breadth_bars:
            enough[:] = False
            break
        rising += _rising(closes[last], closes[last - breadth_bars])
        if symbol == reference:
            joined["peer_close"] = closes[last]
            joined["peer_age_bars"] = (known_at - closed_at[last]) / lengths[symbol]
    if not enough.any():
        raise ValueError(
            f"at no bar of the target have all of {list(peers)} closed {breadth_bars + 1} bars; "
            "bring peers that begin earlier, or leave out those that begin late"
        )
    joined["peers_rising"] = rising / len(peers)
    return frame.assign(**{name: joined[name] for name in PEER_COLUMNS})[enough]


class PeerJoin:
    """The join of `join_peers`, bar by bar.

    Push every peer's bar when it closes, then ask at the target's close. Bars that close later
    than what is asked for wait unseen.
    """

    def __init__(
        self,
        symbols: list[str],
        *,
        reference: str,
        interval: pd.Timedelta,
        peer_intervals: Mapping[str, pd.Timedelta] | None = None,
        breadth_bars: int = BREADTH_BARS,
    ) -> None:
        self._intervals = _intervals(
            list(symbols), reference, interval, peer_intervals, breadth_bars
        )
        self._reference = reference
        self._breadth_bars = breadth_bars
        self._closes: dict[str, deque[float]] = {
            symbol: deque(maxlen=breadth_bars + 1) for symbol in symbols
        }
        self._closed_at = dict.fromkeys(symbols, 0)
        self._waiting: dict[str, deque[tuple[int, float]]] = {symbol: deque() for symbol in symbols}
        self._newest: dict[str, int | None] = dict.fromkeys(symbols)
        self._asked: int | None = None

    def update(self, symbol: str, timestamp: pd.Timestamp, close: float) -> None:
        """Take a closed bar of a peer.

        Args:
            symbol: One of the peers.
            timestamp: The bar's open, tz-aware.
            close: The bar's close.

        Raises:
            ValueError: An unknown symbol, a naive time, a close that is no price, a bar before
                or within the last one, or one that closed by a time already asked for; the state
                is as before.
        """
        if symbol not in self._intervals:
            raise ValueError(f"{symbol!r} is not one of the peers {list(self._intervals)}")
        opened = _stamp(timestamp)
        if not (math.isfinite(close) and close > 0.0):
            raise ValueError(f"a close must be finite and above zero; {symbol} has {close}")
        newest = self._newest[symbol]
        if newest is not None and opened - newest < self._intervals[symbol]:
            raise ValueError(
                f"bars of {symbol} must follow each other by at least their interval; "
                f"{timestamp} is late, double or overlaps the one before; skip it"
            )
        closed = opened + self._intervals[symbol]
        if self._asked is not None and closed <= self._asked:
            raise ValueError(
                f"the bar of {symbol} at {timestamp} closed by a time that was asked for already; "
                "push each bar before asking, or skip it in the batch too"
            )
        self._newest[symbol] = opened
        self._waiting[symbol].append((closed, float(close)))

    def columns_at(self, close_time: pd.Timestamp) -> dict[str, float] | None:
        """The peer columns as known at the target's close; None while a peer has too few bars.

        Raises:
            ValueError: A naive time or one before the last asked for; the state is as before.
        """
        now = _stamp(close_time)
        if self._asked is not None and now < self._asked:
            raise ValueError(f"times must not go back; {close_time} is before the last one asked")
        self._asked = now
        for symbol, waiting in self._waiting.items():
            while waiting and waiting[0][0] <= now:
                self._closed_at[symbol], price = waiting.popleft()
                self._closes[symbol].append(price)
        if any(len(closes) < (closes.maxlen or 0) for closes in self._closes.values()):
            return None
        rising = 0.0
        for closes in self._closes.values():
            rising += float(_rising(closes[-1], closes[0]))
        age = now - self._closed_at[self._reference]
        return {
            "peer_close": self._closes[self._reference][-1],
            "peer_age_bars": age / self._intervals[self._reference],
            "peers_rising": rising / len(self._closes),
        }

    def state(self) -> dict[str, Any]:
        """All it knows, as plain numbers and lists that JSON can hold."""
        return {
            "intervals": dict(self._intervals),
            "reference": self._reference,
            "breadth_bars": self._breadth_bars,
            "closes": {symbol: list(closes) for symbol, closes in self._closes.items()},
            "closed_at": dict(self._closed_at),
            "waiting": {
                symbol: [list(bar) for bar in bars] for symbol, bars in self._waiting.items()
            },
            "newest": dict(self._newest),
            "asked": self._asked,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> "PeerJoin":
        """The join whose `state()` this was."""
        lengths = {
            symbol: pd.Timedelta(microseconds=length)
            for symbol, length in state["intervals"].items()
        }
        join = cls(
            list(lengths),
            reference=state["reference"],
            interval=lengths[state["reference"]],
            peer_intervals=lengths,
            breadth_bars=state["breadth_bars"],
        )
        for symbol in lengths:
            join._closes[symbol].extend(state["closes"][symbol])
            join._waiting[symbol].extend((int(at), price) for at, price in state["waiting"][symbol])
        join._closed_at = dict(state["closed_at"])
        join._newest = dict(state["newest"])
        join._asked = state["asked"]
        return join


def _stamp(time: pd.Timestamp) -> int:
    """UTC microseconds of a tz-aware time."""
    stamp = pd.Timestamp(time)
    if stamp.tz is None:
        raise ValueError(f"times must be tz-aware; got {time}")
    return stamp_microseconds(stamp)
