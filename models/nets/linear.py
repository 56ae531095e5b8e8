"""Logistic regression as a Keras model: the floor that every net has to beat."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import check_positive, check_range
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, flat_features, make_inputs
from ultimate_deep.models.presets import hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace


@dataclass(frozen=True, kw_only=True)
class LinearConfig:
    """A linear model.

    Args:
        l2: Penalty on the sum of squares of the kernel.
        input_clip: Bound of the inputs, plus and minus.
        seed: Seed of the weights.

    Raises:
        ValueError: A value out of range.
    """

    l2: float = 0.0
    input_clip: float = 8.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("l2", self.l2, 0.0)
        check_positive("input_clip", self.input_clip)


SEES = ("linear", "long_memory", "cross_timeframe")

PRESETS = MappingProxyType({"default": hiding_features(LinearConfig(), learning_rate=4e-3)})

SEARCH_SPACE: SearchSpace = {
    "l2": FloatRange(low=1e-7, high=1e-2, log=True),
    "input_clip": Choice(values=(3.0, 8.0)),
}


def build_linear(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: LinearConfig = LinearConfig(),
) -> keras.Model:
    """Build a linear model of the clipped features.

    Input `features` `(batch, features)` (any fixed shapes are flattened and joined), output
    `(batch, horizons)` float32 logits.
    """
    structure, tensors = make_inputs(inputs)
    x = flat_features(inputs, tensors, input_clip=config.input_clip, dtype="float32")
    logits = prediction_heads(heads, x, seed=config.seed, l2=config.l2)
    return keras.Model(structure, logits, name="linear")
