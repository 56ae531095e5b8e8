"""What every searcher keeps, on a formula instead of training; a grid is written here to it."""

import dataclasses
import itertools
import json
import random
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from jsonargparse import ArgumentParser

from ultimate_deep.experiments.tuning.registry import SEARCHERS
from ultimate_deep.experiments.tuning.searcher import (
    Request,
    Result,
    Rung,
    Searcher,
    SearchTask,
    TrialPlan,
    build_searcher,
    search_task,
)
from ultimate_deep.experiments.tuning.spaces import check_finite, distinct_configurations
from ultimate_deep.experiments.tuning.tune import tune_experiment
from ultimate_deep.experiments.tuning.tune_config import EVERY_SEARCH, TuneConfig
from ultimate_deep.market.config import DataConfig
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

FINITE = {
    "model.widths": Choice(values=((8,), (8, 8), (16,))),
    "model.depth": IntRange(low=1, high=9, step=2),
    "model.rate": Choice(values=(None, 0.5)),
}
CONTINUOUS = FINITE | {"fit.learning_rate": FloatRange(low=1e-4, high=1e-2, log=True)}


# A name that no searcher of the product can have, so that one called grid may come.
OWN = "grid_of_the_tests"


class Grid:
    """Every configuration of a finite space, once, to the end."""

    reads = ()

    def __init__(self, task: SearchTask) -> None:
        check_finite(task.space, task.tune.search)
        product = itertools.product(*map(_points, task.space.values()))
        self._left = [dict(zip(task.space, values, strict=True)) for values in product]
        self._told, self._epochs = 0, task.epochs
        trials = len(self._left)
        rung = Rung(bracket=0, rung=0, trials=trials, start_epoch=0, epochs=task.epochs)
        self.plan = TrialPlan(rungs=(rung,))

    def propose(self) -> Request | None:
        if not self._left:
            return None
        name = str(self._told)
        return Request(trial=name, values=self._left[0], epochs=self._epochs, configuration=name)

    def tell(self, request: Request, result: Result) -> None:
        self._told += 1
        del self._left[0]


def _points(entry):
    if isinstance(entry, Choice):
        return entry.values
    return range(entry.low, entry.high + 1, entry.step)


pytestmark = pytest.mark.contract
# Searcher, space, settings.
CASES = [
    *((name, space, {}) for name in (*SEARCHERS, OWN) for space in (FINITE, CONTINUOUS)),
    ("hyperband", CONTINUOUS, {"factor": 2, "iterations": 2}),
]
IDS = [f"{name}-{len(space)}{'-'.join(['', *options])}" for name, space, options in CASES]
every_searcher = pytest.mark.parametrize(("name", "space", "options"), CASES, ids=IDS)


@pytest.fixture(autouse=True)
def _with_grid(monkeypatch):
    monkeypatch.setitem(SEARCHERS, OWN, f"{__name__}:Grid")


def _searcher(name, space, options, seed=3, folder=None) -> Searcher:
    """Build it; a test ends here where it declines a continuous range as it should."""
    tune = TuneConfig(search=name, **options)
    task = SearchTask(tune=tune, space=space, epochs=4, seed=seed, folder=folder)
    try:
        return build_searcher(task)
    except ValueError as error:
        if space is not CONTINUOUS or not _declines(str(error)):
            raise
    pytest.skip(f"{name} declines continuous ranges")


def _declines(message: str) -> bool:
    """Whether a message names the continuous field and the remedy."""
    return "fit.learning_rate" in message and "tune.fields" in message


def _formula(request: Request) -> Result:
    """Stand for training: a valley over the values that the epochs make deeper."""
    numbers = json.dumps(request.values).encode()
    loss = 0.5 + (request.values["model.depth"] - 5) ** 2 / 100 + sum(numbers) % 97 / 1e4
    loss += 0.1 / request.epochs
    return Result(
        status="completed",
        validation_loss=loss,
        validation_accuracy=1 - loss,
        validation_auc=1 - loss / 2,
        best_epoch=request.epochs,
        epochs_run=request.epochs,
    )


def _diverged(request: Request) -> Result:
    return Result(status="diverged", error="the loss is nan")


def _sometimes(request: Request) -> Result:
    return _diverged(request) if request.values["model.depth"] > 5 else _formula(request)


def _run(searcher: Searcher, result=_formula) -> list[Request]:
    """Return all proposals; one more than planned means that the search does not end."""
    requests = []
    while (request := searcher.propose()) is not None:
        requests.append(request)
        assert len(requests) <= searcher.plan.trials
        searcher.tell(request, result(request))
    assert searcher.propose() is None
    return requests


