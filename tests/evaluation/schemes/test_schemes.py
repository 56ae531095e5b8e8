"""No training label overlaps a test period, ever: checked row by row against every scheme."""

import contextlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultimate_deep.evaluation.schemes.combinatorial import CombinatorialPurged
from ultimate_deep.evaluation.schemes.purged_k_fold import PurgedKFold
from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.evaluation.schemes.walk_forward import WalkForward

START = np.datetime64("2024-01-01", "ns")
HOUR = np.timedelta64(1, "h").astype("timedelta64[ns]")


def spans(decided, lengths):
    decided = START + np.asarray(decided) * HOUR
    return Spans.from_times(decided, decided + np.asarray(lengths) * HOUR)


def plain(rows, length=2):
    return spans(np.arange(rows), np.full(rows, length))


@st.composite
def pooled_spans(draw):
    """Rows of one to three symbols with gaps, in any order, labels of any length."""
    symbols, longest = draw(st.integers(1, 3)), draw(st.integers(0, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = rng.choice([1, 1, 1, 5], size=(symbols, rng.integers(25, 40)))
    decided = rng.permutation(np.cumsum(steps, axis=1).ravel())
    return spans(decided, rng.integers(0, longest + 1, len(decided)))


SCHEMES = {
    "expanding": lambda rows, embargo: WalkForward(rows, train=0.5, test=0.1, embargo_bars=embargo),
    "rolling": lambda rows, embargo: WalkForward(
        rows, kind="rolling", train=15, test=3, step=2, embargo_bars=embargo
    ),
    "k-fold": lambda rows, embargo: PurgedKFold(rows, n_splits=3, embargo_bars=embargo),
    "combinatorial": lambda rows, embargo: CombinatorialPurged(
        rows, n_groups=4, n_test_groups=2, embargo_bars=embargo
    ),
}


def folds_of(scheme):
    """Return the folds; none where purging leaves a split without training rows, and says so."""
    found = []
    with contextlib.suppress(ValueError):
        found = list(scheme.folds())
    if not found:
        with pytest.raises(ValueError, match="no row left to train on"):
            list(scheme.folds())
    return found


def brute_force_periods(rows, test):
    """Return stretches of test rows that no other row's decision interrupts."""
    tested = set(rows.decided[test])
    assert tested.isdisjoint(set(np.delete(rows.decided, test)))
    periods, current = [], []
    for time in [*np.unique(rows.decided), None]:
        if time in tested:
            current += [row for row in test if rows.decided[row] == time]
        elif current:
            periods.append((rows.decided[current].min(), rows.ended[current].max()))
            current = []
    return periods


@pytest.mark.parametrize("name", SCHEMES)
@settings(max_examples=40, deadline=None)
@given(rows=pooled_spans(), embargo=st.integers(0, 4))
def test_no_training_label_overlaps_a_test_period(name, rows, embargo):
    scheme = SCHEMES[name](rows, embargo)
    for number, fold in enumerate(folds_of(scheme)):
        periods = brute_force_periods(rows, fold.test)
        for start, end in periods:
            before = rows.ended[fold.train] < start - embargo * rows.interval
            after = rows.decided[fold.train] > end + embargo * rows.interval
            assert (before | after).all()
        check_left_out(rows, fold, scheme.candidates(number), periods)


def check_left_out(rows, fold, candidates, periods):
    """Every row is in one part at most, and none is left out without a reason."""
    together = np.concatenate([fold.train, fold.test, fold.purged, fold.embargoed])
    asked = np.union1d(np.flatnonzero(candidates), fold.test)
    np.testing.assert_array_equal(np.sort(together), asked)
    touching = np.zeros(len(rows), bool)
    for start, end in periods:
        touching |= ~((rows.ended < start) | (rows.decided > end))
    assert touching[fold.purged].all()
    assert not touching[fold.embargoed].any()


@pytest.mark.parametrize("name", SCHEMES)
def test_usual_settings_leave_rows_to_train_on(name):
    """The property above is not met by having no folds."""
    assert len(folds_of(SCHEMES[name](plain(60), 1))) >= 3


@pytest.mark.parametrize("name", ["expanding", "rolling"])
@settings(max_examples=20, deadline=None)
@given(rows=pooled_spans())
def test_walking_forward_trains_on_the_past_alone(name, rows):
    for fold in folds_of(SCHEMES[name](rows, 1)):
        assert rows.ended[fold.train].max() < rows.decided[fold.test].min()


def test_the_embargo_counts_bars_and_hours_whichever_is_more():
    """After a closed weekend two bars before are two bars, and more than two hours."""
    decided = np.concatenate([np.arange(10), 60 + np.arange(10)])
    scheme = PurgedKFold(spans(decided, np.zeros(20, int)), n_splits=2, embargo_bars=2)
    first, second = scheme.folds()
    np.testing.assert_array_equal(first.embargoed, [10, 11])
    np.testing.assert_array_equal(second.embargoed, [8, 9])
    # Bars of two hours, of two symbols in turn every hour: two bars are four hours.
    decided = START + np.arange(20) * HOUR
    both = Spans.from_times(decided, decided, interval=pd.Timedelta("2h"))
    first, second = PurgedKFold(both, n_splits=2, embargo_bars=2).folds()
    np.testing.assert_array_equal(first.embargoed, [10, 11, 12, 13])
    np.testing.assert_array_equal(second.embargoed, [6, 7, 8, 9])


def test_purging_is_as_counted_by_hand():
    fold = list(PurgedKFold(plain(30), n_splits=3, embargo_bars=1).folds())[1]
    np.testing.assert_array_equal(fold.test, np.arange(10, 20))
    # Labels of rows 8 and 9 end at 10 and 11; the test's last label ends at 21.
    np.testing.assert_array_equal(fold.purged, [8, 9, 20, 21])
    np.testing.assert_array_equal(fold.embargoed, [7, 22])
    assert fold.periods[0].end == START + 21 * HOUR


def test_test_periods_tile_up_to_the_newest_row():
    scheme = WalkForward(plain(105), train=50, test=10)
    tests = [fold.test for fold in scheme.folds()]
    np.testing.assert_array_equal(np.concatenate(tests), np.arange(55, 105))
    assert [fold.train[0] for fold in scheme.folds()] == [0] * 5
    rolling = list(WalkForward(plain(105), kind="rolling", train=50, test=10).folds())
    assert [fold.train[0] for fold in rolling] == [5, 15, 25, 35, 45]


def test_shares_are_of_the_decision_times():
    rows = spans(np.repeat(np.arange(100), 2), np.ones(200, int))
    scheme = WalkForward(rows, train=0.5, test=0.25)
    assert (scheme.train, scheme.test, scheme.get_n_splits()) == (50, 25, 2)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda rows: WalkForward(rows, kind="anchored"), "'anchored'"),
        (lambda rows: WalkForward(rows, train=0.9, test=0.2), "need more than the 60"),
        (lambda rows: WalkForward(rows, train=0.001), "train must be at least one"),
        (lambda rows: WalkForward(rows, test=2.5), "got 2.5"),
        (lambda rows: WalkForward(rows, step=0), "step must be at least one"),
        (lambda rows: PurgedKFold(rows, n_splits=1), "between 2 and the 60"),
        (lambda rows: PurgedKFold(rows, n_splits=61), "got 61"),
        (lambda rows: PurgedKFold(rows, embargo_bars=-1), "got -1"),
        (lambda rows: CombinatorialPurged(rows, n_groups=4, n_test_groups=4), "got 4 of 4"),
        (lambda rows: list(PurgedKFold(rows, embargo_bars=60).folds()), "no row left to train"),
        (lambda rows: list(PurgedKFold(rows).split(np.zeros((59, 2)))), "60 rows"),
    ],
)
def test_bad_settings_are_refused(make, rule):
    with pytest.raises(ValueError, match=rule):
        make(plain(60))


@pytest.mark.parametrize(
    ("decided", "ended", "rule"),
    [
        ([], [], "empty"),
        (["2024-01-01"], ["2024-01-01", "2024-01-02"], "shapes"),
        (["2024-01-02"], ["2024-01-01"], "row 0"),
        (["2024-01-01", "NaT"], ["2024-01-01", "2024-01-02"], "missing in row 1"),
    ],
)
def test_bad_times_are_refused(decided, ended, rule):
    times = [np.asarray(one, "datetime64[ns]") for one in (decided, ended)]
    with pytest.raises(ValueError, match=rule):
        Spans.from_times(*times)


def test_a_bad_interval_is_refused_and_zones_are_understood():
    index = pd.date_range("2024-01-01", periods=4, freq="1h", tz="Asia/Tokyo")
    with pytest.raises(ValueError, match="positive"):
        Spans.from_times(index, index, interval=pd.Timedelta(0))
    assert Spans.from_times(index, index).decided[0] == np.datetime64("2023-12-31T15")
