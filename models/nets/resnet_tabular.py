"""A residual net for tables: blocks of two dense layers around a skip, norm first."""

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import (
    ACTIVATIONS,
    NORMALIZATIONS,
    PRECISIONS,
    check_choice,
    check_positive,
    check_range,
    dtype_policy,
)
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.inputs import Inputs, Reads, flat_features, make_inputs
from ultimate_deep.models.layers.stacks.normalization import plain_norm
from ultimate_deep.models.parts.member_options import MemberOptions
from ultimate_deep.models.parts.member_parts import heads_behind_members, into_stack, member_stem
from ultimate_deep.models.presets import Preset, weighing_returns
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

RESIDUAL_SCALINGS = ("none", "1/sqrt(depth)")
READS: Reads = "features"
# Shares of the oracle's edge with `tiny`, 20,000 bars, edge 0.2: linear 0.96, long memory 0.97,
# cross-timeframe 0.82, interaction 0.74.
SEES: tuple[str, ...] = ("linear", "long_memory", "cross_timeframe")


@dataclass(frozen=True, kw_only=True)
class ResnetTabularConfig(MemberOptions):
    """What `build_resnet_tabular` builds.

    Args:
        blocks: Number of residual blocks.
        width: Width of the carry.
        hidden_factor: A block's hidden layer has `width * hidden_factor` units, rounded.
        activation: A Keras activation's name.
        normalization: `batch` as in the source, `layer` or `rms`.
        hidden_dropout_rate: Share of a block's hidden values that are dropped.
        residual_dropout_rate: Share of a block's results that are dropped.
        residual_scaling: What a block's results are multiplied by: `none`, or `1/sqrt(depth)`.
        l2: Penalty on the sum of squares of all kernels.
        members: Members of the stem, small nets that share their kernels; 1 is one dense layer.
        members_in_stack: What of them goes through the blocks: `drawn`, one member of each row in
            training and all in inference, or `mean`, whose answer is added to each member's.
        exit_weight: Weight of the stem's own answer in the training loss, the blocks' being 1.
        member_widths: Widths of the members' dense layers before the last, of width `width`.
        feature_dropout: Share of the features that a member does not see of a row in training.
        feature_penalty: Penalty on the norm of each feature's weights in the stem (group lasso).
        input_clip: Features beyond it are cut.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of the initial weights and of the masks.

    Raises:
        ValueError: A value outside its range.
    """

    blocks: int = 3
    width: int = 128
    hidden_factor: float = 2.0
    activation: str = "relu"
    normalization: str = "batch"
    hidden_dropout_rate: float = 0.2
    residual_dropout_rate: float = 0.0
    residual_scaling: str = "none"
    l2: float = 0.0
    input_clip: float = 8.0
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("blocks", self.blocks, 1)
        check_range("width", self.width, 1)
        check_positive("hidden_factor", self.hidden_factor)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("hidden_dropout_rate", "residual_dropout_rate"):
            check_range(name, getattr(self, name), 0.0, 1.0)
        check_range("l2", self.l2, 0.0)
        check_positive("input_clip", self.input_clip)
        check_choice("residual_scaling", self.residual_scaling, RESIDUAL_SCALINGS)
        self.check_members()

    @property
    def hidden_width(self) -> int:
        """Units of a block's hidden layer."""
        return max(1, round(self.width * self.hidden_factor))


# `paper_largest` is the upper corner of the source's search space, table 14.
PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=ResnetTabularConfig(blocks=2, width=8)),
        "default": weighing_returns(
            ResnetTabularConfig(members=16, members_in_stack="mean", feature_penalty=3e-4),
            learning_rate=8e-3,
        ),
        "paper_largest": Preset(
            config=ResnetTabularConfig(blocks=8, width=512, hidden_factor=4.0),
            learning_rate=3e-4,
            half_on_cpu=True,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "blocks": IntRange(low=1, high=8),
    "width": Choice(values=(64, 128, 256, 512)),
    "hidden_factor": FloatRange(low=1.0, high=4.0),
    "hidden_dropout_rate": FloatRange(low=0.0, high=0.5),
    "residual_dropout_rate": FloatRange(low=0.0, high=0.5),
    "l2": FloatRange(low=1e-7, high=1e-3, log=True),
}


