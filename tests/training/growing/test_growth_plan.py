"""What growing trees takes is tried on rows and in a process like those of the growth itself."""

import time

import numpy as np
import pytest

from ultimate_deep.models.trees.config import TreeConfig
from ultimate_deep.models.trees.registry import preset_config
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.growing import plan
from ultimate_deep.training.growing.plan import make_growth_plan

ROWS = 400


def arrays_of(y):
    x = np.random.default_rng(0).normal(size=(len(y), 3)).astype(np.float32)
    return Arrays(x=x, y=y.astype(np.float32)[:, None])


def every_second(rows):
    return np.arange(rows) % 2


def three_late_ones(rows):
    return (np.arange(rows) >= rows - 3) & (np.arange(rows) != rows - 2)


@pytest.mark.parametrize("labels", [every_second, three_late_ones])
def test_a_class_that_the_trial_would_miss_does_not_stop_the_run(labels, monkeypatch):
    monkeypatch.setattr(plan, "TRIAL_ROWS", ROWS // 2)
    train, config = arrays_of(labels(ROWS)), preset_config("hist_gradient_boosting", "tiny")
    planned = make_growth_plan("hist_gradient_boosting", config, train, train, test_rows=1)
    assert planned.seconds.most > 0


def test_what_a_library_does_once_in_a_process_is_no_trees(monkeypatch):
    grown = []

    def fit_trees(name, train, validation, config, *, weight):
        assert len(weight) == train.rows
        time.sleep(0.004 * config.trees + (0.0 if grown else 0.1))
        grown.append(config.trees)

    monkeypatch.setattr(plan, "fit_trees", fit_trees)
    train = arrays_of(every_second(ROWS))
    planned = make_growth_plan(
        "any", TreeConfig(), train, train, test_rows=1, weight=np.ones((ROWS, 1), np.float32)
    )
    assert grown == [1, *plan.TRIAL_TREES]
    assert planned.first_seconds < 0.05
    assert planned.tree_seconds > 0.002
