"""Rows mixed with other rows of the batch, and their labels with those rows' labels."""

from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.stats import beta

from ultimate_deep.training.augmentation.parts import mapped, partner, per_feature, uniform
from ultimate_deep.training.participant import StepTensors

QUANTILES = 1_025


def mixup(tensors: StepTensors, strength: float, seed: keras.random.SeedGenerator) -> StepTensors:
    """Put a row between itself and another one, and its label likewise.

    Args:
        tensors: The batch to change.
        strength: Both parameters of the beta distribution of the share.
        seed: Source of the draws.

    Source: Zhang et al. (2018), arXiv:1710.09412, eq. 1, with one share for each row.
    """
    rows = int(tensors.weight.shape[0])
    own = ops.reshape(_beta(rows, strength, seed), (rows, 1))

    def change(x: Any) -> Any:
        share = ops.cast(ops.reshape(own, (rows,) + (1,) * (len(x.shape) - 1)), x.dtype)
        return share * x + (1.0 - share) * partner(x)

    return _labelled(mapped(tensors, change, windows=False), tensors, own)


def cutmix(tensors: StepTensors, strength: float, seed: keras.random.SeedGenerator) -> StepTensors:
    """Give a row some features of another one, over all bars, and as much of its label.

    Args:
        tensors: The batch to change.
        strength: Share of the rows that are changed.
        seed: Source of the draws.

    Source: Yun et al. (2019), arXiv:1905.04899, eq. 1. Deviation: what is cut out are features
    rather than a box, as the last bars of a window say more than the first ones.
    """
    rows = int(tensors.weight.shape[0])
    changed = uniform((rows, 1), seed, "float32") < strength
    cut = ops.where(changed, uniform((rows, 1), seed, "float32"), 0.0)
    kept: list[tuple[Any, int]] = []

    def change(x: Any) -> Any:
        shape = per_feature(x)
        cuts = ops.reshape(cut, (rows,) + (1,) * (len(shape) - 1))
        mine = uniform(shape, seed, "float32") >= cuts
        axes = tuple(range(1, len(shape)))
        own = ops.sum(ops.cast(mine, "float32"), axis=axes)
        kept.append((ops.reshape(own, (rows, 1)), shape[-1]))
        return ops.where(mine, x, partner(x))

    found = mapped(tensors, change, windows=False)
    total = sum(features for _, features in kept)
    share = sum(own for own, _ in kept) / float(total)
    return _labelled(found, tensors, share)


def _labelled(found: StepTensors, before: StepTensors, own: Any) -> StepTensors:
    """Return the batch with labels and weights mixed: the loss is that of both, by their share."""
    mine, theirs = own * before.weight, (1.0 - own) * partner(before.weight)
    weight = mine + theirs
    label = mine * before.targets["y"] + theirs * partner(before.targets["y"])
    y = ops.where(weight > 0, label / ops.where(weight > 0, weight, 1.0), before.targets["y"])
    return found._replace(targets={**before.targets, "y": y}, weight=weight)


def _beta(rows: int, parameter: float, seed: keras.random.SeedGenerator) -> Any:
    """Return draws from a symmetric beta distribution, even between its tabled quantiles."""
    levels = np.linspace(0.0, 1.0, QUANTILES)
    table = ops.convert_to_tensor(beta.ppf(levels, parameter, parameter).astype(np.float32))
    place = uniform((rows,), seed, "float32") * (QUANTILES - 1)
    low = ops.minimum(ops.floor(place), QUANTILES - 2.0)
    at = ops.cast(low, "int32")
    first, second = ops.take(table, at), ops.take(table, at + 1)
    return first + (place - low) * (second - first)
