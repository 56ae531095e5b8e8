"""A learning rate that stays at its peak."""

from ultimate_deep.training.schedules.schedules import Schedule


def share(schedule: Schedule, step: int) -> float:
    """Return the share of the peak at a step: all of it."""
    return 1.0
