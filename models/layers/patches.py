"""Cutting a window into patches of bars, and channels into rows and back."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.checks import check_range


def patch_count(window_bars: int, patch_bars: int, stride_bars: int) -> int:
    """Patches in a window: as many as fit, the newest bar always in the last.

    Raises:
        ValueError: A patch longer than the window.
    """
    if patch_bars > window_bars:
        raise ValueError(
            f"patch_bars must not exceed the window, got {patch_bars} for {window_bars} bars: "
            "use shorter patches or a longer window"
        )
    return (window_bars - patch_bars) // stride_bars + 1


@keras.saving.register_keras_serializable(package="ultimate_deep")
class Patches(keras.layers.Layer):
    """Cut windows into patches that end at the newest bar.

    `(batch, time, channels)` to `(batch, patches, patch_bars * channels)`; with
    `channel_independent` to `(batch * channels, patches, patch_bars)`, where every channel is a
    row of its own. The oldest bars that fill no patch are left out.

    Source: Nie et al. (2023), "A Time Series is Worth 64 Words", arXiv:2211.14730, sec. 3.1,
    which pads the newest end by repeating its last value instead.
    """

    def __init__(
        self,
        patch_bars: int,
        stride_bars: int,
        *,
        channel_independent: bool = False,
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        check_range("patch_bars", patch_bars, 1)
        check_range("stride_bars", stride_bars, 1)
        self.patch_bars = int(patch_bars)
        self.stride_bars = int(stride_bars)
        self.channel_independent = bool(channel_independent)

    def call(self, inputs: Any) -> Any:
        """Return the patches, oldest first."""
        _, time, channels = inputs.shape
        count = patch_count(time, self.patch_bars, self.stride_bars)
        first = time - self.patch_bars - np.arange(count - 1, -1, -1) * self.stride_bars
        places = (first[:, None] + np.arange(self.patch_bars)).astype(np.int32)
        # (batch, patches, patch_bars, channels)
        patches = ops.take(inputs, places, axis=1)
        if self.channel_independent:
            patches = ops.transpose(patches, (0, 3, 1, 2))
            return ops.reshape(patches, (-1, count, self.patch_bars))
        return ops.reshape(patches, (-1, count, self.patch_bars * channels))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The patches' shape; the number of rows is unknown when channels become rows."""
        batch, time, channels = input_shape
        count = patch_count(int(time or 0), self.patch_bars, self.stride_bars)
        if self.channel_independent:
            rows = None if batch is None else batch * int(channels or 0)
            return (rows, count, self.patch_bars)
        return (batch, count, self.patch_bars * int(channels or 0))

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {
            **super().get_config(),
            "patch_bars": self.patch_bars,
            "stride_bars": self.stride_bars,
            "channel_independent": self.channel_independent,
        }


@keras.saving.register_keras_serializable(package="ultimate_deep")
class JoinChannels(keras.layers.Layer):
    """Put the channels' vectors of one window side by side again.

    `(batch * channels, width)` to `(batch, channels * width)`.
    """

    def __init__(self, channels: int, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_range("channels", channels, 1)
        self.channels = int(channels)

    def call(self, inputs: Any) -> Any:
        """Return the joined vectors."""
        return ops.reshape(inputs, (-1, self.channels * inputs.shape[1]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, channels * width)`."""
        rows, width = input_shape
        batch = None if rows is None else rows // self.channels
        return (batch, self.channels * int(width or 0))

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "channels": self.channels}
