"""A model's files for other people: `.keras`, `.h5` and a SavedModel for TensorFlow alone."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import models  # noqa: F401  registers the layers that saved models name
from training.manifest import BundleError

DEFAULT_BATCH_ROWS = 256


@contextlib.contextmanager
def quiet_saving() -> Iterator[None]:
    """Let Keras save under `-W error`, and without its advice against `.h5`.

    NumPy 2.4 deprecates the signature through which Keras 3.15 copies variables. Raised as an
    error in the middle of saving, it leaves a broken file.
    """
    absl_logger = logging.getLogger("absl")
    before = absl_logger.level
    absl_logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore",
                message=".*__array__ implementation doesn't accept a copy keyword.*",
                category=DeprecationWarning,
            )
            yield
    finally:
        absl_logger.setLevel(before)


def feature_count(model: keras.Model) -> int:
    """Return the width of the model's single input `(batch, features)`.

    Raises:
        BundleError: Not exactly one input of that rank, or an output other than float32
            `(batch, horizons)` logits.
    """
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] is None:
        raise BundleError(
            f"a bundle's model has one input (batch, features), got {shapes}; "
            "models of other inputs are saved by Keras alone"
        )
    outputs = [(tuple(tensor.shape), tensor.dtype) for tensor in model.outputs]
    shape, dtype = outputs[0]
    if len(outputs) != 1 or len(shape) != 2 or shape[1] is None or dtype != "float32":
        raise BundleError(
            f"a bundle's model has one output of float32 logits (batch, horizons), got {outputs}; "
            "give the head dtype='float32'"
        )
    return int(shapes[0][1])


def call_on_features(model: keras.Model, features: Any) -> Any:
    """Return the model's logits for one tensor, in inference mode, however its input is nested."""
    nested = keras.tree.pack_sequence_as(model.input, [features])
    return model(nested, training=False)


def save_keras_files(model: keras.Model, keras_path: Path, h5_path: Path) -> None:
    """Write the model without its optimizer as `.keras` and as `.h5`.

    What trains on compiles it again: the loss and optimizer of a run are in its configuration.
    """
    # The same layers and weights in a model that was never compiled.
    plain = keras.Model(model.input, model.output, name=model.name)
    with quiet_saving():
        plain.save(keras_path)
        plain.save(h5_path)


def export_saved_model(model: keras.Model, folder: Path, temperature: np.ndarray) -> None:
    """Write a TensorFlow SavedModel that needs no code of ours.

    `tf.saved_model.load(folder).serve(x)` and its signature `serving_default` take scaled
    features, float32 `(rows, features)`, and return `{"logits": (rows, horizons),
    "probability": sigmoid(logits / temperature)}`, float32.

    Args:
        model: One input `(batch, features)`, one output of logits.
        folder: Created.
        temperature: Positive, `(horizons,)`.
    """
    require_tensorflow("writing a SavedModel")
    shape = (None, feature_count(model))
    features = keras.Input(shape[1:], name="features", dtype="float32")
    logits = call_on_features(model, features)
    scaled = logits / keras.ops.convert_to_tensor(temperature, dtype="float32")
    probability = keras.ops.sigmoid(scaled)
    serving = keras.Model(features, {"logits": logits, "probability": probability}, name="serving")
    signature = [keras.InputSpec(shape=shape, dtype="float32", name="features")]
    with quiet_saving():
        serving.export(folder, format="tf_saved_model", verbose=False, input_signature=signature)


def compile_logits(
    model: keras.Model, *, batch_rows: int = DEFAULT_BATCH_ROWS
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a compiled function from scaled features to logits.

    Every call of the graph has `batch_rows` rows, the last one filled up with zeros, so that
    a row's logits do not depend on how many rows stand beside it.

    Args:
        model: One input `(batch, features)`, one output of logits.
        batch_rows: Rows per call; small for single rows, large for files.

    Returns:
        A function of float32 `(rows, features)` that returns float32 `(rows, horizons)`.
    """
    require_tensorflow("compiled prediction")
    if batch_rows < 1:
        raise ValueError(f"batch_rows is at least 1, got {batch_rows}")
    width = feature_count(model)
    horizons = int(model.outputs[0].shape[1])

    @tf.function(input_signature=[tf.TensorSpec((batch_rows, width), tf.float32)])
    def step(batch: tf.Tensor) -> tf.Tensor:
        return call_on_features(model, batch)

    def logits(scaled: np.ndarray) -> np.ndarray:
        out = np.empty((len(scaled), horizons), np.float32)
        for start in range(0, len(scaled), batch_rows):
            part = scaled[start : start + batch_rows]
            batch = np.zeros((batch_rows, width), np.float32)
            batch[: len(part)] = part
            out[start : start + len(part)] = step(tf.constant(batch)).numpy()[: len(part)]
        return out

    return logits


def require_tensorflow(what: str) -> None:
    """Raise `RuntimeError` where Keras runs on another backend."""
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"{what} needs the TensorFlow backend, got {keras.backend.backend()!r}; "
            "set KERAS_BACKEND=tensorflow"
        )
