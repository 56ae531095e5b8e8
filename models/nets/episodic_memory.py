"""An LSTM beside a memory of past windows, asked only for what was known at the decision."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs
from ultimate_deep.models.parts.episodic_parts import (
    INDEX,
    fill_memory,
    told_by_index,
    window_beside_clock,
)
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.sequence_parts import SequenceParts
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace

__all__ = [
    "EpisodicMemoryConfig",
    "build_episodic_memory",
    "fill_memory",
]

READS: Reads = "episodic"
SEES: tuple[str, ...] = ("linear",)
# The table is filled, not trained; of the learnt parts of the index some matter only where
# neighbours are found, and one only where none is.
STILL = (f"{INDEX}/*",)


@dataclass(frozen=True, kw_only=True)
class EpisodicMemoryConfig(NetOptions):
    """The index, and the LSTM beside it.

    Args:
        width: Width of the LSTM and of the layer that joins it with what the index says.
        slots: Past windows that the index has room for.
        nearest: Neighbours asked for; at most `slots`.
        key_width: Numbers in a window's key.
        half_life_bars: Age of a bar at which it weighs half in the key.
        dropout_rate: Dropout after the joint layer.
        input_clip: Bars are limited to plus and minus this; the clock is not.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`; the index stays in float32.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    width: int = 32
    slots: int = 4096
    nearest: int = 32
    key_width: int = 32
    half_life_bars: float = 8.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("width", "slots", "key_width"):
            check_range(field, getattr(self, field), 1)
        check_range("nearest", self.nearest, 1, self.slots + 1)
        check_range("half_life_bars", self.half_life_bars, 1e-3)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=EpisodicMemoryConfig(
                width=16, slots=1024, nearest=8, key_width=16, dropout_rate=0.0
            ),
            learning_rate=5e-3,
        ),
        "default": hiding_features(EpisodicMemoryConfig(), learning_rate=2e-3),
        "large": Preset(
            config=EpisodicMemoryConfig(width=128, slots=32768, nearest=64, key_width=64),
            learning_rate=3e-4,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "width": Choice(values=(16, 32, 64)),
    "nearest": IntRange(low=4, high=64),
    "half_life_bars": FloatRange(low=1.0, high=32.0, log=True),
    "dropout_rate": FloatRange(low=0.0, high=0.4),
}


def receptive_field_bars(config: EpisodicMemoryConfig, window_bars: int) -> int:
    """The whole window: the LSTM begins at its oldest bar."""
    return window_bars


def build_episodic_memory(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: EpisodicMemoryConfig = EpisodicMemoryConfig(),
) -> keras.Model:
    """Build an LSTM that is told what came of similar windows before.

    Inputs `bars` `(batch, window_bars, features)` and `clock` `(batch, 2)`, the decision's days
    since 1970-01-01 and seconds of that day in UTC; output `(batch, horizons)` float32 logits.
    The index is empty until `fill_memory`; it is part of the weights, and saved with them.

    Source: Pritzel et al. (2017), "Neural Episodic Control", arXiv:1703.01988, sec. 3;
    deviations are told at `models.layers.EpisodicIndex`.

    Raises:
        ValueError: Other inputs than one window and the clock.
    """
    name = window_beside_clock(inputs)
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    by_name = dict(zip(inputs, tensors, strict=True))
    x = clipped({name: inputs[name]}, [by_name[name]], input_clip=config.input_clip, dtype=policy)[
        name
    ]
    told = told_by_index(
        inputs,
        tensors,
        outcomes=2 * heads.horizons,
        slots=config.slots,
        nearest=config.nearest,
        key_width=config.key_width,
        half_life_bars=config.half_life_bars,
        input_clip=config.input_clip,
        seed=config.seed,
    )
    parts = SequenceParts(
        width=config.width, dropout_rate=config.dropout_rate, seed=config.seed, policy=policy
    )
    x = parts.newest(parts.lstm(x, "lstm"), "lstm")
    x = parts.join([x, parts.dense(told, "told", activation="gelu")], "seen_and_told")
    x = parts.dropout(parts.dense(x, "fusion", activation="gelu"), "fusion_dropout")
    logits = prediction_heads(heads, x, seed=config.seed)
    return keras.Model(structure, logits, name="episodic_memory")
