"""What a comparison of depths compares; importable without Keras."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ultimate_deep.machine.fields import check_fields
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig

Kind = Literal["sequential", "residual", "dense", "attention"]
KINDS: tuple[Kind, ...] = ("sequential", "residual", "dense", "attention")
SIMULATED = "simulated"
# The least win rates that the specification hopes for, to stand beside what is found.
HOPED = {
    "always long": 0.36,
    "random forest": 0.87,
    "sequential-75": 0.51,
    "sequential-800": 0.55,
    "sequential-1000": 0.55,
    "ultimate": 0.60,
}
# What a comparison changes in an experiment that is not told otherwise.
DEFAULTS = {
    "name": "depths",
    "data.simulated_edge": 0.2,
    "fit.patience_epochs": 3,
    "fit.weight_decay": 0.05,
    "baselines": False,
}


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """Which models are compared on which bars, and what each may cost.

    Args:
        bars: Files or folders of real bars, each a data set of its own beside the simulated one.
        seeds: Runs of every model; each has its own weights, data order and simulated market.
        budget_seconds: Seconds of each fit, compiling included; one epoch is always finished.
        layers: Weighted layers that the nets of each kind have at least.
        kinds: Kinds of blocks; see `models.nets.stack`.
        width: Values that the nets carry; attention has them as four tokens of a quarter each.
        ultimate: Preset of the ultimate net, which has residual and dense blocks and attention;
            empty leaves it out.
        models: Names of the models to compare, as in the table; empty means all.
        targets: The win rate that somebody promises for a model, by its name in the table; by
            default the least that the specification hopes for.

    Raises:
        ValueError: A value outside its range.
    """

    bars: tuple[str, ...] = ()
    seeds: int = 3
    budget_seconds: float = 60.0
    layers: tuple[int, ...] = (75, 800, 1_000, 2_000)
    kinds: tuple[Kind, ...] = KINDS
    width: int = 64
    ultimate: str = "default"
    models: tuple[str, ...] = ()
    targets: dict[str, float] = field(default_factory=HOPED.copy)

    def __post_init__(self) -> None:
        check_fields(self, "compare")
        if self.seeds < 1:
            raise ValueError(f"compare.seeds must be at least 1, got {self.seeds}; use 3 or more")
        if not self.budget_seconds > 0:
            raise ValueError(
                f"compare.budget_seconds must be above 0, got {self.budget_seconds}; use e.g. 60"
            )
        for name in ("layers", "kinds"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"compare.{name} must be distinct, got {values}; name each once")
        if self.width < 8 or self.width % 4:
            raise ValueError(
                f"compare.width must be a multiple of 4 from 8 on, got {self.width}; use e.g. 64, "
                "which attention divides among four tokens"
            )
        for name, target in self.targets.items():
            if not 0 < target < 1:
                raise ValueError(
                    f"compare.targets are win rates in (0, 1), got {target} for {name!r}; "
                    "write 0.65 for 65%"
                )


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Bars that every model is compared on.

    Args:
        name: Name in tables and file names.
        data: How they are read or simulated.
    """

    name: str
    data: DataConfig

    @property
    def simulated(self) -> bool:
        """Whether the truth is known."""
        return not self.data.paths


def data_sets(config: ExperimentConfig, bars: tuple[str, ...]) -> tuple[DataSet, ...]:
    """Return the simulated bars, then each of the named ones.

    Raises:
        ValueError: The experiment itself names bars or a model.
    """
    if config.data.paths or config.data.fills or config.model != ModelConfig():
        raise ValueError(
            "a comparison brings its own data sets and models, got data.path "
            f"{config.data.path!r}, data.fills {config.data.fills!r} and model {config.model}; "
            "name bars with --bars and models with --compare.models"
        )
    found = [DataSet(name=SIMULATED, data=config.data)]
    for path in bars:
        stem = Path(path).name.split(".")[0] or "bars"
        taken = [one.name for one in found]
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        found.append(DataSet(name=name, data=dataclasses.replace(config.data, path=path)))
    return tuple(found)


def quick(
    config: ExperimentConfig, comparison: ComparisonConfig
) -> tuple[ExperimentConfig, ComparisonConfig]:
    """Return the same comparison in tiny, to see every cell run: its figures mean nothing."""
    return (
        dataclasses.replace(
            config,
            name=f"{config.name}-quick",
            data=dataclasses.replace(config.data, simulated_rows=1_500),
            features=FeatureConfig(names=("return_log_1", "rsi_14", "close_to_sma_20")),
            fit=FitConfig(epochs=2, batch_size=128, jit_compile=False),
        ),
        dataclasses.replace(
            comparison, seeds=2, budget_seconds=20.0, layers=(11, 19), width=16, ultimate=""
        ),
    )
