"""A user's own feature, net, loss, label and steps: registered, checked, named by the bundle."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import ultimate_deep as ud
from ultimate_deep import plugins
from ultimate_deep.bundles.manifest import BundleError
from ultimate_deep.commands import main
from ultimate_deep.commands.settings import experiment_from
from ultimate_deep.features import FeatureStream, compute_features, feature_names, iter_features
from ultimate_deep.machine.plugins import is_loaded
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.models.registry import BUILDERS
from ultimate_deep.training.losses.loss_config import LossConfig

pytestmark = pytest.mark.usefixtures("plain_figures")

GOOD = '''
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from ultimate_deep import plugins
from ultimate_deep.features.engine.graph import lag, ratio
from ultimate_deep.features.indicators.classic import atr, close, opening
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.models.inputs import flat_features, make_inputs
from ultimate_deep.models.seeds import derive_seed


@plugins.feature(warmup_bars=19, neutral=0.5)
def own_place_20(bars):
    low, high = bars["low"].rolling(20).min(), bars["high"].rolling(20).max()
    return ((bars["close"] - low) / (high - low)).where((high > low) | low.isna(), 0.5)


@plugins.feature(neutral=0.0)
def own_gap():
    return ratio(opening() - lag(close(), 1), atr(14))


@dataclass(frozen=True, kw_only=True)
class TwoTanhConfig:
    """Two layers.

    Args:
        width: Units of the hidden layer.
        seed: Seed of all weights.
    """

    width: int = 8
    seed: int = 0


@plugins.net
def build_two_tanh(inputs, heads=Heads(), config=TwoTanhConfig()):
    structure, tensors = make_inputs(inputs)
    x = flat_features(inputs, tensors, input_clip=8.0, dtype="float32")
    begin = keras.initializers.GlorotNormal(seed=derive_seed(config.seed, "hidden"))
    x = keras.layers.Dense(config.width, activation="tanh", kernel_initializer=begin)(x)
    return keras.Model(structure, prediction_heads(heads, x, seed=config.seed))


@plugins.loss
def own_margin(y, logits):
    return ops.softplus(1.0 - (2.0 * y - 1.0) * logits)


@plugins.label
def own_move(frame, spec):
    opens, ahead = frame["open"].to_numpy(), spec.horizon_bars
    out = np.full(len(opens), np.nan)
    out[: -1 - ahead] = opens[1 + ahead :] / opens[1 : len(opens) - ahead] > 1.0005
    return out
'''
BAD = '''
import numpy as np
from keras import layers, ops
import keras
from dataclasses import dataclass, replace

from ultimate_deep import plugins
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.inputs import make_inputs
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.features import compute_features


@plugins.feature(warmup_bars=0)
def peeks(bars):
    return bars["close"].shift(-1).ffill() / bars["close"]


@plugins.feature(warmup_bars=5)
def has_a_level(bars):
    return bars["close"]


@dataclass(frozen=True, kw_only=True)
class AcrossConfig:
    """None."""

    seed: int = 0


@plugins.net
def build_across(inputs, heads=Heads(), config=AcrossConfig()):
    structure, tensors = make_inputs(inputs)
    x = layers.Lambda(lambda t: t - ops.mean(t, axis=0, keepdims=True))(tensors[0])
    return keras.Model(structure, layers.Dense(heads.horizons)(x))


@plugins.loss
def upside_down(y, logits):
    return -ops.softplus(1.0 - (2.0 * y - 1.0) * logits)


@plugins.label
def reaches_on(frame, spec):
    return (frame["close"].shift(-40).bfill().ffill() > frame["close"]).astype(float)


def z_scored(frame):
    matrix = compute_features(frame, ["return_log_1", "rsi_14"])
    values = matrix.values.copy()
    values[:] -= np.nanmean(values, axis=0)
    return replace(matrix, values=values)


plugins.steps(Steps(features=z_scored))
'''

# Functions that are not plain ones.
ODD = """
import functools
from ultimate_deep import plugins
def base(bars, n=3):
    return bars["close"] / bars["close"].shift(n) - 1
def passed_on(function):
    @functools.wraps(function)
    def inner(*given, **named):
        return function(*given, **named)
    return inner
def bare(function):
    return lambda *given: function(*given)
