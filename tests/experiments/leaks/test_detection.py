"""The experiment's own path passes, and steps that leak are named when a user plants them in it."""

import dataclasses
import io
import json
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import RobustScaler

from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.detect import CHECKS, DATA_CHECKS, TRAINING_CHECKS
from ultimate_deep.evaluation.reporting.leaks_page import leak_page
from ultimate_deep.experiments.experiment import assemble
from ultimate_deep.experiments.leaks.asked import check_steps, free_folder, load_steps
from ultimate_deep.experiments.leaks.detection import write_leaks
from ultimate_deep.experiments.leaks.pipeline import (
    SurrogateConfig,
    _relabelled,
    detect_in_experiment,
)
from ultimate_deep.features import FeatureMatrix, compute_features, feature_names
from ultimate_deep.features.engine.timeframes import Timeframe
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.market.readers import read_files
from ultimate_deep.market.splits import chronological_split
from ultimate_deep.market.timeframes import coarse_bars
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, HeadConfig, ModelConfig
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.pipeline.scaling import fit_scaler
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import LineProgress

NAMES = ("return_log_1", "return_log_5", "return_log_20", "close_location", "range_z_20")
QUICK = LeakConfig(cuts=4, truncations=2, noise_markets=1)
TINY = SurrogateConfig(model="linear", epochs=1)


CONFIG = ExperimentConfig(
    data=DataConfig(simulated_rows=1_500, simulated_edge=0.1, simulated_seed=5),
    model=ModelConfig(name="linear"),
    fit=FitConfig(epochs=1),
    baselines=False,
)


@pytest.fixture(scope="module")
def config() -> ExperimentConfig:
    return dataclasses.replace(CONFIG, features=FeatureConfig(names=NAMES))


@pytest.fixture(scope="module")
def market(config) -> Market:
    return load_market(config.data, config.label)


def _detect(config, market, steps, checks=DATA_CHECKS):
    return detect_in_experiment(config, market, QUICK, steps=steps, surrogate=TINY, checks=checks)


def _with_column(add):
    """Features of the experiment and one more, made by `add(frame)`."""

    def features(frame: pd.DataFrame) -> FeatureMatrix:
        honest = compute_features(frame, NAMES)
        column = np.asarray(add(frame), np.float32).copy()
        column[: honest.warmup_bars] = np.nan
        return dataclasses.replace(
            honest,
            values=np.column_stack([honest.values, column]),
            names=(*honest.names, "planted"),
            families=(*honest.families, "planted"),
        )

    return features


def _centred(frame):
    return (frame["close"] / frame["close"].rolling(9, center=True).mean() - 1.0).fillna(0.0)


def _coarse_early(frame):
    coarse = np.log(frame["close"].resample("4h").last()).diff()
    return coarse.reindex(frame.index, method="ffill").fillna(0.0)


def _whole_frame(frame):
    volume = np.log1p(frame["volume"])
    return (volume - volume.mean()) / volume.std()


def _min_max(frame):
    return (frame["close"] - frame["close"].min()) / (frame["close"].max() - frame["close"].min())


def _peer_too_early(market: Market) -> Market:
    """Another market's close beside each bar (in the place of volume), one bar early."""
    bars = market.bars["SIMULATED"]
    early = bars.frame["close"].shift(-1).ffill()
    return Market({"SIMULATED": dataclasses.replace(bars, frame=bars.frame.assign(volume=early))})


def _no_purge(rows, spec, interval):
    return chronological_split(rows.decision_time, rows.decision_time, spec, interval=interval)


def _select_on_all(rows, split):
    known = np.isfinite(rows.labels)
    score = np.abs(np.corrcoef(rows.values[known].T, rows.labels[known])[-1, :-1])
    return [rows.names[place] for place in np.sort(np.argsort(-score)[:2])]


def _mean_of_all(rows, split):
    return dataclasses.replace(rows, values=rows.values - rows.values.mean(axis=0))


def _scale_on_all(values, train) -> RobustScaler:
    return fit_scaler(values, np.arange(len(values)))


