"""Resolutions merged coarse to fine: what the coarse bars say sets how the finer ones are read."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, windows_of
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.sequence_parts import SequenceParts, check_heads
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace

READS: Reads = "timeframes"
SEES: tuple[str, ...] = ("linear", "cross_timeframe")


@dataclass(frozen=True, kw_only=True)
class MultiScaleHybridConfig(NetOptions):
    """Which resolutions the finest window gives besides itself.

    Args:
        pool_bars: Lengths of the coarser bars that the finest window is averaged to, rising;
            lengths that give fewer than two bars are left out. Further timeframes are levels of
            their own, coarser than these.
        width: Width of every level.
        heads: Heads of every level's attention; must divide `width`.
        dropout_rate: Dropout after every level's attention and summary.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    pool_bars: tuple[int, ...] = (4, 16)
    width: int = 32
    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        rising = all(a < b for a, b in zip((1, *self.pool_bars), self.pool_bars, strict=False))
        if not rising:
            raise ValueError(f"pool_bars must rise from 2 or more, got {self.pool_bars}")
        check_heads(self.heads, self.width)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=MultiScaleHybridConfig(pool_bars=(4,), width=16, heads=2, dropout_rate=0.0),
            learning_rate=3e-3,
        ),
        "default": hiding_features(MultiScaleHybridConfig(), learning_rate=2e-3),
        "large": Preset(
            config=MultiScaleHybridConfig(pool_bars=(2, 4, 8, 16), width=128, heads=8),
            learning_rate=3e-4,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "pool_bars": Choice(values=((), (4,), (4, 16), (2, 4, 8, 16))),
    "width": Choice(values=(16, 32, 64)),
    "dropout_rate": FloatRange(low=0.0, high=0.4),
}


def receptive_field_bars(config: MultiScaleHybridConfig, window_bars: int) -> int:
    """The whole window: its finest level reads every bar."""
    return window_bars


def build_multi_scale_hybrid(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: MultiScaleHybridConfig = MultiScaleHybridConfig(),
) -> keras.Model:
    """Build a pyramid of resolutions, read from the coarsest to the finest.

    Input one or more windows `(batch, bars, features)`, finest first; output `(batch, horizons)`
    float32 logits. The levels are the windows, and the finest window averaged to coarser bars
    that end at the newest one. At every level an LSTM starts from what the coarser levels found,
    attention looks over its bars, and the newest bar is merged with the coarser finding.

    Source: coarse to fine by multi-rate pooling as in Challu et al. (2022), arXiv:2201.12886,
    sec. 3.1; recurrent levels of different clocks, the slower informing the faster, as in El
    Hihi & Bengio (1995), "Hierarchical recurrent neural networks for long-term dependencies",
    NIPS 8. Ours hands the finding down as the initial state of the finer level.
    """
    windows_of(inputs)
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    windows = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)
    parts = SequenceParts(
        width=config.width,
        heads=config.heads,
        dropout_rate=config.dropout_rate,
        seed=config.seed,
        policy=policy,
    )
    levels = _levels(parts, windows, config.pool_bars)
    finding = None
    for name, bars in reversed(levels.items()):
        finding = _level(parts, bars, finding, name)
    logits = prediction_heads(heads, finding, seed=config.seed)
    return keras.Model(structure, logits, name="multi_scale_hybrid")


def _levels(
    parts: SequenceParts, windows: dict[str, Any], pool_bars: tuple[int, ...]
) -> dict[str, Any]:
    """Name to bars of every level, finest first."""
    finest, *coarser = windows
    bars = windows[finest]
    levels = {finest: bars}
    for length in pool_bars:
        whole = bars.shape[1] // length
        if whole < 2:
            continue
        name = f"{finest}_pooled_{length}"
        # Drops the oldest bars, so that the newest coarse bar ends at the newest bar.
        part = keras.layers.Cropping1D(
            (bars.shape[1] - whole * length, 0), dtype=parts.policy, name=f"{name}_whole"
        )(bars)
        levels[name] = keras.layers.AveragePooling1D(length, dtype=parts.policy, name=name)(part)
    return levels | {name: windows[name] for name in coarser}


def _level(parts: SequenceParts, bars: Any, finding: Any, name: str) -> Any:
    """What this level and all coarser ones say: `(batch, width)`."""
    state = None
    if finding is not None:
        state = [
            parts.dense(finding, f"{name}_start_output", activation="tanh"),
            parts.dense(finding, f"{name}_start_cell"),
        ]
    x = parts.lstm(bars, f"{name}_lstm", state=state)
    x = parts.newest(parts.attend(x, x, f"{name}_attention"), name)
    if finding is not None:
        x = parts.join([x, finding], f"{name}_and_coarser")
    x = parts.dense(parts.norm(x, f"{name}_norm"), f"{name}_merge", activation="gelu")
    return parts.dropout(x, f"{name}_merge_dropout")
