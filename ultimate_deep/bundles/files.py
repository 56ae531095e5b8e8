"""The files of a bundle: their names, how each is written, and how the loader reads its own.

Nothing here unpickles: the `.pkl` files are written for users and never read.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import joblib
import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler

from ultimate_deep.bundles.manifest import BundleError
from ultimate_deep.evaluation import signals
from ultimate_deep.features.judging.outliers import RobustLimits
from ultimate_deep.machine import plain_json
from ultimate_deep.machine.archives import ArchiveError, read_arrays
from ultimate_deep.pipeline.scaling import ArrayScaler

_ULTIMATE = "ultimate"
FILE_PREFIX = f"{_ULTIMATE}_deep_advanced"
FEATURES_FILE = f"{FILE_PREFIX}_features.csv"
SCALER_FILE = f"{FILE_PREFIX}_scaler.pkl"
THRESHOLD_FILE = f"{FILE_PREFIX}_threshold.pkl"
ARCHITECTURE_FILE = f"{FILE_PREFIX}_architecture.csv"
PREPROCESSING_FILE = "preprocessing.npz"
HISTORY_FILE = "history.csv"
CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.json"
FORECASTS_FILE = "forecasts.csv"
CONFUSION_FILE = "confusion.csv"
READ_ON_LOAD = (FEATURES_FILE, PREPROCESSING_FILE, CONFIG_FILE, METRICS_FILE)
_PURPOSES = {
    FEATURES_FILE: "features in the model's order, with their families",
    SCALER_FILE: "scikit-learn's RobustScaler, fitted on the training part; after a clipping of "
    "outliers where features.clip_multiple is set",
    THRESHOLD_FILE: "least probability of the side taken, a float",
    PREPROCESSING_FILE: "scaler, temperature and threshold as plain arrays",
    ARCHITECTURE_FILE: "every part of the model",
    HISTORY_FILE: "losses of every epoch",
    CONFIG_FILE: "what the run was asked to do",
    METRICS_FILE: "what came out",
    FORECASTS_FILE: "accuracy, F1, MCC, ... of every horizon, class and quantile",
    CONFUSION_FILE: "labels against predictions, of every horizon",
    "report.json": "the figures of this page",
    "manifest.json": "versions, data fingerprint, SHA-256 of every file",
}
_ARRAYS = ("center", "scale", "temperature", "threshold")
_LIMITS = ("low", "high")
_FURTHER = ("/center", "/scale", "/low", "/high")
# Beyond these, scaled float32 features are all zero or infinite, and probabilities all 1/2 or 0, 1.
SCALER_RANGE = (1e-30, 1e30)
TEMPERATURE_RANGE = (1e-3, 1e5)


def file_of_model(name: str, model: str) -> str:
    """Return a file's name in the bundle of a model: `lstm_deep_advanced_model.h5` of an LSTM.

    Args:
        name: The name that it has for the ultimate net, or one that all models share.
        model: Name of the model.
    """
    if not name.startswith(FILE_PREFIX):
        return name
    return model + name.removeprefix(_ULTIMATE)


def file_in(folder: Path, name: str) -> Path:
    """Return the file of a bundle that is called `name` for the ultimate net.

    Bundles written before files were named after their model have that very name.
    """
    if (folder / name).exists():
        return folder / name
    found = sorted(folder.glob("*" + name.removeprefix(_ULTIMATE)))
    return found[0] if len(found) == 1 else folder / name


def bundle_purposes(own: Mapping[str, str], *, parts: str) -> dict[str, str]:
    """Return what each file of a bundle of one model is for.

    Args:
        own: The same of the files that its kind of model has.
        parts: What the table of its architecture lists.
    """
    return {**own, **_PURPOSES, ARCHITECTURE_FILE: parts}


def write_preprocessing(
    folder: Path,
    scaler: RobustScaler,
    temperature: np.ndarray,
    threshold: float,
    further: Mapping[str, RobustScaler] = MappingProxyType({}),
    limits: Mapping[str, RobustLimits] = MappingProxyType({}),
) -> None:
    """Write scalers and threshold twice: pickled for users, as plain arrays for the loader.

    Args:
        folder: Folder of the draft.
        scaler: Scaler of the features.
        temperature: Float64 `(horizons,)`.
        threshold: Least probability of the side taken.
        further: Input name to the scaler of its own table; users find all in one dict then, the
            features' own under `features`.
        limits: Input name to limits of its values, likewise.
    """
    pickled = {
        name: _for_users(one, limits.get(name))
        for name, one in {"features": scaler, **further}.items()
    }
    joblib.dump(pickled if further else pickled["features"], folder / SCALER_FILE)
    joblib.dump(float(threshold), folder / THRESHOLD_FILE)
    arrays: dict[str, Any] = {"temperature": temperature, "threshold": np.float64(threshold)}
    for name, plain in all_scalers(scaler, further, limits).items():
        prefix = "" if name == "features" else f"{name}/"
        for what in ("center", "scale", *_LIMITS):
            if getattr(plain, what) is not None:
                arrays[prefix + what] = getattr(plain, what)
    np.savez(folder / PREPROCESSING_FILE, **arrays)


def all_scalers(
    scaler: RobustScaler,
    further: Mapping[str, RobustScaler],
    limits: Mapping[str, RobustLimits],
) -> dict[str, ArrayScaler]:
    """Return every input's scaler as plain arrays, the features' own first, as `features`."""
    return {
        name: ArrayScaler.from_sklearn(one, limits.get(name))
        for name, one in {"features": scaler, **further}.items()
    }


def _for_users(scaler: RobustScaler, limits: RobustLimits | None) -> RobustScaler | Pipeline:
    """Return what is pickled: nothing of ours, so that scikit-learn alone can load it."""
    if limits is None:
        return scaler
    bounds = {
        "a_min": np.array(limits.low, np.float32),
        "a_max": np.array(limits.high, np.float32),
    }
    return Pipeline([("clip", FunctionTransformer(np.clip, kw_args=bounds)), ("scale", scaler)])


def read_further_scalers(path: Path) -> dict[str, ArrayScaler]:
    """Return the scalers of further inputs by name; none where the features are all there is.

    Raises:
        BundleError: An array is absent, pickled, misshapen or out of range.
    """
    arrays = _read_arrays(path)
    names = [name.removesuffix("/center") for name in arrays if name.endswith("/center")]
    limited = [name for name in names if f"{name}/low" in arrays]
    wanted = 2 * (len(names) + len(limited)) + (2 if "low" in arrays else 0)
    if len(arrays) != len(_ARRAYS) + wanted:
        raise BundleError(f"{path} holds no scaler of center and scale for each input; train again")
    return {name: _scaler(path, arrays, f"{name}/") for name in names}


def read_preprocessing(path: Path) -> tuple[ArrayScaler, np.ndarray, float]:
    """Return scaler, temperature float64 `(horizons,)` and threshold from plain arrays.

    Raises:
        BundleError: An array is absent, pickled, misshapen or out of range.
    """
    arrays = _read_arrays(path)
    scaler = _scaler(path, arrays, "")
    threshold = arrays["threshold"]
    if threshold.ndim != 0:
        raise BundleError(
            f"{path} does not hold the plain arrays {', '.join(_ARRAYS)}: threshold is one number, "
            f"got shape {threshold.shape}; train again"
        )
    return scaler, arrays["temperature"], float(threshold)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        arrays = read_arrays(path, _ARRAYS, lambda name: name in _LIMITS or name.endswith(_FURTHER))
    except ArchiveError as error:
        raise BundleError(
            f"{path} does not hold the plain arrays {', '.join(_ARRAYS)}: {error}; train again"
        ) from error
    if wrong := [name for name, values in arrays.items() if values.dtype != np.float64]:
        raise BundleError(
            f"{path} holds float64 numbers, got {arrays[wrong[0]].dtype} as {wrong[0][:80]!r}; "
            "train again"
        )
    return arrays


def _scaler(path: Path, arrays: Mapping[str, np.ndarray], prefix: str) -> ArrayScaler:
    try:
        low, high = (arrays.get(f"{prefix}{name}") for name in _LIMITS)
        scaler = ArrayScaler(
            center=arrays[f"{prefix}center"], scale=arrays[f"{prefix}scale"], low=low, high=high
        )
    except (KeyError, ValueError) as error:
        raise BundleError(f"{path} holds no proper scaler ({error}); train again") from error
    check_scaler(scaler, prefix.removesuffix("/") or "features")
    return scaler


def write_features(path: Path, names: Sequence[str], families: Sequence[str]) -> None:
    """Write the table of position, name and family."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("position", "name", "family"))
        pairs = zip(names, families, strict=True)
        writer.writerows((i, name, family) for i, (name, family) in enumerate(pairs))


