"""A residual net that looks at pictures of price windows, one for each timeframe."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import (
    PRECISIONS,
    check_choice,
    check_positive,
    check_range,
    dtype_policy,
)
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, make_inputs
from ultimate_deep.models.layers.clip_inputs import ClipInputs
from ultimate_deep.models.layers.gaf_images import GafImages
from ultimate_deep.models.layers.markov_images import MarkovImages
from ultimate_deep.models.layers.recurrence_images import RecurrenceImages
from ultimate_deep.models.parts.pretrained import load_imagenet_weights, read_state, torch_parts
from ultimate_deep.models.parts.resnet18 import (
    FULL_BLOCKS,
    FULL_WIDTH,
    NORM_EPSILON,
    NORM_MOMENTUM,
    Resnet18,
    Resnet18Config,
)
from ultimate_deep.models.presets import Preset
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "gaf"
# `tiny` finds 0.88 of it in three timeframes, `default` 0.92 in one; a net of 4 channels at a
# learning rate of 1e-3 found 0.4.
SEES: tuple[str, ...] = ("linear",)
# With `pretrained_weights` the first two stages stand still; without, every weight moves.
STILL: tuple[str, ...] = ("*_stem_conv/*", "*_stem_norm/*", "*_stage_1_block_*")
FUSIONS = ("logits", "features")
HEAD_ORDERS = ("dropout_last", "dropout_first")
# What is drawn of the numbers of one window.
PICTURES = ("gaf", "gaf_ohlc", "markov", "recurrence")


@dataclass(frozen=True, kw_only=True)
class GafCnnConfig:
    """What `build_gaf_cnn` builds.

    Args:
        base_width: Channels of the first stage; 64 is ResNet-18's.
        blocks_per_stage: Residual blocks of each stage; (2, 2, 2, 2) is ResNet-18's.
        picture: What is drawn of the numbers: `gaf`, both Gramian angular fields; `gaf_ohlc`, those
            of four series; `markov`, the Markov transition field; `recurrence`, the recurrence
            plot. Inputs that are pictures
            already, `(height, width, channels)`, are taken as they are.
        head_widths: Hidden layers behind the pictures, each with batch norm and relu.
        head_order: `dropout_last` has dense without bias, batch norm, relu and dropout in each
            hidden layer; `dropout_first` dropout, dense, relu and batch norm, and one more dropout
            before the logits.
        head_dropout_rates: Share dropped behind each of them, or before each and at the end.
        fusion: `logits` gives each timeframe a net with a head of its own and adds up their
            logits, an ensemble in one model; `features` puts one head behind all nets.
        shared_backbone: Whether one net of convolutions looks at all timeframes.
        pretrained_weights: Path of a ResNet-18 trained on ImageNet (torchvision's state dict as
            `.safetensors` or `.pth`), or None for random weights; see `load_imagenet_weights`.
        frozen_stages: How many stages do not learn and keep their norms' statistics, with
            `pretrained_weights`. 1 is conv1 and bn1; 2, the default, adds layer1.
        frozen_parts: The parts that do not learn instead, by torchvision's names: any of `conv1`,
            `bn1`, `layer1` to `layer4`; empty leaves it to `frozen_stages`.
        l2: Penalty on the sum of squares of all kernels.
        input_clip: Numbers beyond it are cut (pictures cut at 1).
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of the initial weights and of the masks.

    Raises:
        ValueError: A value outside its range, or a file of weights for a net of another size.
    """

    base_width: int = 16
    blocks_per_stage: tuple[int, ...] = FULL_BLOCKS
    picture: str = "gaf"
    head_widths: tuple[int, ...] = (512, 128)
    head_order: str = "dropout_last"
    head_dropout_rates: tuple[float, ...] = (0.5, 0.3)
    fusion: str = "logits"
    shared_backbone: bool = False
    pretrained_weights: str | None = None
    frozen_stages: int = 2
    frozen_parts: tuple[str, ...] = ()
    l2: float = 0.0
    input_clip: float = 8.0
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        self.backbone("")
        if not self.head_widths or min(self.head_widths) < 1:
            raise ValueError(f"head_widths must hold widths of 1 or more, got {self.head_widths}")
        check_choice("picture", self.picture, PICTURES)
        check_choice("head_order", self.head_order, HEAD_ORDERS)
        further = self.head_order == "dropout_first"
        if len(self.head_dropout_rates) != len(self.head_widths) + further:
            raise ValueError(
                f"head_dropout_rates has one rate for each of head_widths={self.head_widths}"
                f"{' and one for the end' if further else ''}, got {self.head_dropout_rates}"
            )
        for rate in self.head_dropout_rates:
            check_range("head_dropout_rates", rate, 0.0, 1.0)
        check_choice("fusion", self.fusion, FUSIONS)
        check_range("frozen_stages", self.frozen_stages, 0, len(self.blocks_per_stage) + 2)
        for part in self.frozen_parts:
            check_choice("frozen_parts", part, torch_parts(len(self.blocks_per_stage)))
        check_positive("input_clip", self.input_clip)
        check_choice("precision", self.precision, PRECISIONS)
        size = (self.base_width, tuple(self.blocks_per_stage))
        if self.pretrained_weights is not None and size != (FULL_WIDTH, FULL_BLOCKS):
            raise ValueError(
                f"pretrained_weights are of a full ResNet-18, got base_width={self.base_width} and "
                f"blocks_per_stage={self.blocks_per_stage}: take the preset 'resnet18'"
            )

    def backbone(self, name: str) -> Resnet18Config:
        """The configuration of the backbone called `name`."""
        return Resnet18Config(
            base_width=self.base_width,
            blocks_per_stage=tuple(self.blocks_per_stage),
            l2=self.l2,
            precision=self.precision,
            seed=derive_seed(self.seed, name),
        )


# `default` is a quarter as wide as ResNet-18 (0.7 instead of 11.2 million weights a timeframe).
PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=GafCnnConfig(
                base_width=8,
                blocks_per_stage=(1, 1, 1, 1),
                head_widths=(16, 8),
                head_dropout_rates=(0.1, 0.1),
            ),
            learning_rate=4e-3,
            batch_size=64,
        ),
        "default": Preset(config=GafCnnConfig(), learning_rate=3e-3, batch_size=64, epochs=4),
        "shared": Preset(
            config=GafCnnConfig(shared_backbone=True), learning_rate=3e-3, batch_size=64, epochs=4
        ),
        "resnet18": Preset(
            config=GafCnnConfig(base_width=FULL_WIDTH), batch_size=64, epochs=4, half_on_cpu=True
        ),
        # The net of the specification, word for word; what else its training has is in
        # `commands/configs/gaf_resnet18.yaml`.
        "gaf_resnet18": Preset(
            config=GafCnnConfig(
                base_width=FULL_WIDTH,
                head_widths=(128,),
                head_order="dropout_first",
                head_dropout_rates=(0.5, 0.3),
                frozen_parts=("layer1", "layer2"),
            ),
            learning_rate=1e-4,
            batch_size=64,
            epochs=50,
            half_on_cpu=True,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "base_width": Choice(values=(8, 16, 32)),
    "fusion": Choice(values=FUSIONS),
    "shared_backbone": Choice(values=(False, True)),
    "head_dropout_rates": Choice(values=((0.5, 0.3), (0.2, 0.1))),
    "l2": FloatRange(low=1e-7, high=1e-3, log=True),
}


def build_gaf_cnn(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: GafCnnConfig = GafCnnConfig(),
) -> keras.Model:
    """Build residual nets over Gramian angular fields.

        numbers -> clip -> two fields -> ResNet-18 -> dense 512 -> dense 128 -> logits

    Inputs `gaf_1x`, ... `(batch, size)` in [-1, 1], one or more, from `features.gaf.gaf_numbers`;
    output `(batch, horizons)` float32 logits. A picture is `(size, size, 2)`: summation and
    difference field. Inputs of three axes are pictures themselves, drawn elsewhere: the rest of the
    net is the same, weight by weight.

    Several timeframes are an ensemble that is trained together: the logits are the sum of what
    each member says, the last dense layer reading all their heads side by side (quantiles are
    put in order after the sum). Or they share one head.

    Source: Wang & Oates (2015), arXiv:1506.00327, for the pictures; the backbone as in
    `models.parts.resnet18`, whose two input channels are the only deviation from its source.

    Raises:
        ValueError: An input that is neither `(size,)` nor a picture, or a file of weights that does
            not fit.
    """
    _check_inputs(inputs)
    structure, tensors = make_inputs(inputs)
    features = _features(inputs, tensors, config)
    if config.fusion == "features":
        x = _head(_joined(list(features.values()), "features_joined"), config, "head")
    else:
        members = [_head(x, config, f"head_{name}") for name, x in features.items()]
        x = _joined(members, "members_joined")
    outputs = prediction_heads(heads, x, seed=config.seed, l2=config.l2)
    return keras.Model(structure, outputs, name="gaf_cnn")


def _features(inputs: Inputs, tensors: list[Any], config: GafCnnConfig) -> dict[str, Any]:
    """What the backbones see in each input, `(batch, width)` by name."""
    policy = dtype_policy(config.precision)
    backbones: dict[str, Resnet18] = {}
    features = {}
    for name, tensor in zip(inputs, tensors, strict=True):
        x = tensor
        if len(inputs[name]) == 1:
            x = ClipInputs(config.input_clip, dtype="float32", name=f"{name}_clip")(tensor)
            x = _drawing(config.picture, dtype=policy, name=f"{name}_pictures")(x)
        owner = "backbone" if config.shared_backbone else f"backbone_{name}"
        if owner not in backbones:
            backbones[owner] = Resnet18(config.backbone(owner), name=owner)
        features[name] = backbones[owner](x)
    if config.pretrained_weights is not None:
        state = read_state(config.pretrained_weights)
        for backbone in backbones.values():
            load_imagenet_weights(backbone, state)
            if config.frozen_parts:
                backbone.freeze_parts(config.frozen_parts)
            else:
                backbone.freeze(config.frozen_stages)
    return features


def _drawing(picture: str, **options: Any) -> keras.layers.Layer:
    """The layer that draws this picture."""
    if picture == "markov":
        return MarkovImages(**options)
    if picture == "recurrence":
        return RecurrenceImages(**options)
    return GafImages(4 if picture == "gaf_ohlc" else 1, **options)


def _check_inputs(inputs: Inputs) -> None:
    for name, shape in inputs.items():
        if len(shape) not in (1, 3) or None in shape:
            raise ValueError(
                f"input {name!r} has shape {tuple(shape)}, but this model reads the numbers of one "
                "window or a picture: give (size,), such as (64,), or (height, width, channels), "
                "and one input for each timeframe"
            )


def _head(x: Any, config: GafCnnConfig, name: str) -> Any:
    policy = dtype_policy(config.precision)
    rates = config.head_dropout_rates
    first = config.head_order == "dropout_first"

    def dropped(x: Any, index: int) -> Any:
        layer = f"{name}_{index}_dropout"
        seed = derive_seed(config.seed, layer)
        return keras.layers.Dropout(rates[index - 1], seed=seed, dtype=policy, name=layer)(x)

    for index, width in enumerate(config.head_widths, start=1):
        layer = f"{name}_{index}"
        dense = keras.layers.Dense(
            width,
            use_bias=first,
            kernel_initializer=keras.initializers.HeNormal(seed=derive_seed(config.seed, layer)),
            kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
            dtype=policy,
            name=f"{layer}_dense",
        )
        norm = keras.layers.BatchNormalization(
            momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON, dtype=policy, name=f"{layer}_norm"
        )
        relu = keras.layers.Activation("relu", dtype=policy, name=f"{layer}_activation")
        x = norm(relu(dense(dropped(x, index)))) if first else dropped(relu(norm(dense(x))), index)
    return dropped(x, len(rates)) if first else x


def _joined(parts: list[Any], name: str) -> Any:
    if len(parts) == 1:
        return parts[0]
    return keras.layers.Concatenate(dtype="float32", name=name)(parts)
