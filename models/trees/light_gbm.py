"""LightGBM's boosted trees, kept as its text model; needs the package lightgbm.

Source: Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 30.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from ultimate_deep.models.checks import check_range
from ultimate_deep.models.search_space import FloatRange, IntRange, SearchSpace
from ultimate_deep.models.trees.booster import Booster, Growth, Sample, TreeError, kept_trees
from ultimate_deep.models.trees.config import TreeConfig, check_share
from ultimate_deep.models.trees.libraries import tree_library
from ultimate_deep.models.trees.light_gbm_text import text_for_library, tree_shapes


@dataclass(frozen=True, kw_only=True)
class LightGbmConfig(TreeConfig):
    """Options of LightGBM's trees; features are drawn anew for each split.

    Args:
        min_leaf_rows: Fewest training rows of a leaf.
        row_share: Share of the rows that each tree sees, in (0, 1].
    """

    min_leaf_rows: int = 20
    row_share: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("min_leaf_rows", self.min_leaf_rows, 1)
        check_share("row_share", self.row_share)


@dataclass(frozen=True, eq=False)
class LightGbm(Booster):
    """LightGBM's trees of one horizon.

    Args:
        booster: `lightgbm.Booster` read from `text`.
        text: The model as LightGBM writes it.
        threads: OpenMP threads while predicting.
    """

    booster: Any
    text: str
    threads: int

    CONFIG: ClassVar[type[TreeConfig]] = LightGbmConfig
    SUFFIX: ClassVar[str] = ".txt"
    PRESETS: ClassVar[Mapping[str, TreeConfig]] = MappingProxyType(
        {
            "tiny": LightGbmConfig(trees=10, leaves=7, patience=5, threads=1),
            "default": LightGbmConfig(),
        }
    )
    SEARCH_SPACE: ClassVar[SearchSpace] = {
        "learning_rate": FloatRange(low=0.01, high=0.2, log=True),
        "leaves": IntRange(low=4, high=63),
        "min_leaf_rows": IntRange(low=10, high=500, step=10),
        "l2": FloatRange(low=0.01, high=100.0, log=True),
        "feature_share": FloatRange(low=0.1, high=1.0),
        "row_share": FloatRange(low=0.3, high=1.0),
    }

    @classmethod
    def grow(cls, train: Sample, validation: Sample | None, config: Any) -> tuple[Self, Growth]:
        """Grow trees with `lightgbm.train`."""
        library = tree_library("lightgbm")
        options = _options(config)
        sets = {"train": library.Dataset(train.x, train.y, weight=train.weight, params=options)}
        record: dict[str, dict[str, list[float]]] = {}
        callbacks = [library.record_evaluation(record)]
        if validation is not None:
            sets["validation"] = library.Dataset(
                validation.x, validation.y, weight=validation.weight, reference=sets["train"]
            )
            if config.patience:
                callbacks.append(library.early_stopping(config.patience, verbose=False))
        grown = library.train(
            options, sets["train"], num_boost_round=config.trees, callbacks=callbacks,
            valid_sets=list(sets.values()), valid_names=list(sets),
        )  # fmt: skip
        loss = np.asarray(record["train"]["binary_logloss"], np.float64)
        watched = np.full(len(loss), np.nan)
        if validation is not None:
            watched = np.asarray(record["validation"]["binary_logloss"], np.float64)
        kept = kept_trees(watched)
        text = grown.model_to_string(num_iteration=kept)
        growth = Growth(loss=loss, validation_loss=watched, kept=kept)
        return cls._from_text(text, config.threads), growth

    def margin(self, x: np.ndarray) -> np.ndarray:
        """Return log-odds of up, float64 `(rows,)`."""
        raw = self.booster.predict(x, raw_score=True, num_threads=self.threads)
        return np.asarray(raw, np.float64)

    def write(self, path: Path) -> None:
        """Write LightGBM's text model."""
        path.write_text(self.text, encoding="utf-8")

    @classmethod
    def read(cls, path: Path, *, features: int, threads: int) -> Self:
        """Read LightGBM's text model."""
        library = tree_library("lightgbm")
        try:
            text = path.read_text(encoding="utf-8")
            tree_shapes(text, features=features)
            read = cls._from_text(text, threads)
        except (OSError, ValueError, library.basic.LightGBMError) as error:
            raise TreeError(
                f"{path} holds no LightGBM text model of two classes and {features} features "
                f"({str(error)[:400]}); train again"
            ) from error
        return read

    def shapes(self) -> pd.DataFrame:
        """Return leaves and depth of each tree."""
        return pd.DataFrame([dataclasses.asdict(shape) for shape in tree_shapes(self.text)])

    def splits(self, features: int) -> np.ndarray:
        """Return how many splits ask each feature."""
        return np.asarray(self.booster.feature_importance("split"), np.int64)

    @classmethod
    def _from_text(cls, text: str, threads: int) -> Self:
        booster = tree_library("lightgbm").Booster(model_str=text_for_library(text))
        return cls(booster, text, threads)


def _options(config: LightGbmConfig) -> dict[str, Any]:
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "max_depth": config.depth or -1,
        "min_data_in_leaf": config.min_leaf_rows,
        "lambda_l2": config.l2,
        "max_bin": config.bins,
        "feature_fraction_bynode": config.feature_share,
        "bagging_fraction": config.row_share,
        "bagging_freq": 1 if config.row_share < 1 else 0,
        "seed": config.seed,
        "num_threads": config.threads,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "verbosity": -1,
    }
