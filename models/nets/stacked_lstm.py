"""A stack of LSTMs with residual connections and layer normalisation between them."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import check_choice, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.recurrent_parts import check_window_bars
from ultimate_deep.models.parts.sequence_parts import SequenceParts
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear",)
NORM_PLACES = ("pre", "post")


@dataclass(frozen=True, kw_only=True)
class StackedLstmConfig(NetOptions):
    """`layers` LSTMs of `width` units, one upon the other.

    Args:
        layers: Number of LSTMs.
        width: Width of every state.
        norm_place: `pre`: `x + lstm(norm(x))`, with one norm after the last; `post`:
            `norm(x + lstm(x))`.
        dropout_rate: Dropout after each LSTM and before the heads.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    layers: int = 3
    width: int = 48
    norm_place: str = "pre"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("layers", self.layers, 1)
        check_range("width", self.width, 1)
        check_choice("norm_place", self.norm_place, NORM_PLACES)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=StackedLstmConfig(layers=2, width=16, dropout_rate=0.0), learning_rate=5e-3
        ),
        "default": hiding_features(StackedLstmConfig(), learning_rate=2e-3),
        "layers_3": Preset(config=StackedLstmConfig(layers=3, width=128)),
        "layers_6": Preset(config=StackedLstmConfig(layers=6, width=128), learning_rate=5e-4),
        "layers_12": Preset(config=StackedLstmConfig(layers=12, width=128), learning_rate=3e-4),
    }
)

SEARCH_SPACE: SearchSpace = {
    "layers": IntRange(low=1, high=6),
    "width": Choice(values=(16, 32, 48, 96)),
    "norm_place": Choice(values=NORM_PLACES),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
}


def receptive_field_bars(config: StackedLstmConfig, window_bars: int) -> int:
    """The whole window: a recurrence forgets by degrees, never at a bar."""
    return window_bars


def build_stacked_lstm(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: StackedLstmConfig = StackedLstmConfig(),
) -> keras.Model:
    """Build a deep LSTM.

    Input `bars` `(batch, window_bars, features)`, output `(batch, horizons)` float32 logits. The
    clipped bars are projected to `width`, pass the stack, and the newest bar's vector goes
    through a dense layer to the heads.

    Source: residual connections between LSTM layers, Wu et al. (2016), arXiv:1609.08144,
    sec. 3.1, eq. 6; layer normalisation, Ba et al. (2016), arXiv:1607.06450, but between the
    layers and not inside the cell, so that Keras' (on a GPU, cuDNN's) LSTM stays as it is; its
    place, Xiong et al. (2020), arXiv:2002.04745, fig. 1.
    """
    name, window_bars, _ = one_window(inputs)
    check_window_bars(name, window_bars)
    policy = dtype_policy(config.precision)
    parts = SequenceParts(
        width=config.width, seed=config.seed, policy=policy, dropout_rate=config.dropout_rate
    )
    structure, tensors = make_inputs(inputs)
    x = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)[name]
    x = parts.dense(x, "embedding")
    for index in range(1, config.layers + 1):
        x = _layer(parts, x, f"lstm_{index:02d}", norm_place=config.norm_place)
    if config.norm_place == "pre":
        x = parts.norm(x, "last_norm")
    x = parts.dense(parts.newest(x, "states"), "vector", activation="tanh")
    x = parts.dropout(x, "vector_dropout")
    return keras.Model(structure, prediction_heads(heads, x, seed=config.seed), name="stacked_lstm")


def _layer(parts: SequenceParts, x: Any, name: str, *, norm_place: str) -> Any:
    """One LSTM with its norm and residual connection, same shape."""
    read = parts.norm(x, f"{name}_norm") if norm_place == "pre" else x
    x = parts.add(x, parts.dropout(parts.lstm(read, name), f"{name}_dropout"), name)
    return x if norm_place == "pre" else parts.norm(x, f"{name}_norm")
