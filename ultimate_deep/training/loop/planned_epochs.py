"""A fit that goes on past its planned end as long as the validation loss still falls."""

from collections.abc import Mapping

import keras
import numpy as np

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.early_stopping import LossWatch
from ultimate_deep.training.participant import FitOutline, Participant, State, require_names

EXAMPLE = FitConfig(planned_epochs=2)


class PlannedEpochs(Participant):
    """Ends the fit with the first epoch, from the planned end on, that is not the best so far.

    Args:
        planned: Epochs that the learning rate's course is laid out for.
        min_delta: Smallest fall of the validation loss that counts as better.
    """

    def __init__(self, planned: int, min_delta: float) -> None:
        self._planned, self._min_delta = planned, min_delta
        self._watch, self._epoch = LossWatch(0, min_delta), 0

    def begin(self, outline: FitOutline) -> None:
        self._watch, self._epoch = LossWatch(0, self._min_delta), 0

    def state(self) -> State:
        return {**self._watch.arrays(), "epoch": np.asarray(self._epoch)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        require_names(arrays, self.state())
        watched = {name: values for name, values in arrays.items() if name != "epoch"}
        self._watch = LossWatch.from_arrays(watched)
        self._epoch = int(arrays["epoch"])

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        self._epoch = epoch
        self._watch.update(epoch, row["validation_loss"])

    def wants_to_stop(self) -> str:
        over = self._epoch >= self._planned and self._watch.waited_epochs > 0
        return "planned end" if over else ""


def build_planned_epochs(config: FitConfig, model: keras.Model) -> PlannedEpochs | None:
    """Return it where `fit.planned_epochs` is given."""
    if config.planned_epochs is None:
        return None
    return PlannedEpochs(config.planned_epochs, config.min_delta)
