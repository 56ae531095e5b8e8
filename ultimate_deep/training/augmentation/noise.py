"""Noise on single values, on whole features, and features left out."""

from typing import Any

import keras
from keras import ops

from ultimate_deep.training.augmentation.parts import mapped, normal, per_feature, uniform
from ultimate_deep.training.participant import StepTensors


def jitter(tensors: StepTensors, strength: float, seed: keras.random.SeedGenerator) -> StepTensors:
    """Add a normal draw of this standard deviation to every value.

    Args:
        tensors: The batch to change.
        strength: Standard deviation, in that of a scaled feature.
        seed: Source of the draws.

    Source: Um et al. (2017), arXiv:1706.00527, sec. 3.
    """
    return mapped(tensors, lambda x: x + strength * normal(x.shape, seed, x.dtype), windows=False)


def scaling(tensors: StepTensors, strength: float, seed: keras.random.SeedGenerator) -> StepTensors:
    """Multiply each feature of a row, over all its bars, by a draw around one.

    Args:
        tensors: The batch to change.
        strength: Standard deviation of the draw.
        seed: Source of the draws.

    Source: Um et al. (2017), arXiv:1706.00527, sec. 3. Deviation: each feature has a draw.
    """

    def change(x: Any) -> Any:
        return x * (1.0 + strength * normal(per_feature(x), seed, x.dtype))

    return mapped(tensors, change, windows=False)


def feature_dropout(
    tensors: StepTensors, strength: float, seed: keras.random.SeedGenerator
) -> StepTensors:
    """Leave out features of a row, over all its bars, and make the others larger for it.

    Args:
        tensors: The batch to change.
        strength: Share of the features.
        seed: Source of the draws.

    Source: Srivastava et al. (2014), "Dropout", sec. 4, on the inputs.
    """

    def change(x: Any) -> Any:
        kept = uniform(per_feature(x), seed, x.dtype) >= strength
        return ops.where(kept, x / (1.0 - strength), ops.zeros_like(x))

    return mapped(tensors, change, windows=False)
