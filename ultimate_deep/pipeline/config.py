"""What one experiment is: every choice from price file to verdict, as frozen dataclasses."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.features.judging.config import SelectionConfig
from ultimate_deep.machine.fields import built, check_field, check_fields, check_seed
from ultimate_deep.machine.places import check_folder_named, check_name
from ultimate_deep.machine.plugins import is_loaded, load_plugin
from ultimate_deep.market.config import DataConfig, LabelSpec, SplitSpec
from ultimate_deep.market.simulation_spec import EARLIER_VOLUME_PER_BAR
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.losses.loss_config import LossConfig


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """Which features the model sees; what is learnt of them, is learnt on the training part.

    Args:
        names: Ordered feature names; empty means every feature that the bars allow.
        drop_constant: Whether features that have one value in all training rows are left out.
        select: Whether duplicate and collinear features are left out; of each group the one stays
            that says most about the label's return in the training part.
        selection: When features count as constant, duplicate or collinear for `select`.
        clip_multiple: Robust standard deviations around a feature's median beyond which its values
            are clipped before they are scaled, such as 10; None clips nothing.
    """

    names: tuple[str, ...] = ()
    drop_constant: bool = True
    select: bool = False
    selection: SelectionConfig = SelectionConfig()
    clip_multiple: float | None = None

    def __post_init__(self) -> None:
        check_fields(self, "features")
        if self.clip_multiple is not None and self.clip_multiple < 0.01:  # 0 is no range at all
            raise ValueError(
                f"features.clip_multiple must be at least 0.01, got {self.clip_multiple}; use e.g. "
                "10, or leave it out"
            )
        if not self.select and self.selection != SelectionConfig():
            raise ValueError(
                f"features.selection is read where features.select is true, got {self.selection}; "
                "set features.select to true, or leave it out"
            )


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which registered model to build.

    Args:
        name: Name in `models.registry`.
        preset: Named preset of that model, or `default`.
        options: Fields of the model's own configuration that replace the preset's.
        start_from: Folder of a finished run of the same architecture whose weights training
            starts from; None starts from random ones.
    """

    name: str = "ultimate"
    preset: str = "default"
    options: dict[str, Any] = field(default_factory=dict)
    start_from: str | None = None

    def __post_init__(self) -> None:
        check_fields(self, "model")
        for name in ("name", "preset"):
            if not getattr(self, name):
                raise ValueError(f"model.{name} is empty; leave it out, or give a name")
        # JSON and YAML have lists where the builders' configurations have tuples.
        options = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.options.items()
        }
        object.__setattr__(self, "options", options)


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """What else is predicted beside the label's direction.

    Args:
        further_horizons: Other horizons than the label's, in bars (`4`) or as a time (`15min`);
            the label's horizon is the one that is traded.
        classes: 2 predicts up or down, 3 also flat (returns that the label's rule calls ties), 0
            no direction, which needs quantiles.
        quantiles: Levels of the return that are predicted, in units of its recent size.
        variance: Whether the model also says how noisy its own logit is.
    """

    further_horizons: tuple[int | str, ...] = ()
    classes: Literal[0, 2, 3] = 2
    quantiles: tuple[float, ...] = ()
    variance: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "heads")


