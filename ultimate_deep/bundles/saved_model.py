"""A model's files for other people: `.keras`, `.h5` and a SavedModel for TensorFlow alone."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import ultimate_deep.models.layers  # noqa: F401  registers the layers that saved models name
from ultimate_deep.bundles.manifest import BundleError
from ultimate_deep.bundles.predictor import named_inputs
from ultimate_deep.models.heads import direction_logits
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs

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


def input_shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """Return each input's name and shape without the rows, in the model's order.

    Raises:
        BundleError: An axis of no fixed size, or an output that is not float32 with one row of
            predictions for each row of inputs.
    """
    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    if any(size is None for shape in shapes.values() for size in shape):
        raise BundleError(
            f"a bundle's model has inputs of fixed shape, got {shapes}; build it with whole numbers"
        )
    outputs = [(tuple(tensor.shape), tensor.dtype) for tensor in model.outputs]
    horizons = {shape[1] if len(shape) in (2, 3) else None for shape, _ in outputs}
    if len(horizons) != 1 or None in horizons or {dtype for _, dtype in outputs} != {"float32"}:
        raise BundleError(
            "a bundle's model has one output of float32 logits (batch, horizons), or a dict as "
            f"ultimate_deep.models.heads.prediction_heads gives it, got {outputs}; give the head "
            "dtype='float32'"
        )
    return shapes


def call_on_tensors(model: keras.Model, tensors: dict[str, Any]) -> dict[str, Any]:
    """Return `logits` of up and, of several heads, every output by name, in inference mode.

    Args:
        model: Built by `models.build_model`.
        tensors: Inputs by name, however the model's own inputs are nested.
    """
    flat = [tensors[tensor.name] for tensor in model.inputs]
    outputs = model(keras.tree.pack_sequence_as(model.input, flat), training=False)
    heads = outputs if isinstance(outputs, dict) else {}
    return {"logits": direction_logits(outputs), **heads}


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

    `tf.saved_model.load(folder).serve(x)` and its signature `serving_default` take scaled inputs,
    float32 (one tensor for one input, else a dict by name), and return `{"logits": (rows,
    horizons), "probability": sigmoid(logits / temperature)}`, float32, with the other heads.

    Args:
        model: A net as `models.build_model` builds it.
        folder: Folder to write into, which is created.
        temperature: Positive temperature of each horizon, `(horizons,)`.
    """
    require_tensorflow("writing a SavedModel")
    tensors = {
        name: keras.Input(shape, name=name, dtype="float32")
        for name, shape in input_shapes(model).items()
    }
    outputs = call_on_tensors(model, tensors)
    divisor = keras.ops.convert_to_tensor(temperature, dtype="float32")
    outputs["probability"] = keras.ops.sigmoid(outputs["logits"] / divisor)
    specs = {
        name: keras.InputSpec(shape=tuple(tensor.shape), dtype="float32", name=name)
        for name, tensor in tensors.items()
    }
    one = len(tensors) == 1
    serving = keras.Model(next(iter(tensors.values())) if one else tensors, outputs, name="serving")
    signature = [next(iter(specs.values())) if one else specs]
    # As `serving.export`, which also traces every net inside of it to look for lookup tables.
    with quiet_saving():
        archive = keras.export.ExportArchive()
        for layer in _layers_in(model):
            archive.track(layer)
        for name in ("variables", "trainable_variables", "non_trainable_variables"):
            archive.add_variable_collection(name, getattr(serving, name))
        archive.add_endpoint("serve", serving, signature)
        archive.write_out(folder, verbose=False)


def _layers_in(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Walk the layers of functional nets, however they are nested."""
    if isinstance(layer, keras.Model) and layer.inputs:
        for inner in layer.layers:
            yield from _layers_in(inner)
    else:
        yield layer


def compile_outputs(
    model: keras.Model, *, batch_rows: int = DEFAULT_BATCH_ROWS
) -> Callable[[ModelInputs], dict[str, np.ndarray]]:
    """Return a compiled function from scaled inputs to `logits` and every further head.

    Every call of the graph has `batch_rows` rows, the last one filled up with zeros, so that
    a row's predictions do not depend on how many rows stand beside it.

    Args:
        model: A net as `models.build_model` builds it.
        batch_rows: Rows per call; small for single rows, large for files.

    Returns:
        A function of float32 inputs `(rows, ...)`, one or a dict by name, that returns float32
        arrays: `logits` `(rows, horizons)`, and what `models.heads.prediction_heads` names.
    """
    if batch_rows < 1:
        raise ValueError(f"batch_rows is at least 1, got {batch_rows}; leave it out")
    shapes = input_shapes(model)
    on_jax = keras.backend.backend() == "jax"
    step = _on_jax(model, shapes) if on_jax else _on_tensorflow(model, shapes, batch_rows)

    def outputs(inputs: ModelInputs) -> dict[str, np.ndarray]:
        given = named_inputs(inputs, shapes)
        rows = len(next(iter(given.values())))
        parts: list[dict[str, np.ndarray]] = []
        for start in range(0, max(rows, 1), batch_rows):
            stop = min(start + batch_rows, rows)
            batch = [
                _filled(given[name][start:stop], batch_rows, shape)
                for name, shape in shapes.items()
            ]
            found = step(*batch)
            parts.append({name: np.asarray(found[name])[: stop - start] for name in found})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return outputs


def _on_tensorflow(
    model: keras.Model, shapes: dict[str, tuple[int, ...]], batch_rows: int
) -> Callable[..., Mapping[str, Any]]:
    require_tensorflow("compiled prediction")
    names = list(shapes)
    signature = [tf.TensorSpec((batch_rows, *shape), tf.float32) for shape in shapes.values()]

    @tf.function(input_signature=signature, autograph=False)
    def step(*batch: tf.Tensor) -> dict[str, tf.Tensor]:
        return call_on_tensors(model, dict(zip(names, batch, strict=True)))

    return lambda *batch: step(*map(tf.constant, batch))


def _on_jax(
    model: keras.Model, shapes: dict[str, tuple[int, ...]]
) -> Callable[..., Mapping[str, Any]]:
    # Not at the top: it is an extra.
    import jax

    names = list(shapes)

    @jax.jit
    def step(weights: list[Any], *batch: Any) -> dict[str, Any]:
        known = list(zip(model.variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=known):
            return call_on_tensors(model, dict(zip(names, batch, strict=True)))

    return lambda *batch: step([variable.value for variable in model.variables], *batch)


def compile_logits(
    model: keras.Model, *, batch_rows: int = DEFAULT_BATCH_ROWS
) -> Callable[[ModelInputs], np.ndarray]:
    """Return a compiled function from scaled inputs to logits of up, float32 `(rows, horizons)`.

    See `compile_outputs`.
    """
    outputs = compile_outputs(model, batch_rows=batch_rows)
    return lambda inputs: outputs(inputs)["logits"]


def _filled(values: np.ndarray, rows: int, shape: tuple[int, ...]) -> np.ndarray:
    batch = np.zeros((rows, *shape), np.float32)
    batch[: len(values)] = values
    return batch


def require_tensorflow(what: str) -> None:
    """Raise `RuntimeError` where Keras runs on another backend."""
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"{what} needs the TensorFlow backend, got {keras.backend.backend()!r}; "
            "set KERAS_BACKEND=tensorflow"
        )
