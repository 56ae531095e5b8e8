"""Compiled loops of the vectorised backtest: one pass over the bars of one symbol."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

PRICE_ERROR, SIGNAL_ERROR, IMPACT_ERROR = 1, 2, 3


class Curves(NamedTuple):
    """Arrays of shape `(rows,)` that `settle` fills."""

    position: np.ndarray
    turnover: np.ndarray
    return_net: np.ndarray
    return_gross: np.ndarray
    equity: np.ndarray
    cost: np.ndarray


class TradeRows(NamedTuple):
    """Arrays with room for `rows` trades, of which `settle` fills the first ones."""

    side: np.ndarray
    entry_row: np.ndarray
    exit_row: np.ndarray
    size: np.ndarray
    growth_gross: np.ndarray
    growth_net: np.ndarray


class Charges(NamedTuple):
    """What trading and holding costs, as fractions of the notional.

    `impact` (rows,) times the root of what is traded in units of the starting capital is the
    fraction paid for impact; what is traded is of the equity where it `grows`, else of the starting
    capital. `years` (rows,) is the time from each open to the next. Empty arrays
    stand for no impact and no holding costs.
    """

    per_side: float
    impact: np.ndarray
    grows: bool
    borrow_per_year: float
    funding_per_year: float
    years: np.ndarray


@njit(cache=True)
def first_error(price: np.ndarray, wanted: np.ndarray, lowest: float) -> tuple[int, int]:
    """Kind and row of the first bad price, else of the first bad signal, else (0, 0)."""
    bad = 0
    for row in range(len(price)):  # without a branch: several rows at a time
        here = (price[row] > 0.0) & (price[row] < np.inf)
        bad += 1 - here
    for row in range(len(wanted)):
        bad += (wanted[row] < lowest) | (wanted[row] > 1.0)
    if bad == 0:
        return 0, 0
    for row in range(len(price)):
        if not (price[row] > 0.0 and price[row] < np.inf):
            return PRICE_ERROR, row
    for row in range(len(wanted)):
        if wanted[row] < lowest or wanted[row] > 1.0:
            return SIGNAL_ERROR, row
    return 0, 0


@njit(cache=True, error_model="numpy")
def settle(
    price: np.ndarray,
    wanted: np.ndarray,
    delay: int,
    charges: Charges,
    curves: Curves,
    trades: TradeRows,
) -> tuple[int, int]:
    """Fill `curves` and `trades`; return the number of trades and the row of an error, or -1.

    `wanted` (rows,) is the position decided at each row's close, NaN for none; it is reached
    `delay` opens later. The error is a fill in a market without volume, of which there is no
    impact.

    With the equity E, the open P, the wanted fraction p (`target`) and the fraction d that the
    last position has become by this open (`drifted`), a row's step is

        T = |p - d|                                                  `turnover`
        k = 1 - (per_side + impact sqrt(T E)) T                      `kept`; without E unless
                                                                     `grows`
        m = P' / P - 1                                               `move`
        g = 1 + p m                                                  `gross`
        c = (funding_per_year p + borrow_per_year max(-p, 0)) years  `charge`
        n = g - c                                                    `net`
        E' = E k n                                                   `growth` is k n
        d' = p (1 + m) / n

    where a prime is one open later; its cost is E (1 - k + k c). A trade's growth is the product
    of its rows' k n (net) and g (gross). A reversal's k is split into k^(|d| / T) for the trade
    that ends and the rest for the one that begins. What falls to zero stays there (`alive`).
    """
    rows = len(price)
    with_impact, with_time = len(charges.impact) > 0, len(charges.years) > 0
    equity, drifted = 1.0, 0.0
    side, count, alive = 0, 0, True
    gross_growth = net_growth = 1.0
    held = 0.0
    for row in range(rows):
        target = wanted[row - delay] if delay <= row < rows - 1 else 0.0
        if target != target or not alive:
            target = 0.0
        turnover = abs(target - drifted)
        kept, gross, charge = 1.0, 1.0, 0.0
        if turnover > 0.0:
            fraction = charges.per_side
            if with_impact:
                if not charges.impact[row] < np.inf:
                    return count, row
                size = turnover * equity if charges.grows else turnover
                fraction += charges.impact[row] * np.sqrt(size)
            kept = 1.0 - fraction * turnover
        elif turnover != turnover:
            kept = 0.0  # a gain beyond the range of floats
        if not kept > 0.0:
            alive, kept, target = False, 0.0, 0.0
        now = 1 if target > 0.0 else (-1 if target < 0.0 else 0)
        if now != side:
            # A reversal is one fill for two trades: its cost is shared by the notional of each.
            leaving = entering = kept
            if now != 0 and side != 0:
                share = abs(drifted) / turnover
                leaving = kept**share
                entering = kept / leaving
            if side != 0:
                trades.exit_row[count] = row
                trades.size[count] = held / (row - trades.entry_row[count])
                trades.growth_gross[count] = gross_growth
                trades.growth_net[count] = net_growth * leaving
                count += 1
            if now != 0:
                trades.side[count], trades.entry_row[count] = now, row
                gross_growth, net_growth, held = 1.0, entering, 0.0
            side = now
        elif side != 0:
            net_growth *= kept
        net = 1.0
        if target != 0.0:
            move = price[row + 1] / price[row] - 1.0
            gross = 1.0 + target * move
            if with_time:
                rate = charges.funding_per_year * target
                if target < 0.0:
                    rate -= charges.borrow_per_year * target
                charge = rate * charges.years[row]
            net = gross - charge
            if not gross > 0.0:
                gross = net = charge = 0.0
            if not net > 0.0:
                alive, net, charge = False, 0.0, gross
            drifted = target * (1.0 + move) / net if alive else 0.0
            gross_growth *= gross
            net_growth *= net
            held += abs(target)
        else:
            drifted = 0.0
        curves.position[row] = target
        curves.turnover[row] = turnover
        curves.return_gross[row] = gross - 1.0
        curves.cost[row] = equity * (1.0 - kept + kept * charge)
        growth = kept * net
        curves.return_net[row] = growth - 1.0
        equity *= growth
        curves.equity[row] = equity
    return count, -1
