import dataclasses
import io
import time

import numpy as np
import pytest
from rich.console import Console

from ultimate_deep.models.registry import build_model, config_class
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.loop.compiled import time_fit
from ultimate_deep.training.loop.fit import FitConfig, fit
from ultimate_deep.training.loop.plan import least_epochs, make_plan, render_plan

FEATURES = 24


def arrays(rows, seed):
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, FEATURES)).astype(np.float32)
    return Arrays(x=x, y=(x[:, :1] > 0).astype(np.float32))


def small_ultimate():
    config = dataclasses.replace(
        config_class("ultimate")(),
        width=32,
        res_blocks_per_unit=(5, 5),
        dense_blocks_per_unit=(2,),
        growth_rate=8,
    )
    return build_model("ultimate", {"features": (FEATURES,)}, config=config)


@pytest.mark.slow
def test_the_estimate_of_an_ultimate_net_holds():
    model, train, validation = small_ultimate(), arrays(6400, 1), arrays(500, 2)
    config = FitConfig(epochs=3, batch_size=64, patience_epochs=0)
    compiled = time_fit(model, train, validation, config)
    plan = make_plan(model, train, validation, config, compiled=compiled, test_rows=7)
    assert plan.xla
    assert (plan.train_rows, plan.validation_rows, plan.test_rows) == (6400, 500, 7)
    assert (plan.features, plan.steps_per_epoch, plan.epochs) == (FEATURES, 100, 3)
    assert plan.weighted_layers > 4 * 10
    assert plan.matrix_products > 2 * 10
    assert plan.precision == "float32"
    assert plan.memory_bytes > 2**27
    began = time.monotonic()
    fit(model, train, validation, config, checkpoint_folder=None, compiled=compiled)
    seconds = time.monotonic() - began
    assert seconds / 3 < plan.seconds.most < seconds * 3, (plan.seconds, seconds)


def test_a_plan_reads_well():
    model, train = build_model("linear", {"features": (FEATURES,)}), arrays(100, 1)
    config = FitConfig(epochs=2, batch_size=30)
    compiled = time_fit(model, train, train, config)
    assert not compiled.step.jit_compile
    plan = make_plan(model, train, train, config, compiled=compiled)
    lines = plan.lines()
    assert lines["rows"] == "100 train, 100 validation, 0 test"
    assert lines["steps"] == "3 of 30 rows in each of at most 2 epochs"
    assert lines["precision"].startswith("float32 (the ")
    console = Console(file=io.StringIO(), width=100)
    console.print(render_plan(plan))
    shown = console.file.getvalue()
    assert "Plan: linear" in shown
    assert all(name in shown for name in lines)


def test_early_stopping_makes_the_time_a_range():
    model, train = build_model("linear", {"features": (FEATURES,)}), arrays(100, 1)
    for patience, least in ((0, 9), (3, 4), (20, 9)):
        config = FitConfig(epochs=9, batch_size=30, patience_epochs=patience)
        assert least_epochs(config) == least
    compiled = time_fit(model, train, train, config)
    plan = make_plan(model, train, train, config, compiled=compiled)
    assert plan.seconds.least == plan.seconds.most == 9 * plan.epoch_seconds
    assert "early stopping" not in plan.lines()["time"]


def test_members_have_a_line_of_their_own():
    train = arrays(100, 1)
    config = FitConfig(epochs=2, batch_size=50, jit_compile=False)
    options = config_class("tabm")(members=4, hidden_widths=(6, 3))
    model = build_model("tabm", {"features": (FEATURES,)}, config=options)
    plan = make_plan(model, train, train, config, compiled=time_fit(model, train, train, config))
    assert plan.members == 4
    assert plan.member_seconds == plan.step_seconds / 4
    # Scaled features, and before and after each activation; weights, gradients and moments.
    values, own = FEATURES + 2 * (6 + 3), FEATURES + 2 * (6 + 3)
    assert plan.member_bytes == 4 * (50 * values + 4 * own)
    assert plan.lines()["members"].startswith(
        f"4: {plan.step_seconds / 4 * 1e3:.1f} ms of a step for each, if"
    )
    wider = dataclasses.replace(plan, members=1)
    assert "members" not in wider.lines()
