"""From a few knots to a path: hierarchical interpolation."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.checks import check_choice, check_range

INTERPOLATIONS = ("linear", "nearest")


@keras.saving.register_keras_serializable(package="ultimate_deep")
class KnotInterpolation(keras.layers.Layer):
    """Draw a path through knots: `(batch, knots, channels)` to `(batch, steps, channels)`.

    Knots stand at the centres of equal parts of the path; before the first and after the last
    centre the path is constant. No weights.

    Args:
        steps: Points of the path.
        kind: `linear` between the two knots around a point, or the `nearest` one.

    Source: Challu et al. (2022), arXiv:2201.12886, sec. 3.3, eq. 3 to 5, with knots at centres
    rather than at the left ends, so that the last part is no extrapolation.

    Raises:
        ValueError: An argument out of range, or more knots than points.
    """

    def __init__(self, steps: int, kind: str = "linear", **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_range("steps", steps, 1)
        check_choice("kind", kind, INTERPOLATIONS)
        self.steps = int(steps)
        self.kind = kind

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Compute how much each knot counts at each point."""
        knots = int(input_shape[1] or 0)
        if not 1 <= knots <= self.steps:
            raise ValueError(
                f"a path of {self.steps} points takes 1 to {self.steps} knots, got {knots}"
            )
        self.shares = interpolation_shares(knots, self.steps, self.kind)

    def call(self, inputs: Any) -> Any:
        """Return `(batch, steps, channels)`."""
        shares = ops.convert_to_tensor(self.shares, dtype=inputs.dtype)
        return ops.einsum("sk,bkc->bsc", shares, inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, steps, channels)`."""
        return (input_shape[0], self.steps, input_shape[2])

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "steps": self.steps, "kind": self.kind}


def interpolation_shares(knots: int, steps: int, kind: str) -> np.ndarray:
    """How much each knot counts at each point, float32 `(steps, knots)`; rows add up to 1."""
    place = (np.arange(steps) + 0.5) * knots / steps - 0.5
    place = np.clip(place, 0, knots - 1)
    if kind == "nearest":
        place = np.floor(place + 0.5)
    left = np.minimum(np.floor(place).astype(int), max(knots - 2, 0))
    shares = np.zeros((steps, knots), "float32")
    rows = np.arange(steps)
    shares[rows, left] = 1 - (place - left)
    if knots > 1:
        shares[rows, left + 1] = place - left
    return shares
