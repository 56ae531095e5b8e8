"""Boosted trees with a net's manners: features in, float32 logits out, one folder on disk.

model.logits(x)             # float32 (rows, horizons)
model.save(folder)          # arrays, text and JSON, no pickle
load_trees(folder).logits(x)
model.describe()            # one row per tree, for the architecture table
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep.machine.plain_json import JsonError, read_json
from ultimate_deep.models.trees.booster import Booster, TreeError
from ultimate_deep.models.trees.config import TreeConfig
from ultimate_deep.models.trees.registry import booster_class

__all__ = ["TREES_FILE", "TreeError", "TreeModel", "flat_inputs", "load_trees", "shapes_of"]

TREES_FILE = "trees.json"
SCHEMA = "ultimate-deep-trees"
SCHEMA_VERSION = 1
MOST_THREADS = 1024
TreeInputs = np.ndarray | Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class TreeModel:
    """Fitted trees of all horizons.

    Args:
        name: Key of `models.trees.registry.TREES`.
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
        x = flat_inputs(inputs, self.input_shapes, self.config.input_clip)
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
        features = sum(math.prod(shape) for shape in shapes.values())
        _check_plain(shapes, config)
    except (KeyError, OverflowError, TypeError, ValueError, AttributeError) as error:
        raise TreeError(
            f"{folder / TREES_FILE} lacks a proper entry ({str(error)[:200]}); train again"
        ) from error
    names = [f"horizon_{number}{kind.SUFFIX}" for number in range(1, len(files) + 1)]
    if list(files) != names or not names:
        raise TreeError(
            f"{folder / TREES_FILE} lists {str(list(files))[:80]}, not {str(names)[:80]}; train "
            "again"
        )
    for name, digest in files.items():
        if not (folder / name).is_file() or _sha256(folder / name) != digest:
            raise TreeError(
                f"{folder / name} is missing or changed since it was written; copy the folder "
                "again from its origin, or train again"
            )
    read = [kind.read(folder / name, features=features, threads=config.threads) for name in names]
    return TreeModel(content["name"], config, shapes, tuple(read))


def _check_plain(shapes: Mapping[str, tuple[int, ...]], config: TreeConfig) -> None:
    """Raise `ValueError` for what would end in a library's own failure."""
    sizes = [size for shape in shapes.values() for size in shape]
    if not sizes or any(type(size) is not int or not 1 <= size < 2**31 for size in sizes):
        raise ValueError(f"inputs have sizes from 1, got {str(dict(shapes))[:80]}")
    for name, value in dataclasses.asdict(config).items():
        if not isinstance(value, int | float):
            raise ValueError(f"{name} is a number, got {str(value)[:80]!r}")
    if config.threads > MOST_THREADS:
        raise ValueError(f"threads are at most {MOST_THREADS}, got {config.threads}")


def _read_content(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except JsonError as error:
        raise TreeError(f"{path} cannot be read: {error}; give a folder of trees") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise TreeError(f"{path} is not of schema {SCHEMA!r}; give a folder of trees")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise TreeError(
            f"{path} has schema version {str(content.get('schema_version'))[:80]} and this program "
            f"reads {SCHEMA_VERSION}; install the version of ultimate-deep that wrote it"
        )
    return content


def shapes_of(inputs: TreeInputs) -> dict[str, tuple[int, ...]]:
    """Return each input's shape without rows; one array is called `features`."""
    named = inputs if isinstance(inputs, Mapping) else {"features": inputs}
    return {name: tuple(values.shape[1:]) for name, values in named.items()}


def flat_inputs(inputs: TreeInputs, shapes: dict[str, tuple[int, ...]], clip: float) -> np.ndarray:
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


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