@dataclass(frozen=True, kw_only=True)
class ThresholdConfig:
    """How the trading threshold is chosen on validation.

    Args:
        minimum_coverage: Smallest share of validation bars that must be traded.
    """

    minimum_coverage: float = 0.05

    def __post_init__(self) -> None:
        check_fields(self, "threshold")
        if not 0 < self.minimum_coverage <= 1:
            raise ValueError(
                f"minimum_coverage is a share in (0, 1], got {self.minimum_coverage}; use e.g. 0.05"
            )


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """One experiment, from price file to verdict.

    What a field holds may be given as a mapping: `ExperimentConfig(model={"name": "lstm"}, fit=
    {"epochs": 8})`.

    Args:
        name: Prefix of the run's folder; empty means the model's name.
        artifacts: Folder that runs are written into.
        seed: Seed of weights, dropout, data order and bootstraps; replaces `fit.seed`.
        data: Where the bars come from.
        features: Which features the model reads.
        label: What is predicted.
        split: How time is split into three parts.
        inputs: What the model is fed at each decision.
        heads: What it predicts beside the label.
        model: Which architecture is trained.
        fit: How the model is trained.
        threshold: Choice of the trading threshold.
        backtest: Trading rule and costs; its horizon is always the label's.
        baselines: Whether the baselines are fitted beside the model.
        plugins: Files, packages, modules with features, nets, losses, labels or steps of one's own.
        tables: Format of the tables that a run writes: predictions, trades, equity, positions.
        report: `pdf` writes the report as PDF too, beside the page.

    Raises:
        TypeError: A field that a part does not have.
        ValueError: A value that it refuses.

    Example:
        >>> import ultimate_deep as ud
        >>> config = ud.ExperimentConfig(model={"name": "lstm"}, fit={"epochs": 4})
        >>> config.name, config.fit.epochs, config.label.horizon_bars
        ('lstm', 4, 1)
    """

    name: str = ""
    artifacts: str = "artifacts"
    seed: int = 0
    data: DataConfig = DataConfig()
    features: FeatureConfig = FeatureConfig()
    label: LabelSpec = LabelSpec()
    split: SplitSpec = SplitSpec()
    inputs: InputConfig = InputConfig()
    heads: HeadConfig = HeadConfig()
    model: ModelConfig = ModelConfig()
    fit: FitConfig = FitConfig()
    threshold: ThresholdConfig = ThresholdConfig()
    backtest: BacktestConfig = BacktestConfig()
    baselines: bool = True
    plugins: tuple[str, ...] = ()
    tables: Literal["csv", "parquet"] = "csv"
    report: Literal["html", "pdf"] = "html"

    def __post_init__(self) -> None:
        check_field(self, "plugins")
        for plugin in self.plugins:  # before anything that they bring is named
            load_plugin(plugin)
        check_fields(self)
        if self.label.kind == "pattern":
            raise ValueError(
                "label.kind 'pattern' has nine classes and no side to trade on, and a run trades; "
                "write pictures with `ultimate-deep gaf --label.kind pattern` and train on them "
                "with train_scripts/train_gaf_cnn_precomputed.py, or take another kind"
            )
        if not self.name:
            object.__setattr__(self, "name", self.model.name)
        check_name("name", self.name)
        check_folder_named("artifacts", self.artifacts)
        check_seed("seed", self.seed)
        loss = loss_for_heads(self.fit.loss, self.heads)
        fit = dataclasses.replace(self.fit, seed=self.seed, loss=loss)
        backtest = dataclasses.replace(self.backtest, horizon_bars=self.label.horizon_bars)
        object.__setattr__(self, "fit", fit)
        object.__setattr__(self, "backtest", backtest)

    @classmethod
    def from_specification(cls, *documents: Mapping[str, Any], **settings: Any) -> Self:
        """Return the experiment that dictionaries of the specification stand for.

        Args:
            documents: `training_config`, `scheduler_config` or both, as they are written there.
            settings: Further settings, as this class takes them; of `fit`, those that the
                dictionaries leave open.

        Raises:
            ValueError: A key that there is not or that cannot be, with the remedy.

        Example:
            >>> import ultimate_deep as ud
            >>> config = ud.ExperimentConfig.from_specification({"batch_size_schedule": [64, 32]})
            >>> config.fit.batch_size_schedule
            (64, 32)
        """
        # Not at the top: predicting has no use for it.
        from ultimate_deep.pipeline.documents import merged, over, settings_of

        fit = settings.pop("fit", {})
        if not isinstance(fit, Mapping):
            raise ValueError(
                "beside dictionaries of the specification fit is a dictionary too, got "
                f"{type(fit).__name__}; give its fields as {{'batch_size': 64}}"
            )
        found = settings_of(merged(documents), epochs=fit.get("epochs"))["fit"]
        return cls(fit=built(FitConfig, over(fit, found), "fit"), **settings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists and scalars, as written to `config.json`."""
        return dataclasses.asdict(self)


def loss_for_heads(loss: LossConfig, heads: HeadConfig) -> LossConfig:
    """Return the loss that learns every head: the given one, or what plain cross-entropy becomes.

    Raises:
        ValueError: Quantiles that the loss and the heads name differently.
    """
    plain = loss == LossConfig()
    if heads.quantiles:
        if plain or loss == LossConfig(name="quantile"):
            return LossConfig(name="quantile", quantiles=heads.quantiles)
        if "quantile" in loss.names and loss.quantiles != heads.quantiles:
            raise ValueError(
                f"fit.loss.quantiles {loss.quantiles} and heads.quantiles {heads.quantiles} "
                "differ; leave fit.loss.quantiles out"
            )
    if heads.variance and plain:
        return LossConfig(name="uncertainty")
    return loss


def _with_volume(values: dict[str, Any]) -> dict[str, Any]:
    """Return a stored configuration whose simulated market has the volume that it had."""
    data = values.get("data")
    if not isinstance(data, dict):
        return values
    simulation = data.get("simulation", {})
    if not isinstance(simulation, dict) or "volume_per_bar" in simulation:
        return values
    traded = simulation | {"volume_per_bar": EARLIER_VOLUME_PER_BAR}
    return values | {"data": data | {"simulation": traded}}


def config_from_dict(values: dict[str, Any]) -> ExperimentConfig:
    """Return the configuration that `ExperimentConfig.to_dict` described.

    Raises:
        ValueError: An unknown field, or a value that a field refuses.
    """
    plugins = values.get("plugins", ())
    if not isinstance(plugins, list | tuple) or not all(isinstance(one, str) for one in plugins):
        raise ValueError(
            f"the stored configuration has plugins {str(plugins)[:80]!r}, and they are a list of "
            "names; copy it again from its origin"
        )
    # What a file names is not run: its user names it.
    absent = [name for name in plugins if not is_loaded(name)]
    if absent:
        raise ValueError(
            f"the stored configuration needs the plugin {absent[0]}; name it with --plugin "
            f"{absent[0]}, or load it with ultimate_deep.plugins.load({absent[0]!r})"
        )
    try:
        return built(ExperimentConfig, _with_volume(values), "the stored configuration")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the stored configuration does not fit this version: {error}; install the version of "
            "ultimate-deep that wrote it"
        ) from error
