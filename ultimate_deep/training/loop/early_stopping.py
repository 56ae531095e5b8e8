"""The end of a fit whose validation loss no longer falls."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import keras
import numpy as np

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.participant import FitOutline, Participant, State, require_names

EXAMPLE = FitConfig(patience_epochs=2, min_delta=10.0)


@dataclass
class LossWatch:
    """Watches one validation loss per epoch; its state goes into every checkpoint.

    Args:
        patience_epochs: Epochs without improvement that end the watch; 0 never ends it.
        min_delta: Smallest fall that counts as improvement.
        best: Smallest loss so far.
        best_epoch: Epoch (from 1) of that loss; 0 before the first.
        waited_epochs: Epochs since the last improvement, or since the last `restart`.
    """

    patience_epochs: int
    min_delta: float
    best: float = math.inf
    best_epoch: int = 0
    waited_epochs: int = 0

    def update(self, epoch: int, loss: float) -> bool:
        """Record the loss of `epoch` (from 1) and return whether it improved on the best."""
        if loss < self.best - self.min_delta:
            self.best, self.best_epoch, self.waited_epochs = loss, epoch, 0
            return True
        self.waited_epochs += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return 0 < self.patience_epochs <= self.waited_epochs

    def restart(self) -> None:
        """Wait anew, keeping the best loss."""
        self.waited_epochs = 0

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, JSON-able and exact."""
        return asdict(self)

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "LossWatch":
        """Return the watch that gave `state`."""
        return cls(**state)

    def arrays(self) -> State:
        """Return the state as a participant gives it."""
        return {name: np.asarray(value) for name, value in self.state().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "LossWatch":
        """Return the watch that gave `arrays`.

        Raises:
            StateError: Arrays of other names.
        """
        require_names(arrays, [field.name for field in fields(cls)])
        return cls.restore({name: value.item() for name, value in arrays.items()})


class EarlyStopping(Participant):
    """Ends the fit after so many epochs without a better validation loss.

    Args:
        patience_epochs: Number of such epochs.
        min_delta: Smallest fall of the validation loss that counts as better.
        settled: Epochs before everything is in, which it does not count.
    """

    def __init__(self, patience_epochs: int, min_delta: float, settled: int = 0) -> None:
        self._fresh, self._settled = (patience_epochs, min_delta), settled
        self._watch = LossWatch(*self._fresh)

    def begin(self, outline: FitOutline) -> None:
        self._watch = LossWatch(*self._fresh)

    def state(self) -> State:
        return self._watch.arrays()

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._watch = LossWatch.from_arrays(arrays)

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        self._watch.update(epoch, row["validation_loss"])
        if epoch <= self._settled:
            self._watch.restart()

    def wants_to_stop(self) -> str:
        return "early stopping" if self._watch.exhausted else ""


def build_early_stopping(config: FitConfig, model: keras.Model) -> EarlyStopping | None:
    """Return it where `fit.patience_epochs` asks for it."""
    if not config.patience_epochs:
        return None
    return EarlyStopping(config.patience_epochs, config.min_delta, config.settled_epochs)
