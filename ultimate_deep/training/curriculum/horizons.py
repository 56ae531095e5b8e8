"""The label's own horizon first, then the others one by one."""

from collections.abc import Mapping

import keras
import numpy as np

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.losses.outputs import several_horizons
from ultimate_deep.training.participant import (
    FitOutline,
    Participant,
    State,
    StepTensors,
    require_names,
)
from ultimate_deep.training.settings.curriculum import CurriculumConfig

EXAMPLE = FitConfig(curriculum=CurriculumConfig(kind="horizons", share=0.9))
WEIGHTS = "weights"


class HorizonCurriculum(Participant):
    """Weighs labels of horizons that are not in yet with zero.

    Horizons come in as the run names them, the label's own first. Those that are in weigh so much
    more that a batch weighs what it would.

    Args:
        horizons: Number of horizons.
        share: Share of the epochs after which all are in.

    Source: Bengio, Louradour, Collobert & Weston (2009), "Curriculum learning", sec. 3.
    """

    def __init__(self, horizons: int, share: float) -> None:
        self._horizons, self._share, self._epochs = horizons, share, 1
        self._weights = keras.Variable(np.ones(horizons, np.float32), trainable=False)

    def begin(self, outline: FitOutline) -> None:
        self._epochs = outline.epochs
        self._weigh(1)

    def state(self) -> State:
        return {WEIGHTS: self._weights}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        require_names(arrays, (WEIGHTS,))
        self._weights.assign(arrays[WEIGHTS])

    def batch(self, tensors: StepTensors) -> StepTensors:
        return tensors._replace(weight=tensors.weight * self._weights.value)

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        self._weigh(epoch + 1)

    def _weigh(self, epoch: int) -> None:
        """Set the weights of an epoch, from 1."""
        passed = (epoch - 1) / max(self._share * self._epochs, 1.0)
        known = min(1 + int(passed * self._horizons), self._horizons)
        weights = np.where(np.arange(self._horizons) < known, self._horizons / known, 0.0)
        self._weights.assign(weights.astype(np.float32))


def build_horizon_curriculum(config: FitConfig, model: keras.Model) -> HorizonCurriculum | None:
    """Return it where `fit.curriculum.kind` is `horizons`.

    Raises:
        ValueError: A net of one horizon.
    """
    if config.curriculum.kind != "horizons":
        return None
    horizons = several_horizons(model, "fit.curriculum.kind horizons adds horizons one by one")
    return HorizonCurriculum(horizons, config.curriculum.share)
