"""The averages of an optimizer that needs no schedule, judged in place of where it trains."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from ultimate_deep.training.averaging.swapping import Statistics, swapped
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.participant import FitOutline, Participant
from ultimate_deep.training.schedules.config import ScheduleConfig

EXAMPLE = FitConfig(optimizer="schedule_free", schedule=ScheduleConfig(kind="constant"))


class AveragesJudged(Participant):
    """Puts the averages of `ScheduleFreeAdamW` in place while a model is judged and copied.

    Args:
        model: The model that is trained.

    Source: Defazio et al. (2024), arXiv:2405.15682, sec. 4.1: predictions, and the statistics of
    norms, are of the averages.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model, self._statistics = model, Statistics(model)
        self._outline: FitOutline | None = None

    def begin(self, outline: FitOutline) -> None:
        self._outline = outline

    @contextmanager
    def validating(self) -> Iterator[None]:
        assert self._outline is not None
        averages = self._outline.optimizer.averages()
        pairs = list(zip(self._model.trainable_variables, averages, strict=True))
        with swapped(pairs), self._statistics.anew(self._outline):
            yield


def build_averages_judged(config: FitConfig, model: keras.Model) -> AveragesJudged | None:
    """Return it where `fit.optimizer` is `schedule_free`."""
    return AveragesJudged(model) if config.optimizer == "schedule_free" else None
