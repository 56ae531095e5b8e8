"""Markets that fool backtests, and edges that the classes of a label hide.

Each is a function of rows and seed that returns bars by symbol, drawn bar by bar from what is said
in its docstring. None has an edge that anybody could trade, but for those in `TRADABLE`.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from ultimate_deep.market.bars import Bars, Session

START = "2015-01-05"
BAR = 8e-4  # standard deviation of an hour's log return
FRESH = 0.75  # deviations of a bar by which an open differs where prices go back

Draw = np.random.Generator
Symbols = dict[str, Bars]


def bounce(rows: int, seed: int) -> Symbols:
    """Trades at bid or ask of a random walk, each open the last close in 90 to 100% of the bars."""
    draw = np.random.default_rng(seed)
    mid = _walk(draw, rows)
    half = draw.uniform(6e-4, 10e-4)
    close = mid + half * draw.choice([-1.0, 1.0], rows)
    fresh = _before(mid) + half * draw.choice([-1.0, 1.0], rows)
    reach = 0.5 * BAR * np.abs(draw.normal(size=(2, rows))) + half
    high = np.maximum(mid, _before(mid)) + reach[0]
    low = np.minimum(mid, _before(mid)) - reach[1]
    return _one(_frame(draw, _repeated(draw, close, fresh), close, low=low, high=high))


def bounce_nearby(rows: int, seed: int) -> Symbols:
    """The same, and each open is the last close moved by up to a fifth of half the spread."""
    draw = np.random.default_rng(seed)
    mid = _walk(draw, rows)
    half = draw.uniform(6e-4, 10e-4)
    close = mid + half * draw.choice([-1.0, 1.0], rows)
    near = _before(close) + draw.uniform(0.0, 0.2) * half * draw.normal(size=rows)
    reach = 0.5 * BAR * np.abs(draw.normal(size=(2, rows))) + half
    high = np.maximum(mid, _before(mid)) + reach[0]
    low = np.minimum(mid, _before(mid)) - reach[1]
    return _one(_frame(draw, near, close, low=low, high=high))


def silent_bars(rows: int, seed: int) -> Symbols:
    """A random walk that trades in 50 to 85% of its bars; the others are drawn between those."""
    draw = np.random.default_rng(seed)
    traded = draw.random(rows) < draw.uniform(0.5, 0.85)
    traded[[0, -1]] = True
    rows_of = np.arange(rows)
    close = np.interp(rows_of, rows_of[traded], _walk(draw, rows)[traded])
    opened = _before(close) + 0.1 * BAR * draw.normal(size=rows) * traded
    frame = _frame(draw, opened, close)
    frame["volume"] *= traded
    return _one(frame)


def stale(rows: int, seed: int) -> Symbols:
    """A random walk whose close is printed a quarter of a bar early, and repeated by the open."""
    draw = np.random.default_rng(seed)
    quarters = _walk(draw, 4 * rows, BAR / 2.0).reshape(rows, 4)
    return _one(_stale_frame(draw, quarters, 0.0))


def bounce_and_stale(rows: int, seed: int) -> Symbols:
    """Both: the early print is at bid or ask too."""
    draw = np.random.default_rng(seed)
    quarters = _walk(draw, 4 * rows, BAR / 2.0).reshape(rows, 4)
    return _one(_stale_frame(draw, quarters, draw.uniform(6e-4, 10e-4)))


def fat_tails(rows: int, seed: int) -> Symbols:
    """Independent returns of three degrees of freedom."""
    draw = np.random.default_rng(seed)
    return _one(_plain(draw, draw.standard_t(3, rows) * BAR / np.sqrt(3.0)))


def stochastic_volatility(rows: int, seed: int) -> Symbols:
    """Independent signs; the log of the volatility is an autoregression of half-life 70 bars."""
    draw = np.random.default_rng(seed)
    wave = _autoregression(draw, rows, 0.99) * 0.6
    return _one(_plain(draw, draw.normal(size=rows) * BAR * np.exp(wave)))


def seasonal_volatility(rows: int, seed: int) -> Symbols:
    """Independent signs; the volatility follows the hour."""
    draw = np.random.default_rng(seed)
    shape = np.exp(np.sin(2.0 * np.pi * np.arange(rows) / 24.0))
    return _one(_plain(draw, draw.normal(size=rows) * BAR * shape))


def session_gaps(rows: int, seed: int) -> Symbols:
    """Seven hours a day, five days a week, and a jump of three bars' size each night."""
    draw = np.random.default_rng(seed)
    times = _sessions(rows)
    night = np.r_[False, np.diff(times.to_numpy()) > np.timedelta64(1, "h")]
    step = draw.normal(size=rows) * BAR
    gap = np.where(night, draw.normal(size=rows) * 3.0 * BAR, 0.0)
    close = np.cumsum(step + gap)
    frame = _frame(draw, np.r_[0.0, close[:-1]] + gap, close, times)
    return _one(frame, session="exchange")


