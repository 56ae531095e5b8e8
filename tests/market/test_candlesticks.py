"""Candlestick patterns: TA-Lib finds the same, and touching bodies count as a gap."""

import importlib.util

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.candlesticks import (
    PATTERN_BARS,
    PATTERNS,
    candlestick_patterns,
    pattern_flags,
)
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.pipeline.config import ExperimentConfig

TALIB = {
    "morning_star": ("CDLMORNINGSTAR", 1),
    "evening_star": ("CDLEVENINGSTAR", -1),
    "bullish_engulfing": ("CDLENGULFING", 1),
    "bearish_engulfing": ("CDLENGULFING", -1),
    "bullish_harami": ("CDLHARAMI", 1),
    "bearish_harami": ("CDLHARAMI", -1),
    "shooting_star": ("CDLSHOOTINGSTAR", -1),
    "inverted_hammer": ("CDLINVERTEDHAMMER", 1),
}


def bars(count, *, gaps, seed=4):
    rng = np.random.default_rng(seed)
    moves = rng.standard_t(3, (2, count)) * 0.002
    moves[0] *= gaps
    closes = 100.0 * np.exp(np.cumsum(moves.sum(axis=0)))
    opens = np.r_[100.0, closes[:-1]] * np.exp(moves[0])
    return {
        "open": opens,
        "high": np.maximum(opens, closes) * np.exp(rng.exponential(0.0015, count)),
        "low": np.minimum(opens, closes) * np.exp(-rng.exponential(0.0005, count)),
        "close": closes,
    }


@pytest.mark.skipif(importlib.util.find_spec("talib") is None, reason="TA-Lib is absent")
def test_ta_lib_finds_the_same_patterns():
    import talib

    whole = bars(40_000, gaps=0.5)
    ours = pattern_flags(whole)
    # Where no bar opens apart from the close before, TA-Lib sees no gap: ours are more.
    continuous = bars(20_000, gaps=0.0)
    wider = pattern_flags(continuous)
    for name, (function, sign) in TALIB.items():
        theirs = getattr(talib, function)(*whole.values()) * sign > 0
        assert theirs.sum() > 20, name
        np.testing.assert_array_equal(ours[name][20:], theirs[20:], err_msg=name)
        theirs = getattr(talib, function)(*continuous.values()) * sign > 0
        assert not (theirs & ~wider[name])[20:].any()
        assert wider[name].sum() > 20
        # Those without a gap in their rule are the same.
        more = np.flatnonzero(wider[name] & ~theirs)
        assert not (len(more) and name.endswith(("engulfing", "harami"))), name
        # What is more has bodies that touch: of the middle bar of a star, else of the last.
        bar = more[more >= 20] - name.endswith("star") * (not name.startswith("shooting"))
        np.testing.assert_array_equal(continuous["open"][bar], continuous["close"][bar - 1])


def test_a_pattern_is_the_first_of_those_that_are_there_and_knows_no_later_bar():
    whole = bars(3_000, gaps=0.5)
    code, flags = candlestick_patterns(whole), pattern_flags(whole)
    assert (code[: PATTERN_BARS - 1] == -1).all()
    assert set(np.unique(code)) == set(range(-1, 9))
    for bar in range(PATTERN_BARS, 3_000):
        names = [name for name in PATTERNS[1:] if flags[name][bar]]
        assert PATTERNS[code[bar]] == (names[0] if names else "none")
    for cut in (700, 1_501):
        shorter = {name: values[:cut] for name, values in whole.items()}
        np.testing.assert_array_equal(candlestick_patterns(shorter), code[:cut])
        # Nor an earlier one than the rule reads.
        late = {name: values[cut - PATTERN_BARS : cut] for name, values in whole.items()}
        assert candlestick_patterns(late)[-1] == code[cut - 1]


def test_patterns_are_a_label_of_nine_classes_that_no_run_trades_on():
    frame = pd.DataFrame(bars(400, gaps=0.5))
    labels = make_labels(frame, LabelSpec(kind="pattern", horizon_bars=3))
    known = np.isfinite(labels.values)
    assert np.flatnonzero(known).tolist() == list(range(PATTERN_BARS - 1, 400 - 4))
    np.testing.assert_array_equal(labels.values[known], candlestick_patterns(frame)[known])
    assert (labels.exit_row[known] - np.flatnonzero(known) == 4).all()
    with pytest.raises(ValueError, match=r"nine classes .*gaf --label\.kind pattern"):
        ExperimentConfig(label=LabelSpec(kind="pattern"))
