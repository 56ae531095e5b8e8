"""Reading tables of results, and writing them as Markdown."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

RESULTS = Path(__file__).resolve().parents[1] / "results"
MACHINE = "x86_64_2cores_vm"


def read(name: str) -> pd.DataFrame:
    """Return a table of this machine by its name, or one that depends on no machine."""
    named = RESULTS / f"{name}_{MACHINE}.csv"
    return pd.read_csv(named if named.is_file() else RESULTS / f"{name}.csv")


def section(title: str, script: str, text: str, *tables: str) -> str:
    """Return a section with the script that measured it."""
    place = script.removeprefix("../") if script.startswith("../") else f"benchmarks/{script}"
    measured = f"Measured by `{place}`."
    told = textwrap.fill(f"{text.strip()} {measured}", 100, break_on_hyphens=False)
    return "\n\n".join([f"## {title}", told, *tables])


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, without an exponent; empty for NaN."""
    if pd.isna(value):
        return ""
    whole = len(f"{abs(value):.0f}") if abs(value) >= 1 else 0
    if whole >= digits:
        return f"{round(value, digits - whole):,.0f}"
    return f"{value:.{digits}g}"


def rows_of(table: pd.DataFrame) -> Iterator[Any]:
    """Yield a table's rows, each with its columns as attributes."""
    yield from table.itertuples()
