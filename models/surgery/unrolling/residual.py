"""A `ResidualStack` as plain Keras layers: norm, activation, dense, sum."""

from typing import Any

from ultimate_deep.models.surgery.unrolling import parts
from ultimate_deep.models.surgery.unrolling.coupled import PlainCoupled


class PlainResidual(PlainCoupled):
    """Writes the blocks of one `ResidualStack`."""

    def branch(self, half: int, x: Any, name: str, index: int) -> Any:
        """Norm (which DeepNorm has elsewhere), activation, dropout (second half) and dense."""
        if self.block.residual_scaling != "deepnorm":
            x = self.norm(half, x, name, index)
        x = parts.activation(x, self.block.activation, f"{name}_activation_{half}")
        if half == 2:
            x = parts.dropout(x, self.block.dropout_rate, self.stack, f"{name}_dropout")
        weights = self.here(f"dense_{half}_", index)
        return parts.dense(x, weights, self.stack, f"{name}_dense_{half}")
