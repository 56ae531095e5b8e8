"""Which parts a walk-forward trains and tests on, in which order."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.schemes.combinatorial import CombinatorialPurged
from ultimate_deep.evaluation.schemes.purged_k_fold import PurgedKFold
from ultimate_deep.evaluation.schemes.purging import Fold, Spans, period_between, purged_fold
from ultimate_deep.evaluation.schemes.scheme import Scheme
from ultimate_deep.evaluation.schemes.walk_forward import WalkForward
from ultimate_deep.market.splits import Split
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig

SchemeName = Literal["expanding", "rolling", "purged_k_fold", "combinatorial"]
TITLES: dict[SchemeName, str] = {
    "expanding": "Expanding walk-forward",
    "rolling": "Rolling walk-forward",
    "purged_k_fold": "Purged K-fold",
    "combinatorial": "Combinatorial purged cross-validation",
}


@dataclass(frozen=True, kw_only=True)
class WalkForwardConfig:
    """How often to train anew, and on what.

    The embargo is that of the experiment's split.

    Args:
        scheme: `expanding` and `rolling` train on the past alone; `purged_k_fold` and
            `combinatorial` also on what came after the test period, purged, so they compare
            models and are no trader's account.
        train: First training part of a walk-forward, in decision times, or as a share below 1.
        test: Each test part of a walk-forward, likewise.
        folds: Test parts of `purged_k_fold`.
        groups: Stretches of time of `combinatorial`.
        test_groups: How many of them each of its splits tests.
        validation: The newest share of each training part, held back for early stopping,
            temperature and threshold.
    """

    scheme: SchemeName = "expanding"
    train: int | float = 0.4
    test: int | float = 0.1
    folds: int = 5
    groups: int = 6
    test_groups: int = 2
    validation: float = 0.15

    def __post_init__(self) -> None:
        if not 0 < self.validation < 1:
            raise ValueError(f"validation is a share in (0, 1), got {self.validation}; use 0.15")

    @property
    def past_only(self) -> bool:
        """Whether training parts end before their test part begins."""
        return self.scheme in ("expanding", "rolling")


def make_scheme(walk: WalkForwardConfig, spans: Spans, embargo_bars: int) -> Scheme:
    """Return the configured scheme over these rows.

    Raises:
        ValueError: Sizes that the rows do not allow.
    """
    if walk.scheme == "purged_k_fold":
        return PurgedKFold(spans, n_splits=walk.folds, embargo_bars=embargo_bars)
    if walk.scheme == "combinatorial":
        return CombinatorialPurged(
            spans,
            n_groups=walk.groups,
            n_test_groups=walk.test_groups,
            embargo_bars=embargo_bars,
        )
    return WalkForward(
        spans, kind=walk.scheme, train=walk.train, test=walk.test, embargo_bars=embargo_bars
    )


def fold_split(spans: Spans, fold: Fold, *, validation: float, embargo_bars: int) -> Split:
    """Hold back the newest training rows for validation, and purge the others beside them.

    Args:
        spans: Of all rows.
        fold: What may train and what is tested.
        validation: Share of the fold's training times.
        embargo_bars: Between training and validation.

    Raises:
        ValueError: Nothing is left to train on.
    """
    places = np.unique(spans.place[fold.train])
    first = int(places[int(len(places) * (1.0 - validation))])
    asked = np.zeros(len(spans), bool)
    asked[fold.train] = True
    period = period_between(spans, first, len(spans.times))
    inner = purged_fold(spans, asked, (period,), embargo_bars)
    if inner.train.size == 0:
        raise ValueError(
            f"{fold.train.size} training rows leave none beside a validation share of {validation} "
            "and its purge; bring more bars, or ask for fewer and longer test parts"
        )
    return Split(
        train=inner.train,
        validation=np.intersect1d(inner.test, fold.train),
        test=fold.test,
        boundaries=(_stamp(period.start), _stamp(fold.periods[0].start)),
        purged=fold.purged.size + inner.purged.size,
        embargoed=fold.embargoed.size + inner.embargoed.size,
    )


def quick(config: ExperimentConfig) -> ExperimentConfig:
    """Return a small experiment of the same kind, to see it run: its figures mean nothing."""
    return dataclasses.replace(
        config,
        name=f"{config.name}-quick",
        data=dataclasses.replace(config.data, simulated_rows=3_000),
        features=FeatureConfig(names=("return_log_1", "rsi_14", "momentum_z_20")),
        model=ModelConfig(name="mlp"),
        fit=FitConfig(epochs=2, jit_compile=False),
        baselines=False,
    )


def _stamp(time: np.datetime64) -> pd.Timestamp:
    return pd.Timestamp(time).tz_localize("UTC")
