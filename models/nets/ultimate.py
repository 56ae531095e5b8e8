"""The ultimate net: hundreds of residual blocks, dense blocks, attention over all of them.

    features -> clip -> dense, the stem (or many members' dense layers, see `MemberOptions`)
      -> units of residual blocks, one layer with stacked weights  -> one output per unit
      -> units of dense blocks with transitions                    -> one output per unit
    all unit outputs -> multi-scale attention -> norm -> logits

The default has 500 residual blocks: 2,000 weighted layers, of which 1,000 matrix products.
"""

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
from ultimate_deep.models.inputs import Inputs, flat_features, make_inputs
from ultimate_deep.models.layers.attention.multi_scale_attention import MultiScaleAttention
from ultimate_deep.models.layers.stacks.block import RESIDUAL_SCALINGS
from ultimate_deep.models.layers.stacks.coupled_stack import MEMORIES, check_coupling
from ultimate_deep.models.layers.stacks.dense_stack import DenseStack
from ultimate_deep.models.layers.stacks.normalization import STACK_NORMALIZATIONS, plain_norm
from ultimate_deep.models.layers.stacks.residual_stack import ResidualStack
from ultimate_deep.models.parts.member_options import MemberOptions
from ultimate_deep.models.parts.member_parts import heads_behind_members, into_stack, member_stem
from ultimate_deep.models.presets import Preset, weighing_returns
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed
from ultimate_deep.models.surgery.unrolled import unrolled

IMPLEMENTATIONS = ("stacked", "unrolled")
# The stem and the heads learn eight times as fast as nets without members do, the stacks twice.
SLOWER_STACKS = (("*_stack|*_unit_*", 0.25),)  # unrolled, stacks are layers of units


@dataclass(frozen=True, kw_only=True)
class UltimateConfig(MemberOptions):
    """What `build_ultimate` builds.

    `coupling`, `residual_scaling`, `exact` and `memory` are those of `ResidualStack`;
    `stochastic_depth` is the share of the rows that the last block of each stack leaves out.
    `normalization="none"` (for `fixup`) is for the residual blocks only: the dense units, whose
    carry is never scaled, keep their layer norms.

    `memory` and `implementation` never change the function: `memory` says what is kept for the
    backward pass, `implementation="unrolled"` builds plain Keras layers. `exact` rounds what
    the blocks add, which changes the function by roundings of 2**-18 at most each.

    Args:
        width: Values that the residual units carry.
        res_blocks_per_unit: Residual blocks of each unit.
        dense_blocks_per_unit: Densely connected blocks of each unit after them.
        growth_rate: Values that a dense block adds.
        attention_heads: Heads of the attention over the units' outputs; divides `width`.
        dropout_rate: Share of values dropped inside the blocks, in [0, 1).
        stochastic_depth: Share of the rows that the last block of each stack leaves out.
        l2: Penalty on the sum of squares of all kernels.
        normalization: `layer`, `rms`, `batch` or `none`.
        activation: Name of a Keras activation.
        coupling: `residual`, or `additive` for two streams whose inputs follow from outputs.
        residual_scaling: Scale of what a block adds: `none`, `1/sqrt(depth)`,
            `rezero`, `fixup` or `deepnorm`.
        exact: Whether what the blocks add is rounded to a grid, so that it can be undone exactly.
        memory: What is kept for the backward pass: `store`, `checkpoint` or `reversible`.
        implementation: `stacked` weights in loops, or `unrolled` into plain Keras layers.
        members: Members of the stem, small nets that share their kernels; 1 is one dense layer.
        members_in_stack: What of them goes through the blocks: `drawn`, one member of each row in
            training and all in inference, or `mean`, whose answer is added to each member's.
        exit_weight: Weight of the stem's own answer in the training loss, the blocks' being 1.
        member_widths: Widths of the members' dense layers before the last, of width `width`.
        feature_dropout: Share of the features that a member does not see of a row in training.
        feature_penalty: Penalty on the norm of each feature's weights in the stem (group lasso).
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        input_clip: Bound of the inputs, plus and minus.
        seed: Seed of all weights and masks.

    Raises:
        ValueError: A value out of range, or two that do not go together.
    """

    width: int = 64
    res_blocks_per_unit: tuple[int, ...] = (50,) * 10
    dense_blocks_per_unit: tuple[int, ...] = (10, 5, 5)
    growth_rate: int = 16
    attention_heads: int = 4
    dropout_rate: float = 0.1
    stochastic_depth: float = 0.0
    l2: float = 0.0
    normalization: str = "layer"
    activation: str = "relu"
    coupling: str = "residual"
    residual_scaling: str = "1/sqrt(depth)"
    exact: bool = False
    memory: str = "store"
    implementation: str = "stacked"
    precision: str = "float32"
    input_clip: float = 8.0
    seed: int = 0

    def __post_init__(self) -> None:
        units = (*self.res_blocks_per_unit, *self.dense_blocks_per_unit)
        if not self.res_blocks_per_unit or len(units) < 2 or min(units) < 1:
            raise ValueError(
                "res_blocks_per_unit needs at least one unit, there must be two or more units in "
                "all for the attention over them, and each unit needs at least one block; got "
                f"res_blocks_per_unit={self.res_blocks_per_unit} and "
                f"dense_blocks_per_unit={self.dense_blocks_per_unit}"
            )
        check_range("attention_heads", self.attention_heads, 1)
        if self.width < 2 or self.width % self.attention_heads:
            raise ValueError(
                f"width must be at least 2 and a multiple of attention_heads, got {self.width} and "
                f"{self.attention_heads}"
            )
        check_range("growth_rate", self.growth_rate, 1)
        check_range("dropout_rate", self.dropout_rate, 0.0, 1.0)
        check_range("stochastic_depth", self.stochastic_depth, 0.0, 1.0)
        check_range("l2", self.l2, 0.0)
        check_positive("input_clip", self.input_clip)
        check_choice("normalization", self.normalization, STACK_NORMALIZATIONS)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("coupling", self.coupling, tuple(ResidualStack.COUPLINGS))
        check_choice("residual_scaling", self.residual_scaling, RESIDUAL_SCALINGS)
        check_choice("memory", self.memory, MEMORIES)
        check_coupling(self.coupling, self.residual_scaling, self.memory, exact=self.exact)
        check_choice("implementation", self.implementation, IMPLEMENTATIONS)
        check_choice("precision", self.precision, PRECISIONS)
        self.check_members()


