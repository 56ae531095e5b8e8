"""Units of DenseNet blocks as one layer: every block reads all earlier ones of its unit."""

import math
from typing import Any

import keras
from keras import ops

from models.checks import ACTIVATIONS, NORMALIZATIONS, check_choice, check_range
from models.layers.dense_block import DenseLayout, DenseSettings
from models.layers.loops import dense_loop
from models.layers.normalization import BATCH_MOMENTUM, has_offset
from models.seeds import derive_seed


@keras.saving.register_keras_serializable(package="ultimate_deep")
class DenseStack(keras.layers.Layer):
    """Densely connected units with transitions: `(batch, width)` to `(batch, units, width)`.

    Of an input `(batch, units, width)`, such as another stack's output, it reads the last unit.
    (Slicing there instead would put an operation into the model that `.h5` files cannot hold.)

    A block is norm, activation, dense to `growth_rate` values, dropout; its output is joined to
    what it read. A unit's transition (norm, activation, dense) brings everything back to
    `width`. The output holds what each unit hands on, in order; the last is the stack's own.

    Blocks read inputs of growing width, so their weights are packed row after row (see
    `DenseLayout`) and one loop runs them all: neither the number of variables nor the time to
    trace depends on the number of blocks. Carry, norms and weights are float32 under every
    policy; matrix products run in the policy's compute type.

    Source: Huang et al. (2017), "Densely Connected Convolutional Networks", arXiv:1608.06993,
    sec. 3, with dense layers for convolutions; our transitions return to the stack's width
    rather than to a share of what they read.

    Raises:
        ValueError: an argument outside its range or an input of another shape.
    """

    def __init__(
        self,
        blocks_per_unit: tuple[int, ...] | list[int],
        growth_rate: int,
        *,
        normalization: str = "layer",
        activation: str = "relu",
        dropout_rate: float = 0.0,
        stochastic_depth: float = 0.0,
        l2: float = 0.0,
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
        check_range("growth_rate", growth_rate, 1)
        check_choice("normalization", normalization, NORMALIZATIONS)
        check_choice("activation", activation, ACTIVATIONS)
        check_range("dropout_rate", dropout_rate, 0.0, 1.0)
        check_range("stochastic_depth", stochastic_depth, 0.0, 1.0)
        check_range("l2", l2, 0.0)
        self.growth_rate = int(growth_rate)
        self.normalization = normalization
        self.activation = activation
        self.dropout_rate = float(dropout_rate)
        self.stochastic_depth = float(stochastic_depth)
        self.l2 = float(l2)
        self.seed = int(seed)
        self.seed_generator = keras.random.SeedGenerator(derive_seed(self.seed, "masks"))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the packed weights for inputs `(batch, width)` or `(batch, units, width)`."""
        if len(input_shape) not in (2, 3) or input_shape[-1] is None:
            raise ValueError(
                f"DenseStack reads (batch, width) or (batch, units, width) with a known width, got "
                f"{input_shape}: flatten or project the input first."
            )
        self.layout = DenseLayout(self.blocks_per_unit, int(input_shape[-1]), self.growth_rate)
        self._names: list[str] = []
        self._moving: list[str] = []
        self._add_part("block", self.layout.block_fans, self.growth_rate)
        self._add_part("transition", self.layout.transition_fans, self.layout.width)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Run all units: `(batch, width)` to `(batch, units, width)` float32."""
        if len(inputs.shape) == 3:
            inputs = inputs[:, -1, :]
        random = self.dropout_rate or self.stochastic_depth
        batch_moves = bool(training) and self.trainable
        taps, moments = dense_loop()(
            ops.cast(inputs, "float32"),
            {name: ops.convert_to_tensor(getattr(self, name)) for name in self._names},
            {name: ops.convert_to_tensor(getattr(self, name)) for name in self._moving},
            layout=self.layout,
            settings=DenseSettings(
                normalization=self.normalization,
                activation=self.activation,
                dropout_rate=self.dropout_rate,
                stochastic_depth=self.stochastic_depth,
                compute_dtype=self.compute_dtype,
            ),
            seed=self.seed_generator.next() if training and random else None,
            batch_moments=batch_moves and self.normalization == "batch",
        )
        for name, value in moments.items():
            variable = getattr(self, name)
            variable.assign(variable * BATCH_MOMENTUM + value * (1.0 - BATCH_MOMENTUM))
        return taps

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """`(batch, units, width)` float32, without tracing the loop."""
        batch, width = inputs.shape[0], inputs.shape[-1]
        return keras.KerasTensor((batch, len(self.blocks_per_unit), width), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return {
            **config,
            "blocks_per_unit": list(self.blocks_per_unit),
            "growth_rate": self.growth_rate,
            "normalization": self.normalization,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "stochastic_depth": self.stochastic_depth,
            "l2": self.l2,
            "seed": self.seed,
        }

    def _add_part(self, part: str, fans: tuple[int, ...], outputs: int) -> None:
        """The weights of all blocks, or of all transitions, that read `fans` values each."""
        rows = sum(fans)
        norms = {"norm_scale": "ones"}
        if has_offset(self.normalization):
            norms["norm_offset"] = "zeros"
        if self.normalization == "batch":
            norms |= {"norm_moving_mean": "zeros", "norm_moving_variance": "ones"}
        for name, initial in norms.items():
            self._add(f"{part}_{name}", (rows,), initial)
        seed = derive_seed(self.seed, f"{part}_kernel")

        def he_normal(shape: Any, dtype: Any = None) -> Any:
            normal = keras.initializers.RandomNormal(stddev=1.0, seed=seed)(shape, dtype=dtype)
            scale = [math.sqrt(2 / fan) for fan in fans for _ in range(fan)]
            return normal * ops.convert_to_tensor(scale, dtype=normal.dtype)[:, None]

        regularizer = keras.regularizers.L2(self.l2) if self.l2 else None
        self._add(f"{part}_kernel", (rows, outputs), he_normal, regularizer)
        self._add(f"{part}_bias", (len(fans), outputs), "zeros")

    def _add(
        self, name: str, shape: tuple[int, ...], initializer: Any, regularizer: Any = None
    ) -> None:
        trainable = "moving" not in name
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
