"""What a run may be asked to compute."""

import dataclasses

import numpy as np
import pytest

from ultimate_deep import simulate_bars
from ultimate_deep.experiments.exploring.config import ExplorationConfig
from ultimate_deep.experiments.exploring.exploration import explore
from ultimate_deep.features import compute_features, feature_names
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import Market, as_market
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.prepared import prepare
from ultimate_deep.pipeline.rows import assemble_rows, check_feature_names, feature_function
from ultimate_deep.training.progress import Progress

COARSE = {"names": ("rsi_14", "rsi_14_5x")}
NOWHERE = DataConfig(path="nowhere.csv")  # read only once all names are known
REMEDY = r"got rsi_14_5x of bars several times as long; leave it out, and give inputs.timeframes"
SMALL = DataConfig(simulated_rows=3_000)


def test_coarser_bars_of_coarse_bars_are_refused_before_the_bars_are_read():
    inputs = {"kind": "timeframes", "coarse_features": ("rsi_14_5x",)}
    with pytest.raises(ValueError, match=r"inputs\.coarse_features .*" + REMEDY):
        prepare(ExperimentConfig(data=NOWHERE, inputs=inputs), Progress())
    check_feature_names((), "features.names")
    check_feature_names(("rsi_14", "rsi_14_5x"), "features.names")
    with pytest.raises(ValueError, match="rsi_41"):
        check_feature_names(("rsi_41",), "features.names")


def test_a_run_reads_features_of_coarser_bars():
    inputs = {"kind": "features"}
    prepared = prepare(ExperimentConfig(data=SMALL, features=COARSE, inputs=inputs), Progress())
    assert prepared.rows.names == COARSE["names"]
    bars = prepared.market[prepared.market.only()]
    values = compute_features(bars.frame, COARSE["names"], interval=bars.interval).values
    np.testing.assert_array_equal(prepared.rows.values, values[prepared.rows.bar_row])
    explored = explore(ExplorationConfig(data=SMALL, features=COARSE), Progress())
    assert explored.names == COARSE["names"]
    assert explored.missing.tolist() == [0, 0]


def test_every_symbol_and_every_part_of_its_bars_has_the_same_features():
    """The interval is the market's: a few sparse bars, of which none shows it, change nothing."""
    frame = simulate_bars(1_500, seed=3).frame()
    sparse = frame.iloc[::2]
    bars = as_market(frame)["bars"]
    other = dataclasses.replace(bars.keep(slice(None, None, 2)), symbol="B")
    market = Market({"A": bars, "B": other})
    compute = feature_function(market)
    whole = compute(sparse)
    assert set(feature_names("timeframes")) <= set(whole.names)
    stated = compute_features(sparse, whole.names, interval="1h").values
    np.testing.assert_array_equal(whole.values, stated)
    coarse = [whole.names.index(name) for name in feature_names("timeframes")]
    found = compute_features(sparse, whole.names).values  # as if bars were of two hours
    assert not np.array_equal(found[:, coarse], stated[:, coarse], equal_nan=True)
    rows = assemble_rows(market, LabelSpec(), compute)
    assert rows.symbols == ("A", "B")
    of_b = rows.symbol_code == 1
    np.testing.assert_array_equal(rows.values[of_b], whole.values[rows.bar_row[of_b]])
