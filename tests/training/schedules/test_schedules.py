import math

import pytest

from ultimate_deep.training.schedules.config import ScheduleConfig
from ultimate_deep.training.schedules.schedules import Schedule


def schedule(**fields):
    return Schedule(config=ScheduleConfig(**fields), peak=0.1, steps_per_epoch=10, epochs=10)


def test_warmup_rises_in_equal_steps_to_the_peak():
    warm = schedule(kind="constant", warmup_steps=4)
    rates = [warm.learning_rate(step) for step in range(6)]
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


def test_warmup_share_counts_all_steps():
    assert schedule(warmup_share=0.05).warmup_steps == 5
    assert schedule(warmup_steps=1000).warmup_steps == 100


def test_cosine_goes_from_peak_to_floor():
    cosine = schedule(kind="cosine", warmup_steps=0, floor_share=0.1)
    assert cosine.learning_rate(0) == pytest.approx(0.1)
    assert cosine.learning_rate(50) == pytest.approx((0.1 + 0.01) / 2)
    assert cosine.learning_rate(100) == pytest.approx(0.01)
    expected = 0.01 + 0.09 * (1 + math.cos(math.pi * 0.3)) / 2
    assert cosine.learning_rate(30) == pytest.approx(expected)


def test_cycles_start_again_at_the_peak_and_end_with_an_epoch():
    cycles = schedule(kind="cosine", cycles=5, warmup_steps=4, floor_share=0.1)
    once = schedule(kind="cosine", warmup_steps=0, floor_share=0.1)
    rates = [cycles.learning_rate(step) for step in range(100)]
    assert rates[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert [rates[start] for start in (20, 40, 60, 80)] == pytest.approx([0.1] * 4)
    assert rates[20:40] == pytest.approx(rates[80:])
    assert rates[20:40] == pytest.approx([once.learning_rate(5 * step) for step in range(20)])
    assert rates[19] < 0.011
    with pytest.raises(ValueError, match=r"cycles must be a divisor of the 10 epochs, got 3"):
        schedule(kind="cosine", cycles=3)
    with pytest.raises(ValueError, match="cycles must be 1 unless the kind is cosine"):
        schedule(kind="step", cycles=5)


def test_step_falls_every_so_many_epochs_down_to_the_floor():
    step = schedule(kind="step", warmup_steps=0, step_epochs=3, step_factor=0.1, floor_share=0.05)
    rates = [step.learning_rate(10 * epoch) for epoch in (0, 2, 3, 5, 6)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.005])


def test_plateau_falls_as_often_as_told():
    plateau = schedule(kind="plateau", warmup_steps=0, plateau_factor=0.5)
    assert plateau.learning_rate(55, plateau_falls=0) == pytest.approx(0.1)
    assert plateau.learning_rate(55, plateau_falls=2) == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "linear"),
        ("warmup_share", 1.5),
        ("floor_share", -0.1),
        ("cycles", 0),
        ("step_epochs", 0),
        ("plateau_factor", 1.0),
        ("warmup_steps", -1),
        ("step_factor", 0.0),
        ("plateau_patience_epochs", 0),
        ("plateau_min_delta", -1.0),
    ],
)
def test_bad_numbers_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        ScheduleConfig(**{field: value})
