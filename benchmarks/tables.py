"""Tables of results: where they lie, which machine they are of, and how they are written."""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ultimate_deep.machine.files import whole_file

RESULTS = Path(__file__).resolve().parent / "results"


def machine_name() -> str:
    """Return what tables of this machine are called after."""
    return f"{platform.machine()}_{os.cpu_count()}cores_{platform.node()}"


def write_table(table: pd.DataFrame, path: Path, *, digits: int = 6) -> None:
    """Write a table as CSV, whole or not at all, floats with so many significant digits."""
    with whole_file(path) as draft:
        table.to_csv(draft, index=False, float_format=f"%.{digits}g")


def stored(path: Path) -> list[dict[str, Any]]:
    """Return the figures that are there; a line that was cut off by a kill is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("}\n")]


def append_lines(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Add rows in one write, a line each; a line that was cut off is ended first."""
    cut_off = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * cut_off + "".join(pd.Series(row).to_json() + "\n" for row in rows))


def store_row(
    row: Mapping[str, Any],
    path: Path,
    *,
    columns: list[str],
    keys: list[str],
    digits: int = 6,
) -> None:
    """Add a row to a table, or put it in the place of the one with the same keys."""
    table = pd.DataFrame([row]).reindex(columns=columns)
    if path.exists():
        table = pd.concat([pd.read_csv(path).astype(object), table.astype(object)])
    table = table.drop_duplicates(keys, keep="last").sort_values(keys)
    write_table(table, path, digits=digits)
