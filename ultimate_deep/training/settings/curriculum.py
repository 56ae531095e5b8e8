"""Configuration of what training begins with; importable without what orders it."""

from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields


@dataclass(frozen=True, kw_only=True)
class CurriculumConfig:
    """What is learnt first.

    Args:
        kind: `horizons` begins with the label's own horizon and adds `heads.further_horizons` one
            by one, in their order; `loss` begins with the rows that the net is least wrong about;
            `none` has all from the start.
        share: Share of the epochs after which everything is in; early stopping waits for it.
        start_share: `loss`: share of the rows that it begins with, after one epoch on all.
    """

    kind: Literal["none", "horizons", "loss"] = "none"
    share: float = 0.5
    start_share: float = 0.5

    def __post_init__(self) -> None:
        check_fields(self, "fit.curriculum")
        for name, kinds in (("share", ("horizons", "loss")), ("start_share", ("loss",))):
            value, default = getattr(self, name), type(self).__dataclass_fields__[name].default
            if self.kind not in kinds and value != default:
                raise ValueError(
                    f"fit.curriculum.{name} must be left out unless the kind is "
                    f"{' or '.join(kinds)}, not {self.kind!r}, got {value!r}; leave it out"
                )
        for name in ("share", "start_share"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ValueError(
                    f"fit.curriculum.{name} must be in (0, 1], got {value!r}; e.g. its default"
                )
