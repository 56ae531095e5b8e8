"""A planted look-ahead is found in what models of every kind read, and honest ones pass."""

import dataclasses
import json

import numpy as np
import pytest

from ultimate_deep.bundles.bundle import load_any
from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.detect import DATA_CHECKS, TRAINING_CHECKS
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.leaks import EnsemblePipeline, detect_in_ensemble
from ultimate_deep.experiments.ensembles.pooling import fit_pool
from ultimate_deep.experiments.ensembles.run import run_ensemble
from ultimate_deep.experiments.leaks.asked import SurrogateConfig
from ultimate_deep.experiments.leaks.pipeline import detect_in_experiment
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.features.gaf import gaf_numbers
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import load_market
from ultimate_deep.market.timeframes import coarse_bars
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.inputs import tables
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.pipeline.scaling import fit_scaler
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.progress import Progress

NAMES = ("return_log_1", "close_location", "range_z_20")
QUICK = LeakConfig(cuts=4, truncations=2, noise_markets=1)
TINY = SurrogateConfig(model="linear", epochs=1)
KINDS = {
    "window": InputConfig(kind="window", window_bars=4),
    "timeframes": InputConfig(
        kind="timeframes", window_bars=4, timeframes=(4,), coarse_window_bars=3,
        coarse_features=NAMES[:2],
    ),
    "gaf": InputConfig(kind="gaf", gaf_timeframes=(1, 4), gaf_window_bars=16, gaf_size=8),
}  # fmt: skip


def _config(kind: str, **changes) -> ExperimentConfig:
    return ExperimentConfig(
        data={"simulated_rows": 1_500, "simulated_edge": 0.1, "simulated_seed": 5},
        features={"names": NAMES}, inputs=KINDS[kind], model={"name": "linear"},
        fit={"epochs": 1}, baselines=False, **changes,
    )  # fmt: skip


def _window_too_late(monkeypatch):
    """Windows that end with the bar after the decision's."""
    honest = tables._own

    def later(rows, window_bars):
        table = honest(rows, window_bars)
        ends = np.minimum(table.ends + 1, len(table.ends) - 1)
        return dataclasses.replace(table, ends=ends)

    monkeypatch.setattr(tables, "_own", later)


def _coarse_too_early(monkeypatch):
    """Coarser bars that are seen before they are over."""

    def early(frame, interval, factor):
        found = coarse_bars(frame, interval, factor)
        newest = np.minimum(found.newest + 1, len(found.frame) - 1)
        return dataclasses.replace(found, newest=newest)

    monkeypatch.setattr(tables, "coarse_bars", early)


def _picture_of_all(monkeypatch):
    """Pictures whose numbers are held against the whole file's."""

    def whole(closes, window, size, dtype):
        return gaf_numbers(closes, window, size, dtype=dtype) * (closes[-1] / closes.mean())

    monkeypatch.setattr(tables, "gaf_numbers", whole)


