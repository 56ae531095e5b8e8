"""Options that all transformers share, as flat fields that a command line can reach."""

from dataclasses import dataclass

from ultimate_deep.models.checks import ACTIVATIONS, check_choice, check_positive, check_range
from ultimate_deep.models.layers.attention.sequence_attention import ATTENTIONS, FLASH, WHOLE_WINDOW
from ultimate_deep.models.parts.net_options import NetOptions

POSITIONS = ("rotary", "sinusoidal", "learned", "none")
FEED_FORWARDS = ("dense", "experts")


@dataclass(frozen=True, kw_only=True)
class SequenceOptions(NetOptions):
    """An encoder of pre-norm transformer blocks.

    Args:
        layers: Blocks, each attention and feed-forward.
        width: Width of a bar's vector.
        attention_heads: Heads of each attention.
        attention: `full`, `causal`, `multi_scale` or `chunked`, see `SequenceAttention`.
        spans_bars: Bars that the heads of `multi_scale` see, in turn; 0 is the whole window.
        chunk_bars: Keys at a time in `chunked`.
        flash: `auto` uses the backend's FlashAttention where it runs, which on TensorFlow and on
            processors is nowhere; `off` never.
        positions: `rotary`, `sinusoidal`, `learned` or `none`.
        feed_forward: `dense`, or `experts` for a mixture of them.
        feed_forward_ratio: Hidden width over `width`, of each expert too.
        activation: Inside the feed-forward net.
        experts: Experts in a mixture.
        experts_per_bar: Experts that each bar uses.
        capacity_factor: Places an expert has over those an even load needs.
        balance_weight: Weight of the loss that evens the experts' load.
        dropout_rate: Dropout of each branch's output.
        attention_dropout: Dropout of attention weights; `chunked` has none, and flash is off.
        stochastic_depth: Share of a batch's rows for which the last block is left out in training
            (DropPath); the first one is left out least.
        input_clip: Inputs are limited to `+-input_clip`.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        seed: Seed of weights and masks.
    """

    layers: int = 2
    width: int = 64
    attention_heads: int = 4
    attention: str = "full"
    spans_bars: tuple[int, ...] = (8, 32, WHOLE_WINDOW)
    chunk_bars: int = 128
    flash: str = "auto"
    positions: str = "rotary"
    feed_forward: str = "dense"
    feed_forward_ratio: int = 2
    activation: str = "gelu"
    experts: int = 4
    experts_per_bar: int = 2
    capacity_factor: float = 1.25
    balance_weight: float = 0.01
    attention_dropout: float = 0.0
    stochastic_depth: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("layers", self.layers, 1)
        check_range("attention_heads", self.attention_heads, 1)
        check_choice("attention", self.attention, ATTENTIONS)
        check_choice("flash", self.flash, FLASH)
        check_choice("positions", self.positions, POSITIONS)
        check_choice("feed_forward", self.feed_forward, FEED_FORWARDS)
        check_choice("activation", self.activation, ACTIVATIONS)
        self._check_widths()
        check_range("chunk_bars", self.chunk_bars, 1)
        check_range("feed_forward_ratio", self.feed_forward_ratio, 1)
        check_range("experts", self.experts, 2)
        check_range("experts_per_bar", self.experts_per_bar, 1, self.experts + 1)
        check_positive("capacity_factor", self.capacity_factor)
        check_range("balance_weight", self.balance_weight, 0.0)
        check_range("attention_dropout", self.attention_dropout, 0.0, 1.0)
        check_range("stochastic_depth", self.stochastic_depth, 0.0, 1.0)
        if self.attention_dropout and self.attention == "chunked":
            raise ValueError(
                f"attention_dropout drops weights of a map, got {self.attention_dropout} with "
                "attention 'chunked', which keeps none; set it to 0, or attention to 'full'"
            )

    def _check_widths(self) -> None:
        if not self.spans_bars or min(self.spans_bars) < 0:
            raise ValueError(
                f"spans_bars needs at least one span of 0 or more bars, got {self.spans_bars}: "
                "use e.g. (8, 32, 0), where 0 is the whole window"
            )
        even = 2 if self.positions == "rotary" else 1
        if self.width < 2 or self.width % (even * self.attention_heads):
            raise ValueError(
                f"width must be a multiple of attention_heads, twice that with rotary positions, "
                f"got width {self.width} and {self.attention_heads} heads"
            )

    def lookback_bars(self, window_bars: int) -> int:
        """Bars, itself included, that the newest bar's vector can depend on after all blocks."""
        spans = [self.spans_bars[h % len(self.spans_bars)] for h in range(self.attention_heads)]
        if self.attention != "multi_scale" or WHOLE_WINDOW in spans:
            return window_bars
        return min(window_bars, 1 + self.layers * (max(spans) - 1))
