"""What the public functions refuse, by rule, value and remedy, before anything is computed."""

import pandas as pd
import pytest

import ultimate_deep as ud
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.machine.home import HOME_VARIABLE, HomeError
from ultimate_deep.machine.places import PlaceError
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.progress import Progress


@pytest.fixture(scope="module")
def bars():
    return ud.simulate_bars(600)


@pytest.fixture
def nothing_is_read(monkeypatch):
    """Fails where bars are read, simulated or turned into features."""

    def read(*given, **named):
        raise AssertionError("bars were read")

    monkeypatch.setattr("ultimate_deep.pipeline.prepared.load_market", read)


def judged(**given):
    asked = {"trained_until": "2000-01-10", **given}
    return ud.judge(pd.Series([0.5]), ud.simulate_bars(100), **asked)


INPUTS = {"features": (8,)}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ud.load(None), "folder must be a text, got None; give the folder of a finished"),
        (lambda: ud.load(3), "folder must be a text, got 3"),
        (lambda: ud.predict(None, None), "bundle must be a bundle or the path of one, got None"),
        (lambda: ud.backtest(3), "bundle must be a bundle or the path of one, got 3"),
        (lambda: ud.backtest("nowhere", period="tst"), "period must be one of .*'test'.*'tst'"),
        (lambda: ud.run("x"), "config must be an ExperimentConfig, got 'x'; give e.g."),
        (lambda: ud.run({"model": "mlp"}), r"got .*'mlp'.*; give ud.ExperimentConfig\(\*\*config"),
        (lambda: ud.run(steps=3), r"steps must be Steps, got 3; give for example Steps\("),
        (lambda: ud.run(net="x"), "net must be a keras.Model, got 'x'"),
        (lambda: ud.run(bars="x"), "bars are what read_bars gives"),
        (lambda: ud.run(tried="x"), "tried must be a whole number, got 'x'"),
        (lambda: ud.run(resume=1), "resume must be true or false, got 1"),
        (lambda: ud.run(progress="no"), "progress must be true or false, got 'no'; give False"),
        (lambda: ud.prepare("x"), "config must be an ExperimentConfig"),
        (lambda: ud.prepare(steps=3), "steps must be Steps"),
        (lambda: judged(costs=1.0), r"costs must be a CostSpec .*got 1.0; give e.g. costs=\{"),
        (lambda: judged(threshold="a"), "threshold must be a number, got 'a'; give e.g. 0.5"),
        (lambda: judged(threshold=0.2), r"threshold must be in \[0.5, 1\], got 0.2"),
        (lambda: judged(trained_until=2000), "the time of a bar, got 2000; give e.g. '2024-01-31'"),
        (lambda: judged(trained_until="soon"), "the time of a bar, got 'soon'"),
        (lambda: judged(trained_until=pd.NaT), "the time of a bar"),
        (lambda: judged(mode="long"), "mode must be one of .*did you mean 'long_flat'"),
        (lambda: judged(session="week"), "session must be one of"),
        (lambda: judged(features="rsi_14"), r"features must be .*; give \['rsi_14'\]"),
        (lambda: judged(horizon_bars=0), "horizon_bars must be at least 1"),
        (lambda: judged(horizon_bars=1.5), "horizon_bars must be a whole number"),
        (lambda: judged(baselines="no"), "baselines must be true or false"),
        (lambda: judged(name=""), "name must not be empty"),
        (lambda: judged(artifacts=None), "artifacts must be a text"),
        (lambda: judged(seed=-1), "seed must be in"),
        (lambda: judged(tried=True), "tried must be a whole number, got True"),
        (lambda: ud.hypermodel("mlp", inputs={}), "inputs must have one shape or more.*got {}"),
        (lambda: ud.hypermodel("mlp", inputs={"a": 8}), "inputs must be a mapping"),
        (lambda: ud.hypermodel("mlp", inputs={"a": ()}), "inputs must have one shape or more"),
        (lambda: ud.hypermodel("mlp", inputs=INPUTS, fields="x"), r"fields must .*give \['x'\]"),
        (lambda: ud.hypermodel("mlp", inputs=INPUTS, heads=2), "heads must be Heads, got 2"),
        (lambda: ud.hypermodel("mlp", inputs=INPUTS, options=3), "options must be a mapping"),
        (lambda: ud.hypermodel("mlp", inputs=INPUTS, preset=""), "preset must not be empty"),
        (lambda: ud.hypermodel(3, inputs=INPUTS), "name must be a text, got 3"),
        (lambda: ud.simulate_bars("x"), "rows must be a whole number, got 'x'"),
        (lambda: ud.simulate_bars(edge="x"), "edge must be a number"),
        (lambda: ud.simulate_bars(interval=3), "interval must be a text"),
        (lambda: ud.simulate_bars(interval="x"), "interval must be a length of time, got 'x'"),
        (lambda: ud.simulate_bars(seed=None), "seed must be a whole number"),
        (lambda: ud.simulate_bars(simulation="linear"), r"simulation=\{'signal': 'linear'\}"),
        (lambda: ud.read_bars(3), "path names a file, a folder or several files, got int"),
        (lambda: ud.read_bars([3]), "path must be a list of texts"),
        (lambda: ud.read_bars("x", session="week"), "^session must be one of"),
        (lambda: ud.read_bars("x", price_scale="x"), "^price_scale must be a number or None"),
        (lambda: ud.read_bars("x", repair="fix"), "^repair must be one of"),
    ],
)
def test_an_argument_of_another_kind_is_refused(call, said, nothing_is_read):
    with pytest.raises((TypeError, ValueError), match=said):
        call()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"name": "nope"}, "no model is called 'nope'"),
        ({"name": "mlp", "preset": "nope"}, "has no preset 'nope'"),
        ({"name": "mlp", "options": {"dropout_rat": 1}}, "did you mean 'dropout_rate'"),
        ({"name": "mlp", "options": {"dropout_rate": "x"}}, "dropout_rate must be a number"),
        ({"name": "mlp", "options": {"dropout_rate": 3}}, "dropout_rate"),
        ({"name": "hist_gradient_boosting", "options": {"rate": 3}}, "has no options"),
    ],
)
def test_a_model_that_is_not_there_is_refused_before_bars_are_read(
    model, said, nothing_is_read, tmp_path
):
    config = ud.ExperimentConfig(model=model, artifacts=tmp_path / "artifacts")
    with pytest.raises((TypeError, ValueError), match=said):
        ud.run(config, progress=False)
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_written_are_found_before_bars_are_read(
    nothing_is_read, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    config = ud.ExperimentConfig(artifacts=tmp_path / "file")
    with pytest.raises(PlaceError, match="artifacts must be a folder"):
        run_experiment(config, Progress())
    monkeypatch.setenv(HOME_VARIABLE, "relative")
    for call in (ud.run, judged, lambda: ud.backtest("nowhere")):
        with pytest.raises(HomeError, match="absolute path"):
            call()


def test_a_step_is_a_function():
    with pytest.raises(TypeError, match=r"steps.scale must be a function, got 3; give"):
        Steps(scale=3)
    assert Steps().own == ()


def wrong(*given):
    return 0.5


@pytest.mark.parametrize(
    "step", [name for name in Steps.__dataclass_fields__ if name != "stopping"]
)
def test_a_step_that_returns_something_else_is_named(step, bars, tmp_path):
    config = ud.ExperimentConfig(
        artifacts=tmp_path,
        model={"name": "hist_gradient_boosting", "preset": "tiny"},
        features={"names": ["return_log_1"]},
        baselines=False,
    )
    said = rf"steps\.{step} must return .*, got 0\.5; change the function wrong"
    with pytest.raises(TypeError, match=said):
        ud.run(config, bars=bars, steps=Steps(**{step: wrong}), progress=False)
