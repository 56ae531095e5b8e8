"""Targets of several heads: what is learnt, when it is known, and that nothing looks ahead."""

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.commands.settings import experiment_from
from ultimate_deep.experiments.experiment import (
    baseline_inputs,
    build,
    directed,
    prepare,
    with_split,
)
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.labels import horizon_bars_of, make_labels
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.trees.registry import preset_config
from ultimate_deep.pipeline.config import (
    ExperimentConfig,
    FeatureConfig,
    HeadConfig,
    ModelConfig,
    config_from_dict,
)
from ultimate_deep.pipeline.forecasts import horizon_labels, horizons_summary, judged_heads
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.growing.grow import fit_trees
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.progress import Progress

NAMES = ("return_log_1", "range_log", "close_to_sma_10")
HEADS = HeadConfig(further_horizons=(4, "12h"), classes=3, quantiles=(0.1, 0.5, 0.9))


@functools.cache
def prepared(heads=HEADS, **fields):
    config = ExperimentConfig(
        data=DataConfig(simulated_rows=1_000),
        features=FeatureConfig(names=NAMES),
        label=LabelSpec(cost_band_bps=20),
        heads=heads,
        model=ModelConfig(name="linear"),
        **fields,
    )
    return prepare(config, Progress())


def test_targets_are_the_labels_of_every_horizon():
    whole = prepared()
    targets, rows = whole.rows.targets, whole.rows
    assert targets.horizons_bars == (1, 4, 12)
    frame = next(iter(whole.market.bars.values())).frame
    for column, bars in enumerate(targets.horizons_bars):
        labels = make_labels(frame, LabelSpec(cost_band_bps=20, horizon_bars=bars))
        expected = labels.values[rows.bar_row]
        found = targets.up[:, column]
        np.testing.assert_array_equal(np.where(found == 0.5, np.nan, found), expected)
        np.testing.assert_array_equal(
            targets.return_log[:, column], labels.return_log[rows.bar_row]
        )
        flat = found == 0.5
        assert flat.any()
        assert (np.abs(np.expm1(targets.return_log[flat, column])) <= 20e-4).all()


def test_a_rows_label_ends_with_its_longest_horizon():
    whole = prepared()
    known = np.isfinite(whole.rows.targets.up).all(axis=1)
    span = whole.rows.label_end_time[known] - whole.rows.decision_time[known]
    # Filled at the next open, which is the decision's own time, and held 12 bars.
    assert set(span) == {np.timedelta64(12, "h")}
    first = whole.split.boundaries[0].tz_convert(None).to_datetime64()
    assert whole.rows.label_end_time[whole.split.train].max() < first


def test_return_scale_is_known_at_the_decision():
    whole = prepared()
    targets, rows = whole.rows.targets, whole.rows
    close = next(iter(whole.market.bars.values())).frame["close"].to_numpy()
    row = 300
    bar = rows.bar_row[row]
    squares = np.diff(np.log(close[bar - 50 : bar + 1])) ** 2
    expected = np.sqrt(squares.mean() * np.array([1, 4, 12]))
    np.testing.assert_allclose(targets.return_scale[row], expected, rtol=1e-12)


def test_three_classes_learn_ties_and_two_leave_them_out():
    three = prepared()
    assert 0.5 in three.arrays("train").y[:, 0]
    two = prepared(dataclasses.replace(HEADS, classes=2))
    assert set(np.unique(two.arrays("train").y)) == {0.0, 1.0}
    assert len(two.labelled("train")) < len(three.labelled("train"))
    assert three.arrays("train").returns.shape == three.arrays("train").y.shape


def test_heads_choose_their_loss():
    assert prepared().config.fit.loss == LossConfig(name="quantile", quantiles=(0.1, 0.5, 0.9))
    assert ExperimentConfig(heads=HeadConfig(variance=True)).fit.loss.name == "uncertainty"
    loss = LossConfig(name="quantile", quantiles=(0.2, 0.5, 0.8))
    with pytest.raises(ValueError, match=r"differ; leave fit\.loss\.quantiles out"):
        ExperimentConfig(heads=HEADS, fit=FitConfig(loss=loss))


