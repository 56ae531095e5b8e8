"""A recurrent net that reads and writes a short-term and a long-term memory along the window."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import check_positive, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.layers.memory_cell import MemoryCell
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.sequence_parts import SequenceParts
from ultimate_deep.models.presets import Preset
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear",)


@dataclass(frozen=True, kw_only=True)
class MemoryAugmentedConfig(NetOptions):
    """Sizes of the controller and of the two banks.

    Args:
        width: Width of the controller and of the layers around it.
        slots: Slots of each bank.
        content_width: Numbers in a slot's contents.
        long_rate: Share of a write that the long-term bank takes, in (0, 1].
        dropout_rate: Dropout after the last bar.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32` or `mixed_bfloat16`; the memory itself stays in float32.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    width: int = 32
    slots: int = 16
    content_width: int = 16
    long_rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("width", "slots", "content_width"):
            check_range(field, getattr(self, field), 1)
        check_positive("long_rate", self.long_rate)
        check_range("1 - long_rate", 1 - self.long_rate, 0.0)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=MemoryAugmentedConfig(width=16, slots=8, content_width=8, dropout_rate=0.0),
            learning_rate=5e-3,
        ),
        "default": Preset(config=MemoryAugmentedConfig()),
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
    """Build an LSTM controller with two banks of memory that it learns to use.

    Input `bars` `(batch, window_bars, features)`, output `(batch, horizons)` float32 logits. The
    memory begins each window from learnt contents and carries nothing over to another row. Under
    bfloat16 the loop over bars stays in float32: a bank adds up small writes, which 8 bits lose.

    Source: Graves, Wayne & Danihelka (2014), "Neural Turing Machines", arXiv:1410.5401, sec. 3;
    deviations are told at `models.layers.MemoryCell`.
    """
    name, _, _ = one_window(inputs)
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)[name]
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
    x = parts.dense(parts.norm(x, "reads_norm"), "fusion", activation="gelu")
    x = parts.dropout(x, "fusion_dropout")
    logits = prediction_heads(heads, x, seed=config.seed)
    return keras.Model(structure, logits, name="memory_augmented")
