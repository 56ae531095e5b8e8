"""Every architecture finds a signal that it says it sees; without one, nothing is found.

One that begins with members is held to every signal that it declares.

Simulated bars: the score is the share of the oracle's edge by the true probabilities, so that a
small test part is enough. The full-size run is `benchmarks/bench_learning.py`.
"""

import importlib
from pathlib import Path

import pytest

from ultimate_deep import models
from ultimate_deep.models import registry

pytestmark = pytest.mark.usefixtures("plain_graphs")

ROOT = Path(__file__).resolve().parents[3]
# A strong signal in few bars, so that the share is well above 0.8 and a lucky or unlucky start does
# not decide; the coarse trend turns slowly, so that no stronger edge can be planted.
ROWS, EDGE = 8_000, 0.3
# A fit ends with a share on the validation part that leaves room for the test part's chance.
ENOUGH = 0.92
OF_SIGNAL = {"cross_timeframe": {"rows": 20_000, "edge": 0.25}}
# The slowest ones learn little in their first epochs: a stronger signal and larger steps save time.
STRONGER = {"edge": 0.35}
PICTURES = {"rows": 10_000, "gaf_factors": (1,), "gaf_bars": 32, "gaf_size": 32}
MARKET_OF_MODEL: dict[str, dict[str, object]] = {
    "gaf_cnn": PICTURES,
    "gaf_mlp": {"rows": 20_000},
    "multi_head_predictor": STRONGER,
    "cross_timeframe_transformer": STRONGER,
    "multi_scale_hybrid": STRONGER,
}
OF_MODEL: dict[str, dict[str, object]] = {
    "gaf_cnn": {"epochs": 3},
    "gaf_mlp": {"batch_size": 128},
    "transformer": {"learning_rate": 8e-3},
    "multi_head_predictor": {"options": {"width": 32}, "learning_rate": 6e-3, "epochs": 8},
    "multi_scale_hybrid": {"learning_rate": 5e-3, "epochs": 4},
    "cross_timeframe_transformer": {
        "options": {"width": 16, "pooling": "last"},
        "learning_rate": 8e-3,
        "epochs": 4,
    },
}


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("ultimate_deep.experiments.known_signals.learning")


def case_of(harness, name, signal):
    market = {"rows": ROWS, "edge": EDGE} | OF_SIGNAL.get(signal, {})
    market |= MARKET_OF_MODEL.get(name, {})
    batch_size = 128 if signal in OF_SIGNAL else 64
    # XLA takes longer to compile a stack than these few steps take without it.
    training = {"batch_size": batch_size, "enough": ENOUGH, "jit_compile": False}
    training |= OF_MODEL.get(name, {})
    case = harness.MarketCase(signal=signal, **market)
    return harness.LearningCase(model=name, market=case, **training)


def held_to(name):
    """The signals that a model is held to: the first that it declares, or all with members."""
    preset = "tiny" if "tiny" in registry.presets(name) else "default"
    members = getattr(registry.preset_config(name, preset), "members", 1)
    return registry.sees(name) if members > 1 else registry.sees(name)[:1]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(models.BUILDERS))
def test_a_model_finds_the_signals_that_it_is_held_to(name, harness):
    signals = held_to(name)
    assert signals
    assert set(registry.sees(name)) <= set(harness.SIGNALS)
    for signal in signals:
        finds(name, signal, harness)


def finds(name, signal, harness):
    case = case_of(harness, name, signal)
    learned = harness.learn(case)
    assert learned.oracle_accuracy == pytest.approx(0.5 + case.market.edge, abs=0.05)
    assert learned.share_of_edge >= harness.SEEN, learned


@pytest.mark.parametrize("kind", ["features", "window", "timeframes", "gaf"])
def test_without_a_signal_the_same_procedure_finds_nothing(kind, harness):
    """Inputs that let the label through would be found here."""
    market = harness.MarketCase(signal="linear", rows=ROWS, edge=0.0)
    case = harness.LearningCase(
        model="mlp", market=market, reads=kind, epochs=4, batch_size=128, preset="tiny"
    )
    learned = harness.learn(case)
    assert learned.share_of_edge != learned.share_of_edge  # no edge to share: NaN
    assert learned.oracle_accuracy == 0.5
    # Three standard errors of about 1,000 rows.
    assert learned.accuracy == pytest.approx(0.5, abs=0.05)


def test_inputs_with_the_label_in_them_would_be_noticed(harness, monkeypatch):
    signals = importlib.import_module("ultimate_deep.experiments.known_signals.signals")
    market = signals.MarketCase(signal="linear", rows=ROWS, edge=0.0)
    honest = signals.make_task(market, "features")

    def leaking(part):
        values = part.x["features"].copy()
        values[:, 0] = 2 * part.y[:, 0] - 1
        return signals.Arrays(x={"features": values}, y=part.y)

    leaked = signals.Task(
        parts={name: leaking(part) for name, part in honest.parts.items()},
        truth=honest.truth,
        inputs=honest.inputs,
        validation_truth=honest.validation_truth,
        returns=honest.returns,
        known=honest.known,
    )
    monkeypatch.setattr(harness, "make_task", lambda market, reads: leaked)
    case = harness.LearningCase(model="linear", market=market, epochs=4, learning_rate=0.02)
    assert harness.learn(case).accuracy > 0.9


def test_tasks_of_every_kind_have_the_same_decisions_and_nothing_of_the_future(harness):
    """The newest bar of a window, and of the flat features, is the decision's own."""
    signals = importlib.import_module("ultimate_deep.experiments.known_signals.signals")
    market = signals.MarketCase(signal="linear", rows=3_000, edge=0.3)
    tasks = {kind: signals.make_task(market, kind) for kind in ("features", "window", "timeframes")}
    tasks["episodic"] = signals.make_task(market, "episodic")
    flat = tasks["features"].parts["train"]
    columns = [signals.FLAT_FEATURES.index(name) for name in signals.BAR_FEATURES]
    for kind in ("window", "timeframes", "episodic"):
        part = tasks[kind].parts["train"]
        assert (part.y == flat.y).all()
        assert (part.x["bars"][:, -1] == flat.x["features"][:, columns]).all()
        assert (part.x["bars"][1:, -2] == part.x["bars"][:-1, -1]).all()
    clock = tasks["episodic"].parts["train"].x["clock"]
    known = tasks["episodic"].known
    seconds = (known - clock) @ [86_400, 1]
    assert (seconds == 3_600).all()  # an hour after the decision: the open that ends the label
    with pytest.raises(ValueError, match="signal must be one of"):
        signals.MarketCase(signal="sine")
    with pytest.raises(ValueError, match="rows must be at least"):
        signals.MarketCase(signal="linear", rows=100)
