"""One encoder, and attention heads of its own for each horizon."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.checks import check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.layers.attention.horizon_attention import HorizonAttention
from ultimate_deep.models.layers.time_pooling import TimePooling
from ultimate_deep.models.parts.encoder import Encoder
from ultimate_deep.models.parts.sequence_options import SequenceOptions
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear",)
# An expert that no bar chose stands still, but all experts lie in one weight, which moves.
STILL: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MultiHeadPredictorConfig(SequenceOptions):
    """`SequenceOptions` of the shared encoder, and the horizons' own heads.

    Args:
        horizon_heads: Attention heads of each horizon; `width` is a multiple of them.
        newest_bar: Whether what a horizon finds is added to the newest bar's vector, which it need
            not look for then.
    """

    horizon_heads: int = 4
    newest_bar: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("horizon_heads", self.horizon_heads, 1)
        if self.width % self.horizon_heads:
            raise ValueError(
                f"width must be a multiple of horizon_heads, got {self.width} and "
                f"{self.horizon_heads}"
            )


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=MultiHeadPredictorConfig(layers=1, width=8, attention_heads=2, horizon_heads=2)
        ),
        "default": hiding_features(MultiHeadPredictorConfig(newest_bar=True), learning_rate=4e-3),
        "medium": Preset(
            config=MultiHeadPredictorConfig(
                layers=6, width=512, attention_heads=8, horizon_heads=8, feed_forward_ratio=4
            ),
            learning_rate=2e-4,
            batch_size=128,
            half_on_cpu=True,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "layers": IntRange(low=1, high=6),
    "width": Choice(values=(32, 64, 128)),
    "attention_heads": Choice(values=(2, 4, 8)),
    "horizon_heads": Choice(values=(1, 2, 4, 8)),
    "positions": Choice(values=("rotary", "sinusoidal", "learned")),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
}


def receptive_field_bars(config: MultiHeadPredictorConfig, window_bars: int) -> int:
    """The whole window: every horizon looks at all of it."""
    return window_bars


def build_multi_head_predictor(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: MultiHeadPredictorConfig = MultiHeadPredictorConfig(),
) -> keras.Model:
    """Build a shared transformer encoder with attention heads for each horizon.

    Input `bars` `(batch, window_bars, features)`, output as `prediction_heads` says; every
    horizon's prediction reads its own vector. Receptive field: the whole window.

    Source: see `models.parts.encoder` and `models.layers.attention.horizon_attention`; the newest
    bar beside them is ours.

    Raises:
        ValueError: Inputs that are not one window.
    """
    policy = dtype_policy(config.precision)
    name, _, _ = one_window(inputs)
    structure, tensors = make_inputs(inputs)
    x = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)[name]
    x = Encoder(config, policy=policy)(x)
    found = HorizonAttention(
        heads.horizons,
        config.horizon_heads,
        seed=derive_seed(config.seed, "horizon_attention"),
        dtype=policy,
        name="horizon_attention",
    )(x)
    if config.newest_bar:
        newest = TimePooling("last", dtype=policy, name="newest_bar")(x)
        each = keras.layers.RepeatVector(heads.horizons, dtype=policy, name="newest_bar_each")
        found = keras.layers.Add(dtype=policy, name="horizon_vectors")([found, each(newest)])
    outputs = prediction_heads(heads, found, seed=config.seed)
    return keras.Model(structure, outputs, name="multi_head_predictor")
