"""Several participants as one."""

import contextlib

import numpy as np
import pytest

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.best_weights import best_epoch
from ultimate_deep.training.loop.participants import Participants, build_participants
from ultimate_deep.training.participant import (
    FitOutline,
    Participant,
    StateError,
    StepGradients,
    StepTensors,
    require_names,
)
from ultimate_deep.training.schedules.schedules import ScheduleConfig

OUTLINE = FitOutline(
    model=None, inputs={}, targets={}, rows=6, batch_size=2, steps_per_epoch=3, epochs=2
)


class Spy(Participant):
    """Notes who was asked."""

    def __init__(self, name, heard, *, reason="", epoch=None):
        self.name, self.heard, self.reason, self.epoch = name, heard, reason, epoch

    def order(self, epoch, rows):
        return rows[::-1]

    def learning_rate(self, step, rate):
        return rate * 2

    def batch(self, tensors):
        return tensors._replace(x=tensors.x + self.name)

    def gradients(self, tensors, compute):
        found = compute(tensors)
        return found._replace(gradients=[*found.gradients, self.name])

    @contextlib.contextmanager
    def validating(self):
        self.heard.append(f"{self.name} in")
        try:
            yield
        finally:
            self.heard.append(f"{self.name} out")

    def wants_to_stop(self):
        return self.reason

    def before_step(self):
        self.heard.append(f"{self.name} ready")

    def must_end(self):
        return self.reason

    def outside_bytes(self):
        return len(self.name)

    def release(self):
        self.heard.append(f"{self.name} released")

    def after_fit(self):
        return self.epoch


def two(**fields):
    heard = []
    first, second = Spy("a", heard, reason="a tired"), Spy("b", heard, **fields)
    return Participants({"first": first, "second": second}), heard


def test_what_lies_outside_the_process_is_asked_of_each():
    both, heard = two(reason="b lost")
    both.before_step()
    both.release()
    assert heard == ["a ready", "b ready", "a released", "b released"]
    assert (both.must_end(), both.outside_bytes()) == ("a tired", 2)
    plain = Participant()
    plain.before_step()
    plain.release()
    assert (plain.must_end(), plain.outside_bytes()) == ("", 0)


def test_each_is_given_what_the_one_before_returned():
    both, heard = two(reason="b tired", epoch=4)
    both.begin(OUTLINE)
    rows = np.arange(6).reshape(3, 2)
    np.testing.assert_array_equal(both.order(1, rows), rows)
    assert both.learning_rate(0, 0.1) == pytest.approx(0.4)
    assert both.batch(StepTensors("x", {}, None)).x == "xab"
    found = both.gradients(StepTensors("x", {}, None), lambda t: StepGradients(0, 0, ["raw"], 0))
    assert found.gradients == ["raw", "a", "b"]
    assert both.wants_to_stop() == "a tired"
    assert both.after_fit() == 4
    with pytest.raises(RuntimeError, match="validation"), both.validating():
        raise RuntimeError("validation")
    assert heard == ["a in", "b in", "b out", "a out"]


def test_nobody_changes_nothing():
    nobody = Participants({})
    nobody.begin(OUTLINE)
    rows = np.arange(6).reshape(3, 2)
    assert nobody.order(1, rows) is rows
    assert nobody.state() == {}
    assert (nobody.wants_to_stop(), nobody.after_fit()) == ("", None)
    with nobody.validating():
        nobody.after_step(1, 1, 0.5)
        nobody.after_epoch(1, {})


@pytest.mark.parametrize(
    "rows", [np.zeros(3, int), np.zeros((0, 2), int), np.zeros((1, 2)), np.array([[0, 6]])]
)
def test_an_order_that_is_none_is_refused_by_name(rows):
    class Wrong(Participant):
        def order(self, epoch, given):
            return rows

    wrong = Participants({"wrong": Wrong()})
    wrong.begin(OUTLINE)
    with pytest.raises(ValueError, match=r"from 0 to 5, participant 'wrong' gave"):
        wrong.order(1, np.arange(6).reshape(3, 2))


def test_names_and_state_are_kept_apart():
    with pytest.raises(ValueError, match=r"may have no '/', got \['a/b'\]"):
        Participants({"a/b": Participant()})
    with pytest.raises(StateError, match="missing best; unknown beste"):
        require_names({"beste": np.zeros(1)}, ("best",))
    with pytest.raises(StateError, match=r"participant 'one': .* unknown falls"):
        Participants({"one": Participant()}).restore({"one/falls": np.zeros(1)})


def test_only_those_that_the_configuration_asks_for_take_part():
    def names(**fields):
        return list(build_participants(FitConfig(**fields), model=None).members)

    assert names() == ["best_weights", "early_stopping"]
    assert names(patience_epochs=0) == ["best_weights"]
    assert names(patience_epochs=0, schedule=ScheduleConfig(kind="plateau")) == [
        "best_weights",
        "plateau",
    ]


def test_the_best_epoch_follows_from_the_losses():
    losses = [3.0, 2.0, 1.9, 2.5]
    assert best_epoch(losses, 0.0) == 3
    assert best_epoch(losses, 0.5) == 2
    assert best_epoch([], 0.0) == 0