def test_a_trading_loss_brings_returns():
    fit = FitConfig(loss=LossConfig(name="trading"))
    arrays = prepared(HeadConfig(), fit=fit).arrays("train")
    assert arrays.returns.shape == arrays.y.shape == (arrays.rows, 1)
    alike = FitConfig(return_weights=0.0)
    assert prepared(HeadConfig(), fit=alike).arrays("train").returns is None


def test_the_model_has_the_heads_that_were_asked_for():
    model = build(prepared())
    shapes = {name: tuple(out.shape) for name, out in model.output.items()}
    assert shapes == {"direction": (None, 3, 3), "quantiles": (None, 3, 3)}


def test_judged_heads_cover_every_horizon_class_and_quantile():
    whole = prepared()
    rows = whole.part("test")
    rng = np.random.default_rng(0)
    outputs = {
        "logits": rng.normal(size=(len(rows), 3)),
        "direction": rng.normal(size=(len(rows), 3, 3)),
        "quantiles": np.sort(rng.normal(size=(len(rows), 3, 3)), axis=-1),
    }
    measures, confusion = judged_heads(whole, outputs, np.ones(3))
    assert measures["horizon_bars"].unique().tolist() == [1, 4, 12]
    assert set(measures["of"]) == {"all", "down", "flat", "up", "0.1", "0.5", "0.9"}
    counts = confusion.groupby("horizon_bars")["rows"].sum()
    known = np.isfinite(whole.rows.targets.up[rows])
    assert counts.tolist() == known.sum(axis=0).tolist()
    # By hand: accuracy of the longest horizon.
    label = 2 * whole.rows.targets.up[rows, 2]
    called = outputs["direction"][:, 2].argmax(axis=-1)
    accuracy = (label == called)[np.isfinite(label)].mean()
    summary = horizons_summary(measures).set_index("horizon_bars")
    assert summary.loc[12, "accuracy"] == pytest.approx(accuracy)
    assert np.isnan(horizon_labels(whole, "test")).any()


def test_horizons_are_bars_or_times():
    hour = pd.Timedelta("1h")
    assert [horizon_bars_of(one, hour) for one in (4, "4", "4h", "1D")] == [4, 4, 4, 24]
    for wrong in ("15min", 0, "soon", "-2h"):
        with pytest.raises(ValueError, match="a horizon is a"):
            horizon_bars_of(wrong, hour)
    with pytest.raises(ValueError, match="horizons differ"):
        prepared(HeadConfig(further_horizons=(1,)))


def test_heads_that_make_no_sense_are_refused():
    for fields, rule in (
        ({"classes": 0}, "at least three quantiles"),
        ({"quantiles": (0.9, 0.1)}, "rising levels"),
        ({"classes": 3, "variance": True}, "log variance of one logit"),
        ({"horizons": 0}, "at least 1"),
    ):
        with pytest.raises(ValueError, match=rule):
            Heads(**fields)


def test_baselines_learn_from_labels_that_have_a_side():
    three = prepared()
    chosen = directed(three)
    assert np.isin(three.rows.labels[chosen], (0.0, 1.0)).all()
    assert 0 < len(chosen) < len(three.labelled("train"))


def test_an_ensemble_of_three_classes_is_judged_by_up_against_down():
    whole = prepared()
    logits = np.random.default_rng(0).normal(size=(len(whole.part("test")), 3))
    measures, _ = judged_heads(whole, {"logits": logits}, np.ones(3))
    assert set(measures["of"]) == {"all", "down", "up"}


def test_trees_refuse_what_they_cannot_predict():
    trees = ModelConfig(name="hist_gradient_boosting")
    for fields, rule in (
        ({"heads": HeadConfig(classes=3)}, "directions alone"),
        ({"heads": HeadConfig(quantiles=(0.1, 0.5, 0.9))}, "directions alone"),
        ({"fit": FitConfig(loss=LossConfig(name="focal"))}, r"leave fit\.loss out"),
    ):
        with pytest.raises(ValueError, match=rule):
            prepare(ExperimentConfig(model=trees, **fields), Progress())


