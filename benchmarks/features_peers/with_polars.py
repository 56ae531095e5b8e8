"""The shared indicators as polars queries; `kama_30` and windows' arg-maxima have none.

polars does not see that two expressions share a rolling or exponential part and would compute it
twice. So parts that an indicator, or several, use more than once stand in `PARTS`, and a query
adds those that it needs as columns before it selects.
"""

from functools import reduce
from operator import add

import polars as pl

Columns = tuple[pl.Expr, ...]
OPEN, HIGH, LOW, CLOSE, VOLUME = (pl.col(n) for n in ("open", "high", "low", "close", "volume"))
PARTS: dict[str, pl.Expr] = {}


def part(name: str, expression: pl.Expr) -> pl.Expr:
    """Name a part that is computed once in a query."""
    PARTS[name] = expression
    return pl.col(name)


def query(frame: pl.DataFrame, *indicators: str) -> pl.DataFrame:
    """Compute indicators in one query.

    Args:
        frame: Columns open, high, low, close, volume.
        *indicators: Names in `EXPRESSIONS`.

    Returns:
        Their outputs, one after the other.
    """
    found = [EXPRESSIONS[name] for name in indicators]
    outputs = [x for one in found for x in (one if isinstance(one, tuple) else (one,))]
    levels: dict[str, int] = {}
    for output in outputs:
        _level(output, levels)
    lazy = frame.lazy()
    for level in range(1, max(levels.values(), default=0) + 1):
        lazy = lazy.with_columns(**{n: PARTS[n] for n, at in levels.items() if at == level})
    return lazy.select(x.alias(str(k)) for k, x in enumerate(outputs)).collect()


def _level(expression: pl.Expr, levels: dict[str, int]) -> int:
    """One more than the highest level of the parts that an expression reads, kept in `levels`."""
    highest = 0
    for name in expression.meta.root_names():
        if name in PARTS:
            if name not in levels:
                levels[name] = _level(PARTS[name], levels)
            highest = max(highest, levels[name])
    return highest + 1


def _ema(x: pl.Expr, span: int) -> pl.Expr:
    return x.ewm_mean(span=span, adjust=False)


def _wilder(x: pl.Expr, window: int) -> pl.Expr:
    return x.ewm_mean(alpha=1.0 / window, adjust=False)


def _weighted(x: pl.Expr, weights: list[float]) -> pl.Expr:
    """Weighted sums of windows, the last weight for the newest bar."""
    return reduce(add, (x.shift(k) * weight for k, weight in enumerate(reversed(weights))))


def _wma(x: pl.Expr, window: int) -> pl.Expr:
    total = window * (window + 1) / 2.0
    return _weighted(x, [(k + 1) / total for k in range(window)])


def _slope(x: pl.Expr, window: int) -> pl.Expr:
    steps = [k - (window - 1) / 2.0 for k in range(window)]
    squares = sum(step * step for step in steps)
    return _weighted(x, [step / squares for step in steps])


def _line(window: int, at: float) -> pl.Expr:
    return CLOSE.rolling_mean(window) + at * _slope(CLOSE, window)


def _signed(x: pl.Expr, where: pl.Expr) -> pl.Expr:
    return pl.when(where).then(x).otherwise(0.0)


BEFORE = part("before", CLOSE.shift())
BODY = CLOSE - OPEN
RANGE = HIGH - LOW
MOVE = part("move", CLOSE - BEFORE)
TYPICAL = part("typical", (HIGH + LOW + CLOSE) / 3.0)
TRUE_RANGE = part("range", pl.max_horizontal(HIGH, BEFORE) - pl.min_horizontal(LOW, BEFORE))


def _bands() -> Columns:
    middle = part("mean_20", CLOSE.rolling_mean(20))
    half = part("bands", 2.0 * CLOSE.rolling_std(20, ddof=0))
    return middle + half, middle, middle - half


def _middle(window: int) -> pl.Expr:
    return (HIGH.rolling_max(window) + LOW.rolling_min(window)) / 2.0


def _rsi(window: int) -> pl.Expr:
    up, both = MOVE.clip(lower_bound=0.0), MOVE.abs()
    return 100.0 * _wilder(up, window) / _wilder(both, window)


def _macd() -> Columns:
    line = part("macd", _ema(CLOSE, 12) - _ema(CLOSE, 26))
    signal = part("macd_signal", _ema(line, 9))
    return line, signal, line - signal


def _place(window: int) -> pl.Expr:
    low = part(f"low_{window}", LOW.rolling_min(window))
    return 100.0 * (CLOSE - low) / (HIGH.rolling_max(window) - low)


