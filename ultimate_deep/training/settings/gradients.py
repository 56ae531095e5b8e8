"""Configuration of how a step's gradients are found; importable without what finds them."""

from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields


@dataclass(frozen=True, kw_only=True)
class GradientsConfig:
    """How the gradients of a step are found.

    Args:
        micro_batches: Parts, a power of two, into which a batch is cut; one after the other is
            computed, and their gradients are added along one binary tree. It takes the memory of
            one part. Statistics and averages move once a step.
        centralize: Whether gradients of kernels lose their mean over the inputs.
        sharpness: Radius within which the steepest rise of the loss is looked for before the
            gradient is taken there (SAM): it costs a second gradient. 0 takes it where the
            weights are.
        sharpness_adaptive: Whether that radius is in proportion to each weight (ASAM).
        sharpness_of: `all` takes one norm over all gradients, as the paper does; `layers` one for
            each layer, also of a stack.
    """

    micro_batches: int = 1
    centralize: bool = False
    sharpness: float = 0.0
    sharpness_adaptive: bool = False
    sharpness_of: Literal["all", "layers"] = "all"

    def __post_init__(self) -> None:
        check_fields(self, "fit.gradients")
        parts = self.micro_batches
        power = parts >= 1 and parts & (parts - 1) == 0
        _require(power, "micro_batches", parts, "a power of two", "e.g. 4, or 1 for none")
        _require(self.sharpness >= 0, "sharpness", self.sharpness, "at least 0")
        if not self.sharpness:
            rule = "left out where fit.gradients.sharpness is 0"
            _require(not self.sharpness_adaptive, "sharpness_adaptive", True, rule)
            _require(self.sharpness_of == "all", "sharpness_of", self.sharpness_of, rule)


def _require(
    holds: bool, name: str, value: object, rule: str, example: str = "e.g. its default"
) -> None:
    if not holds:
        raise ValueError(f"fit.gradients.{name} must be {rule}, got {value!r}; {example}")
