"""Tables as files, whole or not at all."""

from __future__ import annotations

import gzip
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ultimate_deep.machine.files import check_file, whole_file

if TYPE_CHECKING:
    import pandas as pd

TableFormat = Literal["csv", "parquet"]
FORMULAS = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 - what a spreadsheet's formula begins with
_UNSEEN = frozenset(("Cf", "Cc", "Zs", "Zl", "Zp", "Mn"))

# Ends of a file's name, each with the format that is written for it.
ENDS = (".csv", ".csv.gz", ".parquet")


def check_table_file(path: Path) -> None:
    """Refuse a file that no table can be written into, before it is computed.

    Raises:
        FileNotFoundError: Its folder does not exist.
        IsADirectoryError: It is a folder.
        ValueError: Its name ends otherwise than in one of `ENDS`.
    """
    if not path.name.endswith(ENDS):
        raise ValueError(
            f"a table is written as {', '.join(ENDS)}, got {path}; name it "
            f"{path.name.partition('.')[0]}.csv"
        )
    check_file(path)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, plain or compressed, or as Parquet, as the file's name ends.

    Args:
        path: File to write or to replace, see `check_table_file`.
        table: Its index is not written.
    """
    check_table_file(path)
    with whole_file(path) as draft:
        if path.suffix == ".parquet":
            table.to_parquet(draft, index=False)
        elif path.suffix == ".gz":
            # Without a time and the draft's name, so that equal tables are equal files.
            with draft.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                packed.write(_quoted(table).to_csv(index=False).encode())
        else:
            _quoted(table).to_csv(draft, index=False)


def _quoted(table: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe before texts, names too, that a spreadsheet would run as a formula."""
    kinds = ("object", "str", "category")
    texts = [name for name, dtype in table.dtypes.items() if str(dtype) in kinds]
    plain = table.assign(
        **{str(name): table[name].astype("object").map(cell_text) for name in texts}
    )
    return plain.rename(columns=cell_text)


def cell_text(cell: object) -> object:
    """Return a cell with an apostrophe before it where a spreadsheet would run it as a formula.

    Signs that nobody sees, such as a blank of no width, do not hide what follows them.
    """
    if not isinstance(cell, str) or not cell:
        return cell
    seen = next((sign for sign in cell if unicodedata.category(sign) not in _UNSEEN), "")
    return f"'{cell}" if cell[0] in FORMULAS or (seen and seen in FORMULAS) else cell
