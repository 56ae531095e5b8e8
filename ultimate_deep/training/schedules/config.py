"""Configuration of the learning rate's course; importable without what computes it."""

from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How the learning rate moves from step to step.

    Args:
        kind: `cosine` from peak to floor over all steps, `step` multiplies by `step_factor` every
            `step_epochs`, `plateau` multiplies by `plateau_factor` when the validation loss
            stalls, `constant` stays at the peak.
        warmup_share: Linear warm-up as a share of all steps, where `warmup_steps` is absent.
        warmup_steps: Linear warm-up in steps; replaces `warmup_share`.
        floor_share: Smallest learning rate, as a share of the peak.
        cycles: How often `cosine` falls from the peak, each time over the same number of epochs
            (warm-up is part of the first); the weights at the end of each make a snapshot
            ensemble. More than one must divide the epochs.
        step_epochs: Epochs between two falls of `step`.
        step_factor: What each fall of `step` multiplies by.
        plateau_patience_epochs: Epochs without improvement before `plateau` falls.
        plateau_factor: What each fall of `plateau` multiplies by.
        plateau_min_delta: Smallest fall of the validation loss that counts as improvement.
    """

    kind: Literal["cosine", "plateau", "step", "constant"] = "cosine"
    warmup_share: float = 0.05
    warmup_steps: int | None = None
    floor_share: float = 0.01
    cycles: int = 1
    step_epochs: int = 10
    step_factor: float = 0.5
    plateau_patience_epochs: int = 3
    plateau_factor: float = 0.5
    plateau_min_delta: float = 1e-4

    def __post_init__(self) -> None:
        check_fields(self, "schedule")
        if self.kind not in ("cosine", "plateau", "step", "constant"):
            raise ValueError(
                f"schedule kind must be cosine, plateau, step or constant, got {self.kind!r}"
            )
        require(0 <= self.warmup_share <= 1, "warmup_share", self.warmup_share, "in [0, 1]")
        require(0 <= self.floor_share <= 1, "floor_share", self.floor_share, "in [0, 1]")
        steps = self.warmup_steps
        require(steps is None or steps >= 0, "warmup_steps", steps, "at least 0")
        require(self.cycles >= 1, "cycles", self.cycles, "at least 1")
        fits = self.cycles == 1 or self.kind == "cosine"
        require(fits, "cycles", self.cycles, f"1 unless the kind is cosine, not {self.kind!r}")
        require(self.step_epochs >= 1, "step_epochs", self.step_epochs, "at least 1")
        require(0 < self.step_factor <= 1, "step_factor", self.step_factor, "in (0, 1]")
        patience = self.plateau_patience_epochs
        require(patience >= 1, "plateau_patience_epochs", patience, "at least 1")
        require(0 < self.plateau_factor < 1, "plateau_factor", self.plateau_factor, "in (0, 1)")
        delta = self.plateau_min_delta
        require(delta >= 0, "plateau_min_delta", delta, "at least 0")


def require(holds: bool, name: str, value: object, rule: str) -> None:
    """Raise ValueError with the field, its rule and its value where the rule does not hold."""
    if not holds:
        raise ValueError(f"schedule.{name} must be {rule}, got {value!r}; use e.g. the default")