def _plain(requests: list[Request]) -> list[dict]:
    return [dataclasses.asdict(request) for request in requests]


def _check_as_planned(plan: TrialPlan, requests: list[Request]) -> None:
    expected = Counter()
    for rung in plan.rungs:
        expected[rung.bracket, rung.rung, rung.epochs] += plan.iterations * rung.trials
    assert Counter((r.bracket or 0, r.rung or 0, r.epochs) for r in requests) == expected
    assert len(requests) == plan.trials
    new = [request for request in requests if not request.continues]
    assert len({json.dumps(request.values) for request in new}) == len(new) == plan.configurations
    assert len({request.configuration for request in requests}) == plan.configurations
    start = {(rung.bracket, rung.rung): rung.start_epoch for rung in plan.rungs}
    started = sum(start[r.bracket or 0, r.rung or 0] for r in requests)
    assert plan.epochs == sum(r.epochs for r in requests) - started


@every_searcher
def test_it_ends_as_it_said_with_as_many_different_configurations(name, space, options):
    searcher = _searcher(name, space, options)
    said = searcher.plan
    requests = _run(searcher)
    _check_as_planned(said, requests)
    assert searcher.plan == said
    assert said.continues_trials == any(request.continues for request in requests)


@every_searcher
def test_it_depends_on_the_seed_and_nothing_else(name, space, options):
    """Two at once propose the same, whatever others do to the global generators in between."""
    first, again = (_searcher(name, space, options) for _ in range(2))
    seen = []
    while (request := first.propose()) is not None:
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        twin = again.propose()
        assert twin is not None
        assert dataclasses.asdict(twin) == dataclasses.asdict(request)
        first.tell(request, _formula(request))
        again.tell(twin, _formula(twin))
        seen.append(request)
    assert again.propose() is None
    if first.plan.configurations < distinct_configurations(space):
        other = _run(_searcher(name, space, options, seed=4))
        assert [r.values for r in other] != [r.values for r in seen]


@every_searcher
def test_told_again_what_was_finished_it_proposes_the_rest(name, space, options):
    whole = _run(_searcher(name, space, options))
    finished = [json.loads(json.dumps(dataclasses.asdict(_formula(r)))) for r in whole]
    for cut in sorted({0, 1, len(whole) // 2, len(whole) - 1, len(whole)}):
        resumed = _searcher(name, space, options)
        for result in finished[:cut]:
            request = resumed.propose()
            assert request is not None
            resumed.tell(request, Result(**result))
        assert _plain(_run(resumed)) == _plain(whole[cut:])


@every_searcher
def test_it_proposes_nothing_outside_the_space(name, space, options):
    before: dict[str, Request] = {}
    for request in _run(_searcher(name, space, options)):
        assert list(request.values) == list(space)
        for field, value in request.values.items():
            assert _within(space[field], value)
        assert request.trial not in before
        assert 1 <= request.epochs <= 4
        if request.continues:
            continued = before[request.continues]
            assert request.values == continued.values
            assert request.configuration == continued.configuration
            assert request.epochs > continued.epochs
        else:
            assert request.configuration == request.trial
        before[request.trial] = request


def _within(entry, value) -> bool:
    if isinstance(entry, Choice):
        return value in json.loads(json.dumps(entry.values))
    if isinstance(entry, IntRange) and (value - entry.low) % entry.step:
        return False
    return entry.low <= value <= entry.high


@pytest.mark.parametrize("objective", ["validation_loss", "validation_accuracy"])
@every_searcher
def test_what_diverged_counts_as_the_worst(name, space, options, objective):
    """None goes on while one that did not diverge is left behind."""
    searcher = _searcher(name, space, options | {"objective": objective})
    requests = _run(searcher, _sometimes)
    _check_as_planned(searcher.plan, requests)
    diverged = {r.trial for r in requests if _sometimes(r).status == "diverged"}
    assert 0 < len(diverged) < len(requests)
    went_on = {request.continues for request in requests}
    for rung in _rungs_run(searcher.plan, requests):
        if rung & went_on & diverged:
            assert rung - diverged <= went_on
    _check_as_planned(searcher.plan, _run(_searcher(name, space, options), _diverged))


def _rungs_run(plan: TrialPlan, requests: list[Request]) -> list[set[str]]:
    """Return the trials of each rung of each iteration."""
    rungs: dict[tuple, set[str]] = {}
    for i, request in enumerate(requests):
        iteration = i // (plan.trials // plan.iterations)
        rungs.setdefault((iteration, request.bracket, request.rung), set()).add(request.trial)
    return list(rungs.values())


@every_searcher
def test_it_writes_into_its_folder_only(name, space, options, tmp_path, monkeypatch, capfd):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    capfd.readouterr()
    nowhere = _run(_searcher(name, space, options))
    assert not list(tmp_path.rglob("*.*"))
    own = _run(_searcher(name, space, options, folder=tmp_path / "own"))
    assert not list((tmp_path / "here").iterdir())
    assert _plain(own) == _plain(nowhere)
    # Files of an earlier search change nothing.
    assert _plain(_run(_searcher(name, space, options, folder=tmp_path / "own"))) == _plain(own)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["random", "hyperband"])
def test_those_of_kerastuner_read_continuous_ranges(name):
    assert _searcher(name, CONTINUOUS, {}).plan.trials > 0


def test_a_grid_declines_a_continuous_range_and_goes_through_what_its_remedy_names():
    task = SearchTask(tune=TuneConfig(search=OWN), space=CONTINUOUS, epochs=4, seed=3)
    with pytest.raises(ValueError, match=r"got fit\.learning_rate 0\.0001 to 0\.01, log scale"):
        build_searcher(task)
    config = ExperimentConfig(model=ModelConfig(name="mlp"))
    remedy = TuneConfig(search=OWN, fields=("fit.batch_size",))
    assert build_searcher(search_task(config, remedy)).plan.trials == 3


@pytest.mark.parametrize(
    ("setting", "value"), [("trials", 5), ("factor", 2), ("iterations", 2)], ids=str
)
@pytest.mark.parametrize("name", [*SEARCHERS, OWN])
def test_settings_that_it_does_not_read_are_refused_and_those_that_it_reads_change_it(
    name, setting, value
):
    plain = _searcher(name, FINITE, {})
    if setting in plain.reads:
        assert _searcher(name, FINITE, {setting: value}).plan != plain.plan
        return
    refused = rf"{name} search does not read tune\.{setting} {value}; leave it out"
    with pytest.raises(ValueError, match=refused):
        _searcher(name, FINITE, {setting: value})


def test_every_setting_holds_for_every_search_or_is_read_by_one():
    fields = {field.name for field in dataclasses.fields(TuneConfig)}
    own = {field for name in SEARCHERS for field in _searcher(name, FINITE, {}).reads}
    assert {*EVERY_SEARCH} | own == fields
    assert not {*EVERY_SEARCH} & own


def test_an_unknown_searcher_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match=r"tune\.search is one of .*hyperband, .*got 'x'"):
        TuneConfig(search="x")


