"""From peak to floor along half a cosine, once or in several cycles."""

import math

from ultimate_deep.training.schedules.schedules import Schedule


def share(schedule: Schedule, step: int) -> float:
    """Return the share of the peak at a step.

    Source: Loshchilov & Hutter (2017), arXiv:1608.03983, eq. 5, with `cycle_growth` their T_mult;
    several cycles of one length, Huang et al. (2017), arXiv:1704.00109, eq. 2. Deviation: the first
    cosine spans the steps after warm-up.
    """
    config = schedule.config
    number, start, length = schedule.cycle(step)
    warmup = max(schedule.warmup_steps - start, 0)
    progress = min((step - start - warmup) / max(length - warmup, 1), 1.0)
    cosine = 0.5 * (1.0 + math.cos(math.pi * progress))
    peak = config.cycle_factor**number
    return config.floor_share + (peak - config.floor_share) * cosine
