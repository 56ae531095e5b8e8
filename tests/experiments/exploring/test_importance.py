"""Permutation importance finds what a model needs, and says of noise that it may be nothing."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from ultimate_deep.bundles.bundle import Bundle
from ultimate_deep.bundles.predicting import bundle_config
from ultimate_deep.evaluation.ledger.place import ledger_path
from ultimate_deep.experiments.experiment import prepare
from ultimate_deep.experiments.exploring.bundle_importance import (
    bundle_importance,
    explore_with_bundle,
)
from ultimate_deep.experiments.exploring.config import (
    ExplorationConfig,
    ExploredFeatures,
    ImportanceConfig,
)
from ultimate_deep.experiments.exploring.importance import (
    Judged,
    _by_row,
    _shuffled,
    permutation_importance,
)
from ultimate_deep.experiments.exploring.report import render_exploration
from ultimate_deep.experiments.trials import TrialBook
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import load_market
from ultimate_deep.models.trees.registry import preset_config
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig
from ultimate_deep.pipeline.scaling import ArrayScaler
from ultimate_deep.training.growing.grow import fit_trees
from ultimate_deep.training.progress import Heartbeat, Progress

COUNT = 21
NAMES = tuple(["signal"] + [f"noise_{j}" for j in range(1, COUNT)])
FEATURES = ("return_log_1", "rsi_14", "momentum_z_20", "volume_surprise_z_20")


def _sample(seed: int, rows: int = 3_000) -> tuple[np.ndarray, np.ndarray]:
    """Slow features, of which the first moves the label's odds."""
    draw = np.random.default_rng(seed)
    slow = lfilter([0.3], [1.0, -0.95], draw.standard_normal((rows + 200, COUNT)), axis=0)[200:]
    chance = 1.0 / (1.0 + np.exp(-0.8 * slow[:, 0]))
    return slow.astype(np.float32), (draw.random(rows) < chance).astype(np.float64)


@pytest.fixture(scope="module")
def fitted():
    """Logits of a regression that has also learnt some noise, and rows that it has not seen."""
    x, y = _sample(1, rows=400)
    model = LogisticRegression(C=100.0).fit(x, y)
    scaled, labels = _sample(2)
    times = pd.date_range("2020-01-01", periods=len(labels), freq="1h").to_numpy()
    judged = Judged(
        scaled=scaled, labels=labels, decision_time=times,
        symbol_code=np.zeros(len(labels), np.int64),
    )  # fmt: skip
    return model.decision_function, judged


def test_metrics_are_means_over_rows(fitted):
    logits, judged = fitted
    guess = logits(judged.scaled)
    loss, area, hits = _by_row(guess, judged.labels).mean(axis=0)
    chance = 1.0 / (1.0 + np.exp(-guess))
    assert loss == pytest.approx(log_loss(judged.labels, chance))
    assert -area == pytest.approx(roc_auc_score(judged.labels, guess))
    assert -hits == ((guess >= 0) == (judged.labels == 1)).mean()


def test_planted_feature_is_first_and_intervals_of_noise_cover_zero(fitted):
    logits, judged = fitted
    found = permutation_importance(
        logits, judged, NAMES, config=ImportanceConfig(repeats=3), seed=4
    )
    first, *noise = found.entries
    assert first.names == ("signal",)
    assert first.log_loss.lower > 0.02
    assert first.auc.lower > 0.05
    assert first.accuracy.lower > 0.03
    # At 95%, one of 20 misses on average; more than four has a chance below 0.3%.
    for metric in ("log_loss", "auc", "accuracy"):
        missed = sum(
            not getattr(entry, metric).lower <= 0.0 <= getattr(entry, metric).upper
            for entry in noise
        )
        assert missed <= 4
    assert len(found.needed) <= 1 + 2
    assert found.expected_by_chance == pytest.approx(COUNT * 0.025)
    assert found.to_frame()["names"].iloc[0] == "signal"
    again = permutation_importance(
        logits, judged, NAMES, config=ImportanceConfig(repeats=3), seed=4
    )
    assert again == found


def test_twins_hide_each_other_unless_shuffled_together(fitted):
    _, judged = fitted
    scaled = judged.scaled[:, :3].copy()
    scaled[:, 1] = scaled[:, 0]
    twins = Judged(
        scaled=scaled, labels=judged.labels, decision_time=judged.decision_time,
        symbol_code=judged.symbol_code,
    )  # fmt: skip
    names = ("signal", "twin", "noise")

    def either(x: np.ndarray) -> np.ndarray:
        return 0.4 * x[:, 0] + 0.4 * x[:, 1]

    alone = permutation_importance(either, twins, names, config=ImportanceConfig(repeats=2))
    together = permutation_importance(
        either, twins, names, config=ImportanceConfig(repeats=2, group_correlation=0.9)
    )
    assert [entry.names for entry in together.entries] == [("signal", "twin"), ("noise",)]
    assert together.entries[0].log_loss.estimate > 1.5 * alone.entries[0].log_loss.estimate
    assert together.entries[1].log_loss.estimate == 0.0
    np.testing.assert_array_equal(twins.scaled, scaled)  # inputs are put back


