"""Boosted trees with a net's manners: features in, float32 logits out, one folder on disk.

model, result = fit_trees("hist_gradient_boosting", train, validation, config)
model.logits(x)             # float32 (rows, horizons)
model.save(folder)          # arrays, text and JSON, no pickle
load_trees(folder).logits(x)
model.describe()            # one row per tree, for the architecture table
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.fitting.arrays import Arrays
from training.fitting.fit import FitResult
from training.fitting.progress import Progress
from training.trees.booster import Booster, Growth, Sample, TreeError
from training.trees.config import TreeConfig
from training.trees.registry import booster_class, preset_config

__all__ = ["TREES_FILE", "TreeError", "TreeModel", "fit_trees", "load_trees"]

TREES_FILE = "trees.json"
SCHEMA = "ultimate-deep-trees"
SCHEMA_VERSION = 1
TreeInputs = np.ndarray | Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class TreeModel:
    """Fitted trees of all horizons.

    Args:
        name: Key of `training.trees.registry.TREES`.
        config: How they were grown.
        input_shapes: Shape of each input without rows, in the order in which inputs are
            flattened and joined.
        boosters: One for each horizon.
    """

    name: str
    config: TreeConfig
    input_shapes: dict[str, tuple[int, ...]]
    boosters: tuple[Booster, ...]

    @property
    def horizons(self) -> int:
        """Logits per row."""
        return len(self.boosters)

    @property
    def features(self) -> int:
        """Numbers per row, all inputs together."""
        return sum(int(np.prod(shape)) for shape in self.input_shapes.values())

    def logits(self, inputs: TreeInputs) -> np.ndarray:
        """Return log-odds of up, float32 `(rows, horizons)`.

        Args:
            inputs: Float32 arrays `(rows, ...)` by input name; one array where there is but one.

        Raises:
            ValueError: Other inputs or shapes, or a value that is not finite.
        """
        x = _flat(inputs, self.input_shapes, self.config.input_clip)
        return np.column_stack([one.margin(x) for one in self.boosters]).astype(np.float32)

    def describe(self) -> pd.DataFrame:
        """Return one row per tree: `horizon` and `tree` (from 1), `leaves`, `depth`."""
        tables = []
        for horizon, booster in enumerate(self.boosters, start=1):
            shapes = booster.shapes()
            shapes.insert(0, "tree", np.arange(1, len(shapes) + 1))
            shapes.insert(0, "horizon", horizon)
            tables.append(shapes)
        return pd.concat(tables, ignore_index=True)

    def digest(self) -> str:
        """Return what tells these trees from others: SHA-256 over their predictions' parts."""
        text = self.describe().to_csv(index=False) + self.name
        digest = hashlib.sha256(text.encode())
        probe = np.random.default_rng(0).normal(size=(256, self.features)).astype(np.float32)
        for booster in self.boosters:
            digest.update(booster.margin(probe).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the trees into a folder that exists or is made.

        Raises:
            TreeError: The folder holds trees already.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / TREES_FILE).exists():
            raise TreeError(f"{folder} holds trees already and is never overwritten; name another")
        files = {}
        for horizon, booster in enumerate(self.boosters, start=1):
            name = f"horizon_{horizon}{booster.SUFFIX}"
            booster.write(folder / name)
            files[name] = _sha256(folder / name)
        content = {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "config": dataclasses.asdict(self.config),
            "inputs": {name: list(shape) for name, shape in self.input_shapes.items()},
            "files": files,
        }
        (folder / TREES_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def fit_trees(
    name: str,
    train: Arrays,
    validation: Arrays | None = None,
    config: TreeConfig | None = None,
    *,
    weight: np.ndarray | None = None,
    progress: Progress | None = None,
) -> tuple[TreeModel, FitResult]:
    """Grow trees for every horizon; growing stops by the validation part where there is one.

    Args:
        name: Key of `training.trees.registry.TREES`.
        train: Training rows; a label of one half exactly belongs to no side and is left out.
        validation: Validation rows.
        config: Of the library's own kind; its default preset where absent.
        weight: Of each training label, `(rows, horizons)`, such as
            `training.fitting.arrays.training_weight` gives; `train.weight` where absent.
        progress: Told what happens.

    Returns:
        The model, and how it went: `history` has one row per tree, the mean over horizons (a
        horizon that stopped early keeps its last value).

    Raises:
        TreeError: An unknown name, a library that is not installed, another library's
            configuration, or a horizon with one class only.
        ValueError: Validation that does not fit the training part.
    """
    kind = booster_class(name)
    config = config or preset_config(name)
    if type(config) is not kind.CONFIG:
        raise TreeError(
            f"{name!r} is configured by {kind.CONFIG.__name__}, got {type(config).__name__}"
        )
    progress = progress or Progress()
    started = time.monotonic()
    inputs = train.take(slice(None))
    shapes = _shapes(inputs)
    x = _flat(inputs, shapes, config.input_clip)
    if validation is not None:
        x_validation = _flat(validation.take(slice(None)), shapes, config.input_clip)
        _check_horizons(train, validation)
    grown = []
    for horizon in range(train.horizons):
        sample = _sample(x, train, horizon, weight)
        _check_classes(sample, horizon)
        watched = None
        if validation is not None:
            watched = _sample(x_validation, validation, horizon, None)
        text = f"growing trees ({name}, horizon {horizon + 1} of {train.horizons})"
        with progress.busy(text):
            grown.append(kind.grow(sample, watched, config))
    model = TreeModel(name, config, shapes, tuple(booster for booster, _ in grown))
    return model, _result([growth for _, growth in grown], config, time.monotonic() - started)


def load_trees(folder: Path) -> TreeModel:
    """Read what `TreeModel.save` wrote, after its digests were checked.

    Raises:
        TreeError: A file is missing, changed or no such file, or its library is not installed.
    """
    content = _read_content(folder / TREES_FILE)
    try:
        kind = booster_class(content["name"])
        config = kind.CONFIG(**content["config"])
        shapes = {name: tuple(shape) for name, shape in content["inputs"].items()}
        files = dict(content["files"])
        features = sum(int(np.prod(shape)) for shape in shapes.values())
    except (KeyError, TypeError, AttributeError) as error:
        raise TreeError(f"{folder / TREES_FILE} lacks a proper entry ({error}); train again") from (
            error
        )
    names = [f"horizon_{number}{kind.SUFFIX}" for number in range(1, len(files) + 1)]
    if list(files) != names or not names:
        raise TreeError(f"{folder / TREES_FILE} lists {list(files)}, not {names}; train again")
    for name, digest in files.items():
        if not (folder / name).is_file() or _sha256(folder / name) != digest:
            raise TreeError(
                f"{folder / name} is missing or changed since it was written; copy the folder "
                "again from its origin, or train again"
            )
    read = [kind.read(folder / name, features=features, threads=config.threads) for name in names]
    return TreeModel(content["name"], config, shapes, tuple(read))


def _read_content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TreeError(f"{path} cannot be read as JSON ({error}); give a folder of trees") from (
            error
        )
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise TreeError(f"{path} is not of schema {SCHEMA!r}; give a folder of trees")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise TreeError(
            f"{path} has schema version {content.get('schema_version')!r} and this program reads "
            f"{SCHEMA_VERSION}; install the version of ultimate-deep that wrote it"
        )
    return content


def _shapes(inputs: TreeInputs) -> dict[str, tuple[int, ...]]:
    named = inputs if isinstance(inputs, Mapping) else {"features": inputs}
    return {name: tuple(values.shape[1:]) for name, values in named.items()}


def _flat(inputs: TreeInputs, shapes: dict[str, tuple[int, ...]], clip: float) -> np.ndarray:
    """Return all inputs of each row side by side, clipped, float32 `(rows, features)`."""
    if not isinstance(inputs, Mapping):
        inputs = {next(iter(shapes)): inputs} if len(shapes) == 1 else {}
    given = {name: tuple(values.shape[1:]) for name, values in inputs.items()}
    if given != shapes:
        raise ValueError(
            f"the trees take inputs {shapes}, got {given or 'one array'}; give arrays "
            "(rows, ...) of exactly these"
        )
    rows = len(next(iter(inputs.values())))
    x = np.concatenate([inputs[name].reshape(rows, -1) for name in shapes], axis=1)
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"features must be finite, row {int(np.argmin(finite))} is not; leave warm-up rows out"
        )
    return np.ascontiguousarray(np.clip(x, -clip, clip), np.float32)