"""


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.py"
    path.write_text(GOOD)
    return path


def test_what_a_plugin_registers_is_known_while_it_is_loaded(good):
    before = feature_names()
    with plugins.plugins_loaded([good]):
        assert feature_names() == (*before, "own_place_20", "own_gap")
        frame = ud.simulate_bars(800).frame()
        values = compute_features(frame, ["own_place_20", "own_gap"]).frame()
        assert values["own_place_20"].first_valid_index() == frame.index[19]
        assert FeatureStream(["own_gap"]).names == ("own_gap",)
        for refused in (FeatureStream, lambda names: next(iter_features(frame, names))):
            with pytest.raises(ValueError, match="'own_place_20' is a function of whole bars and"):
                refused(["own_place_20"])
        with pytest.raises(ValueError, match="unknown features: 'own_place_20_5x'"):
            compute_features(frame, ["own_place_20_5x"], interval="1h")
        longer = ud.simulate_bars(1_800).frame()
        assert compute_features(longer, ["own_gap_5x"], interval="1h").values.shape == (1_800, 1)
        assert ud.build_model("two_tanh", {"features": (3,)}).count_params() == 41
        assert LossConfig(name="own_margin").name == "own_margin"
        assert LabelSpec(kind="own_move").kind == "own_move"
    assert feature_names() == before
    assert "two_tanh" not in BUILDERS
    with pytest.raises(ValueError, match=r"fit\.loss\.name must be one of"):
        LossConfig(name="own_margin")
    with pytest.raises(ValueError, match=r"label\.kind must be one of"):
        LabelSpec(kind="own_move")


def test_a_bundle_names_its_plugin_and_needs_that_very_one(good, tmp_path):
    bars = ud.simulate_bars(2_500)
    config = {
        "artifacts": str(tmp_path / "artifacts"),
        "plugins": (str(good),),
        "model": {"name": "two_tanh", "options": {"width": 4}},
        "features": {"names": ["own_place_20", "own_gap", "return_log_1"]},
        "fit": {"epochs": 1, "loss": {"name": "own_margin"}},
        "label": {"kind": "own_move"},
        "baselines": False,
    }
    with plugins.plugins_loaded([good]):
        done = ud.run(ud.ExperimentConfig(**config), bars=bars, progress=False)
        bundle = ud.load(done.folder)
        sha256 = plugins.loaded()["good"].sha256
        assert bundle.manifest["plugins"] == {"good": sha256}
        said = ud.predict(bundle, bars)["probability_up"].to_numpy()
    with pytest.raises(BundleError, match=rf"{sha256[:16]}.*not loaded; .*--plugin good"):
        ud.load(done.folder)
    moved = tmp_path / "elsewhere" / "good.py"
    moved.parent.mkdir()
    moved.write_text(GOOD + "# another\n")
    with plugins.plugins_loaded([moved]), pytest.raises(BundleError, match="is another"):
        ud.load(done.folder)
    shutil.move(good, moved)  # the same file elsewhere is the same plugin
    with plugins.plugins_loaded([moved]):
        again = ud.predict(done.folder, bars)["probability_up"].to_numpy()
    np.testing.assert_array_equal(said, again)


def test_a_bundle_needs_what_its_plugin_imports_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "from ultimate_deep import plugins\nfrom {0} import change\n" + (
        "@plugins.feature(warmup_bars=1)\ndef {1}(bars):\n    return change(bars)\n"
    )
    change = "def change(bars):\n    return bars['close'] / bars['close'].shift(1) - {0}\n"
    (tmp_path / "pack").mkdir()
    for path, words in {
        "own.py": text.format("beside", "own_change"),
        "beside.py": change.format(1),
        "pack/__init__.py": "from . import ideas",
        "pack/ideas.py": text.format(".tools", "pack_change"),
        "pack/tools.py": change.format(1),
    }.items():
        (tmp_path / path).write_text(words)
    config = {
        "artifacts": "artifacts",
        "plugins": ("own.py", "pack"),
        "model": {"name": "linear"},
        "features": {"names": ["own_change", "pack_change", "return_log_1"]},
        "fit": {"epochs": 1},
        "baselines": False,
    }
    bars = ud.simulate_bars(2_500)
    with plugins.plugins_loaded(config["plugins"]):
        done = ud.run(ud.ExperimentConfig(**config), bars=bars, progress=False)
        said = ud.predict(done.folder, bars)["probability_up"].to_numpy()
    with pytest.raises(
        BundleError, match=r"own\.py \(.*and pack \(.*--plugin own\.py --plugin pack "
    ):
        ud.load(done.folder)
    with plugins.plugins_loaded(["pack", "own.py"]):
        again = ud.predict(done.folder, bars)["probability_up"].to_numpy()
    np.testing.assert_array_equal(said, again)
    for path in ("beside.py", "pack/tools.py"):
        (tmp_path / path).write_text(change.format(2))
        with (
            plugins.plugins_loaded(["own.py", "pack"]),
            pytest.raises(BundleError, match=rf"is another \(.*\): changed: {path}; load the same"),
        ):
            ud.load(done.folder)
        (tmp_path / path).write_text(change.format(1))


def test_the_command_line_takes_a_plugin_before_it_reads_the_rest(good, capsys):
    with plugins.plugins_loaded([]):
        config = experiment_from(
            ["--plugin", str(good), "--model", "two_tanh", "--model.options.width", "5"]
        )
        assert (config.plugins, config.model.options) == ((str(good),), {"width": 5})
        with pytest.raises(SystemExit):
            experiment_from(["--model", "two_tanh", "--model.options.widht", "5"])
        assert "did you mean --model.options.width?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        experiment_from(["--plugin", "absent.py"])
    assert "there is no plugin at absent.py" in capsys.readouterr().err


@pytest.mark.slow
def test_check_keeps_what_is_good_and_names_what_is_not(good, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ultimate_deep.training.backend.start_up", lambda console: None)
    with plugins.plugins_loaded([]):
        main(["check", str(good)])
    said = capsys.readouterr().out
    assert said.count("kept") == 22
    assert "REFUSED" not in said
    path = tmp_path / "bad.py"
    path.write_text(BAD)
    with plugins.plugins_loaded([]), pytest.raises(SystemExit) as stop:
        main(["check", str(path)])
    assert stop.value.code == 1
    said = " ".join(capsys.readouterr().out.split())
    for refused in (
        "REFUSED feature peeks: knows no future it looks ahead: its value for bar 639",
        "REFUSED feature has_a_level: is free of scale it depends on the level of prices",
        "REFUSED feature has_a_level: is warm when it says so it declares a warm-up of 5 bars",
        "REFUSED net across: answers each row by itself its answer to a row is",
        "REFUSED loss upside_down: falls towards the label",
        "REFUSED label reaches_on: ends with its horizon it reaches beyond its horizon",
        "REFUSED steps features: knows no future",
    ):
        assert refused in said


def test_check_shows_a_warning_of_the_plugin_once(tmp_path, capsys):
    path = tmp_path / "warns.py"
    path.write_text(
        "import warnings\nfrom ultimate_deep import plugins\n@plugins.feature(warmup_bars=0)\n"
        "def warned(bars):\n    warnings.warn('so it is', stacklevel=1)\n"
        "    return bars['close'] / bars['open']\n"
    )
    with plugins.plugins_loaded([]), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *rest: print(message)
        main(["check", str(path)])
    said = capsys.readouterr().out
    assert said.count("so it is") == 1
    assert "SHA-256 of warns.py: " in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "registers nothing; decorate what it brings"),
        ("1 / 0\n", "fails: ZeroDivisionError: division by zero"),
        (
            "from ultimate_deep import plugins\n@plugins.feature()\ndef a(bars):\n    return 1\n",
            "is a function, which says its warm-up",
        ),
        (
            "from ultimate_deep import plugins\n@plugins.feature(warmup_bars=1)\n"
            "def rsi_14(bars):\n    return 1\n",
            "'rsi_14' exists already in family 'momentum'; choose another name",
        ),
        (
            "from ultimate_deep import plugins\n@plugins.net\ndef build_lstm(inputs):\n    pass\n",
            "a model called 'lstm' exists already",
        ),
        (
            ODD + "plugins.feature(warmup_bars=2)(functools.partial(base, n=2))\n",
            r"a feature is called after its function, and functools.partial\(.* say name=",
        ),
        (
            ODD + "plugins.feature(warmup_bars=2)(lambda bars: base(bars))\n",
            r"<function <lambda> .* has no name; say name=.my_feature.* \(.*fails.py, line 13\)",
        ),
        (
            ODD + "plugins.loss(functools.partial(base, n=2))\n",
            "a loss is called after its function.*; write a function with def that calls it",
        ),
        (
            ODD + "plugins.label(functools.partial(base, n=2))\n",
            "a label is called after its function.*; write a function with def that calls it",
        ),
        (
            ODD + "plugins.net(functools.partial(base, n=2))\n",
            "a net is called after its function.*; write a function, def build_x, that calls it",
        ),
        (
            ODD + "def make():\n    def build_x(inputs):\n        pass\n    return build_x\n"
            "plugins.net(make())\n",
            "the builder build_x is made inside of make, .*; define it at the top of its module",
        ),
        (
            ODD + "@plugins.feature()\ndef a():\n    return 1.0\n",
            "'a' takes no bars, so it returns a graph of .*, and it returned float; take bars",
        ),
        (
            ODD + "from ultimate_deep.pipeline.steps import Steps\nplugins.steps(Steps())\n",
            r"these steps change nothing: .*; give at least one .* \(.*fails.py, line 14\)",
        ),
        (ODD + "plugins.steps(base)\n", r"steps are registered as Steps\(...\), got <function"),
    ],
)
def test_a_plugin_that_fails_says_why_and_leaves_nothing(text, said, tmp_path):
    before = feature_names()
    path = tmp_path / "fails.py"
    path.write_text(text)
    with pytest.raises(plugins.PluginError, match=said):
        plugins.load(path)
    assert feature_names() == before
    assert "fails" not in plugins.loaded()


def test_functions_need_not_be_plain(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(
        ODD
        + """
