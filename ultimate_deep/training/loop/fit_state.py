"""Where a fit stands, between any two steps; what a checkpoint turns into bytes and back."""

from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import numpy as np

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.checkpoint import Checkpoint, CheckpointError, to_numpy
from ultimate_deep.training.loop.early_stopping import LossWatch

BEST = "best/"


@dataclass
class FitState:
    """Position, sums and watches of one fit.

    Args:
        stopping: Watch for early stopping and the best epoch.
        plateau: Watch for the plateau schedule.
        epoch: Finished epochs.
        step: Steps taken in the current epoch.
        loss_sum: Sum of the current epoch's step losses.
        penalty_sum: Sum of what the model added to them.
        epoch_seconds: Seconds spent in the current epoch.
        seconds: Seconds spent in finished epochs.
        plateau_falls: Falls of the plateau schedule.
        stopped_reason: Why the run is over; empty while it is not.
        history: One row for each finished epoch.
        best: Weights of the best epoch by name; empty before the first.
    """

    stopping: LossWatch
    plateau: LossWatch
    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    penalty_sum: float = 0.0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    plateau_falls: int = 0
    stopped_reason: str = ""
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def start(cls, config: FitConfig) -> "FitState":
        """Return the state before the first step."""
        schedule = config.schedule
        return cls(
            stopping=LossWatch(config.patience_epochs, config.min_delta),
            plateau=LossWatch(schedule.plateau_patience_epochs, schedule.plateau_min_delta),
        )


def save_state(
    state: FitState, variables: dict[str, keras.Variable], fingerprint: dict[str, Any]
) -> Checkpoint:
    """Return state and variables as a checkpoint, to be written before the next step."""
    arrays: dict[str, Any] = dict(variables)
    arrays |= {BEST + name: values for name, values in state.best.items()}
    plain = asdict(state)
    del plain["best"]
    return Checkpoint(fingerprint, plain, arrays)


def restore_state(checkpoint: Checkpoint, variables: dict[str, keras.Variable]) -> FitState:
    """Assign every variable from the checkpoint and return its state.

    Args:
        checkpoint: What `save_state` gave; its fingerprint has been checked.
        variables: The same variables, in the same order; names may differ where Keras has
            numbered layers anew.

    Raises:
        CheckpointError: Another number of variables, or another shape or dtype.
    """
    values = dict(checkpoint.state)
    arrays = checkpoint.arrays
    best = {name.removeprefix(BEST): a for name, a in arrays.items() if name.startswith(BEST)}
    live = [array for name, array in arrays.items() if not name.startswith(BEST)]
    if len(live) != len(variables):
        raise CheckpointError(
            f"the checkpoint has {len(live)} variables, the model and its optimizer have "
            f"{len(variables)}; build the model that the run was started with"
        )
    for (name, variable), array in zip(variables.items(), live, strict=True):
        if tuple(variable.shape) != array.shape or str(variable.dtype) != str(array.dtype):
            raise CheckpointError(
                f"{name} is {variable.dtype} {tuple(variable.shape)}, the checkpoint has "
                f"{array.dtype} {array.shape}; build the model that the run was started with"
            )
        variable.assign(array)
    values["stopping"] = LossWatch.restore(values["stopping"])
    values["plateau"] = LossWatch.restore(values["plateau"])
    return FitState(**values, best=best)


def copy_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Return copies of weights and moving statistics, without seed generators' states."""
    return {f"{i}": to_numpy(v) for i, v in enumerate(model.weights)}


def assign_weights(model: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Put `copy_weights` back."""
    for i, variable in enumerate(model.weights):
        variable.assign(weights[f"{i}"])
