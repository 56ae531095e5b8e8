import math
import typing

import keras
import numpy as np
import pytest

from ultimate_deep.training.schedules.config import ScheduleConfig
from ultimate_deep.training.schedules.registry import SCHEDULES
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


def test_warm_restarts_grow_and_their_peaks_fall():
    grown = schedule(
        kind="cosine", cycles=2, cycle_growth=4, warmup_steps=0, floor_share=0.1, cycle_factor=0.5
    )
    rates = [grown.learning_rate(step) for step in range(100)]
    assert [rates[0], rates[20]] == pytest.approx([0.1, 0.05])
    # Against Keras, whose floor is a share of each cycle's peak and here of the first one's.
    theirs = keras.optimizers.schedules.CosineDecayRestarts(0.1, 20, t_mul=4.0, m_mul=1.0)
    bare = schedule(kind="cosine", cycles=2, cycle_growth=4, warmup_steps=0, floor_share=0.0)
    for step in range(0, 100, 7):
        assert bare.learning_rate(step) == pytest.approx(float(theirs(step)), abs=1e-6)
    with pytest.raises(ValueError, match="their parts, 7, divide the 10 epochs, got 3"):
        schedule(kind="cosine", cycles=3, cycle_growth=2)


def test_cyclical_rates_rise_and_fall():
    floor = {"floor_share": 0.1, "cycles": 2}
    triangular = schedule(kind="triangular", **floor)
    rates = [triangular.learning_rate(step) for step in range(100)]
    assert [rates[at] for at in (0, 10, 25, 40, 50, 75)] == pytest.approx(
        [0.01, 0.046, 0.1, 0.046, 0.01, 0.1]
    )
    halved = schedule(kind="triangular", cycle_factor=0.5, **floor)
    assert halved.learning_rate(75) == pytest.approx(0.05)
    smooth = schedule(kind="cosine_cyclical", **floor)
    expected = 0.01 + 0.09 * (1 - math.cos(math.pi * 0.4)) / 2
    assert smooth.learning_rate(10) == pytest.approx(expected)
    assert smooth.learning_rate(25) == pytest.approx(0.1)


def test_one_cycle_rises_once_and_falls_once():
    once = schedule(kind="one_cycle", floor_share=0.0)
    rates = np.array([once.learning_rate(step) for step in range(100)])
    assert rates[0] == pytest.approx(0.004)
    assert rates.argmax() == 30
    assert rates[30] == pytest.approx(0.1)
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()
    assert once.learning_rate(100) == pytest.approx(0.0, abs=1e-12)


def test_multistep_changes_at_its_epochs():
    listed = schedule(
        kind="multistep", warmup_steps=0, milestone_epochs=(2, 5, 8),
        milestone_factors=(0.5, 0.1, 0.01), floor_share=0.0,
    )  # fmt: skip
    rates = [listed.learning_rate(10 * epoch) for epoch in range(10)]
    assert rates == pytest.approx([0.1] * 2 + [0.05] * 3 + [0.01] * 3 + [0.001] * 2)
    assert listed.learning_rate(19) == pytest.approx(0.1)


def test_every_kind_is_in_the_registry_and_stays_between_floor_and_peak():
    hint = typing.get_type_hints(ScheduleConfig)["kind"]
    assert set(typing.get_args(hint)) == set(SCHEDULES)
    listed = {"milestone_epochs": (3,), "milestone_factors": (0.1,)}
    for kind in SCHEDULES:
        of = schedule(kind=kind, **(listed if kind == "multistep" else {}))
        rates = [of.learning_rate(step) for step in range(100)]
        assert min(rates) > 0.0
        # Past its end the rate stays where it is, as a fit that goes on needs.
        after = [of.learning_rate(step) for step in range(100, 180)]
        assert after == pytest.approx([after[0]] * 80)
        assert kind == "step" or after[0] == pytest.approx(rates[-1], abs=0.005)
        assert max(rates) == pytest.approx(0.1)


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
        ("cycle_growth", 0),
        ("cycle_factor", 0.0),
        ("milestone_epochs", (3,)),
        ("one_cycle_rise_share", 1.0),
        ("one_cycle_start_share", -1.0),
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


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ("cycle_factor must be left out unless", {"kind": "step", "cycle_factor": 0.5}),
        ("warmup_steps must be left out where", {"kind": "one_cycle", "warmup_steps": 5}),
        ("at least one epoch for multistep", {"kind": "multistep"}),
        ("rise", {"kind": "multistep", "milestone_epochs": (3, 2)}),
        ("one for each milestone", {"kind": "multistep", "milestone_epochs": (2, 3)}),
        (
            "milestone_factors must be above 0 and at least floor_share, 0.01",
            {"kind": "multistep", "milestone_epochs": (2,), "milestone_factors": (0.001,)},
        ),
        ("step_epochs must be left out unless the kind is step", {"step_epochs": 3}),
        ("one_cycle_rise_share must be left out unless", {"one_cycle_rise_share": 0.5}),
        ("warmup_share must be left out unless", {"kind": "one_cycle", "warmup_share": 0.2}),
    ],
)
def test_what_does_not_go_together_is_refused(said, fields):
    with pytest.raises(ValueError, match=said):
        ScheduleConfig(**fields)
