"""Named configurations of a model, with the training that suits them."""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

Config = TypeVar("Config")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained where nothing else is asked for.

    Args:
        learning_rate: Peak learning rate.
        batch_size: Rows of one step.
        epochs: Most passes over the training part.
        return_weights: How many usual sizes of a return a training label may weigh at most.
        rate_factors: Pairs of a name of layers or weights and the factor of their learning rate.
        augmentations: Pairs of what training batches are changed by and how strongly.
        half_on_cpu: Whether steps are 1.2 times as fast or more with half the bits on a processor
            that has bfloat16 arithmetic, as wide products of many rows are
            (`benchmarks/bench_precision.py`).
    """

    learning_rate: float = 1e-3
    batch_size: int = 256
    epochs: int = 12
    return_weights: float = 0.0
    rate_factors: tuple[tuple[str, float], ...] = ()
    augmentations: tuple[tuple[str, float], ...] = ()
    half_on_cpu: bool = False


@dataclass(frozen=True, kw_only=True)
class Preset(Recipe, Generic[Config]):
    """A configuration with the recipe to start from."""

    config: Config


def weighing_returns(
    config: Config,
    *,
    learning_rate: float,
    rate_factors: tuple[tuple[str, float], ...] = (),
) -> Preset[Config]:
    """Return a preset whose training weighs labels by their return, for longer.

    Args:
        config: The model's configuration, whose members may hide features themselves.
        learning_rate: Peak learning rate.
        rate_factors: Factors of it by the name of a part.
    """
    return Preset(
        config=config,
        learning_rate=learning_rate,
        epochs=16,
        return_weights=1.5,
        rate_factors=rate_factors,
    )


def hiding_features(config: Config, *, learning_rate: float) -> Preset[Config]:
    """Return a preset whose training hides half of the features from each row, for longer.

    What found more of every planted signal than plain training did, with labels that weigh by
    their return, where a net reads the few hundred features of the catalogue. Of few features,
    half rarely hold what must be seen together.

    Args:
        config: The model's configuration.
        learning_rate: Peak learning rate.
    """
    longer = weighing_returns(config, learning_rate=learning_rate)
    return replace(longer, augmentations=(("feature_dropout", 0.5),))
