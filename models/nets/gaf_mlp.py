"""The control of `gaf_cnn`: a perceptron on the numbers that its pictures are made of."""

from dataclasses import dataclass
from types import MappingProxyType

import keras

from ultimate_deep.models.heads import Heads
from ultimate_deep.models.inputs import Inputs, Reads
from ultimate_deep.models.nets.mlp import MlpConfig, build_mlp
from ultimate_deep.models.presets import Preset
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace

READS: Reads = "gaf"
# Shares of the oracle's edge, three timeframes, 20,000 bars, edge 0.2: linear 0.87 with `tiny`
# and 0.81 with `default`; cross-timeframe 0.86, long memory 0.42 and interaction 0.08 with two
# layers of 8 and 4 (no picture shows volume). A logistic regression on the numbers has 0.94 of
# linear: neighbours are nearly equal, so that their differences are learnt slowly. Hence the
# high learning rates.
SEES: tuple[str, ...] = ("linear", "cross_timeframe")


@dataclass(frozen=True, kw_only=True)
class GafMlpConfig(MlpConfig):
    """As `MlpConfig`; a number beyond `input_clip` is cut."""


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=GafMlpConfig(hidden_widths=(16,), dropout_rate=0.0), learning_rate=1e-2
        ),
        "default": Preset(config=GafMlpConfig(l2=1e-3), learning_rate=3e-3, epochs=8),
        "wide": Preset(
            config=GafMlpConfig(hidden_widths=(512, 256, 128), dropout_rate=0.3), epochs=8
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "hidden_widths": Choice(values=((64,), (128, 64), (512, 128))),
    "activation": Choice(values=("relu", "gelu", "tanh")),
    "dropout_rate": FloatRange(low=0.0, high=0.5),
    "l2": FloatRange(low=1e-7, high=1e-3, log=True),
}


def build_gaf_mlp(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: GafMlpConfig = GafMlpConfig(),
) -> keras.Model:
    """Build a perceptron on the numbers of all timeframes, joined; no picture is made.

    Inputs `gaf_1x`, ... `(batch, size)` in [-1, 1], one or more, from `features.gaf.gaf_numbers`;
    output `(batch, horizons)` float32 logits. A picture holds nothing that its numbers do not
    (`models.layers.GafImages`), so what `gaf_cnn` is worth is what it finds beyond this.

    Source: `models.nets.mlp`.

    Raises:
        ValueError: An input that is not `(size,)`.
    """
    check_numbers(inputs)
    mlp = build_mlp(inputs, heads, config)
    return keras.Model(mlp.input, mlp.output, name="gaf_mlp")


def check_numbers(inputs: Inputs) -> None:
    """Raise ValueError unless every input has the shape `(size,)`."""
    for name, shape in inputs.items():
        if len(shape) != 1 or shape[0] is None:
            raise ValueError(
                f"input {name!r} has shape {tuple(shape)}, but this model reads the numbers of one "
                "window: give (size,), such as (64,), and one input for each timeframe"
            )
