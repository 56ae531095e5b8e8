"""No label of an earlier part ever reaches a later one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultimate_deep.market.config import SplitSpec
from ultimate_deep.market.splits import chronological_split

HOUR = pd.Timedelta("1h")


def times_of(rows, horizon, start="2024-01-01"):
    decided = pd.date_range(start, periods=rows, freq="1h", tz="UTC")
    return decided, decided + horizon * HOUR


@st.composite
def pooled_rows(draw):
    """Several symbols with holes of their own and labels of any length, in any order."""
    decided, ended = [], []
    for _ in range(draw(st.integers(1, 3))):
        steps = draw(st.lists(st.integers(1, 40), min_size=30, max_size=80))
        length = draw(st.lists(st.integers(0, 25), min_size=len(steps), max_size=len(steps)))
        decided.append(np.cumsum(steps))
        ended.append(np.cumsum(steps) + np.array(length))
    order = draw(st.randoms(use_true_random=False))
    rows = list(range(sum(map(len, decided))))
    order.shuffle(rows)
    origin = np.datetime64("2024-01-01", "ns")
    hour = np.timedelta64(1, "h")
    return (origin + np.concatenate(times)[rows] * hour for times in (decided, ended))


@settings(max_examples=200, deadline=None)
@given(
    rows=pooled_rows(),
    fractions=st.sampled_from([(0.7, 0.15), (0.5, 0.25), (0.34, 0.33)]),
    embargo=st.integers(0, 12),
)
def test_no_label_overlaps_a_later_part(rows, fractions, embargo):
    decided, ended = rows
    spec = SplitSpec(
        train_fraction=fractions[0], validation_fraction=fractions[1], embargo_bars=embargo
    )
    try:
        split = chronological_split(decided, ended, spec, interval=HOUR)
    except ValueError as error:
        assert "part is empty" in str(error)  # noqa: PT017
        return
    distinct = np.unique(decided)
    parts = [split.train, split.validation, split.test]
    for earlier, later in ((0, 1), (0, 2), (1, 2)):
        begin = decided[parts[later]].min()
        assert ended[parts[earlier]].max() < begin
        assert ended[parts[earlier]].max() < begin - embargo * np.timedelta64(1, "h")
        # That many decision times lie between the last label's end and the later part.
        between = (distinct > ended[parts[earlier]].max()) & (distinct < begin)
        assert between.sum() >= embargo
    first, second = (boundary.tz_localize(None).to_datetime64() for boundary in split.boundaries)
    # A row is left out only if its label truly came too close.
    everywhere = np.concatenate(parts)
    assert len(np.unique(everywhere)) == len(everywhere)
    left_out = np.setdiff1d(np.arange(len(decided)), everywhere)
    assert len(left_out) == split.purged + split.embargoed
    bound = np.where(decided[left_out] < first, first, second)
    assert (decided[left_out] < second).all()
    assert (ended[left_out] >= bound).sum() == split.purged
    if embargo == 0:
        assert split.embargoed == 0


def test_the_parts_of_plain_hourly_rows():
    decided, ended = times_of(100, horizon=3)
    split = chronological_split(decided, ended, SplitSpec(), interval=HOUR)
    # A label that ends at the boundary is not over before it: three rows go at each.
    np.testing.assert_array_equal(split.train, np.arange(67))
    np.testing.assert_array_equal(split.validation, np.arange(70, 82))
    np.testing.assert_array_equal(split.test, np.arange(85, 100))
    assert split.boundaries == (decided[70], decided[85])
    assert (split.purged, split.embargoed) == (6, 0)
    assert split.train.dtype == np.int64

    spec = SplitSpec(embargo_bars=5)
    split = chronological_split(decided, ended, spec, interval=HOUR)
    np.testing.assert_array_equal(split.train, np.arange(62))
    np.testing.assert_array_equal(split.validation, np.arange(70, 77))
    assert (split.purged, split.embargoed) == (6, 10)


def test_the_embargo_counts_times_at_which_bars_are_there():
    decided, _ = times_of(100, horizon=0)
    decided = decided.where(np.arange(100) < 68, decided + 50 * HOUR)  # a weekend before row 68
    split = chronological_split(decided, decided, SplitSpec(embargo_bars=5), interval=HOUR)
    np.testing.assert_array_equal(split.train, np.arange(65))


def test_symbols_share_their_boundaries_and_rows_of_one_time_stay_together():
    decided, ended = times_of(90, horizon=1)
    split = chronological_split(
        np.repeat(decided.tz_localize(None).to_numpy(), 3),
        np.repeat(ended.tz_localize(None).to_numpy("datetime64[us]"), 3),
        SplitSpec(),
        interval=HOUR,
    )
    for part in (split.train, split.validation, split.test):
        assert len(part) % 3 == 0
        assert (part // 3 == np.repeat(np.unique(part // 3), 3)).all()


@pytest.mark.parametrize(
    ("rows", "horizon", "spec", "part"),
    [
        (100, 80, SplitSpec(), "train"),
        (100, 15, SplitSpec(), "validation"),
        (100, 1, SplitSpec(embargo_bars=15), "validation"),
        (3, 1, SplitSpec(), "validation"),
        (1, 1, SplitSpec(), "train"),
    ],
)
def test_an_empty_part_is_refused(rows, horizon, spec, part):
    with pytest.raises(ValueError, match=f"the {part} part is empty: .*; give more bars"):
        chronological_split(*times_of(rows, horizon), spec, interval=HOUR)


def test_bad_times_are_refused():
    decided, ended = times_of(50, 1)
    with pytest.raises(ValueError, match=r"got shapes \(50,\) and \(49,\)"):
        chronological_split(decided, ended[1:], SplitSpec(), interval=HOUR)
    with pytest.raises(ValueError, match=r"row 0 is decided at .* and ends at"):
        chronological_split(ended, decided, SplitSpec(), interval=HOUR)
    with pytest.raises(ValueError, match="label_end_time is missing in row 3"):
        chronological_split(decided, ended.where(np.arange(50) != 3), SplitSpec(), interval=HOUR)
    with pytest.raises(ValueError, match="decision_time is empty"):
        chronological_split(decided[:0], ended[:0], SplitSpec(), interval=HOUR)


@pytest.mark.parametrize(
    "fields",
    [
        {"train_fraction": 0.0}, {"train_fraction": 1.0}, {"validation_fraction": -0.1},
        {"train_fraction": 0.8, "validation_fraction": 0.2}, {"embargo_bars": -1},
    ],
)  # fmt: skip
def test_bad_specs_are_refused(fields):
    with pytest.raises(ValueError, match=r"got|must"):
        SplitSpec(**fields)
