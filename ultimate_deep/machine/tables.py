"""Tables as files, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ultimate_deep.machine.files import whole_file

if TYPE_CHECKING:
    import pandas as pd

TableFormat = Literal["csv", "parquet"]


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet where the name ends in `.parquet`, as CSV otherwise.

    Args:
        path: File to write or to replace.
        table: Its index is not written.
    """
    with whole_file(path) as draft:
        if path.suffix == ".parquet":
            table.to_parquet(draft, index=False)
        else:
            table.to_csv(draft, index=False)
