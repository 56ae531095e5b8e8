"""Textbook indicators against TA-Lib, after convergence, within 1e-9 relative."""

import numpy as np
import pandas as pd
import pytest
import talib

from features import compute_indicators, standard_indicators

# Absolute floor as a share of each series' largest value, for values near zero.
RELATIVE = 1e-9


@pytest.fixture(scope="module")
def ours(long_bars) -> pd.DataFrame:
    return compute_indicators(long_bars)


@pytest.fixture(scope="module")
def long_bars(make_bars) -> pd.DataFrame:
    return make_bars(4000, seed=21)


def _arrays(frame):
    return (frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))


def references(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    opening, high, low, close, volume = _arrays(frame)
    upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
    line, signal, histogram = talib.MACD(close, 12, 26, 9)
    slow_k, slow_d = talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    aroon_down, aroon_up = talib.AROON(high, low, 25)
    return {
        "sma_20": talib.SMA(close, 20),
        "ema_20": talib.EMA(close, 20),
        "dema_20": talib.DEMA(close, 20),
        "tema_20": talib.TEMA(close, 20),
        "wma_20": talib.WMA(close, 20),
        "true_range": talib.TRANGE(high, low, close),
        "atr_14": talib.ATR(high, low, close, 14),
        "natr_14": talib.NATR(high, low, close, 14),
        "bollinger_upper_20": upper,
        "bollinger_middle_20": middle,
        "bollinger_lower_20": lower,
        "donchian_upper_20": talib.MAX(high, 20),
        "donchian_middle_20": talib.MIDPRICE(high, low, 20),
        "donchian_lower_20": talib.MIN(low, 20),
        "rsi_14": talib.RSI(close, 14),
        "macd_12_26_9": line,
        "macd_signal_12_26_9": signal,
        "macd_histogram_12_26_9": histogram,
        "stochastic_k_14_3_3": slow_k,
        "stochastic_d_14_3_3": slow_d,
        "roc_10": talib.ROC(close, 10),
        "momentum_10": talib.MOM(close, 10),
        "williams_r_14": talib.WILLR(high, low, close, 14),
        "cci_20": talib.CCI(high, low, close, 20),
        "trix_15": talib.TRIX(close, 15),
        "ultimate_oscillator_7_14_28": talib.ULTOSC(high, low, close, 7, 14, 28),
        "balance_of_power": talib.BOP(opening, high, low, close),
        "plus_di_14": talib.PLUS_DI(high, low, close, 14),
        "minus_di_14": talib.MINUS_DI(high, low, close, 14),
        "dx_14": talib.DX(high, low, close, 14),
        "adx_14": talib.ADX(high, low, close, 14),
        "aroon_up_25": aroon_up,
        "aroon_down_25": aroon_down,
        "regression_line_14": talib.LINEARREG(close, 14),
        "regression_slope_14": talib.LINEARREG_SLOPE(close, 14),
        "standard_deviation_20": talib.STDDEV(close, 20),
        "median_price": talib.MEDPRICE(high, low),
        "typical_price": talib.TYPPRICE(high, low, close),
        "money_flow_index_14": talib.MFI(high, low, close, volume, 14),
    }


def test_agreement_with_talib(ours, long_bars):
    """All rows after 1,000 bars, where the different seeds of recursive averages are forgotten."""
    wrong = {}
    for name, reference in references(long_bars).items():
        got, expected = ours[name].to_numpy()[1000:], reference[1000:]
        # TA-Lib's running sums drift by 1e-12 of the largest price.
        floor = RELATIVE * max(np.abs(expected).max(), 1.0)
        error = np.abs(got - expected) - RELATIVE * np.abs(expected) - floor
        if not (error <= 0.0).all():
            wrong[name] = float(error.max())
    assert not wrong


def test_cumulative_lines_agree_in_their_changes(ours, long_bars):
    """OBV and A/D start at another level in TA-Lib; their changes are the same."""
    _, high, low, close, volume = _arrays(long_bars)
    for name, reference in (
        ("obv", talib.OBV(close, volume)),
        ("accumulation_distribution", talib.AD(high, low, close, volume)),
    ):
        got, expected = np.diff(ours[name].to_numpy()[1:]), np.diff(reference[1:])
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-7, err_msg=name)


def test_every_standard_indicator_is_finite_after_it_settles(ours):
    for name, node in standard_indicators().items():
        column = ours[name].to_numpy()
        assert np.isnan(column[: node.settled]).all(), name
        assert np.isfinite(column[node.settled :]).all(), name


def test_own_indicators_by_name(long_bars):
    from features.graph import ratio
    from features.indicators import atr, close, ema

    frame = compute_indicators(long_bars, {"stretch": ratio(close() - ema(close(), 9), atr(9))})
    assert list(frame.columns) == ["stretch"]
    assert frame.index.equals(long_bars.index)
    assert frame["stretch"].iloc[-1] != 0.0


def test_standard_indicators_number():
    assert len(standard_indicators()) >= 45
