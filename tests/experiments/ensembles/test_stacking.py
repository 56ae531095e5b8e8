"""Stacking on out-of-fold predictions, and what must never get into it."""

import dataclasses
import importlib.util

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ultimate_deep.bundles.ensembles.combiner import EnsembleError, load_combiner, save_combiner
from ultimate_deep.bundles.ensembles.stacking import TreeStack
from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.experiments.ensembles import two_stage as two_stage_module
from ultimate_deep.experiments.ensembles.out_of_fold import (
    FoldPrediction,
    OutOfFold,
    fold_scheme,
    inner_split,
    overlapping,
    predict_out_of_fold,
)
from ultimate_deep.experiments.ensembles.stacking import fit_logistic_stack, fit_tree_stack
from ultimate_deep.experiments.ensembles.two_stage import StoppingRows, fit_two_stage, trees_of
from ultimate_deep.models.trees.hist_gradient_boosting import HistGradientBoostingConfig
from ultimate_deep.pipeline.calibration import log_loss_of_logits

ROWS, HORIZON = 1200, 5
HOUR = np.timedelta64(1, "h")
DECIDED = np.datetime64("2024-01-01T00", "ns") + np.arange(ROWS) * HOUR
SPANS = Spans.from_times(DECIDED, DECIDED + HORIZON * HOUR)
RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=ROWS)
LABELS = (RNG.random(ROWS) < expit(TRUTH)).astype(np.float64)[:, None]
HINT = TRUTH + RNG.normal(size=ROWS)
TREES = HistGradientBoostingConfig(trees=40, leaves=4, min_leaf_rows=50, patience=0)


def honest(train, stopping):
    """A member that learns the scale of a hint."""
    model = LogisticRegression().fit(HINT[train, None], LABELS[train, 0])
    return lambda rows: model.decision_function(HINT[rows, None])[:, None]


def memoriser(train, stopping):
    """A member that repeats the labels it has seen and guesses at random elsewhere."""
    seen = dict(zip(train.tolist(), LABELS[train, 0], strict=True))
    rng = np.random.default_rng(len(train))

    def predict(rows):
        guesses = rng.normal(size=len(rows))
        known = [6.0 * (2.0 * seen[row] - 1.0) if row in seen else np.nan for row in rows.tolist()]
        return np.where(np.isnan(known), guesses, known)[:, None]

    return predict


MEMBERS = {"honest": honest, "memoriser": memoriser}


@pytest.fixture(scope="module")
def out_of_fold():
    return predict_out_of_fold(MEMBERS, SPANS, fold_scheme(SPANS, folds=4))


@pytest.mark.parametrize("kind", ["walk_forward", "purged_k_fold"])
def test_folds_predict_what_their_models_have_not_seen(kind):
    asked = []

    def fit_member(train, stopping):
        asked.append((train, stopping))
        return lambda rows: np.zeros((len(rows), 1))

    scheme = fold_scheme(SPANS, kind=kind, folds=4)
    found = predict_out_of_fold({"one": fit_member}, SPANS, scheme)
    covered = found.rows()
    oldest = 0 if kind == "purged_k_fold" else ROWS // 5
    np.testing.assert_array_equal(covered, np.arange(oldest, ROWS))
    for (train, stopping), fold in zip(asked, found.predictions["one"], strict=True):
        both = np.concatenate([train, stopping])
        np.testing.assert_array_equal(np.sort(fold.seen), np.sort(both))
        gaps = np.abs(fold.rows[:, None] - both[None, :]).min()
        assert gaps > HORIZON  # labels share no moment
        if kind == "walk_forward":
            assert both.max() < fold.rows.min()
        assert len(stopping) == pytest.approx(0.15 * len(both), rel=0.2)
        assert SPANS.ended[train].max() < SPANS.decided[stopping].min()


