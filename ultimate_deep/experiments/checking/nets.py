"""Contracts of a net: it learns, says the same again, and can be saved and loaded."""

from __future__ import annotations

import fnmatch
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ultimate_deep.bundles.saved_model import save_keras_files
from ultimate_deep.experiments.checking.findings import Finding
from ultimate_deep.machine.plugins import Plugin
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.registry import (
    build_model,
    preset_config,
    presets,
    reads,
    still_weights,
)

ROWS, HORIZONS = 24, 2
INPUTS: dict[str, dict[str, tuple[int, ...]]] = {
    "features": {"features": (12,)},
    "window": {"bars": (16, 6)},
    "timeframes": {"bars_1": (16, 6), "bars_4": (8, 4)},
    "episodic": {"bars": (16, 6), "clock": (2,)},
    "gaf": {"gaf_1": (16,), "gaf_2": (16,)},
    "bar_image": {"bar_image": (6 * 8,)},
}


def check_net(name: str, plugin: Plugin) -> Iterator[Finding]:
    """Yield what was found of a registered net.

    Args:
        name: Name of the net.
        plugin: The plugin that registered it.
    """
    for contract, check in CONTRACTS.items():
        try:
            problem = check(name)
        except Exception as error:  # of the user's code: it is the finding
            problem = f"{type(error).__name__}: {error}"
        yield Finding(f"net {name}", contract, problem)
        if problem and contract == "builds":
            return


def _model(name: str) -> keras.Model:
    preset = "tiny" if "tiny" in presets(name) else "default"
    return build_model(
        name, INPUTS[reads(name)], Heads(horizons=HORIZONS), preset_config(name, preset)
    )


def _data(name: str) -> tuple[Any, np.ndarray]:
    draw = np.random.default_rng(0)
    x = {
        key: draw.uniform(-1.0, 1.0, (ROWS, *shape)).astype(np.float32)
        for key, shape in INPUTS[reads(name)].items()
    }
    if "clock" in x:
        x["clock"] = np.column_stack([np.arange(ROWS), np.full(ROWS, 3600)]).astype(np.float32)
    y = (draw.random((ROWS, HORIZONS)) < 0.5).astype(np.float32)
    return (x if len(x) > 1 else next(iter(x.values()))), y


def _builds(name: str) -> str:
    model = _model(name)
    x, _ = _data(name)
    logits = model(x)
    if tuple(logits.shape) != (ROWS, HORIZONS) or logits.dtype != "float32":
        return (
            f"its output is {tuple(logits.shape)} of {logits.dtype} for {ROWS} rows and {HORIZONS} "
            "horizons; end it with ultimate_deep.models.heads.prediction_heads(heads, x, seed=...)"
        )
    return "" if np.isfinite(logits).all() else "its first outputs are not finite"


def _same_seed(name: str) -> str:
    for one, two in zip(_model(name).weights, _model(name).weights, strict=True):
        if not np.array_equal(one.numpy(), two.numpy()):
            return (
                f"the weight {one.path} begins otherwise each time; give initializers and random "
                "layers a seed, derive_seed(config.seed, name) of ultimate_deep.models.seeds"
            )
    return ""


def _every_weight_moves(name: str) -> str:
    model = _model(name)
    before = [(one.path, one.numpy()) for one in model.weights]
    model.compile(
        optimizer=keras.optimizers.SGD(0.05, momentum=0.9),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        jit_compile=False,
    )
    x, y = _data(name)
    for _ in range(3):
        loss = model.train_on_batch(x, y)
    if not np.isfinite(loss):
        return f"its loss is {loss} after three steps; scale initial weights down or normalise"
    still = [
        path
        for (path, value), now in zip(before, model.weights, strict=True)
        if np.array_equal(value, now.numpy())
        and "seed_generator" not in path
        and not any(fnmatch.fnmatch(path, pattern) for pattern in still_weights(name))
    ]
    if still:
        return (
            f"{len(still)} weights have not moved after three steps, such as {still[0]}; nothing "
            "depends on them: use them, or name them in STILL of its file"
        )
    return ""


def _rows_by_themselves(name: str) -> str:
    model = _model(name)
    x, _ = _data(name)
    whole = np.asarray(model(x, training=False))
    first = {key: one[:1] for key, one in x.items()} if isinstance(x, dict) else x[:1]
    alone = np.asarray(model(first, training=False))
    if not np.allclose(whole[:1], alone, rtol=1e-4, atol=1e-5):
        return (
            f"its answer to a row is {whole[0, 0]:.6g} among {ROWS} rows and {alone[0, 0]:.6g} by "
            "itself: it sees other rows, later ones too; mix nothing along the batch"
        )
    return ""


def _saves_and_loads(name: str) -> str:
    model = _model(name)
    x, _ = _data(name)
    before = np.asarray(model(x, training=False))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"net.{suffix}" for suffix in ("keras", "h5")]
        save_keras_files(model, *paths)
        for path in paths:
            loaded = keras.models.load_model(path, compile=False)
            after = np.asarray(loaded(x, training=False))
            if not np.array_equal(before, after):
                return (
                    f"loaded from {path.suffix} it gives {after[0, 0]} where it gave {before[0, 0]}"
                )
    return ""


CONTRACTS: dict[str, Callable[[str], str]] = {
    "builds": _builds,
    "begins the same with the same seed": _same_seed,
    "learns with every weight": _every_weight_moves,
    "answers each row by itself": _rows_by_themselves,
    "saves and loads": _saves_and_loads,
}
