"""Importance of models of windows, timeframes and pictures, and of ensembles: what is planted.

The bars have one relation, known to the models by weights that were put into them by hand; all
else has small weights at random, as noise that a model has learnt.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import pandas as pd
import pytest

from ultimate_deep.bundles.bundle import Bundle
from ultimate_deep.bundles.ensembles.bundle import EnsembleBundle
from ultimate_deep.bundles.ensembles.combiner import Combiner
from ultimate_deep.bundles.ensembles.pooling import average_pool
from ultimate_deep.bundles.ensembles.predictor import EnsemblePredictor
from ultimate_deep.experiments.experiment import prepare
from ultimate_deep.experiments.exploring.bundle_importance import (
    bundle_importance,
    explore_with_bundle,
)
from ultimate_deep.experiments.exploring.config import ExplorationConfig, ImportanceConfig
from ultimate_deep.experiments.exploring.report import render_exploration
from ultimate_deep.experiments.exploring.shuffling import Readings
from ultimate_deep.market.market import as_market
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.pipeline.inputs.model_inputs import materialised
from ultimate_deep.pipeline.rows import assemble_rows
from ultimate_deep.pipeline.scaling import ArrayScaler
from ultimate_deep.training.progress import Progress

ROWS, SIZE = 4_000, 0.01
NOISE = ("volume_surprise_z_20", "volume_surprise_z_50", "volume_spread_5_20")
FEW = ImportanceConfig(repeats=3, resamples=300)
WINDOW = InputConfig(kind="window", window_bars=4)
TIMEFRAMES = InputConfig(
    kind="timeframes", window_bars=3, timeframes=(4,), coarse_window_bars=2,
    coarse_features=("return_log_1", "volume_spread_5_20"),
)  # fmt: skip
# Days, since the last hours would show in a picture of four hours too.
PICTURES = InputConfig(kind="gaf", gaf_timeframes=(1, 24), gaf_window_bars=16, gaf_size=16)


def _bars(relation: str) -> pd.DataFrame:
    """Hours whose return is against the last one's, or goes with that of the last four hours."""
    draw = np.random.default_rng(5)
    shocks, returns = draw.standard_normal(ROWS), np.zeros(ROWS)
    for t in range(8, ROWS):
        block = t - t % 4
        drift = (
            -returns[t - 1] if relation == "reversal" else np.sign(returns[block - 4 : block].sum())
        )
        returns[t] = 0.6 * drift + shocks[t]
    close = 100.0 * np.exp(SIZE * np.cumsum(returns))
    opens = np.concatenate([[100.0], close[:-1]])
    return pd.DataFrame(
        {
            "open": opens, "high": np.maximum(opens, close) * 1.001,
            "low": np.minimum(opens, close) * 0.999, "close": close,
            "volume": np.exp(0.5 * draw.standard_normal(ROWS)) * 1_000.0,
        },
        index=pd.date_range("2021-01-01", periods=ROWS, freq="1h", tz="UTC"),
    )  # fmt: skip


def _weights(shapes, planted) -> np.ndarray:
    """Weights of all inputs, flattened one after another: `{(input, place): weight}` is planted."""
    draw, parts = np.random.default_rng(3), []
    for source, shape in shapes.items():
        own = 0.02 * draw.standard_normal(shape)
        for (name, place), weight in planted.items():
            if name == source:
                own[place] = weight
        parts.append(own.ravel())
    return np.concatenate(parts)


