"""One hidden layer: the control that says whether depth is worth anything."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import ACTIVATIONS, check_choice, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, flat_features, make_inputs
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "features"
# Shares of the oracle's edge with `tiny`, 20,000 bars, edge 0.2: linear 0.95, long memory 0.97,
# cross-timeframe 0.81, interaction 0.75; with `default` and all features 0.94 and, last, 0.84.
SEES: tuple[str, ...] = ("linear", "long_memory", "cross_timeframe")


@dataclass(frozen=True, kw_only=True)
class OneLayerConfig(NetOptions):
    """One dense layer, activation, dropout.

    Args:
        width: Units of the layer.
        activation: Name of a Keras activation.
        l2: Penalty on the sum of squares of both kernels.
        dropout_rate: Share of values dropped in training, in [0, 1).
        input_clip: Bound of the inputs, plus and minus.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    width: int = 128
    activation: str = "relu"
    l2: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("width", self.width, 1)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_range("l2", self.l2, 0.0)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=OneLayerConfig(width=8)),
        "default": hiding_features(OneLayerConfig(), learning_rate=4e-3),
        "wide": Preset(config=OneLayerConfig(width=1_024, dropout_rate=0.3)),
    }
)

SEARCH_SPACE: SearchSpace = {
    "width": Choice(values=(32, 128, 512)),
    "activation": Choice(values=("relu", "gelu", "tanh")),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
    "l2": FloatRange(low=1e-7, high=1e-3, log=True),
}


def build_one_layer(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: OneLayerConfig = OneLayerConfig(),
) -> keras.Model:
    """Build a perceptron with one hidden layer, without any norm.

    Input `features` `(batch, features)` (any fixed shapes are flattened and joined), output
    `(batch, horizons)` float32 logits.

    Source: Hornik, Stinchcombe & White (1989), Neural Networks 2(5), theorem 2.4: enough of
    these units fit any continuous function, so that depth has to prove its worth.
    """
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = flat_features(inputs, tensors, input_clip=config.input_clip, dtype=policy)
    x = keras.layers.Dense(
        config.width,
        kernel_initializer=keras.initializers.HeNormal(seed=derive_seed(config.seed, "hidden")),
        kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
        dtype=policy,
        name="hidden",
    )(x)
    x = keras.layers.Activation(config.activation, dtype=policy, name="hidden_activation")(x)
    x = keras.layers.Dropout(
        config.dropout_rate,
        seed=derive_seed(config.seed, "hidden_dropout"),
        dtype=policy,
        name="hidden_dropout",
    )(x)
    outputs = prediction_heads(heads, x, seed=config.seed, l2=config.l2)
    return keras.Model(structure, outputs, name="one_layer")
