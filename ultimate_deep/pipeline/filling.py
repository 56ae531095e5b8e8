"""Which orders meet a price that repeats the last one, and what waiting there would do."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.backtesting.wanted import wanted_positions

Array1D = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def stale_orders(
    wanted: Array1D, stale: Flags, *, delay_bars: int, horizon_bars: int
) -> tuple[Array1D, Flags]:
    """Return what is traded after each bar's decision and whether it meets a stale price.

    Args:
        wanted: Position wanted after each bar's close, `(bars,)`; NaN is none.
        stale: Whether the price of a fill at the bar repeats the close before, `(bars,)`.
        delay_bars: Bars from a decision's bar to the one that it is filled at.
        horizon_bars: Bars for which each decision is held.
    """
    position = np.nan_to_num(wanted_positions(wanted, horizon_bars))
    return np.abs(np.diff(position, prepend=0.0)), _met(stale, delay_bars)


def stale_share(orders: Sequence[tuple[Array1D, Flags]]) -> float:
    """Return the share of all that is traded at stale prices; of all bars without a trade.

    Args:
        orders: What `stale_orders` returns of each symbol.
    """
    traded, met = (np.concatenate(parts) for parts in zip(*orders, strict=True))
    return float(np.average(met, weights=traded if traded.any() else None))


def waiting(
    wanted: Array1D,
    stale: Flags,
    price: Array1D,
    silent: Flags,
    *,
    near: float,
    delay_bars: int,
) -> Array1D:
    """Return what is wanted where every order that meets a stale price waits for another one.

    It comes one bar later at the earliest, and where the price has not moved by then, or nobody
    trades in the bar, with the first bar whose price is another and that trades. The last decision
    whose order has come is the one that is held.

    Args:
        wanted: Position wanted after each bar's close, `(bars,)`; NaN is none.
        stale: Whether the price of a fill at the bar repeats the close before, `(bars,)`.
        price: Price of a fill at the bar, `(bars,)`.
        silent: Whether nobody trades in the bar, `(bars,)`.
        near: Distance up to which two prices are the same.
        delay_bars: Bars from a decision's bar to the one that it is filled at.
    """
    rows = len(wanted)
    filled = np.minimum(np.arange(rows) + delay_bars, rows)
    comes = _next_trade(silent)[np.r_[_next_move(price, near), rows]]
    released = np.where(_met(stale, delay_bars), comes[filled] - delay_bars, np.arange(rows))
    # The last decision that has come by each bar; none before the first.
    last = np.full(rows, -1)
    here = released < rows
    np.maximum.at(last, released[here], np.flatnonzero(here))
    last = np.maximum.accumulate(last)
    return np.where(last >= 0, wanted[last], np.nan)


def _next_move(price: Array1D, near: float) -> npt.NDArray[np.int64]:
    """Row of the first later price that is another one, `(bars,)`; the number of bars if none."""
    rows = len(price)
    moved = np.flatnonzero(np.abs(np.diff(price)) > near) + 1
    found = np.searchsorted(moved, np.arange(rows), side="right")
    return np.r_[moved, rows][found]


def _met(stale: Flags, delay_bars: int) -> Flags:
    """Whether each bar's decision is filled at a stale price."""
    met = np.zeros(len(stale), dtype=np.bool_)
    met[: len(stale) - delay_bars] = stale[delay_bars:]
    return met


def _next_trade(silent: Flags) -> npt.NDArray[np.int64]:
    """Row of the first bar from each on that trades, `(bars + 1,)`; the number of bars if none."""
    rows = len(silent)
    own = np.where(np.r_[silent, False], rows, np.arange(rows + 1))
    return np.minimum.accumulate(own[::-1])[::-1]
