"""The arrays that a fit sees, checked before anything is traced."""

import hashlib
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

Inputs = np.ndarray | dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrays:
    """Rows to train or validate on.

    Args:
        x: Scaled float32 inputs, `(rows, ...)`, or one such array for each named input.
        y: Labels in [0, 1], float32 `(rows, horizons)`.
        weight: Non-negative weight of each row, float32 `(rows,)`; None weighs all alike.

    Raises:
        TypeError: A value that is no NumPy array, or an array that is not float32.
        ValueError: Other shapes, a value that is not finite, a label outside [0, 1], no rows.
    """

    x: Inputs
    y: np.ndarray
    weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, values in self.named().items():
            _check_array(name, values)
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
        _check_range("y", self.y, 0.0, 1.0)
        if self.weight is None:
            return
        if self.weight.ndim != 1:
            raise ValueError(f"weight must have shape (rows,), got {self.weight.shape}; flatten it")
        _check_range("weight", self.weight, 0.0, np.inf)
        if not self.weight.any():
            raise ValueError("weight must have one positive entry, got zeros only")

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def horizons(self) -> int:
        """Number of labels in a row."""
        return int(self.y.shape[1])

    def named(self) -> dict[str, np.ndarray]:
        """Return every array by the name that errors and fingerprints use."""
        inputs = self.x if isinstance(self.x, dict) else {"x": self.x}
        weight = {} if self.weight is None else {"weight": self.weight}
        return {**inputs, "y": self.y, **weight}

    def take(self, index: np.ndarray | slice) -> Inputs:
        """Return the inputs of those rows."""
        if isinstance(self.x, dict):
            return {name: values[index] for name, values in self.x.items()}
        return self.x[index]

    def fingerprint(self) -> str:
        """BLAKE2b over names, shapes and values."""
        digest = hashlib.blake2b(digest_size=16)
        for name, values in self.named().items():
            digest.update(f"{name} {values.shape} {values.dtype}".encode())
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


def check_arrays(model: keras.Model, arrays: Arrays, part: str) -> None:
    """Refuse arrays that do not fit the model's inputs and logits.

    Raises:
        ValueError: Other input names or shapes, another number of horizons, logits that are
            not float32.
    """
    expected = {tensor.name: tuple(tensor.shape) for tensor in model.inputs}
    if isinstance(arrays.x, dict):
        given = {name: values.shape for name, values in arrays.x.items()}
        if set(given) != set(expected):
            raise ValueError(
                f"{part}: the model's inputs are {sorted(expected)}, got {sorted(given)}; "
                "give exactly those"
            )
    elif len(expected) == 1:
        given = {next(iter(expected)): arrays.x.shape}
    else:
        raise ValueError(
            f"{part}: the model has inputs {sorted(expected)}, got one array; give a dict"
        )
    for name, shape in given.items():
        if not _fits(shape, expected[name]):
            raise ValueError(
                f"{part}: input {name!r} must have shape {expected[name]}, got {shape}; "
                "build the model for this width or choose the same features"
            )
    _check_logits(model, arrays, part)


def training_weight(train: Arrays, *, class_weights: bool) -> np.ndarray:
    """Return the weight of each label, float32 `(rows, horizons)`, mean 1 in every horizon.

    Args:
        train: Training rows; labels above one half are the up class.
        class_weights: Whether both classes of a horizon get half of its weight.

    Raises:
        ValueError: Class weights are asked for and a horizon has one class only.
    """
    rows = np.ones(train.rows) if train.weight is None else train.weight.astype(np.float64)
    weight = np.repeat(rows[:, None], train.horizons, axis=1)
    if class_weights:
        up = train.y > 0.5
        for horizon in range(train.horizons):
            for chosen in (up[:, horizon], ~up[:, horizon]):
                total = weight[chosen, horizon].sum()
                if total == 0:
                    raise ValueError(
                        f"class weights need both classes, horizon {horizon} has one; "
                        "turn fit.class_weights off or widen the training part"
                    )
                weight[chosen, horizon] /= total
    return (weight / weight.mean(axis=0)).astype(np.float32)


def _check_logits(model: keras.Model, arrays: Arrays, part: str) -> None:
    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        shapes = [tuple(tensor.shape) for tensor in model.outputs]
        raise ValueError(
            f"the model must have one output (batch, horizons) of logits, got {shapes}"
        )
    output = model.outputs[0]
    if output.shape[1] != arrays.horizons:
        raise ValueError(
            f"{part}: y has {arrays.horizons} horizons but the model {output.shape[1]}; "
            "give one label column per horizon"
        )
    if output.dtype != "float32":
        raise ValueError(
            f"logits must be float32, got {output.dtype}; give the last layer dtype='float32'"
        )


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    if len(shape) != len(expected):
        return False
    return all(want in (None, got) for got, want in zip(shape[1:], expected[1:], strict=True))


def _check_array(name: str, values: Any) -> None:
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise TypeError(f"{name} must be a float32 NumPy array, got {kind}; use .astype('float32')")
    if values.ndim == 0:
        raise ValueError(f"{name} must have a first axis of rows, got a scalar")
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1) if values.size else ()
    if values.size and not np.all(finite):
        row = int(np.argmin(finite))
        raise ValueError(
            f"{name} must be finite, row {row} is not; drop warm-up rows and undefined labels"
        )


def _check_range(name: str, values: np.ndarray, low: float, high: float) -> None:
    bad = ((values < low) | (values > high)).reshape(len(values), -1).any(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"{name} must lie in [{low}, {high}], row {row} has {values[row]}")