def _bundle(relation, inputs, planted, names=("return_log_1", *NOISE), folder="one") -> Any:
    market = as_market(_bars(relation))
    config = ExperimentConfig(
        features={"names": names}, inputs=inputs, model={"name": "linear"}, baselines=False
    )
    prepared = prepare(config, Progress(), market=market)
    tensors = [keras.Input(shape, name=name) for name, shape in prepared.inputs.shapes.items()]
    flat = [keras.layers.Flatten()(tensor) for tensor in tensors]
    whole = flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
    model = keras.Model(tensors, keras.layers.Dense(1)(whole))
    weights = _weights(prepared.inputs.shapes, planted)
    model.set_weights([weights[:, None], np.zeros(1)])
    first, second = prepared.split.boundaries
    scalers = {name: ArrayScaler.from_sklearn(one) for name, one in prepared.inputs.scalers.items()}
    bundle = Bundle(
        folder=Path(folder), model=model, feature_names=prepared.rows.names,
        families=prepared.rows.families, scaler=ArrayScaler.from_sklearn(prepared.scaler),
        scalers=scalers, temperature=np.ones(1), threshold=0.5, config=prepared.config.to_dict(),
        manifest={}, metrics={"split": {
            "validation_from": first.isoformat(), "test_from": second.isoformat(),
        }},
    )  # fmt: skip
    return bundle, market, weights


