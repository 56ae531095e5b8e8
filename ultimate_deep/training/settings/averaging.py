"""Configuration of averaged weights; importable without what averages them."""

import math
from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields


@dataclass(frozen=True, kw_only=True)
class AveragingConfig:
    """Which average of a fit's weights is judged and kept.

    Args:
        kind: `ema` keeps a moving average of the weights of all steps, `swa` the mean of those at
            the end of the last epochs, `none` the weights as they are.
        ema_decay: `ema`: share of the average that stays from step to step, less in the first
            steps.
        swa_start_share: `swa`: share of the epochs before the first one that is averaged.
        swa_rate_share: `swa`: learning rate from then on, as a share of the peak.
        lookahead_steps: Steps after which the weights are moved back towards where they were so
            many steps before (Lookahead); 0 never.
        lookahead_share: How far from there to where they are they are put.
    """

    kind: Literal["none", "ema", "swa"] = "none"
    ema_decay: float = 0.999
    swa_start_share: float = 0.75
    swa_rate_share: float = 0.25
    lookahead_steps: int = 0
    lookahead_share: float = 0.5

    def __post_init__(self) -> None:
        check_fields(self, "averaging")
        read = {"ema_decay": self.kind == "ema", "swa_start_share": self.kind == "swa",
                "swa_rate_share": self.kind == "swa",
                "lookahead_share": bool(self.lookahead_steps)}  # fmt: skip
        for name, is_read in read.items():
            default = type(self).__dataclass_fields__[name].default
            value = getattr(self, name)
            by = "lookahead_steps is 0" if name == "lookahead_share" else f"kind is {self.kind!r}"
            _require(is_read or value == default, name, value, f"left out where {by}")
        _require(0 < self.ema_decay < 1, "ema_decay", self.ema_decay, "in (0, 1)")
        start = self.swa_start_share
        _require(0 <= start < 1, "swa_start_share", start, "in [0, 1)")
        _require(0 < self.swa_rate_share <= 1, "swa_rate_share", self.swa_rate_share, "in (0, 1]")
        _require(self.lookahead_steps >= 0, "lookahead_steps", self.lookahead_steps, "at least 0")
        share = self.lookahead_share
        _require(0 < share <= 1, "lookahead_share", share, "in (0, 1]")

    def swa_start(self, epochs: int) -> int:
        """Return the epochs before the first one that is averaged, of so many in all."""
        return min(math.floor(self.swa_start_share * epochs), epochs - 1)


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise ValueError(f"fit.averaging.{name} must be {rule}, got {value!r}; e.g. its default")
