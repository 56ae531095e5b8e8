"""XGBoost's boosted trees, kept as its JSON model; needs the package xgboost.

Source: Chen & Guestrin (2016), XGBoost: a scalable tree boosting system, arXiv:1603.02754; grown
leaf by leaf as the other two libraries do, not level by level.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from ultimate_deep.machine.plain_json import MOST_MEMORY, parse_json
from ultimate_deep.models.checks import check_range
from ultimate_deep.models.search_space import FloatRange, IntRange, SearchSpace
from ultimate_deep.models.trees.booster import Booster, Growth, Sample, TreeError, kept_trees
from ultimate_deep.models.trees.config import TreeConfig, check_share
from ultimate_deep.models.trees.libraries import tree_library
from ultimate_deep.models.trees.xg_boost_json import check_model, text_for_library

_OBJECTIVE = "binary:logistic"


@dataclass(frozen=True, kw_only=True)
class XgBoostConfig(TreeConfig):
    """Options of XGBoost's trees; features are drawn anew for each split.

    Args:
        min_leaf_hessian: Least sum over a leaf's rows of `weight * p * (1 - p)`: a quarter of
            the rows where nothing is known. Five are the other libraries' twenty rows.
        row_share: Share of the rows that each tree sees, in (0, 1].
    """

    min_leaf_hessian: float = 5.0
    row_share: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("min_leaf_hessian", self.min_leaf_hessian, 0)
        check_share("row_share", self.row_share)


@dataclass(frozen=True, eq=False)
class XgBoost(Booster):
    """XGBoost's trees of one horizon.

    Args:
        booster: `xgboost.Booster` read from `content`.
        content: The model as XGBoost writes it, JSON.
    """

    booster: Any
    content: bytes

    CONFIG: ClassVar[type[TreeConfig]] = XgBoostConfig
    SUFFIX: ClassVar[str] = ".json"
    PRESETS: ClassVar[Mapping[str, TreeConfig]] = MappingProxyType(
        {
            "tiny": XgBoostConfig(trees=10, leaves=7, patience=5, threads=1),
            "default": XgBoostConfig(),
        }
    )
    SEARCH_SPACE: ClassVar[SearchSpace] = {
        "learning_rate": FloatRange(low=0.01, high=0.2, log=True),
        "leaves": IntRange(low=4, high=63),
        "min_leaf_hessian": FloatRange(low=1.0, high=100.0, log=True),
        "l2": FloatRange(low=0.01, high=100.0, log=True),
        "feature_share": FloatRange(low=0.1, high=1.0),
        "row_share": FloatRange(low=0.3, high=1.0),
    }

    @classmethod
    def grow(cls, train: Sample, validation: Sample | None, config: Any) -> tuple[Self, Growth]:
        """Grow trees with `xgboost.train`."""
        library = tree_library("xgboost")
        parts = {"train": _matrix(library, train, config.threads)}
        if validation is not None:
            parts["validation"] = _matrix(library, validation, config.threads)
        record: dict[str, dict[str, list[float]]] = {}
        stops = validation is not None and config.patience
        grown = library.train(
            _options(config), parts["train"], num_boost_round=config.trees,
            evals=[(matrix, name) for name, matrix in parts.items()], evals_result=record,
            early_stopping_rounds=config.patience if stops else None, verbose_eval=False,
        )  # fmt: skip
        loss = np.asarray(record["train"]["logloss"], np.float64)
        watched = np.full(len(loss), np.nan)
        if validation is not None:
            watched = np.asarray(record["validation"]["logloss"], np.float64)
        kept = kept_trees(watched)
        content = bytes(grown[:kept].save_raw("json"))
        growth = Growth(loss=loss, validation_loss=watched, kept=kept)
        return cls._from_content(content, config.threads), growth

    def margin(self, x: np.ndarray) -> np.ndarray:
        """Return log-odds of up, float64 `(rows,)`; XGBoost adds them up in float32."""
        return np.asarray(self.booster.inplace_predict(x, predict_type="margin"), np.float64)

    def write(self, path: Path) -> None:
        """Write XGBoost's JSON model."""
        path.write_bytes(self.content)

    @classmethod
    def read(cls, path: Path, *, features: int, threads: int) -> Self:
        """Read XGBoost's JSON model."""
        library = tree_library("xgboost")
        try:
            content = path.read_bytes()
            # Numbers in long lists take that much, and whoever sends them has written them all.
            model = parse_json(content, most_memory=max(MOST_MEMORY, 32 * len(content)))
            check_model(model, features=features)
            # Of an entry that is there twice, XGBoost might take the other one.
            return cls._from_content(text_for_library(model), threads, written=content)
        except (
            OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
            library.core.XGBoostError,
        ) as error:  # fmt: skip
            raise TreeError(
                f"{path} holds no XGBoost JSON model of {_OBJECTIVE} and {features} features "
                f"({str(error)[:400]}); train again"
            ) from error

    def shapes(self) -> pd.DataFrame:
        """Return leaves and depth of each tree."""
        # One line per node, indented by a tab for each split above it.
        dumps = [dump.splitlines() for dump in self.booster.get_dump()]
        leaves = [sum("leaf=" in line for line in lines) for lines in dumps]
        depth = [max(len(line) - len(line.lstrip("\t")) for line in lines) for lines in dumps]
        return pd.DataFrame({"leaves": leaves, "depth": depth})

    def splits(self, features: int) -> np.ndarray:
        """Return how many splits ask each feature; XGBoost calls them f0, f1 and so on."""
        found = np.zeros(features, np.int64)
        for name, count in self.booster.get_score(importance_type="weight").items():
            found[int(name.removeprefix("f"))] = int(count)
        return found

    @classmethod
    def _from_content(cls, content: bytes, threads: int, *, written: bytes | None = None) -> Self:
        booster = tree_library("xgboost").Booster()
        booster.load_model(bytearray(content))
        booster.set_param({"nthread": threads, "verbosity": 0})
        return cls(booster, written or content)


def _matrix(library: Any, sample: Sample, threads: int) -> Any:
    return library.DMatrix(sample.x, sample.y, weight=sample.weight, nthread=threads)


def _options(config: XgBoostConfig) -> dict[str, Any]:
    return {
        "objective": _OBJECTIVE,
        "eval_metric": "logloss",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "eta": config.learning_rate,
        "max_leaves": config.leaves,
        "max_depth": config.depth,
        "min_child_weight": config.min_leaf_hessian,
        "reg_lambda": config.l2,
        "max_bin": config.bins,
        "colsample_bynode": config.feature_share,
        "subsample": config.row_share,
        "seed": config.seed,
        "nthread": config.threads,
        "verbosity": 0,
    }
