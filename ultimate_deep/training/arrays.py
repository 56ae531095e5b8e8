"""The arrays that a fit sees, checked before anything is traced."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ultimate_deep.machine.stored_rows import StoredRows
from ultimate_deep.market.windows import Windows
from ultimate_deep.training.array_checks import add_to_digest, check_range, check_values

Values = np.ndarray | Windows | StoredRows
Inputs = Values | Mapping[str, Values]
BatchInputs = np.ndarray | dict[str, np.ndarray]

TARGETS = ("y", "returns", "return_scale")
RESERVED = (*TARGETS, "weight")


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrays:
    """Rows to train or validate on.

    Args:
        x: Scaled float32 inputs, `(rows, ...)`, or such inputs by name; each an array, or
            `Windows` or `StoredRows`, whose batches are copied out when they are needed.
        y: Labels in [0, 1], float32 `(rows, horizons)`: 0 down, 1 up, 0.5 flat.
        returns: Log return over each horizon, float32 of the shape of `y`; losses on returns
            need it.
        return_scale: Its usual size (volatility of a bar times the root of the horizon's bars),
            positive, float32 of the shape of `y`.
        weight: Non-negative weight of each row, float32 `(rows,)`; None weighs all alike.

    Raises:
        TypeError: A value that is neither a NumPy array nor `Windows`, or that is not float32.
        ValueError: Other shapes, a value that is not finite (of windows: a bar that a window
            covers), a label outside [0, 1], a scale that is not positive, no rows.
    """

    x: Inputs
    y: np.ndarray
    returns: np.ndarray | None = None
    return_scale: np.ndarray | None = None
    weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        taken = sorted(set(self.inputs()) & set(RESERVED))
        if taken:
            raise ValueError(f"inputs may not be called {RESERVED}, got {taken}; rename them")
        for name, values in self.named().items():
            check_values(name, values)
        if self.y.ndim != 2:
            raise ValueError(
                f"y must have shape (rows, horizons), got {self.y.shape}; a vector would broadcast "
                "against logits (rows, 1): give y[:, None]"
            )
        for name, values in self.named().items():
            if len(values) != self.rows:
                raise ValueError(
                    f"{name} has {len(values)} rows but y has {self.rows}; give one row per label"
                )
        if self.rows == 0:
            raise ValueError("y must have at least one row, got none; widen the split")
        check_range("y", self.y, 0.0, 1.0)
        self._check_returns()
        self._check_weight()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def horizons(self) -> int:
        """Number of labels in a row."""
        return int(self.y.shape[1])

    def inputs(self) -> dict[str, Values]:
        """Return the inputs by name; a single one without a name is called `x`."""
        return dict(self.x) if isinstance(self.x, Mapping) else {"x": self.x}

    def targets(self) -> dict[str, np.ndarray]:
        """Return what losses compare predictions with, by name, each `(rows, horizons)`."""
        named = {name: getattr(self, name) for name in TARGETS}
        return {name: values for name, values in named.items() if values is not None}

    def named(self) -> dict[str, Values]:
        """Return every array by the name that errors and fingerprints use."""
        weight = {} if self.weight is None else {"weight": self.weight}
        return {**self.inputs(), **self.targets(), **weight}

    def take(self, index: np.ndarray | slice) -> BatchInputs:
        """Return the inputs of those rows, as ordinary arrays."""
        if isinstance(self.x, Mapping):
            return {name: values[index] for name, values in self.x.items()}
        return self.x[index]

    def take_targets(self, index: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Return the targets of those rows."""
        return {name: values[index] for name, values in self.targets().items()}

    @property
    def row_bytes(self) -> int:
        """Bytes of the inputs of one row."""
        return sum(math.prod(v.shape[1:]) * v.dtype.itemsize for v in self.inputs().values())

    def fingerprint(self) -> str:
        """BLAKE2b over names, shapes and values; of windows, over the bars that they cover."""
        digest = hashlib.blake2b(digest_size=16)
        for name, values in self.named().items():
            digest.update(f"{name} {values.shape} {values.dtype}".encode())
            add_to_digest(digest, values)
        return digest.hexdigest()

    def _check_returns(self) -> None:
        for name, values in self.targets().items():
            if values.shape != self.y.shape:
                raise ValueError(
                    f"{name} must have the shape of y, {self.y.shape}, got {values.shape}; give "
                    "one value for each label"
                )
        if self.return_scale is not None:
            smallest = float(np.finfo(np.float32).tiny)
            check_range("return_scale", self.return_scale, smallest, np.inf)

    def _check_weight(self) -> None:
        if self.weight is None:
            return
        if self.weight.ndim != 1:
            raise ValueError(f"weight must have shape (rows,), got {self.weight.shape}; flatten it")
        check_range("weight", self.weight, 0.0, np.inf)
        if not self.weight.any():
            raise ValueError("weight must have one positive entry, got zeros only")


def training_weight(
    train: Arrays, *, class_weights: bool, classes: int = 2, return_weights: float = 0.0
) -> np.ndarray:
    """Return the weight of each label, float32 `(rows, horizons)`, mean 1 in every horizon.

    Args:
        train: Training rows; labels above one half are the up class.
        class_weights: Whether all classes of a horizon get the same share of its weight.
        classes: 2 for up and not up, 3 for down, flat and up.
        return_weights: Above 0, a label weighs as many usual sizes as its return has, and at most
            so many.

    Raises:
        ValueError: Class weights are asked for and a horizon lacks a class, or weights by returns
            and there are none, or all are zero.
    """
    rows = np.ones(train.rows) if train.weight is None else train.weight.astype(np.float64)
    weight = np.repeat(rows[:, None], train.horizons, axis=1)
    if return_weights:
        weight *= _sizes(train, return_weights)
        if empty := np.flatnonzero(weight.sum(axis=0) == 0.0).tolist():
            raise ValueError(
                f"weights by returns need a return that is not zero in horizon {empty[0]}, got "
                "zeros in all rows that weigh anything; leave fit.return_weights out"
            )
    if class_weights:
        for horizon in range(train.horizons):
            for chosen in _classes_of(train.y[:, horizon], classes):
                total = weight[chosen, horizon].sum()
                if total == 0:
                    raise ValueError(
                        f"class weights need {_number(classes)} classes, horizon {horizon} lacks "
                        "one; turn fit.class_weights off or widen the training part"
                    )
                weight[chosen, horizon] /= total
    return (weight / weight.mean(axis=0)).astype(np.float32)


def _sizes(train: Arrays, largest: float) -> np.ndarray:
    """Return how many usual sizes each return has, at most `largest`, `(rows, horizons)`."""
    if train.returns is None or train.return_scale is None:
        raise ValueError(
            "weights by returns need the returns of the labels and their usual sizes, got none; "
            "give returns and return_scale, or leave fit.return_weights out"
        )
    sizes = np.abs(train.returns.astype(np.float64)) / train.return_scale
    return np.minimum(sizes, largest)


def _classes_of(y: np.ndarray, classes: int) -> tuple[np.ndarray, ...]:
    """Return the rows of every class, one mask each."""
    if classes == 3:
        return y > 0.5, y == 0.5, y < 0.5
    return y > 0.5, y <= 0.5


def _number(classes: int) -> str:
    return "all three" if classes == 3 else "both"
