"""A pre-norm transformer encoder over one window of bars."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import check_choice, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.layers.time_pooling import POOLINGS, TimePooling
from ultimate_deep.models.parts.encoder import Encoder
from ultimate_deep.models.parts.sequence_options import SequenceOptions
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear", "long_memory")
# An expert that no bar chose stands still, but all experts lie in one weight, which moves.
STILL: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(SequenceOptions):
    """`SequenceOptions`, and how the window becomes one vector.

    Args:
        pooling: `adaptive` learns how much each bar counts, `last` takes the newest, `mean` all.
    """

    pooling: str = "adaptive"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pooling", self.pooling, POOLINGS)


def _size(layers: int, width: int, heads: int) -> TransformerConfig:
    return TransformerConfig(
        layers=layers, width=width, attention_heads=heads, feed_forward_ratio=4
    )


# From `small` on, sizes are those that the literature calls base and above: for accelerators.
PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=TransformerConfig(layers=1, width=8, attention_heads=2)),
        "default": hiding_features(TransformerConfig(pooling="last"), learning_rate=4e-3),
        "experts": Preset(config=TransformerConfig(feed_forward="experts")),
        "multi_scale": Preset(config=TransformerConfig(attention="multi_scale")),
        "small": Preset(config=_size(3, 256, 4), learning_rate=3e-4, half_on_cpu=True),
        "medium": Preset(
            config=_size(6, 512, 8), learning_rate=2e-4, batch_size=128, half_on_cpu=True
        ),
        "large": Preset(
            config=_size(12, 768, 16), learning_rate=1e-4, batch_size=64, half_on_cpu=True
        ),
        "huge": Preset(
            config=_size(24, 768, 32), learning_rate=1e-4, batch_size=32, half_on_cpu=True
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "layers": IntRange(low=1, high=6),
    "width": Choice(values=(32, 64, 128)),
    "attention_heads": Choice(values=(2, 4, 8)),
    "attention": Choice(values=("full", "causal", "multi_scale")),
    "positions": Choice(values=("rotary", "sinusoidal", "learned")),
    "feed_forward": Choice(values=("dense", "experts")),
    "pooling": Choice(values=POOLINGS),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
}


def receptive_field_bars(config: TransformerConfig, window_bars: int) -> int:
    """The whole window, unless short spans and the newest bar alone decide."""
    if config.pooling != "last":
        return window_bars
    return config.lookback_bars(window_bars)


def build_transformer(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: TransformerConfig = TransformerConfig(),
) -> keras.Model:
    """Build a pre-norm transformer encoder.

    Input `bars` `(batch, window_bars, features)`, output as `prediction_heads` says. Receptive
    field: the whole window.

    Source: Vaswani et al. (2017), arXiv:1706.03762, sec. 3; see `models.parts.encoder` and the
    layers for what differs.

    Raises:
        ValueError: Inputs that are not one window.
    """
    policy = dtype_policy(config.precision)
    name, _, _ = one_window(inputs)
    structure, tensors = make_inputs(inputs)
    x = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)[name]
    x = Encoder(config, policy=policy)(x)
    x = TimePooling(config.pooling, dtype=policy, name="pooling")(x)
    outputs = prediction_heads(heads, x, seed=config.seed)
    return keras.Model(structure, outputs, name="transformer")
