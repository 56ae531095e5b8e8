"""How members are combined, as a frozen dataclass; importable without Keras."""

from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields
from ultimate_deep.machine.places import check_folder_named, check_name

POOLS = ("average", "weighted")
METHODS = ("average", "weighted", "logistic_stack", "tree_stack", "two_stage")


@dataclass(frozen=True, kw_only=True)
class EnsembleConfig:
    """What is made of several members.

    Args:
        name: Prefix of the ensemble's folder.
        artifacts: Folder that it is written into.
        method: `average` of the calibrated probabilities; `weighted` by their log loss on
            validation; `logistic_stack` or `tree_stack`, fitted on out-of-fold predictions of the
            training part, for which every member is trained anew on every fold; `two_stage`, a
            tree stack that also reads every feature of the decision's bar.
        trees: Library of the trees of `two_stage`: `auto` is XGBoost where it is installed (extra
            `trees`), and scikit-learn's otherwise.
        pull: How strongly weights are drawn to equal ones, nats per squared unit of weight.
        folds: Stretches of the training part that are predicted out of fold.
        fold_kind: `walk_forward` trains on the past alone, `purged_k_fold` also on what follows.
        stopping_share: The newest share of a fold's training rows, by which its training stops.
        snapshots: Cycles of the learning rate that each net to be trained goes through, every
            one's end a member; 0 trains each once. Not for methods that train on folds.
        snapshot_cycles: `cosine` shares the epochs out, each cycle falling from the peak to zero;
            `geometric` trains for most of them first, and makes short rises and falls of what is
            left, with two epochs for each cycle (fast geometric ensembling).
        report: `pdf` writes the report as PDF too, beside the page.

    Raises:
        ValueError: A value out of range.
    """

    name: str = "ensemble"
    artifacts: str = "artifacts"
    method: Literal["average", "weighted", "logistic_stack", "tree_stack", "two_stage"] = "weighted"
    trees: Literal["auto", "hist_gradient_boosting", "lightgbm", "xgboost"] = "auto"
    pull: float = 0.01
    folds: int = 4
    fold_kind: Literal["walk_forward", "purged_k_fold"] = "walk_forward"
    stopping_share: float = 0.15
    snapshots: int = 0
    snapshot_cycles: Literal["cosine", "geometric"] = "cosine"
    report: Literal["html", "pdf"] = "html"

    def __post_init__(self) -> None:
        check_fields(self, "ensemble")
        check_name("ensemble.name", self.name)
        check_folder_named("ensemble.artifacts", self.artifacts)
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if self.trees != "auto" and self.method != "two_stage":
            raise ValueError(
                f"trees are those of the method two_stage, got {self.trees!r} with the method "
                f"{self.method!r}; leave it out"
            )
        if not 0 <= self.pull < float("inf"):
            raise ValueError(
                f"pull must be finite and not negative, got {self.pull}; use e.g. 0.01"
            )
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, got {self.folds}; use e.g. 4")
        if not 0 < self.stopping_share < 1:
            raise ValueError(
                f"stopping_share must be between 0 and 1, got {self.stopping_share}; use e.g. 0.15"
            )
        if self.snapshots < 0 or self.snapshots == 1:
            raise ValueError(
                f"snapshots must be 0 or at least 2, got {self.snapshots}; use 0 to train each once"
            )
        if self.snapshots and self.method not in POOLS:
            raise ValueError(
                f"snapshots know what the folds of {self.method} leave out; choose a method of "
                f"{', '.join(POOLS)}"
            )

        if not self.snapshots and self.snapshot_cycles != "cosine":
            raise ValueError(
                f"snapshot_cycles {self.snapshot_cycles!r} is read where snapshots are asked for; "
                "set ensemble.snapshots, or leave it out"
            )

    @property
    def fewest(self) -> int:
        """How many members there must be; trees over features can do with one."""
        return 1 if self.method == "two_stage" else 2
