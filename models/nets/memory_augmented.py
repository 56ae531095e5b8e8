"""A recurrent net that reads and writes a short-term and a long-term memory along the window."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import check_positive, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.layers.memory_cell import MemoryCell
from ultimate_deep.models.parts.episodic_parts import (
    CLOCK,
    INDEX,
    fill_memory,
    told_by_index,
    window_beside_clock,
)
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.sequence_parts import SequenceParts
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

__all__ = ["MemoryAugmentedConfig", "build_memory_augmented", "fill_memory"]

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear",)
# The table is filled, not trained, and there only with `inputs.kind episodic`.
STILL = (f"{INDEX}/*",)


@dataclass(frozen=True, kw_only=True)
class MemoryAugmentedConfig(NetOptions):
    """Sizes of the controller and of the two banks.

    Args:
        width: Width of the controller and of the layers around it.
        slots: Slots of each bank.
        content_width: Numbers in a slot's contents.
        long_rate: Share of a write that the long-term bank takes, in (0, 1].
        episodes: Past windows that the episodic bank has room for, where there is a clock
            (`inputs.kind episodic`).
        nearest: Neighbours asked of it; at most `episodes`.
        key_width: Numbers in a past window's key.
        half_life_bars: Age of a bar at which it weighs half in the key.
        dropout_rate: Dropout after the last bar.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`; the memory itself stays float32.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    width: int = 32
    slots: int = 16
    content_width: int = 16
    long_rate: float = 0.1
    episodes: int = 4096
    nearest: int = 32
    key_width: int = 32
    half_life_bars: float = 8.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("width", "slots", "content_width", "episodes", "key_width"):
            check_range(field, getattr(self, field), 1)
        check_range("nearest", self.nearest, 1, self.episodes + 1)
        check_range("half_life_bars", self.half_life_bars, 1e-3)
        check_positive("long_rate", self.long_rate)
        check_range("1 - long_rate", 1 - self.long_rate, 0.0)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=MemoryAugmentedConfig(
                width=16, slots=8, content_width=8, dropout_rate=0.0, episodes=1024, nearest=8
            ),
            learning_rate=5e-3,
        ),
        "default": hiding_features(MemoryAugmentedConfig(), learning_rate=2e-3),
        "large": Preset(
            config=MemoryAugmentedConfig(width=128, slots=64, content_width=32),
            learning_rate=3e-4,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "width": Choice(values=(16, 32, 64)),
    "slots": Choice(values=(8, 16, 32)),
    "long_rate": FloatRange(low=0.02, high=0.5, log=True),
    "dropout_rate": FloatRange(low=0.0, high=0.4),
}


def receptive_field_bars(config: MemoryAugmentedConfig, window_bars: int) -> int:
    """The whole window: the recurrence begins at its oldest bar."""
    return window_bars


def build_memory_augmented(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: MemoryAugmentedConfig = MemoryAugmentedConfig(),
) -> keras.Model:
    """Build an LSTM controller with two banks of memory that it learns to use, and a third.

    Input `bars` `(batch, window_bars, features)`, output `(batch, horizons)` float32 logits. With
    `clock` `(batch, 2)` beside the window (`inputs.kind episodic`) it is also told what came of
    similar windows whose outcome was known at the decision; `fill_memory` fills that bank. The
    other two begin each window from learnt contents and carry nothing over to another row. Under
    bfloat16 the loop over bars stays in float32: a bank adds up small writes, which 8 bits lose.

    Source: Graves, Wayne & Danihelka (2014), "Neural Turing Machines", arXiv:1410.5401, sec. 3;
    deviations are told at `models.layers.MemoryCell`. The third bank: Pritzel et al. (2017),
    arXiv:1703.01988, sec. 3; see `models.layers.EpisodicIndex`.

    Raises:
        ValueError: Inputs that are neither one window nor a window and the clock.
    """
    episodic = CLOCK in inputs
    name = window_beside_clock(inputs) if episodic else one_window(inputs)[0]
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    windows = {name: inputs[name]}
    own = [dict(zip(inputs, tensors, strict=True))[name]]
    x = clipped(windows, own, input_clip=config.input_clip, dtype=policy)[name]
    parts = SequenceParts(
        width=config.width, dropout_rate=config.dropout_rate, seed=config.seed, policy=policy
    )
    x = parts.dense(x, "embedding")
    cell = MemoryCell(
        config.width,
        slots=config.slots,
        content_width=config.content_width,
        long_rate=config.long_rate,
        seed=derive_seed(config.seed, "memory"),
        dtype="float32",
        name="memory_cell",
    )
    x = keras.layers.RNN(cell, dtype="float32", name="memory")(x)
    x = parts.norm(x, "reads_norm")
    if episodic:
        told = told_by_index(
            inputs,
            tensors,
            outcomes=2 * heads.horizons,
            slots=config.episodes,
            nearest=config.nearest,
            key_width=config.key_width,
            half_life_bars=config.half_life_bars,
            input_clip=config.input_clip,
            seed=config.seed,
        )
        x = parts.join([x, parts.dense(told, "told", activation="gelu")], "read_and_told")
    x = parts.dense(x, "fusion", activation="gelu")
    x = parts.dropout(x, "fusion_dropout")
    logits = prediction_heads(heads, x, seed=config.seed)
    return keras.Model(structure, logits, name="memory_augmented")
