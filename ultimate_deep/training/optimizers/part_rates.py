"""Learning rates of a net's parts, as factors of the one that all of it has."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import keras
from keras import ops


def factors_of(paths: Sequence[str], factors: Mapping[str, float]) -> tuple[float, ...]:
    """Return what the learning rate of each weight is multiplied by.

    Args:
        paths: Paths of the weights, such as `residual_stack/dense_1_kernel`.
        factors: Factors by a name that stands in a path, of a layer or of the weight itself, or
            by a path; `*` stands for anything, and `|` stands between several. A weight that
            several factors name takes their product.

    Raises:
        ValueError: A name that stands in no path.
    """
    parts = [path.split("/") for path in paths]
    found = [1.0] * len(paths)
    for name, factor in factors.items():
        meant = name.split("|")
        named = [
            any(fnmatchcase(part, either) for part in (path, *one) for either in meant)
            for path, one in zip(paths, parts, strict=True)
        ]
        if not any(named):
            layers = dict.fromkeys(part for one in parts for part in one[:-1])
            weights = dict.fromkeys(one[-1] for one in parts)
            raise ValueError(
                f"fit.rate_factors names layers or weights that are trained, got {name!r}; those "
                f"layers are {', '.join(layers)}, their weights {', '.join(weights)}"
            )
        found = [old * factor if one else old for old, one in zip(found, named, strict=True)]
    return tuple(found)


class PartRates(keras.optimizers.Optimizer):
    """What optimizers with rates of parts share; without factors they are as Keras has them."""

    rate_factors: dict[str, float]

    def _set_rate_factors(self, factors: Mapping[str, float] | None) -> None:
        self.rate_factors = dict(factors or {})

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the moments of `variables` and find their factors."""
        if self.built:
            return
        self._prepare(variables)
        self._build_moments(variables)

    def _prepare(self, variables: list[keras.Variable]) -> None:
        """Find what differs from variable to variable."""
        paths = [variable.path for variable in variables]
        self._factors = factors_of(paths, self.rate_factors)

    def _build_moments(self, variables: list[keras.Variable]) -> None:
        """Create what the optimizer keeps of each variable."""
        super().build(variables)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this optimizer."""
        return {**super().get_config(), "rate_factors": dict(self.rate_factors)}

    def rate_of(self, variable: Any, learning_rate: Any) -> Any:
        """Return the learning rate of a variable's part."""
        factor = self._factors[self._get_variable_index(variable)]
        return learning_rate if factor == 1.0 else learning_rate * factor

    def _apply_weight_decay(self, variables: Any) -> None:
        """Decay each variable by its own rate, where there are any."""
        if not self.rate_factors or self.weight_decay is None:
            super()._apply_weight_decay(variables)
            return
        for variable in variables:
            if self._use_weight_decay(variable):
                rate = self.rate_of(variable, ops.cast(self.learning_rate, variable.dtype))
                share = rate * ops.cast(self.weight_decay, variable.dtype)
                self.assign_sub(variable, ops.convert_to_tensor(variable) * share)
