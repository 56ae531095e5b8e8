"""Changed bars: the past untouched, every bar valid, the future really another."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.leaks.perturbation import (
    POISONS,
    newest,
    noise_market,
    poison,
    rescale,
    truncate,
)
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.market.times import close_times, open_times
from ultimate_deep.market.validation import validate_bars


@pytest.mark.parametrize("kind", POISONS)
def test_poison_changes_every_later_bar_and_no_earlier_one(kind, two_markets):
    time = close_times(two_markets["FIRST"])[500]
    cut = poison(two_markets, time, kind, seed=1)
    assert cut.bars_from == open_times(two_markets["FIRST"])[501]
    for symbol, bars in cut.market.items():
        before = two_markets[symbol].frame
        assert bars.frame.index.equals(before.index)
        pd.testing.assert_frame_equal(bars.frame[:501], before[:501])
        assert (bars.frame[501:] != before[501:]).to_numpy().all()
        validate_bars(bars.frame, symbol=symbol)


def test_rise_and_fall_turn_every_kind_of_label(one_market):
    bars = one_market["FIRST"]
    time = close_times(bars)[600]
    for spec in (
        LabelSpec(),
        LabelSpec(horizon_bars=12),
        LabelSpec(kind="triple_barrier", horizon_bars=20, barrier_window_bars=20),
    ):
        up, down = (
            make_labels(poison(one_market, time, kind, seed=2).market["FIRST"].frame, spec).values
            for kind in ("rise", "fall")
        )
        assert up[600] == 1.0
        assert down[600] == 0.0


def test_poison_leaves_absent_volume_absent(one_market):
    bars = one_market["FIRST"]
    silent = {"FIRST": dataclasses.replace(bars, frame=bars.frame.assign(volume=0.0))}
    for kind in POISONS:
        changed = poison(silent, close_times(bars)[10], kind, seed=0).market["FIRST"]
        assert not changed.has_volume


def test_bars_in_progress_at_the_cut_count_as_later(one_market):
    bars = one_market["FIRST"]
    middle = open_times(bars)[100] + np.timedelta64(20, "m")
    assert len(truncate(one_market, middle).market["FIRST"]) == 100
    changed = poison(one_market, middle, "wild", seed=0).market["FIRST"].frame
    assert (changed.iloc[100] != bars.frame.iloc[100]).all()
    assert changed.iloc[99].equals(bars.frame.iloc[99])


def test_rescaled_newest_and_noise(two_markets):
    quarter = rescale(two_markets, 0.25)["SECOND"].frame
    pd.testing.assert_series_equal(quarter["close"] * 4.0, two_markets["SECOND"].frame["close"])
    pd.testing.assert_series_equal(quarter["volume"], two_markets["SECOND"].frame["volume"])
    kept = newest(two_markets, 600)
    assert [len(bars) for bars in kept.values()] == [300, 300]
    assert kept["FIRST"].frame.index[-1] == two_markets["FIRST"].frame.index[-1]
    first = two_markets["FIRST"]
    short = {"SHORT": dataclasses.replace(first, frame=first.frame[:30])}
    assert len(noise_market(short, seed=1)["SHORT"]) == 30
    noise = noise_market(two_markets, seed=1)
    assert list(noise) == list(two_markets)
    assert not noise["FIRST"].frame["close"].equals(noise["SECOND"].frame["close"])
    assert all(bars.simulated for bars in noise.values())
