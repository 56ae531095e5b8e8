"""One rise and one long fall, both along a cosine."""

import math

from ultimate_deep.training.schedules.schedules import Schedule


def share(schedule: Schedule, step: int) -> float:
    """Return the share of the peak at a step.

    Source: Smith & Topin (2019), arXiv:1708.07120, sec. 3. Deviations: cosines in place of straight
    lines, no phase of its own for the last fall, and the momentum stays.
    """
    config, total = schedule.config, schedule.total_steps
    top = config.one_cycle_rise_share * total
    if step < top:
        low, progress = config.one_cycle_start_share, step / top
    else:
        left = 1.0 - (step - top) / max(total - top, 1.0)
        low, progress = config.floor_share, max(left, 0.0)
    return low + (1.0 - low) * (0.5 - 0.5 * math.cos(math.pi * progress))