def test_the_command_line_offers_what_is_registered():
    parser = ArgumentParser()
    parser.add_class_arguments(TuneConfig, "tune")
    names = [name for name in SEARCHERS if name != OWN]
    assert "{" + ",".join(names) + "}" in parser.format_help()


@pytest.mark.slow
def test_a_second_searcher_searches_from_bars_to_bundle(tmp_path, plain_figures):
    config = ExperimentConfig(
        artifacts=str(tmp_path),
        data=DataConfig(simulated_rows=1_200),
        features=FeatureConfig(names=("return_log_1", "rsi_14")),
        model=ModelConfig(name="one_layer"),
        fit=FitConfig(jit_compile=False),
        baselines=False,
    )
    plans = []

    def confirm(plan) -> bool:
        plans.append(plan)
        return True

    tune = TuneConfig(search=OWN, epochs=1, fields=("fit.batch_size",))
    tuned = tune_experiment(config, tune, Progress(), confirm=confirm)
    assert (plans[0].trials, plans[0].configurations, plans[0].epochs) == (3, 3, 3)
    trials = pd.read_csv(tuned.run.folder / "trials.csv")
    assert list(trials["fit.batch_size"]) == [128, 256, 512]
    metrics = json.loads((tuned.run.folder / "metrics.json").read_text())
    assert metrics["tuning"]["tune"]["search"] == OWN
    assert metrics["trials"]["by_kind"]["tuning"] == metrics["tuning"]["configurations"] == 3
    assert metrics["tuning"]["best_trial"]["validation_loss"] == trials["validation_loss"].min()


def test_a_plan_counts_the_epochs_that_are_left_where_trials_stop_early():
    first = Rung(bracket=0, rung=0, trials=3, start_epoch=0, epochs=4)
    second = Rung(bracket=0, rung=1, trials=2, start_epoch=4, epochs=10)
    plan = TrialPlan(rungs=(first, second), iterations=2)
    assert plan.epochs == plan.epochs_until(99) == 2 * (3 * 4 + 2 * 6)
    assert plan.epochs_until(6) == 2 * (3 * 4 + 2 * 2)
    assert plan.epochs_until(2) == 2 * 3 * 2
