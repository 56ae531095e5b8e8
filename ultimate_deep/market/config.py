"""What may be asked of bars, labels and splits: configuration, importable without pandas."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ultimate_deep.machine.fields import check_fields, check_seed
from ultimate_deep.market.simulation_spec import SimulationSpec

LABEL_KINDS = ("direction", "triple_barrier", "pattern")
# Those of a user's own, which a plugin has registered.
OWN_KINDS: list[str] = []
Adjust = Literal["auto", "none"]
BarKind = Literal["regular", "irregular"]
Stamp = Literal["open", "close"]
Ties = Literal["drop", "down", "up"]


@dataclass(frozen=True, kw_only=True)
class LabelSpec:
    """What is to be predicted.

    A decision at bar t's close is filled at the open of bar t+1; the horizon ends at the open of
    bar t+1+horizon_bars.

    Attributes:
        kind: `direction`: is the return from open to open above zero? `triple_barrier`: which
            barrier does the price meet first, the upper (1) or the lower (0)? Without a touch
            inside the horizon, the direction decides. `pattern`: which candlestick pattern ends at
            bar t, of nine classes (`market.candlesticks`), for pictures in files alone.
        horizon_bars: Bars from entry to exit.
        ties: The label of a return that is zero, or not beyond the cost band: `drop` gives NaN,
            `down` 0, `up` 1.
        cost_band_bps: Returns of at most this size, either way, count as ties (simple return).
        barrier_up: Distance of the upper barrier in multiples of the volatility of one bar.
        barrier_down: Distance of the lower barrier, likewise.
        barrier_window_bars: Bars over which that volatility (root mean square of log returns from
            close to close, up to the decision's bar) is measured.
    """

    kind: str = "direction"
    horizon_bars: int = 1
    ties: Ties = "drop"
    cost_band_bps: float = 0.0
    barrier_up: float = 2.0
    barrier_down: float = 2.0
    barrier_window_bars: int = 50

    def __post_init__(self) -> None:
        check_fields(self, "label")
        kinds = (*LABEL_KINDS, *OWN_KINDS)
        if self.kind not in kinds:
            raise ValueError(f"label.kind must be one of {kinds}, got {self.kind!r}")
        if self.ties not in get_args(Ties):
            raise ValueError(f"ties must be one of {get_args(Ties)}, got {self.ties!r}")
        if self.horizon_bars < 1:
            raise ValueError(f"horizon_bars must be at least 1, got {self.horizon_bars}")
        if not 0 <= self.cost_band_bps < 10_000:
            raise ValueError(f"cost_band_bps must be in [0, 10000), got {self.cost_band_bps}")
        for name in ("barrier_up", "barrier_down"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above zero, got {getattr(self, name)}")
        if self.barrier_window_bars < 2:
            raise ValueError(
                f"barrier_window_bars must be at least 2, got {self.barrier_window_bars}"
            )

    @property
    def sides_alike(self) -> bool:
        """Whether the rule of a label treats moves up and down alike, however large they are.

        It does not where ties are given to one side, or barriers stand at two distances.
        """
        if self.kind == "triple_barrier":
            return self.barrier_up == self.barrier_down
        return self.kind == "direction" and (not self.cost_band_bps or self.ties == "drop")


@dataclass(frozen=True, kw_only=True)
class SplitSpec:
    """How rows are shared out in time.

    Attributes:
        train_fraction: The oldest share of the rows.
        validation_fraction: The next share; the rest is the test part.
        embargo_bars: Bars before each boundary into which no label of the earlier part may reach,
            on top of the purge.
    """

    train_fraction: float = 0.70
    validation_fraction: float = 0.15
    embargo_bars: int = 0

    def __post_init__(self) -> None:
        check_fields(self, "split")
        for name in ("train_fraction", "validation_fraction"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}")
        if self.train_fraction + self.validation_fraction >= 1:
            raise ValueError(
                "train_fraction + validation_fraction must leave rows to the test part, got "
                f"{self.train_fraction} + {self.validation_fraction}"
            )
        if self.embargo_bars < 0:
            raise ValueError(f"embargo_bars must not be negative, got {self.embargo_bars}")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which bars to use.

    Args:
        path: A file, a folder, or several files; empty means simulated bars.
        format: Named file format, or `auto`.
        symbol: Symbol of a single file; found from the file name where absent.
        interval: Bar length such as `1h` or `5min`; found where absent.
        session: `continuous`, `weekdays` or `exchange`; found where absent.
        timezone: Time zone of naive stamps, such as `UTC` or `America/New_York`.
        price_scale: What one price unit of the file is divided by.
        repair: `raise` refuses bad rows, `drop` drops and reports them.
        columns: Which column is which where names do not say it, such as `time=ts,volume=vol`;
            columns without a header are called 0, 1, 2, and so on.
        time_format: How times are written, such as `%d.%m.%Y %H:%M`, or from which day on numbers
            count, such as `days since 1970-01-01`; found where absent.
        decimal: The decimal sign, `point` or `comma`; found where absent.
        adjust: `auto` adjusts all prices by an adjusted close where the file has one, `none` takes
            them as they were.
        stamp: Whether times say when a bar opens or when it closes.
        bars: `regular` bars have one length; `irregular` ones, of ticks, volume or dollars, are
            counted as they come, and their times are real.
        resample: Length such as `15min` that read bars are put together to; empty leaves them.
        fills: Finer bars of the same market, a file, a folder or several, that orders are filled
            from in place of the opens; read as `path` is.
        simulated_rows: Bars to simulate.
        simulated_edge: Accuracy of the simulated market's oracle minus one half.
        simulated_interval: Bar length of the simulated market.
        simulated_seed: Seed of the simulated market.
        simulation: What the simulated market is made of.
    """

    path: str | tuple[str, ...] = ()
    format: str = "auto"
    symbol: str | None = None
    interval: str | None = None
    session: Literal["continuous", "weekdays", "exchange"] | None = None
    timezone: str | None = None
    price_scale: float | None = None
    repair: Literal["raise", "drop"] = "raise"
    columns: str = ""
    time_format: str | None = None
    decimal: Literal["point", "comma"] | None = None
    adjust: Adjust = "auto"
    stamp: Stamp = "open"
    bars: BarKind = "regular"
    resample: str = ""
    fills: str | tuple[str, ...] = ()
    simulated_rows: int = 20_000
    simulated_edge: float = 0.10
    simulated_interval: str = "1h"
    simulated_seed: int = 7
    simulation: SimulationSpec = SimulationSpec()

    def __post_init__(self) -> None:
        check_fields(self, "data")
        check_seed("data.simulated_seed", self.simulated_seed)

    @property
    def paths(self) -> tuple[str, ...]:
        """The named files or folders; empty for simulated bars."""
        return (self.path,) if isinstance(self.path, str) else self.path

    def refuse_fills(self) -> None:
        """Refuse finer bars where nothing is traded.

        Raises:
            ValueError: Naming the files of finer bars.
        """
        if self.fills:
            raise ValueError(
                f"data.fills is for what trades, and nothing is traded here, got {self.fills!r}; "
                "leave it out"
            )