WEIGHING = FitConfig(epochs=1, return_weights=3.0)


def test_weights_by_returns_bring_returns_and_leave_out_rows_of_unknown_size():
    whole = prepared(HeadConfig(), fit=WEIGHING)
    arrays = whole.arrays("train")
    assert arrays.returns.shape == arrays.return_scale.shape == arrays.y.shape == (arrays.rows, 1)
    chosen, targets = whole.labelled("train"), whole.rows.targets
    np.testing.assert_array_equal(arrays.returns, targets.return_log[chosen].astype(np.float32))
    unknown = targets.return_scale.copy()
    unknown[chosen[7]] = np.nan
    rows = dataclasses.replace(
        whole.rows, targets=dataclasses.replace(targets, return_scale=unknown)
    )
    left = dataclasses.replace(whole, rows=rows).labelled("train")
    np.testing.assert_array_equal(left, np.delete(chosen, 7))
    # A fold, of a walk or of what stacks members, has the returns of its own rows.
    half = dataclasses.replace(whole.split, train=chosen[: len(chosen) // 2])
    fold = with_split(whole, half).arrays("train")
    np.testing.assert_array_equal(fold.returns, arrays.returns[: len(chosen) // 2])


def test_trees_grow_by_the_weights_and_baselines_are_fitted_with_them():
    model = ModelConfig(name="hist_gradient_boosting", preset="tiny")
    config = dataclasses.replace(prepared(HeadConfig()).config, model=model, fit=WEIGHING)
    whole = prepare(config, Progress())
    trees, _ = learner_of("hist_gradient_boosting").fit(whole, Progress())
    train = whole.arrays("train")
    sizes = np.minimum(np.abs(train.returns / train.return_scale), 3.0)
    expected, _ = fit_trees(
        "hist_gradient_boosting",
        train,
        whole.arrays("validation"),
        dataclasses.replace(preset_config("hist_gradient_boosting", "tiny"), seed=config.seed),
        weight=sizes / sizes.mean(axis=0),
    )
    tested = whole.inputs.take(whole.part("test"))
    found = trees.outputs(tested)["logits"]
    np.testing.assert_allclose(found, expected.logits(tested), atol=1e-4)
    inputs = baseline_inputs(whole)
    np.testing.assert_allclose(inputs.weight, (sizes / sizes.mean())[:, 0], rtol=1e-5)
    watched = directed(whole, "validation")
    np.testing.assert_array_equal(inputs.stopping.x, whole.scaled[watched])
    np.testing.assert_array_equal(inputs.stopping.y, whole.rows.labels[watched])
    plain = dataclasses.replace(config, fit=FitConfig(epochs=1))
    other = prepare(plain, Progress())
    assert baseline_inputs(other).weight is None
    alike, _ = learner_of("hist_gradient_boosting").fit(other, Progress())
    assert np.abs(alike.outputs(tested)["logits"] - found).max() > 1e-3
    with pytest.raises(ValueError, match=r"leave fit\.rate_factors out, or choose a net"):
        prepare(dataclasses.replace(config, fit=FitConfig(rate_factors={"stem": 0.5})), Progress())


def test_both_are_settings_of_every_experiment_and_survive_json():
    options = ["--fit.return_weights", "3", "--fit.rate_factors", '{"stem": 0.5}']
    for name in ("mlp", "gaf_cnn"):
        config = experiment_from([*options, "--model", name])
        assert isinstance(config, ExperimentConfig)
        assert (config.fit.return_weights, config.fit.rate_factors) == (3.0, {"stem": 0.5})
        assert config_from_dict(config.to_dict()).fit == config.fit
    with pytest.raises(
        ValueError, match=r"rate_factors\['stem'\] must be above 0 and finite, got 0"
    ):
        FitConfig(rate_factors={"stem": 0.0})
    with pytest.raises(TypeError, match=r"fit\.rate_factors"):
        FitConfig(rate_factors=[0.5])
    assert hash(FitConfig(rate_factors={"stem": 0.5})) == hash(FitConfig())
