"""A temporal convolutional network: causal, dilated, residual."""

from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import check_choice, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.layers.every_nth import EveryNth
from ultimate_deep.models.layers.stacks.normalization import plain_norm
from ultimate_deep.models.layers.weight_norm_conv import WeightNormConv
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear", "interaction", "long_memory")
NORMALIZATIONS = ("weight", "layer", "rms", "batch")


@dataclass(frozen=True, kw_only=True)
class TcnConfig(NetOptions):
    """One residual block of two convolutions for each dilation.

    Args:
        channels: Channels of every block.
        kernel_size: Bars that each convolution reads, its dilation apart.
        dilations: Dilations of the blocks in order; each is a multiple of the one before.
        normalization: `weight` normalises the kernels, as the paper does; `layer`, `rms` and
            `batch` normalise what the convolutions give.
        dropout_rate: Share of channels dropped, for all bars of a window alike.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    channels: int = 48
    kernel_size: int = 3
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    normalization: str = "weight"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("channels", self.channels, 1)
        check_range("kernel_size", self.kernel_size, 2)
        positive = bool(self.dilations) and min(self.dilations) >= 1
        if not positive or any(b % a for a, b in pairwise(self.dilations)):
            raise ValueError(
                "dilations are numbers of 1 or more, each a multiple of the one before, got "
                f"{self.dilations}: use e.g. (1, 2, 4, 8)"
            )
        check_choice("normalization", self.normalization, NORMALIZATIONS)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=TcnConfig(channels=16, dilations=(1, 2, 4, 8), dropout_rate=0.0),
            learning_rate=5e-3,
        ),
        "default": hiding_features(TcnConfig(), learning_rate=2e-3),
        # The authors' code for the adding problem of length 400.
        "paper": Preset(
            config=TcnConfig(
                channels=30,
                kernel_size=7,
                dilations=(1, 2, 4, 8, 16, 32, 64, 128),
                dropout_rate=0.0,
            ),
            learning_rate=4e-3,
            batch_size=32,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "channels": Choice(values=(16, 32, 48, 96)),
    "kernel_size": IntRange(low=2, high=5),
    "dilations": Choice(values=((1, 2, 4), (1, 2, 4, 8), (1, 2, 4, 8, 16), (1, 4, 16))),
    "normalization": Choice(values=("weight", "layer")),
    "dropout_rate": FloatRange(low=0.0, high=0.4),
}


def receptive_field_bars(config: TcnConfig, window_bars: int) -> int:
    """`1 + 2 * (kernel_size - 1) * sum(dilations)`, or the window where that is shorter."""
    return min(window_bars, 1 + 2 * (config.kernel_size - 1) * sum(config.dilations))


def build_tcn(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: TcnConfig = TcnConfig(),
) -> keras.Model:
    """Build a causal dilated-convolution forecaster.

    Input `bars` `(batch, window_bars, features)`, output `(batch, horizons)` float32 logits, from
    the newest bar's channels. A block is convolution, normalisation, ReLU, spatial dropout, twice;
    plus its input, through a convolution of size 1 where the channels differ; ReLU.

    Only what the newest bar's output needs is computed: before the block of dilation `d` the
    window is thinned out to every `d`-th bar, counted from the newest, and its convolutions then
    stand side by side. The outputs are those of the dilated network on the whole window.

    Source: Bai, Kolter & Koltun (2018), arXiv:1803.01271, sec. 3.1 to 3.4, figure 1.
    """
    name, window_bars, _ = one_window(inputs)
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)[name]
    most = receptive_field_bars(config, window_bars)
    reached = 1
    for index, dilation in enumerate(config.dilations, start=1):
        thinned = EveryNth(
            dilation // reached, most if index == 1 else None, dtype=policy, name=f"thin_{index}"
        )
        x, reached = _block(config, thinned(x), f"block_{index}", policy), dilation
    x = EveryNth(1, most=1, dtype=policy, name="newest")(x)
    x = keras.layers.Reshape((config.channels,), dtype=policy, name="newest_flat")(x)
    return keras.Model(structure, prediction_heads(heads, x, seed=config.seed), name="tcn")


def _block(config: TcnConfig, x: Any, name: str, policy: Any) -> Any:
    """One residual block: `(batch, bars, any)` -> `(batch, bars, channels)`."""
    y = x
    for part in ("first", "second"):
        y = _convolution(config, y, f"{name}_{part}", policy)
        y = keras.layers.ReLU(dtype=policy, name=f"{name}_{part}_relu")(y)
        y = keras.layers.SpatialDropout1D(
            config.dropout_rate,
            seed=derive_seed(config.seed, f"{name}_{part}_dropout"),
            dtype=policy,
            name=f"{name}_{part}_dropout",
        )(y)
    if x.shape[-1] != config.channels:
        seed = derive_seed(config.seed, f"{name}_shortcut")
        x = keras.layers.Dense(
            config.channels,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
            dtype=policy,
            name=f"{name}_shortcut",
        )(x)
    x = keras.layers.Add(dtype=policy, name=f"{name}_sum")([x, y])
    return keras.layers.ReLU(dtype=policy, name=f"{name}_relu")(x)


def _convolution(config: TcnConfig, x: Any, name: str, policy: Any) -> Any:
    seed = derive_seed(config.seed, name)
    if config.normalization == "weight":
        return WeightNormConv(
            config.channels, config.kernel_size, seed=seed, dtype=policy, name=name
        )(x)
    x = keras.layers.Conv1D(
        config.channels,
        config.kernel_size,
        padding="causal",
        use_bias=config.normalization == "rms",
        kernel_initializer=keras.initializers.HeNormal(seed=seed),
        dtype=policy,
        name=name,
    )(x)
    return plain_norm(config.normalization, dtype=policy, name=f"{name}_norm")(x)
