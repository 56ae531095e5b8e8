"""Simulated markets as inputs of every kind of model, with the truth that scores them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.features import compute_features
from ultimate_deep.features.gaf import gaf_numbers
from ultimate_deep.features.pictures.bar_image import BARS
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.market.market import load_market
from ultimate_deep.market.simulation_spec import SimulationSpec
from ultimate_deep.market.timeframes import coarse_bars
from ultimate_deep.market.times import clock_of, close_times
from ultimate_deep.market.windows import Windows
from ultimate_deep.models.inputs import Reads
from ultimate_deep.pipeline.scaling import ArrayScaler, fit_scaler
from ultimate_deep.training.arrays import Arrays

SIGNALS = ("interaction", "linear", "long_memory", "cross_timeframe")
# Bars of the window that holds nearly all that the signal's drift depends on: the last 64 shocks
# have a correlation of 0.95 with the drift of long memory, the others need 16, 20 and 80 bars.
WINDOW_BARS = {"interaction": 24, "linear": 24, "long_memory": 64, "cross_timeframe": 96}
COARSE_WINDOWS = {4: 24, 16: 12}
FIRST_ROW = 1_100  # every kind of input is known from here: 16 * (50 + 12) bars are the longest
SHARES = (0.70, 0.15, 0.15)
LABEL = LabelSpec()
PURGE_BARS = 2  # the fill at the next open, and the horizon

# What a window holds of each bar. What takes time, the model has to find itself: no column sums
# up the 4 and 16 bars, the 64 shocks or the coarse trend that the planted signals depend on.
BAR_FEATURES = (
    "momentum_z_1",
    "bollinger_position_20",
    "volume_surprise_z_20",
    "range_z_20",
    "close_location",
)
COARSE_FEATURES = ("momentum_z_1", "bollinger_position_20", "range_z_20", "close_location")
# What a model without windows gets of the decision's bar: the same and what sums up the past.
FLAT_FEATURES = (
    *BAR_FEATURES,
    "momentum_z_3",
    "momentum_z_5",
    "momentum_z_10",
    "momentum_z_20",
    "momentum_z_50",
    "momentum_skip_50_10",
    "close_to_sma_10",
    "close_to_sma_20",
    "close_to_sma_50",
    "close_to_sma_100",
    "sma_spread_5_20",
    "sma_spread_20_100",
    "slope_50",
    "close_rank_100",
    "haar_detail_4",
    "haar_detail_8",
    "haar_detail_16",
    "haar_detail_32",
    "haar_detail_64",
    "momentum_z_20_x_volume_surprise",
    "realised_volatility_20",
)


@dataclass(frozen=True, kw_only=True)
class MarketCase:
    """One simulated market of hourly bars.

    Args:
        signal: What the planted drift depends on, one of `SIGNALS`.
        rows: Number of bars.
        edge: The oracle's accuracy minus one half; 0 plants nothing.
        seed: Seed of the market.
        gaf_factors: How many bars make one of each series that is drawn as pictures.
        gaf_bars: Bars of that series in a picture.
        gaf_size: Height and width of a picture.
    """

    signal: str
    rows: int = 20_000
    edge: float = 0.2
    seed: int = 11
    gaf_factors: tuple[int, ...] = (1, 2, 4)
    gaf_bars: int = 128
    gaf_size: int = 64

    def __post_init__(self) -> None:
        if self.signal not in SIGNALS:
            raise ValueError(f"signal must be one of {SIGNALS}, got {self.signal!r}")
        if self.rows < 2 * FIRST_ROW:
            raise ValueError(
                f"rows must be at least {2 * FIRST_ROW}, got {self.rows}; ask for more, since the "
                f"first {FIRST_ROW} bars are the inputs' warm-up"
            )


@dataclass(frozen=True, eq=False)
class Task:
    """Inputs of one kind with labels and truth, in three parts by time.

    Args:
        parts: `train`, `validation` and `test`.
        truth: True probability of up on the test part, `(rows,)`.
        validation_truth: The same of the validation part.
        inputs: Shapes without batch, as builders take them.
        returns: Log returns of the training part, float32 `(rows, 1)`.
        known: When each training label is known, as days since 1970 and seconds of the day,
            float32 `(rows, 2)`.
    """

    parts: dict[str, Arrays]
    truth: np.ndarray
    validation_truth: np.ndarray
    inputs: dict[str, tuple[int, ...]]
    returns: np.ndarray
    known: np.ndarray


@dataclass(frozen=True, eq=False)
class _Rows:
    """The decisions of a market: bar, label, return and truth of each, and the parts' bounds."""

    bars: Bars
    row: np.ndarray
    label: np.ndarray
    return_log: np.ndarray
    truth: np.ndarray
    bounds: tuple[int, int]

    @property
    def train(self) -> np.ndarray:
        """Bars of the training part's decisions."""
        return self.row[: self.bounds[0]]

    def clock(self, bars_later: int) -> np.ndarray:
        """Days since 1970 and seconds of the day, bars after each decision, `(rows, 2)`."""
        later = self.bars.interval.to_timedelta64() * bars_later
        return clock_of(close_times(self.bars)[self.row] + later)


