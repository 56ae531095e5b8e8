"""Textbook indicators by name, in textbook units, for a frame of bars."""

from collections.abc import Mapping

import pandas as pd

from ultimate_deep.features.compute import bar_columns, frame_of
from ultimate_deep.features.engine.graph import Node, lag, ratio
from ultimate_deep.features.engine.runner import evaluate
from ultimate_deep.features.engine.windows import (
    absolute_deviation,
    deviation,
    mean,
    slope,
    variance,
)
from ultimate_deep.features.indicators import classic as ind
from ultimate_deep.features.indicators import oscillators as osc
from ultimate_deep.features.indicators import smoothing
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.market import Market


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


def _more_averages_and_channels() -> dict[str, Node]:
    """Less common averages, channels and candles, in the prices' unit."""
    price = ind.close()
    upper, middle, lower = smoothing.acceleration_bands(20)
    first, top, bottom, last = smoothing.heikin_ashi()
    conversion, base, span_a, span_b = smoothing.ichimoku()
    return {
        "average_price": smoothing.average_price(),
        "weighted_close": smoothing.weighted_close(),
        "midpoint_14": smoothing.midpoint(price, 14),
        "midprice_14": smoothing.midprice(14),
        "rma_14": ind.wilder(price, 14),
        "trima_20": smoothing.trima(price, 20),
        "hma_20": smoothing.hma(price, 20),
        "t3_5": smoothing.t3(price, 5),
        "zlema_20": smoothing.zlema(price, 20),
        "vwma_20": smoothing.vwma(price, 20),
        "kama_30": smoothing.kama(price, 30),
        "acceleration_upper_20": upper,
        "acceleration_middle_20": middle,
        "acceleration_lower_20": lower,
        "heikin_ashi_open": first,
        "heikin_ashi_high": top,
        "heikin_ashi_low": bottom,
        "heikin_ashi_close": last,
        "ichimoku_conversion_9": conversion,
        "ichimoku_base_26": base,
        "ichimoku_span_a_26": span_a,
        "ichimoku_span_b_52": span_b,
        "regression_start_14": osc.regression_start(price, 14),
        "regression_angle_14": osc.regression_angle(price, 14),
        "regression_forecast_14": osc.regression_forecast(price, 14),
    }


def _more_momentum() -> dict[str, Node]:
    """Less common momentum."""
    price = ind.close()
    fast_k, fast_d = osc.fast_stochastic(5, 3)
    k, d, j = osc.kdj(9, 3, 3)
    rsi_k, rsi_d = osc.stochastic_rsi(14, 5, 3)
    bull, bear = osc.elder_ray(13)
    strength = osc.stochastic_momentum(13, 25, 2)
    return {
        "apo_12_26": osc.absolute_oscillator(price, 12, 26),
        "ppo_12_26": osc.percentage_oscillator(price, 12, 26),
        "rocp_10": osc.rate_of_change_fraction(price, 10),
        "rocr_10": osc.rate_of_change_ratio(price, 10),
        "cmo_14": osc.smoothed_chande(price, 14),
        "chande_momentum_14": osc.chande_momentum(price, 14),
        "intraday_momentum_14": osc.intraday_momentum(14),
        "stochastic_fast_k_5_3": fast_k,
        "stochastic_fast_d_5_3": fast_d,
        "kdj_k_9_3_3": k,
        "kdj_d_9_3_3": d,
        "kdj_j_9_3_3": j,
        "stochastic_rsi_k_14_5_3": rsi_k,
        "stochastic_rsi_d_14_5_3": rsi_d,
        "stochastic_momentum_13_25_2": strength,
        "stochastic_momentum_signal_9": ind.ema(strength, 9),
        "awesome_5_34": osc.awesome_oscillator(),
        "accelerator_5_34_5": osc.accelerator_oscillator(),
        "coppock_10_11_14": osc.coppock(price, 10, 11, 14),
        "detrended_price_20": lag(price, 11) - mean(price, 20),
        "bull_power_13": bull,
        "bear_power_13": bear,
        "qstick_10": osc.qstick(10),
        "forecast_oscillator_5": osc.forecast_oscillator(price, 5),
    }


def _more_trend_and_volume() -> dict[str, Node]:
    """Less common trend, statistics, ranges and volume."""
    price, traded = ind.close(), ind.volume()
    plus, minus = osc.directional_movements(14)
    up, down = ind.aroon(25)
    return {
        "plus_dm_14": plus,
        "minus_dm_14": minus,
        "adxr_14": osc.adx_rating(14),
        "aroon_oscillator_25": up - down,
        "efficiency_ratio_10": osc.efficiency_ratio(price, 10),
        "vertical_horizontal_28": osc.vertical_horizontal(price, 28),
        "mass_index_9_25": osc.mass_index(9, 25),
        "percentile_50_30": osc.percentile(price, 30, 50.0),
        "variance_20": variance(price, 20),
        "absolute_deviation_14": absolute_deviation(price, 14),
        "beta_high_low_5": osc.beta(ind.high(), ind.low(), 5),
        "correlation_high_low_30": ind.correlation(ind.high(), ind.low(), 30),
        "average_range_14": osc.average_range(14),
        "chaikin_volatility_10_10": osc.chaikin_volatility(10, 10),
        "relative_volatility_10_14": osc.relative_volatility(10, 14),
        "chaikin_oscillator_3_10": osc.chaikin_oscillator(3, 10),
        "pvo_12_26": osc.percentage_oscillator(traded, 12, 26),
        "relative_volume_20": ratio(traded, lag(mean(traded, 20), 1)),
        "anchored_vwap": osc.anchored_vwap(),
        "market_facilitation": osc.facilitation(),
        "price_volume_trend": osc.price_volume_trend(),
        "williams_accumulation": osc.williams_accumulation(),
    }


def standard_indicators() -> dict[str, Node]:
    """Nodes by name, with the textbook's windows; prices and volumes keep their units."""
    return (
        _averages_and_channels()
        | _oscillators_and_volume()
        | _more_averages_and_channels()
        | _more_momentum()
        | _more_trend_and_volume()
    )


def compute_indicators(
    frame: pd.DataFrame | Bars | Market, indicators: Mapping[str, Node] | None = None
) -> pd.DataFrame:
    """Indicators in textbook units.

    Args:
        frame: Bars, as for `compute_features`.
        indicators: Nodes by the name of their column, from `features.indicators.classic` and
            `features.engine.graph`; None for `standard_indicators()`.

    Returns:
        Values in float64, a column per indicator, NaN before each has settled (recursive averages:
        until earlier bars weigh less than 1e-11, which takes `kama_30` 6,100 bars). `obv`,
        `accumulation_distribution`, `price_volume_trend`, `williams_accumulation` and
        `anchored_vwap` are sums since the first bars and so depend on where those are.

    Raises:
        TypeError, ValueError: Malformed bars, as in `compute_features`.
    """
    chosen = standard_indicators() if indicators is None else dict(indicators)
    frame = frame_of(frame)
    values = evaluate(list(chosen.values()), bar_columns(frame))
    return pd.DataFrame(values, index=frame.index, columns=list(chosen), copy=False)
