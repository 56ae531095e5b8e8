"""Rows of several symbols at one time are one observation: symbols move together."""

import numpy as np
import numpy.typing as npt

Array2D = npt.NDArray[np.float64]


def sums_per_time(table: Array2D, decision_time: npt.ArrayLike | None) -> Array2D:
    """Column sums over the rows of each distinct time, in order of time, shape `(times, columns)`.

    Without times the rows themselves, in the order given.

    Raises:
        ValueError: Not one time per row.
    """
    if decision_time is None:
        return table
    which = time_positions(decision_time, len(table))
    times = int(which.max()) + 1
    return np.column_stack(
        [np.bincount(which, weights=column, minlength=times) for column in table.T]
    )


def time_positions(decision_time: npt.ArrayLike, rows: int) -> npt.NDArray[np.int64]:
    """Number of each row's time among the distinct times in order, shape `(rows,)`.

    Raises:
        ValueError: Not one time per row.
    """
    times = np.asarray(decision_time)
    if times.shape != (rows,) or not rows:
        raise ValueError(f"decision_time must have shape ({rows},), got {times.shape}")
    return np.asarray(np.unique(times, return_inverse=True)[1], dtype=np.int64)
