"""A bundle from disk says again what its run said, and refuses what it should."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.bundles.bundle import Bundle, load_bundle
from ultimate_deep.bundles.predicting import (
    bundle_config,
    closed_bars,
    length_notes,
    merge_data,
    predict_bars,
)
from ultimate_deep.bundles.prediction_uncertainty import uncertainty_columns
from ultimate_deep.experiments.judging.rejudged import backtest_bundle
from ultimate_deep.experiments.run import Run, run_experiment
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.market.readers import write_bars
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.models.registry import build_model
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig, config_from_dict
from ultimate_deep.training.batches.gradient_pass import uses_xla
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def two_files(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("bars")
    paths = []
    for seed, symbol in ((1, "AAA"), (2, "BBB")):
        bars: Bars = simulate_bars(3_000, seed=seed, edge=0.2).bars
        path = folder / f"{symbol}_1h.csv"
        write_bars(bars, path)
        paths.append(str(path))
    return tuple(paths)


@pytest.fixture(scope="module")
def run(two_files, tmp_path_factory) -> Run:
    config = ExperimentConfig(
        name="small",
        artifacts=str(tmp_path_factory.mktemp("artifacts")),
        data=DataConfig(path=two_files),
        model=ModelConfig(name="ultimate", preset="tiny", options={"dense_blocks_per_unit": (1,)}),
        fit=FitConfig(epochs=2),
        baselines=False,
    )
    return run_experiment(config, Progress())


@pytest.fixture(scope="module")
def bundle(run) -> Bundle:
    """The run's bundle, read from disk."""
    return load_bundle(run.folder)


def test_the_net_was_trained_as_deep_nets_are_by_default(bundle):
    assert uses_xla(bundle.model, FitConfig())
    assert bundle.config["fit"]["jit_compile"] == "auto"
    assert not uses_xla(build_model("linear", {"features": (3,)}), FitConfig())


def test_run_leaves_a_bundle_a_link_and_nothing_unfinished(run):
    assert {path.name for path in run.folder.parent.iterdir()} == {
        run.folder.name,
        "latest",
    }
    assert (run.folder.parent / "latest").resolve() == run.folder.resolve()
    names = {path.name for path in run.folder.iterdir()}
    prefix = "ultimate_deep_advanced_"
    kinds = ("model.h5", "model.keras", "features.csv", "scaler.pkl", "threshold.pkl")
    assert names >= {prefix + kind for kind in (*kinds, "architecture.csv")}
    assert names >= {
        "saved_model", "history.csv", "config.json", "metrics.json", "manifest.json", "report.html",
    }  # fmt: skip
    assert "Cannot tell" in (text := (run.folder / "report.html").read_text()) or "dge" in text


def test_dropout_passes_say_how_sure_the_model_is(bundle, two_files):
    market = load_market(DataConfig(path=two_files), bundle_config(bundle).label)
    sure = uncertainty_columns(bundle, market, passes=4)
    said = predict_bars(bundle, market)
    assert (sure["timestamp"] == said["timestamp"]).all()
    assert (sure["symbol"] == said["symbol"]).all()
    assert sure["confidence"].between(0.5, 1.0).all()
    assert (sure["epistemic"] > 0).any()
    # The mean probability's entropy is the sum of both.
    p = sure["confidence"]
    total = -p * np.log(p) - (1 - p) * np.log1p(-p)
    np.testing.assert_allclose(sure["aleatoric"] + sure["epistemic"], total, atol=1e-9)
    pd.testing.assert_frame_equal(sure, uncertainty_columns(bundle, market, passes=4))


def test_configuration_survives_the_bundle(run, bundle):
    assert bundle_config(bundle).to_dict() == run.prepared.config.to_dict()


def test_backtest_on_the_same_files_reproduces_every_test_figure(run, bundle):
    again = backtest_bundle(bundle, DataConfig())
    assert again.same_bars
    assert again.differing == ()
    before = run.outcome.model
    np.testing.assert_array_equal(again.judgement.probability, before.probability)
    np.testing.assert_array_equal(again.judgement.backtest.equity, before.backtest.equity)


def test_backtest_of_all_bars_says_that_it_flatters(run, bundle):
    again = backtest_bundle(bundle, DataConfig(), "all")
    assert any("flatter" in note for note in again.notes)
    assert again.rows == len(run.prepared.rows.labels)


