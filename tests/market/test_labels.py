"""Labels agree with a plain loop, and depend on nothing after the row that ends them."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import make_labels


def make_frame(rows, seed, coarse=False):
    generator = np.random.default_rng(seed)
    walk = 100 + np.cumsum(generator.integers(-1, 2, (rows, 4)).ravel() * 0.5)
    if not coarse:
        walk = walk + 0.1 * generator.random(4 * rows)
    path = walk.reshape(rows, 4)
    return pd.DataFrame(
        {
            "open": path[:, 0],
            "high": path.max(axis=1),
            "low": path.min(axis=1),
            "close": path[:, 3],
            "volume": 1.0,
        },
        index=pd.date_range("2024-01-01", periods=rows, freq="1h", tz="UTC"),
    )


def slow_labels(frame, spec):
    """Return values and exit rows, one decision after another."""
    bars = frame.to_dict("records")
    values, exits = [math.nan] * len(bars), [-1] * len(bars)
    for t in range(len(bars) - 1 - spec.horizon_bars):
        entry, end = bars[t + 1]["open"], t + 1 + spec.horizon_bars
        met = None
        if spec.kind == "triple_barrier":
            if t < spec.barrier_window_bars:
                continue
            window = range(t - spec.barrier_window_bars + 1, t + 1)
            squares = [math.log(bars[k]["close"] / bars[k - 1]["close"]) ** 2 for k in window]
            volatility = math.sqrt(sum(squares) / len(squares))
            if volatility == 0:
                continue
            upper = entry * math.exp(spec.barrier_up * volatility)
            lower = entry * math.exp(-spec.barrier_down * volatility)
            for k in range(t + 1, end):
                if bars[k]["open"] >= upper:
                    met = 1.0
                elif bars[k]["low"] <= lower:
                    met = 0.0
                elif bars[k]["high"] >= upper:
                    met = 1.0
                if met is not None:
                    end = k + 1
                    break
        change = bars[end]["open"] / entry - 1
        band = spec.cost_band_bps * 1e-4
        if met is None:
            tie = {"drop": math.nan, "down": 0.0, "up": 1.0}[spec.ties]
            met = 1.0 if change > band else 0.0 if change < -band else tie
        values[t], exits[t] = met, end
    return np.array(values), np.array(exits)


SPECS = [
    LabelSpec(),
    LabelSpec(ties="up", horizon_bars=3),
    LabelSpec(ties="down", cost_band_bps=60.0, horizon_bars=2),
    LabelSpec(cost_band_bps=60.0),
    LabelSpec(kind="triple_barrier", horizon_bars=8, barrier_window_bars=5),
    LabelSpec(kind="triple_barrier", horizon_bars=4, barrier_up=0.6, barrier_down=0.4,
              barrier_window_bars=2, ties="down"),
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("coarse", [True, False])
def test_labels_agree_with_a_plain_loop(spec, coarse):
    frame = make_frame(200, seed=3, coarse=coarse)
    labels = make_labels(frame, spec)
    values, exits = slow_labels(frame, spec)
    np.testing.assert_array_equal(labels.values, values)
    np.testing.assert_array_equal(labels.exit_row, exits)
    assert len(np.unique(values[~np.isnan(values)])) == 2
    defined = labels.exit_row >= 0
    np.testing.assert_array_equal(labels.entry_row, np.where(defined, np.arange(200) + 1, -1))
    np.testing.assert_array_equal(np.isnan(labels.return_log), ~defined)
    opens = frame["open"].to_numpy()
    np.testing.assert_allclose(
        labels.return_log[defined],
        np.log(opens[labels.exit_row[defined]] / opens[labels.entry_row[defined]]),
    )


def test_ties_follow_their_rule():
    frame = make_frame(300, seed=1, coarse=True)
    tied = make_labels(frame, LabelSpec()).return_log == 0
    assert tied.sum() > 20
    for ties, value in (("drop", np.nan), ("down", 0.0), ("up", 1.0)):
        np.testing.assert_equal(make_labels(frame, LabelSpec(ties=ties)).values[tied], value)


def test_a_bar_that_meets_both_barriers_counts_as_the_lower_one():
    frame = make_frame(12, seed=0)
    frame.loc[frame.index[8], ["high", "low"]] = [1000.0, 1.0]
    spec = LabelSpec(kind="triple_barrier", horizon_bars=2, barrier_window_bars=4)
    assert make_labels(frame, spec).values[7] == 0.0
    frame.loc[frame.index[8], ["open", "close"]] = 1000.0
    frame.loc[frame.index[7], "high"] = frame["open"].iloc[7]
    frame.loc[frame.index[7], ["low", "close"]] = frame["open"].iloc[7]
    labels = make_labels(frame, spec)
    assert labels.values[6] == 1.0
    assert labels.exit_row[6] == 9


@settings(max_examples=60, deadline=None)
@given(spec=st.sampled_from(SPECS), cut=st.integers(60, 110), seed=st.integers(0, 5))
def test_nothing_after_the_exit_changes_a_label(spec, cut, seed):
    frame = make_frame(120, seed)
    later = frame.copy()
    # At the open of the bar `cut` only its open is known.
    later.iloc[cut, 1:] = [1e5, 1e-5, 3.0, 0.0]
    later.iloc[cut + 1 :] = 77.0
    before, after = make_labels(frame, spec), make_labels(later, spec)
    ended = (before.exit_row >= 0) & (before.exit_row <= cut)
    assert ended.sum() > 20
    np.testing.assert_array_equal(before.values[ended], after.values[ended])
    np.testing.assert_array_equal(before.exit_row[ended], after.exit_row[ended])


@settings(max_examples=30, deadline=None)
@given(spec=st.sampled_from(SPECS), scale=st.sampled_from([2.0**-9, 2.0**20]))
def test_labels_do_not_know_the_price_level(spec, scale):
    frame = make_frame(120, seed=2)
    np.testing.assert_array_equal(
        make_labels(frame, spec).values, make_labels(frame * scale, spec).values
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "regression"), ("ties", "random"), ("horizon_bars", 0), ("cost_band_bps", -1.0),
        ("cost_band_bps", float("nan")), ("barrier_up", 0.0), ("barrier_down", float("inf")),
        ("barrier_window_bars", 1),
    ],
)  # fmt: skip
def test_bad_specs_are_refused(field, value):
    with pytest.raises(ValueError, match=rf"{field} must be .* got"):
        LabelSpec(**{field: value})


def test_a_frame_shorter_than_the_horizon_is_refused():
    with pytest.raises(ValueError, match="horizon_bars=30 need at least 32 bars, got 31"):
        make_labels(make_frame(31, seed=0), LabelSpec(horizon_bars=30))
    assert np.isfinite(make_labels(make_frame(32, 0), LabelSpec(horizon_bars=30)).values).sum() == 1
