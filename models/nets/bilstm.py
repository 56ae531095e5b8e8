"""Two LSTMs over one window, forwards and backwards in time."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import check_choice, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.recurrent_parts import attention_over, check_window_bars, oldest
from ultimate_deep.models.parts.sequence_parts import SequenceParts
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear",)
QUERIES = ("learned", "last")


@dataclass(frozen=True, kw_only=True)
class BilstmConfig(NetOptions):
    """Two LSTMs of `width` units each.

    Args:
        width: Width of each direction's state, of the attention's hidden layer and of the vector
            before the heads.
        query: What the attention asks: `learned` or `last`, the newest bar's two states.
        dropout_rate: Dropout before the heads.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout; each direction derives its own.

    Raises:
        ValueError: A value out of range.
    """

    width: int = 48
    query: str = "learned"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("width", self.width, 1)
        check_choice("query", self.query, QUERIES)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=BilstmConfig(width=12, dropout_rate=0.0), learning_rate=5e-3),
        "default": hiding_features(BilstmConfig(), learning_rate=2e-3),
        "wide": Preset(config=BilstmConfig(width=128, dropout_rate=0.2), half_on_cpu=True),
    }
)

SEARCH_SPACE: SearchSpace = {
    "width": Choice(values=(12, 24, 48, 96)),
    "query": Choice(values=QUERIES),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
}


def receptive_field_bars(config: BilstmConfig, window_bars: int) -> int:
    """The whole window."""
    return window_bars


def build_bilstm(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: BilstmConfig = BilstmConfig(),
) -> keras.Model:
    """Build a bidirectional LSTM with temporal attention.

    Input `bars` `(batch, window_bars, features)`, output `(batch, horizons)` float32 logits. Both
    directions read the clipped bars. Attention over their joined states, the newest bar's states
    and the oldest bar's, where the backward one has read all, are joined and pass a dense layer.

    Nothing looks ahead: the window ends with the decision's bar, so that the backward direction
    too reads only bars that are over. What it could not give is one output for every bar of a
    longer sequence, and this model gives one output for each window.

    Source: Schuster & Paliwal (1997), IEEE Trans. Signal Processing 45(11), sec. III; Graves &
    Schmidhuber (2005), Neural Networks 18(5-6), for LSTMs.
    """
    name, window_bars, _ = one_window(inputs)
    check_window_bars(name, window_bars)
    policy = dtype_policy(config.precision)
    parts = SequenceParts(
        width=config.width, seed=config.seed, policy=policy, dropout_rate=config.dropout_rate
    )
    structure, tensors = make_inputs(inputs)
    x = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)[name]
    states = keras.layers.Bidirectional(
        _direction(config, policy, "forward"),
        backward_layer=_direction(config, policy, "backward"),
        dtype=policy,
        name="bilstm",
    )(x)
    context = attention_over(parts, states, "attention", query=config.query)
    ends = [parts.newest(states, "bilstm"), oldest(parts, states, "bilstm")]
    x = parts.dense(parts.join([context, *ends], "joined"), "vector", activation="tanh")
    x = parts.dropout(x, "vector_dropout")
    return keras.Model(structure, prediction_heads(heads, x, seed=config.seed), name="bilstm")


def _direction(config: BilstmConfig, policy: Any, name: str) -> keras.layers.Layer:
    kernel, recurrent = (derive_seed(config.seed, f"{name}/{part}") for part in ("in", "again"))
    return keras.layers.LSTM(
        config.width,
        return_sequences=True,
        go_backwards=name == "backward",
        kernel_initializer=keras.initializers.GlorotUniform(seed=kernel),
        recurrent_initializer=keras.initializers.Orthogonal(seed=recurrent),
        dtype=policy,
        name=name,
    )
