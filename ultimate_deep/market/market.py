"""Several symbols' bars: where they come from, and the truth where they are simulated."""

import hashlib
import html
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ultimate_deep.market.bars import Bars, BarsError, Session
from ultimate_deep.market.config import BarKind, DataConfig, LabelSpec, Stamp
from ultimate_deep.market.fills import Fills, find_fills
from ultimate_deep.market.readers import bars_of_frame, read_files
from ultimate_deep.market.resampling import resampled
from ultimate_deep.market.times import open_times


@dataclass(frozen=True, eq=False)
class Market:
    """Bars by symbol, and the truth where they are simulated.

    Args:
        bars: Symbol to bars, in order.
        probability_up: True probability of an up label for each bar, by symbol; None on real bars.
        further: Further columns for features, such as the order book at each close, by symbol.
        fills: What orders are filled at, by symbol, of finer bars; empty where it is the open.
    """

    bars: dict[str, Bars]
    probability_up: dict[str, np.ndarray] | None = None
    further: dict[str, pd.DataFrame] = field(default_factory=dict)
    fills: dict[str, Fills] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for symbol, fills in self.fills.items():
            if symbol not in self.bars or len(fills.filled) != len(self.bars[symbol]):
                raise ValueError(
                    f"fills have one price for each bar, got {len(fills.filled):,} of {symbol!r} "
                    f"for {len(self.bars.get(symbol, ())):,} bars; make them anew: with_fills"
                )

    def traded_frame(self, symbol: str) -> pd.DataFrame:
        """Return a symbol's bars as orders meet them, each with the price of a fill as its open."""
        return self.fills[symbol].frame if symbol in self.fills else self[symbol].frame

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
        filled = (f"{name}: {fills.note}" for name, fills in self.fills.items())
        return (*read, *notes, *filled)

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

    @property
    def fills_digest(self) -> str:
        """SHA-256 of what orders are filled at; empty where it is the open."""
        if not self.fills:
            return ""
        digest = hashlib.sha256()
        for symbol, fills in self.fills.items():
            digest.update(f"{symbol}\0{fills.digest}".encode())
        return digest.hexdigest()

    def fingerprint_with_fills(self) -> str:
        """SHA-256 of the bars and of what orders are filled at."""
        bars, fills = self.fingerprint(), self.fills_digest
        return hashlib.sha256(f"{bars} {fills}".encode()).hexdigest() if fills else bars


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


_SIMULATED = (
    "data.resample puts read bars together, got {0!r} for simulated ones, which are simulated at "
    "any length: data.simulated_interval {0}"
)
# Finer bars as they are given in Python, or the names of their files.
GivenFills = Market | Bars | pd.DataFrame | tuple[str, ...] | None


def given_market(
    bars: Market | Bars | pd.DataFrame, data: DataConfig, fills: GivenFills = None
) -> Market:
    """Return bars that were given in Python; those of a table are irregular where `data` says so.

    Args:
        bars: What `as_market` takes.
        data: Options, and where finer bars are read that orders are filled from.
        fills: Finer bars in place of those that `data` names.

    Raises:
        TypeError, ValueError: What `as_market` and `filled_from` raise.
    """
    irregular = data.bars == "irregular"
    market = as_market(bars, kind=data.bars, stamp=data.stamp) if irregular else as_market(bars)
    market = _resampled(market, data)
    if fills is None and data.fills:
        return read_fills(market, data)
    return filled_from(market, fills, data)


def filled_from(market: Market, fills: GivenFills, data: DataConfig = DataConfig()) -> Market:
    """Return bars whose orders are filled from finer bars, or as they are for None and no file.

    Raises:
        TypeError, ValueError: What `as_market`, `read_fills` and `with_fills` raise.
    """
    if fills is None:
        return market
    if isinstance(fills, tuple):
        if not fills:
            return market
        return read_fills(market, replace(data, fills=fills))
    if not isinstance(fills, Market | Bars | pd.DataFrame):
        raise TypeError(
            "fills are what read_bars gives, a DataFrame with columns open high low close volume, "
            f"or the names of files, got {type(fills).__name__}; give for example fills='1m.csv'"
        )
    try:
        finer = as_market(fills)
    except BarsError as error:
        raise BarsError(f"fills: {error}") from error
    return with_fills(market, finer)


def with_fills(market: Market, finer: Market) -> Market:
    """Return bars whose orders are filled from finer bars of the same symbols.

    Args:
        market: Bars by symbol.
        finer: Finer bars by symbol; where both are of one symbol, names may differ.

    Raises:
        ValueError: A symbol without finer bars, or what `find_fills` refuses.
    """
    by_symbol = finer.bars
    if len(market) == 1 and len(finer) == 1:
        by_symbol = {market.only(): finer[finer.only()]}
    if missing := [symbol for symbol in market if symbol not in by_symbol]:
        raise ValueError(
            f"data.fills must hold finer bars of every symbol, got none of {', '.join(missing)} "
            f"among {', '.join(by_symbol)}; add their files, named as the symbols are"
        )
    found = {symbol: find_fills(bars, by_symbol[symbol]) for symbol, bars in market.bars.items()}
    return replace(market, fills=found)


def read_fills(market: Market, data: DataConfig) -> Market:
    """Return bars whose orders are filled from the finer bars that `data.fills` names.

    Raises:
        ValueError: What reading the bars and `with_fills` refuse.
        FileNotFoundError: There is no such file.
    """
    if market.simulated:
        raise BarsError(
            f"simulated bars have no finer ones, got data.fills {data.fills!r}; leave it out, or "
            "name the bars that they are finer bars of: data.path"
        )
    try:
        finer = Market(_read(data.fills, data, interval=None))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"data.fills: {error}; name files that are there") from error
    except BarsError as error:
        raise BarsError(f"data.fills: {error}") from error
    return with_fills(market, finer)


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
    if not data.paths and data.fills:
        raise BarsError(
            f"data.fills are finer bars of those in data.path, got {data.fills!r} and no "
            "data.path; name it too, or leave data.fills out: simulated bars have no finer ones"
        )
    if not data.paths and data.resample:
        raise BarsError(_SIMULATED.format(data.resample))
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
    bars = _read(data.path, data, interval=data.interval)
    intervals = {symbol: one.interval for symbol, one in bars.items()}
    if data.bars == "regular" and len(set(intervals.values())) > 1:
        raise ValueError(
            f"all symbols of one run share one interval, got {intervals}; "
            "run them apart or resample the finer ones first"
        )
    market = _resampled(Market(bars), data)
    return read_fills(market, data) if data.fills else market


def _resampled(market: Market, data: DataConfig) -> Market:
    """Return bars put together to the length that `data` asks for, if any."""
    if not data.resample:
        return market
    if market.simulated:
        raise BarsError(_SIMULATED.format(data.resample))
    bars = {symbol: resampled(one, data.resample) for symbol, one in market.bars.items()}
    return replace(market, bars=bars)


def _read(
    paths: str | tuple[str, ...], data: DataConfig, *, interval: str | None
) -> dict[str, Bars]:
    return read_files(
        paths,
        format=data.format,
        symbol=data.symbol,
        interval=interval,
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
