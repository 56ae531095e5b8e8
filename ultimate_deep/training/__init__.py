"""Arrays in, weights out: the fit, its losses, optimizers and schedules."""

from typing import TYPE_CHECKING

from ultimate_deep.machine.lazy import lazy_names

if TYPE_CHECKING:
    from ultimate_deep.training.arrays import Arrays
    from ultimate_deep.training.config import FitConfig
    from ultimate_deep.training.loop.fit import fit
    from ultimate_deep.training.losses.loss_config import LossConfig
    from ultimate_deep.training.losses.registry import build_loss
    from ultimate_deep.training.optimizers.build import build_optimizer
    from ultimate_deep.training.progress import Progress, make_progress
    from ultimate_deep.training.result import FitResult
    from ultimate_deep.training.schedules.config import ScheduleConfig
    from ultimate_deep.training.trainer import Trainer

_HOMES = {
    "arrays": ("Arrays",),
    "config": ("FitConfig",),
    "loop.fit": ("fit",),
    "trainer": ("Trainer",),
    "losses.loss_config": ("LossConfig",),
    "losses.registry": ("build_loss",),
    "optimizers.build": ("build_optimizer",),
    "progress": ("Progress", "make_progress"),
    "result": ("FitResult",),
    "schedules.config": ("ScheduleConfig",),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "Arrays",
    "FitConfig",
    "FitResult",
    "LossConfig",
    "Progress",
    "ScheduleConfig",
    "Trainer",
    "build_loss",
    "build_optimizer",
    "fit",
    "make_progress",
]