# `seed` holds the specification's own values. Kernels of the residual part alone:
# 2 * blocks * width ** 2. What `store` keeps for the backward pass is 8 * blocks * batch * width
# bytes, 0.26 GB for `wide` and 0.13 GB beside 17 GB of weights, gradients and Adam's moments for
# `billion`, less than computing it again is worth. `million` has as many matrix products.
PRESETS = MappingProxyType(
    {
        # Of few features, half rarely hold what must be seen together.
        "tiny": Preset(
            config=UltimateConfig(
                width=8,
                res_blocks_per_unit=(3, 2),
                dense_blocks_per_unit=(2, 1),
                growth_rate=4,
                attention_heads=2,
                members=8,
                members_in_stack="mean",
                member_widths=(32,),
                feature_dropout=0.1,
            ),
            learning_rate=8e-3,
            rate_factors=SLOWER_STACKS,
        ),
        "small": Preset(
            config=UltimateConfig(
                width=32, res_blocks_per_unit=(5,) * 4, dense_blocks_per_unit=(4, 2), growth_rate=8
            ),
        ),
        "medium": Preset(
            config=UltimateConfig(res_blocks_per_unit=(20,) * 5, dense_blocks_per_unit=(10, 5, 5)),
        ),
        "default": weighing_returns(
            UltimateConfig(width=32, members=16, members_in_stack="mean", feature_penalty=3e-4),
            learning_rate=8e-3,
            rate_factors=SLOWER_STACKS,
        ),
        "seed": Preset(
            config=UltimateConfig(normalization="batch", dropout_rate=0.1),
            learning_rate=1e-5,
            batch_size=8,
        ),
        "wide": Preset(
            config=UltimateConfig(width=256, growth_rate=64),
            learning_rate=3e-4,
            batch_size=256,
        ),
        "billion": Preset(
            config=UltimateConfig(width=1024, growth_rate=128, attention_heads=8),
            learning_rate=1e-4,
            batch_size=32,
        ),
        "million": Preset(
            config=UltimateConfig(
                width=16,
                res_blocks_per_unit=(50_000,) * 10,
                dense_blocks_per_unit=(4, 2),
                growth_rate=8,
                dropout_rate=0.0,
                coupling="additive",
                memory="reversible",
            ),
            batch_size=64,
        ),
    }
)

