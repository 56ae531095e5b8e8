"""Learning rate by optimizer step: warm-up, then constant, cosine, step or plateau."""

import math
from dataclasses import dataclass
from typing import Literal


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
        if self.kind not in ("cosine", "plateau", "step", "constant"):
            raise ValueError(
                f"schedule kind must be cosine, plateau, step or constant, got {self.kind!r}"
            )
        _require(0 <= self.warmup_share <= 1, "warmup_share", self.warmup_share, "in [0, 1]")
        _require(0 <= self.floor_share <= 1, "floor_share", self.floor_share, "in [0, 1]")
        steps = self.warmup_steps
        _require(steps is None or steps >= 0, "warmup_steps", steps, "at least 0")
        _require(self.cycles >= 1, "cycles", self.cycles, "at least 1")
        fits = self.cycles == 1 or self.kind == "cosine"
        _require(fits, "cycles", self.cycles, f"1 unless the kind is cosine, not {self.kind!r}")
        _require(self.step_epochs >= 1, "step_epochs", self.step_epochs, "at least 1")
        _require(0 < self.step_factor <= 1, "step_factor", self.step_factor, "in (0, 1]")
        patience = self.plateau_patience_epochs
        _require(patience >= 1, "plateau_patience_epochs", patience, "at least 1")
        _require(0 < self.plateau_factor < 1, "plateau_factor", self.plateau_factor, "in (0, 1)")
        delta = self.plateau_min_delta
        _require(delta >= 0, "plateau_min_delta", delta, "at least 0")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate of each step of one run.

    Args:
        config: The kind and its numbers.
        peak: Learning rate after warm-up.
        steps_per_epoch: Optimizer steps of one epoch.
        epochs: Epochs of the whole run, whether or not it stops early.
    """

    config: ScheduleConfig
    peak: float
    steps_per_epoch: int
    epochs: int

    def __post_init__(self) -> None:
        cycles = self.config.cycles
        whole = self.epochs % cycles == 0
        _require(whole, "cycles", cycles, f"a divisor of the {self.epochs} epochs")

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.steps_per_epoch * self.epochs

    @property
    def warmup_steps(self) -> int:
        """Steps of linear warm-up, never more than the run has."""
        named = self.config.warmup_steps
        steps = round(self.config.warmup_share * self.total_steps) if named is None else named
        return min(steps, self.total_steps)

    def learning_rate(self, step: int, plateau_falls: int = 0) -> float:
        """Return the learning rate of optimizer step `step`, counted from 0.

        Args:
            step: Optimizer steps already taken.
            plateau_falls: How often the plateau rule has fallen so far.

        Source: cosine annealing without restarts, Loshchilov & Hutter (2017), arXiv:1608.03983,
        eq. 5; several cycles, Huang et al. (2017), arXiv:1704.00109, eq. 2; linear warm-up, Goyal
        et al. (2017), arXiv:1706.02677, sec. 2.2. Deviation: the first cosine spans the steps
        after warm-up.
        """
        warmup = self.warmup_steps
        if step < warmup:
            return self.peak * (step + 1) / warmup
        return max(
            self.peak * self._share(step, plateau_falls), self.peak * self.config.floor_share
        )

    def _share(self, step: int, plateau_falls: int) -> float:
        config = self.config
        if config.kind == "cosine":
            whole = self.total_steps // config.cycles
            cycle = min(step // whole, config.cycles - 1)
            warmup = max(self.warmup_steps - cycle * whole, 0)
            progress = min((step - cycle * whole - warmup) / max(whole - warmup, 1), 1.0)
            cosine = 0.5 * (1.0 + math.cos(math.pi * progress))
            return config.floor_share + (1.0 - config.floor_share) * cosine
        if config.kind == "step":
            epoch = step // self.steps_per_epoch
            return config.step_factor ** (epoch // config.step_epochs)
        if config.kind == "plateau":
            return config.plateau_factor**plateau_falls
        return 1.0


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise ValueError(f"schedule.{name} must be {rule}, got {value!r}; use e.g. the default")
