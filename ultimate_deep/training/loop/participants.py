"""Every participant of a fit by name, and all of one fit as a single one.

A new one is one file and one line here.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

import keras
import numpy as np

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.participant import (
    Compute,
    FitOutline,
    Participant,
    State,
    StateError,
    StepGradients,
    StepTensors,
)

PARTICIPANTS: dict[str, str] = {
    "batch_sizes": "ultimate_deep.training.batches.batch_sizes:build_batch_sizes",
    "horizon_curriculum": "ultimate_deep.training.curriculum.horizons:build_horizon_curriculum",
    "loss_curriculum": "ultimate_deep.training.curriculum.losses:build_loss_curriculum",
    "augmentation": "ultimate_deep.training.augmentation.augmentation:build_augmentation",
    # In gradients a later one encloses the earlier ones: parts, both passes, then what is left.
    "accumulation": "ultimate_deep.training.distributed.sharing:build_accumulation",
    "sharpness": "ultimate_deep.training.optimizers.sharpness:build_sharpness",
    "horizon_weights": "ultimate_deep.training.batches.horizon_weights:build_horizon_weights",
    "centralization": "ultimate_deep.training.optimizers.centralization:build_centralization",
    # In validation each puts its weights in place of those before.
    "lookahead": "ultimate_deep.training.averaging.lookahead:build_lookahead",
    "schedule_free": "ultimate_deep.training.averaging.schedule_free:build_averages_judged",
    "ema": "ultimate_deep.training.averaging.ema:build_moving_average",
    "swa": "ultimate_deep.training.averaging.swa:build_swa",
    "best_weights": "ultimate_deep.training.loop.best_weights:build_best_weights",
    "planned_epochs": "ultimate_deep.training.loop.planned_epochs:build_planned_epochs",
    "early_stopping": "ultimate_deep.training.loop.early_stopping:build_early_stopping",
    "plateau": "ultimate_deep.training.loop.plateau:build_plateau",
}

Builder = Callable[[FitConfig, keras.Model], Participant | None]


def build_participants(config: FitConfig, model: keras.Model) -> "Participants":
    """Return those that the configuration asks for, in the order of the registry."""
    built = {name: _builder(name)(config, model) for name in PARTICIPANTS}
    return Participants({name: one for name, one in built.items() if one is not None})


class Participants(Participant):
    """Several participants as one: each hook goes through all of them, in order.

    Args:
        members: Participants by name; the name stands before `/` in the state.

    Raises:
        ValueError: A name with a slash.
    """

    def __init__(self, members: Mapping[str, Participant]) -> None:
        slashed = [name for name in members if "/" in name]
        if slashed:
            raise ValueError(f"a participant's name may have no '/', got {slashed}; rename it")
        self.members = dict(members)
        self._rows = 0

    def begin(self, outline: FitOutline) -> None:
        self._rows = outline.rows
        for member in self.members.values():
            member.begin(outline)

    def state(self) -> State:
        return {
            f"{name}/{key}": value
            for name, member in self.members.items()
            for key, value in member.state().items()
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        own: dict[str, dict[str, np.ndarray]] = {name: {} for name in self.members}
        for path, values in arrays.items():
            name, _, key = path.partition("/")
            if name not in own:
                raise StateError(
                    f"there is state of a participant {name!r}, this fit has {sorted(own)}"
                )
            own[name][key] = values
        for name, member in self.members.items():
            try:
                member.restore(own[name])
            except StateError as error:
                raise StateError(f"participant {name!r}: {error}") from error

    def order(self, epoch: int, rows: np.ndarray) -> np.ndarray:
        for name, member in self.members.items():
            before, rows = rows, member.order(epoch, rows)
            if rows is not before:
                _check_order(name, rows, self._rows)
        return rows

    def learning_rate(self, step: int, rate: float) -> float:
        for member in self.members.values():
            rate = member.learning_rate(step, rate)
        return rate

    def batch(self, tensors: StepTensors) -> StepTensors:
        for member in self.members.values():
            tensors = member.batch(tensors)
        return tensors

    def before_step(self) -> None:
        for member in self.members.values():
            member.before_step()

    def gradients(self, tensors: StepTensors, compute: Compute) -> StepGradients:
        for member in self.members.values():
            compute = partial(member.gradients, compute=compute)
        return compute(tensors)

    def after_step(self, epoch: int, step: int, loss: float) -> None:
        for member in self.members.values():
            member.after_step(epoch, step, loss)

    def must_end(self) -> str:
        reasons = [member.must_end() for member in self.members.values()]
        return next((reason for reason in reasons if reason), "")

    @contextmanager
    def validating(self) -> Iterator[None]:
        with ExitStack() as stack:
            for member in self.members.values():
                stack.enter_context(member.validating())
            yield

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        for member in self.members.values():
            member.after_epoch(epoch, row)

    def wants_to_stop(self) -> str:
        reasons = [member.wants_to_stop() for member in self.members.values()]
        return next((reason for reason in reasons if reason), "")

    def after_fit(self) -> int | None:
        epochs = [member.after_fit() for member in self.members.values()]
        return next((epoch for epoch in reversed(epochs) if epoch is not None), None)

    def outside_bytes(self) -> int:
        return sum(member.outside_bytes() for member in self.members.values())

    def release(self) -> None:
        for member in self.members.values():
            member.release()


def _check_order(name: str, chosen: np.ndarray, rows: int) -> None:
    whole = chosen.ndim == 2 and chosen.size and np.issubdtype(chosen.dtype, np.integer)
    if not whole or chosen.min() < 0 or chosen.max() >= rows:
        raise ValueError(
            f"order must be integers (steps, batch) from 0 to {rows - 1}, participant {name!r} "
            f"gave {chosen.dtype} {chosen.shape}; correct its `order`"
        )


def _builder(name: str) -> Builder:
    module, _, function = PARTICIPANTS[name].partition(":")
    builder: Builder = getattr(importlib.import_module(module), function)
    return builder
