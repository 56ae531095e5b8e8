"""Four experts of different kinds over one window, and a gate that learns whom to believe."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from ultimate_deep.models.checks import check_choice, check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.sequence_parts import SequenceParts, check_heads
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, SearchSpace
from ultimate_deep.models.seeds import derive_seed

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear", "interaction", "long_memory")
EXPERTS = ("lstm", "attention", "convolution", "linear")
DILATIONS = (1, 2, 4)


@dataclass(frozen=True, kw_only=True)
class AdaptiveHybridConfig(NetOptions):
    """Which experts there are, how wide they are, and the gate's hidden width.

    Args:
        experts: Some of `EXPERTS`, at least two.
        width: Width of every expert's opinion.
        heads: Heads of the attention expert; must divide `width`.
        kernel_bars: Bars under a kernel of the three causal convolutions, dilated by 1, 2 and 4.
        gate_width: Hidden width of the gate.
        dropout_rate: Dropout within the experts and after their mixture.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range, or an unknown or repeated expert.
    """

    experts: tuple[str, ...] = EXPERTS
    width: int = 32
    heads: int = 4
    kernel_bars: int = 3
    gate_width: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        for expert in self.experts:
            check_choice("experts", expert, EXPERTS)
        if len(set(self.experts)) != len(self.experts) or len(self.experts) < 2:
            raise ValueError(
                f"experts must be at least two different ones, got {self.experts}: a gate has "
                f"nothing to choose otherwise; known experts: {', '.join(EXPERTS)}"
            )
        check_heads(self.heads, self.width)
        check_range("kernel_bars", self.kernel_bars, 1)
        check_range("gate_width", self.gate_width, 1)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=AdaptiveHybridConfig(width=16, heads=2, gate_width=8, dropout_rate=0.0),
            learning_rate=3e-3,
        ),
        "default": hiding_features(AdaptiveHybridConfig(), learning_rate=2e-3),
        "large": Preset(
            config=AdaptiveHybridConfig(width=128, heads=8, gate_width=64), learning_rate=3e-4
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "experts": Choice(values=(EXPERTS, ("lstm", "attention"), ("lstm", "linear"))),
    "width": Choice(values=(16, 32, 64)),
    "gate_width": Choice(values=(8, 16, 32)),
    "dropout_rate": FloatRange(low=0.0, high=0.4),
}


def receptive_field_bars(config: AdaptiveHybridConfig, window_bars: int) -> int:
    """The whole window: the gate sums all of it up, whatever its experts see."""
    return window_bars


def build_adaptive_hybrid(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: AdaptiveHybridConfig = AdaptiveHybridConfig(),
) -> keras.Model:
    """Build a mixture of experts of different kinds.

    Input `bars` `(batch, window_bars, features)`, output `(batch, horizons)` float32 logits.
    Every expert turns the window into `width` numbers; the gate reads the newest bar and the
    window's mean and mean square, and its softmax weighs the experts. `gate_weights` reads it.

    Source: Jacobs, Jordan, Nowlan & Hinton (1991), "Adaptive mixtures of local experts", Neural
    Computation 3(1), eq. 1.1: the gate mixes outputs (here before the heads). Their competitive
    loss, eq. 1.3, is not used.
    """
    name, _, _ = one_window(inputs)
    policy = dtype_policy(config.precision)
    structure, tensors = make_inputs(inputs)
    x = clipped(inputs, tensors, input_clip=config.input_clip, dtype=policy)[name]
    parts = SequenceParts(
        width=config.width,
        heads=config.heads,
        dropout_rate=config.dropout_rate,
        seed=config.seed,
        policy=policy,
    )
    opinions = [_opinion(parts, expert, x, config.kernel_bars) for expert in config.experts]
    stacked = keras.layers.Reshape(
        (len(opinions), config.width), dtype=policy, name="experts_by_row"
    )(parts.join(opinions, "experts"))
    gate = _gate(parts, x, len(opinions), config.gate_width)
    x = keras.layers.Dot(axes=1, dtype=policy, name="mixture")([gate, stacked])
    x = parts.dropout(x, "mixture_dropout")
    logits = prediction_heads(heads, x, seed=config.seed)
    return keras.Model(structure, logits, name="adaptive_hybrid")


def gate_weights(model: keras.Model, x: Any, *, batch_size: int = 1024) -> np.ndarray:
    """How much each expert counts for each row.

    Args:
        model: What `build_adaptive_hybrid` makes, loaded or trained.
        x: Windows `(rows, window_bars, features)`.
        batch_size: Rows computed at once.

    Returns:
        `(rows, experts)` float32 in the order of `config.experts`, each row adding up to 1.

    Raises:
        ValueError: The model has no gate.
    """
    if "gate" not in {layer.name for layer in model.layers}:
        raise ValueError(
            f"model {model.name!r} has no layer called 'gate': build_adaptive_hybrid makes models "
            "that do"
        )
    read = keras.Model(model.input, model.get_layer("gate").output)
    parts = [
        keras.ops.convert_to_numpy(read(np.asarray(x[start : start + batch_size], np.float32)))
        for start in range(0, len(x), batch_size)
    ]
    return np.concatenate(parts)


def _gate(parts: SequenceParts, x: Any, experts: int, gate_width: int) -> Any:
    """Softmax `(batch, experts)` float32 from a summary of the window."""
    policy = parts.policy
    squares = keras.layers.Multiply(dtype=policy, name="gate_squares")([x, x])
    summary = [
        parts.newest(x, "gate"),
        keras.layers.GlobalAveragePooling1D(dtype=policy, name="gate_mean")(x),
        keras.layers.GlobalAveragePooling1D(dtype=policy, name="gate_mean_square")(squares),
    ]
    x = parts.join(summary, "gate_summary")
    x = parts.dense(x, "gate_hidden", width=gate_width, activation="tanh")
    seed = derive_seed(parts.seed, "gate")
    return keras.layers.Dense(
        experts,
        activation="softmax",
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        dtype="float32",
        name="gate",
    )(x)


def _opinion(parts: SequenceParts, expert: str, x: Any, kernel_bars: int) -> Any:
    """One expert's `(batch, width)`; every one but the linear ends in a norm."""
    if expert == "linear":
        flat = keras.layers.Flatten(dtype=parts.policy, name="linear_flat")(x)
        return parts.dense(flat, "linear")
    if expert == "lstm":
        y = parts.lstm(x, "lstm")
    elif expert == "attention":
        y = parts.dense(x, "attention_embedding")
        y = parts.feed(parts.attend(y, y, "attention"), "attention_feed")
    else:
        y = x
        for dilation in DILATIONS:
            y = parts.convolution(
                y, f"convolution_{dilation}", kernel_bars=kernel_bars, dilation=dilation
            )
    return parts.norm(parts.newest(y, expert), f"{expert}_opinion")