CASES = {
    "window": ("reversal", WINDOW, {("bars", (-1, 0)): -0.8}, {"return_log_1"}),
    "timeframes": (
        "coarse", TIMEFRAMES, {("bars_4x", (-1, 0)): 0.8}, {"bars_4x.return_log_1"},
    ),
    "pictures": (
        "reversal", PICTURES,
        {("gaf_1x", (-1,)): -1.5, ("gaf_1x", (-2,)): 1.5},
        {"gaf_1x", "gaf_1x.newest_quarter"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_the_planted_part_is_first_and_intervals_of_noise_cover_zero(kind):
    relation, inputs, planted, first = CASES[kind]
    names = NOISE if kind == "timeframes" else ("return_log_1", *NOISE)
    bundle, market, _ = _bundle(relation, inputs, planted, names)
    found = bundle_importance(bundle, market, config=FEW)
    assert {entry.names[0] for entry in found.entries[: len(first)]} == first
    noise = found.entries[len(first) :]
    assert len(noise) >= 3
    for entry in found.entries[: len(first)]:
        assert entry.log_loss.lower > 0.01
        assert entry.auc.lower > 0.03
    for entry in noise:
        assert entry.log_loss.lower <= 0.0 <= entry.log_loss.upper, entry
        assert np.ptp(entry.log_loss_repeats) > 0.0  # it is shuffled, and says nothing
    assert "whole path of a feature" in found.note
    if kind == "pictures":
        assert {name for one in found.entries for name in one.names} == {
            f"gaf_{factor}x{part}"
            for factor in (1, 24)
            for part in ("", ".oldest_quarter", ".second_quarter", ".third_quarter",
                         ".newest_quarter")
        }  # fmt: skip


def test_a_whole_path_comes_from_another_decision_and_all_else_stays():
    bundle, market, weights = _bundle("reversal", WINDOW, {("bars", (-1, 0)): -0.8})
    rows = assemble_rows(market, ExperimentConfig().label, bundle.compute_features)
    readings = Readings(bundle, market, rows)
    assert set(readings.slots) == set(bundle.feature_names)
    chosen = np.flatnonzero(readings.complete)[:1_500]  # more than one batch
    order = np.random.default_rng(0).permutation(len(chosen))
    expected = materialised(bundle.readings(market, rows).take(chosen))
    plain = expected.reshape(len(chosen), -1) @ weights
    expected[:, :, 1] = expected[order, :, 1]
    mixed = expected.reshape(len(chosen), -1) @ weights
    forecast = readings.forecast(chosen)
    slots = readings.slots[bundle.feature_names[1]]
    np.testing.assert_allclose(forecast(slots, order), mixed, rtol=0, atol=1e-5)
    np.testing.assert_allclose(forecast((), None), plain, rtol=0, atol=1e-5)
    # Features of one bar that go together are shuffled together, in every timeframe by itself.
    together = readings.groups(chosen, 0.3)
    assert sorted(name for names, _ in together for name in names) == sorted(readings.slots)
    assert any(len(names) > 1 for names, _ in together)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Beside(Combiner):
    """The members' mean, and one feature as it is."""

    KIND: ClassVar[str] = "beside"
    names: tuple[str, ...]
    feature_names: tuple[str, ...] = ("volume_spread_5_20",)

    def combine(self, logits, features=None):
        return (logits.mean(axis=0) + 0.5 * features).astype(np.float32)

    def weights(self):
        return np.full((len(self.names), 1), 0.5)

    def to_json(self, folder):
        raise NotImplementedError

    @classmethod
    def from_json(cls, content, folder):
        raise NotImplementedError


@pytest.fixture(scope="module")
def members():
    """One reads a window, the other pictures; both know the relation."""
    window, market, _ = _bundle("reversal", WINDOW, {("bars", (-1, 0)): -0.8}, folder="window")
    _, inputs, planted, _ = CASES["pictures"]
    pictures, _, _ = _bundle("reversal", inputs, planted, folder="pictures")
    return {"window": window, "pictures": pictures}, market


def _ensemble(members, combiner) -> EnsembleBundle:
    first = members["window"]
    return EnsembleBundle(
        folder=Path("both"), predictor=EnsemblePredictor(combiner, members),
        temperature=np.array([2.0]), threshold=0.5, config=first.config, metrics=first.metrics,
        manifest={},
    )  # fmt: skip


def test_an_ensemble_has_one_importance_of_its_combined_forecast(members):
    models, market = members
    both = _ensemble(models, average_pool(tuple(models), 1, np.ones((2, 1))))
    found = bundle_importance(both, market, config=FEW)
    assert {entry.names[0] for entry in found.entries[:3]} == {
        "return_log_1", "gaf_1x", "gaf_1x.newest_quarter",
    }  # fmt: skip
    for entry in found.entries[3:]:
        assert entry.log_loss.lower <= 0.0 <= entry.log_loss.upper, entry
    assert "All members are shuffled at once" in found.note
    # What it is measured against is the ensemble's own forecast.
    rows = assemble_rows(market, ExperimentConfig().label, both.compute_features)
    readings = Readings(both, market, rows)
    chosen = np.flatnonzero(readings.complete)
    said = both.row_outputs(market, rows)["logits"][chosen, 0] / 2.0
    np.testing.assert_allclose(readings.forecast(chosen)((), None), said, rtol=0, atol=1e-5)


def test_a_feature_that_only_the_combiner_reads_is_shuffled_too(members):
    models, market = members
    combiner = _Beside(names=tuple(models))
    both = _ensemble(models, combiner)
    rows = assemble_rows(market, ExperimentConfig().label, both.compute_features)
    readings = Readings(both, market, rows)
    chosen = np.flatnonzero(readings.complete)[:300]
    order = np.random.default_rng(1).permutation(len(chosen))
    forecast = readings.forecast(chosen)
    slots = [one for one in readings.slots["volume_spread_5_20"] if one.model == -1]
    assert len(slots) == 1
    column = rows.values[chosen, rows.names.index("volume_spread_5_20")]
    moved = 0.5 * (column[order] - column) / 2.0
    np.testing.assert_allclose(
        forecast(slots, order) - forecast((), None), moved, rtol=0, atol=1e-5
    )
    # The window's and the combiner's; what reads pictures reads no feature.
    assert [one.model for one in readings.slots["volume_spread_5_20"]] == [0, -1]


def test_a_report_of_a_model_of_windows_says_what_was_shuffled(members, tmp_path):
    models, market = members
    path = tmp_path / "bars.csv"
    market.frame(market.only()).to_csv(path, index_label="timestamp")
    window = models["window"]
    config = ExplorationConfig(
        data={"path": str(path)}, features={"names": NOISE},
        importance=ImportanceConfig(repeats=1, resamples=50),
    )  # fmt: skip
    found = explore_with_bundle(replace(window, folder=tmp_path / "run"), config, Progress())
    assert found.importances.entries[0].names == ("return_log_1",)
    page = render_exploration(found)
    assert "Of a window, the whole path of a feature is taken from another decision" in page
