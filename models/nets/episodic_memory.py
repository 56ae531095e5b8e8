"""An LSTM beside a memory of past windows, asked only for what was known at the decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from ultimate_deep.models.checks import check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.layers.episodic_index import EpisodicIndex
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.sequence_parts import SequenceParts
from ultimate_deep.models.presets import Preset
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "episodic"
SEES: tuple[str, ...] = ("linear",)
CLOCK = "clock"
INDEX = "episodic_index"
# The table is filled, not trained; of the learnt parts of the index some matter only where
# neighbours are found, and one only where none is.
STILL = (f"{INDEX}/*",)
RETURN_CLIP = 8.0


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
        precision: `float32` or `mixed_bfloat16`; the index stays in float32.
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
        "default": Preset(config=EpisodicMemoryConfig()),
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
    name = _window_name(inputs)
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    by_name = dict(zip(inputs, tensors, strict=True))
    x = clipped({name: inputs[name]}, [by_name[name]], input_clip=config.input_clip, dtype=policy)[
        name
    ]
    # Not `x`, which is in bfloat16 there: keys would differ from the filled ones.
    exact = clipped(
        {f"{name}_key": inputs[name]},
        [by_name[name]],
        input_clip=config.input_clip,
        dtype="float32",
    )[f"{name}_key"]
    told = EpisodicIndex(
        2 * heads.horizons,
        slots=config.slots,
        nearest=config.nearest,
        key_width=config.key_width,
        half_life_bars=config.half_life_bars,
        seed=derive_seed(config.seed, INDEX),
        name=INDEX,
    )([exact, by_name[CLOCK]])
    parts = SequenceParts(
        width=config.width, dropout_rate=config.dropout_rate, seed=config.seed, policy=policy
    )
    x = parts.newest(parts.lstm(x, "lstm"), "lstm")
    x = parts.join([x, parts.dense(told, "told", activation="gelu")], "seen_and_told")
    x = parts.dropout(parts.dense(x, "fusion", activation="gelu"), "fusion_dropout")
    logits = prediction_heads(heads, x, seed=config.seed)
    return keras.Model(structure, logits, name="episodic_memory")


def fill_memory(
    model: keras.Model,
    x: Mapping[str, Any],
    y: np.ndarray,
    returns: np.ndarray | None,
    known_clock: np.ndarray,
    *,
    batch_size: int = 4096,
) -> None:
    """Fill the index of `build_episodic_memory`'s model; what it held before is gone.

    Rows are sorted by the time from which they are known. Of more rows than slots, as many as
    there is room for are taken at even steps from the oldest to the newest. An outcome is the
    label less a half, and the return over the root mean square of all rows given.

    Args:
        model: The model; its weights other than the index stay.
        x: Inputs by name, of which the window is used: an array, or what gives one for row
            numbers, so that only the windows that are kept are ever cut out.
        y: Labels `(rows, horizons)`.
        returns: Log returns `(rows, horizons)`; zeros if None.
        known_clock: `(rows, 2)`, when all labels of a row were known; NaN rows are refused.
        batch_size: Rows whose keys are computed at once.

    Raises:
        ValueError: Shapes that differ, or a value that is not finite.
    """
    index = model.get_layer(INDEX)
    name = next(key for key in x if key != CLOCK)
    outcomes = _outcomes(y, returns)
    rows = len(x[name])
    if outcomes.shape != (rows, index.outcomes) or known_clock.shape != (rows, 2):
        raise ValueError(
            f"an index of {index.outcomes // 2} horizons takes labels (rows, horizons) and clocks "
            f"(rows, 2) for its {rows} windows, got labels {np.shape(y)} and clocks "
            f"{known_clock.shape}"
        )
    if not (np.isfinite(outcomes).all() and np.isfinite(known_clock).all()):
        raise ValueError("labels, returns and clocks must be finite: leave undefined rows out")
    order = np.lexsort((known_clock[:, 1], known_clock[:, 0]))
    picked = np.linspace(0, rows - 1, min(rows, index.slots)).round().astype(int)
    taken = order[picked] if rows else order
    keys = [
        keras.ops.convert_to_numpy(
            index.key_of(_clipped(model, name, x[name][taken[start : start + batch_size]]))
        )
        for start in range(0, len(taken), batch_size)
    ]
    empty = np.zeros((0, index.key_width), "float32")
    index.fill(np.concatenate([empty, *keys]), outcomes[taken], known_clock[taken])


def _clipped(model: keras.Model, name: str, windows: np.ndarray) -> np.ndarray:
    limit = model.get_layer(f"{name}_key_clip").limit
    return np.clip(np.asarray(windows, "float32"), -limit, limit)


def _outcomes(y: np.ndarray, returns: np.ndarray | None) -> np.ndarray:
    """Labels less a half, and returns in units of their size: `(rows, 2 * horizons)`."""
    labels = np.asarray(y, "float64") - 0.5
    if returns is None:
        return np.concatenate([labels, np.zeros_like(labels)], axis=1)
    returns = np.asarray(returns, "float64")
    size = np.sqrt(np.mean(np.square(returns), axis=0)) if len(returns) else 1.0
    scaled = np.clip(returns / np.maximum(size, 1e-12), -RETURN_CLIP, RETURN_CLIP)
    return np.concatenate([labels, scaled], axis=1)


def _window_name(inputs: Inputs) -> str:
    """The name of the one window beside the clock."""
    windows = {name: shape for name, shape in inputs.items() if name != CLOCK}
    name, _, _ = one_window(windows)
    if tuple(inputs.get(CLOCK, ())) != (2,):
        raise ValueError(
            f"this model reads one window of bars and Input {CLOCK!r} of shape (2,), got "
            f"{dict(inputs)}: give both, such as {{'bars': (32, 20), 'clock': (2,)}}"
        )
    return name
