"""One LSTM for each of several timeframes, with attention over bars and over timeframes."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import check_choice, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, windows_of
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.recurrent_parts import (
    attend_and_join,
    attention_over,
    check_window_bars,
)
from ultimate_deep.models.parts.sequence_parts import SequenceParts
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace

READS: Reads = "timeframes"
SEES: tuple[str, ...] = ("linear", "cross_timeframe")
QUERIES = ("learned", "last")


@dataclass(frozen=True, kw_only=True)
class AttentiveLstmConfig(NetOptions):
    """An LSTM of `width` units for each timeframe.

    Args:
        width: Width of every state and of the vector of every timeframe.
        query: What the attention over bars asks: `learned` or `last`, the newest bar's state.
        dropout_rate: Dropout after each timeframe's vector and before the heads.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout; each timeframe derives its own by name.

    Raises:
        ValueError: A value out of range.
    """

    width: int = 48
    query: str = "last"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("width", self.width, 1)
        check_choice("query", self.query, QUERIES)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=AttentiveLstmConfig(width=16, dropout_rate=0.0), learning_rate=5e-3),
        "default": hiding_features(AttentiveLstmConfig(), learning_rate=2e-3),
        "wide": Preset(config=AttentiveLstmConfig(width=128, dropout_rate=0.2)),
    }
)

SEARCH_SPACE: SearchSpace = {
    "width": Choice(values=(16, 32, 48, 96)),
    "query": Choice(values=QUERIES),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
}


def receptive_field_bars(config: AttentiveLstmConfig, window_bars: int) -> int:
    """The whole finest window; each coarser window counts in full too."""
    return window_bars


def build_attentive_lstm(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: AttentiveLstmConfig = AttentiveLstmConfig(),
) -> keras.Model:
    """Build LSTMs over several timeframes that attention brings together.

    Inputs `bars`, `bars_4x` and so on, finest first, each `(batch, window_bars, features)` of its
    own size; output `(batch, horizons)` float32 logits. In each timeframe attention over an
    LSTM's states, joined with the newest one, gives a vector. Attention over these vectors, asked
    by the finest one, is joined with all of them and passes a dense layer: what is weighed is how
    much each timeframe matters now, and nothing is lost where two matter together. With one
    timeframe there is nothing to weigh, and its vector is used as it is.

    Layers `<input>_attention` and `timeframe_attention` tell their weights (`attention_map`).

    Source: attention within and then across sequences, Yang et al. (2016), "Hierarchical
    Attention Networks for Document Classification", NAACL, sec. 2.2, with timeframes in the place
    of sentences and without the recurrence across them.
    """
    policy = dtype_policy(config.precision)
    parts = SequenceParts(
        width=config.width, seed=config.seed, policy=policy, dropout_rate=config.dropout_rate
    )
    for name, (window_bars, _) in windows_of(inputs).items():
        check_window_bars(name, window_bars)
    structure, tensors = make_inputs(inputs)
    bars = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)
    vectors = [
        attend_and_join(
            parts, parts.lstm(x, f"{name}_lstm"), f"{name}_attention", query=config.query
        )
        for name, x in bars.items()
    ]
    x = vectors[0] if len(vectors) == 1 else _across(parts, vectors)
    return keras.Model(
        structure, prediction_heads(heads, x, seed=config.seed), name="attentive_lstm"
    )


def _across(parts: SequenceParts, vectors: list[Any]) -> Any:
    """Vectors `(batch, width)` of the timeframes, finest first, to one."""
    rows = [
        keras.layers.Reshape((1, parts.width), dtype=parts.policy, name=f"timeframe_{index}")(x)
        for index, x in enumerate(vectors, start=1)
    ]
    stacked = keras.layers.Concatenate(axis=1, dtype=parts.policy, name="timeframes")(rows)
    context = attention_over(parts, stacked, "timeframe_attention", query="first")
    joined = parts.join([context, *vectors], "timeframes_joined")
    x = parts.dense(joined, "vector", activation="tanh")
    return parts.dropout(x, "vector_dropout")
