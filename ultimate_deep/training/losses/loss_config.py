"""Configuration of the training loss; importable without Keras."""

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Any

from ultimate_deep.machine.fields import check_fields

NAMES = (
    "cross_entropy",
    "focal",
    "smoothed_cross_entropy",
    "multi_horizon",
    "trading",
    "uncertainty",
    "quantile",
)
# Those of a user's own, which a plugin has registered.
OWN_NAMES: list[str] = []
# The losses that read each field. Those that hold another loss read its fields too.
READ_BY = {
    "of": ("multi_horizon", "quantile"),
    "gamma": ("focal",),
    "smoothing": ("smoothed_cross_entropy",),
    "horizon_weights": ("multi_horizon",),
    "cost_bps": ("trading",),
    "direction_penalty": ("trading",),
    "nodes": ("uncertainty",),
    "quantiles": ("quantile",),
    "quantile_weight": ("quantile",),
}


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What training minimises.

    Args:
        name: `cross_entropy` of two or three classes; `focal`, which looks away from labels that
            are already right; `smoothed_cross_entropy`; `multi_horizon`, another loss with a
            weight for each horizon; `trading`, minus the net result of the position that the
            logit stands for; `uncertainty`, cross-entropy of a logit with a variance; `quantile`,
            the pinball loss of the quantile head, beside another loss where there is a direction.
        of: The other loss of `multi_horizon` (absent: `cross_entropy`) and of the direction beside
            `quantile` (absent: `uncertainty` with a variance head, else `cross_entropy`).
        gamma: `focal`: how fast right answers lose weight; 0 is cross-entropy.
        smoothing: `smoothed_cross_entropy`: share of a label that goes to all classes alike.
        horizon_weights: `multi_horizon`: one weight for each horizon; they act by proportion.
        cost_bps: `trading`: cost of one side in basis points of the position.
        direction_penalty: `trading`: what a full position against the realised direction costs,
            in units of the return's usual size.
        nodes: `uncertainty`: points of the Gaussian quadrature.
        quantiles: `quantile`: levels of the head, rising.
        quantile_weight: `quantile`: weight of the pinball loss beside the direction's.

    Raises:
        ValueError: A value out of range, or one that the chosen loss does not read.
    """

    name: str = "cross_entropy"
    of: str | None = None
    gamma: float = 2.0
    smoothing: float = 0.1
    horizon_weights: tuple[float, ...] = ()
    cost_bps: float = 2.0
    direction_penalty: float = 0.5
    nodes: int = 20
    quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)
    quantile_weight: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "fit.loss")
        known = (*NAMES, *OWN_NAMES)
        _require(self.name in known, "name", self.name, f"one of {known}")
        self._check_of()
        self._check_ignored()
        for name in ("gamma", "cost_bps", "direction_penalty"):
            value = getattr(self, name)
            _require(0 <= value < math.inf, name, value, "at least 0 and finite")
        _require(0 <= self.smoothing < 1, "smoothing", self.smoothing, "in [0, 1)")
        weight = self.quantile_weight
        _require(0 < weight < math.inf, "quantile_weight", weight, "above 0 and finite")
        _require(2 <= self.nodes <= 100, "nodes", self.nodes, "in [2, 100]")
        self._check_tuples()

    @property
    def names(self) -> tuple[str, ...]:
        """The losses that this configuration makes use of."""
        inner = {"multi_horizon": ("cross_entropy",), "quantile": ("cross_entropy", "uncertainty")}
        held = inner.get(self.name, ())
        return (self.name, self.of) if held and self.of else (self.name, *held)

    def inner(self, default: str) -> "LossConfig":
        """Return the configuration of the loss that this one holds, `default` where absent."""
        reset: dict[str, Any] = {
            field.name: field.default
            for field in dataclasses.fields(self)
            if self.name in READ_BY.get(field.name, ())
        }
        return dataclasses.replace(self, **{**reset, "name": self.of or default, "of": None})

    def _check_of(self) -> None:
        if self.of is None or self.name not in READ_BY["of"]:
            return
        refused = ("multi_horizon", "quantile") if self.name == "quantile" else (self.name,)
        allowed = tuple(name for name in NAMES if name not in refused)
        _require(self.of in allowed, "of", self.of, f"one of {allowed} under {self.name}")

    def _check_ignored(self) -> None:
        """Refuse a value that was set for another loss."""
        for field in dataclasses.fields(self):
            value, readers = getattr(self, field.name), READ_BY.get(field.name)
            if readers is None or value == field.default or set(readers) & set(self.names):
                continue
            raise ValueError(
                f"fit.loss.{field.name} is {value!r} but fit.loss.name is {self.name!r} and does "
                f"not read it; choose {' or '.join(readers)}, or leave fit.loss.{field.name} out"
            )

    def _check_tuples(self) -> None:
        weights, levels = self.horizon_weights, self.quantiles
        if self.name == "multi_horizon":
            rule = "one weight of at least 0 for each horizon, with one above 0"
            good = all(0 <= weight < math.inf for weight in weights) and sum(weights) > 0
            _require(good, "horizon_weights", weights, rule)
        rising = all(a < b for a, b in itertools.pairwise(levels))
        inside = all(0 < level < 1 for level in levels)
        rule = "rising levels inside (0, 1)"
        _require(bool(levels) and rising and inside, "quantiles", levels, rule)


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise ValueError(
            f"fit.loss.{name} must be {rule}, got {value!r}; change it or leave it out"
        )