PLANTED = {"window": _window_too_late, "timeframes": _coarse_too_early, "gaf": _picture_of_all}
MOVED = {
    "window": "`close_location`",
    "timeframes": "`bars_4x close_location`",
    "gaf": "`gaf_1x 1`",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_look_ahead_of_every_kind_is_named(kind, monkeypatch):
    config = _config(kind)
    market = load_market(config.data, config.label)
    report = detect_in_experiment(config, market, QUICK, surrogate=TINY, checks=DATA_CHECKS)
    assert report.verdict == "no leak found", report.sentence
    PLANTED[kind](monkeypatch)
    report = detect_in_experiment(config, market, QUICK, surrogate=TINY, checks=DATA_CHECKS)
    assert report.verdict == "leak in features", report.sentence
    assert MOVED[kind] in report.findings[0].sentence


@pytest.fixture(scope="module")
def ensemble(plain_figures, tmp_path_factory):
    """A model of windows and one of pictures together, finished and loaded."""
    artifacts = str(tmp_path_factory.mktemp("artifacts"))
    folders = [
        run_experiment(_config(kind, name=kind, artifacts=artifacts), Progress()).folder
        for kind in ("window", "gaf")
    ]
    config = EnsembleConfig(artifacts=artifacts)
    return load_any(run_ensemble(folders, config, Progress()).folder)


def _detect(ensemble, **asked):
    return detect_in_ensemble(ensemble, DataConfig(), QUICK, surrogate=TINY, **asked)


def test_an_ensemble_passes_with_all_of_its_members(ensemble):
    report = _detect(ensemble, checks=(*DATA_CHECKS, *TRAINING_CHECKS[:2]))
    assert report.verdict == "no leak found", report.sentence
    assert [check.outcome for check in report.checks] == ["passed"] * len(report.checks)
    assert {"selection", "scaling", "model", "threshold", "signals"} <= set(report.examined)
    # Features of both, and the numbers of two pictures.
    assert report.features == 2 * len(NAMES) + 2 * 8
    assert "linear in place of the models of 2 members" in report.subject


@pytest.mark.parametrize("kind", ["window", "gaf"])
def test_a_look_ahead_of_one_member_is_named_with_it(kind, ensemble, monkeypatch):
    PLANTED[kind](monkeypatch)
    report = _detect(ensemble, checks=DATA_CHECKS[:2])
    assert report.verdict == "leak in features", report.sentence
    member = next(name for name in ensemble.members if name.startswith(kind))
    assert f"`{member}: {MOVED[kind].strip('`')}`" in report.findings[0].sentence


def test_a_step_that_leaks_is_named_in_an_ensemble(ensemble):
    def scale(values, train):
        return fit_scaler(values, np.arange(len(values)))

    report = _detect(ensemble, steps=Steps(scale=scale), checks=DATA_CHECKS)
    assert report.verdict == "leak in scaling", report.sentence


def test_what_combines_members_by_their_test_part_is_named(ensemble, monkeypatch):
    held = {}

    def combined(members, config, progress):
        part = members.split.test
        held["members"] = members.names
        return fit_pool(
            members.names, members.logits[:, part], members.labels[part],
            temperature=members.temperature, pull=0.0,
        )  # fmt: skip

    monkeypatch.setattr("ultimate_deep.experiments.ensembles.leaks.fit_combiner", combined)
    report = _detect(ensemble, checks=TRAINING_CHECKS[:1])
    assert held["members"] == tuple(ensemble.members)
    assert report.verdict == "leak in model", report.sentence


def test_a_member_walks_as_it_does_by_itself(ensemble):
    configs = {"a": _config("window"), "b": _config("timeframes")}
    bars = load_market(configs["a"].data, configs["a"].label).bars
    pipeline = EnsemblePipeline(configs, EnsembleConfig(method="average"))
    trace = pipeline(bars, until="scaling")
    assert trace.scaled.shape[1] == 2 * len(NAMES) + 2
    assert trace.selected[: len(NAMES)] == tuple(f"a: {name}" for name in NAMES)
    for name, config in configs.items():
        alone = detect_trace(config, bars)
        own = [place for place, one in enumerate(trace.names) if one.startswith(f"{name}: ")]
        np.testing.assert_array_equal(trace.features[:, own], alone.features)
        np.testing.assert_array_equal(trace.scaled[:, own], alone.scaled)


def detect_trace(config, bars):
    from ultimate_deep.experiments.leaks.pipeline import ExperimentPipeline

    return ExperimentPipeline(config)(bars, until="scaling")


def test_the_command_examines_an_ensemble(ensemble, run_script, capsys, tmp_path):
    folder = tmp_path / "found"
    run_script(
        "detect_leaks.py", "--bundle", str(ensemble.folder), "--no_training", "--leaks.cuts", "2",
        "--leaks.truncations", "1", "--output", str(folder),
    )  # fmt: skip
    assert "No leak found" in capsys.readouterr().out
    assert json.loads((folder / "leaks.json").read_text())["verdict"] == "no leak found"
