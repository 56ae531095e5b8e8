"""What the recurrent models share: their windows, and the way from hidden states to a vector."""

from typing import Any

import keras

from ultimate_deep.models.layers.attention.temporal_attention import TemporalAttention
from ultimate_deep.models.parts.sequence_parts import SequenceParts
from ultimate_deep.models.seeds import derive_seed

LEAST_BARS = 2


def check_window_bars(name: str, window_bars: int) -> None:
    """Raise ValueError for a window too short for its recurrence to do anything."""
    if window_bars < LEAST_BARS:
        raise ValueError(
            f"a recurrent model reads a window of at least {LEAST_BARS} bars, got {window_bars} "
            f"for input {name!r}: give a longer window"
        )


def attend_and_join(parts: SequenceParts, states: Any, name: str, *, query: str) -> Any:
    """Attention over hidden states joined with the newest one, through a dense layer.

    Args:
        parts: Width of the result, precision and seed.
        states: `(batch, time, any)`, newest last.
        name: Name of the attention layer; the others' names begin with it.
        query: `learned` or `last`.

    Returns:
        `(batch, width)`.

    Source: Luong et al. (2015), arXiv:1508.04025, eq. 5 (the attentional vector).
    """
    context = attention_over(parts, states, name, query=query)
    joined = parts.join([context, parts.newest(states, name)], f"{name}_joined")
    return parts.dropout(parts.dense(joined, f"{name}_vector", activation="tanh"), f"{name}_drop")


def attention_over(parts: SequenceParts, states: Any, name: str, *, query: str) -> Any:
    """The weighted sum of states over axis 1: `(batch, states, any)` -> `(batch, any)`."""
    layer = TemporalAttention(
        parts.width, query, seed=derive_seed(parts.seed, name), dtype=parts.policy, name=name
    )
    return layer(states)


def oldest(parts: SequenceParts, states: Any, name: str) -> Any:
    """The first bar's state: `(batch, time, any)` -> `(batch, any)`."""
    bars, width = states.shape[1:]
    states = keras.layers.Cropping1D((0, bars - 1), dtype=parts.policy, name=f"{name}_oldest")(
        states
    )
    return keras.layers.Reshape((width,), dtype=parts.policy, name=f"{name}_oldest_flat")(states)
