"""Which rows make up which batch: a new order for every epoch, the same for the same seed."""

from dataclasses import dataclass, field

import numpy as np

from ultimate_deep.training.arrays import Arrays, BatchInputs, training_weight


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """One batch, copied out.

    Args:
        x: Inputs, `(batch, ...)`, or such by name.
        targets: What losses compare with, by name, each `(batch, horizons)`.
        weight: Weight of every label, `(batch, horizons)`.
    """

    x: BatchInputs
    targets: dict[str, np.ndarray]
    weight: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Batches:
    """The training part in batches of one size, reshuffled for every epoch.

    The rows of an epoch that fill no batch are left out of it; they differ from epoch to epoch.

    Args:
        arrays: The training part.
        batch_size: Rows of a batch; a smaller part makes one batch of all its rows.
        seed: Seed of the order.
        class_weights: Whether all classes of a horizon weigh the same.
        classes: Classes of the direction head, for the class weights.
        return_weights: How many usual sizes of its return a label weighs at most; 0 weighs alike.

    Raises:
        ValueError: A batch size below 1, or class weights where a class is absent.
    """

    arrays: Arrays
    batch_size: int
    seed: int = 0
    class_weights: bool = False
    classes: int = 2
    return_weights: float = 0.0
    weight: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}; use e.g. 256")
        object.__setattr__(self, "batch_size", min(self.batch_size, self.arrays.rows))
        weight = training_weight(
            self.arrays,
            class_weights=self.class_weights,
            classes=self.classes,
            return_weights=self.return_weights,
        )
        object.__setattr__(self, "weight", weight)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.arrays.rows // self.batch_size

    def rows(self, epoch: int) -> np.ndarray:
        """Return the rows of every batch of one epoch (from 0), int64 `(steps, batch)`."""
        order = epoch_order(self.arrays.rows, seed=self.seed, epoch=epoch)
        used = self.steps_per_epoch * self.batch_size
        return order[:used].reshape(self.steps_per_epoch, self.batch_size)

    def take(self, rows: np.ndarray | slice) -> Batch:
        """Return those rows as one batch."""
        return Batch(
            x=self.arrays.take(rows),
            targets=self.arrays.take_targets(rows),
            weight=self.weight[rows],
        )


def epoch_order(rows: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return the order of rows in one epoch (from 0), int64 `(rows,)`."""
    return np.random.default_rng([seed, epoch]).permutation(rows)
