"""A learning rate that falls when the validation loss stalls."""

from collections.abc import Mapping

import keras
import numpy as np

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.early_stopping import LossWatch
from ultimate_deep.training.participant import FitOutline, Participant, State, require_names
from ultimate_deep.training.schedules.schedules import Schedule, ScheduleConfig

EXAMPLE = FitConfig(
    schedule=ScheduleConfig(
        kind="plateau", warmup_steps=0, plateau_patience_epochs=1, plateau_min_delta=10.0
    )
)
FALLS = "falls"


class Plateau(Participant):
    """Multiplies the learning rate by `plateau_factor` whenever patience has run out.

    Args:
        config: The schedule of kind `plateau`.
        peak: Learning rate before the first fall.
    """

    def __init__(self, config: ScheduleConfig, peak: float) -> None:
        self._config, self._peak = config, peak
        self._schedule: Schedule | None = None
        self._watch, self._falls = self._new_watch(), 0

    def begin(self, outline: FitOutline) -> None:
        self._schedule = Schedule(
            config=self._config,
            peak=self._peak,
            steps_per_epoch=outline.steps_per_epoch,
            epochs=outline.epochs,
        )
        self._watch, self._falls = self._new_watch(), 0

    def state(self) -> State:
        return {**self._watch.arrays(), FALLS: np.asarray(self._falls)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        require_names(arrays, self.state())
        watched = {name: values for name, values in arrays.items() if name != FALLS}
        self._watch, self._falls = LossWatch.from_arrays(watched), int(arrays[FALLS])

    def learning_rate(self, step: int, rate: float) -> float:
        if self._schedule is None or not self._falls:
            return rate
        return self._schedule.learning_rate(step, self._falls)

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        self._watch.update(epoch, row["validation_loss"])
        if self._watch.exhausted:
            self._falls += 1
            self._watch.restart()

    def _new_watch(self) -> LossWatch:
        return LossWatch(self._config.plateau_patience_epochs, self._config.plateau_min_delta)


def build_plateau(config: FitConfig, model: keras.Model) -> Plateau | None:
    """Return it where `fit.schedule.kind` is `plateau`."""
    if config.schedule.kind != "plateau":
        return None
    return Plateau(config.schedule, config.peak_rate)
