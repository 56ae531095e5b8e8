"""What the engines need of the symbols that are traded, and accounts that ask more of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.backtesting.engines import run_any_backtest
from ultimate_deep.evaluation.measures.spread import nearest_told, repeats
from ultimate_deep.evaluation.robustness.capacity import IMPACT_COEFFICIENT
from ultimate_deep.pipeline.filling import stale_orders, stale_share, waiting
from ultimate_deep.portfolio.breakers import BreakerSpec
from ultimate_deep.portfolio.sizing_spec import SizingSpec
from ultimate_deep.portfolio.stops import StopSpec


@dataclass(frozen=True, eq=False)
class Traded:
    """One symbol that is traded.

    Args:
        symbol: Name of the symbol.
        frame: Its bars, as orders meet them.
        wanted: Position wanted after each bar's close, sized, `(bars,)`.
        bars_per_year: Number of bars in a year.
    """

    symbol: str
    frame: pd.DataFrame
    wanted: np.ndarray
    bars_per_year: float


def traded_account(traded: Sequence[Traded], rules: BacktestConfig) -> BacktestResult:
    """Return the portfolio of symbols whose positions are sized already.

    Args:
        traded: Symbols with what is wanted of each.
        rules: Costs and rules of trading.
    """
    return run_any_backtest(
        {one.symbol: one.frame for one in traded},
        {one.symbol: one.wanted for one in traded},
        dataclasses.replace(rules, sizing=SizingSpec()),
        bars_per_year={one.symbol: one.bars_per_year for one in traded},
    )


def plain_rules(rules: BacktestConfig) -> BacktestConfig:
    """Return the rules without sizes, stops, breakers and limits of volume.

    Args:
        rules: Costs and rules of trading.
    """
    return dataclasses.replace(
        rules,
        sizing=SizingSpec(),
        stops=StopSpec(),
        breakers=BreakerSpec(),
        max_volume_share=None,
    )


def impact_account(traded: Sequence[Traded], rules: BacktestConfig) -> BacktestResult:
    """Return the account that pays the impact of its own orders.

    These are parts of the starting capital throughout, however much it has become. Bars before the
    first volume count as usual ones.

    Args:
        traded: Symbols whose bars all have some volume.
        rules: Costs and rules of trading, with the capital.
    """
    costs = dataclasses.replace(
        rules.costs, impact_coefficient=IMPACT_COEFFICIENT, impact_grows=False
    )
    known = [dataclasses.replace(one, frame=with_first_volume(one.frame)) for one in traded]
    return traded_account(known, dataclasses.replace(rules, costs=costs))


def spread_account(
    traded: Sequence[Traded], rules: BacktestConfig, half_spread_bps: float
) -> BacktestResult | None:
    """Return the account that pays half of the spread which the bars show; None where it does, or
    the spread is said.

    Args:
        traded: Symbols with what is wanted of each.
        rules: Costs and rules of trading.
        half_spread_bps: Half of the spread that the bars show; NaN where they show none.
    """
    more = half_spread_bps - rules.costs.per_side_bps
    if rules.costs.spread_bps > 0.0 or not more > 0.0:
        return None
    costs = dataclasses.replace(rules.costs, spread_bps=2.0 * more)
    return traded_account(traded, dataclasses.replace(rules, costs=costs))


def steady_account(traded: Sequence[Traded], rules: BacktestConfig) -> BacktestResult:
    """Return the account that holds each symbol's mean position wherever there is a decision.

    Args:
        traded: Symbols with what is wanted of each.
        rules: Costs and rules of trading; sizes, stops and breakers are left out.
    """
    steady = []
    for one in traded:
        decided = np.isfinite(one.wanted)
        mean = float(one.wanted[decided].mean()) if decided.any() else 0.0
        steady.append(dataclasses.replace(one, wanted=np.where(decided, mean, np.nan)))
    return traded_account(steady, plain_rules(rules))


def held_throughout(one: Traded) -> Traded:
    """Return a symbol that is wanted at every bar from its first decision to its last as it is
    wanted at the first.

    Args:
        one: Symbol with what is wanted of it, NaN where nothing is decided.
    """
    decided = np.flatnonzero(np.isfinite(one.wanted))
    wanted = np.full(len(one.wanted), np.nan)
    if len(decided):
        wanted[decided[0] : decided[-1] + 1] = one.wanted[decided[0]]
    return dataclasses.replace(one, wanted=wanted)


def patient_account(
    traded: Sequence[Traded], rules: BacktestConfig
) -> tuple[float, BacktestResult | None]:
    """Return the share of what is traded at prices that repeat the last close, or in bars without
    trade, and the account in which those orders wait for another price; None where there are none.

    Args:
        traded: Symbols with what is wanted of each.
        rules: Costs and rules of trading.
    """
    silent = [_silent(one.frame) for one in traded]
    near = [nearest_told(one.frame) for one in traded]
    stale = [
        repeats(one.frame, near=close) | still
        for one, close, still in zip(traded, near, silent, strict=True)
    ]
    share = stale_share(
        [
            stale_orders(
                one.wanted, bars, delay_bars=rules.delay_bars, horizon_bars=rules.horizon_bars
            )
            for one, bars in zip(traded, stale, strict=True)
        ]
    )
    if not share > 0.0:
        return share, None
    moved = []
    for one, bars, still, close in zip(traded, stale, silent, near, strict=True):
        opens = one.frame["open"].to_numpy()
        patient = waiting(one.wanted, bars, opens, still, near=close, delay_bars=rules.delay_bars)
        moved.append(dataclasses.replace(one, wanted=patient))
    return share, traded_account(moved, rules)


def usual_share(frame: pd.DataFrame, capital: float) -> float:
    """Return a capital as a share of what a usual bar that trades does; NaN where none does.

    Args:
        frame: Bars of one symbol.
        capital: What a full position of the symbol is worth, in the price's currency.
    """
    notional = (frame["close"] * frame["volume"]).to_numpy(dtype=np.float64)
    notional = notional[notional > 0.0]
    return capital / float(np.median(notional)) if len(notional) else math.nan


def _silent(frame: pd.DataFrame) -> np.ndarray:
    """Return the bars in which nobody trades, and the first of trade after those, whose open may be
    made up, of a symbol whose volume is known, `(bars,)`.
    """
    silent = ~(frame["volume"].to_numpy(dtype=np.float64) > 0.0)
    return (silent | np.r_[False, silent[:-1]]) & (not silent.all())


def with_first_volume(frame: pd.DataFrame) -> pd.DataFrame:
    """Return bars of which those before the first volume have the usual one, for the impact of
    fills there.

    Args:
        frame: Bars of one symbol.
    """
    volume = frame["volume"].to_numpy(dtype=np.float64)
    known = volume > 0.0
    if known[0] or not known.any():
        return frame
    first = int(known.argmax())
    usual = float(np.median(volume[known]))
    return frame.assign(volume=np.where(np.arange(len(volume)) < first, usual, volume))
