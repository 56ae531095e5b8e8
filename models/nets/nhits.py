"""N-HiTS: blocks that read a window at several rates, each explaining what the last ones left."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import ACTIVATIONS, check_choice, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.layers.knot_interpolation import INTERPOLATIONS, KnotInterpolation
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear", "long_memory")
POOLINGS = ("max", "average")


@dataclass(frozen=True, kw_only=True)
class NhitsConfig(NetOptions):
    """One stack of blocks for each rate.

    Args:
        rates: Bars that are pooled into one, for each stack in order. The stack's paths have a
            knot for so many points.
        blocks_per_stack: Blocks of each stack.
        hidden_widths: Widths of each block's dense layers.
        activation: Activation after each of the dense layers.
        channels: Width to which each bar is projected first; None reads the features as they
            are. Backcasts are of this width, so many features cost much without it.
        path_steps: Points of the forecast path.
        path_channels: Values at each point.
        pooling: `max`, as the paper has it, or `average`.
        interpolation: `linear` or `nearest`.
        dropout_rate: Dropout after each dense layer.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    rates: tuple[int, ...] = (8, 4, 1)
    blocks_per_stack: int = 1
    hidden_widths: tuple[int, ...] = (128, 128)
    activation: str = "relu"
    channels: int | None = 16
    path_steps: int = 8
    path_channels: int = 4
    pooling: str = "average"
    interpolation: str = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("rates", "hidden_widths"):
            values = getattr(self, field)
            if not values or min(values) < 1:
                raise ValueError(f"{field} are numbers of 1 or more, at least one; got {values}")
        for field in ("blocks_per_stack", "path_steps", "path_channels"):
            check_range(field, getattr(self, field), 1)
        if self.channels is not None:
            check_range("channels", self.channels, 1)
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("interpolation", self.interpolation, INTERPOLATIONS)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=NhitsConfig(
                rates=(4, 1), hidden_widths=(32,), channels=None, path_steps=4, dropout_rate=0.0
            ),
            learning_rate=2e-3,
        ),
        "default": hiding_features(NhitsConfig(), learning_rate=4e-3),
        # The authors' code for the shortest horizon: three stacks of one block, one series.
        "paper": Preset(
            config=NhitsConfig(
                rates=(16, 8, 1),
                hidden_widths=(512, 512),
                path_steps=96,
                path_channels=1,
                pooling="max",
                dropout_rate=0.0,
            ),
            half_on_cpu=True,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "rates": Choice(values=((4, 1), (8, 4, 1), (16, 8, 1), (16, 8, 4, 2, 1))),
    "blocks_per_stack": IntRange(low=1, high=3),
    "hidden_widths": Choice(values=((64,), (128, 128), (256, 256))),
    "channels": Choice(values=(None, 8, 16, 32)),
    "pooling": Choice(values=POOLINGS),
    "dropout_rate": FloatRange(low=0.0, high=0.4),
}


def receptive_field_bars(config: NhitsConfig, window_bars: int) -> int:
    """The whole window."""
    return window_bars


def build_nhits(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: NhitsConfig = NhitsConfig(),
) -> keras.Model:
    """Build N-HiTS over one window.

    Input `bars` `(batch, window_bars, features)`, output `(batch, horizons)` float32 logits. Each
    block pools what is left of the window at its rate, passes it through dense layers and gives
    few knots of a backcast and of a forecast, which interpolation draws out to the window and to
    the path. The next block reads the window less the backcast; forecasts add up.

    Source: Challu et al. (2022), arXiv:2201.12886, sec. 3: pooling eq. 1, knots eq. 2,
    interpolation eq. 3 to 5, residuals and sums sec. 3.3. We deviate: the window has several
    channels where the paper has one series; one rate sets a stack's pooling and its knots, which
    the paper may choose apart; the forecast is a path of latent values that the heads
    read and not the series itself, since a label is a direction or a return over a horizon and no
    path of prices is asked for; the last block has no backcast, as nobody would read it.
    """
    name, _, _ = one_window(inputs)
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)[name]
    if config.channels is not None:
        x = _dense(config, config.channels, "projection", policy)(x)
    rates = [rate for rate in config.rates for _ in range(config.blocks_per_stack)]
    forecasts = []
    for index, rate in enumerate(rates, start=1):
        block = f"block_{index:02d}"
        hidden = _hidden(config, x, rate, block, policy)
        forecasts.append(
            _path(config, hidden, (config.path_steps, config.path_channels), rate, block, policy)
        )
        if index < len(rates):
            backcast = _path(config, hidden, x.shape[1:], rate, f"{block}_backcast", policy)
            x = keras.layers.Subtract(dtype=policy, name=f"{block}_left")([x, backcast])
    path = forecasts[0]
    if len(forecasts) > 1:
        path = keras.layers.Add(dtype=policy, name="forecast")(forecasts)
    x = keras.layers.Flatten(dtype=policy, name="forecast_flat")(path)
    return keras.Model(structure, prediction_heads(heads, x, seed=config.seed), name="nhits")


def _hidden(config: NhitsConfig, x: Any, rate: int, name: str, policy: Any) -> Any:
    """The pooled window through the block's dense layers: `(batch, hidden width)`."""
    if rate > 1:
        kinds = {"max": keras.layers.MaxPooling1D, "average": keras.layers.AveragePooling1D}
        pool = kinds[config.pooling]
        x = pool(min(rate, x.shape[1]), padding="same", dtype=policy, name=f"{name}_pool")(x)
    x = keras.layers.Flatten(dtype=policy, name=f"{name}_flat")(x)
    for index, width in enumerate(config.hidden_widths, start=1):
        layer = f"{name}_dense_{index}"
        x = _dense(config, width, layer, policy, activation=config.activation)(x)
        seed = derive_seed(config.seed, f"{layer}_dropout")
        x = keras.layers.Dropout(
            config.dropout_rate, seed=seed, dtype=policy, name=f"{layer}_dropout"
        )(x)
    return x


def _path(
    config: NhitsConfig, hidden: Any, shape: tuple[int, int], rate: int, name: str, policy: Any
) -> Any:
    """Knots of the hidden vector drawn out to `(batch, *shape)`, shape `(steps, channels)`."""
    steps, channels = shape
    knots = -(-steps // rate)
    x = _dense(config, knots * channels, f"{name}_knots", policy)(hidden)
    x = keras.layers.Reshape((knots, channels), dtype=policy, name=f"{name}_knots_by_step")(x)
    layer = KnotInterpolation(steps, config.interpolation, dtype=policy, name=f"{name}_path")
    return layer(x)


def _dense(
    config: NhitsConfig, width: int, name: str, policy: Any, *, activation: str | None = None
) -> keras.layers.Layer:
    kind = keras.initializers.HeNormal if activation else keras.initializers.GlorotUniform
    return keras.layers.Dense(
        width,
        activation=activation,
        kernel_initializer=kind(seed=derive_seed(config.seed, name)),
        dtype=policy,
        name=name,
    )
