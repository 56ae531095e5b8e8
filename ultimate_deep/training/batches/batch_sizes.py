"""Batches whose size changes as training goes on: by epoch, on plateaus, or by gradient noise."""

import math
from collections.abc import Mapping

import keras
import numpy as np

from ultimate_deep.training.batches.noise import NoiseScale
from ultimate_deep.training.batches.stalls import Stalls
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.participant import (
    Compute,
    FitOutline,
    Participant,
    State,
    StepGradients,
    StepTensors,
    require_names,
)

EXAMPLE = FitConfig(batch_size_schedule=(8, 4, 2), batch_size_by="noise")
PLACE, NOISE, SIGNAL = "place", "noise", "signal"


class BatchSizes(Participant):
    """Puts the shuffled rows of each epoch into batches of the size that is due.

    Args:
        model: The model that is trained.
        sizes: Sizes, in the order in which they come.
        by: `epoch` gives each an equal share of the epochs; `plateau` goes on to the next one when
            the validation loss stalls; `noise` takes the one next to the gradient noise scale of
            the epoch before, whichever comes first in the list where several are as near.
        patience_epochs: `plateau`: epochs without improvement.
        min_delta: `plateau`: smallest fall of the validation loss that counts as improvement.
        parts: Parts that every batch must be cut into.

    Source: by noise, McCandlish et al. (2018), arXiv:1812.06162, sec. 2.2.
    """

    def __init__(
        self,
        model: keras.Model,
        sizes: tuple[int, ...],
        by: str,
        patience_epochs: int,
        min_delta: float,
        parts: int = 1,
    ) -> None:
        self._parts = parts
        self._sizes, self._by, self._place, self._epochs = sizes, by, 0, 1
        self._stalls = Stalls(patience_epochs, min_delta)
        self._noise = NoiseScale(model) if by == "noise" else None

    def begin(self, outline: FitOutline) -> None:
        self._place, self._epochs = 0, outline.epochs
        self._stalls.restart()
        if self._noise is not None:
            self._noise.reset()

    def state(self) -> State:
        found: State = {PLACE: np.asarray(self._place), **self._stalls.arrays()}
        if self._noise is not None:
            found |= {NOISE: self._noise.noise, SIGNAL: self._noise.signal}
        return found

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        require_names(arrays, self.state())
        self._place = int(arrays[PLACE])
        self._stalls.take(arrays)
        if self._noise is not None:
            self._noise.noise.assign(arrays[NOISE])
            self._noise.signal.assign(arrays[SIGNAL])

    def order(self, epoch: int, rows: np.ndarray) -> np.ndarray:
        size = min(self._sizes[self._place], rows.size - rows.size % self._parts)
        steps = rows.size // size
        return rows.reshape(-1)[: steps * size].reshape(steps, size)

    def gradients(self, tensors: StepTensors, compute: Compute) -> StepGradients:
        if self._noise is None:
            return compute(tensors)
        return self._noise.gradients(tensors, compute)

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        last = len(self._sizes) - 1
        if self._by == "epoch":
            self._place = min(epoch * len(self._sizes) // self._epochs, last)
        elif self._by == "plateau":
            self._place = min(self._place + self._stalls.stalled(row["validation_loss"]), last)
        else:
            assert self._noise is not None
            scale = max(self._noise.rows, 1.0)
            wanted = math.log(min(scale, float(max(self._sizes))))
            apart = [abs(math.log(size) - wanted) for size in self._sizes]
            self._place = apart.index(min(apart))


def build_batch_sizes(config: FitConfig, model: keras.Model) -> BatchSizes | None:
    """Return it where `fit.batch_size_schedule` asks for it."""
    if not config.batch_size_schedule:
        return None
    schedule = config.schedule
    return BatchSizes(
        model,
        config.batch_size_schedule,
        config.batch_size_by,
        schedule.plateau_patience_epochs,
        schedule.plateau_min_delta,
        config.parts_of_batch,
    )
