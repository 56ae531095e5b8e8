"""A moving average of the weights of all steps, which is judged and kept."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from ultimate_deep.training.averaging.swapping import is_float, swapped
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.participant import FitOutline, Participant, State, require_names
from ultimate_deep.training.settings.averaging import AveragingConfig

EXAMPLE = FitConfig(averaging=AveragingConfig(kind="ema", ema_decay=0.9))
STEPS = "steps"


class MovingAverage(Participant):
    """Averages weights and the statistics of norms after every step.

    After `t` steps the average keeps `min(decay, (1 + t) / (10 + t))` of itself, so that first
    weights are soon forgotten. The optimizer goes on from the weights as they are.

    Args:
        model: The model that is trained.
        decay: Share of the average that stays from step to step.

    Source: Polyak & Juditsky (1992); moving, with the rise of the decay as in TensorFlow's
    `ExponentialMovingAverage`.
    """

    def __init__(self, model: keras.Model, decay: float) -> None:
        self._weights = [v for v in model.variables if is_float(v)]
        self._averages = [
            keras.Variable(tf.zeros_like(v.value), trainable=False, name=f"average_{place}")
            for place, v in enumerate(self._weights)
        ]
        self._decay, self._steps = decay, 0
        self._move = tf.function(self._moved, autograph=False)

    def begin(self, outline: FitOutline) -> None:
        self._steps = 0
        for average, weight in zip(self._averages, self._weights, strict=True):
            average.assign(weight)

    def state(self) -> State:
        averages = {f"{place}": average for place, average in enumerate(self._averages)}
        return {STEPS: np.asarray(self._steps), **averages}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        require_names(arrays, self.state())
        self._steps = int(arrays[STEPS])
        for place, average in enumerate(self._averages):
            average.assign(arrays[f"{place}"])

    def after_step(self, epoch: int, step: int, loss: float) -> None:
        self._steps += 1
        kept = min(self._decay, (1 + self._steps) / (10 + self._steps))
        self._move(tf.constant(1.0 - kept, tf.float32))

    @contextmanager
    def validating(self) -> Iterator[None]:
        with swapped(list(zip(self._weights, self._averages, strict=True))):
            yield

    def _moved(self, share: tf.Tensor) -> None:
        for average, weight in zip(self._averages, self._weights, strict=True):
            apart = weight.value - average.value
            average.assign(average.value + tf.cast(share, apart.dtype) * apart)


def build_moving_average(config: FitConfig, model: keras.Model) -> MovingAverage | None:
    """Return it where `fit.averaging.kind` is `ema`."""
    averaging = config.averaging
    return MovingAverage(model, averaging.ema_decay) if averaging.kind == "ema" else None
