"""What the baselines are: boosting that stops, weights that all of them read, the same bits."""

import dataclasses

import numpy as np
import pytest
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from ultimate_deep.experiments import baselines
from ultimate_deep.experiments.baselines import (
    BASELINES,
    BaselineInputs,
    Stopping,
    boosted,
    boosting_config,
    boosting_samples,
    forest_model,
    gradient_boosting,
    newest_to_stop_by,
    random_forest,
)
from ultimate_deep.machine.threads import openmp_threads
from ultimate_deep.models.trees.hist_gradient_boosting import HistGradientBoosting, fit_in_bins

TRAINED = ("logistic regression", "gradient boosting", "random forest")


def drawn(rows, seed):
    """Labels that the product of two features decides, with 70% for its side."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 5)).astype(np.float32)
    side = (x[:, 0] * x[:, 1] > 0).astype(float)
    return x, np.where(draw.random(rows) < 0.7, side, 1.0 - side)


def inputs_of(**changes):
    (x, y), (x_watched, y_watched), (tested, _) = drawn(600, 0), drawn(300, 1), drawn(200, 2)
    given = {
        "x_train": x,
        "y_train": y,
        "parts": {"validation": x_watched, "test": tested},
        "last_return": {},
        "seed": 5,
        "stopping": Stopping(x_watched, y_watched, np.arange(600)),
    }
    return BaselineInputs(**(given | changes))


@pytest.fixture
def brisk(monkeypatch):
    """Few trees, so that the tests are quick."""
    monkeypatch.setattr(baselines, "BOOSTED_TREES", 300)
    monkeypatch.setattr(baselines, "BOOSTING_PATIENCE", 20)
    monkeypatch.setattr(baselines, "UNSTOPPED_TREES", 15)
    monkeypatch.setattr(baselines, "FOREST_TREES", 10)


def log_loss(logits, y):
    return np.logaddexp(0.0, np.where(y > 0.5, -logits, logits)).mean()


def test_boosting_keeps_the_trees_up_to_the_least_loss_of_what_it_stops_by(brisk):
    inputs = inputs_of()
    grown = boosted(inputs)
    trees = len(grown.first_node) - 1
    assert 1 < trees < 300 - 20
    more = dataclasses.replace(boosting_config(inputs), trees=trees + 20, patience=0)
    every = HistGradientBoosting.from_sklearn(fit_in_bins(*boosting_samples(inputs), more)[0])
    stopping = inputs.stopping

    def loss_of(count):
        nodes = slice(0, every.first_node[count])
        first = dataclasses.replace(
            every,
            first_node=every.first_node[: count + 1],
            **{name: getattr(every, name)[nodes] for name in
               ("feature", "threshold", "left", "right", "depth", "value")},
        )  # fmt: skip
        return log_loss(first.margin(np.clip(stopping.x, -8.0, 8.0)), stopping.y)

    losses = [loss_of(count) for count in range(1, every.first_node.size)]
    assert int(np.argmin(losses)) + 1 == trees
    np.testing.assert_array_equal(
        gradient_boosting(inputs)["test"], expit(grown.margin(inputs.parts["test"]))
    )


def test_without_rows_to_stop_by_it_grows_a_usual_number(brisk):
    assert len(boosted(inputs_of(stopping=None)).first_node) - 1 == 15


def test_what_it_stops_by_is_not_learnt_from(brisk):
    """The rows that purging leaves out change nothing, whatever they say."""
    inputs = inputs_of()
    stopping = dataclasses.replace(inputs.stopping, grown_on=np.arange(400))
    inputs = dataclasses.replace(inputs, stopping=stopping, weight=np.linspace(0.5, 1.5, 600))
    x, y, weight = inputs.x_train.copy(), inputs.y_train.copy(), inputs.weight.copy()
    x[400:], y[400:], weight[400:] = 3.0, 1.0, 9.0
    other = dataclasses.replace(inputs, x_train=x, y_train=y, weight=weight)
    np.testing.assert_array_equal(
        gradient_boosting(inputs)["test"], gradient_boosting(other)["test"]
    )


def test_the_newest_sixth_stops_it_and_no_label_reaches_into_that():
    x, y = drawn(120, 3)
    order = np.random.default_rng(0).permutation(120)  # rows of several symbols are not in order
    decided = np.datetime64("2024-01-01", "ns") + order * np.timedelta64(1, "h")
    ended = decided + np.timedelta64(7, "h")
    found = newest_to_stop_by(x, y, decided, ended)
    newest = np.flatnonzero(order >= 100)
    np.testing.assert_array_equal(found.x, x[newest])
    np.testing.assert_array_equal(found.y, y[newest])
    assert sorted(order[found.grown_on]) == list(range(93))
    assert ended[found.grown_on].max() < decided[newest].min()
    assert newest_to_stop_by(x, np.where(order < 93, 1.0, y), decided, ended) is None
    late = decided + np.timedelta64(500, "h")
    assert newest_to_stop_by(x, y, decided, late) is None


@pytest.mark.parametrize("name", TRAINED)
def test_every_trained_baseline_reads_the_weights(brisk, name):
    """Half of the rows tell the opposite, and weigh nothing."""
    told = inputs_of()
    told = dataclasses.replace(told, y_train=(told.x_train[:, 0] > 0).astype(float))
    x_watched = told.parts["validation"]
    stopping = Stopping(x_watched, (x_watched[:, 0] > 0).astype(float), np.arange(600))
    kept = np.arange(600) % 2 == 0
    turned = np.where(kept, told.y_train, 1.0 - told.y_train)
    weighted = dataclasses.replace(
        told, y_train=turned, weight=2.0 * kept.astype(float), stopping=stopping
    )
    answer = BASELINES[name](weighted)["test"]
    side = told.parts["test"][:, 0] > 0
    assert ((answer > 0.5) == side).mean() > 0.95
    blind = BASELINES[name](dataclasses.replace(weighted, weight=None))["test"]
    assert ((blind > 0.5) == side).mean() < 0.75


def test_the_weights_are_handed_on_as_they_are(brisk, monkeypatch):
    seen = []
    for kind in (LogisticRegression, RandomForestClassifier):
        fit = kind.fit

        def watched(self, x, y, sample_weight=None, _fit=fit):
            seen.append(sample_weight)
            return _fit(self, x, y, sample_weight=sample_weight)

        monkeypatch.setattr(kind, "fit", watched)
    grow, weight = HistGradientBoosting.grow, np.linspace(0.5, 1.5, 600)

    def growing(train, validation, config):
        seen.append(train.weight)
        assert (validation.weight == 1.0).all()  # validation is never reweighted
        return grow(train, validation, config)

    monkeypatch.setattr(HistGradientBoosting, "grow", growing)
    for name in TRAINED:
        BASELINES[name](inputs_of(weight=weight))
    assert len(seen) == 3
    for one in seen:
        np.testing.assert_array_equal(one, weight.astype(one.dtype))


def test_one_core_and_two_give_the_same_bits(brisk, monkeypatch):
    inputs = inputs_of(weight=np.linspace(0.5, 1.5, 600))
    answers = []
    for cores in (1, 2):
        with openmp_threads(cores):
            answers.append(gradient_boosting(inputs)["test"])
        monkeypatch.setattr(
            baselines,
            "forest_model",
            lambda given, cores=cores: forest_model(given).set_params(n_jobs=cores),
        )
        answers.append(random_forest(inputs)["test"])
    np.testing.assert_array_equal(answers[0], answers[2])
    np.testing.assert_array_equal(answers[1], answers[3])


def test_a_digest_knows_weights_and_what_stops():
    inputs = inputs_of()
    stopping = inputs.stopping
    others = [
        inputs,
        inputs_of(stopping=None),
        inputs_of(weight=np.ones(600)),
        inputs_of(weight=np.linspace(0.5, 1.5, 600)),
        inputs_of(stopping=dataclasses.replace(stopping, y=1.0 - stopping.y)),
        inputs_of(stopping=dataclasses.replace(stopping, x=stopping.x + 1.0)),
        inputs_of(stopping=dataclasses.replace(stopping, grown_on=np.arange(599))),
    ]
    assert len({one.digest() for one in others}) == len(others)
    assert inputs.digest() == inputs_of().digest()


@pytest.mark.parametrize("page", ["run", "evaluation", "judgement"])
def test_a_page_says_what_its_baselines_were_fitted_on(page):
    said = baselines.fitted_note(("majority", "persistence"), page)
    assert said.startswith("Baselines are fitted on ")
    assert said == baselines.fitted_note(["random forest"], page)
    assert baselines.fitted_note(["persistence", "buy and hold"], page) == ""


def test_pages_of_one_bundle_tell_their_baselines_apart():
    run, evaluation = (baselines.fitted_note(["majority"], page) for page in ("run", "evaluation"))
    assert "on the training part" in run
    assert "on all bars before those judged" in evaluation