def drift_up(rows: int, seed: int) -> Symbols:
    """A random walk that rises by a twentieth of its deviation a bar."""
    draw = np.random.default_rng(seed)
    return _one(_plain(draw, BAR * (draw.normal(size=rows) + 0.05)))


def drift_down(rows: int, seed: int) -> Symbols:
    """A random walk that falls by a twentieth of its deviation a bar."""
    draw = np.random.default_rng(seed)
    return _one(_plain(draw, BAR * (draw.normal(size=rows) - 0.05)))


def crashes(rows: int, seed: int) -> Symbols:
    """15% of the bars fall by 1.2%, the others rise by 0.25%, and nothing tells which."""
    draw = np.random.default_rng(seed)
    falls = draw.random(rows) < 0.15
    return _one(_plain(draw, _crash_returns(draw, falls)))


def foreseen_crashes(rows: int, seed: int) -> Symbols:
    """The same, and volume is a hundredfold two bars before 80% of the falls and 18% of the rest.

    The volume is that of the bar whose close is two bars before the close of the one that falls, so
    that a decision at the close in between, or at that bar's, knows it.
    """
    draw = np.random.default_rng(seed)
    falls = draw.random(rows) < 0.15
    told = np.where(falls, draw.random(rows) < 0.80, draw.random(rows) < 0.18)
    volume = np.where(np.r_[told[2:], False, False], 100.0, 1.0)
    frame = _plain(draw, _crash_returns(draw, falls))
    frame["volume"] *= volume
    return _one(frame)


def slow_predictor(rows: int, seed: int) -> Symbols:
    """A random walk whose volume wanders slowly and means nothing."""
    draw = np.random.default_rng(seed)
    frame = _plain(draw, draw.normal(size=rows) * BAR)
    frame["volume"] *= np.exp(2.0 * _autoregression(draw, rows, 0.999))
    return _one(frame)


def moving_together(rows: int, seed: int) -> Symbols:
    """Five random walks, four fifths of whose variance is common."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=rows)
    steps = [np.sqrt(0.8) * common + np.sqrt(0.2) * draw.normal(size=rows) for _ in range(5)]
    return _many([_plain(draw, BAR * step) for step in steps])


def one_of_five(rows: int, seed: int) -> Symbols:
    """Five walks of a common factor, one of which reverts by a third of its last bar.

    Opens are three quarters of a bar from the last close, as in `reversion`.
    """
    draw = np.random.default_rng(seed)
    common = draw.normal(size=rows)
    steps = [np.sqrt(0.3) * common + np.sqrt(0.7) * draw.normal(size=rows) for _ in range(5)]
    steps[2] = _dependent(steps[2], -0.34)
    return _many([_plain(draw, BAR * 4.0 * step, away=FRESH) for step in steps])


def momentum(rows: int, seed: int) -> Symbols:
    """A bar goes on by a third of the last one; the oracle is right on 61%."""
    draw = np.random.default_rng(seed)
    return _one(_plain(draw, 4.0 * BAR * _dependent(draw.normal(size=rows), 0.34)))


def reversion(rows: int, seed: int) -> Symbols:
    """A bar gives back a third of the last one; the oracle is right on 61%.

    Opens are three quarters of a bar from the last close: nearer ones could be on the same side of
    a spread, and what closes give back could be a bounce.
    """
    draw = np.random.default_rng(seed)
    steps = 4.0 * BAR * _dependent(draw.normal(size=rows), -0.34)
    return _one(_plain(draw, steps, away=FRESH))


def reversion_nearby(rows: int, seed: int) -> Symbols:
    """The same with opens a tenth of a bar from the last close, which bars cannot tell from bounce.

    It can be earned, and no rule that refuses `bounce_nearby` finds it without finer bars.
    """
    draw = np.random.default_rng(seed)
    return _one(_plain(draw, 4.0 * BAR * _dependent(draw.normal(size=rows), -0.34)))


Make = Callable[[int, int], Symbols]
FOOLING: dict[str, Make] = {
    "bounce": bounce,
    "bounce, opens nearby": bounce_nearby,
    "silent bars": silent_bars,
    "stale opens": stale,
    "bounce and stale": bounce_and_stale,
    "fat tails": fat_tails,
    "stochastic volatility": stochastic_volatility,
    "seasonal volatility": seasonal_volatility,
    "session gaps": session_gaps,
    "drift up": drift_up,
    "drift down": drift_down,
    "crashes": crashes,
    "slow predictor": slow_predictor,
    "moving together": moving_together,
}
TRADABLE: dict[str, Make] = {
    "momentum": momentum,
    "reversion": reversion,
    "reversion, opens nearby": reversion_nearby,
    "foreseen crashes": foreseen_crashes,
    "one of five": one_of_five,
}


def _walk(draw: Draw, rows: int, deviation: float = BAR) -> np.ndarray:
    return np.cumsum(draw.normal(size=rows) * deviation)


def _autoregression(draw: Draw, rows: int, memory: float) -> np.ndarray:
    """An autoregression of variance one."""
    from scipy.signal import lfilter

    shocks = draw.normal(size=rows + 2_000) * np.sqrt(1.0 - memory**2)
    return lfilter([1.0], [1.0, -memory], shocks)[2_000:]


def _dependent(shocks: np.ndarray, share: float) -> np.ndarray:
    """Returns that follow so much of the one before, of the shocks' variance."""
    from scipy.signal import lfilter

    return lfilter([np.sqrt(1.0 - share**2)], [1.0, -share], shocks)


