"""Any number of residual blocks as one layer: stacked weights and one loop."""

import math
from typing import Any

import keras
from keras import ops

from models.checks import ACTIVATIONS, NORMALIZATIONS, check_choice, check_range
from models.layers.loops import stack_loop
from models.layers.normalization import BATCH_MOMENTUM, has_offset
from models.layers.residual_block import RESIDUAL_SCALINGS, BlockSettings
from models.seeds import derive_seed

MEMORIES = ("store", "checkpoint")


@keras.saving.register_keras_serializable(package="ultimate_deep")
class ResidualStack(keras.layers.Layer):
    """Units of residual blocks in one loop: `(batch, width)` to `(batch, units, width)`.

    The output holds what each unit hands on, in order; the last is the stack's own. Weights
    are stacked, one slice for each block: kernels `(blocks, width, width)`, biases and norms
    `(blocks, width)`. Time to trace and number of variables do not depend on depth. The carry,
    norms and weights are float32 under every policy; matrix products run in the policy's
    compute type.

    Args:
        blocks_per_unit: number of blocks of each unit.
        normalization: `layer`, `rms` or `batch`.
        activation: a Keras activation's name.
        dropout_rate: share of the units dropped between a block's two dense layers.
        residual_scaling: `none`, `1/sqrt(depth)` or `rezero`; see `BlockSettings.branch_scale`.
        l2: penalty on the sum of squares of all kernels.
        memory: `store` keeps two states of each block for the backward pass; `checkpoint` keeps
            every k-th carry, k near the square root of the number of blocks, and computes the
            rest again. The function, the masks and the gradients are the same.
        seed: of the initial weights and of the dropout masks.

    Raises:
        ValueError: an argument outside its range or an input that is not `(batch, width)`.
    """

    def __init__(
        self,
        blocks_per_unit: tuple[int, ...] | list[int],
        *,
        normalization: str = "layer",
        activation: str = "relu",
        dropout_rate: float = 0.0,
        residual_scaling: str = "1/sqrt(depth)",
        l2: float = 0.0,
        memory: str = "store",
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(autocast=False, **layer_options)
        self.blocks_per_unit = tuple(int(blocks) for blocks in blocks_per_unit)
        if not self.blocks_per_unit or min(self.blocks_per_unit) < 1:
            raise ValueError(
                f"blocks_per_unit needs at least one unit, each of at least one block; got "
                f"{self.blocks_per_unit}."
            )
        check_choice("normalization", normalization, NORMALIZATIONS)
        check_choice("activation", activation, ACTIVATIONS)
        check_choice("residual_scaling", residual_scaling, RESIDUAL_SCALINGS)
        check_choice("memory", memory, MEMORIES)
        check_range("dropout_rate", dropout_rate, 0.0, 1.0)
        check_range("l2", l2, 0.0)
        self.normalization = normalization
        self.activation = activation
        self.dropout_rate = float(dropout_rate)
        self.residual_scaling = residual_scaling
        self.l2 = float(l2)
        self.memory = memory
        self.seed = int(seed)
        self.seed_generator = keras.random.SeedGenerator(derive_seed(self.seed, "masks"))

    @property
    def blocks(self) -> int:
        """The number of blocks of all units."""
        return sum(self.blocks_per_unit)

    @property
    def settings(self) -> BlockSettings:
        """What the loop needs to know about every block."""
        return BlockSettings(
            depth=self.blocks,
            normalization=self.normalization,
            activation=self.activation,
            dropout_rate=self.dropout_rate,
            residual_scaling=self.residual_scaling,
            compute_dtype=self.compute_dtype,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the stacked weights for inputs of `input_shape` `(batch, width)`."""
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                f"ResidualStack reads (batch, width) with a known width, got {input_shape}: "
                "flatten or project the input first."
            )
        width = input_shape[-1]
        self._names: list[str] = []
        self._moving: list[str] = []
        for half in ("1", "2"):
            self._add_norm(half, width)
            self._add_dense(half, width)
        if self.residual_scaling == "rezero":
            self._add("residual_scale", (self.blocks, 1), "zeros")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Run all blocks: `(batch, width)` to `(batch, units, width)` float32."""
        batch_moves = bool(training) and self.trainable
        taps, moments = stack_loop()(
            ops.cast(inputs, "float32"),
            {name: ops.convert_to_tensor(getattr(self, name)) for name in self._names},
            {name: ops.convert_to_tensor(getattr(self, name)) for name in self._moving},
            units=self.blocks_per_unit,
            settings=self.settings,
            seed=self.seed_generator.next() if training and self.dropout_rate else None,
            batch_moments=batch_moves and self.normalization == "batch",
            # Without training there is no backward pass to speed up: keep little.
            memory=self.memory if training else "checkpoint",
        )
        for name, value in moments.items():
            variable = getattr(self, name)
            variable.assign(variable * BATCH_MOMENTUM + value * (1.0 - BATCH_MOMENTUM))
        return ops.transpose(taps, (1, 0, 2))

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """`(batch, units, width)` float32, without tracing the loop."""
        batch, width = inputs.shape
        return keras.KerasTensor((batch, len(self.blocks_per_unit), width), dtype="float32")

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
            "residual_scaling": self.residual_scaling,
            "l2": self.l2,
            "memory": self.memory,
            "seed": self.seed,
        }

    def _add_norm(self, half: str, width: int) -> None:
        self._add(f"norm_{half}_scale", (self.blocks, width), "ones")
        if has_offset(self.normalization):
            self._add(f"norm_{half}_offset", (self.blocks, width), "zeros")
        if self.normalization == "batch":
            for statistic, initial in (("mean", "zeros"), ("variance", "ones")):
                name = f"norm_{half}_moving_{statistic}"
                self._add(name, (self.blocks, width), initial, trainable=False)

    def _add_dense(self, half: str, width: int) -> None:
        # Glorot and He initialisers of Keras would take the block axis for a receptive field.
        initializer = keras.initializers.RandomNormal(
            stddev=math.sqrt(2 / width), seed=derive_seed(self.seed, f"dense_{half}_kernel")
        )
        regularizer = keras.regularizers.L2(self.l2) if self.l2 else None
        shape = (self.blocks, width, width)
        self._add(f"dense_{half}_kernel", shape, initializer, regularizer=regularizer)
        # Batch norm subtracts the mean, so a bias before the second norm could never matter.
        if half == "2" or self.normalization != "batch":
            self._add(f"dense_{half}_bias", (self.blocks, width), "zeros")

    def _add(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any,
        *,
        trainable: bool = True,
        regularizer: Any = None,
    ) -> None:
        variable = self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            trainable=trainable,
            regularizer=regularizer,
            dtype="float32",
            # Keras would hand out the weights in the compute type, whatever the layer asks.
            autocast=False,
        )
        setattr(self, name, variable)
        (self._names if trainable else self._moving).append(name)