def build_resnet_tabular(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: ResnetTabularConfig = ResnetTabularConfig(),
) -> keras.Model:
    """Build a residual net for tables.

        block(x) = x + dropout(dense(dropout(activation(dense(norm(x))))))
        logits   = dense(activation(norm(block(...block(dense(features))))))

    Input `features` `(batch, features)` (any fixed shapes are flattened and joined), output
    `(batch, horizons)` float32 logits.

    Source: Gorishniy et al. (2021), "Revisiting Deep Learning Models for Tabular Data",
    arXiv:2106.11959, sec. 3.2. Biases that go into the carry are left out under batch
    normalization, which subtracts them again wherever the carry is read.
    """
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = flat_features(inputs, tensors, input_clip=config.input_clip, dtype=policy)
    carried_bias = config.normalization != "batch"
    stem = _stem(x, config)
    x = into_stack(stem, config, seed=config.seed)
    for index in range(1, config.blocks + 1):
        x = _block(x, config, f"block_{index:02d}", use_bias=carried_bias)
    x = plain_norm(config.normalization, dtype=policy, name="head_norm")(x)
    x = keras.layers.Activation(config.activation, dtype=policy, name="head_activation")(x)
    outputs = heads_behind_members(heads, x, stem, config, seed=config.seed, l2=config.l2)
    return keras.Model(structure, outputs, name="resnet_tabular")


def _stem(x: Any, config: ResnetTabularConfig) -> Any:
    if config.members == 1:
        use_bias = config.normalization != "batch"
        return _dense(config, config.width, "stem", use_bias=use_bias, gain="lecun")(x)
    return member_stem(
        x,
        config,
        config.width,
        activation=config.activation,
        l2=config.l2,
        seed=config.seed,
        dtype=dtype_policy(config.precision),
    )


def _block(x: Any, config: ResnetTabularConfig, name: str, *, use_bias: bool) -> Any:
    policy = dtype_policy(config.precision)
    y = plain_norm(config.normalization, dtype=policy, name=f"{name}_norm")(x)
    y = _dense(config, config.hidden_width, f"{name}_dense_1", use_bias=True, gain="he")(y)
    y = keras.layers.Activation(config.activation, dtype=policy, name=f"{name}_activation")(y)
    y = _dropout(config, config.hidden_dropout_rate, f"{name}_hidden_dropout")(y)
    y = _dense(config, config.width, f"{name}_dense_2", use_bias=use_bias, gain="lecun")(y)
    y = _dropout(config, config.residual_dropout_rate, f"{name}_residual_dropout")(y)
    if config.residual_scaling != "none":
        scale = 1 / math.sqrt(config.blocks)
        y = keras.layers.Rescaling(scale, dtype=policy, name=f"{name}_rescaling")(y)
    return keras.layers.Add(dtype=policy, name=f"{name}_carry")([x, y])


def _dense(
    config: ResnetTabularConfig, units: int, name: str, *, use_bias: bool, gain: str
) -> keras.layers.Layer:
    kinds = {"he": keras.initializers.HeNormal, "lecun": keras.initializers.LecunNormal}
    return keras.layers.Dense(
        units,
        use_bias=use_bias,
        kernel_initializer=kinds[gain](seed=derive_seed(config.seed, name)),
        kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
        dtype=dtype_policy(config.precision),
        name=name,
    )


def _dropout(config: ResnetTabularConfig, rate: float, name: str) -> keras.layers.Layer:
    return keras.layers.Dropout(
        rate,
        seed=derive_seed(config.seed, name),
        dtype=dtype_policy(config.precision),
        name=name,
    )