def test_overlap_is_found_like_a_slow_comparison_finds_it():
    rng = np.random.default_rng(1)
    decided = np.datetime64("2024-01-01", "ns") + rng.integers(0, 200, 90) * HOUR
    spans = Spans.from_times(decided, decided + rng.integers(0, 9, 90) * HOUR)
    rows, seen = np.arange(30), np.arange(30, 90)
    slow = [
        any(spans.ended[j] >= spans.decided[i] and spans.decided[j] <= spans.ended[i] for j in seen)
        for i in rows
    ]
    assert 0 < sum(slow) < 30
    np.testing.assert_array_equal(overlapping(spans, rows, seen), slow)


def prediction(seen, rows):
    return FoldPrediction(seen=seen, rows=rows, logits=np.zeros((len(rows), 1)))


def test_predictions_of_rows_that_were_trained_on_are_refused():
    everything = np.arange(ROWS)
    with pytest.raises(EnsembleError, match="1200 of 1200 predicted rows were trained on"):
        OutOfFold(spans=SPANS, predictions={"net": [prediction(everything, everything)]})
    planted = prediction(np.append(np.arange(500), 600), np.arange(600, 700))
    with pytest.raises(EnsembleError, match="1 of 100 predicted rows were trained on, row 600"):
        OutOfFold(spans=SPANS, predictions={"net": [planted]})


def test_predictions_that_were_not_purged_are_refused():
    rows = np.arange(600, 700)
    clean = prediction(np.arange(600 - HORIZON), rows)
    assert OutOfFold(spans=SPANS, predictions={"net": [clean]}).rows().size == 100
    touching = prediction(np.arange(600 - HORIZON + 1), rows)
    with pytest.raises(EnsembleError, match="labels of 1 predicted rows share a moment"):
        OutOfFold(spans=SPANS, predictions={"net": [touching]})
    after = prediction(np.arange(700 + HORIZON - 1, ROWS), rows)
    with pytest.raises(EnsembleError, match="purge the folds"):
        OutOfFold(spans=SPANS, predictions={"net": [after]})


def test_a_memoriser_gets_nothing_out_of_fold_and_all_in_sample(out_of_fold):
    logits = out_of_fold.logits()[:, out_of_fold.rows(), 0]
    up = LABELS[out_of_fold.rows(), 0] > 0.5
    # Had its own training rows been asked, the memoriser would have looked perfect.
    whole = memoriser(np.arange(ROWS), None)(out_of_fold.rows())[:, 0]
    assert (
        log_loss_of_logits(whole, up)
        < 0.01
        < log_loss_of_logits(logits[0], up)
        < log_loss_of_logits(logits[1], up)
    )
    stack = fit_logistic_stack(out_of_fold, LABELS, pull=1e-4)
    weight = dict(zip(stack.names, stack.weight[:, 0], strict=True))
    assert weight["honest"] > 0.7
    assert abs(weight["memoriser"]) < 0.12
    trees = fit_tree_stack(out_of_fold, LABELS)
    assert trees.weights()[0, 0] > trees.weights()[1, 0]


def test_the_stack_is_the_logistic_regression_of_a_library(out_of_fold):
    rows = out_of_fold.rows()
    theirs = LogisticRegression(C=1e6, tol=1e-10, max_iter=1000)
    theirs.fit(out_of_fold.logits()[:, rows, 0].T, LABELS[rows, 0])
    ours = fit_logistic_stack(out_of_fold, LABELS, pull=0.0)
    np.testing.assert_allclose(ours.weight[:, 0], theirs.coef_[0], atol=1e-4)
    np.testing.assert_allclose(ours.intercept, theirs.intercept_, atol=1e-4)


def test_a_strong_pull_makes_the_stack_an_average_with_the_right_mean(out_of_fold):
    stack = fit_logistic_stack(out_of_fold, LABELS, pull=1e6)
    np.testing.assert_allclose(stack.weight, 0.5, atol=1e-5)
    rows = out_of_fold.rows()
    said = expit(stack.combine(out_of_fold.logits()[:, rows]).astype(np.float64))
    np.testing.assert_allclose(said.mean(), LABELS[rows].mean(), atol=1e-5)


