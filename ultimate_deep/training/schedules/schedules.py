"""Learning rate by optimizer step: warm-up, then the course that the configuration names."""

from dataclasses import dataclass

from ultimate_deep.training.schedules.config import ScheduleConfig, require
from ultimate_deep.training.schedules.registry import share_of


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
        config, parts = self.config, self._parts()
        whole = self.epochs % parts == 0 or config.total_steps is not None
        name = "cycles" if config.cycle_growth == 1 else "cycles by cycle_growth"
        rule = f"a divisor of the {self.epochs} epochs"
        if config.cycle_growth > 1:
            rule = f"such that their parts, {parts}, divide the {self.epochs} epochs"
        require(whole, name, config.cycles, rule)

    @property
    def total_steps(self) -> int:
        """Optimizer steps over which the rate runs its course."""
        return self.config.total_steps or self.steps_per_epoch * self.epochs

    @property
    def warmup_steps(self) -> int:
        """Steps of linear warm-up, never more than the run has."""
        if self.config.rises_by_itself:
            return 0
        named = self.config.warmup_steps
        steps = round(self.config.warmup_share * self.total_steps) if named is None else named
        return min(steps, self.total_steps)

    def learning_rate(self, step: int, plateau_falls: int = 0) -> float:
        """Return the learning rate of optimizer step `step`, counted from 0.

        Args:
            step: Optimizer steps already taken.
            plateau_falls: How often the plateau rule has fallen so far.

        Source: linear warm-up, Goyal et al. (2017), arXiv:1706.02677, sec. 2.2.
        """
        warmup, config = self.warmup_steps, self.config
        if step < warmup:
            return self.peak * (step + 1) / warmup
        share = share_of(config.kind)(self, step) * config.plateau_factor**plateau_falls
        return max(self.peak * share, self.peak * config.floor_share)

    def cycle(self, step: int) -> tuple[int, int, int]:
        """Return the number of the cycle at a step, from 0, its first step and its steps."""
        config, number, start = self.config, 0, 0
        length = self.total_steps // self._parts()
        while number < config.cycles - 1 and step >= start + length:
            start, length, number = start + length, length * config.cycle_growth, number + 1
        return number, start, length

    def _parts(self) -> int:
        """Return how many times as long as the first cycle the run is."""
        return sum(self.config.cycle_growth**number for number in range(self.config.cycles))
