"""The bars of a check: plain simulated ones, and rough ones such as real files have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.market.bars import BAR_COLUMNS
from ultimate_deep.market.simulator import simulate_bars

PLAIN_ROWS = 1_500
# Over a year of hours: a leak through a window of some thousand bars, a quarter or a year shows.
ROUGH_ROWS = 9_000
MOST_ROWS = 40_000
_FROM_THE_END = (860, 589, 363, 98)
_ODD_FROM = 300
_TICK = 0.1
_JUMP = 0.15
_GAPS, _LONGEST_GAP = 40, 60
_SHARE = 0.03
_LONGEST_RUN = 5
# Where cuts lie, as shares of the rows after the warm-up; the second has thousands on either side.
_PLACES = (0.3, 0.55, 0.9)
ODD = (
    "a flat bar",
    "a flat bar without volume",
    "a bar without volume",
    "a bar that closes where it opened",
    "the last bar before a gap",
    "the first bar after a gap",
    "the last bar before a jump of prices",
)


@dataclass(frozen=True, eq=False)
class CheckBars:
    """Bars and the rows at which their future is taken away or replaced.

    Args:
        frame: The bars, canonical ones.
        cuts: First row of the future, in order, to what the bar before it is; empty for nothing
            special.
    """

    frame: pd.DataFrame
    cuts: dict[int, str]


def plain_bars(warmup_bars: int = 0, *, seed: int = 11) -> CheckBars:
    """Return simulated bars as they come, more of them for a longer warm-up."""
    rows = _rows(PLAIN_ROWS, warmup_bars)
    frame = simulate_bars(rows, seed=seed).bars.frame
    return CheckBars(frame, dict.fromkeys((rows - one for one in _FROM_THE_END), ""))


def rough_bars(warmup_bars: int = 0, *, seed: int = 12) -> CheckBars:
    """Return bars with flat ones, ones without volume, gaps and jumps, cut right after such bars.

    Prices lie on a grid, so that they are often equal.
    """
    whole = simulate_bars(_rows(ROUGH_ROWS, warmup_bars), seed=seed).bars.frame
    draw = np.random.default_rng(seed)
    values = whole[list(BAR_COLUMNS)].to_numpy(copy=True)
    rows = len(values)
    odd = {name: np.zeros(rows, dtype=bool) for name in ODD}
    jumps = draw.choice(np.arange(_ODD_FROM, rows), 12, replace=False)
    factors = np.ones(rows)
    factors[jumps] = np.exp(_JUMP * draw.choice([-1.0, 1.0], len(jumps)))
    values[:, :4] *= np.cumprod(factors)[:, None]
    values[:, :4] = np.maximum(np.round(values[:, :4] / _TICK), 1.0) * _TICK
    odd["the last bar before a jump of prices"][jumps - 1] = True
    for name in ODD[:4]:
        for start in draw.choice(np.arange(_ODD_FROM, rows), int(_SHARE * rows / 3), replace=False):
            run = slice(start, start + int(draw.integers(1, _LONGEST_RUN + 1)))
            _make_odd(values, run, name)
    kept = np.ones(rows, dtype=bool)
    for start in draw.choice(np.arange(_ODD_FROM, rows - _LONGEST_GAP), _GAPS, replace=False):
        kept[start : start + int(draw.integers(1, _LONGEST_GAP + 1))] = False
    before, after = kept & ~np.append(kept[1:], True), kept & ~np.append(True, kept[:-1])
    odd["the last bar before a gap"], odd["the first bar after a gap"] = before, after
    flat, silent = values[:, 1] == values[:, 2], values[:, 4] == 0.0
    odd["a flat bar"], odd["a flat bar without volume"] = flat & ~silent, flat & silent
    odd["a bar without volume"] = silent & ~flat
    odd["a bar that closes where it opened"] = (values[:, 0] == values[:, 3]) & ~flat
    frame = pd.DataFrame(values, index=whole.index, columns=list(BAR_COLUMNS))[kept]
    return CheckBars(
        frame, _cuts({name: marked[kept] for name, marked in odd.items()}, warmup_bars)
    )


def another_future(frame: pd.DataFrame, cut: int) -> pd.DataFrame:
    """Return the bars with another future: prices on other levels, other volumes and times."""
    draw = np.random.default_rng(cut)
    values = frame[list(BAR_COLUMNS)].to_numpy(copy=True)
    values[cut:, :4] *= draw.uniform(0.5, 2.0, len(frame) - cut)[:, None]
    values[cut:, 4] = 1e6 * values[cut:, 4] + draw.uniform(0.0, 1e6, len(frame) - cut)
    later = pd.to_timedelta(np.where(np.arange(len(frame)) >= cut, 3, 0), unit="h")
    other = pd.DataFrame(values, index=frame.index + later, columns=list(BAR_COLUMNS))
    other.index.name = frame.index.name
    return other


def _rows(least: int, warmup_bars: int) -> int:
    return min(max(least, 2 * warmup_bars + 1_000), MOST_ROWS)


def _make_odd(values: np.ndarray, run: slice, name: str) -> None:
    if name in ("a flat bar", "a flat bar without volume"):
        values[run, :4] = values[run.start - 1, 3]
    if name == "a bar that closes where it opened":
        values[run, 3] = values[run, 0]
    if name in ("a flat bar without volume", "a bar without volume"):
        values[run, 4] = 0.0


def _cuts(odd: dict[str, np.ndarray], warmup_bars: int) -> dict[int, str]:
    """Return the rows after such bars that are nearest to each place, all after the warm-up."""
    found: dict[int, str] = {}
    for number, (name, marked) in enumerate(odd.items()):
        rows = np.flatnonzero(marked[:-1])
        for place in _PLACES[number % 2 :][:2]:
            wanted = warmup_bars + place * (len(marked) - warmup_bars)
            row = rows[np.argmin(np.abs(rows - wanted))]
            found.setdefault(int(row) + 1, name)
    return dict(sorted(found.items()))
