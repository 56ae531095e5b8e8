"""Checks on tables with one column per trial or model."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Array2D = npt.NDArray[np.float64]
_NO_SPREAD = 1e-12  # a standard deviation this small next to the values is rounding


def trial_matrix(
    name: str, values: npt.ArrayLike, *, least_columns: int = 2, least_rows: int = 2
) -> Array2D:
    """Return `values` as finite float64 of shape `(rows, columns)` whose columns all vary.

    Raises:
        ValueError: Another shape, too few rows or columns, NaN, a column that does not vary.
    """
    table = finite_matrix(name, values, least_columns=least_columns, least_rows=least_rows)
    spread = table.std(axis=0)
    flat = spread <= _NO_SPREAD * np.abs(table).max(axis=0)
    if flat.any():
        column = int(np.argmax(flat))
        raise ValueError(
            f"every column of {name} must vary, got {table[0, column]} throughout column {column} "
            f"({int(flat.sum())} such columns); leave out trials that never traded, but count them"
        )
    return table


def finite_matrix(
    name: str, values: npt.ArrayLike, *, least_columns: int = 1, least_rows: int = 2
) -> Array2D:
    """Return `values` as finite float64 of shape `(rows, columns)`.

    Raises:
        ValueError: Another shape, too few rows or columns, NaN or infinity.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < least_rows or table.shape[1] < least_columns:
        raise ValueError(
            f"{name} must have shape (rows, columns) with at least {least_rows} rows and "
            f"{least_columns} columns, got {table.shape}; give one column per trial or model"
        )
    bad = ~np.isfinite(table)
    if bad.any():
        row, column = np.unravel_index(int(np.argmax(bad)), table.shape)
        raise ValueError(
            f"{name} must be finite, got {table[row, column]} at row {row}, column {column}; "
            "judge all on the rows that every one of them has"
        )
    return table


def column_names(values: object, columns: int) -> tuple[str, ...]:
    """Names of the columns: a frame's own, else "0", "1", ...

    Raises:
        ValueError: Two columns of one name.
    """
    if not isinstance(values, pd.DataFrame):
        return tuple(str(number) for number in range(columns))
    names = tuple(str(name) for name in values.columns)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"every column needs a name of its own, got {twice!r} twice; rename one")
    return names
