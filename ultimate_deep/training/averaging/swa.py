"""The mean of the weights at the end of the last epochs, trained at a rate that stays high."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras
import numpy as np

from ultimate_deep.training.averaging.swapping import Statistics, is_float, swapped
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.checkpoint import to_numpy
from ultimate_deep.training.participant import FitOutline, Participant, State, require_names
from ultimate_deep.training.settings.averaging import AveragingConfig

EXAMPLE = FitConfig(averaging=AveragingConfig(kind="swa", swa_start_share=0.3))
EPOCHS, AVERAGED = "epochs", "averaged"


class StochasticWeightAveraging(Participant):
    """Averages the weights at the end of each epoch from one on, and has the mean judged.

    Statistics of norms are computed anew for the mean whenever it is judged, as they belong to the
    weights that they were measured with.

    Args:
        model: The model that is trained.
        config: When it starts, and at which rate.
        peak: Peak of the learning rate.

    Source: Izmailov et al. (2018), arXiv:1803.05407, alg. 1, with one average an epoch and a
    constant rate.
    """

    def __init__(self, model: keras.Model, config: AveragingConfig, peak: float) -> None:
        self._weights = [v for v in model.trainable_variables if is_float(v)]
        self._statistics = Statistics(model)
        self._config, self._rate = config, peak * config.swa_rate_share
        self._outline: FitOutline | None = None
        self._start_step = self._start_epoch = self._epochs = self._averaged = 0
        self._mean: list[np.ndarray] = []
        self._next: list[np.ndarray] = []

    def begin(self, outline: FitOutline) -> None:
        self._outline = outline
        self._start_epoch = self._config.swa_start(outline.epochs)
        self._start_step = self._start_epoch * outline.steps_per_epoch
        self._epochs, self._averaged, self._mean, self._next = 0, 0, [], []

    def state(self) -> State:
        mean = {f"{place}": values for place, values in enumerate(self._mean)}
        numbers = {EPOCHS: np.asarray(self._epochs), AVERAGED: np.asarray(self._averaged)}
        return {**numbers, **mean}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        require_names({name: one for name, one in arrays.items() if not name.isdigit()},
                      (EPOCHS, AVERAGED))  # fmt: skip
        averaged = int(arrays[AVERAGED])
        places = [f"{place}" for place in range(len(self._weights) if averaged else 0)]
        require_names(arrays, (EPOCHS, AVERAGED, *places))
        self._epochs, self._averaged = int(arrays[EPOCHS]), averaged
        self._mean = [arrays[place] for place in places]

    def learning_rate(self, step: int, rate: float) -> float:
        return self._rate if step >= self._start_step else rate

    @contextmanager
    def validating(self) -> Iterator[None]:
        assert self._outline is not None
        if self._epochs < self._start_epoch:
            yield
            return
        now = [to_numpy(weight) for weight in self._weights]
        count = self._averaged
        self._next = [
            (mean * np.asarray(count, one.dtype) + one) / np.asarray(count + 1, one.dtype)
            for mean, one in zip(self._mean or now, now, strict=True)
        ]
        with (
            swapped(list(zip(self._weights, self._next, strict=True))),
            self._statistics.anew(self._outline),
        ):
            yield

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        self._epochs = epoch
        if self._next:
            self._mean, self._next, self._averaged = self._next, [], self._averaged + 1


def build_swa(config: FitConfig, model: keras.Model) -> StochasticWeightAveraging | None:
    """Return it where `fit.averaging.kind` is `swa`."""
    if config.averaging.kind != "swa":
        return None
    return StochasticWeightAveraging(model, config.averaging, config.peak_rate)
