"""Several symbols' bars: where they come from, and the truth where they are simulated."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.readers import read_bars
from ultimate_deep.market.times import open_times


@dataclass(frozen=True, eq=False)
class Market:
    """Bars by symbol, and the truth where they are simulated.

    Args:
        bars: Symbol to bars, in order.
        probability_up: True probability of an up label for each bar, by symbol; None on real bars.
        further: Further columns for features, such as the order book at each close, by symbol.
    """

    bars: dict[str, Bars]
    probability_up: dict[str, np.ndarray] | None = None
    further: dict[str, pd.DataFrame] = field(default_factory=dict)

    def frame(self, symbol: str) -> pd.DataFrame:
        """Return a symbol's bars with its further columns."""
        frame = self.bars[symbol].frame
        return frame.join(self.further[symbol]) if symbol in self.further else frame

    @property
    def simulated(self) -> bool:
        """Whether the bars come from the simulator."""
        return any(bars.simulated for bars in self.bars.values())

    @property
    def interval(self) -> pd.Timedelta:
        """The bar length that all symbols share."""
        return next(iter(self.bars.values())).interval

    def fingerprint(self) -> str:
        """SHA-256 over every symbol's name, stamps and values."""
        digest = hashlib.sha256()
        for symbol, bars in self.bars.items():
            stamps = open_times(bars).astype(np.int64)
            digest.update(symbol.encode() + b"\0" + stamps.tobytes())
            digest.update(np.ascontiguousarray(bars.frame.to_numpy(np.float64)).tobytes())
        return digest.hexdigest()


def load_market(data: DataConfig, label: LabelSpec) -> Market:
    """Read the named bars, or simulate them where no path is named.

    Raises:
        ValueError: A rule of `market` is broken, or the symbols' intervals differ.
    """
    if not data.paths:
        # Not at the top: it brings SciPy's statistics, for which `--help` need not wait.
        from ultimate_deep.market.simulator import simulate_assets

        markets = simulate_assets(
            data.simulated_rows,
            seed=data.simulated_seed,
            edge=data.simulated_edge,
            interval=data.simulated_interval,
            label=label,
            spec=data.simulation,
        )
        return Market(
            {symbol: one.bars for symbol, one in markets.items()},
            {symbol: one.probability_up for symbol, one in markets.items()},
            {
                symbol: one.order_book
                for symbol, one in markets.items()
                if one.order_book is not None
            },
        )
    bars = read_bars(
        data.path,
        format=data.format,
        symbol=data.symbol,
        interval=data.interval,
        session=data.session,
        timezone=data.timezone,
        price_scale=data.price_scale,
        repair=data.repair,
    )
    intervals = {symbol: one.interval for symbol, one in bars.items()}
    if len(set(intervals.values())) > 1:
        raise ValueError(
            f"all symbols of one run share one interval, got {intervals}; "
            "run them apart or resample the finer ones first"
        )
    return Market(bars)
