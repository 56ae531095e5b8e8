"""Thin out a window, counted from its newest bar."""

from typing import Any

import keras

from ultimate_deep.models.checks import check_range


@keras.saving.register_keras_serializable(package="ultimate_deep")
class EveryNth(keras.layers.Layer):
    """Keep the newest bar and every `step`-th before it: `(batch, time, width)`, time shorter.

    Args:
        step: 1 keeps all.
        most: How many of the newest bars are looked at, at most; None for all.

    Raises:
        ValueError: An argument below 1.
    """

    def __init__(self, step: int, most: int | None = None, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_range("step", step, 1)
        if most is not None:
            check_range("most", most, 1)
        self.step = int(step)
        self.most = most

    def call(self, inputs: Any) -> Any:
        """Return the bars kept, in order of time."""
        bars = inputs.shape[1]
        first = 0 if self.most is None else max(0, bars - self.most)
        return inputs[:, first + (bars - 1 - first) % self.step :: self.step]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, bars kept, width)`."""
        batch, bars, width = input_shape
        if bars is None:
            return (batch, None, width)
        looked_at = bars if self.most is None else min(bars, self.most)
        return (batch, -(-looked_at // self.step), width)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "step": self.step, "most": self.most}
