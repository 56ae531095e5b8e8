"""An LSTM and a transformer encoder over one window, each attending to the other."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import keras

from ultimate_deep.models.checks import check_range, dtype_policy
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import Inputs, Reads, clipped, make_inputs, one_window
from ultimate_deep.models.parts.net_options import NetOptions
from ultimate_deep.models.parts.sequence_parts import SequenceParts, check_heads
from ultimate_deep.models.presets import Preset, hiding_features
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange, SearchSpace

READS: Reads = "window"
SEES: tuple[str, ...] = ("linear",)


@dataclass(frozen=True, kw_only=True)
class HybridLstmTransformerConfig(NetOptions):
    """Both branches are `width` wide; `blocks` counts the encoder's blocks.

    Args:
        width: Width of every bar in both branches.
        heads: Heads of every attention; must divide `width`.
        blocks: Encoder blocks before the branches meet.
        exchanges: Times that both branches attend to each other.
        dropout_rate: Dropout after every attention and feed-forward part.
        input_clip: Inputs are limited to plus and minus this.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of all weights and of dropout.

    Raises:
        ValueError: A value out of range.
    """

    width: int = 48
    heads: int = 4
    blocks: int = 2
    exchanges: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.heads, self.width)
        check_range("blocks", self.blocks, 1)
        check_range("exchanges", self.exchanges, 1)


PRESETS = MappingProxyType(
    {
        "tiny": Preset(
            config=HybridLstmTransformerConfig(width=16, heads=2, blocks=1, dropout_rate=0.0),
            learning_rate=3e-3,
        ),
        "default": hiding_features(HybridLstmTransformerConfig(), learning_rate=2e-3),
        "large": Preset(
            config=HybridLstmTransformerConfig(width=256, heads=8, blocks=6, exchanges=2),
            learning_rate=3e-4,
            half_on_cpu=True,
        ),
    }
)

SEARCH_SPACE: SearchSpace = {
    "width": Choice(values=(16, 32, 64, 128)),
    "blocks": IntRange(low=1, high=4),
    "exchanges": IntRange(low=1, high=2),
    "dropout_rate": FloatRange(low=0.0, high=0.4),
}


def receptive_field_bars(config: HybridLstmTransformerConfig, window_bars: int) -> int:
    """The whole window: attention is not limited."""
    return window_bars


def build_hybrid_lstm_transformer(
    inputs: Inputs,
    heads: Heads = Heads(),
    config: HybridLstmTransformerConfig = HybridLstmTransformerConfig(),
) -> keras.Model:
    """Build two branches over one window that exchange what they found.

    Input `bars` `(batch, window_bars, features)`, output `(batch, horizons)` float32 logits. An
    LSTM reads the clipped bars; a pre-norm encoder reads them too. `exchanges` times each branch
    attends to the other's bars, both from what the other was before. The newest bars of both are
    joined and pass a dense layer.

    Source: Vaswani et al. (2017), arXiv:1706.03762, sec. 3.1, norms first as in Xiong et al.
    (2020), arXiv:2002.04745; exchange in both directions as in Lu et al. (2019),
    arXiv:1908.02265, sec. 2.1 ("co-attention"), between branches instead of senses.
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
    recurrent = parts.lstm(x, "lstm")
    attentive = _encoder(parts, x, config.blocks)
    for index in range(1, config.exchanges + 1):
        recurrent, attentive = (
            parts.attend(recurrent, attentive, f"exchange_{index}_to_lstm"),
            parts.attend(attentive, recurrent, f"exchange_{index}_to_encoder"),
        )
    newest = [parts.newest(recurrent, "lstm"), parts.newest(attentive, "encoder")]
    x = parts.norm(parts.join(newest, "branches"), "branches_norm")
    x = parts.dropout(parts.dense(x, "fusion", activation="gelu"), "fusion_dropout")
    logits = prediction_heads(heads, x, seed=config.seed)
    return keras.Model(structure, logits, name="hybrid_lstm_transformer")


def _encoder(parts: SequenceParts, x: Any, blocks: int) -> Any:
    """Clipped bars through an embedding and `blocks` of attention and feed-forward."""
    x = parts.dense(x, "encoder_embedding")
    for index in range(1, blocks + 1):
        x = parts.attend(x, x, f"encoder_{index}_attention")
        x = parts.feed(x, f"encoder_{index}_feed")
    return x
