"""One LSTM over a window of bars, with attention over its hidden states."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import check_choice, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.recurrent_parts import attend_and_join, check_window_bars
from ultimate_deep.models.parts.sequence_parts import SequenceParts
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear", "interaction", "long_memory")
QUERIES = ("learned", "last")


@dataclass(frozen=True, kw_only=True)
class LstmConfig(NetOptions):
    """An LSTM of `width` units.

    Args:
        width: Width of the state, of the attention's hidden layer and of the vector before the
            heads.
        projection_width: Width of a dense layer on every bar before the LSTM; None for none.
        query: What the attention asks: `learned`, one question for all windows, or `last`, the
            newest bar's state.
        dropout_rate: Dropout after the projection and before the heads.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    width: int = 64
    projection_width: int | None = None
    query: str = "last"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("width", self.width, 1)
        if self.projection_width is not None:
            check_range("projection_width", self.projection_width, 1)
        check_choice("query", self.query, QUERIES)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=LstmConfig(width=16, dropout_rate=0.0), learning_rate=5e-3),
        "default": hiding_features(LstmConfig(), learning_rate=2e-3),
        "wide": Preset(
            config=LstmConfig(width=256, projection_width=128, dropout_rate=0.2), half_on_cpu=True
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "width": Choice(values=(16, 32, 64, 128)),
    "projection_width": Choice(values=(None, 16, 32, 64)),
    "query": Choice(values=QUERIES),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
}


def receptive_field_bars(config: LstmConfig, window_bars: int) -> int:
    """The whole window: a recurrence forgets by degrees, never at a bar."""
    return window_bars


def build_lstm(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: LstmConfig = LstmConfig(),
) -> keras.Model:
    """Build an LSTM with temporal attention.

    Input `bars` `(batch, window_bars, features)`, output `(batch, horizons)` float32 logits.
    The clipped bars, projected where asked, pass an LSTM; attention over its states, joined with
    the newest state, gives one vector. Layer `attention` tells its weights (`attention_map`).

    The LSTM is Keras' own, as a loop and not unrolled: cuDNN runs it on a GPU, and on two cores
    the loop compiles in seconds where 100 unrolled steps take minutes under XLA.

    Source: Hochreiter & Schmidhuber (1997), Neural Computation 9(8), with the forget gate of
    Gers et al. (2000); attention as in `TemporalAttention`, joined as in Luong et al. (2015),
    arXiv:1508.04025, eq. 5.
    """
    name, window_bars, _ = one_window(inputs)
    check_window_bars(name, window_bars)
    policy = dtype_policy(config.precision)
    parts = SequenceParts(
        width=config.width, seed=config.seed, policy=policy, dropout_rate=config.dropout_rate
    )
    structure, tensors = make_inputs(inputs)
    x = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)[name]
    if config.projection_width is not None:
        x = parts.dense(x, "projection", width=config.projection_width)
        x = parts.dropout(x, "projection_dropout")
    states = parts.lstm(x, "lstm")
    x = attend_and_join(parts, states, "attention", query=config.query)
    return keras.Model(structure, prediction_heads(heads, x, seed=config.seed), name="lstm")
