"""The residual net of 18 layers for small pictures, laid out as torchvision's `resnet18` is.

    7x7 convolution, stride 2 -> 3x3 maximum, stride 2 -> four stages of blocks -> mean

Padding is symmetric as there (3 and 1 on every side), which `padding="same"` is not at stride 2:
with it, weights read from a file would look at pictures half a pixel aside.
"""

from dataclasses import dataclass
from typing import Any

import keras

from ultimate_deep.models.checks import check_range, dtype_policy
from ultimate_deep.models.seeds import derive_seed

FULL_WIDTH = 64
FULL_BLOCKS = (2, 2, 2, 2)
# As torch: its momentum of 0.1 is the share of the new value, Keras' of the old one.
NORM_EPSILON = 1e-5
NORM_MOMENTUM = 0.9


@dataclass(frozen=True, kw_only=True)
class Resnet18Config:
    """The size of a backbone; the defaults are ResNet-18's.

    Args:
        base_width: Channels of the first stage; each further one doubles them.
        blocks_per_stage: Blocks of each stage.
        l2: Penalty on the sum of squares of all kernels.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of the initial weights.

    Raises:
        ValueError: A value outside its range.
    """

    base_width: int = FULL_WIDTH
    blocks_per_stage: tuple[int, ...] = FULL_BLOCKS
    l2: float = 0.0
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("base_width", self.base_width, 1)
        check_range("l2", self.l2, 0.0)
        if not self.blocks_per_stage or min(self.blocks_per_stage) < 1:
            raise ValueError(
                f"blocks_per_stage needs at least one stage, each of at least one block; got "
                f"{self.blocks_per_stage}"
            )

    @property
    def width(self) -> int:
        """Channels of the last stage, the backbone's output."""
        return self.base_width * 2 ** (len(self.blocks_per_stage) - 1)


class Resnet18:
    """The layers of one backbone; calling it again on another picture shares them.

    `(batch, height, width, channels)` to `(batch, config.width)`. Layers are called `stem_*` and
    `stage_1_block_1_*` onwards, behind the backbone's own name; convolutions have no bias. The
    mean over all places at the end is in float32 under every precision.

    They stand in a model side by side, since Keras writes no `.h5` file of models within models.

    Source: He et al. (2016), "Deep Residual Learning for Image Recognition", arXiv:1512.03385,
    table 1 (18 layers), eq. 1 and 2, shortcuts of option B; sec. 3.4 for the order convolution,
    norm, activation. He et al. (2015), arXiv:1502.01852, eq. 14, for the kernels, by fan-out as
    in torchvision.
    """

    def __init__(self, config: Resnet18Config = Resnet18Config(), *, name: str) -> None:
        self.config = config
        self.name = name
        self.layers: dict[str, keras.layers.Layer] = {}

    def __call__(self, pictures: Any) -> Any:
        """Return what the net sees in `pictures`, a Keras tensor."""
        config = self.config
        x = self._conv(pictures, config.base_width, 7, 2, "stem_conv")
        x = self._relu(self._norm(x, "stem_norm"), "stem_activation")
        # Zeros are as good as minus infinity around what a ReLU left.
        x = self._layer(keras.layers.ZeroPadding2D, "stem_pool_padding", padding=1)(x)
        x = self._layer(keras.layers.MaxPooling2D, "stem_pool", pool_size=3, strides=2)(x)
        for stage, blocks in enumerate(config.blocks_per_stage, start=1):
            for block in range(1, blocks + 1):
                stride = 2 if stage > 1 and block == 1 else 1
                channels = config.base_width * 2 ** (stage - 1)
                x = self._block(x, channels, stride, f"stage_{stage}_block_{block}")
        return self._layer(keras.layers.GlobalAveragePooling2D, "pool", dtype="float32")(x)

    def freeze(self, stages: int) -> None:
        """Freeze the first stages: their weights stay, and their norms use moving statistics.

        Stage 1 is table 1's conv1 (torchvision's `conv1` and `bn1`), stage 2 its conv2_x
        (`layer1`), and so on.
        """
        for part, layer in self.layers.items():
            first = part.startswith("stem_") and stages >= 1
            if first or (part.startswith("stage_") and int(part.split("_")[1]) < stages):
                layer.trainable = False

    def freeze_parts(self, parts: tuple[str, ...]) -> None:
        """Freeze parts by torchvision's names, likewise: `conv1`, `bn1`, `layer1` onwards."""
        own = {"conv1": "stem_conv", "bn1": "stem_norm"}
        begins = tuple(own.get(part, f"stage_{part.removeprefix('layer')}_") for part in parts)
        for part, layer in self.layers.items():
            if part.startswith(begins):
                layer.trainable = False

    def _block(self, x: Any, channels: int, stride: int, part: str) -> Any:
        shortcut = x
        y = self._conv(x, channels, 3, stride, f"{part}_conv_1")
        y = self._relu(self._norm(y, f"{part}_norm_1"), f"{part}_activation_1")
        y = self._conv(y, channels, 3, 1, f"{part}_conv_2")
        y = self._norm(y, f"{part}_norm_2")
        if stride != 1 or x.shape[-1] != channels:
            shortcut = self._conv(x, channels, 1, stride, f"{part}_shortcut_conv")
            shortcut = self._norm(shortcut, f"{part}_shortcut_norm")
        added = self._layer(keras.layers.Add, f"{part}_sum")([y, shortcut])
        return self._relu(added, f"{part}_activation_2")

    def _conv(self, x: Any, channels: int, size: int, stride: int, part: str) -> Any:
        config = self.config
        if size > 1:
            pad = keras.layers.ZeroPadding2D
            x = self._layer(pad, f"{part}_padding", padding=size // 2)(x)
        return self._layer(
            keras.layers.Conv2D,
            part,
            filters=channels,
            kernel_size=size,
            strides=stride,
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(
                2.0, mode="fan_out", seed=derive_seed(config.seed, part)
            ),
            kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
        )(x)

    def _norm(self, x: Any, part: str) -> Any:
        kind = keras.layers.BatchNormalization
        return self._layer(kind, part, momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON)(x)

    def _relu(self, x: Any, part: str) -> Any:
        return self._layer(keras.layers.Activation, part, activation="relu")(x)

    def _layer(self, kind: type[keras.layers.Layer], part: str, **options: Any) -> Any:
        """The layer of this part, made when it is first asked for."""
        if part not in self.layers:
            options = {"dtype": dtype_policy(self.config.precision), **options}
            self.layers[part] = kind(name=f"{self.name}_{part}", **options)
        return self.layers[part]
