"""Up from the floor to the peak and down again, in cycles."""

import math

from ultimate_deep.training.schedules.schedules import Schedule


def triangular_share(schedule: Schedule, step: int) -> float:
    """Return the share of the peak at a step, in straight lines.

    Source: Smith (2017), arXiv:1506.01186, sec. 3.1; with `cycle_factor` 0.5 its `triangular2`.
    Deviation: with `cycle_factor` the floor stays.
    """
    return _between(schedule, step, _height(schedule, step))


def cosine_share(schedule: Schedule, step: int) -> float:
    """Return the share of the peak at a step, along a cosine.

    Source: as `triangular_share`, with the shape of Loshchilov & Hutter (2017), arXiv:1608.03983,
    eq. 5, on both sides of the peak.
    """
    return _between(schedule, step, 0.5 - 0.5 * math.cos(math.pi * _height(schedule, step)))


def _height(schedule: Schedule, step: int) -> float:
    """Return where between floor, 0, and peak, 1, a triangle is."""
    _, start, length = schedule.cycle(step)
    return max(1.0 - abs(2.0 * (step - start) / length - 1.0), 0.0)


def _between(schedule: Schedule, step: int, height: float) -> float:
    config = schedule.config
    peak = config.cycle_factor ** schedule.cycle(step)[0]
    return config.floor_share + (peak - config.floor_share) * height
