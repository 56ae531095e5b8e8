"""A list of epochs and what the learning rate is after each."""

from bisect import bisect_right

from ultimate_deep.training.schedules.schedules import Schedule


def share(schedule: Schedule, step: int) -> float:
    """Return the share of the peak at a step."""
    config = schedule.config
    passed = bisect_right(config.milestone_epochs, step // schedule.steps_per_epoch)
    return (1.0, *config.milestone_factors)[passed]
