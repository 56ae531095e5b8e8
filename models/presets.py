"""Named configurations of a model, with the training that suits them."""

from dataclasses import dataclass
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
    """

    learning_rate: float = 1e-3
    batch_size: int = 256
    epochs: int = 12
    return_weights: float = 0.0
    rate_factors: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Preset(Recipe, Generic[Config]):
    """A configuration with the recipe to start from."""

    config: Config
