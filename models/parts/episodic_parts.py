"""An index of past windows beside a net, asked only for what was known at the decision."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from ultimate_deep.models.inputs import Inputs, clipped, one_window
from ultimate_deep.models.layers.episodic_index import EpisodicIndex
from ultimate_deep.models.seeds import derive_seed

CLOCK = "clock"
INDEX = "episodic_index"
RETURN_CLIP = 8.0


def told_by_index(
    inputs: Inputs,
    tensors: Any,
    *,
    outcomes: int,
    slots: int,
    nearest: int,
    key_width: int,
    half_life_bars: float,
    input_clip: float,
    seed: int,
) -> Any:
    """Return what an index says of a window, `(batch, outcomes + 2)` float32.

    Args:
        inputs: Shapes of the window and the clock by name.
        tensors: Their tensors, in that order.
        outcomes: Numbers kept about each past window.
        slots: Entries that there is room for.
        nearest: Neighbours asked for.
        key_width: Numbers in a key.
        half_life_bars: Age of a bar at which it weighs half in the key.
        input_clip: Bars are limited to plus and minus this.
        seed: Seed of the net.
    """
    name = window_beside_clock(inputs)
    by_name = dict(zip(inputs, tensors, strict=True))
    # In float32 under every policy: keys would differ from the filled ones.
    exact = clipped(
        {f"{name}_key": inputs[name]}, [by_name[name]], input_clip=input_clip, dtype="float32"
    )[f"{name}_key"]
    return EpisodicIndex(
        outcomes,
        slots=slots,
        nearest=nearest,
        key_width=key_width,
        half_life_bars=half_life_bars,
        seed=derive_seed(seed, INDEX),
        name=INDEX,
    )([exact, by_name[CLOCK]])


def fill_memory(
    model: keras.Model,
    x: Mapping[str, Any],
    y: np.ndarray,
    returns: np.ndarray | None,
    known_clock: np.ndarray,
    *,
    batch_size: int = 4096,
) -> None:
    """Fill a model's index; what it held before is gone. A model without one is left alone.

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
    index = next((layer for layer in model.layers if layer.name == INDEX), None)
    if index is None:
        return
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


def window_beside_clock(inputs: Inputs) -> str:
    """Return the name of the one window beside the clock.

    Raises:
        ValueError: Other inputs than one window and the clock.
    """
    windows = {name: shape for name, shape in inputs.items() if name != CLOCK}
    name, _, _ = one_window(windows)
    if tuple(inputs.get(CLOCK, ())) != (2,):
        raise ValueError(
            f"this model reads one window of bars and Input {CLOCK!r} of shape (2,), got "
            f"{dict(inputs)}: give both, such as {{'bars': (32, 20), 'clock': (2,)}}"
        )
    return name
