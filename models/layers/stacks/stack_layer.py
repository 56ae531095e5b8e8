"""What all stacks share: stacked weights, moving statistics, shapes and configuration."""

from typing import Any

import keras
import numpy as np

from ultimate_deep.models.checks import ACTIVATIONS, check_choice, check_range
from ultimate_deep.models.layers.stacks.layer_slices import mark_layers
from ultimate_deep.models.layers.stacks.normalization import BATCH_MOMENTUM, STACK_NORMALIZATIONS
from ultimate_deep.models.seeds import derive_seed


class StackLayer(keras.layers.Layer):
    """Units of equal blocks as one layer, each of whose variables holds all blocks' weights.

    The output holds what each unit hands on, in order, as a new axis after the first; the last
    is the stack's own. Weights are float32 under every policy.

    Raises:
        ValueError: An argument outside its range.
    """

    def __init__(
        self,
        blocks_per_unit: tuple[int, ...] | list[int],
        *,
        normalization: str,
        activation: str,
        dropout_rate: float,
        stochastic_depth: float,
        l2: float,
        seed: int,
        **layer_options: Any,
    ) -> None:
        super().__init__(autocast=False, **layer_options)
        self.blocks_per_unit = tuple(int(blocks) for blocks in blocks_per_unit)
        if not self.blocks_per_unit or min(self.blocks_per_unit) < 1:
            raise ValueError(
                f"blocks_per_unit needs at least one unit, each of at least one block; got "
                f"{self.blocks_per_unit}"
            )
        check_choice("normalization", normalization, STACK_NORMALIZATIONS)
        check_choice("activation", activation, ACTIVATIONS)
        check_range("dropout_rate", dropout_rate, 0.0, 1.0)
        check_range("stochastic_depth", stochastic_depth, 0.0, 1.0)
        check_range("l2", l2, 0.0)
        self.normalization = normalization
        self.activation = activation
        self.dropout_rate = float(dropout_rate)
        self.stochastic_depth = float(stochastic_depth)
        self.l2 = float(l2)
        self.seed = int(seed)
        self.seed_generator = keras.random.SeedGenerator(derive_seed(self.seed, "masks"))
        self._names: list[str] = []
        self._moving: list[str] = []

    @property
    def blocks(self) -> int:
        """The number of blocks of all units."""
        return sum(self.blocks_per_unit)

    @property
    def units(self) -> int:
        """The number of units."""
        return len(self.blocks_per_unit)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """`(batch, units, ..., width)` float32, without tracing the loop."""
        batch, *rest = inputs.shape
        return keras.KerasTensor((batch, self.units, *rest), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return {
            **config,
            "blocks_per_unit": list(self.blocks_per_unit),
            "normalization": self.normalization,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "stochastic_depth": self.stochastic_depth,
            "l2": self.l2,
            "seed": self.seed,
        }

    def step_seed(self, training: bool | None) -> Any:
        """The seed of this call's masks, or None where nothing is dropped."""
        drops = self.dropout_rate or self.stochastic_depth
        return self.seed_generator.next() if training and drops else None

    def uses_batch_moments(self, training: bool | None) -> bool:
        """Whether this call normalises by the batch's own moments."""
        return bool(training) and bool(self.trainable) and self.normalization == "batch"

    def stacked_weights(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Tensors by name: what is trained, and the moving statistics."""
        tensors = {
            name: keras.ops.convert_to_tensor(getattr(self, name))
            for name in (*self._names, *self._moving)
        }
        moving = {name: tensors.pop(name) for name in self._moving}
        return tensors, moving

    def move_statistics(self, moments: dict[str, Any]) -> None:
        """Move the moving statistics by the moments of one batch, once a step."""
        for name, value in moments.items():
            variable = getattr(self, name)
            variable.assign(variable * BATCH_MOMENTUM + value * (1.0 - BATCH_MOMENTUM))

    def _add_stacked(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any,
        *,
        layer_of_row: np.ndarray,
        trainable: bool = True,
        decays: bool = False,
    ) -> None:
        """Create one stacked variable, whose first axis is divided among the layers."""
        variable = self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            trainable=trainable,
            regularizer=keras.regularizers.L2(self.l2) if decays and self.l2 else None,
            dtype="float32",
            # Keras would hand out the weights in the compute type, whatever the layer asks.
            autocast=False,
        )
        mark_layers(variable, layer_of_row)
        setattr(self, name, variable)
        (self._names if trainable else self._moving).append(name)
