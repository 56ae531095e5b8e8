"""Configuration of the learning rate's course; importable without what computes it."""

from dataclasses import dataclass
from itertools import pairwise

from ultimate_deep.machine.fields import check_fields
from ultimate_deep.training.schedules.registry import ScheduleKind

# Kinds that start low and rise by themselves, so that they have no warm-up.
RISING = ("triangular", "cosine_cyclical", "one_cycle")
CYCLES = ("cosine", "triangular", "cosine_cyclical")
# Fields that one kind alone reads, beside those of its own name.
READ_BY = {
    "cycle_growth": ("cosine",),
    "cycle_factor": CYCLES,
    "milestone_epochs": ("multistep",),
    "milestone_factors": ("multistep",),
    "one_cycle_rise_share": ("one_cycle",),
    "one_cycle_start_share": ("one_cycle",),
    "step_epochs": ("step",),
    "step_factor": ("step",),
    "warmup_share": ("cosine", "plateau", "step", "multistep", "constant"),
}


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How the learning rate moves from step to step.

    Args:
        kind: `cosine` from peak to floor over all steps, `step` multiplies by `step_factor` every
            `step_epochs`, `multistep` falls at `milestone_epochs`, `plateau` multiplies by
            `plateau_factor` when the validation loss stalls, `triangular` and `cosine_cyclical`
            rise from floor to peak and fall again, in straight lines or along a cosine,
            `one_cycle` rises once and falls once, `constant` stays at the peak.
        warmup_share: Linear warm-up as a share of all steps, where `warmup_steps` is absent;
            kinds that rise by themselves have none.
        warmup_steps: Linear warm-up in steps; replaces `warmup_share`.
        total_steps: Steps over which it runs its course, whatever the fit's epochs are; None takes
            all steps of the fit. Past them the rate stays where it is, but for falls by epochs.
        floor_share: Smallest learning rate, as a share of the peak.
        cycles: How often `cosine` falls from the peak, or `triangular` and `cosine_cyclical` rise
            and fall (warm-up is part of the first). Cycles end with an epoch, and the weights at
            the end of each make a snapshot ensemble.
        cycle_growth: `cosine`: how many times as long as the one before each cycle lasts.
        cycle_factor: What the peak of each cycle is multiplied by for the next one.
        step_epochs: Epochs between two falls of `step`.
        step_factor: What each fall of `step` multiplies by.
        milestone_epochs: `multistep`: epochs after which the rate changes, rising.
        milestone_factors: `multistep`: share of the peak after each of them.
        one_cycle_rise_share: `one_cycle`: share of all steps in which it rises.
        one_cycle_start_share: `one_cycle`: share of the peak that it starts from.
        plateau_patience_epochs: Epochs without improvement before `plateau` falls.
        plateau_factor: What each fall of `plateau` multiplies by.
        plateau_min_delta: Smallest fall of the validation loss that counts as improvement.
    """

    kind: ScheduleKind = "cosine"
    warmup_share: float = 0.05
    warmup_steps: int | None = None
    total_steps: int | None = None
    floor_share: float = 0.01
    cycles: int = 1
    cycle_growth: int = 1
    cycle_factor: float = 1.0
    step_epochs: int = 10
    step_factor: float = 0.5
    milestone_epochs: tuple[int, ...] = ()
    milestone_factors: tuple[float, ...] = ()
    one_cycle_rise_share: float = 0.3
    one_cycle_start_share: float = 0.04
    plateau_patience_epochs: int = 3
    plateau_factor: float = 0.5
    plateau_min_delta: float = 1e-4

    def __post_init__(self) -> None:
        check_fields(self, "schedule")
        require(0 <= self.warmup_share <= 1, "warmup_share", self.warmup_share, "in [0, 1]")
        require(0 <= self.floor_share <= 1, "floor_share", self.floor_share, "in [0, 1]")
        steps, rises = self.warmup_steps, self.kind in RISING
        require(steps is None or steps >= 0, "warmup_steps", steps, "at least 0")
        rule = f"left out where the kind is {self.kind!r}, which rises by itself"
        require(not (steps and rises), "warmup_steps", steps, rule)
        total = self.total_steps
        require(total is None or total >= self.cycles, "total_steps", total, "at least 1 a cycle")
        self._check_cycles()
        self._check_milestones()
        require(self.step_epochs >= 1, "step_epochs", self.step_epochs, "at least 1")
        require(0 < self.step_factor <= 1, "step_factor", self.step_factor, "in (0, 1]")
        rise, start = self.one_cycle_rise_share, self.one_cycle_start_share
        require(0 < rise < 1, "one_cycle_rise_share", rise, "in (0, 1)")
        require(0 <= start <= 1, "one_cycle_start_share", start, "in [0, 1]")
        patience = self.plateau_patience_epochs
        require(patience >= 1, "plateau_patience_epochs", patience, "at least 1")
        require(0 < self.plateau_factor < 1, "plateau_factor", self.plateau_factor, "in (0, 1)")
        delta = self.plateau_min_delta
        require(delta >= 0, "plateau_min_delta", delta, "at least 0")

    @property
    def rises_by_itself(self) -> bool:
        """Whether this kind starts low, so that it has no warm-up."""
        return self.kind in RISING

    def _check_cycles(self) -> None:
        require(self.cycles >= 1, "cycles", self.cycles, "at least 1")
        fits = self.cycles == 1 or self.kind in CYCLES
        kinds = f"{', '.join(CYCLES[:-1])} or {CYCLES[-1]}"
        require(fits, "cycles", self.cycles, f"1 unless the kind is {kinds}, not {self.kind!r}")
        require(self.cycle_growth >= 1, "cycle_growth", self.cycle_growth, "at least 1")
        require(0 < self.cycle_factor <= 1, "cycle_factor", self.cycle_factor, "in (0, 1]")
        for name, kinds_of in READ_BY.items():
            value, default = getattr(self, name), type(self).__dataclass_fields__[name].default
            read = self.kind in kinds_of or value == default
            rule = f"left out unless the kind is {' or '.join(kinds_of)}, not {self.kind!r}"
            require(read, name, value, rule)

    def _check_milestones(self) -> None:
        epochs, factors = self.milestone_epochs, self.milestone_factors
        if self.kind != "multistep":
            return
        require(bool(epochs), "milestone_epochs", epochs, "at least one epoch for multistep")
        rising = epochs[0] >= 1 and all(a < b for a, b in pairwise(epochs))
        require(rising, "milestone_epochs", epochs, "whole numbers from 1 that rise")
        as_many = len(factors) == len(epochs)
        require(as_many, "milestone_factors", factors, f"{len(epochs)}, one for each milestone")
        floor = self.floor_share
        above = all(factor > 0 and factor >= floor for factor in factors)
        require(above, "milestone_factors", factors, f"above 0 and at least floor_share, {floor:g}")


def require(holds: bool, name: str, value: object, rule: str) -> None:
    """Raise ValueError with the field, its rule and its value where the rule does not hold."""
    if not holds:
        raise ValueError(f"schedule.{name} must be {rule}, got {value!r}; use e.g. the default")
