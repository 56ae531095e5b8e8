"""The weights of the best epoch, which a fit leaves behind."""

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.early_stopping import LossWatch
from ultimate_deep.training.loop.fit_state import assign_weights, copy_weights
from ultimate_deep.training.participant import (
    FitOutline,
    Participant,
    State,
    StateError,
    require_names,
)

EXAMPLE = FitConfig()
KEPT = "weights/"


class BestWeights(Participant):
    """Copies the weights of each epoch that is the best so far, and puts back the last copy.

    Args:
        model: The model whose weights are kept.
        min_delta: Smallest fall of the validation loss that counts as better.
    """

    def __init__(self, model: keras.Model, min_delta: float) -> None:
        self._model, self._min_delta = model, min_delta
        self._watch = LossWatch(0, min_delta)
        self._best: dict[str, np.ndarray] = {}

    def begin(self, outline: FitOutline) -> None:
        self._watch, self._best = LossWatch(0, self._min_delta), {}

    def state(self) -> State:
        return {**self._watch.arrays(), **{KEPT + name: kept for name, kept in self._best.items()}}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        kept = {name: values for name, values in arrays.items() if name.startswith(KEPT)}
        watch = LossWatch.from_arrays({k: v for k, v in arrays.items() if k not in kept})
        best = {name.removeprefix(KEPT): values for name, values in kept.items()}
        self._check(best, kept_any=watch.best_epoch > 0)
        self._watch, self._best = watch, best

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        if self._watch.update(epoch, row["validation_loss"]):
            self._best = copy_weights(self._model)

    def after_fit(self) -> int | None:
        if not self._best:
            return None
        assign_weights(self._model, self._best)
        self._best = {}  # a compiled step may outlive its fit by far
        return self._watch.best_epoch

    def _check(self, best: Mapping[str, np.ndarray], *, kept_any: bool) -> None:
        """Refuse weights that are not the model's; there are none before the first epoch."""
        weights = self._model.weights if kept_any else []
        require_names(best, [f"{i}" for i in range(len(weights))])
        for i, weight in enumerate(weights):
            if best[f"{i}"].shape != tuple(weight.shape):
                raise StateError(
                    f"the best {weight.path} must have shape {tuple(weight.shape)}, got "
                    f"{best[f'{i}'].shape}"
                )


def build_best_weights(config: FitConfig, model: keras.Model) -> BestWeights:
    """Return it for every fit."""
    return BestWeights(model, config.min_delta)


def best_epoch(losses: Iterable[float], min_delta: float) -> int:
    """Return the epoch (from 1) whose weights a fit with these validation losses has kept.

    Args:
        losses: Losses of every epoch, in order.
        min_delta: The setting of `FitConfig`.
    """
    watch = LossWatch(0, min_delta)
    for epoch, loss in enumerate(losses, start=1):
        watch.update(epoch, loss)
    return watch.best_epoch
