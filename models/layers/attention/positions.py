"""Adding a bar's place in the window to what is known of it."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.checks import check_choice
from ultimate_deep.models.layers.attention.rotary import BASE
from ultimate_deep.models.seeds import derive_seed

ADDED_POSITIONS = ("sinusoidal", "learned")


@keras.saving.register_keras_serializable(package="ultimate_deep")
class AddPositions(keras.layers.Layer):
    """Add a vector for each place: `(batch, time, width)` to the same.

    `sinusoidal` vectors depend on the bars since then, so that windows of other lengths agree on
    their newest bars; `learned` ones belong to this length and start small.

    Source: Vaswani et al. (2017), arXiv:1706.03762, sec. 3.5, with places counted from the newest
    bar, and sines in the first half and cosines in the second.
    """

    def __init__(self, kind: str = "sinusoidal", *, seed: int = 0, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_choice("kind", kind, ADDED_POSITIONS)
        self.kind = kind
        self.seed = int(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the learned vectors."""
        if self.kind == "learned":
            self.vectors = self.add_weight(
                name="vectors",
                shape=tuple(input_shape[1:]),
                initializer=keras.initializers.RandomNormal(
                    stddev=0.02, seed=derive_seed(self.seed, "vectors")
                ),
            )

    def call(self, inputs: Any) -> Any:
        """Return `inputs` with the places' vectors added."""
        vectors = self.vectors if self.kind == "learned" else sinusoids(*inputs.shape[1:])
        return inputs + ops.cast(vectors, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "kind": self.kind, "seed": self.seed}


def sinusoids(time: int, width: int) -> np.ndarray:
    """Sines and cosines of each place's age in bars, float32 `(time, width)`."""
    ages = np.arange(time - 1, -1, -1, dtype=np.float64)
    rates = BASE ** (-np.arange(0, width, 2, dtype=np.float64) / width)
    angles = ages[:, None] * rates[None, :]
    both = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return both[:, :width].astype(np.float32)
