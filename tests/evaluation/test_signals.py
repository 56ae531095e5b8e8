"""From probabilities to signals."""

import numpy as np
import pytest

from ultimate_deep.evaluation.signals import signal_from_probability


def test_long_flat_and_long_short():
    probability = [0.1, 0.4, 0.5, 0.6, 0.9, np.nan]
    np.testing.assert_array_equal(
        signal_from_probability(probability, 0.6, mode="long_flat"), [0, 0, 0, 1, 1, 0]
    )
    np.testing.assert_array_equal(
        signal_from_probability(probability, 0.6, mode="long_short"), [-1, -1, 0, 1, 1, 0]
    )


def test_one_half_at_threshold_one_half_is_long():
    assert signal_from_probability([0.5], 0.5, mode="long_short").tolist() == [1.0]


def test_threshold_one_takes_only_certainty():
    probability = [0.0, 0.001, 0.999, 1.0]
    assert signal_from_probability(probability, 1.0, mode="long_short").tolist() == [-1, 0, 0, 1]


@pytest.mark.parametrize("threshold", [0.49, 1.01, float("nan")])
def test_thresholds_outside_their_range_are_refused(threshold):
    with pytest.raises(ValueError, match=r"threshold must lie in \[0.5, 1\], got"):
        signal_from_probability([0.5], threshold)


def test_other_bad_input_is_named():
    with pytest.raises(ValueError, match=r"\[0, 1\], got 2.3 at row 1.*logits"):
        signal_from_probability([0.5, 2.3], 0.5)
    with pytest.raises(ValueError, match=r"shape \(rows,\), got \(2, 1\)"):
        signal_from_probability([[0.5], [0.3]], 0.5)
    with pytest.raises(ValueError, match="mode must be one of"):
        signal_from_probability([0.5], 0.5, mode="long")
