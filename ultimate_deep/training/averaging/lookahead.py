"""Weights that are moved back towards where they were some steps before."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from ultimate_deep.training.averaging.swapping import swapped
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.participant import FitOutline, Participant, State, require_names
from ultimate_deep.training.settings.averaging import AveragingConfig

EXAMPLE = FitConfig(averaging=AveragingConfig(lookahead_steps=3))
STEPS = "steps"


class Lookahead(Participant):
    """Puts the weights, every so many steps, between where they were then and where they are.

    Those slow weights are what is judged and kept. Moments of the optimizer stay as they are.

    Args:
        model: The model that is trained.
        steps: Steps from one move to the next.
        share: How far from the slow weights to the trained ones they are put.

    Source: Zhang et al. (2019), arXiv:1907.08610, alg. 1.
    """

    def __init__(self, model: keras.Model, steps: int, share: float) -> None:
        self._weights = list(model.trainable_variables)
        self._slow = [
            keras.Variable(tf.zeros_like(v.value), trainable=False, name=f"slow_{place}")
            for place, v in enumerate(self._weights)
        ]
        self._every, self._share, self._steps = steps, share, 0
        self._move = tf.function(self._moved, autograph=False)

    def begin(self, outline: FitOutline) -> None:
        self._steps = 0
        for slow, weight in zip(self._slow, self._weights, strict=True):
            slow.assign(weight)

    def state(self) -> State:
        slow = {f"{place}": one for place, one in enumerate(self._slow)}
        return {STEPS: np.asarray(self._steps), **slow}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        require_names(arrays, self.state())
        self._steps = int(arrays[STEPS])
        for place, slow in enumerate(self._slow):
            slow.assign(arrays[f"{place}"])

    def after_step(self, epoch: int, step: int, loss: float) -> None:
        self._steps += 1
        if self._steps % self._every == 0:
            self._move()

    @contextmanager
    def validating(self) -> Iterator[None]:
        with swapped(list(zip(self._weights, self._slow, strict=True))):
            yield

    def _moved(self) -> None:
        for slow, weight in zip(self._slow, self._weights, strict=True):
            apart = weight.value - slow.value
            moved = slow.value + tf.cast(self._share, apart.dtype) * apart
            slow.assign(moved)
            weight.assign(moved)


def build_lookahead(config: FitConfig, model: keras.Model) -> Lookahead | None:
    """Return it where `fit.averaging.lookahead_steps` asks for it."""
    averaging = config.averaging
    if not averaging.lookahead_steps:
        return None
    return Lookahead(model, averaging.lookahead_steps, averaging.lookahead_share)
