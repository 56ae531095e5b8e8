"""One stack of equal blocks of one kind, at any depth: the nets that a comparison of depths needs.

    features -> clip -> dense, the stem -> blocks -> norm -> logits

`sequential` has no skips, `residual` adds each block to what it read, `dense` joins each block to
all earlier ones of its unit, `attention` runs transformer blocks over learnt tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
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
from ultimate_deep.models.layers.stacks.attention_stack import ATTENTION_NORMS, AttentionStack
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

KINDS = ("sequential", "residual", "dense", "attention")
# Stem, head norm and logits; then the weighted layers of a block.
OUTSIDE_LAYERS = 3
BLOCK_LAYERS = {"sequential": 4, "residual": 4, "dense": 2, "attention": 6}
TRANSITION_LAYERS = 2
# Fields that some kinds have no use for; there they keep their defaults.
READ_BY = {
    "coupling": ("residual", "attention"),
    "residual_scaling": ("residual", "attention"),
    "exact": ("residual", "attention"),
    "stochastic_depth": ("residual", "dense", "attention"),
    "memory": ("sequential", "residual", "attention"),
    "growth_rate": ("dense",),
    "blocks_per_transition": ("dense",),
    "tokens": ("attention",),
    "attention_heads": ("attention",),
    "feed_forward_width": ("attention",),
}


@dataclass(frozen=True, kw_only=True)
class StackConfig(MemberOptions):
    """What `build_stack` builds.

    Args:
        kind: `sequential`, `residual`, `dense` or `attention`.
        blocks: Number of blocks; `blocks_for_layers` finds it for a number of layers.
        width: Width of the carry, and of each token in `attention`.
        growth_rate: `dense`: number of values that a block adds.
        blocks_per_transition: `dense`: blocks of a unit; the last unit may have fewer.
        tokens: `attention`: number of tokens that the stem makes of the features.
        attention_heads: `attention`: number of heads, a divisor of `width`.
        feed_forward_width: `attention`: width of the hidden layer after attention.
        coupling: `residual` or `additive`; see `ResidualStack`.
        residual_scaling: How branches are scaled; see `models.layers.stacks.block.Block`.
        exact: Whether branches are rounded so that blocks are undone to the bit; see
            `ResidualStack`.
        normalization: `layer`, `rms`, `batch` or `none` (an offset only).
        activation: A Keras activation's name.
        dropout_rate: Share of the values dropped inside the blocks.
        stochastic_depth: Share of the rows that the last block leaves out.
        l2: Penalty on the sum of squares of all kernels.
        memory: What is kept for the backward pass; never changes the function.
        members: Members of the stem, small nets that share their kernels; 1 is one dense layer.
        members_in_stack: What of them goes through the blocks: `drawn`, one member of each row in
            training and all in inference, or `mean`, whose answer is added to each member's.
        exit_weight: Weight of the stem's own answer in the training loss, the blocks' being 1.
        member_widths: Widths of the members' dense layers before the last, which is as wide as
            what the blocks read.
        feature_dropout: Share of the features that a member does not see of a row in training.
        feature_penalty: Penalty on the norm of each feature's weights in the stem (group lasso).
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        input_clip: Features beyond it are cut.
        seed: Seed of the initial weights and of the masks.

    Raises:
        ValueError: A value outside its range, or one that this kind does not read.
    """

    kind: str = "residual"
    blocks: int = 18
    width: int = 64
    growth_rate: int = 16
    blocks_per_transition: int = 24
    tokens: int = 4
    attention_heads: int = 4
    feed_forward_width: int = 64
    coupling: str = "residual"
    residual_scaling: str = "1/sqrt(depth)"
    exact: bool = False
    normalization: str = "layer"
    activation: str = "relu"
    dropout_rate: float = 0.1
    stochastic_depth: float = 0.0
    l2: float = 0.0
    memory: str = "store"
    precision: str = "float32"
    input_clip: float = 8.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        counts = ("blocks", "width", "growth_rate", "blocks_per_transition", "tokens")
        for name in (*counts, "attention_heads", "feed_forward_width"):
            check_range(name, getattr(self, name), 1)
        check_choice("coupling", self.coupling, ("residual", "additive"))
        check_choice("residual_scaling", self.residual_scaling, RESIDUAL_SCALINGS)
        check_choice("normalization", self.normalization, STACK_NORMALIZATIONS)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("memory", self.memory, MEMORIES)
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("dropout_rate", "stochastic_depth"):
            check_range(name, getattr(self, name), 0.0, 1.0)
        check_range("l2", self.l2, 0.0)
        check_positive("input_clip", self.input_clip)
        self.check_members()
        self._check_unread()
        if self.kind == "attention":
            check_choice("normalization", self.normalization, ATTENTION_NORMS)
        if self.kind == "attention" and self.width % self.attention_heads:
            raise ValueError(
                f"width must be a multiple of attention_heads, got {self.width} and "
                f"{self.attention_heads}"
            )
        if self.kind == "sequential":
            check_coupling("none", "none", self.memory, exact=False)
        else:
            check_coupling(self.coupling, self.residual_scaling, self.memory, exact=self.exact)

    def _check_unread(self) -> None:
        defaults = {field.name: field.default for field in fields(self)}
        for name, kinds in READ_BY.items():
            value = getattr(self, name)
            if self.kind not in kinds and value != defaults[name]:
                raise ValueError(
                    f"{name}={value!r} is for kind {' or '.join(map(repr, kinds))}, and "
                    f"kind={self.kind!r} does not read it: leave it out or change the kind"
                )


def blocks_for_layers(kind: str, layers: int, *, blocks_per_transition: int = 24) -> int:
    """The least number of blocks whose net has at least `layers` weighted layers.

    Stem, head norm and logits are three of them; a block has four without skips or with
    residual ones, two where dense, and six with attention. Dense units add two each.

    Args:
        kind: One of `KINDS`.
        layers: Weighted layers (dense and norm) that are wanted, under a `normalization` with
            scales.
        blocks_per_transition: Blocks of a dense unit in the configuration that is to have them.

    Raises:
        ValueError: An unknown kind, or fewer layers than one block and its surroundings have.
    """
    check_choice("kind", kind, KINDS)
    least = OUTSIDE_LAYERS + BLOCK_LAYERS[kind] + (TRANSITION_LAYERS if kind == "dense" else 0)
    check_range("layers", layers, least)
    wanted = layers - OUTSIDE_LAYERS
    if kind != "dense":
        return -(-wanted // BLOCK_LAYERS[kind])
    unit = BLOCK_LAYERS[kind] * blocks_per_transition + TRANSITION_LAYERS
    whole, rest = divmod(wanted, unit)
    # What is left needs a transition of its own.
    more = max(1, -(-(rest - TRANSITION_LAYERS) // BLOCK_LAYERS[kind])) if rest else 0
    return whole * blocks_per_transition + more


def _deep(kind: str, layers: int) -> Preset[StackConfig]:
    # Four tokens of 16 values are as much to carry as 64 values.
    width = 16 if kind == "attention" else 64
    return Preset(
        config=StackConfig(kind=kind, blocks=blocks_for_layers(kind, layers), width=width)
    )


SEES = ("linear", "long_memory")

# `sequential_75` to `attention_2000`: each kind with at least so many weighted layers.
PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=StackConfig(blocks=3, width=8)),
        "default": weighing_returns(
            StackConfig(members=16, members_in_stack="mean", feature_penalty=3e-4),
            learning_rate=8e-3,
        ),
        "sequential_75": _deep("sequential", 75),
        "sequential_800": _deep("sequential", 800),
        "sequential_1000": _deep("sequential", 1_000),
        "sequential_2000": _deep("sequential", 2_000),
        "residual_75": _deep("residual", 75),
        "residual_800": _deep("residual", 800),
        "residual_1000": _deep("residual", 1_000),
        "residual_2000": _deep("residual", 2_000),
        "dense_75": _deep("dense", 75),
        "dense_800": _deep("dense", 800),
        "dense_1000": _deep("dense", 1_000),
        "dense_2000": _deep("dense", 2_000),
        "attention_75": _deep("attention", 75),
        "attention_800": _deep("attention", 800),
        "attention_1000": _deep("attention", 1_000),
        "attention_2000": _deep("attention", 2_000),
    }
)

SEARCH_SPACE: SearchSpace = {
    "blocks": Choice(values=(4, 18, 50, 200)),
    "width": Choice(values=(32, 64, 128)),
    "normalization": Choice(values=NORMALIZATIONS),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
    "l2": FloatRange(low=1e-8, high=1e-4, log=True),
}


def loop_width(config: StackConfig) -> int:
    """Return the width of the blocks, which run as a loop."""
    return config.width


def build_stack(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: StackConfig = StackConfig(),
) -> keras.Model:
    """Build a net of one kind of block.

    Input `features` `(batch, features)` (any fixed shapes are flattened and joined), output
    `(batch, horizons)` float32 logits. The tokens of `attention` are linear maps of all
    features, `(batch, tokens, width)`; their mean is what the head reads.

    Source: the layers `ResidualStack`, `DenseStack` and `AttentionStack`.
    """
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = flat_features(inputs, tensors, input_clip=config.input_clip, dtype=policy)
    stem = _stem(x, config, policy)
    x = _BODIES[config.kind](into_stack(stem, config, seed=config.seed), config, policy)
    # A batch norm here would leave the last biases before it without effect.
    norm = "rms" if config.normalization == "rms" else "layer"
    x = plain_norm(norm, dtype=policy, name="head_norm")(x)
    if config.members > 1 and config.kind == "attention":
        stem = _mean_token(stem, config)
    logits = heads_behind_members(heads, x, stem, config, seed=config.seed, l2=config.l2)
    return keras.Model(structure, logits, name="stack")


def _stem(x: Any, config: StackConfig, policy: keras.DTypePolicy) -> Any:
    width = config.width * (config.tokens if config.kind == "attention" else 1)
    if config.members > 1:
        return member_stem(
            x,
            config,
            width,
            activation=config.activation,
            l2=config.l2,
            seed=config.seed,
            dtype=policy,
        )
    return keras.layers.Dense(
        width,
        kernel_initializer=keras.initializers.LecunNormal(seed=derive_seed(config.seed, "stem")),
        kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
        dtype=policy,
        name="stem",
    )(x)


def _mean_token(stem: Any, config: StackConfig) -> Any:
    shape = (config.tokens, config.width)
    tokens = keras.layers.Reshape(shape, dtype="float32", name="stem_tokens")(stem)
    return keras.layers.GlobalAveragePooling1D(dtype="float32", name="stem_body")(tokens)


def _sequential(x: Any, config: StackConfig, policy: keras.DTypePolicy) -> Any:
    stack = ResidualStack(
        (config.blocks,),
        coupling="none",
        residual_scaling="none",
        memory=config.memory,
        name="sequential_stack",
        **_shared(config, policy),
    )
    return keras.layers.Flatten(dtype="float32", name="body")(stack(x))


def _residual(x: Any, config: StackConfig, policy: keras.DTypePolicy) -> Any:
    stack = ResidualStack(
        (config.blocks,),
        name="residual_stack",
        **_shared(config, policy),
        **_coupled(config),
    )
    return keras.layers.Flatten(dtype="float32", name="body")(stack(x))


def _dense(x: Any, config: StackConfig, policy: keras.DTypePolicy) -> Any:
    whole, rest = divmod(config.blocks, config.blocks_per_transition)
    units = (config.blocks_per_transition,) * whole + ((rest,) if rest else ())
    stack = DenseStack(units, config.growth_rate, name="dense_stack", **_shared(config, policy))
    last = keras.layers.Cropping1D((len(units) - 1, 0), dtype="float32", name="last_unit")
    return keras.layers.Flatten(dtype="float32", name="body")(last(stack(x)))


def _attention(x: Any, config: StackConfig, policy: keras.DTypePolicy) -> Any:
    shape = (config.tokens, config.width)
    stack = AttentionStack(
        (config.blocks,),
        heads=config.attention_heads,
        feed_forward_width=config.feed_forward_width,
        name="attention_stack",
        **_shared(config, policy),
        **_coupled(config),
    )
    tokens = keras.layers.Reshape(shape, dtype=policy, name="tokens")(x)
    last = keras.layers.Reshape(shape, dtype="float32", name="last_unit")(stack(tokens))
    return keras.layers.GlobalAveragePooling1D(dtype="float32", name="body")(last)


_BODIES: dict[str, Callable[[Any, StackConfig, keras.DTypePolicy], Any]] = {
    "sequential": _sequential,
    "residual": _residual,
    "dense": _dense,
    "attention": _attention,
}


def _shared(config: StackConfig, policy: keras.DTypePolicy) -> dict[str, Any]:
    """The arguments that all stacks have."""
    return {
        "normalization": config.normalization,
        "activation": config.activation,
        "dropout_rate": config.dropout_rate,
        "stochastic_depth": config.stochastic_depth,
        "l2": config.l2,
        "seed": derive_seed(config.seed, "stack"),
        "dtype": policy,
    }


def _coupled(config: StackConfig) -> dict[str, Any]:
    """The arguments of the stacks that have skips and keep their width."""
    return {
        "coupling": config.coupling,
        "residual_scaling": config.residual_scaling,
        "exact": config.exact,
        "memory": config.memory,
    }
