"""A market whose truth is known: every label's probability comes with the bars."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.intervals import interval_of
from ultimate_deep.market.simulated_book import BookNoise, book_frame
from ultimate_deep.market.simulation_noise import START, Noise, Path
from ultimate_deep.market.simulation_oracle import Realised, realise_edge
from ultimate_deep.market.simulation_spec import SimulationSpec
from ultimate_deep.market.simulator_kernels import WINDOW_BARS

__all__ = ["SimulatedMarket", "SimulationSpec", "simulate_assets", "simulate_bars"]


@dataclass(frozen=True, eq=False)
class SimulatedMarket:
    """Simulated bars and the truth about them.

    Attributes:
        bars: The bars, with `simulated=True`.
        probability_up: `(rows,)` float64, the true probability, given the bars up to t, that the
            label of row t is 1 (of those that the rule for ties keeps); NaN where the label's
            horizon passes the end.
        expected_return: `(rows,)` float64, the true mean of the label's log return from open to
            open, given the same; NaN there too.
        edge: The oracle's expected accuracy minus one half, `mean(max(p, 1 - p)) - 0.5`.
        label: What the probability is about.
        amplitude: Scale of the planted drift, in standard deviations of a bar; 0 without an edge.
        order_book: The book at each bar's close, columns `simulated_book.BOOK_COLUMNS` and the
            index of the bars; None unless the specification asks for it. Joined to the frame of
            the bars, it is what the features of the book take.
    """

    bars: Bars
    probability_up: np.ndarray
    expected_return: np.ndarray
    edge: float
    label: LabelSpec
    amplitude: float
    order_book: pd.DataFrame | None = None


def simulate_bars(
    rows: int,
    *,
    seed: int,
    edge: float = 0.0,
    interval: str | pd.Timedelta = "1h",
    label: LabelSpec = LabelSpec(),
    spec: SimulationSpec = SimulationSpec(),
) -> SimulatedMarket:
    """Simulate a market with a planted edge for one kind of label.

    The log return from open to open is `sigma * (drift + shock)`. Shocks are independent,
    symmetric, heavy-tailed (Student t, 5 degrees of freedom, cut at 8 standard deviations), with a
    smaller one of the same kind from the close to the next open, and jumps where they are asked
    for. `sigma` holds a GARCH(1, 1) recursion on past shocks, calm and turbulent regimes that a
    slow average of past shocks switches, and the hour of the day. The drift is
    `amplitude * g(past bars)`; the default g: prices continue after unusually high volume and
    revert after low volume (`planted_drift`).
    Both are known `horizon_bars` ahead, so that the distribution of a label's whole return is
    known at its decision; its probability is inverted from the characteristic function. High and
    low come from bridges between open and close; volume has a shape of the day and memory.

    The probability is that of one who knows the past bars and the rules: with waves of strength
    (`spec.regimes`) that includes their phase, and with `order_book` the past books.

    Args:
        rows: Bars, at least 64.
        seed: The same seed gives the same bars.
        edge: Expected accuracy of the oracle minus one half, for `label`; 0 plants no drift at
            all. The amplitude is solved so that the bars have it within 0.0005.
        interval: Interval of the bars; the market never closes.
        label: Kind `"direction"`, any horizon, cost band and rule for ties.
        spec: Signal, jumps, regimes, order book; one asset.

    Raises:
        ValueError: A label whose probability is not known exactly (triple barrier), an edge
            that cannot be reached, too few rows or more than the calendar holds, or several
            assets (`simulate_assets` gives those).

    Source: volatility, Bollerslev (1986), J. Econometrics 31(3), eq. 1; returns and volume, after
    Llorente, Michaely, Saar & Wang (2002), RFS 15(4); inversion, Gil-Pelaez (1951), Biometrika 38.
    """
    if spec.assets.count > 1:
        raise ValueError(
            f"simulate_bars gives one asset, got assets.count={spec.assets.count}; "
            "use simulate_assets"
        )
    markets = simulate_assets(rows, seed=seed, edge=edge, interval=interval, label=label, spec=spec)
    return next(iter(markets.values()))


def simulate_assets(
    rows: int,
    *,
    seed: int,
    edge: float = 0.0,
    interval: str | pd.Timedelta = "1h",
    label: LabelSpec = LabelSpec(),
    spec: SimulationSpec = SimulationSpec(),
) -> dict[str, SimulatedMarket]:
    """Simulate one or several assets, each with the same planted edge and its own truth.

    Shocks of different assets share a common factor, `sqrt(correlation) * common +
    sqrt(1 - correlation) * own`; the law of their sum stays known, and so does each label's
    probability given the past bars of all assets. With `lead_lag_bars`, the leader's past bars
    move the others. Args and errors as for `simulate_bars`.

    Returns:
        Markets by symbol, in order: `SIMULATED` for one asset, bit for bit that of
        `simulate_bars`; else `SIMULATED_1` (the leader), `SIMULATED_2` and so on.
    """
    step = interval_of(interval)
    _check_request(rows, edge, step, label)
    markets: dict[str, SimulatedMarket] = {}
    leader: Path | None = None
    for asset in range(spec.assets.count):
        noise = Noise.draw(rows, seed, step, label.horizon_bars, spec=spec, asset=asset)
        book = None
        if spec.has_book:
            book = BookNoise.draw(rows, np.random.default_rng([seed, 5, asset]))
        if leader is not None and spec.assets.lead_lag_bars:
            follows = lead_lag_drift(leader.close, spec.assets.lead_lag_bars)
            noise = replace(noise, kind="lead_lag", outside=follows)
        elif spec.signal == "order_book" and book is not None:
            noise = replace(noise, outside=book.imbalance())
        found = realise_edge(noise, edge, label)
        leader = leader or found.path
        symbol = "SIMULATED" if spec.assets.count == 1 else f"SIMULATED_{asset + 1}"
        markets[symbol] = _market(symbol, found, book, step=step, seed=seed, label=label)
    return markets


def lead_lag_drift(leader_close: np.ndarray, bars: int) -> np.ndarray:
    """Return g of the assets that follow, in (-1, 1), as known at each close, `(rows,)`.

    `tanh` of the leader's log return over the last `bars` bars, over `sqrt(bars)` times the root
    mean square of its last 20. Zero before there are enough bars.
    """
    out = np.zeros(len(leader_close))
    first = max(WINDOW_BARS, bars)
    if len(leader_close) <= first:
        return out
    log_close = np.log(leader_close)
    squares = np.convolve(np.diff(log_close) ** 2, np.ones(WINDOW_BARS), "valid") / WINDOW_BARS
    usual = np.sqrt(squares[first - WINDOW_BARS :] * bars)
    moved = (log_close[bars:] - log_close[:-bars])[first - bars :]
    out[first:] = np.tanh(np.divide(moved, usual, out=np.zeros_like(moved), where=usual > 0))
    return out


def _market(
    symbol: str,
    found: Realised,
    book: BookNoise | None,
    *,
    step: pd.Timedelta,
    seed: int,
    label: LabelSpec,
) -> SimulatedMarket:
    path = found.path
    times = START.value + np.arange(len(path.open)) * step.as_unit("ns").value
    index = pd.DatetimeIndex(times, tz="UTC", name="timestamp")
    columns = {name: getattr(path, name) for name in ("open", "high", "low", "close", "volume")}
    bars = Bars(
        frame=pd.DataFrame(columns, index=index),
        symbol=symbol,
        interval=step,
        session="continuous",
        simulated=True,
        notes=(f"Simulated bars, seed {seed}, oracle's edge {found.edge:.4f}.",),
    )
    return SimulatedMarket(
        bars=bars,
        probability_up=found.probability,
        expected_return=found.expected_return(label.horizon_bars),
        edge=found.edge,
        label=label,
        amplitude=found.amplitude,
        order_book=None if book is None else book_frame(book, bars.frame, path.sigma),
    )


def _check_request(rows: int, edge: float, step: pd.Timedelta, label: LabelSpec) -> None:
    if label.kind != "direction":
        raise ValueError(
            f"the probability of a label of kind {label.kind!r} is not known exactly; "
            "simulate with kind='direction'"
        )
    least = max(64, label.horizon_bars + 2 + WINDOW_BARS)
    if rows < least:
        raise ValueError(
            f"rows must be at least {least} with horizon_bars={label.horizon_bars}, got {rows}"
        )
    if not 0 <= edge < 0.5:
        raise ValueError(f"edge must be in [0, 0.5), got {edge}: accuracy is one half plus it")
    room = int((pd.Timestamp.max.tz_localize("UTC") - START) / step)
    if rows > room:
        raise ValueError(
            f"{rows:,} bars of {step} pass the end of the calendar, which holds {room:,}; "
            "give fewer rows or a shorter interval"
        )
