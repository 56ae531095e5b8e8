"""Features that the training part has no use for, and limits of values, from its rows alone."""

import dataclasses
import io
import json

import joblib
import numpy as np
import pytest

from ultimate_deep import features
from ultimate_deep.bundles import files
from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.bundles.files import PREPROCESSING_FILE, SCALER_FILE, file_in
from ultimate_deep.bundles.manifest import BundleError
from ultimate_deep.bundles.predicting import features_of, predict_bars, row_probability
from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.detect import DATA_CHECKS
from ultimate_deep.experiments.experiment import build, prepare, with_split
from ultimate_deep.experiments.leaks.pipeline import detect_in_experiment
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.features.judging.config import SelectionConfig
from ultimate_deep.features.judging.outliers import RobustLimits
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.pipeline.rows import assemble_rows
from ultimate_deep.pipeline.scaling import ArrayScaler
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import LineProgress, Progress

NAMES = (
    *("return_log_1", "hour_sin", "close_to_sma_10", "close_to_sma_20", "range_log"),
    "return_log_3_16x",
)
QUIET = Progress()


def _config(**chosen) -> ExperimentConfig:
    names = chosen.pop("names", NAMES)
    return ExperimentConfig(
        data=DataConfig(simulated_rows=1_200, simulated_seed=3),
        features=FeatureConfig(names=names, **chosen),
        model=ModelConfig(name="linear"),
        fit=FitConfig(epochs=1, batch_size=128),
        baselines=False,
    )


def _planted(**columns):
    """Steps whose features are the configured ones and others, made from their values."""

    def compute(frame):
        honest = features.compute_features(frame, NAMES)
        more = [np.asarray(make(honest.values), np.float32) for make in columns.values()]
        return dataclasses.replace(
            honest,
            values=np.column_stack([honest.values, *more]),
            names=(*honest.names, *columns),
            families=(*honest.families, *("planted" for _ in columns)),
        )

    return Steps(features=compute)


def test_constant_features_are_left_out_and_said():
    told = io.StringIO()
    prepared = prepare(_config(), LineProgress(told))
    assert prepared.rows.names == tuple(name for name in NAMES if name != "hour_sin")
    assert prepared.scaled.shape[1] == len(NAMES) - 1
    assert "left out 1 feature: constant on the training part (hour_sin)" in told.getvalue()
    assert prepared.left_out.reasons == {
        "hour_sin": "constant: one value fills 100.00% of the training rows"
    }
    kept = prepare(_config(drop_constant=False), QUIET)
    assert kept.rows.names == NAMES
    assert not kept.left_out.lines()
    column = NAMES.index("hour_sin")
    np.testing.assert_array_equal(kept.scaled[:, column], 0.0)
    np.testing.assert_array_equal(np.delete(kept.scaled, column, axis=1), prepared.scaled)


def test_the_training_part_alone_says_what_is_constant():
    """One column wakes up after the training part, the other falls asleep there."""

    def later(values):
        return np.where(np.arange(len(values)) < 1_000, 0.5, values[:, 0])

    def earlier(values):
        return np.where(np.arange(len(values)) < 700, values[:, 0], 0.5)

    prepared = prepare(_config(), QUIET, steps=_planted(later=later, earlier=earlier))
    assert prepared.rows.bar_row[prepared.split.train].max() < 1_000
    assert set(prepared.left_out.dropped) == {"hour_sin", "later"}
    assert "earlier" in prepared.rows.names
    # Another training part is asked anew, of every feature that was computed.
    everything = np.arange(len(prepared.rows.labels) - 1)
    whole = with_split(prepared, dataclasses.replace(prepared.split, train=everything))
    assert set(whole.left_out.dropped) == {"hour_sin"}
    column = whole.rows.names.index("later")
    bars = whole.rows.bar_row
    np.testing.assert_array_equal(
        whole.rows.values[:, column],
        np.where(bars < 1_000, np.float32(0.5), whole.rows.values[:, 0]),
    )
    again = with_split(whole, prepared.split)
    assert again.rows.names == prepared.rows.names
    np.testing.assert_array_equal(again.scaled, prepared.scaled)


def test_where_every_feature_is_constant_nothing_can_be_learnt():
    with pytest.raises(ValueError, match=r"every feature is constant on the .* \(hour_sin, hour_c"):
        prepare(_config(names=("hour_sin", "hour_cos")), QUIET)