@functools.lru_cache(maxsize=8)
def make_task(case: MarketCase, reads: Reads) -> Task:
    """Return what a model that reads this kind of input needs to learn the market.

    The decisions are the same for every kind, so that all are scored on the same bars.

    Args:
        case: Market to learn.
        reads: `features`, `window`, `timeframes`, `gaf`, `bar_image` or
            `episodic`.
    """
    rows = _rows_of(case)
    makers = {
        "features": _flat,
        "window": _window,
        "timeframes": _timeframes,
        "gaf": _gaf,
        "bar_image": _bar_image,
        "episodic": _episodic,
    }
    x = makers[reads](rows, case)
    label = rows.label.astype(np.float32)[:, None]
    first, second = rows.bounds
    spans = {
        "train": slice(0, first - PURGE_BARS),
        "validation": slice(first, second - PURGE_BARS),
        "test": slice(second, None),
    }
    parts = {
        part: Arrays(x={name: values[span] for name, values in x.items()}, y=label[span])
        for part, span in spans.items()
    }
    shapes = {name: values.shape[1:] for name, values in x.items()}
    train = spans["train"]
    return Task(
        parts=parts,
        truth=rows.truth[spans["test"]],
        validation_truth=rows.truth[spans["validation"]],
        inputs=shapes,
        returns=rows.return_log[train].astype(np.float32)[:, None],
        known=rows.clock(LABEL.horizon_bars)[train],
    )


@functools.lru_cache(maxsize=8)
def _rows_of(case: MarketCase) -> _Rows:
    data = DataConfig(
        simulated_rows=case.rows,
        simulated_edge=case.edge,
        simulated_seed=case.seed,
        simulation=SimulationSpec(signal=case.signal),  # type: ignore[arg-type]
    )
    market = load_market(data, LABEL)
    (symbol,) = market.bars
    assert market.probability_up is not None
    bars, truth = market.bars[symbol], market.probability_up[symbol]
    labels = make_labels(bars.frame, LABEL)
    known = np.isfinite(labels.values) & np.isfinite(truth)
    known[:FIRST_ROW] = False
    row = np.flatnonzero(known)
    first = int(len(row) * SHARES[0])
    second = int(len(row) * (SHARES[0] + SHARES[1]))
    return _Rows(
        bars=bars,
        row=row,
        label=labels.values[row],
        return_log=labels.return_log[row],
        truth=truth[row],
        bounds=(first, second),
    )


def _flat(rows: _Rows, case: MarketCase) -> dict[str, np.ndarray]:
    return {"features": _scaled(rows.bars.frame, FLAT_FEATURES, rows.train)[rows.row]}


def _window(rows: _Rows, case: MarketCase) -> dict[str, np.ndarray]:
    table = _scaled(rows.bars.frame, BAR_FEATURES, rows.train)
    return {"bars": Windows(table, rows.row, WINDOW_BARS[case.signal])[:]}


def _episodic(rows: _Rows, case: MarketCase) -> dict[str, np.ndarray]:
    return _window(rows, case) | {"clock": rows.clock(0)}


def _timeframes(rows: _Rows, case: MarketCase) -> dict[str, np.ndarray]:
    table = _scaled(rows.bars.frame, BAR_FEATURES, rows.train)
    fine = min(WINDOW_BARS[case.signal], 32)
    x = {"bars": Windows(table, rows.row, fine)[:]}
    for factor, window_bars in COARSE_WINDOWS.items():
        coarse = coarse_bars(rows.bars.frame, rows.bars.interval, factor)
        train = np.unique(coarse.newest[rows.train])
        coarse_table = _scaled(coarse.frame, COARSE_FEATURES, train)
        x[f"bars_{factor}x"] = Windows(coarse_table, coarse.newest[rows.row], window_bars)[:]
    return x


def _gaf(rows: _Rows, case: MarketCase) -> dict[str, np.ndarray]:
    x = {}
    size = {"window": case.gaf_bars, "size": case.gaf_size}
    for factor in case.gaf_factors:
        coarse = coarse_bars(rows.bars.frame, rows.bars.interval, factor)
        ends, places = np.unique(coarse.newest[rows.row], return_inverse=True)
        closes = coarse.frame["close"].to_numpy()
        numbers = gaf_numbers(closes, **size, rows=ends, dtype=np.float32)
        x[f"gaf_{factor}x"] = numbers[places]
    return x


def _bar_image(rows: _Rows, case: MarketCase) -> dict[str, np.ndarray]:
    frame = rows.bars.frame
    columns = {name: frame[name].to_numpy() for name in BARS.series}
    return {"bar_image": BARS.numbers(columns, WINDOW_BARS[case.signal], 0, rows.row)}


def _scaled(frame: pd.DataFrame, names: tuple[str, ...], train: np.ndarray) -> np.ndarray:
    """Return features of every bar, scaled on the training part, float32; warm-up is zero."""
    values = compute_features(frame, names).values
    scaler = ArrayScaler.from_sklearn(fit_scaler(values, train))
    return np.nan_to_num(scaler.transform(values), nan=0.0)
