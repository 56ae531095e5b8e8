"""Attention over the outputs of all units, whose weights can be read out."""

import math
from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_choice, check_range
from ultimate_deep.models.layers.stacks.normalization import NormWeights, normalize
from ultimate_deep.models.seeds import derive_seed

TOKEN_NORMS = ("layer", "rms")


@keras.saving.register_keras_serializable(package="ultimate_deep")
class MultiScaleAttention(keras.layers.Layer):
    """Weigh what shallow and deep units found: a list of unit outputs to `(batch, token_width)`.

    Inputs are `(batch, width)` (one unit) or `(batch, units, width)` (several), in order of
    depth. Each unit's output is normalised and projected to a token by weights of its own, the
    tokens attend to each other (several heads), and the mean over the asking tokens, added to
    the mean token, is the result. Since asking tokens are averaged, so may their attention be:
    `attention_weights` `(batch, heads, units)` is exactly what each unit's value is weighted
    with. There is no key bias, which a softmax cannot see.

    Source: Vaswani et al. (2017), arXiv:1706.03762, sec. 3.2; attention over depth as in Fang
    et al. (2023), "Cross-Layer Retrospective Retrieving via Layer Attention",
    arXiv:2302.03985, sec. 3.

    Raises:
        ValueError: An argument outside its range, inputs of different widths, or one unit only.
    """

    def __init__(
        self,
        heads: int,
        token_width: int,
        *,
        normalization: str = "layer",
        l2: float = 0.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(autocast=False, **layer_options)
        check_range("heads", heads, 1)
        check_range("token_width", token_width, 1)
        check_choice("normalization", normalization, TOKEN_NORMS)
        check_range("l2", l2, 0.0)
        if token_width % heads:
            raise ValueError(
                f"token_width must be a multiple of heads, got {token_width} and {heads}"
            )
        self.heads = int(heads)
        self.token_width = int(token_width)
        self.normalization = normalization
        self.l2 = float(l2)
        self.seed = int(seed)

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Create the weights for unit outputs of these shapes."""
        widths = {shape[-1] for shape in input_shape}
        self.units = sum(1 if len(shape) == 2 else shape[1] or 0 for shape in input_shape)
        if len(widths) != 1 or None in widths or self.units < 2:
            raise ValueError(
                "MultiScaleAttention weighs at least two unit outputs of one known width, got "
                f"shapes {input_shape}"
            )
        self.width = int(input_shape[0][-1] or 0)
        width, token = self.width, self.token_width
        self.norm_scale = self._add("norm_scale", (self.units, width), "ones")
        if self.normalization == "layer":
            self.norm_offset = self._add("norm_offset", (self.units, width), "zeros")
        self.token_kernel = self._add_kernel("token_kernel", (self.units, width, token), 1.0)
        self.token_bias = self._add("token_bias", (self.units, token), "zeros")
        self.query_kernel = self._add_kernel("query_kernel", (token, token), 1.0)
        self.key_kernel = self._add_kernel("key_kernel", (token, token), 1.0)
        self.value_kernel = self._add_kernel("value_kernel", (token, token), 1.0)
        self.output_kernel = self._add_kernel("output_kernel", (token, token), 1.0)
        self.output_bias = self._add("output_bias", (token,), "zeros")

    def call(self, inputs: list[Any]) -> Any:
        """Return `(batch, token_width)` float32."""
        tokens = self._tokens(inputs)
        weights = self._weights(tokens)
        values = self._split(self._matmul(tokens, self.value_kernel))
        context = ops.einsum("bhu,buhd->bhd", weights, values)
        context = ops.reshape(context, (-1, self.token_width))
        return (
            ops.mean(tokens, axis=1) + self._matmul(context, self.output_kernel) + self.output_bias
        )

    def attention_weights(self, inputs: list[Any]) -> Any:
        """What each unit is weighted with: `(batch, heads, units)`, adding up to 1 over units."""
        return self._weights(self._tokens(inputs))

    def compute_output_spec(self, inputs: list[Any]) -> Any:
        """`(batch, token_width)` float32."""
        return keras.KerasTensor((inputs[0].shape[0], self.token_width), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return {
            **config,
            "heads": self.heads,
            "token_width": self.token_width,
            "normalization": self.normalization,
            "l2": self.l2,
            "seed": self.seed,
        }

    def _tokens(self, inputs: list[Any]) -> Any:
        outputs = [x if len(x.shape) == 3 else ops.expand_dims(x, 1) for x in inputs]
        x = ops.concatenate([ops.cast(x, "float32") for x in outputs], axis=1)
        norm = NormWeights(self.norm_scale, getattr(self, "norm_offset", None))
        x, _ = normalize(x, norm, self.normalization, training=False)
        x, kernel = self._cast(x), self._cast(self.token_kernel)
        return ops.cast(ops.einsum("buw,uwt->but", x, kernel), "float32") + self.token_bias

    def _weights(self, tokens: Any) -> Any:
        queries = self._split(self._matmul(tokens, self.query_kernel))
        keys = self._split(self._matmul(tokens, self.key_kernel))
        scores = ops.einsum("bqhd,bkhd->bhqk", queries, keys)
        scores = scores / math.sqrt(self.token_width / self.heads)
        return ops.mean(ops.softmax(scores, axis=-1), axis=2)

    def _split(self, x: Any) -> Any:
        return ops.reshape(x, (-1, self.units, self.heads, self.token_width // self.heads))

    def _matmul(self, x: Any, kernel: Any) -> Any:
        return ops.cast(ops.matmul(self._cast(x), self._cast(kernel)), "float32")

    def _cast(self, x: Any) -> Any:
        return ops.cast(x, self.compute_dtype)

    def _add_kernel(self, name: str, shape: tuple[int, ...], gain: float) -> Any:
        initializer = keras.initializers.RandomNormal(
            stddev=gain / math.sqrt(shape[-2]), seed=derive_seed(self.seed, name)
        )
        regularizer = keras.regularizers.L2(self.l2) if self.l2 else None
        return self._add(name, shape, initializer, regularizer)

    def _add(
        self, name: str, shape: tuple[int, ...], initializer: Any, regularizer: Any = None
    ) -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            regularizer=regularizer,
            dtype="float32",
            # Keras would hand out the weights in the compute type, whatever the layer asks.
            autocast=False,
        )
