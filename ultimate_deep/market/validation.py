"""The rules that bars keep, checked one by one, each with the row, the value and the remedy."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import pandas as pd

from ultimate_deep.market.config import BarKind

BAR_COLUMNS = ("open", "high", "low", "close", "volume")
PRICE_COLUMNS = ("open", "high", "low", "close")
MINIMUM_ROWS = 32

Repair = Literal["raise", "drop"]
# Bars of ticks share a second of the clock by right: more of them are no conflicting copies.
MOST_DROPPED_TICKS = 0.01
# A rule that more rows break is no matter of some bad rows: what is left would be other bars.
MOST_DROPPED = 0.2
LEAST_ROWS = 10


class BarsError(ValueError):
    """Bars break a rule. The message names the rule, the row, the value and the remedy."""


class RowSieve:
    """Applies one rule after another to a frame: raises at the first bad row or drops bad rows.

    Attributes:
        frame: The rows that are left, indexed by time.
        rows: The number that each of them had at its source, from 0.
        notes: A sentence for each rule that dropped rows.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        symbol: str,
        repair: Repair,
        row_numbers: np.ndarray | None = None,
    ) -> None:
        self.frame = frame
        self.rows = np.arange(len(frame)) if row_numbers is None else row_numbers
        self.symbol = symbol
        self.repair = repair
        self.notes: list[str] = []

    def apply(
        self,
        rule: str,
        bad: np.ndarray,
        value: Callable[[int], str],
        *,
        remedy: str,
        most: float = MOST_DROPPED,
        named: np.ndarray | None = None,
    ) -> None:
        """Hold the rows to a rule.

        Args:
            rule: What every row must keep, as a sentence without its full stop.
            bad: `(rows,)` bool, true where the rule is broken.
            value: Gives the offending values of one row as text.
            remedy: What the user can do, other than `repair="drop"`.
            most: Share of the rows that may be dropped.
            named: Rows of which an error names the first, where not the bad ones.

        Raises:
            BarsError: When a row is bad and the repair is `"raise"`, or more than `most` are.
        """
        count = int(bad.sum())
        if count == 0:
            return
        first = int(np.argmax(bad if named is None or self.repair == "drop" else named))
        where = f"row {self.rows[first]} ({_stamp(self.frame.index[first])}): {value(first)}"
        many = count > most * len(self.frame) and len(self.frame) >= LEAST_ROWS
        if self.repair == "raise" or many:
            drop = ', or repair="drop" to drop such rows'
            if many:
                drop = f"; more than {most:.1%} of the rows are never dropped"
            raise BarsError(
                f"{self.symbol}: {rule}; broken by {count:,} of {len(self.frame):,} rows, first by "
                f"{where}; {remedy}{drop}"
            )
        rows = f"{count:,} row{'s' * (count != 1)}"
        self.notes.append(f"Dropped {rows}: {rule}. The first was {where}.")
        self.frame = self.frame[~bad]
        self.rows = self.rows[~bad]


def apply_priced(sieve: RowSieve, absent: np.ndarray) -> None:
    """Hold rows to having a price at all: those of a halted market are no bars, however many.

    Args:
        sieve: Rows with prices.
        absent: `(rows, 4)` bool, true where nothing is written, or zero.
    """
    sieve.apply(
        "every row has a price",
        np.asarray(absent.all(axis=1)),
        lambda row: "open, high, low and close are absent or zero",
        remedy="remove such rows at their source",
        most=1.0,
    )


