"""Textbook indicators against TA-Lib, after convergence, within 1e-9 relative."""

import numpy as np
import pandas as pd
import pytest
import talib

from ultimate_deep.features import compute_indicators, standard_indicators

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


def further_references(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    opening, high, low, close, volume = _arrays(frame)
    upper, middle, lower = talib.ACCBANDS(high, low, close, 20)
    ha_open, ha_high, ha_low, ha_close = talib.HA(opening, high, low, close)
    return {
        "average_price": talib.AVGPRICE(opening, high, low, close),
        "weighted_close": talib.WCLPRICE(high, low, close),
        "midpoint_14": talib.MIDPOINT(close, 14),
        "midprice_14": talib.MIDPRICE(high, low, 14),
        "rma_14": talib.RMA(close, 14),
        "trima_20": talib.TRIMA(close, 20),
        "hma_20": talib.HMA(close, 20),
        "t3_5": talib.T3(close, 5, 0.7),
        "zlema_20": talib.ZLEMA(close, 20),
        "vwma_20": talib.VWMA(close, volume, 20),
        "acceleration_upper_20": upper,
        "acceleration_middle_20": middle,
        "acceleration_lower_20": lower,
        "heikin_ashi_open": ha_open,
        "heikin_ashi_high": ha_high,
        "heikin_ashi_low": ha_low,
        "heikin_ashi_close": ha_close,
        "ichimoku_conversion_9": talib.MIDPRICE(high, low, 9),
        "ichimoku_base_26": talib.MIDPRICE(high, low, 26),
        "regression_start_14": talib.LINEARREG_INTERCEPT(close, 14),
        "regression_angle_14": talib.LINEARREG_ANGLE(close, 14),
        "regression_forecast_14": talib.TSF(close, 14),
    }


def further_momentum(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    opening, high, low, close, _ = _arrays(frame)
    fast_k, fast_d = talib.STOCHF(high, low, close, 5, 3, 0)
    k, d, j = talib.KDJ(high, low, close)
    rsi_k, rsi_d = talib.STOCHRSI(close, 14, 5, 3, 0)
    bull, bear = talib.ERI(high, low, close, 13)
    strength, signal = talib.SMI(high, low, close)
    return {
        "apo_12_26": talib.APO(close, 12, 26, 1),
        "ppo_12_26": talib.PPO(close, 12, 26, 1),
        "rocp_10": talib.ROCP(close, 10),
        "rocr_10": talib.ROCR(close, 10),
        "cmo_14": talib.CMO(close, 14),
        "chande_momentum_14": talib.CMOU(close, 14),
        "intraday_momentum_14": talib.IMI(opening, close, 14),
        "stochastic_fast_k_5_3": fast_k,
        "stochastic_fast_d_5_3": fast_d,
        "kdj_k_9_3_3": k,
        "kdj_d_9_3_3": d,
        "kdj_j_9_3_3": j,
        "stochastic_rsi_k_14_5_3": rsi_k,
        "stochastic_rsi_d_14_5_3": rsi_d,
        "stochastic_momentum_13_25_2": strength,
        "stochastic_momentum_signal_9": signal,
        "awesome_5_34": talib.AO(high, low),
        "accelerator_5_34_5": talib.AC(high, low),
        "coppock_10_11_14": talib.COPPOCK(close),
        "detrended_price_20": talib.DPO(close, 20),
        "bull_power_13": bull,
        "bear_power_13": bear,
        "qstick_10": talib.QSTICK(opening, close, 10),
        "forecast_oscillator_5": talib.FOSC(close, 5),
        "true_strength_25_13": talib.TSI(close, 25, 13),
    }


def further_trend_and_volume(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    _, high, low, close, volume = _arrays(frame)
    vortex_plus, vortex_minus = talib.VORTEX(high, low, close, 14)
    return {
        "plus_dm_14": talib.PLUS_DM(high, low, 14),
        "minus_dm_14": talib.MINUS_DM(high, low, 14),
        "adxr_14": talib.ADXR(high, low, close, 14),
        "aroon_oscillator_25": talib.AROONOSC(high, low, 25),
        "efficiency_ratio_10": talib.ER(close, 10),
        "vertical_horizontal_28": talib.VHF(close, 28),
        "mass_index_9_25": talib.MASSI(high, low, 9, 25),
        "percentile_50_30": talib.PERCENTILE(close, 30, 50.0),
        "variance_20": talib.VAR(close, 20),
        "absolute_deviation_14": talib.AVGDEV(close, 14),
        "beta_high_low_5": talib.BETA(high, low, 5),
        "correlation_high_low_30": talib.CORREL(high, low, 30),
        "average_range_14": talib.ADR(high, low, 14),
        "chaikin_volatility_10_10": talib.CVI(high, low, 10, 10),
        "relative_volatility_10_14": talib.RVI(close, 14, 10),
        "chaikin_oscillator_3_10": talib.ADOSC(high, low, close, volume, 3, 10),
        "chaikin_money_flow_20": talib.CMF(high, low, close, volume, 20),
        "force_index_13": talib.EFI(close, volume, 13),
        "pvo_12_26": talib.PVO(volume, 12, 26, 1),
        "relative_volume_20": talib.RVOL(volume, 20),
        "anchored_vwap": talib.VWAP(high, low, close, volume),
        "market_facilitation": talib.MARKETFI(high, low, volume),
        "vortex_plus_14": vortex_plus,
        "vortex_minus_14": vortex_minus,
    }


@pytest.mark.parametrize(
    "expected", [references, further_references, further_momentum, further_trend_and_volume]
)
def test_agreement_with_talib(ours, long_bars, expected):
    """All rows after 1,000 bars, where the different seeds of recursive averages are forgotten."""
    wrong = {}
    for name, reference in expected(long_bars).items():
        got, want = ours[name].to_numpy()[1000:], reference[1000:]
        # TA-Lib's running sums drift by 1e-12 of the largest price.
        floor = RELATIVE * max(np.abs(want).max(), 1.0)
        error = np.abs(got - want) - RELATIVE * np.abs(want) - floor
        if not (error <= 0.0).all():
            wrong[name] = float(error.max())
    assert not wrong


def test_cumulative_lines_agree_in_their_changes(ours, long_bars):
    """Sums start at another level in TA-Lib; their changes are the same."""
    _, high, low, close, volume = _arrays(long_bars)
    for name, reference in (
        ("obv", talib.OBV(close, volume)),
        ("accumulation_distribution", talib.AD(high, low, close, volume)),
        ("price_volume_trend", talib.PVT(close, volume)),
        ("williams_accumulation", talib.WAD(high, low, close)),
    ):
        got, expected = np.diff(ours[name].to_numpy()[1:]), np.diff(reference[1:])
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-7, err_msg=name)


def test_adaptive_average(make_bars):
    """Its warm-up is thousands of bars, a bound for every market."""
    bars = make_bars(7000, seed=22)
    got = compute_indicators(bars, {"kama": standard_indicators()["kama_30"]})["kama"].to_numpy()
    settled = standard_indicators()["kama_30"].settled
    assert 6000 < settled < 6200
    assert np.isnan(got[:settled]).all()
    want = talib.KAMA(bars["close"].to_numpy(), 30)
    np.testing.assert_allclose(got[settled:], want[settled:], rtol=1e-9)


def test_cloud_is_that_of_the_bars_before(ours, long_bars):
    """Spans stand 26 bars after the bars that they are made of."""
    _, high, low, _, _ = _arrays(long_bars)
    middles = [talib.MIDPRICE(high, low, window) for window in (9, 26, 52)]
    want = {
        "ichimoku_span_a_26": (middles[0] + middles[1]) / 2.0,
        "ichimoku_span_b_52": middles[2],
    }
    for name, series in want.items():
        np.testing.assert_allclose(ours[name].to_numpy()[100:], series[74:-26], rtol=1e-12)


def test_every_standard_indicator_is_finite_after_it_settles(ours):
    for name, node in standard_indicators().items():
        column = ours[name].to_numpy()
        assert np.isnan(column[: node.settled]).all(), name
        assert np.isfinite(column[node.settled :]).all(), name


def test_own_indicators_by_name(long_bars):
    from ultimate_deep.features.engine.graph import ratio
    from ultimate_deep.features.indicators.classic import atr, close, ema

    frame = compute_indicators(long_bars, {"stretch": ratio(close() - ema(close(), 9), atr(9))})
    assert list(frame.columns) == ["stretch"]
    assert frame.index.equals(long_bars.index)
    assert frame["stretch"].iloc[-1] != 0.0


def test_standard_indicators_number():
    assert len(standard_indicators()) >= 110