def test_backtest_refuses_bars_that_end_before_the_test_part(bundle, two_files, tmp_path):
    early = pd.read_csv(two_files[0]).head(1_500)
    path = tmp_path / "AAA_1h.csv"
    early.to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"no bar is decided at or after .* period='all' to see"):
        backtest_bundle(bundle, DataConfig(path=str(path)))


def test_other_bars_are_not_called_the_same(bundle, two_files):
    again = backtest_bundle(bundle, DataConfig(path=two_files[0]))
    assert not again.same_bars


def test_predictions_are_the_run_s_and_do_not_need_the_future(bundle, two_files, tmp_path):
    config = bundle_config(bundle)
    market = load_market(DataConfig(path=two_files[0]), config.label)
    whole = predict_bars(bundle, market)
    assert list(whole.columns) == [
        "symbol", "timestamp", "decision_time", "probability_up", "signal",
    ]  # fmt: skip
    cut = tmp_path / "AAA_1h.csv"
    pd.read_csv(two_files[0]).head(2_000).to_csv(cut, index=False)
    part = predict_bars(bundle, load_market(DataConfig(path=str(cut)), config.label))
    pd.testing.assert_frame_equal(part, whole.iloc[: len(part)])
    assert part["timestamp"].iloc[-1] == pd.Timestamp(pd.read_csv(cut)["timestamp"].iloc[-1])


def test_bars_of_another_length_and_bars_that_are_open_are_told(bundle, two_files):
    market = load_market(DataConfig(path=two_files), bundle_config(bundle).label)
    assert length_notes(bundle, market) == ()
    bars = market["AAA"]
    minutes = Market({"AAA": dataclasses.replace(bars, interval=pd.Timedelta("5min"))})
    assert (
        "300 s long and the model was trained on bars of 3600 s" in length_notes(bundle, minutes)[0]
    )

    now = bars.index[-1] + pd.Timedelta("30min")
    closed, notes = closed_bars(market, now)
    assert [len(one) for one in closed.bars.values()] == [2_999, 2_999]
    assert notes[0] == f"AAA: the bar of {bars.index[-1]} is not over yet and left out"
    same, none = closed_bars(market, bars.index[-1] + bars.interval)
    assert same is market
    assert none == ()
    with pytest.raises(ValueError, match="are not over at"):
        closed_bars(market, bars.index[0])


def test_given_data_options_replace_the_stored_ones():
    stored = DataConfig(path="a.csv", format="lean", timezone="America/New_York")
    merged = merge_data(DataConfig(path="b.csv"), stored)
    assert merged.path == "b.csv"
    assert merged.format == "lean"


def test_a_stored_configuration_with_an_unknown_field_is_refused():
    values = ExperimentConfig().to_dict() | {"from_the_future": 1}
    with pytest.raises(ValueError, match="from_the_future"):
        config_from_dict(values)
    for plugins in (-1, [["a"]], "a"):
        with pytest.raises(ValueError, match=r"plugins .*, and they are a list of names"):
            config_from_dict(ExperimentConfig().to_dict() | {"plugins": plugins})


@pytest.mark.slow
def test_scripts_run_in_another_folder(run, two_files, tmp_path, run_script, monkeypatch, capsys):
    """One in a process of its own, the others in this one."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "train_scripts" / "backtest.py"), "--bundle", str(run.folder)],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "reproduced exactly" in " ".join(done.stdout.split())
    (written,) = run.folder.parent.glob(f"backtest-{run.folder.name}-*")
    trades = pd.read_csv(written / "trades.csv")
    assert len(trades) == run.outcome.model.metrics["trades"]
    summary = json.loads((written / "summary.json").read_text())
    assert summary["figures"]["model"]["accuracy"] == run.outcome.model.metrics["accuracy"]
    shutil.rmtree(written)
    monkeypatch.chdir(tmp_path)
    run_script(
        "predict.py", "--bundle", str(run.folder), "--data.path", two_files[1], "--output", "p.csv"
    )
    assert pd.read_csv(tmp_path / "p.csv")["probability_up"].between(0, 1).all()
    capsys.readouterr()
    metrics = run.folder / "metrics.json"
    original = metrics.read_text()
    try:
        metrics.write_text(json.dumps(json.loads(original) | {"test": {}}))
        with pytest.raises(SystemExit) as ended:
            run_script("backtest.py", "--bundle", str(run.folder))
    finally:
        metrics.write_text(original)
    # Python prints a message, and ends with status one.
    assert "metrics.json" in ended.value.code
    assert capsys.readouterr().err == ""