def test_shuffles_keep_blocks_and_symbols():
    codes = np.repeat([0, 1], [1_000, 500])
    order = _shuffled(codes, 50, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(order), np.arange(1_500))
    np.testing.assert_array_equal(codes[order], codes)
    neighbours = (np.diff(order) == 1).mean()
    assert 0.95 < neighbours < 1.0  # 49 of 50 steps lie inside blocks
    assert (order != np.arange(1_500)).mean() > 0.8


@pytest.fixture(scope="module")
def bundle():
    """A saved model's parts without its files: a regression on four features of simulated bars."""
    config = ExperimentConfig(
        data=DataConfig(simulated_rows=3_000, simulated_edge=0.2),
        features=FeatureConfig(names=FEATURES),
    )
    prepared = prepare(config, Progress())
    train = prepared.arrays("train")
    fitted = LogisticRegression().fit(train.x, train.y[:, 0])
    inputs = keras.Input((len(FEATURES),))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.set_weights([fitted.coef_.T, fitted.intercept_])
    first, second = prepared.split.boundaries
    return Bundle(
        folder=Path("nowhere"), model=model, feature_names=FEATURES, families=("any",) * 4,
        scaler=ArrayScaler.from_sklearn(prepared.scaler), scalers={}, temperature=np.array([1.5]),
        threshold=0.5, config=config.to_dict(), manifest={},
        metrics={"split": {
            "validation_from": first.isoformat(), "test_from": second.isoformat(),
            "labelled_rows": {"validation": len(prepared.labelled("validation"))},
        }},
    ), prepared  # fmt: skip


def test_bundle_is_judged_on_its_validation_part_and_never_on_test(bundle, tmp_path):
    loaded, prepared = bundle
    loaded = replace(loaded, folder=tmp_path / "run")
    market = load_market(prepared.config.data, prepared.config.label)
    few = ImportanceConfig(repeats=2, resamples=100)
    found = bundle_importance(loaded, market, config=few)
    split = loaded.metrics["split"]
    assert found.rows == split["labelled_rows"]["validation"]
    assert found.part == "validation"
    rows = prepared.labelled("validation")
    chance = loaded.probability(prepared.rows.values[rows])[:, 0]
    assert found.base["log_loss"] == pytest.approx(
        log_loss(prepared.rows.labels[rows], chance), rel=1e-6
    )
    assert {name for entry in found.entries for name in entry.names} == set(FEATURES)
    # Bars of the test part may say anything.
    frame = market.bars[next(iter(market.bars))].frame
    late = frame.index >= pd.Timestamp(split["test_from"])
    frame.loc[late, ["open", "high", "low", "close"]] *= 3.0
    assert bundle_importance(loaded, market, config=few) == found
    tested = bundle_importance(loaded, market, part="test", config=few)
    assert "reads the test part" in tested.note
    assert str(ledger_path()) in tested.note
    book = TrialBook.opened(loaded.folder, market, bundle_config(loaded))
    assert book.count().test_readings == 1


def test_report_of_a_bundle_takes_the_bars_of_its_run(bundle):
    loaded, prepared = bundle
    config = ExplorationConfig(
        features=ExploredFeatures(names=FEATURES),
        importance=ImportanceConfig(repeats=1, resamples=100),
    )
    found = explore_with_bundle(loaded, config, Progress())
    assert found.market.fingerprint() == prepared.market.fingerprint()
    assert found.importances is not None
    assert found.train_rows == len(prepared.part("train"))
    page = render_exploration(found)
    assert "What the trained model needs" in page
    assert "which is taken on validation" in page
    other = ExplorationConfig(label=LabelSpec(horizon_bars=3))
    with pytest.raises(ValueError, match="leave out --label"):
        explore_with_bundle(loaded, other, Progress())


def test_bad_input_is_refused(fitted):
    logits, judged = fitted
    with pytest.raises(ValueError, match="21 columns need as many names, got 1"):
        permutation_importance(logits, judged, ("one",))
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        ImportanceConfig(repeats=0)
    with pytest.raises(ValueError, match=r"group_correlation lies in \(0, 1\)"):
        ImportanceConfig(group_correlation=1.5)
    with pytest.raises(ValueError, match="labelled rows of both classes"):
        Judged(
            scaled=judged.scaled, labels=np.ones(len(judged.labels)),
            decision_time=judged.decision_time, symbol_code=judged.symbol_code,
        )  # fmt: skip


def test_heartbeat_tells_what_is_left():
    lines: list[str] = []

    class Listening(Progress):
        def message(self, text: str) -> None:
            lines.append(text)

    beat = Heartbeat(Listening(), "shuffled", 3, "features", every_seconds=0.0)
    for done in (1, 2, 3):
        beat(done)
    assert [line.split(",")[0] for line in lines] == [
        "shuffled 1 of 3 features", "shuffled 2 of 3 features",
    ]  # fmt: skip


def test_trees_are_judged(bundle):
    loaded, prepared = bundle
    tiny = preset_config("hist_gradient_boosting", "tiny")
    trees, _ = fit_trees("hist_gradient_boosting", prepared.arrays("train"), None, tiny)
    few = ImportanceConfig(repeats=2, resamples=100)
    found = bundle_importance(replace(loaded, model=trees), prepared.market, config=few)
    assert {name for entry in found.entries for name in entry.names} == set(FEATURES)
