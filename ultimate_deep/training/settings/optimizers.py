"""Names of optimizers, and where each is made; importable without any of them."""

from typing import TYPE_CHECKING, Literal

# A new one is one file with a function `build_name(config, variables)`, which returns it not yet
# built, and one line here. It takes clipping, decay and `rate_factors` as all do, and starts from
# variables that are zero.
OPTIMIZERS: dict[str, str] = {
    "adamw": "ultimate_deep.training.optimizers.adamw:build_adamw",
    "lamb": "ultimate_deep.training.optimizers.lamb:build_lamb",
    "muon": "ultimate_deep.training.optimizers.muon:build_muon",
    "schedule_free": "ultimate_deep.training.optimizers.schedule_free:build_schedule_free",
}
if TYPE_CHECKING:
    OptimizerName = str
else:
    OptimizerName = Literal[tuple(OPTIMIZERS)]
