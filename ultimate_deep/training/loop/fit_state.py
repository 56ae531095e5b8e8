"""Where a fit stands, between any two steps; what a checkpoint turns into bytes and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import keras
import numpy as np

from ultimate_deep.training.loop.checkpoint import Checkpoint, CheckpointError, to_numpy
from ultimate_deep.training.participant import Participant, StateError

PARTICIPANT = "participant/"


@dataclass
class FitState:
    """Position, sums and history of one fit; participants keep what is theirs.

    Args:
        epoch: Number of finished epochs.
        step: Steps taken in the current epoch.
        loss_sum: Sum of the current epoch's step losses.
        penalty_sum: Sum of what the model added to them.
        epoch_seconds: Seconds spent in the current epoch.
        seconds: Seconds spent in finished epochs.
        stopped_reason: Why the run is over; empty while it is not.
        history: One row for each finished epoch.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    penalty_sum: float = 0.0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    stopped_reason: str = ""
    history: list[dict[str, float]] = field(default_factory=list)


def save_state(
    state: FitState,
    variables: dict[str, keras.Variable],
    participant: Participant,
    fingerprint: dict[str, Any],
) -> Checkpoint:
    """Return everything as a checkpoint, to be written before the next step.

    Args:
        state: Where the fit stands.
        variables: Variables of the model and its optimizer, by name.
        participant: Whose state goes along, under names that begin with `participant/`.
        fingerprint: What the run is.
    """
    arrays: dict[str, Any] = dict(variables)
    arrays |= {PARTICIPANT + name: values for name, values in participant.state().items()}
    return Checkpoint(fingerprint, asdict(state), arrays)


def restore_state(
    checkpoint: Checkpoint, variables: dict[str, keras.Variable], participant: Participant
) -> FitState:
    """Assign every variable from the checkpoint, restore the participant, return the state.

    Args:
        checkpoint: What `save_state` gave; its fingerprint has been checked.
        variables: The same variables, in the same order; names may differ where Keras has
            numbered layers anew.
        participant: The same participant, as it began.

    Raises:
        CheckpointError: Another number of variables, another shape or dtype, state that is not
            the participant's, or a checkpoint of another version of this package.
    """
    check_version(checkpoint.state)
    own: dict[str, np.ndarray] = {}
    live: list[np.ndarray] = []
    for name, array in checkpoint.arrays.items():
        if name.startswith(PARTICIPANT):
            own[name.removeprefix(PARTICIPANT)] = array
        else:
            live.append(array)
    _assign(variables, live)
    try:
        participant.restore(own)
    except StateError as error:
        raise CheckpointError(
            f"the checkpoint does not suit those who take part in this fit: {error}; resume it "
            "with the version that wrote it, or start a new run"
        ) from error
    return FitState(**checkpoint.state)


def check_version(stored: Mapping[str, Any]) -> None:
    """Refuse a position as another version wrote it.

    Raises:
        CheckpointError: Other fields than `FitState` has.
    """
    known = {one.name for one in fields(FitState)}
    if set(stored) != known:
        raise CheckpointError(
            f"the checkpoint tells {sorted(stored)} of its run, this version reads "
            f"{sorted(known)}: another version of ultimate_deep wrote it; resume it with that one, "
            "or start a new run"
        )


def _assign(variables: Mapping[str, keras.Variable], values: list[np.ndarray]) -> None:
    if len(values) != len(variables):
        raise CheckpointError(
            f"the checkpoint has {len(values)} variables, the model and its optimizer have "
            f"{len(variables)}; build the model that the run was started with"
        )
    for (name, variable), array in zip(variables.items(), values, strict=True):
        if tuple(variable.shape) != array.shape or str(variable.dtype) != str(array.dtype):
            raise CheckpointError(
                f"{name} is {variable.dtype} {tuple(variable.shape)}, the checkpoint has "
                f"{array.dtype} {array.shape}; build the model that the run was started with"
            )
        variable.assign(array)


def copy_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Return copies of weights and moving statistics, without seed generators' states."""
    return {f"{i}": to_numpy(v) for i, v in enumerate(model.weights)}


def assign_weights(model: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Put `copy_weights` back."""
    for i, variable in enumerate(model.weights):
        variable.assign(weights[f"{i}"])
