"""How much an edge may cost: net figures at multiples of the cost, and the cost that eats it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.robustness.trade import Trade, account_figures, at_cost
from ultimate_deep.machine.counts import amount

MULTIPLES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
_LARGEST_BPS = 4_999.0  # of `CostSpec`
_ZERO_COST_UNIT_BPS = 1.0  # multiples of what, where the rule itself is free of costs


@dataclass(frozen=True, eq=False, kw_only=True)
class CostSweep:
    """Net figures by cost per side.

    Args:
        table: Columns `multiple`, `cost_bps` (per side), `net_return` (fraction), `sharpe` (per
            year), `net_return_bps` (mean per bar), `trades`.
        cost_bps: The cost per side in use.
        break_even_bps: Cost per side at which the net return is zero; 0 where the account does
            not gain even without it, NaN where it never trades, infinity beyond 4,999.
        sentence: The same in words.
    """

    table: pd.DataFrame
    cost_bps: float
    break_even_bps: float
    sentence: str


def cost_sweep(
    trade: Trade,
    signal: Array1D,
    config: BacktestConfig,
    *,
    multiples: Sequence[float] = MULTIPLES,
) -> CostSweep:
    """Trade the same signals at several costs per side.

    Fee, slippage and half the spread are swept together; impact, borrowing and funding are paid
    in every row. Where the rule has no cost per side, the multiples are of 1 bps. Multiples beyond
    4,999 bps per side are left out.

    Args:
        trade: The way from signals to the account, a `Trade`.
        signal: Wanted positions of the test rows, shape `(rows,)`.
        config: The rule and costs in use.
        multiples: Multiples of the cost in use, not negative.

    Raises:
        ValueError: A negative multiple, or a cost that `CostSpec` refuses.
    """
    used = config.costs.per_side_bps
    rows = []
    for multiple in multiples:
        if not multiple >= 0.0:
            raise ValueError(f"multiples must not be negative, got {multiple}; costs are paid")
        cost = multiple * (used or _ZERO_COST_UNIT_BPS)
        if cost > _LARGEST_BPS:
            continue
        figures = account_figures(trade(signal, at_cost(config, cost)))
        rows.append({"multiple": float(multiple), "cost_bps": cost} | figures)
    even = break_even_bps(trade, signal, config)
    return CostSweep(
        table=pd.DataFrame(rows),
        cost_bps=used,
        break_even_bps=even,
        sentence=_sentence(used, even),
    )


def break_even_bps(trade: Trade, signal: Array1D, config: BacktestConfig) -> float:
    """Return the cost per side (bps) at which the mean net return per bar is zero.

    Found on the account itself, by bracketing and Brent's method, to a thousandth of a basis
    point. 0 where nothing is gained even without a cost per side, NaN where it never trades,
    infinity where it gains at 4,999 bps.
    """
    from scipy.optimize import brentq  # here: SciPy's optimisers take long to import

    def gain(cost: float) -> float:  # nearly a line in the cost: few steps to its root
        return float(trade(signal, at_cost(config, cost)).metrics["mean_return_net_bps"])

    free = trade(signal, at_cost(config, 0.0)).metrics
    if not free["trades"]:
        return math.nan
    if free["mean_return_net_bps"] <= 0.0:
        return 0.0
    low, high = 0.0, max(config.costs.per_side_bps, 1.0)
    while gain(high) > 0.0:
        if high >= _LARGEST_BPS:
            return math.inf
        low, high = high, min(4.0 * high, _LARGEST_BPS)
    return float(brentq(gain, low, high, xtol=1e-3))


def _sentence(used: float, even: float) -> str:
    if math.isnan(even):
        return "The model never trades, so no cost can be named that it would bear."
    if even == 0.0:
        return "Nothing is gained even without a cost per side, so none is low enough."
    if math.isinf(even):
        return f"There is a gain per bar at any cost up to {_LARGEST_BPS:,.0f} bps per side."
    room = (
        f"The mean net return per bar is zero at {amount(even)} bps per side; {amount(used)} are "
        "charged"
    )
    if even <= used:
        return f"{room}, which is more than it can bear."
    if used == 0.0:
        return f"{room}."
    return f"{room}, so costs could grow {even / used:.1f}-fold."