def _stochastic() -> Columns:
    k = part("slow_k", _place(14).rolling_mean(3))
    return k, k.rolling_mean(3)


def _stochastic_rsi() -> Columns:
    rsi = part("rsi", _rsi(14))
    low = part("rsi_low", rsi.rolling_min(5))
    k = part("rsi_k", 100.0 * (rsi - low) / (rsi.rolling_max(5) - low))
    return k, k.rolling_mean(3)


def _williams() -> pl.Expr:
    high = part("high_14", HIGH.rolling_max(14))
    return -100.0 * (high - CLOSE) / (high - LOW.rolling_min(14))


def _mean_deviation(x: pl.Expr, middle: pl.Expr, window: int) -> pl.Expr:
    return reduce(add, ((x.shift(k) - middle).abs() for k in range(window))) / window


def _cci() -> pl.Expr:
    middle = part("typical_20", TYPICAL.rolling_mean(20))
    return (TYPICAL - middle) / (0.015 * _mean_deviation(TYPICAL, middle, 20))


def _ultimate() -> pl.Expr:
    pressure = part("pressure", CLOSE - pl.min_horizontal(LOW, BEFORE))
    parts = [pressure.rolling_sum(w) / TRUE_RANGE.rolling_sum(w) for w in (7, 14, 28)]
    return 100.0 * (4.0 * parts[0] + 2.0 * parts[1] + parts[2]) / 7.0


UP, DOWN = part("up", HIGH - HIGH.shift()), part("down", LOW.shift() - LOW)
PLUS = part("plus", _wilder(_signed(UP, (UP > DOWN) & (UP > 0.0)), 14))
MINUS = part("minus", _wilder(_signed(DOWN, (DOWN > UP) & (DOWN > 0.0)), 14))
SPAN = part("atr", _wilder(TRUE_RANGE, 14))
# No move at all is no number, and an average must not keep it.
INDEX = 100.0 * ((PLUS - MINUS) / SPAN).abs() / ((PLUS + MINUS) / SPAN)
DX = part("dx", INDEX.fill_nan(None))
ADX = part("adx", _wilder(DX, 14))


def _money_flow() -> pl.Expr:
    flow, move = part("flow", TYPICAL * VOLUME), part("flow_sign", TYPICAL - TYPICAL.shift())
    up = part("flow_up", _signed(flow, move > 0.0).rolling_sum(14))
    return 100.0 * up / (up + _signed(flow, move < 0.0).rolling_sum(14))


def _t3() -> pl.Expr:
    averages = [CLOSE]
    for _ in range(6):
        averages.append(part(f"t3_{len(averages)}", _ema(averages[-1], 5)))
    v = 0.7
    return (
        -(v**3) * averages[6]
        + 3.0 * (v**2 + v**3) * averages[5]
        - 3.0 * (2.0 * v**2 + v + v**3) * averages[4]
        + (1.0 + 3.0 * v + v**3 + 3.0 * v**2) * averages[3]
    )


def _acceleration() -> Columns:
    width = part("width", 4.0 * RANGE / (HIGH + LOW))
    upper, lower = HIGH * (1.0 + width), LOW * (1.0 - width)
    return upper.rolling_mean(20), CLOSE.rolling_mean(20), lower.rolling_mean(20)


def _heikin_ashi() -> Columns:
    close = part("average", (OPEN + HIGH + LOW + CLOSE) / 4.0)
    # open[t] = (open[t - 1] + close[t - 1]) / 2: an exponential average of the closes before.
    opening = part("ha_open", close.shift().ewm_mean(alpha=0.5, adjust=False))
    return opening, pl.max_horizontal(HIGH, opening), pl.min_horizontal(LOW, opening), close


def _oscillator(name: str, x: pl.Expr) -> pl.Expr:
    slow = part(f"{name}_slow", _ema(x, 26))
    return 100.0 * (_ema(x, 12) - slow) / slow


def _kdj() -> Columns:
    k = part("kdj_k", _wilder(_place(9), 3))
    d = part("kdj_d", _wilder(k, 3))
    return k, d, 3.0 * k - 2.0 * d


def _elder() -> Columns:
    average = part("ema_13", _ema(CLOSE, 13))
    return HIGH - average, LOW - average


def _stochastic_momentum() -> Columns:
    high, low = part("high_13", HIGH.rolling_max(13)), part("low_13", LOW.rolling_min(13))
    distance = _ema(_ema(CLOSE - (high + low) / 2.0, 25), 2)
    strength = part("smi", 200.0 * distance / _ema(_ema(high - low, 25), 2))
    return strength, _ema(strength, 9)