DATA_LEAKS = {
    "centred window": ("features", Steps(features=_with_column(_centred))),
    "coarse bars stamped early": ("features", Steps(features=_with_column(_coarse_early))),
    "whole-frame scaling": ("features", Steps(features=_with_column(_whole_frame))),
    "whole-frame min/max": ("features", Steps(features=_with_column(_min_max))),
    "join off by one": (
        "features",
        Steps(bars=_peer_too_early, features=_with_column(lambda f: np.log(f["volume"]).diff())),
    ),
    "no purge": ("split", Steps(split=_no_purge)),
    "mean of all rows": ("rows", Steps(rows=_mean_of_all)),
    "selection on all rows": ("selection", Steps(select=_select_on_all)),
    "scaler of all rows": ("scaling", Steps(scale=_scale_on_all)),
}


@pytest.mark.parametrize("name", DATA_LEAKS)
def test_planted_data_leaks_are_named(name, config, market):
    step, steps = DATA_LEAKS[name]
    report = _detect(config, market, steps)
    assert report.verdict == f"leak in {step}", report.sentence


TWO_TIMEFRAMES = InputConfig(
    kind="timeframes",
    window_bars=4,
    timeframes=(4,),
    coarse_window_bars=3,
    coarse_features=NAMES[:2],
)


@pytest.mark.parametrize("early", [False, True])
def test_coarse_bars_seen_before_they_are_over_are_named(early, config, market, monkeypatch):
    def coarse(frame, interval, factor):
        found = coarse_bars(frame, interval, factor)
        newest = np.minimum(found.newest + 1, len(found.frame) - 1)
        return dataclasses.replace(found, newest=newest)

    if early:
        monkeypatch.setattr("ultimate_deep.pipeline.inputs.tables.coarse_bars", coarse)
    windows = dataclasses.replace(config, inputs=TWO_TIMEFRAMES)
    report = _detect(windows, market, Steps(), checks=DATA_CHECKS)
    assert report.verdict == ("leak in features" if early else "no leak found"), report.sentence
    assert report.features == len(NAMES) + 2
    if early:
        assert "`bars_4x return_log_1`" in report.findings[0].sentence


@pytest.mark.parametrize("early", [False, True])
def test_features_of_coarser_bars_are_examined_too(early, config, market, monkeypatch):
    advance = Timeframe.advance

    def too_early(self, columns, times):
        values = advance(self, columns, times)
        return np.vstack([values[1:], values[-1:]])

    if early:
        monkeypatch.setattr(Timeframe, "advance", too_early)
    names = FeatureConfig(names=("return_log_1", "close_to_sma_10_16x", "range_log_4x"))
    report = _detect(dataclasses.replace(config, features=names), market, Steps())
    assert report.verdict == ("leak in features" if early else "no leak found"), report.sentence
    assert report.features == 3
    if early:
        assert "_16x" in report.findings[0].sentence or "_4x" in report.findings[0].sentence


def test_the_stand_in_reads_what_the_model_reads():
    for model, kind in (("lstm", "window"), ("episodic_memory", "window"), ("mlp", "features")):
        config = dataclasses.replace(CONFIG, model=ModelConfig(name=model))
        assert TINY.applied(config).inputs.kind == kind


def test_trees_are_examined_with_all_their_heads_relabelled(config, market):
    trees = dataclasses.replace(
        config,
        model=ModelConfig(name="hist_gradient_boosting", preset="tiny"),
        heads=HeadConfig(further_horizons=(3,)),
    )
    report = detect_in_experiment(trees, market, QUICK, surrogate=None, checks=TRAINING_CHECKS[:2])
    assert [check.outcome for check in report.checks] == ["passed"] * 3, report.sentence


def test_returns_that_are_learnt_agree_with_changed_labels(config, market):
    heads = HeadConfig(further_horizons=(3,), classes=3, quantiles=(0.1, 0.5, 0.9))
    several = dataclasses.replace(config, heads=heads, label=LabelSpec(cost_band_bps=20))
    _, rows = assemble(several, market, Steps())
    changed = _relabelled(rows, lambda labels, parts: 1.0 - labels, {})
    np.testing.assert_array_equal(changed.targets.up, 1.0 - rows.targets.up)
    np.testing.assert_array_equal(changed.labels, 1.0 - rows.labels)
    sided = np.isin(rows.targets.up, (0.0, 1.0))
    turned, before = changed.targets.return_log[sided], rows.targets.return_log[sided]
    np.testing.assert_array_equal(turned, -before)


