"""The temperature of validation logits is the one of least log loss, for weighted rows too."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit

from ultimate_deep.evaluation.measures.temperature import TEMPERATURE_RANGE, inverse_temperature


def drawn(scale, rows=4_000, seed=3):
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=rows)
    return scale * truth, (draw.random(rows) < expit(truth)).astype(np.float64)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", [0.2, 1.0, 7.0])
def test_it_is_where_the_loss_is_least(scale, weighted):
    logit, label = drawn(scale)
    weight = np.random.default_rng(1).exponential(size=len(logit)) if weighted else None

    def loss(inverse):
        x = inverse * logit
        return np.average(np.logaddexp(0.0, x) - x * label, weights=weight)

    found = inverse_temperature(logit, label, weight)
    expected = minimize_scalar(loss, bounds=(0.01, 20.0), method="bounded", options={"xatol": 1e-9})
    assert found == pytest.approx(expected.x, rel=1e-5)
    assert found * scale == pytest.approx(1.0, abs=0.15)


def test_rows_count_as_often_as_they_weigh():
    logit, label = drawn(2.0, rows=50)
    times = np.random.default_rng(2).integers(0, 4, 50)
    again = inverse_temperature(np.repeat(logit, times), np.repeat(label, times))
    assert inverse_temperature(logit, label, times) == pytest.approx(again, rel=1e-9)


def test_ends_and_what_tells_nothing():
    logit = np.array([-1.0, -2.0, 1.0, 2.0])
    label = (logit > 0).astype(float)
    assert inverse_temperature(logit, label) == 1 / TEMPERATURE_RANGE[0]
    assert inverse_temperature(logit, 1.0 - label) == 1 / TEMPERATURE_RANGE[1]
    assert inverse_temperature(logit, np.ones(4)) == 1.0
    assert inverse_temperature(np.zeros(4), label) == 1.0
