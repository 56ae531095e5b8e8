"""Bars as they might have gone on instead: cut off, poisoned, rescaled, or pure noise."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.leaks.trace import BarsBySymbol
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.market.times import close_times, open_times

Poison = Literal["rise", "fall", "wild", "trend"]
POISONS: tuple[Poison, ...] = get_args(Poison)
PRICES = ["open", "high", "low", "close"]
POISON_VOLUME = 1e9
_FULL_MOVE = 2.0  # in logs: prices end about seven times higher or lower
_MOVE_BARS = 20.0
_WILD_DEVIATION = 0.5
_TREND_BARS = 30.0
_TREND_STEP = 0.02
_TREND_BOUND = 3.0
_LEAST_SIMULATED = 64


@dataclass(frozen=True, eq=False)
class Cut:
    """A time and the bars that go differently after it.

    Args:
        time: Everything decided at or before it must stay as it was.
        bars_from: Open time of the first changed bar of any symbol; what rests on earlier
            opens alone is known.
        market: The changed bars.
    """

    time: np.datetime64
    bars_from: np.datetime64
    market: BarsBySymbol


def truncate(market: BarsBySymbol, time: np.datetime64) -> Cut:
    """Return the market as it was at `time`: bars that had not closed are gone."""
    cut = {}
    for symbol, bars in market.items():
        over = close_times(bars) <= time
        if over.sum() >= 2:
            cut[symbol] = bars.keep(over)
    return Cut(time, _first_change(market, time), cut)


def poison(market: BarsBySymbol, time: np.datetime64, kind: Poison, *, seed: int) -> Cut:
    """Return a market that goes on differently in every bar that closes after `time`.

    Times stay, and bars stay valid. `rise` and `fall` move every price up or down, most at first,
    so that the labels of both differ; `wild` reverses the order of the bars and multiplies each by
    a factor of its own, so that every move is taken back; `trend` lets moves go on for about 30
    bars. What a model or a choice of features would gain from is opposite in the last two. Volume
    is multiplied, and anything up to 1e9 for `wild`; where there is none it stays zero, since a
    vendor without volume never has it.
    """
    generator = np.random.default_rng(seed)
    changed = {}
    for symbol, bars in market.items():
        later = np.flatnonzero(close_times(bars) > time)
        frame = bars.frame.copy()
        if later.size:
            frame.iloc[later] = _poisoned(bars.frame.iloc[later], kind, generator)
        changed[symbol] = dataclasses.replace(bars, frame=frame)
    return Cut(time, _first_change(market, time), changed)


def rescale(market: BarsBySymbol, factor: float) -> BarsBySymbol:
    """Return the market with every price times `factor`."""
    out = {}
    for symbol, bars in market.items():
        frame = bars.frame.copy()
        frame[PRICES] *= factor
        out[symbol] = dataclasses.replace(bars, frame=frame)
    return out


def noise_market(market: BarsBySymbol, *, seed: int) -> BarsBySymbol:
    """Return simulated bars without any edge: as many, of the same symbols and interval."""
    out = {}
    for place, (symbol, bars) in enumerate(market.items()):
        rows = max(len(bars), _LEAST_SIMULATED)
        noise = simulate_bars(rows, seed=seed + place, interval=bars.interval).bars
        out[symbol] = dataclasses.replace(noise, frame=noise.frame[: len(bars)], symbol=symbol)
    return out


def newest(market: BarsBySymbol, most_bars: int) -> BarsBySymbol:
    """Return the newest bars of each symbol, together at most about `most_bars`.

    All symbols are cut at one time, so that what happened together stays together.
    """
    total = sum(len(bars) for bars in market.values())
    if total <= most_bars:
        return market
    times = np.sort(np.concatenate([open_times(bars) for bars in market.values()]))
    since = times[total - most_bars]
    kept = {symbol: open_times(bars) >= since for symbol, bars in market.items()}
    return {symbol: market[symbol].keep(late) for symbol, late in kept.items() if late.sum() >= 2}


def _poisoned(frame: pd.DataFrame, kind: Poison, generator: np.random.Generator) -> np.ndarray:
    rows = len(frame)
    values = frame.to_numpy(dtype=np.float64, copy=True)
    if kind == "trend":
        move = _trend(rows, generator)
        values[:, 4] *= generator.uniform(0.05, 2.0, rows)
    elif kind == "wild":
        values = values[::-1].copy()
        move = _WILD_DEVIATION * np.clip(generator.standard_normal(rows), -4.0, 4.0)
        volume = generator.uniform(0.0, POISON_VOLUME, rows)
        values[:, 4] = np.where(values[:, 4] > 0, volume, 0.0)
    else:
        sign = 1.0 if kind == "rise" else -1.0
        move = sign * _FULL_MOVE * -np.expm1(-np.arange(1, rows + 1) / _MOVE_BARS)
        move += 0.002 * generator.standard_normal(rows)
        values[:, 4] *= generator.uniform(2.0, 20.0, rows)
    values[:, :4] *= np.exp(move)[:, None]
    return values


def _trend(rows: int, generator: np.random.Generator) -> np.ndarray:
    """Moves whose direction seldom turns, folded so that prices stay within bounds, `(rows,)`."""
    turns = np.cumsum(generator.random(rows) < 1.0 / _TREND_BARS)
    steps = _TREND_STEP * np.where(turns % 2 == 0, 1.0, -1.0)
    path = np.cumsum(steps + 0.2 * _TREND_STEP * generator.standard_normal(rows))
    width = 4.0 * _TREND_BOUND
    return np.abs((path - _TREND_BOUND) % width - width / 2.0) - _TREND_BOUND


def _first_change(market: BarsBySymbol, time: np.datetime64) -> np.datetime64:
    """Open time of the first bar that closes after `time`; past all bars where none does."""
    firsts = []
    for bars in market.values():
        later = np.flatnonzero(close_times(bars) > time)
        if later.size:
            firsts.append(open_times(bars)[later[0]])
    return min(firsts) if firsts else np.datetime64("2262-01-01", "ns")
