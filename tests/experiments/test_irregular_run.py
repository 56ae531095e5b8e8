"""From irregular bars to a verdict, a bundle, and what a new process says of them again."""

import dataclasses
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import ultimate_deep as ud
from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.bundles.predicting import bundle_data, closed_bars, length_notes, market_of
from ultimate_deep.experiments.learners import net
from ultimate_deep.experiments.walk_forward.config import WalkForwardConfig
from ultimate_deep.experiments.walk_forward.walk_forward import scheme_of
from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.config import DataConfig, LabelSpec, SplitSpec
from ultimate_deep.market.times import utc_times

NAMES = ["return_log_1", "return_log_2", "elapsed_log_20", "hour_sin"]
HORIZON = 3
ASKED = """
import sys
import ultimate_deep as ud
bars = ud.read_bars(sys.argv[2], bars="irregular")
ud.predict(sys.argv[1], bars).to_csv(sys.argv[3], index=False)
"""


def ticks(rows=1_200, seed=0, minutes=8.0):
    """Bars in bursts whose moves go on, so that there is something to learn."""
    draw = np.random.default_rng(seed)
    gaps = (np.exp(draw.normal(0, 1.5, rows)) * minutes * 6e10).astype(np.int64) + 1
    times = pd.Timestamp("2024-01-02", tz="UTC").value + np.cumsum(gaps)
    moves = np.zeros(rows)
    for row in range(1, rows):
        moves[row] = 0.8 * moves[row - 1] + draw.normal(0, 0.002)
    close = 100 * np.exp(np.cumsum(moves))
    opens = np.r_[100.0, close[:-1]] * np.exp(draw.normal(0, 1e-5, rows))
    table = {"open": opens, "high": np.maximum(opens, close) * 1.0001,
             "low": np.minimum(opens, close) * 0.9999, "close": close,
             "volume": draw.integers(1, 99, rows).astype(float)}  # fmt: skip
    return pd.DataFrame(table, index=pd.DatetimeIndex(times, tz="UTC", name="timestamp"))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("bars") / "abc.csv"
    ticks().to_csv(path)
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return ud.ExperimentConfig(
        model={"name": "hist_gradient_boosting", "preset": "tiny"},
        features={"names": NAMES}, label={"horizon_bars": HORIZON}, baselines=False,
        artifacts=str(tmp_path_factory.mktemp("artifacts")),
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(config, file, plain_figures):
    bars = ud.read_bars(file, bars="irregular")
    return ud.run(config, bars=bars, progress=False)


@pytest.fixture(scope="module")
def bundle(done):
    return load_bundle(done.folder)


def test_the_run_says_of_what_kind_its_bars_were(done, bundle):
    assert done.figures["model"]["accuracy"] > 0.6  # what goes on is learnt
    (stored,) = bundle.metrics["data"].values()
    assert (stored["irregular"], stored["stamp"], stored["session"]) == (True, "open", None)
    frame = ticks()
    years = (frame.index[-1] - frame.index[0]) / pd.Timedelta(days=365.25)
    assert stored["bars_per_year"] == pytest.approx(1_199 / years, rel=1e-12)
    assert "Irregular bars as stated" in done.report.read_text()
    assert bundle_data(bundle, DataConfig(path="other.csv")).bars == "irregular"


def test_a_new_process_predicts_and_leaves_out_the_bar_that_may_not_be_over(
    done, bundle, file, tmp_path
):
    made = tmp_path / "p.csv"
    command = [sys.executable, "-c", ASKED, str(done.folder), str(file), str(made)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert f"no bar opens after that of {ticks().index[-1]}" in said
    table = pd.read_csv(made, parse_dates=["timestamp", "decision_time"])
    opens = utc_times(ticks().index)
    np.testing.assert_array_equal(utc_times(table["timestamp"]), opens[-1 - len(table) : -1])
    np.testing.assert_array_equal(utc_times(table["decision_time"]), opens[-len(table) :])
    whole = bundle.predict_proba(ticks())["up"].to_numpy()[-1 - len(table) : -1]
    np.testing.assert_allclose(table["probability_up"], whole, rtol=1e-12)


def test_times_that_are_closes_predict_the_last_bar_too(bundle, file, monkeypatch):
    market = ud.read_bars(file, bars="irregular", stamp="close")
    kept, notes = closed_bars(market)
    assert notes == ()
    table = ud.predict(bundle, market)
    assert table["decision_time"].iloc[-1] == ticks().index[-1]
    stored = {"ABC": {**bundle.metrics["data"]["ABC"], "stamp": "close"}}
    changed = type("Asked", (), {"metrics": {"data": stored}})
    given = market_of(changed, ticks())["bars"]
    np.testing.assert_array_equal(given.closes, kept["ABC"].closes)
    # A table of closes is answered by its own times: its first bar is none.
    plain = bundle.predict_proba(market)["up"].to_numpy()
    monkeypatch.setitem(bundle.metrics["data"]["ABC"], "stamp", "close")
    answered = bundle.predict_proba(ticks())
    pd.testing.assert_index_equal(answered.index, ticks().index)
    np.testing.assert_array_equal(answered["up"].to_numpy()[1:], plain)
    assert np.isfinite(answered["up"].iloc[-1])


def test_backtest_and_judge_go_on_with_irregular_bars(done, bundle, file, tmp_path):
    again = ud.backtest(bundle, ud.read_bars(file, bars="irregular"))
    assert again.differing == ()
    again = ud.backtest(bundle, ticks())
    assert again.figures["model"] == pytest.approx(dict(done.figures["model"]), nan_ok=True)
    # A perfect foresight of the horizon, judged on the file's own bars.
    frame, bars = ticks(), ud.read_bars(file, bars="irregular")
    opens = frame["open"].to_numpy()
    up = np.full(len(frame), np.nan)
    up[: -1 - HORIZON] = opens[1 + HORIZON :] > opens[1:-HORIZON]
    mine = pd.Series(up, index=frame.index)[800 + HORIZON + 1 :]
    asked = {"horizon_bars": HORIZON, "baselines": False, "artifacts": tmp_path}
    early = pd.Series(up, index=frame.index)[800:]
    with pytest.raises(ValueError, match="4 predictions are no test of a model"):
        ud.judge(early, bars, trained_until=frame.index[800], **asked)
    found = ud.judge(mine, bars, trained_until=frame.index[800], **asked)
    assert found.figures["predictions"]["accuracy"] == 1.0


def test_bars_of_another_kind_or_length_are_named(bundle, file):
    hours = ud.simulate_bars(600)
    (note,) = length_notes(bundle, hours)
    assert "3600 s long and the model was trained on irregular bars" in note
    with pytest.warns(UserWarning, match="trained on irregular bars"):
        ud.predict(bundle, hours)
    assert length_notes(bundle, ud.read_bars(file, bars="irregular")) == ()
    slower = market_of(bundle, ticks(minutes=40.0))
    assert (
        "in the median and those that the model was trained on" in (length_notes(bundle, slower)[0])
    )
    stored = {"A": {"interval_seconds": 3600.0}}  # as bundles of before say it
    regular = type("Asked", (), {"metrics": {"data": stored}})
    (note,) = length_notes(regular, slower)
    assert "irregular and the model was trained on bars of 3600 s" in note


def test_several_symbols_are_refused_before_anything_is_computed(config, tmp_path):
    for seed in (1, 2):
        ticks(300, seed).to_csv(tmp_path / f"s{seed}.csv")
    bars = ud.read_bars(tmp_path, bars="irregular")
    with pytest.raises(ValueError, match="share no times, got S1, S2"):
        ud.prepare(config, bars=bars)


@pytest.mark.parametrize("stamp", ["open", "close"])
def test_folds_of_a_walk_forward_are_purged_in_real_time(config, stamp):
    data = DataConfig(bars="irregular", stamp=stamp)
    told = dataclasses.replace(config, data=data, split=SplitSpec(embargo_bars=2))
    prepared = ud.prepare(told, bars=ticks(700))
    times, complete = utc_times(ticks(700).index), prepared.complete
    at = prepared.rows.bar_row[complete] + (stamp == "close")
    decided = times[at] if stamp == "close" else times[np.minimum(at + 1, 699)]
    ended = times[np.minimum(at + 1 + HORIZON, 699)]
    for fold in scheme_of(prepared, WalkForwardConfig()).folds():
        begins = decided[fold.test].min()
        assert ended[fold.train].max() < begins - 2 * prepared.market.interval.to_timedelta64()
        # The row after the last that trains would come too near.
        between = (times > ended[fold.train[-1] + 1]) & (times <= begins)
        near = begins - ended[fold.train[-1] + 1] <= 2 * prepared.market.interval
        assert near or between.sum() <= 2


def test_a_memory_knows_no_label_before_its_end(config, monkeypatch):
    """Clocks count seconds, and bars of ticks are known between two of them."""
    given = []
    monkeypatch.setattr(
        net.nets,
        "memory_filler",
        lambda name: lambda model, x, y, returns, known: given.append(known),
    )
    told = dataclasses.replace(config, data=DataConfig(bars="irregular"))
    prepared = ud.prepare(told, bars=ticks(300))
    net.fill_memory(prepared, None)
    ((day, second),) = (one.T.astype(np.int64) for one in given)
    known = np.datetime64(0, "s") + (day * 86_400 + second).astype("m8[s]")
    late = known - prepared.rows.label_end_time[prepared.labelled("train")]
    assert late.min() >= np.timedelta64(0, "ns")
    assert late.max() < np.timedelta64(1, "s")


def test_a_table_is_irregular_where_the_configuration_says_so(config):
    with pytest.raises(BarsError, match="bars of no fixed length"):
        ud.prepare(config, bars=ticks(300))
    told = dataclasses.replace(config, data=DataConfig(bars="irregular"))
    assert ud.prepare(told, bars=ticks(300)).market.irregular
    closes = dataclasses.replace(config, data=DataConfig(bars="irregular", stamp="close"))
    assert len(ud.prepare(closes, bars=ticks(300)).market["bars"]) == 299
    far = dataclasses.replace(told, label=LabelSpec(horizon_bars=99))
    with pytest.raises(ValueError, match="need at least 101 bars, got 60"):
        ud.run(far, bars=ticks(60), progress=False)