def test_a_selection_leaves_out_twins_and_keeps_what_says_most():
    def twin(values):
        return 2.0 * values[:, 0]

    def better(values):  # since it knows the bar after the next
        return values[:, 0] + 0.2 * np.nanstd(values[:, 0]) * np.sign(np.roll(values[:, 0], -2))

    steps = _planted(twin=twin, better=better)
    told = io.StringIO()
    prepared = prepare(_config(select=True), LineProgress(told), steps=steps)
    rules = {name: drop.rule for name, drop in prepared.left_out.dropped.items()}
    assert rules.pop("hour_sin") == "constant"
    assert "better" in prepared.rows.names
    assert {rules[name] for name in ("return_log_1", "twin")} == {"collinear"}
    assert "on the training part (" in told.getvalue()
    strict = _config(select=True, selection=SelectionConfig(collinear_correlation=1.0))
    strict = prepare(strict, QUIET, steps=steps)
    assert {"return_log_1", "better"} <= set(strict.rows.names)
    assert strict.left_out.dropped["twin"].rule == "duplicate"
    with pytest.raises(ValueError, match=r"set features\.select to true"):
        FeatureConfig(selection=SelectionConfig(collinear_correlation=0.9))


def test_limits_are_the_training_parts_and_come_before_the_scaler():
    plain, clipped = prepare(_config(), QUIET), prepare(_config(clip_multiple=2.0), QUIET)
    rows, train = plain.rows, plain.labelled("train")
    limits = RobustLimits.fit(rows.values, train, names=rows.names, multiple=2.0)
    assert clipped.limits == {"features": limits}
    found = clipped.scaler.transform(limits.apply(rows.values))
    np.testing.assert_array_equal(clipped.scaled, found)
    assert np.abs(clipped.scaled).max() < np.abs(plain.scaled).max()
    assert not plain.limits
    for multiple in (0, 1e-300):
        with pytest.raises(ValueError, match=r"clip_multiple must be at least 0\.01, got"):
            FeatureConfig(clip_multiple=multiple)


