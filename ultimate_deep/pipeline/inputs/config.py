"""What a model is fed, as a frozen dataclass; importable without Keras."""

import itertools
from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields

# What a net makes of a window may have this number of rows, squared; a bundle of more is refused.
MOST_WINDOW_BARS = 16_384

Kind = Literal["features", "window", "timeframes", "gaf", "bar_image", "episodic"]

# Features with short warm-ups that say where price, range and volume stand on coarse bars.
COARSE_FEATURES = (
    "return_log_1",
    "return_log_5",
    "body_log",
    "range_log",
    "close_location",
    "close_to_sma_10",
    "close_to_sma_20",
    "volatility_spread_5_20",
    "williams_r_28",
    "efficiency_10",
    "volume_spread_5_20",
    "money_flow_14",
)


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """What a model is fed at each decision.

    Args:
        kind: `auto` is what the model reads; `features` the features of the decision's bar,
            `window` those of the last `window_bars` bars, `timeframes` that window and one of each
            coarser timeframe, `gaf` the numbers behind Gramian angular fields, `bar_image` those
            behind a chart of the last `window_bars` bars, `episodic` a window and the decision's
            time. Models of plain features take any kind, flattened.
        window_bars: Bars of a window.
        timeframes: Lengths of the coarser bars, in bars, rising.
        coarse_window_bars: Coarse bars of a window.
        coarse_features: Features of the coarse bars.
        gaf_timeframes: Lengths of the bars that are pictured, in bars, rising.
        gaf_window_bars: Bars in a picture's window.
        gaf_size: Numbers that a window is averaged to.
    """

    kind: Literal["auto"] | Kind = "auto"
    window_bars: int = 32
    timeframes: tuple[int, ...] = (4, 16)
    coarse_window_bars: int = 16
    coarse_features: tuple[str, ...] = COARSE_FEATURES
    gaf_timeframes: tuple[int, ...] = (1, 2, 4)
    gaf_window_bars: int = 128
    gaf_size: int = 64

    def __post_init__(self) -> None:
        check_fields(self, "inputs")
        for name in ("window_bars", "coarse_window_bars"):
            if not 1 <= getattr(self, name) <= MOST_WINDOW_BARS:
                raise ValueError(
                    f"inputs.{name} must be at least 1 and at most {MOST_WINDOW_BARS:,}, got "
                    f"{getattr(self, name)}; use e.g. 32, or coarser bars"
                )
        _check_rising("timeframes", self.timeframes, 2)
        _check_rising("gaf_timeframes", self.gaf_timeframes, 1)
        if not self.coarse_features:
            raise ValueError(
                "inputs.coarse_features must name at least one feature, got none; leave it out"
            )
        if not 2 <= self.gaf_size <= self.gaf_window_bars:
            raise ValueError(
                "inputs.gaf_size must be at least 2 and at most gaf_window_bars="
                f"{self.gaf_window_bars}, got {self.gaf_size}; lengthen the window or draw smaller "
                "pictures"
            )


def _check_rising(name: str, factors: tuple[int, ...], least: int) -> None:
    rising = all(a < b for a, b in itertools.pairwise(factors))
    if not factors or min(factors) < least or not rising:
        raise ValueError(
            f"inputs.{name} must be rising whole numbers of bars from {least} on, got {factors}; "
            "use e.g. (4, 16)"
        )
