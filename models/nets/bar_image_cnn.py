"""The convolutional net of "(Re-)Imag(in)ing Price Trends", on charts of bars drawn as pixels."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, make_inputs
from ultimate_deep.models.layers.bar_images import LEAST_HEIGHT, NUMBERS, BarImages
from ultimate_deep.models.layers.clip_inputs import ClipInputs
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.presets import Preset
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "bar_image"
SEES: tuple[str, ...] = ("linear",)
# As torch's defaults: its momentum of 0.1 is the share of the new value.
NORM_EPSILON = 1e-5
NORM_MOMENTUM = 0.9


@dataclass(frozen=True, kw_only=True)
class BarImageCnnConfig(NetOptions):
    """One block of convolution, batch norm, leaky ReLU and pooling for each entry of `channels`.

    Args:
        height: Rows of the picture: 32, 64 and 96 in the source, for 5, 20 and 60 bars.
        channels: Channels of each block.
        kernel_rows: Rows of each convolution's kernel, odd; it is 3 pixels wide.
        first_stride: Rows that the first convolution moves by.
        first_dilation: Rows between the rows of the first kernel.
        slope: Slope of the activation below 0.
        dropout_rate: Share of values dropped before the logits.
        input_clip: Numbers beyond it are cut (the picture cuts them at 0 and 1).
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    height: int = 64
    channels: tuple[int, ...] = (64, 128, 256)
    kernel_rows: int = 5
    first_stride: int = 3
    first_dilation: int = 2
    slope: float = 0.01
    dropout_rate: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("height", self.height, LEAST_HEIGHT)
        if not self.channels or min(self.channels) < 1:
            raise ValueError(
                f"channels must hold numbers of 1 or more, got {self.channels}: use (64, 128, 256)"
            )
        if self.kernel_rows < 1 or self.kernel_rows % 2 == 0:
            raise ValueError(f"kernel_rows must be odd, got {self.kernel_rows}: use 5")
        check_range("first_stride", self.first_stride, 1)
        check_range("first_dilation", self.first_dilation, 1)
        check_range("slope", self.slope, 0.0)
        if self.rows_left(self.height) < 1:
            raise ValueError(
                f"height={self.height} leaves no row behind {len(self.channels)} blocks with "
                f"first_stride={self.first_stride}: give a higher picture or fewer channels"
            )

    def first_rows(self, height: int) -> int:
        """Rows of what the first convolution gives: a row for each stride, rounded up."""
        rows = -(-height // self.first_stride)
        # The source's 46,080 values before the logits (20 bars) need a multiple of what pooling
        # divides by; its padding is not told.
        pooled = 2 ** len(self.channels)
        return -(-rows // pooled) * pooled if self.first_stride > 1 else rows

    def rows_left(self, height: int) -> int:
        """Rows behind all blocks."""
        return self.first_rows(height) // 2 ** len(self.channels)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=BarImageCnnConfig(height=32, channels=(8, 16), dropout_rate=0.1),
            learning_rate=3e-3,
            batch_size=64,
        ),
        # A quarter of the source's channels and a hundred times its rate: minutes on two cores.
        "default": Preset(
            config=BarImageCnnConfig(channels=(16, 32, 64)),
            learning_rate=1e-3,
            batch_size=128,
            half_on_cpu=True,
        ),
        # The source's nets; its windows are set with `inputs.window_bars`.
        "bars_5": Preset(
            config=BarImageCnnConfig(
                height=32, channels=(64, 128), first_stride=1, first_dilation=1
            ),
            learning_rate=1e-5,
            batch_size=128,
            epochs=50,
            half_on_cpu=True,
        ),
        "bars_20": Preset(
            config=BarImageCnnConfig(),
            learning_rate=1e-5,
            batch_size=128,
            epochs=50,
            half_on_cpu=True,
        ),
        "bars_60": Preset(
            config=BarImageCnnConfig(height=96, channels=(64, 128, 256, 512), first_dilation=3),
            learning_rate=1e-5,
            batch_size=128,
            epochs=50,
            half_on_cpu=True,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "channels": Choice(values=((16, 32), (16, 32, 64), (64, 128, 256))),
    "height": Choice(values=(32, 64, 96)),
    "dropout_rate": FloatRange(low=0.0, high=0.6),
}


def build_bar_image_cnn(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: BarImageCnnConfig = BarImageCnnConfig(),
) -> keras.Model:
    """Build convolutions over a chart of the window's bars.

        numbers -> clip -> picture -> blocks -> dropout -> logits

    Input `bar_image` `(batch, 6 * bars)` from `features.pictures.bar_image`; output `(batch,
    horizons)` float32 logits. A picture is `(height, 3 * bars, 1)`. An input of three axes is a
    picture itself, drawn elsewhere and of any kind; the rest of the net is the same. A block is a
    convolution of `kernel_rows` by 3, batch norm, leaky ReLU and a maximum of two rows; the first
    convolution moves by `first_stride` rows and is dilated.

    Source: Jiang, Kelly & Xiu (2023), "(Re-)Imag(in)ing Price Trends", Journal of Finance 78(6),
    sec. II and fig. 6: its three nets have 155,138, 708,866 and 2,952,962 weights with two logits,
    and so have ours but for the second logit. Rows of zeros around the first convolution are ours.

    Raises:
        ValueError: Several inputs, or one that is not six numbers a bar.
    """
    name = _one_input(inputs)
    policy = dtype_policy(config.precision)
    structure, (tensor,) = make_inputs(inputs)
    x = tensor
    if len(inputs[name]) == 1:
        x = ClipInputs(config.input_clip, dtype="float32", name=f"{name}_clip")(tensor)
        x = BarImages(config.height, dtype=policy, name=f"{name}_pictures")(x)
    if config.rows_left(x.shape[1]) < 1:
        raise ValueError(
            f"a picture of {x.shape[1]} rows leaves none behind {len(config.channels)} blocks: "
            "give a higher one or fewer channels"
        )
    for index, channels in enumerate(config.channels, start=1):
        x = _block(config, x, channels, index, policy)
    x = keras.layers.Flatten(dtype=policy, name="flat")(x)
    seed = derive_seed(config.seed, "dropout")
    x = keras.layers.Dropout(config.dropout_rate, seed=seed, dtype=policy, name="dropout")(x)
    return keras.Model(
        structure, prediction_heads(heads, x, seed=config.seed), name="bar_image_cnn"
    )


def _block(config: BarImageCnnConfig, x: Any, channels: int, index: int, policy: Any) -> Any:
    """`(batch, rows, width, any)` to `(batch, rows / 2, width, channels)`."""
    name, first = f"block_{index}", index == 1
    stride = config.first_stride if first else 1
    dilation = config.first_dilation if first else 1
    extent = dilation * (config.kernel_rows - 1) + 1
    rows = config.first_rows(x.shape[1]) if first else x.shape[1]
    missing = max((rows - 1) * stride + extent - x.shape[1], 0)
    padding = ((missing // 2, missing - missing // 2), (1, 1))
    options = {"dtype": policy}
    x = keras.layers.ZeroPadding2D(padding, name=f"{name}_padding", **options)(x)
    kernel = (config.kernel_rows, 3)
    seed = derive_seed(config.seed, name)
    glorot = keras.initializers.GlorotUniform(seed=seed)
    if stride > 1 and dilation > 1:
        # Keras refuses both at once: every stride-th row of the dilated convolution is the same.
        x = keras.layers.Conv2D(
            channels,
            kernel,
            dilation_rate=(dilation, 1),
            kernel_initializer=glorot,
            name=f"{name}_conv",
            **options,
        )(x)
        x = keras.layers.MaxPooling2D((1, 1), (stride, 1), name=f"{name}_stride", **options)(x)
    else:
        x = keras.layers.Conv2D(
            channels,
            kernel,
            strides=(stride, 1),
            dilation_rate=(dilation, 1),
            kernel_initializer=glorot,
            name=f"{name}_conv",
            **options,
        )(x)
    x = keras.layers.BatchNormalization(
        momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON, name=f"{name}_norm", **options
    )(x)
    x = keras.layers.LeakyReLU(config.slope, name=f"{name}_activation", **options)(x)
    return keras.layers.MaxPooling2D((2, 1), name=f"{name}_pool", **options)(x)


def _one_input(inputs: Inputs) -> str:
    shapes = {name: tuple(shape) for name, shape in inputs.items()}
    right = len(shapes) == 1 and all(
        (len(shape) == 1 and shape[0] and shape[0] % NUMBERS == 0)
        or (len(shape) == 3 and None not in shape)
        for shape in shapes.values()
    )
    if not right:
        raise ValueError(
            f"this model reads one input of {NUMBERS} numbers a bar, (6 * bars,) such as (120,), "
            f"or of a picture, got inputs {shapes}"
        )
    return next(iter(shapes))
