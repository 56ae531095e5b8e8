"""Tables behind windows: which rows are complete, what they hold, how they are scaled."""

import dataclasses
import functools

import numpy as np
import pytest

from ultimate_deep.experiments.experiment import prepare
from ultimate_deep.features import compute_features
from ultimate_deep.features.gaf import gaf_numbers
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.timeframes import coarse_bars
from ultimate_deep.market.times import clock_of
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.inputs.config import COARSE_FEATURES, InputConfig
from ultimate_deep.training.progress import Progress

NAMES = ("return_log_1", "range_log", "close_to_sma_10")


@functools.cache
def prepared(kind, **fields):
    config = ExperimentConfig(
        data=DataConfig(simulated_rows=1_200),
        features=FeatureConfig(names=NAMES),
        inputs=InputConfig(kind=kind, **fields),
        model=ModelConfig(name="linear"),
    )
    return prepare(config, Progress())


def test_a_window_is_the_last_rows_oldest_first():
    whole = prepared("window", window_bars=8)
    assert whole.inputs.shapes == {"bars": (8, 3)}
    chosen = whole.split.validation[[0, 5]]
    windows = whole.inputs.take(chosen)[:]
    for window, row in zip(windows, chosen, strict=True):
        np.testing.assert_array_equal(window, whole.scaled[row - 7 : row + 1])
    # The first seven rows have no whole window; the split's boundaries stay where they were.
    plain = prepared("features")
    assert whole.split.boundaries == plain.split.boundaries
    assert len(plain.split.train) - len(whole.split.train) == 7
    np.testing.assert_array_equal(whole.split.test, plain.split.test)


def test_coarse_windows_hold_bars_that_are_over():
    fields = {"timeframes": (4,), "coarse_window_bars": 5, "coarse_features": NAMES}
    whole = prepared("timeframes", window_bars=8, **fields)
    assert whole.inputs.shapes == {"bars": (8, 3), "bars_4x": (5, 3)}
    bars = next(iter(whole.market.bars.values()))
    coarse = coarse_bars(bars.frame, bars.interval, 4)
    values = compute_features(coarse.frame, NAMES).values
    scaler = whole.inputs.scalers["bars_4x"]
    row = int(whole.split.test[3])
    newest = coarse.newest[whole.rows.bar_row[row]]
    expected = scaler.transform(values[newest - 4 : newest + 1])
    found = whole.inputs.take(np.array([row]))["bars_4x"][:][0]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    # Over: the coarse bar ends no later than the decision.
    end = coarse.frame.index[newest] + 4 * bars.interval
    assert end.tz_convert(None).to_datetime64() <= whole.rows.decision_time[row]


def test_coarse_scalers_see_the_training_part_alone():
    whole = prepared("timeframes", timeframes=(4,), coarse_features=NAMES)
    bars = next(iter(whole.market.bars.values()))
    coarse = coarse_bars(bars.frame, bars.interval, 4)
    values = compute_features(coarse.frame, NAMES).values
    seen = np.unique(coarse.newest[whole.rows.bar_row[whole.labelled("train")]])
    np.testing.assert_allclose(
        whole.inputs.scalers["bars_4x"].center_, np.median(values[seen], axis=0), atol=1e-7
    )


def test_pictures_are_the_numbers_of_the_closes():
    fields = {"gaf_timeframes": (1, 2), "gaf_window_bars": 64, "gaf_size": 16}
    whole = prepared("gaf", **fields)
    assert whole.inputs.shapes == {"gaf_1x": (16,), "gaf_2x": (16,)}
    bars = next(iter(whole.market.bars.values()))
    row = whole.split.test[:1]
    at = int(whole.rows.bar_row[row[0]])
    closes = bars.frame["close"].to_numpy()[at - 63 : at + 1]
    found = whole.inputs.take(row)
    np.testing.assert_allclose(found["gaf_1x"][:], gaf_numbers(closes, 64, 16), atol=1e-6)
    assert np.abs(found["gaf_2x"][:]).max() <= 1


def test_windows_never_cross_symbols():
    spec = dataclasses.replace(DataConfig().simulation)
    spec = dataclasses.replace(spec, assets=dataclasses.replace(spec.assets, count=2))
    config = ExperimentConfig(
        data=DataConfig(simulated_rows=700, simulation=spec),
        features=FeatureConfig(names=NAMES),
        inputs=InputConfig(kind="window", window_bars=8),
        model=ModelConfig(name="linear"),
    )
    whole = prepare(config, Progress())
    complete = whole.inputs.tables.complete
    firsts = np.flatnonzero(np.diff(whole.rows.symbol_code, prepend=-1))
    assert len(firsts) == 2
    for first in firsts:
        assert not complete[first : first + 7].any()
        assert complete[first + 7]


def test_the_clock_is_exact():
    times = np.array(["2021-03-01T13:45:59", "1969-12-31T23:59:59"], dtype="datetime64[ns]")
    assert clock_of(times).tolist() == [[18687.0, 49559.0], [-1.0, 86399.0]]


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"window_bars": 0}, "inputs.window_bars must be at least 1"),
        ({"window_bars": 16_385}, "inputs.window_bars .* at most 16,384"),
        ({"timeframes": (16, 4)}, "inputs.timeframes must be rising"),
        ({"timeframes": (1, 4)}, "from 2 on"),
        ({"gaf_size": 200}, "at most gaf_window_bars=128"),
        ({"coarse_features": ()}, "at least one feature"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(fields, rule):
    with pytest.raises(ValueError, match=rule):
        InputConfig(**fields)


def test_too_few_bars_name_the_input():
    with pytest.raises(ValueError, match=r"bars 400 times as long: these features need"):
        prepared("timeframes", timeframes=(400,))
    with pytest.raises(ValueError, match=r"rows that have each: .*'gaf_16x': 0"):
        prepared("gaf", gaf_timeframes=(1, 16))


def test_the_default_coarse_features_exist_and_settle_soon():
    from ultimate_deep.features import feature_table

    table = feature_table().set_index("name")
    assert table.loc[list(COARSE_FEATURES), "warmup_bars"].max() <= 30