SEES = ("linear", "interaction", "long_memory", "cross_timeframe")

SEARCH_SPACE: SearchSpace = {
    "width": Choice(values=(32, 64, 128)),
    "res_blocks_per_unit": Choice(values=((5,) * 4, (10,) * 5, (20,) * 5, (50,) * 10)),
    "dense_blocks_per_unit": Choice(values=((4, 2), (10, 5, 5))),
    "growth_rate": Choice(values=(8, 16, 32)),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
    "l2": FloatRange(low=1e-8, high=1e-4, log=True),
    "members": Choice(values=(8, 16, 32)),
    "feature_dropout": FloatRange(low=0.0, high=0.7),
    "feature_penalty": FloatRange(low=1e-5, high=1e-2, log=True),
    "normalization": Choice(values=NORMALIZATIONS),
    "residual_scaling": Choice(values=("none", "1/sqrt(depth)", "rezero")),
}


def loop_width(config: UltimateConfig) -> int | None:
    """Return the width of the blocks that run as a loop; None where each is a layer of its own."""
    return config.width if config.implementation == "stacked" else None


def build_ultimate(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: UltimateConfig = UltimateConfig(),
) -> keras.Model:
    """Build the ultimate net.

    Input `features` `(batch, features)` (any fixed shapes are flattened and joined), output
    `(batch, horizons)` float32 logits.

    Source: residual blocks He et al. (2016), arXiv:1603.05027; dense blocks Huang et al.
    (2017), arXiv:1608.06993; see the layers for what differs.
    """
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = flat_features(inputs, tensors, input_clip=config.input_clip, dtype=policy)
    stem = _stem(x, config, policy)
    x = into_stack(stem, config, seed=config.seed)
    x = MultiScaleAttention(
        config.attention_heads,
        config.width,
        normalization=token_normalization(config),
        l2=config.l2,
        seed=derive_seed(config.seed, "attention"),
        dtype=policy,
        name="multi_scale_attention",
    )(_units(x, config, policy))
    x = plain_norm(token_normalization(config), dtype=policy, name="head_norm")(x)
    logits = heads_behind_members(heads, x, stem, config, seed=config.seed, l2=config.l2)
    model = keras.Model(structure, logits, name="ultimate")
    return model if config.implementation == "stacked" else unrolled(model)


def _stem(x: Any, config: UltimateConfig, policy: keras.DTypePolicy) -> Any:
    if config.members > 1:
        return member_stem(
            x,
            config,
            config.width,
            activation=config.activation,
            l2=config.l2,
            seed=config.seed,
            dtype=policy,
        )
    return keras.layers.Dense(
        config.width,
        kernel_initializer=keras.initializers.LecunNormal(seed=derive_seed(config.seed, "stem")),
        kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
        dtype=policy,
        name="stem",
    )(x)


def token_normalization(config: UltimateConfig) -> str:
    """The norm of tokens and head: batch normalisation is for the blocks only.

    A batch norm on every path out of the carry would leave all biases on it without effect.
    """
    return "rms" if config.normalization == "rms" else "layer"


def _units(x: Any, config: UltimateConfig, policy: keras.DTypePolicy) -> list[Any]:
    residual = ResidualStack(
        config.res_blocks_per_unit,
        coupling=config.coupling,
        normalization=config.normalization,
        activation=config.activation,
        dropout_rate=config.dropout_rate,
        stochastic_depth=config.stochastic_depth,
        residual_scaling=config.residual_scaling,
        exact=config.exact,
        l2=config.l2,
        memory=config.memory,
        seed=derive_seed(config.seed, "residual"),
        dtype=policy,
        name="residual_stack",
    )(x)
    if not config.dense_blocks_per_unit:
        return [residual]
    dense = DenseStack(
        config.dense_blocks_per_unit,
        config.growth_rate,
        normalization="layer" if config.normalization == "none" else config.normalization,
        activation=config.activation,
        dropout_rate=config.dropout_rate,
        stochastic_depth=config.stochastic_depth,
        l2=config.l2,
        seed=derive_seed(config.seed, "dense"),
        dtype=policy,
        name="dense_stack",
    )(residual)
    return [residual, dense]