def _awesome() -> pl.Expr:
    price = part("median", (HIGH + LOW) / 2.0)
    return part("ao", price.rolling_mean(5) - price.rolling_mean(34))


def _coppock() -> pl.Expr:
    both = part("changes", 100.0 * (CLOSE.pct_change(11) + CLOSE.pct_change(14)))
    return _wma(both, 10)


def _true_strength() -> pl.Expr:
    return 100.0 * _ema(_ema(MOVE, 25), 13) / _ema(_ema(MOVE.abs(), 25), 13)


def _vertical_horizontal() -> pl.Expr:
    return (CLOSE.rolling_max(28) - CLOSE.rolling_min(28)) / MOVE.abs().rolling_sum(28)


def _mass() -> pl.Expr:
    average = part("range_9", _ema(RANGE, 9))
    return (average / _ema(average, 9)).rolling_sum(25)


def _beta() -> pl.Expr:
    x, y = part("high_change", HIGH.pct_change()), part("low_change", LOW.pct_change())
    return pl.rolling_cov(x, y, window_size=5) / x.rolling_var(5)


def _relative_volatility() -> pl.Expr:
    spread = part("spread_10", CLOSE.rolling_std(10, ddof=0))
    up = part("spread_up", _wilder(_signed(spread, MOVE > 0.0), 14))
    return 100.0 * up / (up + _wilder(_signed(spread, MOVE < 0.0), 14))


MONEY_VOLUME = part(
    "money_volume", (((CLOSE - LOW) - (HIGH - CLOSE)) / RANGE).fill_nan(0.0) * VOLUME
)
ACCUMULATED = part("accumulated", MONEY_VOLUME.cum_sum())


def _vortex() -> Columns:
    span = part("range_14", TRUE_RANGE.rolling_sum(14))
    plus, minus = (HIGH - LOW.shift()).abs(), (LOW - HIGH.shift()).abs()
    return plus.rolling_sum(14) / span, minus.rolling_sum(14) / span


def _williams_accumulation() -> pl.Expr:
    rising = CLOSE - pl.min_horizontal(LOW, BEFORE)
    falling = CLOSE - pl.max_horizontal(HIGH, BEFORE)
    change = pl.when(CLOSE > BEFORE).then(rising).when(CLOSE < BEFORE).then(falling).otherwise(0.0)
    return change.cum_sum()


def _double() -> pl.Expr:
    once = part("ema_20", _ema(CLOSE, 20))
    return 2.0 * once - _ema(once, 20)


def _triple() -> pl.Expr:
    once = part("ema_20", _ema(CLOSE, 20))
    twice = part("ema_20_20", _ema(once, 20))
    return 3.0 * (once - twice) + _ema(twice, 20)


FAST_K = part("fast_k", _place(5))
MEAN_14 = part("mean_14", CLOSE.rolling_mean(14))

