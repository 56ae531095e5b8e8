"""Learning rate by optimizer step: warm-up, then constant, cosine, step or plateau."""

import math
from dataclasses import dataclass

from ultimate_deep.training.schedules.config import ScheduleConfig, require


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
        require(whole, "cycles", cycles, f"a divisor of the {self.epochs} epochs")

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
