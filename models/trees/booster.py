"""What a library's boosted trees of one horizon must be able to do."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from ultimate_deep.models.search_space import SearchSpace
from ultimate_deep.models.trees.config import TreeConfig

MOST_LOG_ODDS = 1e9  # that all leaves add up to; beyond it, every probability is 0 or 1


class TreeError(ValueError):
    """Trees cannot be grown, or what lies on disk is not the trees that were written."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Labelled rows of one horizon.

    Args:
        x: Clipped features, float32 `(rows, features)`, C order.
        y: 0.0 or 1.0, float32 `(rows,)`.
        weight: Not negative, float32 `(rows,)`.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Growth:
    """How the trees of one horizon were grown.

    Args:
        loss: Log loss (nats) on the training rows after each tree, `(grown,)`.
        validation_loss: The same on validation, NaN without it.
        kept: Trees kept, those up to the least validation loss; all without validation.
    """

    loss: np.ndarray
    validation_loss: np.ndarray
    kept: int


class Booster(ABC):
    """The trees of one horizon, as one library grows, evaluates and writes them."""

    CONFIG: ClassVar[type[TreeConfig]]
    PRESETS: ClassVar[Mapping[str, TreeConfig]]
    SEARCH_SPACE: ClassVar[SearchSpace]
    SUFFIX: ClassVar[str]

    @classmethod
    @abstractmethod
    def grow(cls, train: Sample, validation: Sample | None, config: Any) -> tuple[Self, Growth]:
        """Grow trees on `train`, keeping those up to the least loss on `validation`.

        Raises:
            TreeError: The library is not installed.
        """

    @abstractmethod
    def margin(self, x: np.ndarray) -> np.ndarray:
        """Return log-odds of up, float64 `(rows,)`, of clipped features."""

    @abstractmethod
    def write(self, path: Path) -> None:
        """Write the trees to one file, without pickle."""

    @classmethod
    @abstractmethod
    def read(cls, path: Path, *, features: int, threads: int) -> Self:
        """Read what `write` wrote.

        Raises:
            TreeError: Not such a file, or trees of another number of features.
        """

    @abstractmethod
    def shapes(self) -> pd.DataFrame:
        """Return one row per tree: `leaves`, `depth` (splits from root to deepest leaf)."""

    @abstractmethod
    def splits(self, features: int) -> np.ndarray:
        """Return how many splits of all trees ask each feature, int64 `(features,)`."""


def kept_trees(validation_loss: np.ndarray) -> int:
    """Return how many trees have the least validation loss, the fewest of equals."""
    known = np.isfinite(validation_loss)
    return int(np.nanargmin(validation_loss)) + 1 if known.any() else len(validation_loss)
