"""Options that almost every net has, as flat fields that a command line can reach."""

from dataclasses import dataclass

from ultimate_deep.models.checks import PRECISIONS, check_choice, check_positive, check_range


@dataclass(frozen=True, kw_only=True)
class NetOptions:
    """What a configuration inherits; its own `__post_init__` checks the rest and calls this one's.

    Args:
        dropout_rate: Share of values dropped in training, in [0, 1).
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    dropout_rate: float = 0.1
    input_clip: float = 8.0
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("dropout_rate", self.dropout_rate, 0.0, 1.0)
        check_positive("input_clip", self.input_clip)
        check_choice("precision", self.precision, PRECISIONS)
