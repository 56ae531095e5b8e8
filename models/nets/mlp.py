"""A plain multi-layer perceptron: the ordinary net beside which a deep one is judged."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import (
    ACTIVATIONS,
    NORMALIZATIONS,
    check_choice,
    check_range,
    dtype_policy,
)
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, flat_features, make_inputs
from ultimate_deep.models.layers.stacks.normalization import plain_norm
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed


@dataclass(frozen=True, kw_only=True)
class MlpConfig(NetOptions):
    """Hidden layers `norm(dense)`, activation, dropout.

    Args:
        hidden_widths: Units of each hidden layer.
        activation: Name of a Keras activation.
        normalization: `layer`, `rms` or `batch`.
        l2: Penalty on the sum of squares of all kernels.
        dropout_rate: Share of values dropped in training, in [0, 1).
        input_clip: Bound of the inputs, plus and minus.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    hidden_widths: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    normalization: str = "layer"
    l2: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.hidden_widths or min(self.hidden_widths) < 1:
            raise ValueError(
                f"hidden_widths must hold at least one width of 1 or more, got "
                f"{self.hidden_widths}: use the model called 'linear' for none"
            )
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_range("l2", self.l2, 0.0)


SEES = ("linear", "interaction", "long_memory", "cross_timeframe")

PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=MlpConfig(hidden_widths=(64, 32))),
        "default": hiding_features(MlpConfig(), learning_rate=4e-3),
    }
)

SEARCH_SPACE: SearchSpace = {
    "hidden_widths": Choice(values=((32,), (64, 32), (128, 64), (256, 128, 64))),
    "activation": Choice(values=("relu", "gelu", "silu")),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
    "l2": FloatRange(low=1e-7, high=1e-3, log=True),
}


def build_mlp(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: MlpConfig = MlpConfig(),
) -> keras.Model:
    """Build a multi-layer perceptron.

    Input `features` `(batch, features)` (any fixed shapes are flattened and joined), output
    `(batch, horizons)` float32 logits. A hidden layer is dense without bias (its norm would
    undo or repeat it), norm, activation, dropout.

    Source: Ioffe & Szegedy (2015), arXiv:1502.03167, sec. 3.2, for the order.
    """
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = flat_features(inputs, tensors, input_clip=config.input_clip, dtype=policy)
    for index, width in enumerate(config.hidden_widths, start=1):
        name = f"hidden_{index:02d}"
        x = keras.layers.Dense(
            width,
            use_bias=config.normalization == "rms",
            kernel_initializer=keras.initializers.HeNormal(seed=derive_seed(config.seed, name)),
            kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
            dtype=policy,
            name=f"{name}_dense",
        )(x)
        x = plain_norm(config.normalization, dtype=policy, name=f"{name}_norm")(x)
        x = keras.layers.Activation(config.activation, dtype=policy, name=f"{name}_activation")(x)
        x = keras.layers.Dropout(
            config.dropout_rate,
            seed=derive_seed(config.seed, f"{name}_dropout"),
            dtype=policy,
            name=f"{name}_dropout",
        )(x)
    logits = prediction_heads(heads, x, seed=config.seed, l2=config.l2)
    return keras.Model(structure, logits, name="mlp")
