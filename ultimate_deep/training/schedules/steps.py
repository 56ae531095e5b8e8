"""A fall every so many epochs."""

from ultimate_deep.training.schedules.schedules import Schedule


def share(schedule: Schedule, step: int) -> float:
    """Return the share of the peak at a step."""
    config, epoch = schedule.config, step // schedule.steps_per_epoch
    return config.step_factor ** (epoch // config.step_epochs)
