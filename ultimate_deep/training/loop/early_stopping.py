"""What follows from each epoch's validation loss: best epoch, early stop, plateau falls."""

import math
from dataclasses import asdict, dataclass
from typing import Any


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
