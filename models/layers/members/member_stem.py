"""Many small nets that share their kernels: the members of an ensemble as one layer."""

import math
from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import ACTIVATIONS, check_choice, check_range
from ultimate_deep.models.layers.members.rows import by_member, one_after_another
from ultimate_deep.models.layers.stacks.masks import mask_source
from ultimate_deep.models.seeds import derive_seed

SMALLEST_SQUARE = 1e-12


class FeaturePenalty(keras.regularizers.L2):
    """Keras' L2, and `lasso` times the sum of the norms of the rows.

    Args:
        l2: Weight of the squares.
        lasso: Weight of the norms of the rows, one for each feature.
    """

    def __init__(self, l2: float, lasso: float) -> None:
        super().__init__(l2)
        self.lasso = lasso

    def __call__(self, kernel: Any) -> Any:
        """Return the penalty of a kernel `(features, width)`."""
        # A norm of zero has no slope; so small a square moves nothing.
        norms = ops.sqrt(ops.sum(ops.square(kernel), axis=1) + SMALLEST_SQUARE)
        return super().__call__(kernel) + self.lasso * ops.sum(norms)


@keras.saving.register_keras_serializable(package="ultimate_deep")
class MemberStem(keras.layers.Layer):
    """Read every row by every member: `(rows, features)` to `(rows * members, width)` float32.

    A member multiplies the features by scales of its own, drawn from N(0, 1) and learnt. In
    training a share of the features, other ones for each row and member, is dropped. Then come
    dense layers, each with one kernel for all members, and with scales and biases of each:
    `activation(scale * (x @ kernel) + bias)`, then dropout. All members of all rows go through
    one matrix product. Weights, norms and what is not a product are float32 under every policy.

    Args:
        members: Number of members.
        widths: Widths of the dense layers; the last is the output's.
        feature_dropout: Share of the features that a member does not see of a row.
        feature_penalty: Penalty on the sum, over features, of the norm of a feature's row of the
            first kernel (group lasso): features that say little lose nearly all weight, in all
            members alike.
        dropout_rate: Share of the values dropped after each dense layer.
        activation: A Keras activation's name.
        l2: Penalty on the sum of squares of the kernels.
        seed: Seed of the initial weights and of the masks.

    Source: Gorishniy et al. (2024), "TabM", arXiv:2410.24210, sec. 3; Wen et al. (2020),
    "BatchEnsemble", arXiv:2002.06715, sec. 3; the penalty: Yuan & Lin (2006), "Model selection and
    estimation in regression with grouped variables", eq. 2.1, with groups of equal size.
    Deviation: only the first scales multiply what a layer reads, the others what it gives; features
    are dropped.

    Raises:
        ValueError: An argument outside its range, or an input that is not `(rows, features)`.
    """

    def __init__(
        self,
        members: int,
        widths: tuple[int, ...] | list[int],
        *,
        feature_dropout: float = 0.5,
        feature_penalty: float = 0.0,
        dropout_rate: float = 0.0,
        activation: str = "relu",
        l2: float = 0.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(autocast=False, **layer_options)
        check_range("members", members, 1)
        if not widths or min(widths) < 1:
            raise ValueError(
                f"widths must hold at least one width of 1 or more, got {tuple(widths)}: give the "
                "output's width last"
            )
        check_range("feature_dropout", feature_dropout, 0.0, 1.0)
        check_range("feature_penalty", feature_penalty, 0.0)
        check_range("dropout_rate", dropout_rate, 0.0, 1.0)
        check_choice("activation", activation, ACTIVATIONS)
        check_range("l2", l2, 0.0)
        self.members = int(members)
        self.widths = tuple(int(width) for width in widths)
        self.feature_dropout = float(feature_dropout)
        self.feature_penalty = float(feature_penalty)
        self.dropout_rate = float(dropout_rate)
        self.activation = activation
        self.l2 = float(l2)
        self.seed = int(seed)
        self.seed_generator = keras.random.SeedGenerator(derive_seed(self.seed, "masks"))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for inputs of `input_shape` `(rows, features)`."""
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                f"MemberStem reads (rows, features) of a known number of features, got "
                f"{input_shape}: flatten the input first"
            )
        fan = int(input_shape[-1])
        self.features = fan
        self._add("input_scale", (self.members, fan), self._normal("input_scale", 1.0))
        for number, width in enumerate(self.widths, start=1):
            name = f"dense_{number}"
            kernel = self._normal(f"{name}_kernel", math.sqrt(2 / fan))
            penalty = keras.regularizers.L2(self.l2) if self.l2 else None
            if number == 1 and self.feature_penalty:
                penalty = FeaturePenalty(self.l2, self.feature_penalty)
            self._add(f"{name}_kernel", (fan, width), kernel, penalty)
            self._add(f"{name}_scale", (self.members, width), "ones")
            self._add(f"{name}_bias", (self.members, width), "zeros")
            fan = width

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return what each member makes of each row, `(rows * members, width)`."""
        drops = self.feature_dropout or self.dropout_rate
        seed = self.seed_generator.next() if training and drops else None
        x = ops.cast(inputs, "float32")[:, None, :] * self._tensor("input_scale")
        x = self._dropped(x, self.feature_dropout, seed, salt=0)
        activation = keras.activations.get(self.activation)
        for number in range(1, len(self.widths) + 1):
            name = f"dense_{number}"
            flat = ops.cast(one_after_another(x), self.compute_dtype)
            product = ops.matmul(flat, ops.cast(self._tensor(f"{name}_kernel"), flat.dtype))
            x = by_member(ops.cast(product, "float32"), self.members)
            x = activation(x * self._tensor(f"{name}_scale") + self._tensor(f"{name}_bias"))
            x = self._dropped(x, self.dropout_rate, seed, salt=number)
        return one_after_another(x)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """`(rows * members, width)` float32."""
        return keras.KerasTensor((None, self.widths[-1]), dtype="float32")

    @property
    def values_per_member(self) -> int:
        """Numbers that a training step keeps of one row for one member: what each layer reads."""
        return self.features + 2 * sum(self.widths)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return {
            **config,
            "members": self.members,
            "widths": list(self.widths),
            "feature_dropout": self.feature_dropout,
            "feature_penalty": self.feature_penalty,
            "dropout_rate": self.dropout_rate,
            "activation": self.activation,
            "l2": self.l2,
            "seed": self.seed,
        }

    def _dropped(self, x: Any, rate: float, seed: Any, *, salt: int) -> Any:
        """`(rows, members, values)` with a share of the values zero, and the rest enlarged."""
        rows = x.shape[0] if x.shape[0] is not None else ops.shape(x)[0]
        source = mask_source((rows, *x.shape[1:]), 1, seed, rate, salt=salt)
        return x if source is None else x * source.mask(0)

    def _normal(self, name: str, stddev: float) -> Any:
        return keras.initializers.RandomNormal(stddev=stddev, seed=derive_seed(self.seed, name))

    def _add(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any,
        penalty: keras.regularizers.Regularizer | None = None,
    ) -> None:
        variable = self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            regularizer=penalty,
            dtype="float32",
            # Keras would hand out the weights in the compute type, whatever the layer asks.
            autocast=False,
        )
        setattr(self, name, variable)

    def _tensor(self, name: str) -> Any:
        return ops.convert_to_tensor(getattr(self, name))
