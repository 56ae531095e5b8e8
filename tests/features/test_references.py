"""A sample of features against plain pandas and NumPy, written independently of the kernels."""

import math

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features import compute_features


@pytest.fixture(scope="module")
def frame(make_bars) -> pd.DataFrame:
    return make_bars(900, seed=33)


def _windows(x: pd.Series, w: int) -> np.ndarray:
    """`(rows, w)`, oldest first, NaN rows before the first whole window."""
    out = np.full((len(x), w), np.nan)
    out[w - 1 :] = np.lib.stride_tricks.sliding_window_view(x.to_numpy(), w)
    return out


def _log(x: pd.Series) -> pd.Series:
    return np.log(x)


def _std(x: pd.Series, w: int) -> pd.Series:
    return x.rolling(w).std(ddof=0)


def _z(x: pd.Series, w: int) -> pd.Series:
    return (x - x.rolling(w).mean()) / _std(x, w)


def _rank(x: pd.Series, w: int) -> pd.Series:
    place = x.rolling(w).rank(method="average")
    return (place - 1.0) / (w - 1) * 2.0 - 1.0


def _r2(x: pd.Series, w: int) -> list[float]:
    values = []
    for window in _windows(x, w):
        r = np.corrcoef(np.arange(w), window)[0, 1]
        values.append(r * abs(r))
    return values


def _residual_z(x: pd.Series, w: int) -> list[float]:
    values = []
    for window in _windows(x, w):
        if np.isnan(window).any():
            values.append(np.nan)
            continue
        residual = window - np.polyval(np.polyfit(np.arange(w), window, 1), np.arange(w))
        values.append(residual[-1] / residual.std())
    return values


def _drawdown(x: pd.Series, w: int) -> np.ndarray:
    windows = _windows(x, w)
    return (1.0 - windows / np.maximum.accumulate(windows, axis=1)).max(axis=1)


def _hurst(r: pd.Series, w: int) -> np.ndarray:
    windows = _windows(r, w)
    path = np.cumsum(windows - windows.mean(axis=1, keepdims=True), axis=1)
    path = np.concatenate([np.zeros((len(path), 1)), path], axis=1)
    spread = (path.max(axis=1) - path.min(axis=1)) / windows.std(axis=1)
    return np.log(spread) / math.log(w)


def _yang_zhang(f: pd.DataFrame, w: int) -> pd.Series:
    night = _log(f.open / f.close.shift())
    day = _log(f.close / f.open)
    inside = _log(f.high / f.open) * _log(f.high / f.close)
    inside += _log(f.low / f.open) * _log(f.low / f.close)
    k = 0.34 / (1.34 + (w + 1) / (w - 1))
    variance = night.rolling(w).var() + k * day.rolling(w).var()
    return np.sqrt(variance + (1 - k) * inside.rolling(w).mean()) * 100.0


def _permutation_entropy(x: pd.Series, w: int) -> list[float]:
    a, b, c = x.shift(2), x.shift(1), x
    code = 4.0 * (c > b) + 2.0 * (b > a) + 1.0 * (c > a)
    code[:2] = np.nan
    values = []
    for window in _windows(code, w):
        share = np.unique(window, return_counts=True)[1] / w
        values.append(-np.sum(share * np.log(share)) / math.log(6))
    return values


def _haar_share(r: pd.Series, level: int) -> pd.Series:
    """From the explicit filters: half the difference of means of adjacent blocks."""

    def detail(j: int) -> pd.Series:
        half = 2 ** (j - 1)
        recent = r.rolling(half).mean()
        return (recent - recent.shift(half)) / 2.0

    parts = [detail(j) for j in range(1, 6)] + [r.rolling(32).mean()]
    energy = [(part**2).rolling(64).mean() for part in parts]
    return energy[level - 1] / sum(energy)


def _haar_detail(x: pd.Series, r: pd.Series, level: int) -> pd.Series:
    half = 2 ** (level - 1)
    recent = _log(x).rolling(half).mean()
    detail = (recent - recent.shift(half)) / 2.0
    steps = np.concatenate([np.arange(1, half + 1), np.arange(half - 1, 0, -1)]) / (2 * half)
    return detail / (_std(r, 100) * np.sqrt((steps**2).sum()))


