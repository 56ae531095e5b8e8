"""Those of the shared indicators that talipp has, which takes bars one by one.

It defines TRIX and ZLEMA otherwise, and its stochastic has no slow %K.
"""

from collections.abc import Callable
from typing import Any

import talipp.indicators as ti

# Of closes: how it is made, and the field of its value that equals our first output.
OF_CLOSES: dict[str, tuple[Callable[[], Any], str]] = {
    "sma_20": (lambda: ti.SMA(20), ""),
    "ema_20": (lambda: ti.EMA(20), ""),
    "dema_20": (lambda: ti.DEMA(20), ""),
    "tema_20": (lambda: ti.TEMA(20), ""),
    "wma_20": (lambda: ti.WMA(20), ""),
    "bollinger_upper_20": (lambda: ti.BB(20, 2.0), "ub"),
    "rsi_14": (lambda: ti.RSI(14), ""),
    "macd_12_26_9": (lambda: ti.MACD(12, 26, 9), "macd"),
    "roc_10": (lambda: ti.ROC(10), ""),
    "standard_deviation_20": (lambda: ti.StdDev(20), ""),
    "hma_20": (lambda: ti.HMA(20), ""),
    "t3_5": (lambda: ti.T3(5, 0.7), ""),
    "kama_30": (lambda: ti.KAMA(30, 2, 30), ""),
    "rma_14": (lambda: ti.SMMA(14), ""),
    "stochastic_rsi_k_14_5_3": (lambda: ti.StochRSI(14, 5, 1, 3), "k"),
    "coppock_10_11_14": (lambda: ti.CoppockCurve(11, 14, 10), ""),
    "detrended_price_20": (lambda: ti.DPO(20), ""),
    "true_strength_25_13": (lambda: ti.TSI(13, 25), ""),
    "absolute_deviation_14": (lambda: ti.MeanDev(14), ""),
}

OF_BARS: dict[str, tuple[Callable[[], Any], str]] = {
    "atr_14": (lambda: ti.ATR(14), ""),
    "natr_14": (lambda: ti.NATR(14), ""),
    "donchian_upper_20": (lambda: ti.DonchianChannels(20), "ub"),
    "stochastic_fast_k_5_3": (lambda: ti.Stoch(5, 3), "k"),
    "williams_r_14": (lambda: ti.Williams(14), ""),
    "cci_20": (lambda: ti.CCI(20), ""),
    "ultimate_oscillator_7_14_28": (lambda: ti.UO(7, 14, 28), ""),
    "balance_of_power": (lambda: ti.BOP(), ""),
    "adx_14": (lambda: ti.ADX(14, 14), "adx"),
    "aroon_down_25": (lambda: ti.Aroon(25), "down"),
    "vwma_20": (lambda: ti.VWMA(20), ""),
    "awesome_5_34": (lambda: ti.AO(5, 34), ""),
    "vortex_plus_14": (lambda: ti.VTX(14), "plus_vtx"),
    "mass_index_9_25": (lambda: ti.MassIndex(9, 9, 25), ""),
    "chaikin_oscillator_3_10": (lambda: ti.ChaikinOsc(3, 10), ""),
    "force_index_13": (lambda: ti.ForceIndex(13), ""),
    "accumulation_distribution": (lambda: ti.AccuDist(), ""),
    "anchored_vwap": (lambda: ti.VWAP(), ""),
}
