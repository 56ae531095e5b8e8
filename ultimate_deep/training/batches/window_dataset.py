"""Batches for plain `model.fit`: reshuffled by seed and epoch, resumable in mid-epoch."""

from typing import Any

import keras
import numpy as np

from ultimate_deep.training.arrays import BatchInputs
from ultimate_deep.training.batches.batches import Batches

KerasBatch = tuple[BatchInputs, np.ndarray, np.ndarray]


class WindowDataset(keras.utils.PyDataset):
    """A Keras dataset over windows of one or many symbols; only a batch at a time is copied.

    `model.fit(dataset, shuffle=False, callbacks=[dataset.follower()])`: epoch `e` has the order
    of `(seed, e)`, whatever was trained before. By the follower, `state()` knows the next batch
    that has not been trained on, and `restore` goes on there.

    Two traps of Keras 3.15 are dealt with: `fit` shuffles the batches of a dataset by Python's
    global generator unless `shuffle=False`, which is refused here; and it calls `on_epoch_end`
    once before the first epoch, so that an epoch ends here only once its last batch was asked
    for.

    Args:
        batches: The rows and their order. Weights of classes and of returns need a single horizon,
            since Keras weighs rows and not labels.

    Raises:
        ValueError: Weights of classes or returns of several horizons.
    """

    def __init__(self, batches: Batches) -> None:
        weighs = batches.class_weights or batches.return_weights
        if weighs and batches.arrays.horizons > 1:
            raise ValueError(
                "Keras takes one weight for each row, but weights of "
                f"{batches.arrays.horizons} horizons differ by label; use "
                "ultimate_deep.training.loop.fit, or one horizon"
            )
        # One worker: on TensorFlow Keras then prefetches by tf.data.
        super().__init__(workers=1)
        self.batches = batches
        self._epoch = self._first = self._trained = 0
        self._begun, self._next, self._rest_over = False, 0, False
        self._order = (0, batches.rows(0))

    @property
    def num_batches(self) -> int:
        """Batches that are left of this epoch."""
        return self.batches.steps_per_epoch - self._first

    def __getitem__(self, index: int) -> KerasBatch:
        """Return `(inputs, labels, row weights)` of one of the batches that are left.

        Raises:
            IndexError: No such batch.
            ValueError: Keras asks out of order.
        """
        if not 0 <= index < self.num_batches:
            raise IndexError(f"batch {index} of {self.num_batches}")
        if self._begun:
            if index != self._next:
                raise ValueError(
                    f"batches are asked for in order, got {index} instead of {self._next}; give "
                    "model.fit shuffle=False, the dataset shuffles rows by its own seed"
                )
            self._next += 1
        batch = self.batches.take(self._rows()[self._first + index])
        return batch.x, batch.targets["y"], batch.weight[:, 0]

    def on_epoch_begin(self) -> None:
        """Keras starts to ask for batches.

        Raises:
            ValueError: It would go on after the rest of an epoch, with as few batches as that had.
        """
        if self._rest_over:
            raise ValueError(
                "Keras fixes the number of batches for a whole fit: after restore in mid-epoch "
                "fit that epoch alone (epochs=initial_epoch + 1), then call fit again"
            )
        self._begun, self._next = True, 0

    def on_epoch_end(self) -> None:
        """Keras has what it asked for: the next epoch gets another order."""
        self._rest_over = False
        if self._begun and self._next == self.num_batches:
            self._rest_over = self._first > 0
            self._epoch, self._first, self._trained = self._epoch + 1, 0, 0
        self._begun = False

    def state(self) -> dict[str, int]:
        """Return where training stands, JSON-able: seed, epoch and step, both from 0.

        Without `follower()` it knows whole epochs only.
        """
        step = self._first + self._trained
        over = step == self.batches.steps_per_epoch
        return {
            "seed": self.batches.seed,
            "rows": self.batches.arrays.rows,
            "batch_size": self.batches.batch_size,
            "epoch": self._epoch + over,
            "step": 0 if over else step,
        }

    def restore(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken; in mid-epoch, what is left of it is a fit of its own.

        Raises:
            ValueError: A state of other batches.
        """
        now = self.state()
        other = [name for name in ("seed", "rows", "batch_size") if state[name] != now[name]]
        if other:
            told = ", ".join(f"{name} was {state[name]}, is now {now[name]}" for name in other)
            raise ValueError(f"the state belongs to other batches: {told}; build the same dataset")
        if state["epoch"] < 0 or not 0 <= state["step"] < self.batches.steps_per_epoch:
            raise ValueError(
                f"epoch must be at least 0 and step below {self.batches.steps_per_epoch}, got "
                f"{state}; give what state() returned"
            )
        self._epoch, self._first, self._trained = state["epoch"], state["step"], 0
        self._begun = self._rest_over = False

    def follower(self) -> keras.callbacks.Callback:
        """Return the callback that tells this dataset which batches have been trained on."""
        return _Follower(self)

    def _rows(self) -> np.ndarray:
        """Return the rows of this epoch's batches."""
        if self._order[0] != self._epoch:
            self._order = (self._epoch, self.batches.rows(self._epoch))
        return self._order[1]


class _Follower(keras.callbacks.Callback):
    def __init__(self, dataset: WindowDataset) -> None:
        super().__init__()
        self._dataset = dataset

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._dataset._trained = batch + 1
