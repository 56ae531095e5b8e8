"""Values that no market has: refused in words beyond their bounds, finite features within them."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features import BarRefusedError, FeatureStream, compute_features, timeframe_names
from ultimate_deep.features.engine.bar_executor import LARGEST, LEAST
from ultimate_deep.features.engine.graph import COLUMNS
from ultimate_deep.features.engine.runner import evaluate, program_of
from ultimate_deep.features.feature_engine import LIMIT
from ultimate_deep.features.registry import registry

FEATURES = list(registry().features.values())
BOUNDS = "must be 0 or between 1e-50 and 1e[+]50 in size"
FINE = ("return_log_1", "rsi_14", "book_imbalance_1")
NAMES = (*FINE, *timeframe_names(("return_log_3", "book_spread_bps"), (5,)))


@pytest.mark.parametrize("part", [1.0, 0.03], ids=["all bars", "a few bars"])
def test_every_feature_is_finite_within_the_bounds(make_exact_bars, part):
    """Prices, volumes and further columns jump between the bounds and 0."""
    names = program_of(tuple(feature.node for feature in FEATURES)).columns
    frame = make_exact_bars(1200, "1h")
    draw = np.random.default_rng(5)
    prices = draw.choice([LEAST, 1.0, LARGEST], (4, len(frame)))
    prices[[0, 3]] = np.clip(prices[[0, 3]], prices.min(axis=0), prices.max(axis=0))
    prices[1], prices[2] = prices.max(axis=0), prices.min(axis=0)
    others = [0.0, LEAST, 1.0, LARGEST]
    columns = np.empty((len(names), len(frame)))
    for row, name in enumerate(names):
        if name == "timestamp":
            columns[row] = frame.index.as_unit("s").asi8
            continue
        wild = prices[row] if row < 4 else draw.choice(others, len(frame))
        columns[row] = np.where(draw.random(len(frame)) < part, wild, frame[name])
    columns[1], columns[2] = columns[:4].max(axis=0), columns[:4].min(axis=0)
    values = evaluate([f.node for f in FEATURES], columns, dtype=np.float32, limit=LIMIT)
    late = {f.name for k, f in enumerate(FEATURES) if np.isnan(values[f.warmup_bars :, k]).any()}
    assert late == set()
    assert np.abs(values[600:]).max() <= LIMIT


@pytest.mark.parametrize("names", [NAMES, FINE], ids=["coarser bars too", "fine bars"])
@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("high", 1.1e50, BOUNDS),
        ("volume", 1e151, BOUNDS),
        ("volume", 1e-60, BOUNDS),
        ("bid_size_1", 1e308, BOUNDS),
        ("bid_size_1", -1e60, BOUNDS),
        ("bid_size_1", -1e-60, BOUNDS),
        ("low", 9e-51, BOUNDS),
        ("low", 5e-324, BOUNDS),
        ("low", -1.0, "above zero"),
    ],
)
def test_values_beyond_the_bounds_are_refused_and_change_nothing(
    make_exact_bars, names, column, value, told
):
    frame = make_exact_bars(200, "1min")
    stream = FeatureStream(names, interval="1min")
    frame = frame[[name for name in stream.columns if name in frame]]
    want = stream.copy().extend(frame).values
    stream.extend(frame[:150])
    bad = frame[150:].copy()
    bad.iloc[0, bad.columns.get_loc(column)] = value
    row = bad.iloc[0].to_dict()
    with pytest.raises(BarRefusedError, match=told):
        stream.push(bad.index[0], **row)
    for refuse in (stream.extend, lambda bars: compute_features(bars, names, interval="1min")):
        with pytest.raises(ValueError, match=rf"{column} of the bar at .* \(row 0\).*{told}"):
            refuse(bad)
    got = [
        stream.push(time, **one)
        for time, one in zip(frame.index[150:], _rows(frame[150:]), strict=True)
    ]
    np.testing.assert_array_equal(got, want[150:])


def _rows(frame: pd.DataFrame) -> list[dict[str, float]]:
    assert set(COLUMNS[:5]) <= set(frame.columns)
    return frame.to_dict("records")
