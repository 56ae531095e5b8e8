"""Which parts a walk-forward trains and tests on, in which order."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields
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
        check_fields(self, "walk")
        if not 0 < self.validation < 1:
            raise ValueError(f"validation is a share in (0, 1), got {self.validation}; use 0.15")
        if self.scheme == "purged_k_fold" and self.folds < 2:
            raise ValueError(f"walk.folds must be at least 2, got {self.folds}; 5 are usual")
        if self.scheme == "combinatorial":
            self._check_groups()

    def _check_groups(self) -> None:
        if self.groups < 2:
            raise ValueError(f"walk.groups must be at least 2, got {self.groups}; 6 are usual")
        if not 1 <= self.test_groups < self.groups:
            most = self.groups - 1
            raise ValueError(
                f"walk.test_groups must be between 1 and {most}, one less than walk.groups, got "
                f"{self.test_groups}; test {min(2, most)} of {self.groups}, or set walk.groups to "
                f"{max(self.test_groups, 1) + 1} or more"
            )

    @property
    def past_only(self) -> bool:
        """Whether training parts end before their test part begins."""
        return self.scheme in ("expanding", "rolling")


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
