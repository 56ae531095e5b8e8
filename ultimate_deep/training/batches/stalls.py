"""Whether a validation loss has stalled, asked epoch by epoch."""

import math
from collections.abc import Mapping

import numpy as np

from ultimate_deep.training.participant import State

BEST, WAITED = "best", "waited"


class Stalls:
    """Counts epochs without a better loss.

    Args:
        patience_epochs: Epochs without improvement after which it has stalled.
        min_delta: Smallest fall that counts as improvement.
    """

    def __init__(self, patience_epochs: int, min_delta: float) -> None:
        self._patience, self._min_delta = patience_epochs, min_delta
        self._best, self._waited = math.inf, 0

    def restart(self) -> None:
        """Forget everything."""
        self._best, self._waited = math.inf, 0

    def arrays(self) -> State:
        """Return the state as a participant gives it."""
        return {BEST: np.asarray(self._best), WAITED: np.asarray(self._waited)}

    def take(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from what `arrays` returned, which may stand among others."""
        self._best, self._waited = float(arrays[BEST]), int(arrays[WAITED])

    def stalled(self, loss: float) -> bool:
        """Record an epoch's loss, and return whether patience has run out, which begins it anew."""
        if loss < self._best - self._min_delta:
            self._best, self._waited = loss, 0
            return False
        self._waited += 1
        if self._waited < self._patience:
            return False
        self._waited = 0
        return True
