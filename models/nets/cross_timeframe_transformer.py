"""A transformer for each timeframe; the finest asks the coarser ones."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import check_choice, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, windows_of
from ultimate_deep.models.layers.time_pooling import POOLINGS, TimePooling
from ultimate_deep.models.parts.encoder import Encoder
from ultimate_deep.models.parts.sequence_options import SequenceOptions
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace

READS: Reads = "timeframes"
SEES: tuple[str, ...] = ("linear", "cross_timeframe")
# An expert that no bar chose stands still, but all experts lie in one weight, which moves.
STILL: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CrossTimeframeConfig(SequenceOptions):
    """`SequenceOptions` of every timeframe's encoder, and how the finest becomes one vector.

    Args:
        pooling: `adaptive` learns how much each bar counts, `last` takes the newest, `mean` all.
    """

    pooling: str = "adaptive"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("pooling", self.pooling, POOLINGS)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(config=CrossTimeframeConfig(layers=1, width=8, attention_heads=2)),
        "default": hiding_features(CrossTimeframeConfig(pooling="last"), learning_rate=2e-3),
        "medium": Preset(
            config=CrossTimeframeConfig(
                layers=6, width=512, attention_heads=8, feed_forward_ratio=4
            ),
            learning_rate=2e-4,
            batch_size=128,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "layers": IntRange(low=1, high=6),
    "width": Choice(values=(32, 64, 128)),
    "attention_heads": Choice(values=(2, 4, 8)),
    "positions": Choice(values=("rotary", "sinusoidal", "learned")),
    "pooling": Choice(values=POOLINGS),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
}


def receptive_field_bars(config: CrossTimeframeConfig, window_bars: int) -> int:
    """Bars of the finest window: all, unless short spans and the newest bar alone decide."""
    if config.pooling != "last":
        return window_bars
    return config.lookback_bars(window_bars)


def build_cross_timeframe_transformer(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: CrossTimeframeConfig = CrossTimeframeConfig(),
) -> keras.Model:
    """Build an encoder per timeframe, and cross-attention of the finest on the coarser ones.

    Inputs `(batch, window_bars, features)`, finest first, each of its own length and features;
    one alone gives a plain encoder. Output as `prediction_heads` says. After its own blocks the
    finest window asks each coarser one in turn, from the next to the coarsest, and passes one
    more feed-forward half. Rotary places are counted from the newest bar in bars of each
    window's own timeframe. Receptive field: the whole of every window.

    Source: cross-attention as in Vaswani et al. (2017), arXiv:1706.03762, sec. 3.2.3, in a
    pre-norm block without the decoder's mask; the arrangement is ours.

    Raises:
        ValueError: Inputs that are not windows.
    """
    policy = dtype_policy(config.precision)
    windows_of(inputs)
    structure, tensors = make_inputs(inputs)
    parts = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)
    finest, *coarser = parts
    kind = "chunked" if config.attention == "chunked" else "full"
    encoder = Encoder(config, policy=policy, prefix=f"{finest}_")
    x = encoder(parts[finest])
    for name in coarser:
        context = Encoder(config, policy=policy, prefix=f"{name}_")(parts[name])
        x = encoder.residual(x, encoder.attention(f"on_{name}", kind), context=context)
    if coarser:
        x = encoder.norm("joined_norm")(encoder.feed_forward(x, "joined"))
    x = TimePooling(config.pooling, dtype=policy, name="pooling")(x)
    outputs = prediction_heads(heads, x, seed=config.seed)
    return keras.Model(structure, outputs, name="cross_timeframe_transformer")
