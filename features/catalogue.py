"""Textbook indicators by name, in textbook units, for a frame of bars."""

from collections.abc import Mapping

import pandas as pd

from features import indicators as ind
from features.compute import bar_columns
from features.graph import Node, deviation, mean, slope
from features.program import evaluate


def _averages_and_channels() -> dict[str, Node]:
    """Averages, ranges and bands, in the prices' unit."""
    price = ind.close()
    upper, middle, lower = ind.bollinger(price, 20)
    channel_top, channel_middle, channel_bottom = ind.keltner(20, 10)
    highest, centre, lowest = ind.donchian(20)
    return {
        "sma_20": mean(price, 20),
        "ema_20": ind.ema(price, 20),
        "dema_20": ind.dema(price, 20),
        "tema_20": ind.tema(price, 20),
        "wma_20": ind.wma(price, 20),
        "true_range": ind.true_range(),
        "atr_14": ind.atr(14),
        "natr_14": ind.natr(14),
        "bollinger_upper_20": upper,
        "bollinger_middle_20": middle,
        "bollinger_lower_20": lower,
        "keltner_upper_20_10": channel_top,
        "keltner_middle_20_10": channel_middle,
        "keltner_lower_20_10": channel_bottom,
        "donchian_upper_20": highest,
        "donchian_middle_20": centre,
        "donchian_lower_20": lowest,
    }


def _oscillators_and_volume() -> dict[str, Node]:
    """Momentum, trend and volume."""
    price = ind.close()
    line, signal, histogram = ind.macd(price, 12, 26, 9)
    slow_k, slow_d = ind.stochastic(14, 3, 3)
    plus, minus = ind.directional_indicators(14)
    aroon_up, aroon_down = ind.aroon(25)
    vortex_plus, vortex_minus = ind.vortex(14)
    return {
        "rsi_14": ind.rsi(price, 14),
        "macd_12_26_9": line,
        "macd_signal_12_26_9": signal,
        "macd_histogram_12_26_9": histogram,
        "stochastic_k_14_3_3": slow_k,
        "stochastic_d_14_3_3": slow_d,
        "roc_10": ind.rate_of_change(price, 10),
        "momentum_10": ind.change(price, 10),
        "williams_r_14": ind.williams_r(14),
        "cci_20": ind.cci(20),
        "trix_15": ind.trix(price, 15),
        "ultimate_oscillator_7_14_28": ind.ultimate_oscillator(7, 14, 28),
        "balance_of_power": ind.balance_of_power(),
        "true_strength_25_13": ind.true_strength(price, 25, 13),
        "plus_di_14": plus,
        "minus_di_14": minus,
        "dx_14": ind.directional_index(14),
        "adx_14": ind.adx(14),
        "aroon_up_25": aroon_up,
        "aroon_down_25": aroon_down,
        "vortex_plus_14": vortex_plus,
        "vortex_minus_14": vortex_minus,
        "regression_line_14": ind.regression_line(price, 14),
        "regression_slope_14": slope(price, 14),
        "standard_deviation_20": deviation(price, 20),
        "median_price": ind.median_price(),
        "typical_price": ind.typical_price(),
        "obv": ind.obv(),
        "accumulation_distribution": ind.accumulation_distribution(),
        "money_flow_index_14": ind.money_flow_index(14),
        "chaikin_money_flow_20": ind.chaikin_money_flow(20),
        "vwap_20": ind.vwap(20),
        "force_index_13": ind.force_index(13),
    }


def standard_indicators() -> dict[str, Node]:
    """Nodes by name, with the textbook's windows; prices and volumes keep their units."""
    return _averages_and_channels() | _oscillators_and_volume()


def compute_indicators(
    frame: pd.DataFrame, indicators: Mapping[str, Node] | None = None
) -> pd.DataFrame:
    """Indicators in textbook units.

    Args:
        frame: Canonical bars, as for `compute_features`.
        indicators: Nodes by the name of their column, from `features.indicators` and
            `features.graph`; None for `standard_indicators()`.

    Returns:
        float64, a column per indicator, NaN before each has settled (recursive averages: until
        earlier bars weigh less than 1e-9). `obv` and `accumulation_distribution` are sums since
        the first bars and so depend on where those are.

    Raises:
        TypeError, ValueError: As `compute_features` for malformed bars.
    """
    chosen = standard_indicators() if indicators is None else dict(indicators)
    values = evaluate(list(chosen.values()), bar_columns(frame))
    return pd.DataFrame(values, index=frame.index, columns=list(chosen))
