"""How pictures are kept in files: whole, in fewer bits, or as the numbers they are drawn of."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ultimate_deep.features.pictures.picture import Picture

_LEVELS = 255


@dataclass(frozen=True)
class Storage:
    """One way to keep pictures of one kind.

    Args:
        name: `float32`, `float16`, `uint8` or `numbers`.
        dtype: Type of the file.
        row_shape: Shape of one row of it.
        low: Value of the level 0 of `uint8`; 0 elsewhere.
        step: Distance of two levels of `uint8`; 1 elsewhere.
        largest_error: Largest distance of a pixel that is read to the one that was drawn.
    """

    name: str
    dtype: np.dtype[Any]
    row_shape: tuple[int, ...]
    low: float
    step: float
    largest_error: float

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return int(np.prod(self.row_shape)) * self.dtype.itemsize

    @property
    def file(self) -> str:
        """What a part's file is called behind the part's name."""
        return "numbers" if self.name == "numbers" else "images"

    def encoded(self, images: np.ndarray) -> np.ndarray:
        """Return pictures as the file holds them."""
        if self.name == "uint8":
            levels = np.rint((images - np.float32(self.low)) / np.float32(self.step))
            return np.clip(levels, 0, _LEVELS).astype(np.uint8)
        return images.astype(self.dtype, copy=False)


def storage_of(name: str, picture: Picture, window: int, size: int) -> Storage:
    """Return how pictures are kept.

    `float32` and `numbers` lose nothing. `float16` rounds to 11 bits: half a step below the largest
    value. `uint8` has 256 levels from the least to the largest value; half a step.

    Args:
        name: `float32`, `float16`, `uint8` or `numbers`.
        picture: Kind of picture.
        window: Bars of a window.
        size: Numbers that a window is averaged to, or rows of a chart.

    Raises:
        ValueError: Another name than these four.
    """
    shape = picture.shape(window, size)
    span, most = picture.high - picture.low, max(abs(picture.low), abs(picture.high))
    exact = picture.whole  # 0 and 1 are themselves in any type
    kept = {
        "float32": Storage(name, np.dtype(np.float32), shape, 0.0, 1.0, 0.0),
        "float16": Storage(
            name, np.dtype(np.float16), shape, 0.0, 1.0, 0.0 if exact else most * 2.0**-12
        ),
        "uint8": Storage(
            name, np.dtype(np.uint8), shape, picture.low, span / _LEVELS,
            # What is read is computed in float32.
            0.0 if exact else span / _LEVELS / 2 + 2.0**-22,
        ),
        "numbers": Storage(
            name, np.dtype(np.float32), (picture.count(window, size),), 0.0, 1.0, 0.0
        ),
    }  # fmt: skip
    if name not in kept:
        raise ValueError(f"storage must be one of {', '.join(kept)}, got {name!r}")
    return kept[name]
