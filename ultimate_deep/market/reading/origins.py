"""Where the files of one symbol come from, which must be one place and one side of the book."""

from __future__ import annotations

import re

from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.reading.symbols import symbol_of_name
from ultimate_deep.market.validation import BarsError

_SIDES = ("bid", "ask")


class Origins:
    """What files and the folders above them say of each symbol, beside its name."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[str, str]] = {}
        self._names: dict[str, None] = {}

    def add(self, symbol: str, table: RawTable) -> None:
        """Remember what a file of a symbol says, such as `exchange=binance` or `bid`.

        Raises:
            BarsError: Another file of this symbol says otherwise.
        """
        # Numbers and dates name a part of a table, such as year=2023 and bucket=03.
        self._names[symbol_of_name(table.name)] = None
        said = {key: value for key, value in table.said.items() if re.search("[A-Za-z]", value)}
        words = re.split(r"[^a-z]+", table.name.lower())
        sides = [side for side in _SIDES if side in words]
        if len(sides) == 1:
            said["side"] = sides[0]
        for key, value in said.items():
            before, file = self._said.setdefault((symbol, key), (value, table.name))
            if before != value:
                raise BarsError(
                    f"{symbol}: {file} is of {key} {before} and {table.name} of {key} {value}, "
                    "which are no bars of one market; read them apart"
                )

    def note(self, stated: str | None) -> tuple[str, ...]:
        """Return a sentence where files of several names are read as one stated symbol."""
        if stated is None or len(self._names) < 2:
            return ()
        return (f"Files named after {shown(self._names)} are read as {stated}, as stated.",)