def _sample(x: np.ndarray, arrays: Arrays, horizon: int, weight: np.ndarray | None) -> Sample:
    y = arrays.y[:, horizon]
    known = y != 0.5
    if weight is not None:
        each = weight[:, horizon]
    else:
        each = np.ones(len(y)) if arrays.weight is None else arrays.weight
    known &= each > 0
    return Sample(
        x=x if known.all() else np.ascontiguousarray(x[known]),
        y=(y[known] > 0.5).astype(np.float32),
        weight=each[known].astype(np.float32),
    )


def _check_classes(sample: Sample, horizon: int) -> None:
    if len(np.unique(sample.y)) < 2:
        raise TreeError(
            f"trees need both classes, horizon {horizon + 1} has {np.unique(sample.y).tolist()} "
            f"in {len(sample.y)} labelled training rows; widen the training part"
        )


def _check_horizons(train: Arrays, validation: Arrays) -> None:
    if train.horizons != validation.horizons:
        raise ValueError(
            f"train has {train.horizons} horizons and validation {validation.horizons}; "
            "give both the same labels"
        )


def _result(growths: list[Growth], config: TreeConfig, seconds: float) -> FitResult:
    longest = max(len(one.loss) for one in growths)
    loss = np.mean([_held(one.loss, longest) for one in growths], axis=0)
    validation = np.mean([_held(one.validation_loss, longest) for one in growths], axis=0)
    history = pd.DataFrame(
        {
            "epoch": np.arange(1, longest + 1),
            "loss": loss,
            "penalty": 0.0,
            "validation_loss": validation,
            "learning_rate": config.learning_rate,
            "seconds": seconds / longest,
        }
    )
    return FitResult(
        history=history,
        best_epoch=max(one.kept for one in growths),
        epochs_run=longest,
        seconds=seconds,
        stopped_reason="early stopping" if longest < config.trees else "finished",
        first_step_seconds=float("nan"),
        step_seconds=seconds / longest,
    )


def _held(values: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([values, np.full(length - len(values), values[-1])])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