@pytest.mark.parametrize("fit_stack", [fit_logistic_stack, fit_tree_stack])
def test_stacks_predict_fresh_rows_and_come_back_from_disk(fit_stack, out_of_fold, tmp_path):
    stack = fit_stack(out_of_fold, LABELS)
    rng = np.random.default_rng(9)
    truth = rng.normal(size=4000)
    up = rng.random(4000) < expit(truth)
    fresh = np.stack([0.5 * (truth + rng.normal(size=4000)), rng.normal(size=4000)])[..., None]
    average = log_loss_of_logits(fresh.mean(axis=0)[:, 0], up)
    assert log_loss_of_logits(stack.combine(fresh)[:, 0], up) < average - 0.01
    fresh[0, 7] = np.nan
    found = stack.combine(fresh)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(found[:, 0]), np.arange(4000) == 7)
    save_combiner(stack, tmp_path / "stack")
    read = load_combiner(tmp_path / "stack")
    np.testing.assert_array_equal(read.combine(fresh), found)
    np.testing.assert_array_equal(read.weights(), stack.weights())
    with pytest.raises(EnsembleError, match="shape"):
        read.combine(fresh[:1])


def test_unknown_labels_are_left_out_of_the_stack(out_of_fold):
    rows = out_of_fold.rows()
    some = LABELS.copy()
    some[rows[::2]] = np.nan
    kept = OutOfFold(
        spans=SPANS,
        predictions={
            name: [
                FoldPrediction(seen=fold.seen, rows=fold.rows[keep], logits=fold.logits[keep])
                for fold in folds
                for keep in [np.isfinite(some[fold.rows, 0])]
            ]
            for name, folds in out_of_fold.predictions.items()
        },
    )
    found = fit_logistic_stack(out_of_fold, some)
    np.testing.assert_allclose(found.weight, fit_logistic_stack(kept, LABELS).weight, atol=1e-6)


FEATURES = np.column_stack([RNG.normal(size=ROWS), TRUTH + 2.0 * RNG.normal(size=ROWS)])
NAMES = ("noise", "second_hint")


def two_stage(found, labels=LABELS, features=FEATURES, names=NAMES):
    """Stopped by the same rows, of which the trees are far too few to profit."""
    rows = found.rows()
    stopping = StoppingRows(
        logits=found.logits()[:, rows], features=features[rows], labels=labels[rows]
    )
    return fit_two_stage(found, labels, features, names, stopping, TREES)


def test_the_second_stage_asks_who_is_honest_and_the_features_that_help(out_of_fold):
    stage = two_stage(out_of_fold)
    honest_share, memoriser_share = stage.weights()[:, 0]
    assert honest_share > 2 * memoriser_share
    assert 0.1 < 1.0 - honest_share - memoriser_share < 0.8  # of the features
    rng = np.random.default_rng(3)
    truth = rng.normal(size=4000)
    up = rng.random(4000) < expit(truth)
    logits = np.stack([0.5 * (truth + rng.normal(size=4000)), rng.normal(size=4000)])[..., None]
    features = np.column_stack([rng.normal(size=4000), truth + 2.0 * rng.normal(size=4000)])
    alone = log_loss_of_logits(fit_tree_stack(out_of_fold, LABELS).combine(logits)[:, 0], up)
    assert log_loss_of_logits(stage.combine(logits, features)[:, 0], up) < alone