def _crash_returns(draw: Draw, falls: np.ndarray) -> np.ndarray:
    return np.where(falls, -0.012, 0.0025) + draw.normal(size=len(falls)) * 1e-3


def _before(path: np.ndarray) -> np.ndarray:
    return np.r_[0.0, path[:-1]]


def _repeated(draw: Draw, close: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Opens that are the last close but in up to a tenth of the bars."""
    repeats = draw.random(len(close)) < draw.uniform(0.9, 1.0)
    return np.where(repeats, _before(close), fresh)


def _stale_frame(draw: Draw, quarters: np.ndarray, half: float) -> pd.DataFrame:
    """Bars whose last quarter is in their high and low, and not yet in their close."""
    printed = quarters[:, 2] + half * draw.choice([-1.0, 1.0], len(quarters))
    low, high = quarters.min(axis=1) - half, quarters.max(axis=1) + half
    return _frame(draw, _before(printed), printed, low=low, high=high)


def _plain(draw: Draw, steps: np.ndarray, away: float = 0.1) -> pd.DataFrame:
    """Bars whose open is a fresh print, so many bars' deviations from the last close."""
    close = np.cumsum(steps)
    opened = _before(close) + away * steps.std() * draw.normal(size=len(steps))
    return _frame(draw, opened, close)


def _frame(
    draw: Draw,
    opened: np.ndarray,
    close: np.ndarray,
    times: pd.DatetimeIndex | None = None,
    *,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
) -> pd.DataFrame:
    rows = len(close)
    reach = 0.5 * BAR * np.abs(draw.normal(size=(2, rows)))
    bottom, top = np.minimum(opened, close), np.maximum(opened, close)
    logs = {
        "open": opened,
        "high": np.maximum(top, top + reach[0] if high is None else high),
        "low": np.minimum(bottom, bottom - reach[1] if low is None else low),
        "close": close,
    }
    frame = pd.DataFrame({name: 100.0 * np.exp(one) for name, one in logs.items()})
    frame["volume"] = 1e6 * np.exp(0.3 * draw.normal(size=rows))
    index = pd.date_range(START, periods=rows, freq="h", tz="UTC") if times is None else times
    frame.index = pd.DatetimeIndex(index, name="timestamp")
    return frame


def _sessions(rows: int) -> pd.DatetimeIndex:
    days = pd.bdate_range(START, periods=-(-rows // 7)).to_numpy()[:, None]
    hours = np.arange(14, 21) * np.timedelta64(1, "h")
    return pd.DatetimeIndex((days + hours).ravel()[:rows]).tz_localize("UTC")


def _one(frame: pd.DataFrame, session: Session = "continuous") -> Symbols:
    return {"HARD": _bars("HARD", frame, session)}


def _many(frames: list[pd.DataFrame]) -> Symbols:
    return {f"HARD_{k}": _bars(f"HARD_{k}", one, "continuous") for k, one in enumerate(frames, 1)}


def _bars(symbol: str, frame: pd.DataFrame, session: Session) -> Bars:
    return Bars(
        frame=frame,
        symbol=symbol,
        interval=pd.Timedelta("1h"),
        session=session,
        simulated=True,
    )
