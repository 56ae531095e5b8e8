"""One DenseNet unit as one layer: every block reads all earlier ones."""

import math
from typing import Any

import keras
from keras import ops

from models.checks import ACTIVATIONS, NORMALIZATIONS, check_choice, check_range
from models.layers.normalization import BATCH_MOMENTUM, NormWeights, has_offset, normalize
from models.seeds import derive_seed


@keras.saving.register_keras_serializable(package="ultimate_deep")
class DenseUnit(keras.layers.Layer):
    """Densely connected blocks and a transition: `(batch, width)` to `(batch, width)` float32.

    A block is norm, activation, dense to `growth_rate` values, dropout; its output is joined to
    what it read. The transition (norm, activation, dense) brings all of it back to `width`.
    The blocks' weights are packed: rows `row_starts[i]` to `row_starts[i + 1]` of
    `blocks_kernel`, `blocks_norm_scale` and so on are block i's, so that a unit has eight
    variables whatever its number of blocks. Norms and weights are float32 under every policy.

    Source: Huang et al. (2017), "Densely Connected Convolutional Networks", arXiv:1608.06993,
    sec. 3, with dense layers for convolutions; our transition returns to the unit's own width
    rather than to a share of its input's.

    Raises:
        ValueError: an argument outside its range or an input that is not `(batch, width)`.
    """

    def __init__(
        self,
        blocks: int,
        growth_rate: int,
        *,
        normalization: str = "layer",
        activation: str = "relu",
        dropout_rate: float = 0.0,
        l2: float = 0.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(autocast=False, **layer_options)
        check_range("blocks", blocks, 1)
        check_range("growth_rate", growth_rate, 1)
        check_choice("normalization", normalization, NORMALIZATIONS)
        check_choice("activation", activation, ACTIVATIONS)
        check_range("dropout_rate", dropout_rate, 0.0, 1.0)
        check_range("l2", l2, 0.0)
        self.blocks = int(blocks)
        self.growth_rate = int(growth_rate)
        self.normalization = normalization
        self.activation = activation
        self.dropout_rate = float(dropout_rate)
        self.l2 = float(l2)
        self.seed = int(seed)
        self.seed_generator = keras.random.SeedGenerator(derive_seed(self.seed, "masks"))

    @property
    def row_starts(self) -> list[int]:
        """Where each block's rows begin in the packed weights; one entry more than blocks."""
        starts = [0]
        for block in range(self.blocks):
            starts.append(starts[-1] + self.width + block * self.growth_rate)
        return starts

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the packed weights for inputs of `input_shape` `(batch, width)`."""
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                f"DenseUnit reads (batch, width) with a known width, got {input_shape}: "
                "flatten or project the input first."
            )
        self.width = int(input_shape[-1])
        rows, joined = self.row_starts[-1], self.width + self.blocks * self.growth_rate
        self._add_norm("blocks", rows)
        self.blocks_kernel = self._add_kernel("blocks_kernel", (rows, self.growth_rate))
        self.blocks_bias = self._add("blocks_bias", (self.blocks, self.growth_rate), "zeros")
        self._add_norm("transition", joined)
        self.transition_kernel = self._add_kernel("transition_kernel", (joined, self.width))
        self.transition_bias = self._add("transition_bias", (self.width,), "zeros")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Run the blocks and the transition: `(batch, width)` to `(batch, width)` float32."""
        x = ops.cast(inputs, "float32")
        batch_moves = bool(training) and self.trainable and self.normalization == "batch"
        moments = []
        starts = self.row_starts
        for block in range(self.blocks):
            rows = slice(starts[block], starts[block + 1])
            y, moment = self._norm_dense(x, "blocks", rows, training=batch_moves)
            y = y + self.blocks_bias[block]
            if training and self.dropout_rate:
                y = keras.random.dropout(y, self.dropout_rate, seed=self.seed_generator)
            x = ops.concatenate([x, y], axis=-1)
            moments.append(moment)
        x, moment = self._norm_dense(x, "transition", slice(None), training=batch_moves)
        if batch_moves:
            self._move("blocks", moments)
            self._move("transition", [moment])
        return x + self.transition_bias

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """`(batch, width)` float32."""
        return keras.KerasTensor(inputs.shape, dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return {
            **config,
            "blocks": self.blocks,
            "growth_rate": self.growth_rate,
            "normalization": self.normalization,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "l2": self.l2,
            "seed": self.seed,
        }

    def _norm_dense(self, x: Any, part: str, rows: slice, *, training: bool) -> tuple[Any, Any]:
        def read(name: str) -> Any:
            weight = getattr(self, f"{part}_{name}", None)
            return None if weight is None else weight[rows]

        norm = NormWeights(
            read("norm_scale"),
            read("norm_offset"),
            read("norm_moving_mean"),
            read("norm_moving_variance"),
        )
        x, moments = normalize(x, norm, self.normalization, training=training)
        x = ops.cast(keras.activations.get(self.activation)(x), self.compute_dtype)
        x = ops.matmul(x, ops.cast(read("kernel"), self.compute_dtype))
        return ops.cast(x, "float32"), moments

    def _move(self, part: str, moments: list[Any]) -> None:
        for index, statistic in enumerate(("mean", "variance")):
            variable = getattr(self, f"{part}_norm_moving_{statistic}")
            batch = ops.concatenate([moment[index] for moment in moments])
            variable.assign(variable * BATCH_MOMENTUM + batch * (1.0 - BATCH_MOMENTUM))

    def _add_norm(self, part: str, rows: int) -> None:
        names = {"norm_scale": "ones"}
        if has_offset(self.normalization):
            names["norm_offset"] = "zeros"
        if self.normalization == "batch":
            names |= {"norm_moving_mean": "zeros", "norm_moving_variance": "ones"}
        for name, initial in names.items():
            name = f"{part}_{name}"
            setattr(self, name, self._add(name, (rows,), initial, trainable="moving" not in name))

    def _add_kernel(self, name: str, shape: tuple[int, int]) -> Any:
        """A kernel of He's normal distribution, block by block where several are packed."""
        seed = derive_seed(self.seed, name)
        fans = [shape[0]]
        if name == "blocks_kernel":
            fans = [high - low for low, high in zip(self.row_starts, self.row_starts[1:], strict=False)]

        def initial(shape: Any, dtype: Any = None) -> Any:
            normal = keras.initializers.RandomNormal(stddev=1.0, seed=seed)(shape, dtype=dtype)
            scale = [math.sqrt(2 / fan) for fan in fans for _ in range(fan)]
            return normal * ops.convert_to_tensor(scale, dtype=normal.dtype)[:, None]

        return self._add(
            name, shape, initial, regularizer=keras.regularizers.L2(self.l2) if self.l2 else None
        )

    def _add(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any,
        *,
        trainable: bool = True,
        regularizer: Any = None,
    ) -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            trainable=trainable,
            regularizer=regularizer,
            dtype="float32",
        )