def test_a_second_stage_comes_back_from_disk_and_refuses_other_features(out_of_fold, tmp_path):
    stage = two_stage(out_of_fold)
    logits = out_of_fold.logits()
    found = stage.combine(logits, FEATURES)
    np.testing.assert_array_equal(np.isfinite(found[:, 0]), np.isfinite(logits).all(axis=(0, 2)))
    unknown = FEATURES.copy()
    unknown[-1, 0] = np.nan
    assert np.isnan(stage.combine(logits, unknown)[-1, 0])
    save_combiner(stage, tmp_path)
    read = load_combiner(tmp_path)
    assert read.feature_names == NAMES
    np.testing.assert_array_equal(read.combine(logits, FEATURES), found)
    for wrong in (None, FEATURES[:, :1], FEATURES[:5]):
        with pytest.raises(EnsembleError, match="the second stage reads features"):
            read.combine(logits, wrong)
    with pytest.raises(EnsembleError, match="one feature or more"):
        two_stage(out_of_fold, features=FEATURES[:, :0], names=())
    with pytest.raises(EnsembleError, match="got trees that read 4"):
        TreeStack(names=stage.names, feature_names=("noise",), trees=stage.trees)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_the_second_stage_may_be_of_another_library(library, out_of_fold, tmp_path):
    pytest.importorskip(library, reason=f"{library} is absent")
    name, config, said = trees_of(library)
    assert said == f"the second stage is trees of {library}"
    rows = out_of_fold.rows()
    stopping = StoppingRows(
        logits=out_of_fold.logits()[:, rows], features=FEATURES[rows], labels=LABELS[rows]
    )
    few = dataclasses.replace(config, trees=20, threads=1)
    stage = fit_two_stage(out_of_fold, LABELS, FEATURES, NAMES, stopping, few, library=name)
    honest_share, memoriser_share = stage.weights()[:, 0]
    assert honest_share > memoriser_share
    assert honest_share + memoriser_share < 1.0  # the features are asked too
    save_combiner(stage, tmp_path)
    logits = out_of_fold.logits()
    np.testing.assert_array_equal(
        load_combiner(tmp_path).combine(logits, FEATURES), stage.combine(logits, FEATURES)
    )


def test_where_xgboost_is_absent_the_second_stage_is_of_scikit_learn_and_says_so(monkeypatch):
    monkeypatch.setattr(two_stage_module, "is_installed", lambda package: True)
    if importlib.util.find_spec("xgboost") is not None:
        assert trees_of("auto")[0] == "xgboost"
    monkeypatch.setattr(two_stage_module, "is_installed", lambda package: False)
    library, _, said = trees_of("auto")
    assert library == "hist_gradient_boosting"
    assert said.endswith("since XGBoost is not installed (extra `trees`)")


def test_impossible_questions_are_refused(out_of_fold):
    with pytest.raises(EnsembleError, match="labels have shape"):
        fit_logistic_stack(out_of_fold, LABELS[:5])
    with pytest.raises(EnsembleError, match="pull"):
        fit_logistic_stack(out_of_fold, LABELS, pull=np.nan)
    with pytest.raises(EnsembleError, match="folds must be at least 2"):
        fold_scheme(SPANS, folds=1)
    with pytest.raises(EnsembleError, match="walk_forward or purged_k_fold"):
        fold_scheme(SPANS, kind="shuffled")
    other = Spans.from_times(DECIDED, DECIDED)
    with pytest.raises(EnsembleError, match="same spans"):
        predict_out_of_fold(MEMBERS, other, fold_scheme(SPANS))
    with pytest.raises(EnsembleError, match="stopping_share"):
        inner_split(SPANS, np.arange(50), 1.0)
    with pytest.raises(EnsembleError, match="no row is left"):
        inner_split(SPANS, np.arange(5), 0.5)
    twice = prediction(np.arange(100), np.arange(300, 400))
    with pytest.raises(EnsembleError, match="predicts a row twice"):
        OutOfFold(spans=SPANS, predictions={"net": [twice, twice]})
    apart = {"a": [twice], "b": [prediction(np.arange(100), np.arange(500, 600))]}
    with pytest.raises(EnsembleError, match="predicted by every member"):
        fit_logistic_stack(OutOfFold(spans=SPANS, predictions=apart), LABELS)
    with pytest.raises(EnsembleError, match="row numbers lie"):
        OutOfFold(spans=SPANS, predictions={"a": [prediction(np.array([-3]), np.arange(9))]})