def expected(f: pd.DataFrame) -> dict[str, object]:
    c, v = f.close, f.volume
    r = _log(c / c.shift())
    span = pd.concat([f.high, c.shift()], axis=1).max(axis=1) - pd.concat(
        [f.low, c.shift()], axis=1
    ).min(axis=1)
    span[:1] = np.nan
    atr = span.ewm(alpha=1 / 14, adjust=False).mean()
    down = r.clip(upper=0.0)
    relative = np.log1p(v / v.rolling(100).mean())
    ema = {n: c.ewm(span=n, adjust=False).mean() for n in (8, 21)}
    typical = (f.high + f.low + c) / 3
    tails = np.sort(_windows(r, 100), axis=1)
    low_mean, high_mean = tails[:, :5].mean(axis=1), tails[:, -5:].mean(axis=1)
    elapsed = f.index.to_series().diff().dt.total_seconds()
    signed = np.sign(c.diff()) * v
    place = ((c - f.low) - (f.high - c)) / (f.high - f.low)
    hour = f.index.hour + f.index.minute / 60
    return {
        "return_log_lag_7": r.shift(7),
        "return_log_50": _log(c / c.shift(50)),
        "upper_shadow": (f.high - f[["open", "close"]].max(axis=1)) / (f.high - f.low),
        "close_to_sma_200": _log(c / c.rolling(200).mean()),
        "close_to_ema_8": _log(c / ema[8]),
        "ema_spread_8_21": _log(ema[8] / ema[21]),
        "natr_14": atr / c * 100,
        "sma_20_stretch": (c - c.rolling(20).mean()) / atr,
        "range_rank_50": _rank(span / c, 50),
        "range_z_20": _z(span / c, 20),
        "momentum_z_10": _log(c / c.shift(10)) / (_std(r, 50) * math.sqrt(10)),
        "momentum_rank_20_100": _rank(_log(c / c.shift(20)).round(13), 100),
        "efficiency_20": (c - c.shift(20)) / c.diff().abs().rolling(20).sum(),
        "trend_r2_50": _r2(c, 50),
        "regression_residual_z_20": _residual_z(c, 20),
        "bollinger_position_20": (c - c.rolling(20).mean()) / (2 * _std(c, 20)),
        "realised_volatility_20": np.sqrt((r**2).rolling(20).mean()) * 100,
        "parkinson_20": np.sqrt((_log(f.high / f.low) ** 2).rolling(20).mean() / (4 * math.log(2)))
        * 100,
        "yang_zhang_20": _yang_zhang(f, 20),
        "donchian_position_50": (c - f.low.rolling(50).min())
        / (f.high.rolling(50).max() - f.low.rolling(50).min())
        * 2
        - 1,
        "beyond_high_20": (c - f.high.rolling(20).max().shift()) / atr,
        "inside_bar": ((f.high < f.high.shift()) & (f.low > f.low.shift())).astype(float),
        "volume_surprise_z_50": _z(relative, 50),
        "obv_change_50": signed.rolling(50).sum() / v.rolling(50).sum(),
        "chaikin_money_flow_20": (place * v).rolling(20).sum() / v.rolling(20).sum(),
        "close_to_vwap_20": _log(c / ((typical * v).rolling(20).sum() / v.rolling(20).sum())),
        "sharpe_100": r.rolling(100).mean() / _std(r, 100) * 10,
        "sortino_50": r.rolling(50).mean() / np.sqrt((down**2).rolling(50).mean()) * math.sqrt(50),
        "max_drawdown_50": _drawdown(c, 50),
        "drawdown_100": _log(c / c.rolling(100).max()),
        "value_at_risk_5_100": r.rolling(100).quantile(0.05) / _std(r, 100),
        "expected_shortfall_5_100": low_mean / _std(r, 100),
        "tail_balance_5_100": (high_mean + low_mean) / (high_mean - low_mean),
        "skewness_50": ((_windows(r, 50) - _windows(r, 50).mean(axis=1, keepdims=True)) ** 3).mean(
            axis=1
        )
        / _std(r, 50) ** 3,
        "kurtosis_50": ((_windows(r, 50) - _windows(r, 50).mean(axis=1, keepdims=True)) ** 4).mean(
            axis=1
        )
        / _std(r, 50) ** 4
        - 3,
        "autocorrelation_2_100": r.rolling(100).corr(r.shift(2)),
        "close_rank_100": _rank(c, 100),
        "hurst_100": _hurst(r, 100),
        "permutation_entropy_100": _permutation_entropy(c, 100),
        "haar_energy_share_8": _haar_share(r, 3),
        "haar_detail_16": _haar_detail(c, r, 4),
        "day_sin": np.sin(2 * np.pi * hour / 24),
        "week_cos": np.cos(2 * np.pi * (f.index.day_of_week + hour / 24) / 7),
        "year_sin": np.sin(
            2 * np.pi * (f.index.day_of_year - 1) / np.where(f.index.is_leap_year, 366, 365)
        ),
        "month_day_cos": np.cos(2 * np.pi * (f.index.day - 1) / f.index.days_in_month),
        "session_london": ((hour >= 8) & (hour < 16.5) & (f.index.day_of_week < 5)).astype(float),
        "elapsed_log_20": np.log(elapsed / elapsed.rolling(20).median()).clip(0, 8),
    }


def test_features_agree_with_pandas(frame):
    references = expected(frame)
    assert len(references) >= 40
    matrix = compute_features(frame, list(references))
    wrong = {}
    for k, (name, reference) in enumerate(references.items()):
        got = matrix.values[:, k].astype(np.float64)
        want = np.asarray(reference, dtype=np.float64)
        rows = np.isfinite(got)
        assert rows.sum() >= 400, name
        # float32 results; pandas' own rolling moments drift by about 1e-7.
        if not np.allclose(got[rows], want[rows], rtol=2e-5, atol=2e-6):
            wrong[name] = float(np.nanmax(np.abs(got - want)))
    assert not wrong


def test_calendar_on_the_edges_of_years_and_months():
    """Leap days, century rules and month ends, every day from 1999 to 2029."""
    index = pd.date_range("1999-12-20", "2029-03-05", freq="1D", tz="UTC", name="timestamp")
    index = index.append(pd.date_range("2099-12-20", "2101-03-05", freq="1D", tz="UTC"))
    ones = np.ones(len(index))
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), ones)
    frame = pd.DataFrame(columns, index=index)
    matrix = compute_features(frame, ["year_cos", "month_day_sin", "week_sin"])
    days = np.where(index.is_leap_year, 366, 365)
    want = np.stack(
        [
            np.cos(2 * np.pi * (index.day_of_year - 1) / days),
            np.sin(2 * np.pi * (index.day - 1) / index.days_in_month),
            np.sin(2 * np.pi * index.day_of_week / 7),
        ],
        axis=1,
    )
    np.testing.assert_allclose(matrix.values, want, atol=1e-6)
