"""The shared indicators by pandas-ta-classic in its own arithmetic, not by its calls of TA-Lib.

Those that it defines otherwise (TRIMA, CMO, DPO, FOSC, RVI, PVT, percentiles) are left out.
"""

from collections.abc import Callable

import pandas as pd
import pandas_ta_classic as ta

Bars = pd.DataFrame
Output = pd.Series | tuple[pd.Series, ...]


def _columns(frame: pd.DataFrame, *order: int) -> tuple[pd.Series, ...]:
    """Columns of a result in TA-Lib's order."""
    return tuple(frame.iloc[:, k] for k in order)


CALLS: dict[str, Callable[[Bars], Output]] = {
    "sma_20": lambda b: ta.sma(b.close, 20),
    "ema_20": lambda b: ta.ema(b.close, 20),
    "dema_20": lambda b: ta.dema(b.close, 20),
    "tema_20": lambda b: ta.tema(b.close, 20),
    "wma_20": lambda b: ta.wma(b.close, 20),
    "true_range": lambda b: ta.true_range(b.high, b.low, b.close),
    "atr_14": lambda b: ta.atr(b.high, b.low, b.close, 14),
    "natr_14": lambda b: ta.natr(b.high, b.low, b.close, 14, mamode="rma"),
    "bollinger_upper_20": lambda b: _columns(ta.bbands(b.close, 20, 2.0, ddof=0), 2, 1, 0),
    "rsi_14": lambda b: ta.rsi(b.close, 14),
    "macd_12_26_9": lambda b: _columns(ta.macd(b.close, 12, 26, 9), 0, 2, 1),
    "stochastic_k_14_3_3": lambda b: _columns(ta.stoch(b.high, b.low, b.close, 14, 3, 3), 0, 1),
    "roc_10": lambda b: ta.roc(b.close, 10),
    "momentum_10": lambda b: ta.mom(b.close, 10),
    "williams_r_14": lambda b: ta.willr(b.high, b.low, b.close, 14),
    "cci_20": lambda b: ta.cci(b.high, b.low, b.close, 20),
    "trix_15": lambda b: ta.trix(b.close, 15).iloc[:, 0],
    "ultimate_oscillator_7_14_28": lambda b: ta.uo(b.high, b.low, b.close, 7, 14, 28),
    "balance_of_power": lambda b: ta.bop(b.open, b.high, b.low, b.close),
    "dx_14": lambda b: ta.dx(b.high, b.low, b.close, 14),
    "adx_14": lambda b: ta.adx(b.high, b.low, b.close, 14).iloc[:, 0],
    "aroon_down_25": lambda b: _columns(ta.aroon(b.high, b.low, 25), 0, 1),
    "regression_line_14": lambda b: ta.linreg(b.close, 14),
    "regression_slope_14": lambda b: ta.linregslope(b.close, 14),
    "standard_deviation_20": lambda b: ta.stdev(b.close, 20, ddof=0),
    "median_price": lambda b: ta.hl2(b.high, b.low),
    "typical_price": lambda b: ta.hlc3(b.high, b.low, b.close),
    "money_flow_index_14": lambda b: ta.mfi(b.high, b.low, b.close, b.volume, 14),
    "average_price": lambda b: ta.ohlc4(b.open, b.high, b.low, b.close),
    "weighted_close": lambda b: ta.wcp(b.high, b.low, b.close),
    "midpoint_14": lambda b: ta.midpoint(b.close, 14),
    "midprice_14": lambda b: ta.midprice(b.high, b.low, 14),
    "rma_14": lambda b: ta.rma(b.close, 14),
    "hma_20": lambda b: ta.hma(b.close, 20),
    "t3_5": lambda b: ta.t3(b.close, 5, 0.7),
    "zlema_20": lambda b: ta.zlma(b.close, 20),
    "vwma_20": lambda b: ta.vwma(b.close, b.volume, 20),
    "kama_30": lambda b: ta.kama(b.close, 30),
    "acceleration_upper_20": lambda b: _columns(
        ta.accbands(b.high, b.low, b.close, 20, c=4), 2, 1, 0
    ),
    "heikin_ashi_open": lambda b: _columns(ta.ha(b.open, b.high, b.low, b.close), 0, 1, 2, 3),
    "ichimoku_conversion_9": lambda b: ta.midprice(b.high, b.low, 9),
    "ichimoku_base_26": lambda b: ta.midprice(b.high, b.low, 26),
    "regression_start_14": lambda b: ta.linregintercept(b.close, 14),
    "regression_angle_14": lambda b: ta.linregangle(b.close, 14),
    "regression_forecast_14": lambda b: ta.tsf(b.close, 14),
    "apo_12_26": lambda b: ta.apo(b.close, 12, 26, mamode="ema"),
    "ppo_12_26": lambda b: ta.ppo(b.close, 12, 26, 9, mamode="ema").iloc[:, 0],
    "rocp_10": lambda b: ta.rocp(b.close, 10),
    "rocr_10": lambda b: ta.rocr(b.close, 10),
    "chande_momentum_14": lambda b: ta.cmo(b.close, 14),
    "stochastic_fast_k_5_3": lambda b: _columns(ta.stochf(b.high, b.low, b.close, 5, 3), 0, 1),
    "kdj_k_9_3_3": lambda b: _columns(ta.kdj(b.high, b.low, b.close, 9, 3), 0, 1, 2),
    "stochastic_rsi_k_14_5_3": lambda b: _columns(ta.stochrsi(b.close, 5, 14, 1, 3), 0, 1),
    "bull_power_13": lambda b: _columns(ta.eri(b.high, b.low, b.close, 13), 0, 1),
    "awesome_5_34": lambda b: ta.ao(b.high, b.low, 5, 34),
    "coppock_10_11_14": lambda b: ta.coppock(b.close, 10, 11, 14),
    "qstick_10": lambda b: ta.qstick(b.open, b.close, 10),
    "true_strength_25_13": lambda b: ta.tsi(b.close, 13, 25).iloc[:, 0],
    "plus_dm_14": lambda b: ta.plus_dm(b.high, b.low, 14),
    "minus_dm_14": lambda b: ta.minus_dm(b.high, b.low, 14),
    "adxr_14": lambda b: ta.adxr(b.high, b.low, b.close, 14).iloc[:, 0],
    "aroon_oscillator_25": lambda b: ta.aroon(b.high, b.low, 25).iloc[:, 2],
    "efficiency_ratio_10": lambda b: ta.er(b.close, 10),
    "vertical_horizontal_28": lambda b: ta.vhf(b.close, 28),
    "mass_index_9_25": lambda b: ta.massi(b.high, b.low, 9, 25),
    "variance_20": lambda b: ta.variance(b.close, 20, ddof=0),
    "absolute_deviation_14": lambda b: ta.mad(b.close, 14),
    "beta_high_low_5": lambda b: ta.beta(b.low, b.high, 5),
    "correlation_high_low_30": lambda b: ta.correl(b.high, b.low, 30),
    "chaikin_volatility_10_10": lambda b: ta.cvi(b.high, b.low, 10),
    "chaikin_oscillator_3_10": lambda b: ta.adosc(
        b.high, b.low, b.close, b.volume, fast=3, slow=10
    ),
    "chaikin_money_flow_20": lambda b: ta.cmf(b.high, b.low, b.close, b.volume, length=20),
    "force_index_13": lambda b: ta.efi(b.close, b.volume, 13),
    "pvo_12_26": lambda b: ta.pvo(b.volume, 12, 26, 9).iloc[:, 0],
    "market_facilitation": lambda b: ta.marketfi(b.high, b.low, b.volume),
    "vortex_plus_14": lambda b: _columns(ta.vortex(b.high, b.low, b.close, 14), 0, 1),
    "obv": lambda b: ta.obv(b.close, b.volume),
    "accumulation_distribution": lambda b: ta.ad(b.high, b.low, b.close, b.volume),
    "williams_accumulation": lambda b: ta.wad(b.high, b.low, b.close),
}
