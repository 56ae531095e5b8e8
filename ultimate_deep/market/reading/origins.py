"""Where the files of one symbol come from, which must be one place and one side of the book."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.reading.symbols import FileName, parse_name
from ultimate_deep.market.validation import BarsError

_SIDES = ("bid", "ask")
# A file's name may hold the year in which it was fetched, soon after that of its bars.
YEARS_BEFORE, YEARS_AFTER = 1, 3


class Origins:
    """What files and the folders above them say of each symbol, beside its name."""

    def __init__(self, stated: str | None = None) -> None:
        self._stated = stated
        self._said: dict[tuple[str, str], tuple[str, str]] = {}
        self._names: dict[str, None] = {}
        self._named: dict[str, dict[str, FileName]] = {}
        self._years: dict[str, tuple[int, int]] = {}
        self._lengths: BarsError | None = None

    def add(self, symbol: str, table: RawTable, times: pd.DatetimeIndex) -> None:
        """Remember what a file of a symbol says, such as `exchange=binance` or `bid`.

        Raises:
            BarsError: Another file of this symbol says otherwise.
        """
        named = parse_name(table.name)
        self._names[named.symbol] = None
        # Numbers and dates name a part of a table, such as year=2023 and bucket=03.
        said = {key: value for key, value in table.said.items() if re.search("[A-Za-z]", value)}
        words = re.split(r"[^a-z]+", table.name.lower())
        sides = [side for side in _SIDES if side in words]
        if len(sides) == 1:
            said["side"] = sides[0]
        self._compare(symbol, table.name, said, "read them apart")
        if self._stated is not None:
            return
        of_name = dict(named.said)
        if symbol != named.symbol:
            of_name.pop("interval", None)
        remedy = f"read them apart, or, if they are of one, state it: symbol={symbol!r}"
        self._compare(symbol, table.name, of_name, remedy)
        if symbol == named.symbol:
            self._named.setdefault(symbol, {})[table.name] = named
            self._years[table.name] = (times[0].year, times[-1].year)

    def _compare(self, symbol: str, file: str, said: Mapping[str, str], remedy: str) -> None:
        for key, value in said.items():
            before, other = self._said.setdefault((symbol, key), (value, file))
            if before == value:
                continue
            what = f"{other} is of {key} {before} and {file} of {key} {value}"
            if key == "interval":
                what = f"{other} and {file} are named after bars of {before} s and of {value} s"
            error = BarsError(f"{symbol}: {what}, which are no bars of one market; {remedy}")
            if key != "interval":
                raise error
            # Bars of different lengths are refused as such, when they are joined.
            self._lengths = self._lengths or error

    def check(self) -> None:
        """Refuse files of one symbol whose names differ by more than dates and counts.

        Raises:
            BarsError: A length or a year that is not of the bars, or numbers that count no files.
        """
        if self._lengths is not None:
            raise self._lengths
        for symbol, files in self._named.items():
            dated = {file: named for file, named in files.items() if named.dates}
            if len({named.dates for named in dated.values()}) > 1:
                for file, named in dated.items():
                    self._refuse_other_years(symbol, file, named)
            counts = sorted({int(named.number) for named in files.values() if named.bare})
            if len(counts) > 1 and counts[0] > 1 and counts[-1] - counts[0] >= len(counts):
                raise BarsError(
                    f"{symbol}: {shown(files, 4)} are named after numbers that count no files, "
                    "as of several markets; rename them after their markets, or, if they are of "
                    f"one, state it: symbol={symbol!r}"
                )
        alone = [file for symbol, files in self._named.items() for file, named in files.items()
                 if named.dates and set(symbol.lower().split("-")) <= set(named.dates)
                 and self._is_of(file, named.dates[0])]  # fmt: skip
        if len(alone) > 1:
            raise BarsError(
                f"{shown(alone, 4)} are named after dates alone, which are those of their bars, "
                "and not after markets; rename them after their markets, or, if they are of one, "
                "state it: symbol='NAME'"
            )

    def _is_of(self, file: str, date: str) -> bool:
        first, last = self._years[file]
        return first <= int(date[:4]) <= last

    def _refuse_other_years(self, symbol: str, file: str, named: FileName) -> None:
        first, last = self._years[file]
        for date in named.dates:
            year = int(date[:4]) if len(date) >= 4 else first
            if not first - YEARS_BEFORE <= year <= last + YEARS_AFTER:
                raise BarsError(
                    f"{symbol}: {file} holds bars of {first} to {last}, so that {date} in its "
                    f"name is no date and tells markets apart; rename the files after their "
                    f"markets, or, if they are of one, state it: symbol={symbol!r}"
                )

    def note(self) -> tuple[str, ...]:
        """Return a sentence where files of several names are read as one stated symbol."""
        if self._stated is None or len(self._names) < 2:
            return ()
        return (f"Files named after {shown(self._names)} are read as {self._stated}, as stated.",)
