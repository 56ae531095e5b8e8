"""What `import ultimate_deep as ud` gives: quickly, with examples that run, and in short words."""

import doctest
import os
import subprocess
import sys
import textwrap

import pytest

import ultimate_deep as ud
from ultimate_deep import plugins
from ultimate_deep.experiments import face
from ultimate_deep.experiments.takeaway import SUMMARY_FILE, TABLES

pytestmark = pytest.mark.usefixtures("plain_figures")


def in_a_new_process(code, folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        cwd=folder, capture_output=True, text=True, check=True, timeout=300,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    return done.stdout


def test_importing_loads_nothing_heavy(tmp_path):
    code = """
    import sys, time
    before = time.process_time()
    import ultimate_deep as ud
    print(time.process_time() - before)
    assert ud.ExperimentConfig and set(ud.__all__) <= set(dir(ud))
    print(*sys.modules)
    """
    seconds, modules = in_a_new_process(code, tmp_path).splitlines()
    assert float(seconds) < 0.3
    loaded = {"numpy", "pandas", "numba", "keras", "tensorflow", "scipy"} & set(modules.split())
    assert not loaded


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'read_bar'"):
        _ = ud.read_bar


@pytest.mark.parametrize("name", ud.__all__)
def test_every_name_says_what_it_takes_and_shows_an_example(name):
    text = getattr(ud, name).__doc__
    assert "Args:" in text
    assert ">>> import ultimate_deep as ud" in text


@pytest.mark.slow
def test_the_examples_of_the_docstrings_run(tmp_path, monkeypatch):
    """In the order of the file: `load`, `predict` and `backtest` use what `run` has saved."""
    monkeypatch.chdir(tmp_path)
    elsewhere = [getattr(ud, name) for name in ud.__all__ if name not in vars(face)]
    found = [
        *doctest.DocTestFinder(recurse=True).find(face, "face"),
        *(one for name in elsewhere for one in doctest.DocTestFinder(recurse=False).find(name)),
        *doctest.DocTestFinder(recurse=True).find(plugins.feature, "plugins.feature"),
    ]
    tests = sorted((test for test in found if test.examples), key=lambda test: test.lineno)
    assert len(tests) >= 12
    said: list[str] = []
    for test in tests:
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        if runner.run(test, out=said.append).failed:
            pytest.fail("".join(said))


def test_keras_loads_our_files_once_this_is_imported(tmp_path):
    """Whichever is imported first, `.keras` and `.h5`; before, the error names the package."""
    from ultimate_deep.bundles.saved_model import save_keras_files
    from ultimate_deep.models.registry import preset_config

    net = ud.build_model("ultimate", {"features": (5,)}, config=preset_config("ultimate", "tiny"))
    save_keras_files(net, tmp_path / "net.keras", tmp_path / "net.h5")
    code = """
    import keras
    for suffix in ("keras", "h5"):
        try:
            keras.models.load_model(f"net.{suffix}")
        except (TypeError, ValueError) as error:
            assert "ultimate_deep" in str(error), error
        else:
            raise AssertionError("loaded without our layers")
    import ultimate_deep
    print(*(keras.models.load_model(f"net.{suffix}").name for suffix in ("keras", "h5")))
    """
    assert in_a_new_process(code, tmp_path).split() == ["ultimate", "ultimate"]


@pytest.fixture(scope="module")
def bars():
    return ud.simulate_bars(2_500, edge=0.3, simulation={"signal": "linear"})


@pytest.fixture(scope="module")
def done(bars, tmp_path_factory):
    config = ud.ExperimentConfig(
        artifacts=str(tmp_path_factory.mktemp("artifacts")),
        model={"name": "linear"},
        features={"names": ["return_log_1", "return_log_2", "return_log_3"]},
        fit={"epochs": 2},
        baselines=False,
        tables="parquet",
    )
    return ud.run(config, bars=bars, progress=False)


def test_a_configuration_of_mappings_is_that_of_classes():
    config = ud.ExperimentConfig(
        model={"name": "lstm", "options": {"width": 8}},
        backtest={"mode": "long_short", "costs": {"fee_bps": 2.0}},
    )
    assert (config.name, config.model.options) == ("lstm", {"width": 8})
    assert config.backtest.costs.fee_bps == 2.0
    with pytest.raises(TypeError, match="has no field 'fee_bp'; did you mean 'fee_"):
        ud.ExperimentConfig(backtest={"costs": {"fee_bp": 2.0}})
    with pytest.raises(ValueError, match=r"fit\.epochs must be at least 1"):
        ud.ExperimentConfig(fit={"epochs": 0})


def test_what_comes_back_is_short_and_typed(done, bars):
    bundle = ud.load(done.folder)
    result = ud.backtest(bundle, bars)
    matrix = ud.compute_features(bars, ["return_log_1", "rsi_14"])
    for one in (bars, bars["SIMULATED"], matrix, done, bundle, result):
        assert len(repr(one)) < 300
        assert repr(one).startswith("<")
    assert done.figures["model"]["accuracy"] == result.judgement.metrics["accuracy"]
    assert done.verdict.kind in repr(done)
    for one in (matrix, done, result):
        assert "<table" in one._repr_html_()
    assert list(matrix.frame().columns) == ["return_log_1", "rsi_14"]


def test_a_bundle_answers_as_an_estimator_does(done, bars):
    bundle, frame = ud.load(done.folder), bars.frame().tz_convert("America/New_York")
    shares, classes = bundle.predict_proba(frame), bundle.predict(frame)
    assert list(shares.columns) == ["down", "up"]
    assert shares.index.equals(frame.index)
    assert classes.index.equals(frame.index)
    rows = frame.reset_index().rename(columns={frame.index.name or "index": "timestamp"})
    rows.index = rows.index + 7  # what is added as a column stands beside its bar
    rows["up"] = bundle.predict_proba(rows)["up"]
    assert rows["up"].tolist() == pytest.approx(shares["up"].tolist(), nan_ok=True, abs=0)
    told = shares.notna().all(axis=1)
    assert told.sum() == classes.notna().sum() == len(ud.predict(bundle, frame))
    assert ((shares["up"] >= 0.5)[told] == (classes[told] == 1)).all()
    table = ud.predict(done.folder, bars)
    assert table["probability_up"].to_numpy().tolist() == shares["up"][told].tolist()


def test_a_run_writes_what_people_take_away(done):
    import json

    import pandas as pd

    tables = {name: pd.read_parquet(done.folder / f"{name}.parquet") for name in TABLES}
    summary = json.loads((done.folder / SUMMARY_FILE).read_text())
    assert summary["figures"]["model"] == {
        name: value for name, value in done.figures["model"].items() if value == value
    } | {name: None for name, value in done.figures["model"].items() if value != value}
    assert summary["verdict"]["kind"] == done.verdict.kind
    assert summary["simulated"] is True
    predictions, trades = tables["predictions"], tables["trades"]
    right = (predictions["probability_up"] >= 0.5) == (predictions["label"] == 1)
    labelled = predictions["label"].notna()
    assert right[labelled].mean() == pytest.approx(done.figures["model"]["accuracy"])
    assert len(trades) == done.figures["model"]["trades"]
    growth = tables["equity"]["equity"].iloc[-1] - 1
    assert growth == pytest.approx(done.figures["model"]["total_return"])
    assert (tables["positions"]["timestamp"] == tables["equity"]["timestamp"]).all()


def test_bars_of_several_symbols_are_taken_one_at_a_time():
    two = ud.simulate_bars(700, simulation={"assets": {"count": 2}})
    assert len(two) == 2
    with pytest.raises(ValueError, match=r"of 2 symbols, .*; take one of them, such as bars\["):
        ud.compute_features(two)
    first = next(iter(two))
    assert ud.compute_features(two[first], ["rsi_14"]).values.shape == (700, 1)
    rows = two[first].frame.reset_index()
    assert ud.compute_features(rows, ["rsi_14"]).values.shape == (700, 1)
    stream = ud.FeatureStream(["rsi_14"])
    assert stream.extend(two[first]).values.shape == (700, 1)
    assert repr(stream) == "<stream of 1 features, 700 bars taken>"
    with pytest.raises(TypeError, match=r"give bars\.set_index"):
        ud.compute_features(rows.drop(columns="timestamp"), ["rsi_14"])
    with pytest.raises(KeyError, match="no bars of 'X'; there are"):
        _ = two["X"]


def test_a_net_that_was_trained_elsewhere_goes_into_a_bundle(done, bars, tmp_path):
    import keras_tuner
    import numpy as np

    from ultimate_deep.experiments.experiment import prepare
    from ultimate_deep.training.progress import Progress

    hyper = ud.hypermodel(
        "mlp", inputs={"features": (3,)}, preset="tiny", fields=("model.dropout_rate",)
    )
    chosen = keras_tuner.HyperParameters()
    net = hyper.build(chosen)
    chosen.values["model.dropout_rate"] = 0.25
    config = hyper.experiment(
        chosen,
        ud.ExperimentConfig(
            artifacts=str(tmp_path),
            features={"names": ["return_log_1", "return_log_2", "return_log_3"]},
            baselines=False,
        ),
    )
    assert config.model.options == {"dropout_rate": 0.25}
    assert config.name == "mlp"  # as the runs of this model are called
    assert hyper.experiment(chosen, ud.ExperimentConfig(name="mine")).name == "mine"
    prepared = prepare(config, Progress(), market=bars)
    train = prepared.arrays("train")
    net.fit(train.x, train.y, epochs=1, batch_size=256, verbose=0)
    saved = ud.run(config, bars=bars, net=net, progress=False)
    kept = ud.load(saved.folder).model
    for one, two in zip(net.get_weights(), kept.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match=r"input shape is \(None, 4\) and the experiment's is"):
        ud.run(config, bars=bars, net=ud.build_model("mlp", {"features": (4,)}), progress=False)


def test_a_hypermodel_refuses_what_it_cannot_search():
    from ultimate_deep.models import Heads

    with pytest.raises(ValueError, match="'xgboost' is none; nets are"):
        ud.hypermodel("xgboost", inputs={"features": (3,)})
    with pytest.raises(ValueError, match="hypermodel compiles directions up or down"):
        ud.hypermodel("mlp", inputs={"features": (3,)}, heads=Heads(classes=3))
    with pytest.raises(ValueError, match="no search range for"):
        ud.hypermodel("mlp", inputs={"features": (3,)}, fields=("model.colour",))
