"""Saving a deep net, loading it in another process, and the same predictions from both."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.depth.nets import Net, build_model, data
from benchmarks.depth.process import run_fresh

FORMATS = ("keras", "h5")
BATCH = 64


def save_and_load(depth: int, width: int) -> list[dict[str, Any]]:
    """One line per format: seconds to save, to load in a fresh process and to predict there.

    The net is compiled and has taken one Adam step, so the optimizer's state is in the file.
    Imports are apart. Predictions must be equal in every bit.
    """
    import keras

    net = Net(kind="stack", depth=depth, width=width, batch=BATCH)
    model = build_model(net)
    # As an object: Keras cannot load a model compiled with the loss's name from an .h5 file.
    loss = keras.losses.MeanSquaredError()
    model.compile(keras.optimizers.Adam(net.learning_rate), loss=loss, jit_compile=False)
    x, y = data(net)
    model.train_on_batch(x, y)
    predictions = model.predict_on_batch(x)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "batch.npz", x=x, predictions=predictions)
        for suffix in FORMATS:
            path = Path(folder) / f"model.{suffix}"
            start = time.perf_counter()
            model.save(path)
            saved = time.perf_counter() - start
            options = {"module": "saved", "function": "load_and_predict", "path": str(path)}
            line = {
                "format": suffix,
                "depth": depth,
                "width": width,
                "parameters": model.count_params(),
                "file_mib": path.stat().st_size / 2**20,
                "save_seconds": saved,
                **run_fresh("call", options),
            }
            parts = [line.get(f"{part}_seconds", np.nan) for part in ("save", "load", "predict")]
            lines.append({**line, "total_seconds": float(sum(parts))})
    return lines


def load_and_predict(path: str) -> dict[str, Any]:
    """Load a model and predict the batch beside it; the largest difference is 0 if equal."""
    start = time.perf_counter()
    import keras

    import ultimate_deep.models.layers  # noqa: F401  registers the layers

    imported = time.perf_counter()
    model = keras.models.load_model(path)
    loaded = time.perf_counter()
    with np.load(Path(path).parent / "batch.npz") as file:
        batch = dict(file)
    predictions = model.predict_on_batch(batch["x"])
    predicted = time.perf_counter()
    return {
        "import_seconds": imported - start,
        "load_seconds": loaded - imported,
        "predict_seconds": predicted - loaded,
        "largest_difference": float(np.max(np.abs(predictions - batch["predictions"]))),
    }
