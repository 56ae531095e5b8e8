"""The same batches as a `tf.data` pipeline, gathered by TensorFlow's own threads."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ultimate_deep.market.windows import Windows
from ultimate_deep.training.arrays import Values
from ultimate_deep.training.batches.batches import Batches

AHEAD = 2


def batch_pipeline(
    batches: Batches, *, epochs: int, first_epoch: int = 0, first_step: int = 0
) -> tf.data.Dataset:
    """Return all batches of the epochs from `first_epoch` to `epochs`, one after another.

    Elements are `(inputs, labels, weights)`: inputs as in `batches.arrays`, labels and weights
    `(batch, horizons)`; for `model.fit`, give `steps_per_epoch=batches.steps_per_epoch`. The
    order is that of `Batches`, so that starting at an epoch and step gives exactly the rest.

    Args:
        batches: The rows and their order.
        epochs: Where the pipeline ends, counted from epoch 0.
        first_epoch: Where it starts, from 0.
        first_step: Steps of that epoch that are left out.

    Raises:
        ValueError: A start outside the run.
    """
    steps = batches.steps_per_epoch
    if not (0 <= first_epoch < epochs and 0 <= first_step < steps):
        raise ValueError(
            f"a run of {epochs} epochs of {steps} steps cannot start at epoch {first_epoch}, step "
            f"{first_step}; both count from 0"
        )
    inputs = batches.arrays.inputs()
    sources = {name: _source(values) for name, values in inputs.items()}
    labels, weights = tf.constant(batches.arrays.y), tf.constant(batches.weight)
    single = not isinstance(batches.arrays.x, Mapping)

    def rows_of(epoch: Any) -> np.ndarray:
        return batches.rows(int(epoch))[first_step if epoch == first_epoch else 0 :]

    def epoch_rows(epoch: tf.Tensor) -> tf.data.Dataset:
        rows = tf.numpy_function(rows_of, [epoch], tf.int64, stateful=False)
        return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(rows, (None, batches.batch_size)))

    def gather(rows: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
        x = {name: source(rows) for name, source in sources.items()}
        return x["x"] if single else x, tf.gather(labels, rows), tf.gather(weights, rows)

    order = tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_rows)
    gathered = order.map(gather, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return gathered.prefetch(AHEAD)


def _source(values: Values) -> Any:
    """Return what turns row numbers into a tensor of those rows."""
    if not isinstance(values, Windows):
        whole = tf.constant(values)
        return lambda rows: tf.gather(whole, rows)
    table, ends = tf.constant(values.table), tf.constant(values.ends)
    if values.window_bars is None:
        return lambda rows: tf.gather(table, tf.gather(ends, rows))
    back = tf.range(1 - values.window_bars, 1, dtype=tf.int64)
    return lambda rows: tf.gather(table, tf.gather(ends, rows)[:, None] + back)
