"""What a report shows of where a net of pictures looks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False, kw_only=True)
class Look:
    """One decision of a net of pictures.

    Args:
        name: What is told of it, such as its time and what the net said.
        picture: First channel of the picture, `(height, width)`.
        heat: Where the net looked, `(height, width)`, from 0 to 1.
        closes: Closes of the bars of the picture, `(bars,)`, oldest first.

    Raises:
        ValueError: Shapes that differ, or no bars.
    """

    name: str
    picture: npt.NDArray[np.floating]
    heat: npt.NDArray[np.floating]
    closes: npt.NDArray[np.floating]

    def __post_init__(self) -> None:
        right = self.picture.ndim == 2 and self.picture.shape == self.heat.shape
        if not right or self.closes.ndim != 1 or not len(self.closes):
            raise ValueError(
                "a look has a picture and a map of one shape and one close or more, got "
                f"{self.picture.shape}, {self.heat.shape} and {self.closes.shape}; cut them alike"
            )
