"""The cells of one table before any meaning, or why a file is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from ultimate_deep.market.reading.shown import shown


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """The cells of one table.

    Attributes:
        name: The file's name (and the member's, of an archive), for messages.
        cells: One row for each data row, columns numbered from 0; text, or what a binary file
            holds.
        names: The columns' names as the file spells them; `0`, `1`, ... without a header.
        header: Whether the file has a header.
        tickers: The symbol that the header names over each column; empty where it names none.
        comment: The lines above the header.
        separator: What stands between the fields of a text file; empty for a binary one.
        notes: Sentences on what was left out.
        said: What the folders above the file say of it, such as `{"symbol": "AAA"}`.
    """

    name: str
    cells: pd.DataFrame
    names: tuple[str, ...]
    header: bool
    tickers: tuple[str, ...] = ()
    comment: str = ""
    separator: str = ""
    notes: tuple[str, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_row(self) -> tuple[str, ...]:
        """The first data row as text; empty without rows."""
        if len(self.cells) == 0:
            return ()
        # Column by column: a row of its own would turn integers into floats.
        return tuple(str(column.iloc[0]) for _, column in self.cells.items())

    @property
    def described(self) -> str:
        """The header, or the first row, in words."""
        if self.header:
            return f"the columns are {shown(self.names)}"
        return f"there is no header; the first row is {shown(self.first_row)}"


@dataclass(frozen=True, kw_only=True)
class NotBars:
    """A file, or a member of an archive, that holds no bars.

    Attributes:
        name: Name of the file, with the member of an archive.
        why: What it holds instead, in words, with a remedy.
    """

    name: str
    why: str
