"""Several symbols' bars: where they come from, and the truth where they are simulated."""

import hashlib
import html
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ultimate_deep.market.bars import Bars, BarsError, Session
from ultimate_deep.market.config import BarKind, DataConfig, LabelSpec, Stamp
from ultimate_deep.market.readers import bars_of_frame, read_files
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

    def frame(self, symbol: str | None = None) -> pd.DataFrame:
        """Return a symbol's bars with its further columns; of a single symbol without its name."""
        symbol = self.only() if symbol is None else symbol
        frame = self[symbol].frame
        return frame.join(self.further[symbol]) if symbol in self.further else frame

    def only(self) -> str:
        """Return the name of the single symbol.

        Raises:
            ValueError: There are several.
        """
        if len(self.bars) > 1:
            raise ValueError(
                f"these are bars of {len(self.bars)} symbols, {', '.join(self.bars)}; take one of "
                f"them, such as bars[{next(iter(self.bars))!r}]"
            )
        return next(iter(self.bars))

    def __getitem__(self, symbol: str) -> Bars:
        if symbol not in self.bars:
            raise KeyError(f"no bars of {symbol!r}; there are {', '.join(self.bars)}")
        return self.bars[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self.bars)

    def __len__(self) -> int:
        return len(self.bars)

    def __repr__(self) -> str:
        kind = "simulated market" if self.simulated else "market"
        return f"<{kind}: {'; '.join(map(_in_words, self.bars.values()))}>"

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(_in_words(bars))}</li>" for bars in self.bars.values())
        return f"<ul>{lines}</ul>{self.frame(next(iter(self))).tail(3).to_html()}"

    @property
    def told(self) -> tuple[str, ...]:
        """What people should know of these bars: what files were read as, and notes by symbol."""
        read = dict.fromkeys(line for bars in self.bars.values() for line in bars.read_as)
        notes = (f"{name}: {note}" for name, bars in self.bars.items() for note in bars.notes)
        return (*read, *notes)

    @property
    def simulated(self) -> bool:
        """Whether the bars come from the simulator."""
        return any(bars.simulated for bars in self.bars.values())

    @property
    def interval(self) -> pd.Timedelta:
        """The bar length that all symbols share; of irregular bars the longest median step."""
        lengths = [bars.interval for bars in self.bars.values()]
        return max(lengths) if self.irregular else lengths[0]

    @property
    def irregular(self) -> bool:
        """Whether bars of any symbol have no fixed length."""
        return any(bars.irregular for bars in self.bars.values())

    def check_common_times(self) -> None:
        """Refuse irregular bars of several symbols where they are to be judged together.

        Raises:
            ValueError: Naming them: no decision is made at one time for all, so that a horizon, an
                embargo and what overlaps cannot be counted in bars of all.
        """
        if self.irregular and len(self.bars) > 1:
            raise ValueError(
                f"irregular bars of several symbols share no times, got {', '.join(self.bars)}; "
                "judge each symbol by itself: one file in data.path, in Python "
                f"bars[{next(iter(self.bars))!r}]"
            )

    def fingerprint(self) -> str:
        """SHA-256 over every symbol's name, stamps and values."""
        digest = hashlib.sha256()
        for symbol, bars in self.bars.items():
            stamps = open_times(bars).astype(np.int64)
            digest.update(symbol.encode() + b"\0" + stamps.tobytes())
            digest.update(np.ascontiguousarray(bars.frame.to_numpy(np.float64)).tobytes())
        return digest.hexdigest()


def _in_words(bars: Bars) -> str:
    first, last = bars.index[0], bars.index[-1]
    return (
        f"{bars.symbol} {len(bars):,} bars of {bars.length_in_words}, {first:%Y-%m-%d} to "
        f"{last:%Y-%m-%d}"
    )


def as_market(
    bars: Market | Bars | pd.DataFrame,
    *,
    symbol: str | None = None,
    session: Session | None = None,
    kind: BarKind = "regular",
    stamp: Stamp = "open",
) -> Market:
    """Return bars of any kind as a market.

    Args:
        bars: A market as it is, one symbol's bars, or a table of them: columns `open high low
            close volume`, index of the times, with a zone, at which bars open.
        symbol: What a table's symbol is called.
        session: When the market of a table trades; else found from the times.
        kind: Whether the bars of a table have one length, or none.
        stamp: Whether the times of a table say when bars open or when they close.

    Raises:
        TypeError: Bars of another kind.
        ValueError: A table that is no table of bars, or a symbol or session for what has its own.
    """
    if isinstance(bars, pd.DataFrame):
        name = symbol or "bars"
        made = bars_of_frame(bars, symbol=name, session=session, bars=kind, stamp=stamp)
        return Market({made.symbol: made})
    if symbol is not None or session is not None:
        raise ValueError(
            "symbol and session are for a table of bars; these bars have their own: "
            "read_bars(path, symbol=..., session=...) states them"
        )
    if isinstance(bars, Bars):
        return Market({bars.symbol: bars})
    if isinstance(bars, Market):
        return bars
    raise TypeError(
        "bars are what read_bars gives, or a DataFrame with columns open high low close volume, "
        f"got {type(bars).__name__}"
    )


def given_market(bars: Market | Bars | pd.DataFrame, data: DataConfig) -> Market:
    """Return bars that were given in Python; those of a table are irregular where `data` says so.

    Raises:
        TypeError, ValueError: What `as_market` raises.
    """
    if data.bars == "irregular":
        return as_market(bars, kind=data.bars, stamp=data.stamp)
    return as_market(bars)


def load_market(data: DataConfig, label: LabelSpec) -> Market:
    """Read the named bars, or simulate them where no path is named.

    Raises:
        ValueError: A rule of `market` is broken, or the symbols' intervals differ.
    """
    if not data.paths and data.bars == "irregular":
        raise BarsError(
            "simulated bars have one length, got bars='irregular'; leave it out: bars='regular', "
            "or name a file of irregular bars"
        )
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
    bars = read_files(
        data.path,
        format=data.format,
        symbol=data.symbol,
        interval=data.interval,
        session=data.session,
        timezone=data.timezone,
        price_scale=data.price_scale,
        repair=data.repair,
        columns=data.columns,
        time_format=data.time_format,
        decimal=data.decimal,
        adjust=data.adjust,
        stamp=data.stamp,
        bars=data.bars,
    )
    intervals = {symbol: one.interval for symbol, one in bars.items()}
    if data.bars == "regular" and len(set(intervals.values())) > 1:
        raise ValueError(
            f"all symbols of one run share one interval, got {intervals}; "
            "run them apart or resample the finer ones first"
        )
    return Market(bars)
