"""The rows that the net is least wrong about first."""

from collections.abc import Mapping

import keras
import numpy as np

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.backends import build_forward
from ultimate_deep.training.losses.outputs import head_shapes
from ultimate_deep.training.losses.registry import build_loss
from ultimate_deep.training.participant import (
    FitOutline,
    Participant,
    State,
    StateError,
    require_names,
)
from ultimate_deep.training.settings.curriculum import CurriculumConfig

EXAMPLE = FitConfig(curriculum=CurriculumConfig(kind="loss", share=1.0))
LOSSES = "losses"


class LossCurriculum(Participant):
    """Trains, after an epoch on all rows, on those of least loss, and on more from epoch to epoch.

    The loss of every training row is measured after each epoch, until all rows are in.

    Args:
        model: The model that is trained.
        config: Loss and curriculum of the fit.

    Source: Kumar, Packer & Koller (2010), "Self-paced learning for latent variable models", eq. 5,
    with a share of the rows that rises in place of a threshold on the loss.
    """

    def __init__(self, model: keras.Model, config: FitConfig) -> None:
        self._loss = build_loss(config.training_loss(), head_shapes(model.output))
        self._forward = build_forward(model, config.evaluation_batch_size, jit_compile=False)
        self._settings = config.curriculum
        self._outline: FitOutline | None = None
        self._losses = np.zeros(0, np.float32)

    def begin(self, outline: FitOutline) -> None:
        self._outline, self._losses = outline, np.zeros(0, np.float32)

    def state(self) -> State:
        return {LOSSES: self._losses}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        require_names(arrays, (LOSSES,))
        rows = 0 if self._outline is None else self._outline.rows
        if arrays[LOSSES].shape not in ((0,), (rows,)):
            raise StateError(f"{LOSSES} must be none or {rows}, got {arrays[LOSSES].shape}")
        self._losses = arrays[LOSSES]

    def order(self, epoch: int, rows: np.ndarray) -> np.ndarray:
        if not len(self._losses):
            return rows
        chosen = np.zeros(len(self._losses), bool)
        easiest = np.argsort(self._losses, kind="stable")
        chosen[easiest[: round(self._share(epoch) * len(easiest))]] = True
        flat = rows.reshape(-1)
        flat = flat[chosen[flat]]
        steps = max(len(flat) // rows.shape[1], 1)
        if len(flat) < rows.shape[1]:
            return rows
        return flat[: steps * rows.shape[1]].reshape(steps, rows.shape[1])

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        if self._share(epoch + 1) >= 1.0:
            self._losses = np.zeros(0, np.float32)
            return
        assert self._outline is not None
        inputs, targets = self._outline.inputs, self._outline.targets
        x = inputs["x"] if set(inputs) == {"x"} else inputs
        found = self._forward.predictions(Arrays(x=x, **targets))
        measured = self._loss.measured(targets, found)
        self._losses = measured.mean(axis=1).astype(np.float32)

    def _share(self, epoch: int) -> float:
        """Return the share of the rows that an epoch is trained on, from the second on."""
        assert self._outline is not None
        start, last = self._settings.start_share, self._settings.share * self._outline.epochs
        progress = (epoch - 2) / max(last - 1, 1.0)
        return min(start + (1.0 - start) * progress, 1.0)


def build_loss_curriculum(config: FitConfig, model: keras.Model) -> LossCurriculum | None:
    """Return it where `fit.curriculum.kind` is `loss`."""
    return LossCurriculum(model, config) if config.curriculum.kind == "loss" else None