def _stop_on_test(prepared):
    return prepared.arrays("test")


def _threshold_on_test(prepared, probability):
    judge = prepared.judge("test")
    return judge.choose_threshold(probability["test"], minimum_coverage=0.05)


def test_a_threshold_chosen_on_test_is_named(config, market):
    steps = Steps(threshold=_threshold_on_test)
    report = _detect(config, market, steps, checks=TRAINING_CHECKS[:1])
    assert report.verdict == "leak in threshold", report.sentence


def test_stopping_by_test_is_named_with_the_runs_own_model(config, market):
    said = io.StringIO()
    report = detect_in_experiment(
        config,
        market,
        QUICK,
        steps=Steps(stopping=_stop_on_test),
        surrogate=None,
        checks=TRAINING_CHECKS[:1],
        progress=LineProgress(said),
    )
    assert report.verdict == "leak in model", report.sentence
    # Each run is announced, and its training shows its own progress.
    assert "the opposite of every test label" in said.getvalue()
    assert "epoch 1/1" in said.getvalue()


def test_the_experiment_itself_passes(config, market):
    report = _detect(config, market, Steps(), checks=CHECKS)  # all of them: eight trainings
    assert not report.findings, report.sentence
    assert [check.outcome for check in report.checks] == ["passed"] * len(report.checks)
    assert report.simulated
    assert "Simulated bars" in leak_page(report)


def test_all_features_pass_on_real_bars(real_bars_folder):
    bars = read_files(real_bars_folder / "gbpusd_1h.parquet")
    leak_config = LeakConfig(cuts=5, truncations=2, most_bars=2_500)
    report = detect_in_experiment(CONFIG, Market(bars), leak_config, checks=DATA_CHECKS)
    assert not report.leaking, report.sentence
    assert report.features > len(feature_names()) - len(feature_names("volume"))
    assert report.bars == 2_500


def test_steps_are_loaded_from_a_users_file(tmp_path):
    file = tmp_path / "my_steps.py"
    file.write_text(
        "from ultimate_deep.pipeline.steps import Steps\n"
        "steps = Steps(scale=lambda values, train: None)\nother = 3\n"
    )
    assert load_steps(f"{file}:steps").own == ("scale",)
    for wrong, rule in (
        ("my_steps", "module:attribute"),
        (f"{file}:absent", "nothing of that name"),
        (f"{file}:other", "found a int"),
        ("no_such_module_at_all:steps", "No module named"),
        (f"{tmp_path / 'none.py'}:steps", "no file"),
    ):
        with pytest.raises(ValueError, match=rule):
            load_steps(wrong)
    check_steps(f"{file}:absent")  # the file is there, and is not run to see what it holds
    check_steps("json:steps")


def test_a_users_file_never_stands_in_for_a_package(tmp_path):
    from ultimate_deep import features

    file = tmp_path / "features.py"
    file.write_text("from ultimate_deep.pipeline.steps import Steps\nsteps = Steps()\n")
    assert load_steps(f"{file}:steps") == Steps()
    assert sys.modules["ultimate_deep.features"] is features
    assert "features" not in sys.modules


def test_results_are_written_beside_the_bundle_and_never_over_others(tmp_path, config, market):
    report = _detect(config, market, Steps(scale=_scale_on_all), checks=DATA_CHECKS[-2:-1])
    bundle = tmp_path / "run"
    bundle.mkdir()
    folder = free_folder(bundle)
    assert folder == tmp_path / "run-leaks"
    write_leaks(report, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["leaks.html", "leaks.json"]
    stored = json.loads((folder / "leaks.json").read_text())
    assert stored["verdict"] == "leak in scaling"
    assert "Leak in scaling" in (folder / "leaks.html").read_text()
    assert free_folder(bundle) == tmp_path / "run-leaks-2"
    with pytest.raises(FileExistsError, match="never overwritten"):
        write_leaks(report, folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run-leaks"]
