"""Candlestick patterns by rule: which of eight the bars up to a close form, or none.

Source: the eight patterns of Chen & Tsai (2020), "Encoding candlesticks as images for pattern
classification using convolutional neural networks", Financial Innovation 6:26; rules and sizes
("long", "short", "very short") as TA-Lib 0.8 has them, with its default settings. Deviations:
bodies that touch count as a gap, since a market that never closes opens where it closed; no trend
is asked for before a pattern; where several are there at once, the first of `PATTERNS` is it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

PATTERNS = (
    "none",
    "morning_star",
    "evening_star",
    "bullish_engulfing",
    "bearish_engulfing",
    "bullish_harami",
    "bearish_harami",
    "shooting_star",
    "inverted_hammer",
)
# Sizes are held against the bars before: so many, before the first of a pattern's three.
AVERAGED_BARS = 10
PATTERN_BARS = AVERAGED_BARS + 3
_SHORT_SHADOW = 0.1  # of the usual range
_PENETRATION = 0.3  # of the first body, by a star's last close

Flags = npt.NDArray[np.bool_]


def candlestick_patterns(frame: pd.DataFrame | Mapping[str, Any]) -> npt.NDArray[np.int64]:
    """Return the pattern that ends at each bar, a position in `PATTERNS`, int64 `(bars,)`.

    Only bars up to its own count, `PATTERN_BARS` of them; the first `PATTERN_BARS - 1` bars are -1.

    Args:
        frame: Columns `open high low close`, each `(bars,)`, finite; a DataFrame, or arrays by
            name.
    """
    found = pattern_flags(frame)
    code = np.zeros(len(next(iter(found.values()))), np.int64)
    for place in range(len(PATTERNS) - 1, 0, -1):
        code[found[PATTERNS[place]]] = place
    code[: PATTERN_BARS - 1] = -1
    return code


def pattern_flags(frame: pd.DataFrame | Mapping[str, Any]) -> dict[str, Flags]:
    """Return whether each pattern ends at each bar, bool `(bars,)` by name; several can.

    - *star*: a long body, a short one beyond it, and a body that is not short and closes at least
      0.3 of the first body back into it; black, any, white for the morning, mirrored for the
      evening;
    - *engulfing*: a body of the other colour around the one before, larger at one end at least;
    - *harami*: a short body inside of the long one before it, which is of the other direction;
    - *shooting star*, *inverted hammer*: a short body with an upper shadow longer than itself and
      a very short lower one, above the body before, or below it.

    Args:
        frame: Columns that `candlestick_patterns` takes.
    """
    opens, high, low, close = (
        np.asarray(frame[name], np.float64) for name in ("open", "high", "low", "close")
    )
    body, white = np.abs(close - opens), close >= opens
    upper, lower = np.maximum(opens, close), np.minimum(opens, close)
    usual_body, usual_range = _mean_before(body), _mean_before(high - low)
    long, short = body > usual_body, body <= usual_body
    first_close, first_body = _ago(close, 2), _ago(body, 2)
    star = _was(long, 2) & _was(short, 1) & (body > usual_body)
    gap_down = upper <= _ago(lower, 1)
    gap_up = lower >= _ago(upper, 1)
    before_upper, before_lower, before_white = _ago(upper, 1), _ago(lower, 1), _was(white, 1)
    around = (upper >= before_upper) & (lower <= before_lower)
    around &= (upper > before_upper) | (lower < before_lower)
    inside = _was(long, 1) & short & (upper <= before_upper) & (lower >= before_lower)
    inside &= (upper < before_upper) | (lower > before_lower)
    candle = (body < usual_body) & (high - upper > body)
    candle &= lower - low < _SHORT_SHADOW * usual_range
    back = _PENETRATION * first_body
    return {
        "morning_star": star
        & _was(~white, 2)
        & _was(gap_down, 1)
        & white
        & (close > first_close + back),
        "evening_star": star
        & _was(white, 2)
        & _was(gap_up, 1)
        & ~white
        & (close < first_close - back),
        "bullish_engulfing": around & white & _was(~white, 1),
        "bearish_engulfing": around & ~white & before_white,
        "bullish_harami": inside & _was(~white, 1),
        "bearish_harami": inside & before_white,
        "shooting_star": candle & gap_up,
        "inverted_hammer": candle & gap_down,
    }


def _mean_before(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean of the `AVERAGED_BARS` bars before each; NaN, which no size compares with, at first."""
    out = np.full(len(values), np.nan)
    if len(values) > AVERAGED_BARS:
        windows = np.lib.stride_tricks.sliding_window_view(values[:-1], AVERAGED_BARS)
        out[AVERAGED_BARS:] = windows.mean(axis=1)
    return out


def _ago(values: npt.NDArray[np.float64], bars: int) -> npt.NDArray[np.float64]:
    out = np.full(len(values), np.nan)
    out[bars:] = values[: len(values) - bars]
    return out


def _was(flags: Flags, bars: int) -> Flags:
    out = np.zeros(len(flags), dtype=bool)
    out[bars:] = flags[: len(flags) - bars]
    return out
