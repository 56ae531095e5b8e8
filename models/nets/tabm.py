"""Many small nets in one, which share their kernels and are asked together; no stack."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import (
    ACTIVATIONS,
    check_choice,
    check_range,
    check_whole,
    check_widths,
    dtype_policy,
)
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, flat_features, make_inputs
from ultimate_deep.models.layers.members.member_stem import MemberStem
from ultimate_deep.models.parts.member_parts import answers
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.presets import Preset, weighing_returns
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

# Shares of the oracle's edge with `tiny`, 20,000 bars, edge 0.2: linear 0.97, interaction 0.98,
# long memory 0.99, cross-timeframe 0.83.
READS: Reads = "features"
SEES: tuple[str, ...] = ("linear", "interaction", "long_memory", "cross_timeframe")


@dataclass(frozen=True, kw_only=True)
class TabmConfig(NetOptions):
    """What `build_tabm` builds.

    Args:
        members: Members, small nets that share their kernels, at least 2.
        hidden_widths: Widths of the dense layers of each member.
        feature_dropout: Share of the features that a member does not see of a row in training.
        feature_penalty: Penalty on the norm of each feature's weights in the first layer (group
            lasso): features that say little lose nearly all weight, in all members alike.
        activation: A Keras activation's name.
        l2: Penalty on the sum of squares of all kernels.
        dropout_rate: Share of values dropped after each dense layer, in [0, 1).
        input_clip: Bound of the inputs, plus and minus.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and masks.

    Raises:
        ValueError: A value out of range.
    """

    members: int = 16
    hidden_widths: tuple[int, ...] = (64, 32)
    feature_dropout: float = 0.5
    feature_penalty: float = 0.0
    activation: str = "relu"
    l2: float = 0.0
    dropout_rate: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("members", self.members, 1)
        check_widths("hidden_widths", self.hidden_widths)
        if self.members < 2:
            raise ValueError(
                f"members must be at least 2, got {self.members}: use the model called 'mlp' for "
                "one net"
            )
        if not self.hidden_widths or min(self.hidden_widths) < 1:
            raise ValueError(
                f"hidden_widths must hold at least one width of 1 or more, got "
                f"{self.hidden_widths}: give e.g. (64, 32)"
            )
        check_range("feature_dropout", self.feature_dropout, 0.0, 1.0)
        check_range("feature_penalty", self.feature_penalty, 0.0)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_range("l2", self.l2, 0.0)


# Where features are few, half of them rarely hold what must be seen together: of 26, dropping a
# tenth found 0.98 of the edge of `interaction` where dropping half found 0.90.
PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=TabmConfig(members=8, hidden_widths=(32, 16), feature_dropout=0.1),
            learning_rate=8e-3,
        ),
        "default": weighing_returns(
            TabmConfig(feature_penalty=3e-4),
            learning_rate=8e-3,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "members": Choice(values=(4, 8, 16, 32)),
    "hidden_widths": Choice(values=((32,), (64, 32), (128, 64), (128, 64, 32))),
    "feature_dropout": FloatRange(low=0.0, high=0.7),
    "feature_penalty": FloatRange(low=1e-5, high=1e-2, log=True),
    "dropout_rate": FloatRange(low=0.0, high=0.3),
    "l2": FloatRange(low=1e-8, high=1e-4, log=True),
}


def build_tabm(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: TabmConfig = TabmConfig(),
) -> keras.Model:
    """Build a net of members.

        features -> clip -> stem of members -> heads, shared -> mean probability as a logit

    Input `features` `(batch, features)` (any fixed shapes are flattened and joined), output
    `(batch, horizons)` float32 logits. Each member is trained by its own loss, and the mean
    of their probabilities is the answer; see `MemberStem` and `MemberAnswers`.

    Source: Gorishniy et al. (2024), "TabM", arXiv:2410.24210, sec. 3. Deviations: features are
    dropped for each member and row, and the members share their heads.
    """
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = flat_features(inputs, tensors, input_clip=config.input_clip, dtype=policy)
    x = MemberStem(
        config.members,
        config.hidden_widths,
        feature_dropout=config.feature_dropout,
        feature_penalty=config.feature_penalty,
        dropout_rate=config.dropout_rate,
        activation=config.activation,
        l2=config.l2,
        seed=derive_seed(config.seed, "stem"),
        dtype=policy,
        name="stem",
    )(x)
    each = prediction_heads(heads, x, seed=config.seed, l2=config.l2)
    outputs = answers([each], config.members, seed=config.seed)
    return keras.Model(structure, outputs, name="tabm")
