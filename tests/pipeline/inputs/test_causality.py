"""From bars to prediction: no model of the zoo notices what comes after the decision."""

import dataclasses
import functools

import keras
import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.experiments.experiment import prepare
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market
from ultimate_deep.models import registry
from ultimate_deep.models.heads import Heads, direction_logits
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.pipeline.inputs.model_inputs import materialised
from ultimate_deep.pipeline.inputs.tables import RowInputs, apply_scalers, input_tables
from ultimate_deep.pipeline.rows import assemble_rows
from ultimate_deep.pipeline.scaling import ArrayScaler
from ultimate_deep.training.progress import Progress

NAMES = ("return_log_1", "range_log", "close_location", "close_to_sma_10", "day_sin")
INPUTS = InputConfig(
    window_bars=12, timeframes=(4, 16), coarse_window_bars=6, coarse_features=NAMES[:3]
)
CUTS = (640, 703, 815)


@functools.cache
def prepared(kind):
    config = ExperimentConfig(
        data=DataConfig(simulated_rows=900),
        features=FeatureConfig(names=NAMES),
        inputs=dataclasses.replace(INPUTS, kind=kind),
        model=ModelConfig(name="linear"),
    )
    return prepare(config, Progress())


def inputs_of(whole, bars, decided):
    """Inputs of the rows that are decided at those times, from those bars alone."""
    market = Market({bars.symbol: bars})
    config = whole.config
    compute = functools.partial(_features, names=NAMES)
    rows = assemble_rows(market, config.label, compute)
    tables = input_tables(market, rows, config.inputs.kind, config.inputs)
    scaled = ArrayScaler.from_sklearn(whole.scaler).transform(rows.values)
    scalers = {k: ArrayScaler.from_sklearn(s) for k, s in whole.inputs.scalers.items()}
    chosen = np.flatnonzero(np.isin(rows.decision_time, decided) & tables.complete)
    inputs = RowInputs(apply_scalers(tables, scaled, scalers), tables, {}).take(chosen)
    return materialised(inputs), rows.decision_time[chosen]


def _features(frame, names):
    from ultimate_deep.features import compute_features

    return compute_features(frame, names)


def changed_future(bars, cut):
    """The same bars up to a cut, then other prices and volumes."""
    frame = bars.frame.copy()
    rng = np.random.default_rng(cut)
    factor = np.exp(np.cumsum(rng.normal(0, 0.05, len(frame) - cut)))
    for name in ("open", "high", "low", "close"):
        frame.iloc[cut:, frame.columns.get_loc(name)] *= factor
    frame.iloc[cut:, frame.columns.get_loc("volume")] *= 7.0
    return dataclasses.replace(bars, frame=frame)


def cut_off(bars: Bars, cut):
    return dataclasses.replace(bars, frame=bars.frame.iloc[:cut])


@functools.cache
def cases(kind):
    """For each cut: inputs of the last 16 decisions before it from whole, cut and changed bars."""
    whole = prepared(kind)
    bars = next(iter(whole.market.bars.values()))
    found = []
    for cut in CUTS:
        closes = bars.frame.index[:cut].tz_localize(None) + bars.interval
        decided = closes[-16:].to_numpy().astype("datetime64[ns]")
        sides = [
            inputs_of(whole, one, decided)
            for one in (bars, cut_off(bars, cut), changed_future(bars, cut))
        ]
        assert len(sides[0][1]) == 16
        found.append([side[0] for side in sides])
    return found


@pytest.mark.parametrize(
    "kind", ["features", "window", "timeframes", "gaf", "bar_image", "episodic"]
)
def test_inputs_do_not_depend_on_later_bars(kind):
    for whole, cut, changed in cases(kind):
        for other in (cut, changed):
            named = whole if isinstance(whole, dict) else {"x": whole}
            for name, values in named.items():
                given = other[name] if isinstance(whole, dict) else other
                np.testing.assert_array_equal(given, values)


def test_a_planted_leak_is_caught():
    whole = prepared("window")
    bars = next(iter(whole.market.bars.values()))
    cut = CUTS[0]
    closes = bars.frame.index[1 : cut + 1].tz_localize(None) + bars.interval
    later = closes[-16:].to_numpy().astype("datetime64[ns]")
    seen, _ = inputs_of(whole, bars, later)
    other, _ = inputs_of(whole, changed_future(bars, cut), later)
    assert not np.array_equal(seen, other)


@pytest.mark.contract
@pytest.mark.parametrize("name", sorted(models.BUILDERS))
def test_predictions_do_not_depend_on_later_bars(name):
    kind = registry.reads(name)
    whole = prepared(kind)
    preset = "tiny" if "tiny" in registry.presets(name) else "default"
    config = registry.preset_config(name, preset)
    model = models.build_model(name, whole.inputs.shapes, Heads(), config)
    if kind == "episodic":
        fill(whole, name, model)
    for inputs in cases(kind):
        first, *others = (
            keras.ops.convert_to_numpy(direction_logits(model(side, training=False)))
            for side in inputs
        )
        assert np.ptp(first) > 0
        for other in others:
            np.testing.assert_array_equal(other, first)


def fill(whole, name, model):
    from ultimate_deep.experiments.experiment import fill_memory

    config = dataclasses.replace(whole.config, model=ModelConfig(name=name))
    fill_memory(dataclasses.replace(whole, config=config), model)
