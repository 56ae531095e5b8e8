"""How much capital an edge carries before its own market impact eats it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.backtesting.vectorised import BacktestConfig, NoVolumeError
from ultimate_deep.evaluation.robustness.trade import Trade, account_figures
from ultimate_deep.machine.counts import amount

IMPACT_COEFFICIENT = 1.0
_DECADES = (0.0, 15.0)  # capitals searched, powers of ten
_USUAL_TOP = 8  # power of ten shown where the capacity has no bound
_TOLERANCE = 0.01  # of a power of ten: two percent of the capital


@dataclass(frozen=True, eq=False, kw_only=True)
class Capacity:
    """Net figures by capital, in units of the price.

    Args:
        table: Columns `capital`, `net_return` (fraction), `sharpe` (per year), `net_return_bps`
            (mean per bar), `trades`; without rows where the capacity is unknown.
        capital_half, capital_gone: Capital at which half of the mean net return per bar, and all
            of it, is lost to impact; NaN where unknown or where there is no net return to lose,
            infinity beyond 1e15.
        capital: The capital in use.
        impact_coefficient: Coefficient of the square-root law.
        known: Whether the bars have volume, some of it before the first fill.
        sentence: The same in words.
    """

    table: pd.DataFrame
    capital_half: float
    capital_gone: float
    capital: float
    impact_coefficient: float
    known: bool
    sentence: str


def capacity(
    trade: Trade,
    signal: Array1D,
    config: BacktestConfig,
    *,
    has_volume: bool,
    capitals: Sequence[float] | None = None,
) -> Capacity:
    """Trade the same signals with more and more capital.

    Each fill pays `coefficient * volatility * sqrt(traded / volume)` on top of the other costs;
    what is traded is a part of the starting capital throughout. Where the rule itself has no
    impact, the coefficient is 1, the order of magnitude that the source finds for large orders.

    Args:
        trade: The way from signals to the account, a `Trade`.
        signal: Wanted positions of the test rows, shape `(rows,)`.
        config: The rule and costs in use.
        has_volume: Whether the bars have volume; without it the capacity is unknown.
        capitals: Capitals in units of the price, above zero; None takes round ones about the
            capacity, and the one in use.

    Source: Almgren, Thum, Hauptmann & Li (2005), Risk 18(7); exponent one half as in Toth et al.
    (2011), Phys. Rev. X 1(2), eq. 1.
    """
    coefficient = config.costs.impact or IMPACT_COEFFICIENT
    if not has_volume:
        return _unknown(coefficient, config.capital, "The bars have no volume")
    try:
        return _known(trade, signal, config, coefficient, capitals)
    except NoVolumeError:
        reason = "No volume was traded before the first fills"
        return _unknown(coefficient, config.capital, reason)


def _known(
    trade: Trade,
    signal: Array1D,
    config: BacktestConfig,
    coefficient: float,
    capitals: Sequence[float] | None,
) -> Capacity:
    costs = replace(config.costs, impact_coefficient=coefficient, impact_grows=False)

    def account(capital: float) -> dict[str, float]:
        return account_figures(trade(signal, replace(config, costs=costs, capital=capital)))

    small = replace(config, costs=replace(costs, impact_coefficient=0.0))
    best = account_figures(trade(signal, small))["net_return_bps"]

    def excess(decade: float, target: float) -> float:
        return account(10.0**decade)["net_return_bps"] - target

    half = _capital_at(lambda decade: excess(decade, best / 2.0), best)
    gone = _capital_at(lambda decade: excess(decade, 0.0), best)
    chosen = sorted({*_round_capitals(gone), config.capital}) if capitals is None else capitals
    rows = [{"capital": float(capital)} | account(float(capital)) for capital in chosen]
    return Capacity(
        table=pd.DataFrame(rows),
        capital_half=half,
        capital_gone=gone,
        capital=config.capital,
        impact_coefficient=coefficient,
        known=True,
        sentence=_sentence(best, half, gone, config.capital),
    )


def _capital_at(excess: Callable[[float], float], best: float) -> float:
    from scipy.optimize import brentq  # here: SciPy's optimisers take long to import

    low, high = _DECADES
    if best <= 0.0:
        return math.nan
    if excess(high) > 0.0:
        return math.inf
    if excess(low) <= 0.0:
        return 10.0**low
    return float(10.0 ** brentq(excess, low, high, xtol=_TOLERANCE))


def _round_capitals(gone: float) -> list[float]:
    """Ones and threes of each power of ten from a thousandth of `gone` to just beyond it."""
    top = math.ceil(math.log10(gone)) if 0.0 < gone < math.inf else _USUAL_TOP
    return [digit * 10.0**power for power in range(top - 4, top) for digit in (1.0, 3.0)] + [
        10.0**top
    ]


def _unknown(coefficient: float, capital: float, reason: str) -> Capacity:
    columns = ["capital", "net_return", "sharpe", "net_return_bps", "trades"]
    return Capacity(
        table=pd.DataFrame(columns=columns, dtype="float64"),
        capital_half=math.nan,
        capital_gone=math.nan,
        capital=capital,
        impact_coefficient=coefficient,
        known=False,
        sentence=f"{reason}, so how much capital this would carry is unknown.",
    )


def _sentence(best: float, half: float, gone: float, capital: float) -> str:
    if best <= 0.0:
        return "There is no net return even without impact, so there is nothing to scale."
    if math.isinf(half):
        return "Impact does not halve the net return at any capital up to 1e15."
    end = f"all of it at {amount(gone)}" if math.isfinite(gone) else "never all of it"
    return (
        f"Impact eats half of the net return at a capital of {amount(half)} and {end}, in units "
        f"of the price; the account starts with {amount(capital)}."
    )
