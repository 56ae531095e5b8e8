"""Constant, duplicate and collinear features, from the training rows alone."""

import json

import numpy as np
import pytest

from ultimate_deep.features.judging.config import SelectionConfig
from ultimate_deep.features.judging.selection import (
    Selection,
    commonest_share,
    correlated_groups,
    correlation_matrix,
    select_features,
)

NAMES = ("a", "constant", "a_again", "minus_a", "near_a", "b", "rare", "near_b", "c")
ROWS = np.arange(200, 5_200)


@pytest.fixture
def values() -> np.ndarray:
    draw = np.random.default_rng(1)
    a, b, c, noise, other = draw.standard_normal((5, 6_000))
    rare = (draw.random(6_000) < 0.0004) * 1.0
    return np.column_stack(
        [a, np.full(6_000, 3.3), a, -2.0 * a, a + 0.1 * noise, b, rare, b + 0.1 * other, c]
    ).astype(np.float32)


def test_each_rule_names_what_it_drops_and_for_which(values):
    found = select_features(values, ROWS, names=NAMES)
    assert found.kept == ("a", "b", "c")
    assert found.named("constant") == ("constant", "rare")
    assert found.named("duplicate") == ("a_again", "minus_a")
    assert found.named("collinear") == ("near_a", "near_b")
    assert found.dropped["minus_a"].instead == "a"
    assert found.dropped["minus_a"].measure == pytest.approx(-1.0, abs=1e-6)
    assert found.dropped["near_b"].reason.startswith("collinear: correlation +0.99")
    assert found.dropped["rare"].measure == (values[ROWS, 6] == 0).mean()


def test_the_preferred_of_a_group_is_kept(values):
    preference = np.array([0.01, 9.0, 0.02, 0.03, 0.09, 0.1, 9.0, 0.2, np.nan])
    found = select_features(values, ROWS, names=NAMES, preference=preference)
    assert found.kept == ("near_a", "near_b", "c")
    assert found.dropped["b"].instead == "near_b"
    assert found.dropped["a"].rule == "collinear"


def test_no_two_kept_features_are_collinear(values):
    draw = np.random.default_rng(4)
    mixed = (draw.standard_normal((3_000, 6)) @ draw.standard_normal((6, 40))).astype(np.float32)
    names = [f"f{j}" for j in range(40)]
    config = SelectionConfig(collinear_correlation=0.6)
    found = select_features(mixed, np.arange(3_000), names=names, config=config)
    kept = [names.index(name) for name in found.kept]
    sizes = np.abs(np.corrcoef(mixed[:, kept].T.astype(np.float64)))
    assert (sizes[~np.eye(len(kept), dtype=bool)] <= 0.6).all()
    assert 1 < len(kept) < 40
    for drop in found.dropped.values():
        assert drop.instead in found.kept
        assert abs(drop.measure) > 0.6


def test_only_the_training_rows_are_seen(values):
    before = select_features(values, ROWS, names=NAMES)
    poisoned = values.copy()
    outside = np.setdiff1d(np.arange(len(values)), ROWS)
    poisoned[outside] = np.nan
    assert select_features(poisoned, ROWS, names=NAMES) == before
    poisoned[ROWS[3], 5] = np.nan
    with pytest.raises(ValueError, match=f"got nan in row {ROWS[3]}, feature number 5"):
        select_features(poisoned, ROWS, names=NAMES)


def test_blocked_correlation_is_numpys(values):
    draw = np.random.default_rng(2)
    table = draw.standard_normal((40_000, 5)) @ draw.standard_normal((5, 12)) + 1e4
    rows = np.sort(draw.choice(40_000, 35_000, replace=False))
    ours = correlation_matrix(table, rows)
    # Means of 1e4 cost numpy itself some of float64's 16 digits.
    np.testing.assert_allclose(ours, np.corrcoef(table[rows].T), atol=1e-10)
    np.testing.assert_array_equal(ours, ours.T)
    exact = correlation_matrix(values, ROWS)
    assert exact[0, 2] == 1.0
    assert (exact[1] == np.eye(9)[1]).all()


def test_groups_are_linked_through_third_columns():
    correlation = np.eye(5)
    correlation[0, 3] = correlation[3, 0] = -0.9
    correlation[3, 4] = correlation[4, 3] = 0.8
    assert correlated_groups(correlation, 0.7) == ((0, 3, 4), (1,), (2,))
    assert correlated_groups(correlation, 0.85) == ((0, 3), (1,), (2,), (4,))


def test_commonest_share_is_exact_above_one_half():
    assert commonest_share(np.array([1, 2, 2, 2, 3])) == 0.6
    assert commonest_share(np.array([5, 5, 5, 1, 2, 5])) == 4 / 6
    assert commonest_share(np.arange(10)) <= 0.5


def test_selection_survives_json(values):
    found = select_features(values, ROWS, names=NAMES)
    assert Selection.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    with pytest.raises(ValueError, match="write it with to_dict"):
        Selection.from_dict({"kept": []})


def test_bad_input_is_refused(values):
    with pytest.raises(ValueError, match="constant_share is a share"):
        SelectionConfig(constant_share=0.3)
    with pytest.raises(ValueError, match="1 keeps all but duplicates"):
        SelectionConfig(collinear_correlation=0.0)
    with pytest.raises(ValueError, match="at least one training row"):
        select_features(values, ROWS[:0], names=NAMES)
    with pytest.raises(ValueError, match="preference has one number per feature"):
        select_features(values, ROWS, names=NAMES, preference=[1.0])
