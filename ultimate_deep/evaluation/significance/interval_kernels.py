"""The one figure of a resampled history that needs its whole path."""

import numba
import numpy as np
import numpy.typing as npt

Array1D = npt.NDArray[np.float64]
Blocks = npt.NDArray[np.int64]


@numba.njit(cache=True)
def deepest_falls(growth_log: Array1D, start: Blocks, length: Blocks) -> Array1D:
    """Largest fall from a height in logs of every history of blocks, shape `(resamples,)`.

    Args:
        growth_log: Log of `1 + return` per row, minus infinity at a total loss.
        start, length: Blocks of `evaluation.significance.bootstrap.resampled_blocks`.
    """
    rows = len(growth_log)
    deepest = np.zeros(len(start))
    for draw in range(len(start)):
        level, peak, fall = 0.0, 0.0, 0.0
        for block in range(start.shape[1]):
            row = start[draw, block]
            for _ in range(length[draw, block]):
                level += growth_log[row]
                peak = max(peak, level)
                fall = max(fall, peak - level)
                row += 1
                if row == rows:
                    row = 0
        deepest[draw] = fall
    return deepest
