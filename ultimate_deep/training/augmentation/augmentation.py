"""The augmentations of one fit as a participant."""

import importlib
from collections.abc import Callable, Mapping

import keras
import numpy as np

from ultimate_deep.training.augmentation.parts import TIMES
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.losses.outputs import head_shapes
from ultimate_deep.training.participant import (
    FitOutline,
    Participant,
    State,
    StepTensors,
    require_names,
)
from ultimate_deep.training.settings.augmentations import AUGMENTATIONS

EXAMPLE = FitConfig(augmentations={"jitter": 0.1, "scaling": 0.1, "feature_dropout": 0.2,
                                   "mixup": 0.4, "cutmix": 0.5})  # fmt: skip

Change = Callable[[StepTensors, float, keras.random.SeedGenerator], StepTensors]


def change_of(name: str) -> Change:
    """Return the function of an augmentation."""
    module, _, function = AUGMENTATIONS[name].change.partition(":")
    found: Change = getattr(importlib.import_module(module), function)
    return found


class Augmentation(Participant):
    """Applies augmentations to every training batch, in the order of the registry.

    Args:
        strengths: Strengths by name.
        seed: Seed of all draws.
    """

    def __init__(self, strengths: Mapping[str, float], seed: int) -> None:
        chosen = [name for name in AUGMENTATIONS if name in strengths]
        self._changes = [(change_of(name), strengths[name]) for name in chosen]
        drawn = np.random.SeedSequence(seed).generate_state(len(AUGMENTATIONS))
        numbers = dict(zip(AUGMENTATIONS, (int(one) // 2 for one in drawn), strict=True))
        self._seeds = [keras.random.SeedGenerator(numbers[name]) for name in chosen]
        self._first = [np.array(one.state) for one in self._seeds]
        self._names = chosen

    def begin(self, outline: FitOutline) -> None:
        for seed, first in zip(self._seeds, self._first, strict=True):
            seed.state.assign(first)

    def state(self) -> State:
        return {name: one.state for name, one in zip(self._names, self._seeds, strict=True)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        require_names(arrays, self._names)
        for name, seed in zip(self._names, self._seeds, strict=True):
            seed.state.assign(arrays[name])

    def batch(self, tensors: StepTensors) -> StepTensors:
        for (change, strength), seed in zip(self._changes, self._seeds, strict=True):
            tensors = change(tensors, strength, seed)
        return tensors


def build_augmentation(config: FitConfig, model: keras.Model) -> Augmentation | None:
    """Return it where `fit.augmentations` asks for any.

    Raises:
        ValueError: Windows are needed and the model reads none, or labels cannot be mixed.
    """
    chosen = config.augmentations
    if not chosen:
        return None
    windows = [tensor for tensor in model.inputs if len(tensor.shape) == 3]
    times = [tensor.name for tensor in model.inputs if tensor.name in TIMES]
    for name in chosen:
        own = AUGMENTATIONS[name]
        if own.windows and not windows:
            raise ValueError(
                f"fit.augmentations[{name!r}] changes windows of bars, the model reads none; leave "
                "it out, or choose a model of windows"
            )
        if own.mixes and times:
            raise ValueError(
                f"fit.augmentations[{name!r}] mixes rows of several times, and the net looks up "
                f"what is known at a row's own ({', '.join(times)}); leave it out"
            )
        if own.mixes and (head_shapes(model.output).classes != 2 or config.loss_reads_returns):
            raise ValueError(
                f"fit.augmentations[{name!r}] mixes labels of up and down, got a net of three "
                "classes or a loss that reads returns; leave it out"
            )
    return Augmentation(chosen, config.seed)
