"""How to search; importable without Keras."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ultimate_deep.experiments.tuning.registry import SEARCHERS, check_searcher
from ultimate_deep.machine.fields import check_fields

if TYPE_CHECKING:
    SearcherName = str
else:
    # The command line offers what is registered.
    SearcherName = Literal[tuple(SEARCHERS)]

NAME_PREFIX = "tuned-"
# What holds for every search; each searcher says which of the others it reads.
EVERY_SEARCH = ("search", "epochs", "objective", "fields")


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """How to search.

    KerasTuner's Bayesian search is left out: version 1.4 proposes the same configuration again
    and again (keras-tuner issue 608).

    Args:
        search: `random` trains every configuration to the end; `hyperband` starts many and goes
            on with the best `1 / factor` of each rung.
        trials: Configurations of a random search, 12 where absent; those of Hyperband follow from
            epochs, factor and iterations.
        epochs: Most epochs of one configuration; absent means `fit.epochs`.
        factor: Hyperband: what divides configurations and multiplies epochs from rung to rung.
        iterations: Hyperband: how often all brackets are run.
        objective: What is compared, at the best epoch by validation loss, whose weights are kept.
        fields: Names such as `model.width` and `fit.learning_rate`; empty means all that the
            model declares and is not given in `model.options`, and all searched fields of `fit`.
    """

    search: SearcherName = "random"
    trials: int | None = None
    epochs: int | None = None
    factor: int = 3
    iterations: int = 1
    objective: Literal["validation_loss", "validation_accuracy", "validation_auc"] = (
        "validation_loss"
    )
    fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_searcher(self.search)  # another one may have been registered since
        check_fields(self, "tune", but=("search",))
        for name in ("trials", "epochs", "iterations"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"tune.{name} must be at least 1, got {value}; leave it out")
        if self.factor < 2:
            raise ValueError(f"tune.factor must be at least 2, got {self.factor}; use e.g. 3")


def tuned_name(name: str) -> str:
    """Return what the run of a search over the experiment called `name` is called."""
    return NAME_PREFIX + name.removeprefix(NAME_PREFIX)


def unread_settings(tune: TuneConfig, reads: Collection[str]) -> dict[str, Any]:
    """Return what was asked for in fields that a searcher does not read, by name.

    Args:
        tune: How to search.
        reads: Fields that the searcher reads beside those that hold for every search.
    """
    return {
        field.name: given
        for field in dataclasses.fields(tune)
        if field.name not in (*EVERY_SEARCH, *reads)
        and (given := getattr(tune, field.name)) != field.default
    }
