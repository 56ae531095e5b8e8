"""Bars for whoever asks: read from files, or simulated with an answer that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ultimate_deep.experiments import given
from ultimate_deep.machine.fields import fitted, fitted_fields
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.simulation_spec import SimulationSpec

if TYPE_CHECKING:
    from ultimate_deep.market.bars import Session
    from ultimate_deep.market.market import Market


def read_bars(
    path: str | Path | Sequence[str | Path],
    *,
    format: str = "auto",
    symbol: str | None = None,
    interval: str | None = None,
    session: Session | None = None,
    timezone: str | None = None,
    price_scale: float | None = None,
    repair: Literal["raise", "drop"] = "raise",
    columns: str | Mapping[str, str] = "",
    time_format: str | None = None,
    decimal: Literal["point", "comma"] | None = None,
    adjust: Literal["auto", "none"] = "auto",
    stamp: Literal["open", "close"] = "open",
    bars: Literal["regular", "irregular"] = "regular",
    resample: str = "",
    fills: str | Path | Sequence[str | Path] = (),
) -> Market:
    """Read the bars of one or several symbols.

    Args:
        path: A table as CSV and its like (packed as gz, bz2, xz, zst, zip or not), Parquet or
            Feather, several, or a folder of them.
        format: Format of the files; `auto` finds it.
        symbol: Names all that is read; else a column or the file's name does.
        interval: Interval of the bars, such as `1h`; else the most common difference of their
            times.
        session: `continuous`, `weekdays` or `exchange`; else found from the times.
        timezone: IANA name of what times without a zone mean.
        price_scale: Prices in the file are this many times the price.
        repair: `raise` refuses bad rows, `drop` drops and reports them.
        columns: Which column is which where names do not say it, such as `time=ts,volume=vol`, or a
            mapping; columns without a header are called 0, 1, 2, and so on.
        time_format: How times are written, such as `%d.%m.%Y %H:%M`; else found.
        decimal: The decimal sign, `point` or `comma`; else found.
        adjust: `auto` adjusts all prices by an adjusted close where there is one, `none` does not.
        stamp: Whether times say when a bar opens or when it closes.
        bars: `regular` bars have one length; `irregular` ones, of ticks, volume or dollars, are
            over when the next one opens, and horizons count them.
        resample: Length such as `15min` that bars are put together to; empty leaves them.
        fills: Finer bars of the same market, such as `1m.csv`, that orders are filled from in
            place of the opens; read as `path` is.

    Returns:
        Bars by symbol: `bars["BTCUSD"].frame` is a DataFrame.

    Raises:
        BarsError: Bars that break a rule, with the rule, the row, the value and the remedy.
        FileNotFoundError: There is no such file.

    Example:
        >>> import ultimate_deep as ud
        >>> from ultimate_deep.market.readers import write_bars
        >>> path = write_bars(ud.simulate_bars(600)["SIMULATED"], "bars.csv")
        >>> bars = ud.read_bars("bars.csv", symbol="MINE")
        >>> bars
        <market: MINE 600 bars of 1 hour, 2000-01-01 to 2000-01-25>
        >>> list(bars.frame().columns)
        ['open', 'high', 'low', 'close', 'volume']
    """
    paths = (path,) if isinstance(path, (str, Path)) else path
    if not isinstance(paths, Sequence) or not paths:
        raise ValueError(
            f"path names a file, a folder or several files, got {type(path).__name__}; a DataFrame "
            "is not read but given as it is, to run, judge or compute_features"
        )
    asked: dict[str, Any] = {
        "path": given.given_names("path", paths), "format": format, "symbol": symbol,
        "interval": interval, "session": session, "timezone": timezone,
        "price_scale": price_scale, "repair": repair, "columns": _columns(columns),
        "time_format": time_format, "decimal": decimal, "adjust": adjust, "stamp": stamp,
        "bars": bars, "resample": resample, "fills": given.given_fills(fills),
    }  # fmt: skip
    data = DataConfig(**fitted_fields(DataConfig, asked, ""))
    from ultimate_deep.market.market import load_market

    return load_market(data, LabelSpec())


def _columns(stated: Any) -> Any:
    if not isinstance(stated, Mapping):
        return stated
    return ",".join(f"{role}={name}" for role, name in stated.items())


def simulate_bars(
    rows: int = 20_000,
    *,
    edge: float = 0.1,
    seed: int = 7,
    interval: str = "1h",
    horizon_bars: int = 1,
    simulation: SimulationSpec | Mapping[str, Any] = SimulationSpec(),
) -> Market:
    """Simulate a market whose answer is known.

    Args:
        rows: Bars of each symbol.
        edge: Accuracy, minus one half, of one who knows the rules; 0 for a market without any.
        seed: Same seed, same bars.
        interval: Interval of the bars.
        horizon_bars: Bars over which the edge is had.
        simulation: What the market is made of: signal, jumps, regimes, assets.

    Returns:
        Bars by symbol; `probability_up` is the truth of each bar.

    Example:
        >>> import ultimate_deep as ud
        >>> bars = ud.simulate_bars(1_000, edge=0.2)
        >>> bars
        <simulated market: SIMULATED 1,000 bars of 1 hour, 2000-01-01 to 2000-02-11>
        >>> truth = bars.probability_up["SIMULATED"]  # NaN where the horizon ends after the bars
        >>> bool((truth[:-2] > 0.6).any())
        True
    """
    from ultimate_deep.market.market import load_market

    data = DataConfig(
        simulated_rows=given.given_count("rows", rows, example=20_000),
        simulated_edge=fitted("edge", edge, float, default=0.1),
        simulated_interval=given.given_text("interval", interval, example="1h"),
        simulated_seed=given.given_seed(seed),
        simulation=fitted("simulation", simulation, SimulationSpec),
    )
    horizon = given.given_count("horizon_bars", horizon_bars)
    return load_market(data, LabelSpec(horizon_bars=horizon))