plugins.feature(warmup_bars=2, name="of_partial")(functools.partial(base, n=2))
plugins.feature(warmup_bars=2, name="of_bare")(bare(functools.partial(base, n=2)))
@plugins.feature(warmup_bars=2)
@passed_on
def of_wrapped(bars):
    return base(bars, 2)
class Change:
    def __call__(self, bars):
        return base(bars, 2)
plugins.feature(warmup_bars=2, name="of_object")(Change())
@plugins.feature()
@passed_on
def of_graph(*, bars_back=2):
    from ultimate_deep.features.engine.graph import column, lag, ratio
    before = lag(column("close"), bars_back)
    return ratio(column("close") - before, before)
@plugins.label
@passed_on
def wrapped_label(frame, spec):
    return (frame["open"].shift(-1 - spec.horizon_bars) > frame["open"].shift(-1)).astype(float)
"""
    )
    frame = ud.simulate_bars(300).frame()
    names = ["of_partial", "of_bare", "of_wrapped", "of_object", "of_graph"]
    with plugins.plugins_loaded([path]):
        values = compute_features(frame, names).frame()
        assert LabelSpec(kind="wrapped_label").kind == "wrapped_label"
    for name in names:
        expected = (frame["close"] / frame["close"].shift(2) - 1).astype("float32")
        np.testing.assert_allclose(values[name], expected, atol=1e-6)


def test_nothing_is_registered_outside_of_a_plugin():
    with pytest.raises(plugins.PluginError, match="stray is registered outside of a plugin"):
        plugins.feature(warmup_bars=0)(stray)
    assert "stray" not in feature_names()


def stray(bars):
    return bars["close"] / bars["open"]


def test_a_name_may_be_a_module_or_an_entry_point(good, monkeypatch):
    monkeypatch.syspath_prepend(str(good.parent))
    with plugins.plugins_loaded(["good"]):
        assert plugins.loaded()["good"].path == Path(good)

    class Entry:
        module = "good"

    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda group, name: [Entry()] if (group, name) == ("ultimate_deep.plugins", "mine") else [],
    )
    with plugins.plugins_loaded(["mine"]):
        assert "good" in plugins.loaded()
        assert is_loaded("mine")  # as a stored configuration names it
    assert not is_loaded("mine")
    with pytest.raises(plugins.PluginError, match="no plugin is called 'no_such_thing'"):
        plugins.load("no_such_thing")


def test_a_command_refuses_a_bundle_without_its_plugin_before_anything_is_loaded(
    tmp_path, monkeypatch, capsys
):
    def loaded(console):
        raise AssertionError("the backend was loaded")

    monkeypatch.setattr("ultimate_deep.training.backend.start_up", loaded)
    manifest = {
        "plugins": {"good": "0" * 64},
        "files": {}, "feature_names": [], "horizons": 1, "data_fingerprint": "",
    }  # fmt: skip
    from ultimate_deep.bundles import manifest as module

    manifest |= {"schema": module.SCHEMA, "schema_version": module.SCHEMA_VERSION}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit) as stop:
        main(["predict", "--bundle", "run", "--artifacts", str(tmp_path)])
    assert "needs the plugin good.py" in stop.value.code
