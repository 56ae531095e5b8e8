"""Bars: the canonical frame of one symbol, with what annualisation and features need to know."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import pandas as pd

from ultimate_deep.machine.files import printable
from ultimate_deep.market.intervals import about_in_words, interval_in_words
from ultimate_deep.market.sessions import (
    NO_GAPS,
    Gaps,
    Session,
    elapsed_bars_per_year,
    find_bars_per_year,
    find_gaps,
)
from ultimate_deep.market.validation import (
    BAR_COLUMNS,
    MINIMUM_ROWS,
    BarsError,
    Repair,
    validate_bars,
)

__all__ = [
    "BAR_COLUMNS",
    "MINIMUM_ROWS",
    "Bars",
    "BarsError",
    "Gaps",
    "Repair",
    "Session",
    "validate_bars",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bars:
    """The bars of one symbol.

    Attributes:
        frame: Columns `open high low close volume`, float64 and finite; index `timestamp` is the
            bar's *open* time, UTC, strictly increasing. A bar is known at its close.
        symbol: The market's name.
        interval: Length of a bar, from its open to its close; of irregular bars the median step.
        session: When the market trades; irregular bars have none, and do not read it.
        simulated: True for bars that no market ever printed; every result must say so.
        notes: Sentences for people: what a repair dropped, gaps, absent volume.
        read_as: What each file was taken to be, in one line each; empty for other sources.
        closes: When each of irregular bars (of ticks, volume, dollars) is over, UTC; missing for a
            last one of which nothing says it. None for bars of one length.
        opens_known: Whether the index says when irregular bars open, or only when the bar before
            closed, which is as early as they may have opened.

    Raises:
        BarsError: When the frame is not canonical; `validate_bars` makes it so.
    """

    frame: pd.DataFrame
    symbol: str
    interval: pd.Timedelta
    session: Session
    simulated: bool = False
    notes: tuple[str, ...] = ()
    read_as: tuple[str, ...] = ()
    closes: pd.DatetimeIndex | None = None
    opens_known: bool = True

    def __post_init__(self) -> None:
        if not self.symbol:
            raise BarsError("bars need a symbol, got an empty one")
        if printable(self.symbol) != self.symbol:
            raise BarsError(
                f"a symbol must be a text that UTF-8 can hold, got {self.symbol!r}; give "
                "symbol='BARS'"
            )
        if self.session not in get_args(Session):
            raise BarsError(
                f"{self.symbol}: session must be one of {', '.join(get_args(Session))}, "
                f"got {self.session!r}"
            )
        if not self.interval > pd.Timedelta(0):
            raise BarsError(f"{self.symbol}: interval must be above zero, got {self.interval}")
        problem = _structure_problem(self.frame) or _closing_problem(self.index, self.closes)
        if problem:
            raise BarsError(
                f"{self.symbol}: the frame is not canonical: {problem}; pass it through "
                "validate_bars first"
            )

    @property
    def has_volume(self) -> bool:
        """Whether any bar has volume; vendors without it write zeros."""
        return bool((self.frame["volume"].to_numpy() > 0).any())

    @property
    def irregular(self) -> bool:
        """Whether the bars have no fixed length."""
        return self.closes is not None

    @property
    def length_in_words(self) -> str:
        """How long a bar is, such as `4 hours`."""
        if self.irregular:
            return f"no fixed length, {about_in_words(self.interval)} in the median"
        return interval_in_words(self.interval)

    def keep(self, chosen: np.ndarray | slice) -> Bars:
        """Return some of the bars, in order, each over when it was.

        Args:
            chosen: Which: a mask, positions, or a slice.
        """
        closes = None if self.closes is None else self.closes[chosen]
        return replace(self, frame=self.frame.iloc[chosen], closes=closes)

    @property
    def bars_per_year(self) -> float:
        """Bars of an average year, for annualisation; of irregular ones by the time elapsed."""
        if self.closes is not None:
            edges = self.index.append(self.closes[-1:].dropna())
            return elapsed_bars_per_year(pd.DatetimeIndex(edges))
        return find_bars_per_year(self.index, self.interval, self.session)

    @property
    def gaps(self) -> Gaps:
        """Bars that are missing at the market's usual hours; irregular ones never are."""
        if self.irregular:
            return NO_GAPS
        return find_gaps(self.index, self.interval, self.session)

    @property
    def index(self) -> pd.DatetimeIndex:
        """The bars' open times, UTC."""
        return pd.DatetimeIndex(self.frame.index)

    def __len__(self) -> int:
        return len(self.frame)

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.frame.tail(3).to_html()}"

    def __repr__(self) -> str:
        kind = "simulated bars" if self.simulated else "bars"
        session = "irregular" if self.irregular else self.session
        return (
            f"<{kind} of {self.symbol}: {len(self):,} of {self.length_in_words}, "
            f"{self.index[0]:%Y-%m-%d} to {self.index[-1]:%Y-%m-%d}, {session}>"
        )


def _structure_problem(frame: pd.DataFrame) -> str:
    """Return what is wrong with a frame's structure, or an empty string."""
    if tuple(frame.columns) != BAR_COLUMNS:
        return f"the columns are {', '.join(map(str, frame.columns))}"
    if not all(dtype == np.float64 for dtype in frame.dtypes):
        return f"the columns hold {', '.join(str(dtype) for dtype in frame.dtypes)}"
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) != "UTC":
        return f"the index holds {index.dtype}, not times in UTC"
    if len(index) < 2:
        return f"it has {len(index)} rows, at least 2 are needed"
    if not (index.is_monotonic_increasing and index.is_unique):
        return "its times do not increase strictly"
    if not np.isfinite(frame.to_numpy()).all():
        return "it holds NaN or infinity"
    return ""


def _closing_problem(opens: pd.DatetimeIndex, closes: pd.DatetimeIndex | None) -> str:
    """Return what is wrong with the times at which irregular bars are over, or an empty string."""
    if closes is None:
        return ""
    if len(closes) != len(opens) or str(closes.tz) != "UTC":
        return f"{len(closes)} closes with the zone {closes.tz} for {len(opens)} bars in UTC"
    if closes[:-1].hasnans:
        return "a bar before the last one has no close"
    early = closes[:-1] > opens[1:]
    if early.any():
        row = int(np.argmax(early))
        return f"the bar of {opens[row + 1]} opens before the one before it closes, {closes[row]}"
    if (closes <= opens).any():
        return f"a bar closes when it opens, at {opens[int(np.argmax(closes <= opens))]}"
    return ""
