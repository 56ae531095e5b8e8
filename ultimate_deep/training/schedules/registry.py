"""Every course of the learning rate by name.

A new one is one file with a function `share(schedule, step)`, the share of the peak at an optimizer
step after warm-up, and one line here.
"""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

SCHEDULES: dict[str, str] = {
    "cosine": "ultimate_deep.training.schedules.cosine:share",
    "plateau": "ultimate_deep.training.schedules.constant:share",  # its falls: `loop.plateau`
    "step": "ultimate_deep.training.schedules.steps:share",
    "multistep": "ultimate_deep.training.schedules.multistep:share",
    "triangular": "ultimate_deep.training.schedules.cyclical:triangular_share",
    "cosine_cyclical": "ultimate_deep.training.schedules.cyclical:cosine_share",
    "one_cycle": "ultimate_deep.training.schedules.one_cycle:share",
    "constant": "ultimate_deep.training.schedules.constant:share",
}
if TYPE_CHECKING:
    ScheduleKind = str
else:
    ScheduleKind = Literal[tuple(SCHEDULES)]


def share_of(kind: str) -> Callable[[Any, int], float]:
    """Return the function of a schedule and a step that gives the share of the peak."""
    module, _, function = SCHEDULES[kind].partition(":")
    found: Callable[[Any, int], float] = getattr(importlib.import_module(module), function)
    return found