def validate_bars(
    frame: pd.DataFrame,
    *,
    symbol: str,
    repair: Repair = "raise",
    minimum_rows: int = MINIMUM_ROWS,
    row_numbers: np.ndarray | None = None,
    telling: Callable[[], str] | None = None,
    kind: BarKind = "regular",
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the frame in canonical form and a note for each thing that was repaired.

    Args:
        frame: Bars indexed by tz-aware bar open time, or with it in a column `timestamp`; columns
            `open high low close volume`, others are left out. Rows are numbered from 0.
        symbol: Named in every message.
        repair: `"raise"` raises at the first broken rule; `"drop"` drops the rows that break it
            and says so in the notes. Missing columns, naive time, an empty frame and too few rows
            always raise.
        minimum_rows: Fewer rows than this, after repair, raise.
        row_numbers: `(rows,)` numbers by which messages name the rows, if not their positions.
        telling: Returns the name of a column that tells apart rows of one time, such as symbols
            in a column of an unknown name; empty for none. Such rows are not dropped.
        kind: Whether bars have one length; those of ticks may share a time.

    Returns:
        The canonical frame (`open high low close volume` float64 and finite, index `timestamp`
        in UTC, nanoseconds, strictly increasing) and the notes.

    Raises:
        BarsError: The rule, the row's number and time, the value and the remedy.
    """
    if repair not in get_args(Repair):
        raise ValueError(f'repair must be "raise" or "drop", got {repair!r}')
    if minimum_rows < 1:
        raise ValueError(f"minimum_rows must be at least 1, got {minimum_rows}")
    sieve = RowSieve(
        _with_time_index(frame, symbol=symbol),
        symbol=symbol,
        repair=repair,
        row_numbers=row_numbers,
    )
    sieve.apply(
        "every bar has a time",
        np.asarray(sieve.frame.index.isna()),
        lambda row: "the time is missing",
        remedy="give the row its bar open time",
    )
    _apply_numbers(sieve)
    _apply_prices(sieve)
    _apply_order(sieve, telling, MOST_DROPPED if kind == "regular" else MOST_DROPPED_TICKS)
    if len(sieve.frame) < minimum_rows:
        raise BarsError(
            f"{symbol}: too few rows; at least {minimum_rows:,} bars are needed, got "
            f"{len(sieve.frame):,} of {len(frame):,} rows given; give a longer file"
        )
    return sieve.frame, tuple(sieve.notes)


def _with_time_index(frame: pd.DataFrame, *, symbol: str) -> pd.DataFrame:
    """Return only the bar columns, indexed by `timestamp` in UTC and nanoseconds."""
    if "timestamp" in frame.columns:
        frame = frame.set_index("timestamp")
    missing = [name for name in BAR_COLUMNS if name not in frame.columns]
    if missing:
        raise BarsError(
            f"{symbol}: missing column {', '.join(missing)}; the columns are "
            f"{', '.join(map(str, frame.columns)) or '(none)'}; rename or add it; bars "
            "without volume have a volume column of zeros"
        )
    doubled = [name for name in BAR_COLUMNS if list(frame.columns).count(name) > 1]
    if doubled:
        raise BarsError(f"{symbol}: column {', '.join(doubled)} is there twice; keep one of each")
    if len(frame) == 0:
        raise BarsError(f"{symbol}: empty, not one row of bars; check the file or filter")
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        raise BarsError(
            f"{symbol}: the index holds {index.dtype}, not times; row 0 is {index[0]!r}; "
            "index the frame by tz-aware bar open time, or give it in a column `timestamp`"
        )
    if index.tz is None:
        raise BarsError(
            f"{symbol}: naive time, no time zone is stated; row 0 is {index[0]}; "
            "tz_localize the times, or state the zone: timezone='UTC'"
        )
    canonical = frame.loc[:, list(BAR_COLUMNS)]
    canonical.index = index.tz_convert("UTC").as_unit("ns").rename("timestamp")
    canonical.columns.name = None
    return canonical


def _apply_numbers(sieve: RowSieve) -> None:
    """Every value is a finite number; the columns become float64."""
    prices = sieve.frame[list(PRICE_COLUMNS)]
    apply_priced(sieve, np.asarray(prices.isna() | (prices == 0)))
    given = sieve.frame
    numbers = pd.DataFrame(
        {name: pd.to_numeric(given[name], errors="coerce") for name in BAR_COLUMNS},
        index=given.index,
    ).astype(np.float64)
    finite = np.asarray(np.isfinite(numbers.to_numpy()))
    original = given

    def value(row: int) -> str:
        column = int(np.argmin(finite[row]))
        cell = original.iloc[row, column]
        return f"{BAR_COLUMNS[column]} is {cell if isinstance(cell, float) else repr(cell)}"

    sieve.frame = numbers
    sieve.apply(
        "every value is a finite number",
        np.asarray(~finite.all(axis=1)),
        value,
        remedy="fill or remove the row at its source",
    )


def _apply_prices(sieve: RowSieve) -> None:
    """Prices are positive, the range holds open and close, volume is not negative."""

    def values(*names: str) -> Callable[[int], str]:
        frame = sieve.frame
        return lambda row: ", ".join(f"{name} {frame[name].iloc[row]:.10g}" for name in names)

    prices = sieve.frame[list(PRICE_COLUMNS)].to_numpy()
    sieve.apply(
        "prices are above zero",
        np.asarray((prices <= 0).any(axis=1)),
        values(*PRICE_COLUMNS),
        remedy="a price at or below zero has no logarithm, and returns are logarithms here, never "
        "differences; take a contract that is back-adjusted by ratios or a later one, or cut the "
        "file before that row",
    )
    # Bars of one price keep these rules in whatever order the columns are.
    prices = sieve.frame[list(PRICE_COLUMNS)].to_numpy()
    most = MOST_DROPPED * float((np.ptp(prices, axis=1) > 0).mean()) if len(prices) else 0.0
    high, low = sieve.frame["high"].to_numpy(), sieve.frame["low"].to_numpy()
    sieve.apply(
        "high is not below low",
        high < low,
        values("high", "low"),
        remedy="check that the columns are not swapped",
        most=most,
    )
    body = sieve.frame[["open", "close"]].to_numpy()
    high, low = sieve.frame["high"].to_numpy(), sieve.frame["low"].to_numpy()
    sieve.apply(
        "open and close lie between low and high",
        (body.max(axis=1) > high) | (body.min(axis=1) < low),
        values(*PRICE_COLUMNS),
        remedy="check the columns' order and that all prices are adjusted alike",
        most=most,
    )
    sieve.apply(
        "volume is not negative",
        sieve.frame["volume"].to_numpy() < 0,
        values("volume"),
        remedy="write zero where the volume is unknown",
    )


def _apply_order(sieve: RowSieve, telling: Callable[[], str] | None, most_twice: float) -> None:
    """Times increase strictly. Of equal duplicates one stays, of others the first."""
    stamps = pd.DatetimeIndex(sieve.frame.index).asi8
    if len(stamps) > 1 and (np.diff(stamps) < 0).all():
        raise BarsError(
            f"{sieve.symbol}: disorder, the newest bar comes first; row {sieve.rows[0]} is "
            f"{_stamp(sieve.frame.index[0])} and row {sieve.rows[1]} is "
            f"{_stamp(sieve.frame.index[1])}; reverse the rows (frame.iloc[::-1])"
        )
    _leave_out_repeats(sieve)
    twice = np.asarray(sieve.frame.index.duplicated(keep="first"))
    if twice.any() and telling is not None and (column := telling()):
        row = int(np.argmax(twice))
        raise BarsError(
            f"{sieve.symbol}: {int(twice.sum()):,} rows have a time that was there before, first "
            f"row {sieve.rows[row]} ({_stamp(sieve.frame.index[row])}), and the column {column} "
            f"tells them apart; state that it names the symbols: columns='symbol={column}', or "
            "split the file"
        )
    if twice.sum() > MOST_DROPPED * len(twice) and len(twice) >= LEAST_ROWS:
        row = int(np.argmax(twice))
        remedy = "give the bars of one market at a time"
        if telling is not None:
            remedy = "name the column of symbols, columns='symbol=NAME', or split the file by them"
        raise BarsError(
            f"{sieve.symbol}: {int(twice.sum()):,} of {len(twice):,} rows have a time that was "
            f"there before, with other values, first row {sieve.rows[row]} "
            f"({_stamp(sieve.frame.index[row])}), so they are of several markets, or of bars "
            f"shorter than their times tell; {remedy}"
        )
    sieve.apply(
        "no duplicates, every time appears once",
        twice,
        lambda row: "this time was there before, with other values",
        remedy="remove the repeated rows, or give times fine enough to tell bars apart",
        most=most_twice,
    )
    stamps = pd.DatetimeIndex(sieve.frame.index).asi8
    back = np.concatenate([[False], np.diff(stamps) < 0])
    if not back.any():
        return
    _refuse_exchanged_days(sieve)
    index = sieve.frame.index
    sieve.apply(
        "no disorder, times increase from row to row",
        ~_longest_increasing(stamps),
        lambda row: f"the row before it is {_stamp(index[row - 1])}" if row else "out of order",
        remedy="sort the rows by time",
        named=back,
    )


def _refuse_exchanged_days(sieve: RowSieve) -> None:
    """Refuse the disorder that spreadsheets make of dates: those that can be are exchanged."""
    index = pd.DatetimeIndex(sieve.frame.index)
    day, month = np.asarray(index.day), np.asarray(index.month)
    may = (day <= 12) & (day != month)
    months, days_of = np.where(may, day, month), np.where(may, month, day)
    parts = pd.DataFrame({"year": index.year, "month": months, "day": days_of})
    days = pd.DatetimeIndex(pd.to_datetime(parts)).as_unit("ns").asi8
    own = index.tz_localize(None).normalize().as_unit("ns").asi8
    if (np.diff(days + index.as_unit("ns").asi8 - own) > 0).all():
        row = int(np.argmax(may))
        raise BarsError(
            f"{sieve.symbol}: disorder, days and months are exchanged in {int(may.sum()):,} of "
            f"{len(index):,} rows, first in row {sieve.rows[row]} ({_stamp(index[row])}), as "
            "spreadsheets do to dates that can be read so; take the file as it was before, and do "
            "not sort it"
        )


def _leave_out_repeats(sieve: RowSieve) -> None:
    """Leave out rows that repeat an earlier one's time and all of its values: nothing to decide."""
    stamps = pd.DatetimeIndex(sieve.frame.index).asi8
    if (np.diff(stamps) > 0).all():
        return
    times = pd.Series(stamps, index=sieve.frame.index, name="time")
    again = np.asarray(pd.concat([sieve.frame, times], axis=1).duplicated(keep="first"))
    many = int(again.sum())
    if many == 0:
        return
    row = int(np.argmax(again))
    what = "rows repeat another in every value and were" if many > 1 else (
        "row repeats another in every value and was"
    )  # fmt: skip
    where = f"row {sieve.rows[row]} ({_stamp(sieve.frame.index[row])})"
    sieve.notes.append(f"{many:,} {what} left out, the first is {where}.")
    sieve.frame = sieve.frame[~again]
    sieve.rows = sieve.rows[~again]


def _longest_increasing(stamps: np.ndarray) -> np.ndarray:
    """Return a mask of the longest increasing run of rows, so that the fewest are dropped."""
    tails: list[int] = []
    tail_rows: list[int] = []
    previous = np.full(len(stamps), -1)
    for row, stamp in enumerate(stamps.tolist()):
        place = bisect_left(tails, stamp)
        previous[row] = tail_rows[place - 1] if place else -1
        tails[place : place + 1] = [stamp]
        tail_rows[place : place + 1] = [row]
    keep = np.zeros(len(stamps), dtype=bool)
    row = tail_rows[-1]
    while row >= 0:
        keep[row] = True
        row = int(previous[row])
    return keep


def _stamp(time: object) -> str:
    return "no time" if time is pd.NaT else str(time)