def read_features(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names and families in order.

    Raises:
        BundleError: A column is absent, or positions do not count from zero.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True, restval=""))
        if [row["position"] for row in rows] != [str(i) for i in range(len(rows))]:
            raise ValueError("positions do not count from zero")
        return tuple(row["name"] for row in rows), tuple(row["family"] for row in rows)
    except (KeyError, ValueError, csv.Error) as error:
        raise BundleError(
            f"{path} is no table of position, name, family ({error}); train again"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        BundleError: A file that is not JSON, or not an object.
    """
    try:
        values = plain_json.read_json(path)
    except plain_json.JsonError as error:
        raise BundleError(f"{path} cannot be read: {error}; train again") from error
    if not isinstance(values, dict):
        raise BundleError(f"{path} is not a JSON object; train again")
    return values


def check_names(names: Sequence[str]) -> None:
    """Raise `BundleError` unless names are unique and not empty."""
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)[:8]
    if repeated or not all(names):
        raise BundleError(
            f"feature names are unique and not empty, got {repeated or 'an empty name'}; "
            "use the names of one FeatureMatrix"
        )


def check_scaler(scaler: ArrayScaler, name: str = "features") -> None:
    """Raise `BundleError` for a scaler of which no scaled float32 number would be left."""
    low, high = SCALER_RANGE
    wrong = (np.abs(scaler.center) > high) | (scaler.scale < low) | (scaler.scale > high)
    if wrong.any():
        column = int(np.flatnonzero(wrong)[0])
        raise BundleError(
            f"a scaler's center is at most {high:g} and its scale from {low:g} to {high:g}, got "
            f"center {scaler.center[column]:g} and scale {scaler.scale[column]:g} for feature "
            f"number {column} of {name}; fit it on rows of such values"
        )


def check_temperature(temperature: np.ndarray, horizons: int) -> None:
    """Raise `BundleError` unless there is one temperature in range per horizon."""
    low, high = TEMPERATURE_RANGE
    if temperature.shape != (horizons,):
        raise BundleError(
            f"temperature is positive, one for each of {horizons} horizons, got an array of shape "
            f"{temperature.shape}; use what fit_temperature returns"
        )
    wrong = [one for one in temperature.tolist() if not low <= one <= high]
    if wrong:
        raise BundleError(
            f"temperature is positive, from {low:g} to {high:g} for each of {horizons} horizons, "
            f"got {wrong[:8]}; use what fit_temperature returns"
        )


def check_threshold(threshold: float) -> None:
    """Raise `BundleError` unless the threshold is one that signals accept."""
    try:
        signals.check_threshold(threshold)
    except ValueError as error:
        raise BundleError(f"{error}; use what choose_threshold returns") from error
