"""PatchTST: a transformer over patches of bars instead of bars."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import check_choice, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.layers.patches import JoinChannels, Patches, patch_count
from ultimate_deep.models.layers.time_pooling import POOLINGS, TimePooling
from ultimate_deep.models.parts.encoder import Encoder
from ultimate_deep.models.parts.sequence_options import SequenceOptions
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear", "long_memory")
# An expert that no patch chose stands still, but all experts lie in one weight, which moves.
STILL: tuple[str, ...] = ()
PATCH_POOLINGS = ("flatten", *POOLINGS)


@dataclass(frozen=True, kw_only=True)
class PatchTransformerConfig(SequenceOptions):
    """`SequenceOptions` over patches, and how patches are made and joined.

    Spans and chunks count patches here, not bars.

    Args:
        patch_bars: Bars in a patch.
        stride_bars: Bars from one patch to the next; equal to `patch_bars` for no overlap.
        channel_independent: Give each feature to the encoder as a series of its own, all with the
            same weights, as the paper does. It costs as many encoders as there are features and
            joins them only in the heads: for a few channels, not for 220 features.
        pooling: `flatten` joins all patches, as the paper does; or `adaptive`, `last`, `mean`.
    """

    positions: str = "learned"
    patch_bars: int = 4
    stride_bars: int = 2
    channel_independent: bool = False
    pooling: str = "flatten"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("patch_bars", self.patch_bars, 1)
        check_range("stride_bars", self.stride_bars, 1, self.patch_bars + 1)
        check_choice("pooling", self.pooling, PATCH_POOLINGS)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=PatchTransformerConfig(layers=1, width=8, attention_heads=2)),
        "default": hiding_features(PatchTransformerConfig(), learning_rate=2e-3),
        # The paper's own: sec. A.1.4 and table 3, PatchTST/64 and /42 differ in the window alone.
        "paper": Preset(
            config=PatchTransformerConfig(
                layers=3,
                width=128,
                attention_heads=16,
                patch_bars=16,
                stride_bars=8,
                channel_independent=True,
                dropout_rate=0.2,
            ),
            half_on_cpu=True,
            learning_rate=1e-4,
            batch_size=128,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "layers": IntRange(low=1, high=4),
    "width": Choice(values=(32, 64, 128)),
    "attention_heads": Choice(values=(2, 4, 8)),
    "patch_bars": Choice(values=(2, 4, 8)),
    "pooling": Choice(values=PATCH_POOLINGS),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
}


def receptive_field_bars(config: PatchTransformerConfig, window_bars: int) -> int:
    """Bars that patches reach; the oldest ones that fill no patch are left out."""
    patches = patch_count(window_bars, config.patch_bars, config.stride_bars)
    if config.pooling == "last":
        patches = config.lookback_bars(patches)
    return config.patch_bars + (patches - 1) * config.stride_bars


def build_patch_transformer(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: PatchTransformerConfig = PatchTransformerConfig(),
) -> keras.Model:
    """Build a transformer over patches.

    Input `bars` `(batch, window_bars, features)`, output as `prediction_heads` says. A patch
    holds all features of its bars unless `channel_independent`. Receptive field:
    `patch_bars + (patches - 1) * stride_bars` bars, the newest ones.

    Source: Nie et al. (2023), arXiv:2211.14730, sec. 3.1. It differs: norms before the branches
    and over features (theirs come after and over the batch), channels mixed by default, no
    instance normalisation (features are scaled already, and their level matters).

    Raises:
        ValueError: Inputs that are not one window, or a patch longer than it.
    """
    policy = dtype_policy(config.precision)
    name, _, features = one_window(inputs)
    structure, tensors = make_inputs(inputs)
    x = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)[name]
    x = Patches(
        config.patch_bars,
        config.stride_bars,
        channel_independent=config.channel_independent,
        dtype=policy,
        name="patches",
    )(x)
    x = _pooled(Encoder(config, policy=policy)(x), config, policy)
    if config.channel_independent:
        x = JoinChannels(features, dtype=policy, name="join_channels")(x)
    outputs = prediction_heads(heads, x, seed=config.seed)
    return keras.Model(structure, outputs, name="patch_transformer")


def _pooled(x: Any, config: PatchTransformerConfig, policy: keras.DTypePolicy) -> Any:
    if config.pooling == "flatten":
        return keras.layers.Flatten(dtype=policy, name="pooling")(x)
    return TimePooling(config.pooling, dtype=policy, name="pooling")(x)