EVERYTHING = InputConfig(
    kind="timeframes", window_bars=4, timeframes=(4,), coarse_window_bars=3,
    coarse_features=("return_log_1", "range_log"),
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Everything switched on, of a model that reads several timeframes."""
    selection = SelectionConfig(collinear_correlation=0.5)
    config = dataclasses.replace(
        _config(select=True, selection=selection, clip_multiple=2.0), inputs=EVERYTHING,
        artifacts=str(tmp_path_factory.mktemp("artifacts")),
    )  # fmt: skip
    return run_experiment(config, QUIET)


def test_a_bundle_predicts_with_the_runs_own_features_and_limits(run):
    prepared, bundle = run.prepared, load_bundle(run.folder)
    left_out = set(NAMES) - set(bundle.feature_names)
    assert "hour_sin" in left_out
    assert len(left_out) > 1
    assert bundle.feature_names == prepared.rows.names
    stored = json.loads((run.folder / "metrics.json").read_text())["dropped_features"]
    assert stored == prepared.left_out.reasons
    assert set(stored) == left_out
    note = "Left out 1 feature: constant on the training part (hour_sin)."
    assert note in json.loads((run.folder / "report.json").read_text())["notes"]
    market = load_market(prepared.config.data, prepared.config.label)
    rows = assemble_rows(market, prepared.config.label, bundle.compute_features)
    boundary = prepared.rows.decision_time[prepared.split.test].min()
    test = np.flatnonzero(rows.decision_time >= boundary)
    found = row_probability(bundle, market, rows, test)[test]
    np.testing.assert_array_equal(found, run.outcome.probability["test"])
    # Both inputs meet their limits on these bars, so that the bits above depend on them.
    for name in ("bars", "bars_4x"):
        limits = prepared.limits["features" if name == "bars" else name]
        scaler = bundle.scaler if name == "bars" else bundle.scalers[name]
        np.testing.assert_array_equal(scaler.low, limits.low)
        np.testing.assert_array_equal(scaler.high, limits.high)
        table = prepared.inputs.tables.tables[name]
        values = prepared.rows.values if table.values is None else table.values
        assert (values != limits.apply(values)).any()
    # What is pickled is scikit-learn's alone, and does the same.
    pickled = joblib.load(file_in(run.folder, SCALER_FILE.replace("ultimate", "linear")))
    np.testing.assert_array_equal(
        pickled["features"].transform(prepared.rows.values), prepared.scaled
    )


def test_a_stream_feeds_the_features_that_were_kept(run):
    bundle = load_bundle(run.folder)
    assert "return_log_3_16x" in bundle.feature_names
    market = load_market(run.prepared.config.data, run.prepared.config.label)
    bars = market[market.only()]
    stream = features.FeatureStream(bundle.feature_names, interval=bars.interval)
    stream.extend(bars.frame.iloc[:199])
    live = stream.push(bars.frame.index[199], *bars.frame.iloc[199])
    batch = bundle.compute_features(bars.frame.iloc[:200]).values[-1]
    np.testing.assert_array_equal(live, batch)
    assert np.isfinite(bundle.scaler.transform(live[None])).all()
    assert len(predict_bars(bundle, market))


def test_a_bundle_reads_coarser_bars_of_the_length_that_the_market_states(run):
    """Sparse bars look longer than they are: what the market says holds."""
    bundle = load_bundle(run.folder)
    market = load_market(run.prepared.config.data, run.prepared.config.label)
    bars = market[market.only()].keep(slice(None, None, 2))
    found = features_of(bundle, Market({bars.symbol: bars}))(bars.frame)
    stated = features.compute_features(bars.frame, bundle.feature_names, interval="1h")
    np.testing.assert_array_equal(found.values, stated.values)
    alone = bundle.compute_features(bars.frame)
    assert not np.array_equal(alone.values, stated.values, equal_nan=True)


def test_limits_of_a_bundle_are_whole_and_ordered(run, tmp_path):
    with np.load(run.folder / PREPROCESSING_FILE) as stored:
        arrays = dict(stored)
    for change, said in (
        ({"low": None}, "a low and a high"),
        ({"high": arrays["low"]}, "below the upper one"),
        ({"bars_4x/low": None}, "no scaler of center and scale|a low and a high"),
        ({"else/low": arrays["low"], "else/high": arrays["high"]}, "no scaler of center and scale"),
        ({"low": np.append(arrays["low"], 0.0)}, "a low and a high for each"),
    ):
        path = tmp_path / "changed.npz"
        changed = {k: v for k, v in (arrays | change).items() if v is not None}
        np.savez(path, **changed)
        with pytest.raises(BundleError, match=said):
            _read(path)


def _read(path):
    return files.read_preprocessing(path), files.read_further_scalers(path)


def test_no_step_of_it_looks_ahead():
    config = dataclasses.replace(_config(select=True, clip_multiple=3.0), inputs=EVERYTHING)
    market = load_market(config.data, config.label)
    quick = LeakConfig(cuts=4, truncations=2)
    report = detect_in_experiment(config, market, quick, surrogate=None, checks=DATA_CHECKS)
    assert report.verdict == "no leak found", report.sentence
    assert "selection" in report.examined


def test_a_fold_with_other_features_has_a_net_of_its_own():
    steps = _planted(later=lambda v: np.where(np.arange(len(v)) < 600, 0.5, v[:, 0]))
    prepared = prepare(_config(), QUIET, steps=steps)
    half = len(prepared.split.train) // 2
    early = with_split(
        prepared, dataclasses.replace(prepared.split, train=prepared.split.train[:half])
    )
    assert set(early.left_out.dropped) == {"hour_sin", "later"}
    fits = learner_of("linear").for_folds(prepared)
    widths = []
    for fold in (early, prepared, early):
        predictor, _ = fits.fit(fold, QUIET)
        widths.append(predictor.shapes["features"][0])
        last = predictor.outputs(fold.scaled[:200])["logits"]
        if fold is early and len(widths) == 1:
            first = last
    assert widths == [5, 6, 5]
    np.testing.assert_array_equal(first, last)


def test_an_array_scaler_refuses_limits_that_are_none():
    one = np.ones(2)
    with pytest.raises(ValueError, match="a low and a high for each of 2 features"):
        ArrayScaler(center=one, scale=one, low=one)
    with pytest.raises(ValueError, match=r"got 1\.0 and 1\.0 for feature number 0"):
        ArrayScaler(center=one, scale=one, low=one, high=one)
    scaler = ArrayScaler(center=one, scale=one, low=-one, high=one)
    np.testing.assert_array_equal(scaler.transform(np.array([[9.0, np.nan]])), [[0.0, np.nan]])


def test_training_goes_on_from_weights_of_the_same_features_alone(run):
    linear = ModelConfig(name="linear", start_from=str(run.folder))
    config = dataclasses.replace(
        run.prepared.config, model=linear, features=FeatureConfig(names=NAMES, clip_multiple=2.0)
    )
    read = len(run.prepared.rows.names)
    with pytest.raises(
        ValueError, match=rf"reads {read} features and this run 5, .* not read; nam"
    ):
        build(prepare(config, QUIET))
    named = FeatureConfig(
        names=load_bundle(run.folder).feature_names, drop_constant=False, clip_multiple=2.0
    )
    later = dataclasses.replace(config.data, simulated_rows=1_300)  # parts that begin later
    started = build(prepare(dataclasses.replace(config, data=later, features=named), QUIET))
    for mine, theirs in zip(started.weights, load_bundle(run.folder).model.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
