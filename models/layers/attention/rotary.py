"""Rotary positions: turning queries and keys so that their product knows their distance."""

from typing import Any

import numpy as np
from keras import ops

BASE = 10_000.0


def rotate(x: Any) -> Any:
    """Turn the pairs of `(batch, heads, time, width)` by their place; the newest stays as it is.

    The product of a turned query and a turned key depends on the bars between them alone. Pairs
    are numbers k and k + width / 2. Places are exact in float32; the result has the type of `x`.

    Source: Su et al. (2021), "RoFormer", arXiv:2104.09864, eq. 34; pairs of halves instead of
    neighbours, which only renames the axes of a learned projection, and places counted from the
    newest bar, so that windows of two timeframes meet there.
    """
    time, width = int(x.shape[2]), int(x.shape[3])
    cosine, sine = rotation_angles(time, width)
    wide = ops.cast(x, "float32")
    first, second = ops.split(wide, 2, axis=-1)
    turned = ops.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )
    return ops.cast(turned, x.dtype)


def rotation_angles(time: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of every place and pair, float32 `(time, width / 2)`."""
    places = np.arange(1 - time, 1, dtype=np.float64)
    rates = BASE ** (-np.arange(0, width, 2, dtype=np.float64) / width)
    angles = places[:, None] * rates[None, :]
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
