"""The scaler sees training rows alone, and its plain-array twin agrees bit for bit."""

import numpy as np
import pytest
from sklearn.preprocessing import RobustScaler

from ultimate_deep.pipeline.scaling import ArrayScaler, fit_scaler


@pytest.fixture
def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    out = rng.standard_t(3, size=(400, 70)) * 10.0 ** rng.uniform(-6, 6, 70) + 3.0
    out[:, 5] = 7.25
    out[:, 6] = 0.0
    out[:, 7] = (rng.random(400) < 0.02) * 1.0  # no interquartile range, yet not constant
    return out.astype(np.float32)


def test_equals_one_scikit_learn_fit_in_float64(values):
    rows = np.arange(300)
    ours = fit_scaler(values, rows)
    theirs = RobustScaler(unit_variance=True).fit(values[rows].astype(np.float64))
    np.testing.assert_array_equal(ours.center_, theirs.center_)
    np.testing.assert_array_equal(ours.scale_, theirs.scale_)
    assert vars(ours).keys() == vars(theirs).keys()


def test_twin_is_bit_equal_to_scikit_learn(values):
    scaler = fit_scaler(values, np.arange(300))
    scaled = ArrayScaler.from_sklearn(scaler).transform(values)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, scaler.transform(values))


def test_other_rows_change_nothing(values):
    rows = np.arange(300)
    changed = values.copy()
    changed[300:] = np.nan
    np.testing.assert_array_equal(fit_scaler(values, rows).scale_, fit_scaler(changed, rows).scale_)


def test_features_without_a_range_stay_finite(values):
    scaled = ArrayScaler.from_sklearn(fit_scaler(values, np.arange(400))).transform(values)
    assert np.isfinite(scaled).all()
    np.testing.assert_array_equal(scaled[:, 5:7], 0.0)
    # scikit-learn takes a range of one where there is none, then divides it by 1.349 as any other.
    assert np.unique(scaled[:, 7]) == pytest.approx([0.0, 1.349], abs=1e-4)


def test_a_normal_feature_gets_unit_variance():
    values = np.random.default_rng(1).normal(5.0, 20.0, (20_000, 1)).astype(np.float32)
    scaled = ArrayScaler.from_sklearn(fit_scaler(values, np.arange(20_000))).transform(values)
    assert scaled.std() == pytest.approx(1.0, abs=0.02)  # two standard errors of the range


def test_nan_passes_through_the_transform(values):
    twin = ArrayScaler.from_sklearn(fit_scaler(values, np.arange(400)))
    values[3, 4] = np.nan
    assert np.argwhere(np.isnan(twin.transform(values))).tolist() == [[3, 4]]


def test_bad_training_rows_are_named(values):
    values[12, 40] = np.nan
    with pytest.raises(ValueError, match="nan in row 12, feature number 40"):
        fit_scaler(values, np.array([10, 12, 14]))
    fit_scaler(values, np.array([10, 14]))
    with pytest.raises(ValueError, match="at least one training row"):
        fit_scaler(values, np.array([], np.int64))


@pytest.mark.parametrize(
    ("center", "scale", "rule"),
    [
        ([0.0], [0.0], "positive scale"),
        ([np.nan], [1.0], "finite"),
        ([0.0, 1.0], [1.0], "one value per feature"),
    ],
)
def test_improper_arrays_are_refused(center, scale, rule):
    with pytest.raises(ValueError, match=rule):
        ArrayScaler(center=np.array(center), scale=np.array(scale))


def test_another_width_is_refused(values):
    twin = ArrayScaler.from_sklearn(fit_scaler(values, np.arange(10)))
    with pytest.raises(ValueError, match=r"\(rows, 70\), got \(400, 69\)"):
        twin.transform(values[:, 1:])
