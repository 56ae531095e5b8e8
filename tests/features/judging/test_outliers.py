"""Clipping limits come from the training rows and act on each row alone."""

import json
import math

import numpy as np
import pytest

from ultimate_deep.features import compute_features
from ultimate_deep.features.judging.outliers import RobustLimits

NAMES = ("normal", "rare", "rarer", "flag", "constant", "rsi_14")


@pytest.fixture
def values() -> np.ndarray:
    draw = np.random.default_rng(3)
    table = np.zeros((4_000, 6))
    table[:, 0] = 5.0 + 2.0 * draw.standard_normal(4_000)
    table[:, 1] = np.where(draw.random(4_000) < 0.3, draw.standard_normal(4_000), 0.0)
    table[:, 2] = np.where(draw.random(4_000) < 0.01, draw.standard_normal(4_000), 0.0)
    table[:, 3] = draw.random(4_000) < 0.1
    table[:, 4] = 7.0
    table[:, 5] = draw.standard_normal(4_000)
    return table.astype(np.float32)


def _fit(values, rows=None, **options) -> RobustLimits:
    return RobustLimits.fit(
        values, np.arange(3_000) if rows is None else rows, names=NAMES, **options
    )


def test_scale_is_the_deviation_of_a_normal_feature_and_falls_back_where_mad_is_zero(values):
    limits = _fit(values)
    assert limits.basis == ("mad", "quantiles", "deviation", "flag", "constant", "bounded")
    assert limits.median[0] == pytest.approx(5.0, abs=0.15)
    assert limits.scale[0] == pytest.approx(2.0, rel=0.05)  # sampling error of 3,000 rows
    assert limits.high[0] == limits.median[0] + 10.0 * limits.scale[0]
    train = values[:3_000].astype(np.float64)
    span = np.subtract(*np.quantile(train[:, 1], [0.95, 0.05])) / (2 * 1.6448536269514722)
    assert limits.scale[1] == pytest.approx(span)
    assert limits.scale[2] == pytest.approx(train[:, 2].std())


def test_flags_bounded_and_constant_features_pass_untouched(values):
    limits = _fit(values)
    wild = np.full((2, 6), 1e9, dtype=np.float32)
    wild[1] *= -1
    clipped = limits.apply(wild)
    np.testing.assert_array_equal(clipped[:, 3:], wild[:, 3:])
    np.testing.assert_array_equal(clipped[0, :3], np.float32(limits.high[:3]))
    np.testing.assert_array_equal(clipped[1, :3], np.float32(limits.low[:3]))


def test_fit_sees_the_training_rows_only(values):
    rows = np.setdiff1d(np.arange(3_000), np.arange(500, 900))
    before = _fit(values, rows)
    poisoned = values.copy()
    outside = np.setdiff1d(np.arange(len(values)), rows)
    poisoned[outside] = np.inf  # fit refuses infinity wherever it looks
    assert _fit(poisoned, rows) == before
    poisoned[rows[17], 0] = np.inf
    with pytest.raises(ValueError, match="got infinity in 'normal'"):
        _fit(poisoned, rows)


def test_a_row_is_clipped_by_itself(values):
    limits = _fit(values, multiple=1.5)
    whole = limits.apply(values)
    assert (whole != values).any()
    for row in (0, 1_234, 3_999):
        np.testing.assert_array_equal(limits.apply(values[row]), whole[row])
    np.testing.assert_array_equal(limits.apply(values[100:200]), whole[100:200])
    np.testing.assert_array_equal(limits.apply(whole), whole)


def test_warm_up_rows_pass_through_and_do_not_count(values):
    holed = values.copy()
    holed[:50, 0] = np.nan
    limits = _fit(holed)
    kept = limits.apply(holed)
    assert np.isnan(kept[:50, 0]).all()
    assert np.isfinite(kept[50:]).all()
    assert limits.median[0] == float(np.median(values[50:3_000, 0].astype(np.float64)))


def test_limits_survive_json_bit_for_bit(values):
    limits = _fit(values)
    text = json.dumps(limits.to_dict(), allow_nan=False)
    assert RobustLimits.from_dict(json.loads(text)) == limits
    with pytest.raises(ValueError, match="write them with to_dict"):
        RobustLimits.from_dict({"features": {"a": {}}, "rows": 1, "multiple": 1.0})


def test_bad_input_is_refused_with_the_rule(values):
    with pytest.raises(ValueError, match="at least one training row"):
        _fit(values, np.array([], dtype=np.int64))
    with pytest.raises(ValueError, match="multiple must be above zero"):
        _fit(values, multiple=0.0)
    with pytest.raises(ValueError, match="no value in the training rows"):
        _fit(np.where(np.arange(6) == 2, np.nan, values))
    with pytest.raises(ValueError, match="one column per name"):
        _fit(values[:, :3])
    with pytest.raises(ValueError, match="6 features that the limits were fitted on"):
        _fit(values).apply(values[:, :3])


def test_declared_bounds_of_the_registry_are_left_alone(random_bars):
    matrix = compute_features(random_bars, ["rsi_14", "natr_14", "return_log_1"])
    rows = np.arange(matrix.warmup_bars, 1_000)
    limits = RobustLimits.fit(matrix.values, rows, names=matrix.names)
    assert limits.basis == ("bounded", "mad", "mad")
    assert limits.high[0] == math.inf
    clipped = limits.apply(matrix.values)
    assert clipped.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(clipped), np.isnan(matrix.values))
