"""The simulated markets of the verdict benchmark."""

from dataclasses import asdict, dataclass
from typing import Any

from ultimate_deep.market.simulation_spec import JumpSpec, RegimeSpec, SimulationSpec
from ultimate_deep.market.simulator import SimulatedMarket, simulate_bars

JUMPS = JumpSpec(per_bar=0.01, size=5.0)
WAVES = RegimeSpec(volatility_depth=0.7, period_bars=3_000)

WITHOUT_EDGE = {
    "plain": SimulationSpec(),
    "jumps": SimulationSpec(jumps=JUMPS),
    "waves of volatility": SimulationSpec(regimes=WAVES),
    "jumps and waves": SimulationSpec(jumps=JUMPS, regimes=WAVES),
}
WITH_EDGE = {
    "interaction": SimulationSpec(signal="interaction"),
    "linear": SimulationSpec(signal="linear"),
    "long memory": SimulationSpec(signal="long_memory"),
    "cross-timeframe": SimulationSpec(signal="cross_timeframe"),
}
SEEDS = {False: 3_000_000, True: 4_000_000}  # of the first market of each group


@dataclass(frozen=True, kw_only=True)
class Case:
    """One market: how it is made, how long it is, its oracle's edge, its seed."""

    kind: str
    edge: float
    rows: int
    seed: int

    def simulate(self) -> SimulatedMarket:
        """Return hourly bars with their truth."""
        kinds = WITH_EDGE if self.edge > 0 else WITHOUT_EDGE
        return simulate_bars(
            self.rows, seed=self.seed, edge=self.edge, interval="1h", spec=kinds[self.kind]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what tells it from the others, the key of its row."""
        return asdict(self)


KEYS = tuple(Case.__dataclass_fields__)


def make_cases(markets: int, edge: float, rows: int, *, first: int = 0) -> list[Case]:
    """Return so many markets without an edge and so many with one, all kinds in turn.

    Args:
        markets: Number of markets in each of the two groups.
        edge: Edge of the oracle, where there is one.
        rows: Bars of each market.
        first: Number of the first one; another gives other seeds.
    """
    cases = []
    for number in range(first, first + markets):
        for size, kinds in ((0.0, WITHOUT_EDGE), (edge, WITH_EDGE)):
            kind = list(kinds)[number % len(kinds)]
            cases.append(Case(kind=kind, edge=size, rows=rows, seed=SEEDS[size > 0] + number))
    return cases