EXPRESSIONS: dict[str, pl.Expr | Columns] = {
    "sma_20": CLOSE.rolling_mean(20),
    "ema_20": _ema(CLOSE, 20),
    "dema_20": _double(),
    "tema_20": _triple(),
    "wma_20": _wma(CLOSE, 20),
    "true_range": TRUE_RANGE,
    "atr_14": SPAN,
    "natr_14": 100.0 * SPAN / CLOSE,
    "bollinger_upper_20": _bands(),
    "donchian_upper_20": HIGH.rolling_max(20),
    "donchian_middle_20": _middle(20),
    "donchian_lower_20": LOW.rolling_min(20),
    "rsi_14": _rsi(14),
    "macd_12_26_9": _macd(),
    "stochastic_k_14_3_3": _stochastic(),
    "roc_10": 100.0 * CLOSE.pct_change(10),
    "momentum_10": CLOSE.diff(10),
    "williams_r_14": _williams(),
    "cci_20": _cci(),
    "trix_15": 100.0 * _ema(_ema(_ema(CLOSE, 15), 15), 15).pct_change(),
    "ultimate_oscillator_7_14_28": _ultimate(),
    "balance_of_power": BODY / RANGE,
    "plus_di_14": 100.0 * PLUS / SPAN,
    "minus_di_14": 100.0 * MINUS / SPAN,
    "dx_14": DX,
    "adx_14": ADX,
    "regression_line_14": _line(14, 6.5),
    "regression_slope_14": _slope(CLOSE, 14),
    "standard_deviation_20": CLOSE.rolling_std(20, ddof=0),
    "median_price": (HIGH + LOW) / 2.0,
    "typical_price": TYPICAL,
    "money_flow_index_14": _money_flow(),
    "average_price": (OPEN + HIGH + LOW + CLOSE) / 4.0,
    "weighted_close": (HIGH + LOW + 2.0 * CLOSE) / 4.0,
    "midpoint_14": (CLOSE.rolling_max(14) + CLOSE.rolling_min(14)) / 2.0,
    "midprice_14": _middle(14),
    "rma_14": _wilder(CLOSE, 14),
    "trima_20": CLOSE.rolling_mean(10).rolling_mean(11),
    "hma_20": _wma(part("hma", 2.0 * _wma(CLOSE, 10) - _wma(CLOSE, 20)), 4),
    "t3_5": _t3(),
    "zlema_20": _ema(2.0 * CLOSE - CLOSE.shift(9), 20),
    "vwma_20": (CLOSE * VOLUME).rolling_sum(20) / VOLUME.rolling_sum(20),
    "acceleration_upper_20": _acceleration(),
    "heikin_ashi_open": _heikin_ashi(),
    "ichimoku_conversion_9": _middle(9),
    "ichimoku_base_26": _middle(26),
    "regression_start_14": _line(14, -6.5),
    "regression_angle_14": _slope(CLOSE, 14).arctan().degrees(),
    "regression_forecast_14": _line(14, 7.5),
    "apo_12_26": _ema(CLOSE, 12) - _ema(CLOSE, 26),
    "ppo_12_26": _oscillator("close", CLOSE),
    "rocp_10": CLOSE.pct_change(10),
    "rocr_10": CLOSE / CLOSE.shift(10),
    "cmo_14": 100.0 * _wilder(MOVE, 14) / _wilder(MOVE.abs(), 14),
    "chande_momentum_14": 100.0 * MOVE.rolling_sum(14) / MOVE.abs().rolling_sum(14),
    "intraday_momentum_14": (
        100.0 * BODY.clip(lower_bound=0.0).rolling_sum(14) / BODY.abs().rolling_sum(14)
    ),
    "stochastic_fast_k_5_3": (FAST_K, FAST_K.rolling_mean(3)),
    "kdj_k_9_3_3": _kdj(),
    "stochastic_rsi_k_14_5_3": _stochastic_rsi(),
    "bull_power_13": _elder(),
    "stochastic_momentum_13_25_2": _stochastic_momentum(),
    "awesome_5_34": _awesome(),
    "accelerator_5_34_5": _awesome() - _awesome().rolling_mean(5),
    "coppock_10_11_14": _coppock(),
    "detrended_price_20": CLOSE.shift(11) - CLOSE.rolling_mean(20),
    "qstick_10": BODY.rolling_mean(10),
    "forecast_oscillator_5": 100.0 * (CLOSE - _line(5, 3.0).shift()) / CLOSE,
    "true_strength_25_13": _true_strength(),
    "plus_dm_14": 14.0 * PLUS,
    "minus_dm_14": 14.0 * MINUS,
    "adxr_14": (ADX + ADX.shift(13)) / 2.0,
    "efficiency_ratio_10": CLOSE.diff(10).abs() / MOVE.abs().rolling_sum(10),
    "vertical_horizontal_28": _vertical_horizontal(),
    "mass_index_9_25": _mass(),
    "percentile_50_30": CLOSE.rolling_quantile(0.5, "lower", 30),
    "variance_20": CLOSE.rolling_var(20, ddof=0),
    "absolute_deviation_14": _mean_deviation(CLOSE, MEAN_14, 14),
    "beta_high_low_5": _beta(),
    "correlation_high_low_30": pl.rolling_corr(HIGH, LOW, window_size=30),
    "average_range_14": RANGE.rolling_mean(14),
    "chaikin_volatility_10_10": 100.0 * _ema(RANGE, 10).pct_change(10),
    "relative_volatility_10_14": _relative_volatility(),
    "chaikin_oscillator_3_10": _ema(ACCUMULATED, 3) - _ema(ACCUMULATED, 10),
    "chaikin_money_flow_20": MONEY_VOLUME.rolling_sum(20) / VOLUME.rolling_sum(20),
    "force_index_13": _ema(MOVE * VOLUME, 13),
    "pvo_12_26": _oscillator("volume", VOLUME),
    "relative_volume_20": VOLUME / VOLUME.rolling_mean(20).shift(),
    "market_facilitation": RANGE / VOLUME,
    "vortex_plus_14": _vortex(),
    "anchored_vwap": (TYPICAL * VOLUME).cum_sum() / VOLUME.cum_sum(),
    "obv": (MOVE.sign() * VOLUME).cum_sum(),
    "accumulation_distribution": MONEY_VOLUME.cum_sum(),
    "price_volume_trend": (CLOSE.pct_change() * VOLUME).cum_sum(),
    "williams_accumulation": _williams_accumulation(),
}
