"""A net that goes on from another asset's run, beside the same net trained from scratch."""

import dataclasses
from pathlib import Path

from ultimate_deep.bundles.bundle import Bundle
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, config_from_dict
from ultimate_deep.training.config import FitConfig

SCRATCH, MOVED = "scratch", "transferred"


def transfer_configs(
    source: Bundle,
    data: DataConfig,
    *,
    artifacts: str,
    epochs: int | None = None,
    rate_share: float = 0.25,
    rate_factors: dict[str, float] | None = None,
    frozen: tuple[str, ...] = (),
    seed: int = 0,
) -> tuple[ExperimentConfig, ExperimentConfig]:
    """Return the run that starts from the source's weights, and the run from scratch.

    Both have the source's features, label, split, model and training, the same bars, and as many
    epochs: what the source's own training took is spent already. Where the source started from
    another run's weights itself, both have its preset's learning rate. They differ in where they
    start, in the learning rate, and in what is frozen.

    Args:
        source: Finished run of a net on another asset.
        data: The bars of this one.
        artifacts: Folder that both runs are written into.
        epochs: Most epochs of either; None takes the source's.
        rate_share: Learning rate of the transferred run, as a share of the other's.
        rate_factors: Factors of it by the name of a layer, on top of the source's own; those of
            first layers are usually small (discriminative rates).
        frozen: Names of layers that stay as they are.
        seed: Seed of both.

    Raises:
        ValueError: A source without weights to go on with, or a share that is none.

    Source: Howard & Ruder (2018), arXiv:1801.06146, sec. 3.2, for discriminative rates.
    """
    if source.predictor.kind != "keras":
        raise ValueError(
            f"{source.folder} holds {source.predictor.kind}, which have no weights to go on with; "
            "name a run of a net"
        )
    if not rate_share > 0:
        raise ValueError(f"rate_share must be above 0, got {rate_share}; use e.g. 0.25")
    base = config_from_dict(source.config)
    fit = base.fit if epochs is None else dataclasses.replace(base.fit, epochs=epochs)
    fit = _anew(base, fit)
    common = dataclasses.replace(base, data=data, artifacts=artifacts, seed=seed)
    # The features are the source's, whatever would be left out of these bars.
    features = dataclasses.replace(
        base.features, names=tuple(source.feature_names), drop_constant=False, select=False
    )
    common = dataclasses.replace(common, features=features)
    model = dataclasses.replace(base.model, start_from=None)
    scratch = dataclasses.replace(common, name=SCRATCH, model=model, fit=fit)
    factors = _factors(fit, rate_factors or {}, frozen)
    moved = dataclasses.replace(
        fit,
        learning_rate=fit.peak_rate * rate_share,
        rate_factors=factors,
        frozen=frozen,
    )
    model = dataclasses.replace(model, start_from=str(Path(source.folder)))
    # First, what may be refused.
    return dataclasses.replace(common, name=MOVED, model=model, fit=moved), scratch


def _anew(base: ExperimentConfig, fit: FitConfig) -> FitConfig:
    """Return a fit that suits first weights: a source that was transferred itself had another.

    Its own learning rate and factors were shares of some other run's, and its layers frozen.
    """
    if base.model.start_from is None:
        return fit
    bare = dataclasses.replace(fit, learning_rate=None, rate_factors=None, frozen=())
    recipe = learner_of(base.model.name).recipe(base.model.preset)
    return bare.filled(learning_rate=recipe.learning_rate, rate_factors=dict(recipe.rate_factors))


def _factors(fit: FitConfig, more: dict[str, float], frozen: tuple[str, ...]) -> dict[str, float]:
    """Return the factors of both, but for the fit's own of layers that are frozen now."""
    own = {name: one for name, one in fit.factors_of_parts.items() if name not in frozen}
    for name, factor in more.items():
        own[name] = own.get(name, 1.0) * factor
    return own
