"""The indicators that both we and TA-Lib have: one call of TA-Lib each, and our names for it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shared:
    """A TA-Lib function with parameters and our indicators that equal its outputs.

    Attributes:
        function: Name in `talib`, and of the class in `talib.stream`.
        inputs: Letters of the columns it takes: open, high, low, close, volume.
        parameters: Parameters in TA-Lib's order.
        outputs: Our names, in the order of TA-Lib's outputs.
        since_start: A sum since the first bar, which libraries start at different levels; its
            changes are compared.
    """

    function: str
    inputs: str
    parameters: tuple[float, ...]
    outputs: tuple[str, ...]
    since_start: bool = False

    @property
    def name(self) -> str:
        """Names it in tables: our name of its first output."""
        return self.outputs[0]


# 1 as the last parameter of the price oscillators: exponential averages; 0: simple ones.
_TABLE: tuple[tuple[str, str, tuple[float, ...], str], ...] = (
    ("SMA", "c", (20,), "sma_20"),
    ("EMA", "c", (20,), "ema_20"),
    ("DEMA", "c", (20,), "dema_20"),
    ("TEMA", "c", (20,), "tema_20"),
    ("WMA", "c", (20,), "wma_20"),
    ("TRANGE", "hlc", (), "true_range"),
    ("ATR", "hlc", (14,), "atr_14"),
    ("NATR", "hlc", (14,), "natr_14"),
    (
        "BBANDS",
        "c",
        (20, 2.0, 2.0),
        "bollinger_upper_20 bollinger_middle_20 bollinger_lower_20",
    ),
    ("MAX", "h", (20,), "donchian_upper_20"),
    ("MIDPRICE", "hl", (20,), "donchian_middle_20"),
    ("MIN", "l", (20,), "donchian_lower_20"),
    ("RSI", "c", (14,), "rsi_14"),
    (
        "MACD",
        "c",
        (12, 26, 9),
        "macd_12_26_9 macd_signal_12_26_9 macd_histogram_12_26_9",
    ),
    ("STOCH", "hlc", (14, 3, 0, 3, 0), "stochastic_k_14_3_3 stochastic_d_14_3_3"),
    ("ROC", "c", (10,), "roc_10"),
    ("MOM", "c", (10,), "momentum_10"),
    ("WILLR", "hlc", (14,), "williams_r_14"),
    ("CCI", "hlc", (20,), "cci_20"),
    ("TRIX", "c", (15,), "trix_15"),
    ("ULTOSC", "hlc", (7, 14, 28), "ultimate_oscillator_7_14_28"),
    ("BOP", "ohlc", (), "balance_of_power"),
    ("PLUS_DI", "hlc", (14,), "plus_di_14"),
    ("MINUS_DI", "hlc", (14,), "minus_di_14"),
    ("DX", "hlc", (14,), "dx_14"),
    ("ADX", "hlc", (14,), "adx_14"),
    ("AROON", "hl", (25,), "aroon_down_25 aroon_up_25"),
    ("LINEARREG", "c", (14,), "regression_line_14"),
    ("LINEARREG_SLOPE", "c", (14,), "regression_slope_14"),
    ("STDDEV", "c", (20,), "standard_deviation_20"),
    ("MEDPRICE", "hl", (), "median_price"),
    ("TYPPRICE", "hlc", (), "typical_price"),
    ("MFI", "hlcv", (14,), "money_flow_index_14"),
    ("AVGPRICE", "ohlc", (), "average_price"),
    ("WCLPRICE", "hlc", (), "weighted_close"),
    ("MIDPOINT", "c", (14,), "midpoint_14"),
    ("MIDPRICE", "hl", (14,), "midprice_14"),
    ("RMA", "c", (14,), "rma_14"),
    ("TRIMA", "c", (20,), "trima_20"),
    ("HMA", "c", (20,), "hma_20"),
    ("T3", "c", (5, 0.7), "t3_5"),
    ("ZLEMA", "c", (20,), "zlema_20"),
    ("VWMA", "cv", (20,), "vwma_20"),
    ("KAMA", "c", (30,), "kama_30"),
    (
        "ACCBANDS",
        "hlc",
        (20,),
        "acceleration_upper_20 acceleration_middle_20 acceleration_lower_20",
    ),
    (
        "HA",
        "ohlc",
        (),
        "heikin_ashi_open heikin_ashi_high heikin_ashi_low heikin_ashi_close",
    ),
    ("MIDPRICE", "hl", (9,), "ichimoku_conversion_9"),
    ("MIDPRICE", "hl", (26,), "ichimoku_base_26"),
    ("LINEARREG_INTERCEPT", "c", (14,), "regression_start_14"),
    ("LINEARREG_ANGLE", "c", (14,), "regression_angle_14"),
    ("TSF", "c", (14,), "regression_forecast_14"),
    ("APO", "c", (12, 26, 1), "apo_12_26"),
    ("PPO", "c", (12, 26, 1), "ppo_12_26"),
    ("ROCP", "c", (10,), "rocp_10"),
    ("ROCR", "c", (10,), "rocr_10"),
    ("CMO", "c", (14,), "cmo_14"),
    ("CMOU", "c", (14,), "chande_momentum_14"),
    ("IMI", "oc", (14,), "intraday_momentum_14"),
    ("STOCHF", "hlc", (5, 3, 0), "stochastic_fast_k_5_3 stochastic_fast_d_5_3"),
    ("KDJ", "hlc", (), "kdj_k_9_3_3 kdj_d_9_3_3 kdj_j_9_3_3"),
    ("STOCHRSI", "c", (14, 5, 3, 0), "stochastic_rsi_k_14_5_3 stochastic_rsi_d_14_5_3"),
    ("ERI", "hlc", (13,), "bull_power_13 bear_power_13"),
    ("SMI", "hlc", (), "stochastic_momentum_13_25_2 stochastic_momentum_signal_9"),
    ("AO", "hl", (), "awesome_5_34"),
    ("AC", "hl", (), "accelerator_5_34_5"),
    ("COPPOCK", "c", (), "coppock_10_11_14"),
    ("DPO", "c", (20,), "detrended_price_20"),
    ("QSTICK", "oc", (10,), "qstick_10"),
    ("FOSC", "c", (5,), "forecast_oscillator_5"),
    ("TSI", "c", (25, 13), "true_strength_25_13"),
    ("PLUS_DM", "hl", (14,), "plus_dm_14"),
    ("MINUS_DM", "hl", (14,), "minus_dm_14"),
    ("ADXR", "hlc", (14,), "adxr_14"),
    ("AROONOSC", "hl", (25,), "aroon_oscillator_25"),
    ("ER", "c", (10,), "efficiency_ratio_10"),
    ("VHF", "c", (28,), "vertical_horizontal_28"),
    ("MASSI", "hl", (9, 25), "mass_index_9_25"),
    ("PERCENTILE", "c", (30, 50.0), "percentile_50_30"),
    ("VAR", "c", (20,), "variance_20"),
    ("AVGDEV", "c", (14,), "absolute_deviation_14"),
    ("BETA", "hl", (5,), "beta_high_low_5"),
    ("CORREL", "hl", (30,), "correlation_high_low_30"),
    ("ADR", "hl", (14,), "average_range_14"),
    ("CVI", "hl", (10, 10), "chaikin_volatility_10_10"),
    ("RVI", "c", (14, 10), "relative_volatility_10_14"),
    ("ADOSC", "hlcv", (3, 10), "chaikin_oscillator_3_10"),
    ("CMF", "hlcv", (20,), "chaikin_money_flow_20"),
    ("EFI", "cv", (13,), "force_index_13"),
    ("PVO", "v", (12, 26, 1), "pvo_12_26"),
    ("RVOL", "v", (20,), "relative_volume_20"),
    ("MARKETFI", "hlv", (), "market_facilitation"),
    ("VWAP", "hlcv", (), "anchored_vwap"),
    ("VORTEX", "hlc", (14,), "vortex_plus_14 vortex_minus_14"),
)

_SUMS: tuple[tuple[str, str, str], ...] = (
    ("OBV", "cv", "obv"),
    ("AD", "hlcv", "accumulation_distribution"),
    ("PVT", "cv", "price_volume_trend"),
    ("WAD", "hlc", "williams_accumulation"),
)

SHARED = (
    *(Shared(name, inputs, given, tuple(ours.split())) for name, inputs, given, ours in _TABLE),
    *(Shared(name, inputs, (), (ours,), since_start=True) for name, inputs, ours in _SUMS),
)
