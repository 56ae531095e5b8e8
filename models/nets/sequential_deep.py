"""A plain net of any depth: dense, norm, activation, dropout, over and over, without skips."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import (
    ACTIVATIONS,
    NORMALIZATIONS,
    check_choice,
    check_range,
    dtype_policy,
)
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.inputs import Inputs, Reads, flat_features, make_inputs
from ultimate_deep.models.layers.stacks.normalization import plain_norm
from ultimate_deep.models.layers.stacks.residual_stack import ResidualStack
from ultimate_deep.models.parts.member_options import MemberOptions
from ultimate_deep.models.parts.member_parts import heads_behind_members, into_stack, member_stem
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.presets import Preset, weighing_returns
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "features"
# Shares of the oracle's edge with `tiny`, 20,000 bars, edge 0.2: linear 0.95, long memory 0.94,
# interaction 0.79.
SEES: tuple[str, ...] = ("linear", "long_memory")
MEMORIES = ("store", "checkpoint")
# Stem, last norm and logits; then the weighted layers of a block.
OUTSIDE_LAYERS = 3
BLOCK_LAYERS = 4


@dataclass(frozen=True, kw_only=True)
class SequentialDeepConfig(NetOptions, MemberOptions):
    """What `build_sequential_deep` builds.

    Args:
        layers: Weighted layers (dense and norm) in all, stem and logits among them, at least 7.
        width: Width of every layer.
        normalization: `layer`, `batch` or `rms`.
        activation: A Keras activation's name.
        dropout_rate: Share of the values dropped before every other dense layer.
        l2: Penalty on the sum of squares of all kernels.
        memory: `store`, or `checkpoint` to keep the square root of the depth and compute the
            rest again; never changes the function.
        members: Members of the stem, small nets that share their kernels; 1 is one dense layer.
        members_in_stack: What of them goes through the layers: `drawn`, one member of each row in
            training and all in inference, or `mean`, whose answer is added to each member's.
        exit_weight: Weight of the stem's own answer in the training loss, the last layer's being 1.
        member_widths: Widths of the members' dense layers before the last, of width `width`.
        feature_dropout: Share of the features that a member does not see of a row in training.
        feature_penalty: Penalty on the norm of each feature's weights in the stem (group lasso).
        input_clip: Features beyond it are cut.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of the initial weights and of the masks.

    Raises:
        ValueError: A value outside its range.
    """

    layers: int = 75
    width: int = 64
    normalization: str = "layer"
    activation: str = "elu"
    dropout_rate: float = 0.0
    l2: float = 0.0
    memory: str = "store"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_members()
        check_range("layers", self.layers, self.outside_layers + BLOCK_LAYERS)
        check_range("width", self.width, 1)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_range("l2", self.l2, 0.0)
        check_choice("memory", self.memory, MEMORIES)

    @property
    def outside_layers(self) -> int:
        """Weighted layers that are in no block; what a stem of members has more is among them."""
        if self.members == 1:
            return OUTSIDE_LAYERS
        own_heads = self.members_in_stack == "mean"
        return OUTSIDE_LAYERS + len(self.member_widths) + own_heads

    @property
    def blocks(self) -> int:
        """Blocks of norm, activation, dense, norm, activation, dropout, dense."""
        return (self.layers - self.outside_layers) // BLOCK_LAYERS

    @property
    def layers_left(self) -> int:
        """Weighted layers that make no whole block and stand after the stem or before the logits.

        One is a dense layer before the logits, two are half a block after the stem.
        """
        return (self.layers - self.outside_layers) % BLOCK_LAYERS


PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=SequentialDeepConfig(layers=14, width=8)),
        "default": weighing_returns(
            SequentialDeepConfig(members=16, members_in_stack="mean", feature_penalty=3e-4),
            learning_rate=4e-3,
        ),
        "plain_75": Preset(config=SequentialDeepConfig()),
        "plain_800": Preset(config=SequentialDeepConfig(layers=800), learning_rate=1e-4),
        "plain_1000": Preset(config=SequentialDeepConfig(layers=1_000), learning_rate=1e-4),
    }
)

SEARCH_SPACE: SearchSpace = {
    "layers": Choice(values=(15, 75, 200)),
    "width": Choice(values=(32, 64, 128)),
    "activation": Choice(values=("elu", "selu", "relu")),
    "dropout_rate": FloatRange(low=0.0, high=0.2),
    "l2": FloatRange(low=1e-8, high=1e-4, log=True),
}


def loop_width(config: SequentialDeepConfig) -> int:
    """Return the width of the blocks, which run as a loop."""
    return config.width


def build_sequential_deep(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: SequentialDeepConfig = SequentialDeepConfig(),
) -> keras.Model:
    """Build a plain deep net: what depth is worth, and costs, without skips.

        features -> clip -> dense -> (norm -> activation -> dense) * n -> norm -> logits

    Input `features` `(batch, features)` (any fixed shapes are flattened and joined), output
    `(batch, horizons)` float32 logits. Blocks are one loop over stacked weights (`ResidualStack`
    with `coupling="none"`), so that time to trace does not grow with depth.

    A signal gets through only where neither its size, nor the angle between two rows, nor the
    gradient runs away with depth. Kernels start with variance 2 / width, and a norm before each
    activation holds the size. Measured on new nets of width 64 with layer norm, as correlation of
    rows and growth of the gradient (ranges over seeds):

        activation   75 layers             800 to 1,000 layers
        elu          0.3 to 0.8, 2 to 3    0.6 to 0.999, 3 to 2e4
        selu         0.0 to 0.1, 5 to 7    0.1 to 0.4, 1e5 to 1e8
        relu         0.98, 2               1.000, 0.003 to 0.5
        tanh         0.0, 20 to 40         0.0, 1e13 to 1e14

    Batch norm lets the gradient grow by 1e10 or more with each of them. Hence elu, whose
    gradients survive a clipped norm; try selu where the net is deep and not clipped.

    Source: Ioffe & Szegedy (2015), arXiv:1502.03167, sec. 3.2, for norm before activation; He et
    al. (2015), arXiv:1502.01852, eq. 10, for the kernels; Clevert et al. (2015),
    arXiv:1511.07289, eq. 1, for elu; Schoenholz et al. (2016), arXiv:1611.01232, sec. 3, for the
    angles.
    """
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = flat_features(inputs, tensors, input_clip=config.input_clip, dtype=policy)
    stem = _stem(x, config)
    x = into_stack(stem, config, seed=config.seed)
    if config.layers_left >= 2:
        x = plain_norm(config.normalization, dtype=policy, name="first_norm")(x)
        x = keras.layers.Activation(config.activation, dtype=policy, name="first_activation")(x)
        x = _dense(config, "first_dense")(x)
    x = keras.layers.Flatten(dtype="float32", name="body")(_stack(config)(x))
    # A batch norm here would leave the last biases before it without effect.
    norm = "rms" if config.normalization == "rms" else "layer"
    x = plain_norm(norm, dtype=policy, name="last_norm")(x)
    if config.layers_left % 2:
        x = _dense(config, "last_dense")(x)
        x = keras.layers.Activation(config.activation, dtype=policy, name="last_activation")(x)
    outputs = heads_behind_members(heads, x, stem, config, seed=config.seed, l2=config.l2)
    return keras.Model(structure, outputs, name="sequential_deep")


def _stem(x: Any, config: SequentialDeepConfig) -> Any:
    if config.members == 1:
        return _dense(config, "stem")(x)
    return member_stem(
        x,
        config,
        config.width,
        activation=config.activation,
        l2=config.l2,
        seed=config.seed,
        dtype=dtype_policy(config.precision),
    )


def _stack(config: SequentialDeepConfig) -> ResidualStack:
    return ResidualStack(
        (config.blocks,),
        coupling="none",
        residual_scaling="none",
        normalization=config.normalization,
        activation=config.activation,
        dropout_rate=config.dropout_rate,
        l2=config.l2,
        memory=config.memory,
        seed=derive_seed(config.seed, "stack"),
        dtype=dtype_policy(config.precision),
        name="plain_stack",
    )


def _dense(config: SequentialDeepConfig, name: str) -> Any:
    return keras.layers.Dense(
        config.width,
        # The stem reads features, the others what a norm and an activation left.
        use_bias=config.normalization != "batch" or name == "last_dense",
        kernel_initializer=keras.initializers.VarianceScaling(
            1.0 if name == "stem" else 2.0, seed=derive_seed(config.seed, name)
        ),
        kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
        dtype=dtype_policy(config.precision),
        name=name,
    )
