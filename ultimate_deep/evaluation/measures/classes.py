"""Measures of predicted classes, all of them read off one confusion matrix."""

import math

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, same_length, vector

Counts = npt.NDArray[np.int64]
CLASS_NAMES = {2: ("down", "up"), 3: ("down", "flat", "up")}


def class_confusion(label: npt.ArrayLike, predicted: npt.ArrayLike, *, classes: int) -> Counts:
    """Counts of shape `(classes, classes)`: row is the label, column the prediction.

    Args:
        label: Class numbers from 0, shape `(rows,)`.
        predicted: Predicted classes, likewise.
        classes: How many there are, at least 2.

    Raises:
        ValueError: Lengths that differ, no rows, or a number that is no class, NaN included.
    """
    if classes < 2:
        raise ValueError(f"classes must be at least 2, got {classes}")
    truth = class_codes("label", label, classes)
    guess = class_codes("predicted", predicted, classes)
    same_length(label=truth, predicted=guess)
    cells = np.bincount(classes * truth + guess, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def class_codes(name: str, values: npt.ArrayLike, classes: int) -> Counts:
    """Return class numbers as int64, shape `(rows,)`.

    Raises:
        ValueError: A value that is not one of 0 to `classes - 1`.
    """
    array = vector(name, values)
    bad = (array != np.floor(array)) | (array < 0) | (array >= classes)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{name} must be a class from 0 to {classes - 1}, got {array[row]} at row {row}; "
            "drop undefined rows, and take the most probable class of probabilities first"
        )
    return array.astype(np.int64)


def accuracy_of(confusion: npt.ArrayLike) -> float:
    """Share of rows on the diagonal. NaN without rows."""
    counts = _counts(confusion)
    return _share(np.trace(counts), counts.sum())


def precision_of(confusion: npt.ArrayLike) -> Array1D:
    """Share of each class's predictions that are right, `(classes,)`. NaN where there are none."""
    counts = _counts(confusion)
    return _shares(np.diag(counts), counts.sum(axis=0))


def recall_of(confusion: npt.ArrayLike) -> Array1D:
    """Share of each class's rows that are found, `(classes,)`. NaN where there are none."""
    counts = _counts(confusion)
    return _shares(np.diag(counts), counts.sum(axis=1))


def f1_of(confusion: npt.ArrayLike) -> Array1D:
    """Harmonic mean of precision and recall, `(classes,)`.

    `2 TP / (2 TP + FP + FN)`: 0 where a class is there and never rightly called, NaN only where
    it is neither there nor called. Source: van Rijsbergen (1979), Information Retrieval, ch. 7.
    """
    counts = _counts(confusion)
    return _shares(2.0 * np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1))


def mcc_of(confusion: npt.ArrayLike) -> float:
    """Matthews' correlation coefficient for any number of classes, in [-1, 1].

    0 is what chance gives at any share of classes. NaN where the labels or the predictions are
    all of one class. Source: Gorodkin (2004), Computational Biology and Chemistry 28, eq. 8.
    """
    counts = _counts(confusion).astype(np.float64)
    rows, right = counts.sum(), np.trace(counts)
    labels, calls = counts.sum(axis=1), counts.sum(axis=0)
    spread = (rows**2 - labels @ labels) * (rows**2 - calls @ calls)
    if spread <= 0.0:
        return math.nan
    return float((right * rows - labels @ calls) / math.sqrt(spread))


def mean_of_known(values: npt.ArrayLike) -> float:
    """Mean of the classes whose measure is defined. NaN where none is."""
    array = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    return float(known.mean()) if len(known) else math.nan


def _counts(confusion: npt.ArrayLike) -> Counts:
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or len(counts) < 2:
        raise ValueError(
            f"a confusion matrix has shape (classes, classes), got {counts.shape}; "
            "take it from `class_confusion`"
        )
    return counts


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan


def _shares(part: npt.NDArray, whole: npt.NDArray) -> Array1D:
    out = np.full(len(part), math.nan)
    return np.divide(part, whole, out=out, where=whole > 0)
