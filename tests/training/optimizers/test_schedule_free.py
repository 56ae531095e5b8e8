"""Schedule-free AdamW against NumPy."""

import keras
import numpy as np
import pytest

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.optimizers.schedule_free import ScheduleFreeAdamW
from ultimate_deep.training.schedules.config import ScheduleConfig

DECAY, BETA1, BETA2, EPSILON = 0.1, 0.9, 0.999, 1e-7


def test_three_points_move_as_in_numpy_and_a_step_of_rate_zero_moves_none():
    draws = np.random.default_rng(0)
    kernel = keras.Variable(draws.normal(size=(3, 2)), name="kernel")
    bias = keras.Variable(draws.normal(size=(2,)), name="bias")
    optimizer = ScheduleFreeAdamW(0.1, weight_decay=DECAY)
    optimizer.build([kernel, bias])
    start = [kernel.numpy(), bias.numpy()]
    optimizer.learning_rate.assign(0.0)
    optimizer.apply([keras.ops.ones_like(v) for v in (kernel, bias)], [kernel, bias])
    for variable, value in zip((kernel, bias), start, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-6)
    for variable in optimizer.variables:
        variable.assign(np.zeros(variable.shape))
    points = [[v.astype(np.float64)] * 3 for v in start]
    squares, total = [np.zeros_like(v) for v in start], 0.0
    for step, rate in enumerate((0.02, 0.05, 0.1, 0.1, 0.1), start=1):
        optimizer.learning_rate.assign(rate)
        gradients = [draws.normal(size=v.shape).astype(np.float32) for v in start]
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], [kernel, bias])
        total += rate**2
        for place, gradient in enumerate(gradients):
            y, z, x = points[place]
            squares[place] = BETA2 * squares[place] + (1 - BETA2) * gradient**2
            moved = gradient / (np.sqrt(squares[place] / (1 - BETA2**step)) + EPSILON)
            z = z - rate * (moved + (DECAY * y if place == 0 else 0.0))
            x = (1 - rate**2 / total) * x + rate**2 / total * z
            points[place] = [(1 - BETA1) * z + BETA1 * x, z, x]
    for variable, average, (y, _, x) in zip(
        (kernel, bias), optimizer.averages(), points, strict=True
    ):
        np.testing.assert_allclose(variable.numpy(), y, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(average.numpy(), x, rtol=1e-4, atol=1e-5)


def test_it_is_rebuilt_from_its_configuration_and_takes_no_falling_rate():
    optimizer = ScheduleFreeAdamW(0.1, adaptive_clip=0.3, rate_factors={"kernel": 0.5})
    again = ScheduleFreeAdamW.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    with pytest.raises(ValueError, match=r"'cosine'; set fit\.schedule\.kind to"):
        FitConfig(optimizer="schedule_free")
    FitConfig(optimizer="schedule_free", schedule=ScheduleConfig(kind="constant"))
