"""Simple predictors on the same split and costs, always beside the model.

Each turns scaled features into the probability of an up label. The trained ones are fitted on the
training part, with the weights by returns that the model has; boosting stops by other rows.
None is tuned.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from ultimate_deep.experiments.kept import digest_of
from ultimate_deep.machine.threads import openmp_threads
from ultimate_deep.models.trees.booster import Sample
from ultimate_deep.models.trees.hist_gradient_boosting import (
    HistGradientBoosting,
    HistGradientBoostingConfig,
)

CLIP = 8.0
FOREST_ROWS, FOREST_TREES = 20_000, 100
# Boosting grows at most so many trees, and stops after as many without a better log loss. Where
# there is nothing to stop by, a usual number.
BOOSTED_TREES, BOOSTING_PATIENCE, UNSTOPPED_TREES = 1_000, 100, 200
STOPPING_SHARE = 1 / 6


@dataclass(frozen=True, eq=False)
class Stopping:
    """Rows by which boosting stops, and the training rows that it then grows on.

    Args:
        x: Scaled features, float32 `(rows, features)`.
        y: 0.0 or 1.0, `(rows,)`.
        grown_on: Numbers of the training rows whose labels do not reach into these.
    """

    x: np.ndarray
    y: np.ndarray
    grown_on: np.ndarray


@dataclass(frozen=True, eq=False)
class BaselineInputs:
    """What a baseline may look at.

    Args:
        x_train: Scaled features, float32 `(rows, features)`, rows with a label.
        y_train: 0.0 or 1.0, shape `(rows,)`.
        parts: Scaled features of the parts to predict, by name.
        last_return: Return of each row's own bar, by part, for persistence.
        seed: Seed of the random forest and of boosting.
        weight: Weight of each training label by its return, `(rows,)`, as the model's training has
            it; None weighs all alike.
        stopping: Rows by which boosting stops; None where there are none.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    parts: dict[str, np.ndarray]
    last_return: dict[str, np.ndarray]
    seed: int
    weight: np.ndarray | None = None
    stopping: Stopping | None = None

    def digest(self) -> str:
        """Return a hash of all of it."""
        parts = [*self.parts.values(), *self.last_return.values(), np.array(self.seed)]
        parts.append(np.zeros(0) if self.weight is None else self.weight)
        if self.stopping is not None:
            parts += [self.stopping.x, self.stopping.y, self.stopping.grown_on]
        return digest_of(self.x_train, self.y_train, *parts)


def newest_to_stop_by(
    x: np.ndarray, y: np.ndarray, decided: np.ndarray, ended: np.ndarray
) -> Stopping | None:
    """Return the newest sixth of training rows in time, where there are no others to stop by.

    Args:
        x: Scaled features of the training rows, `(rows, features)`.
        y: Their labels, 0.0 or 1.0, `(rows,)`.
        decided: When each row's decision is made, `(rows,)`.
        ended: When its label is known, `(rows,)`.

    Returns:
        These rows, beside those whose labels end before the first of them; None where those before
        do not go both ways.
    """
    times = np.unique(decided)
    boundary = times[min(int(len(times) * (1.0 - STOPPING_SHARE)), len(times) - 1)]
    newest, before = decided >= boundary, np.flatnonzero(ended < boundary)
    if not len(before) or only_side(y[before]):
        return None
    return Stopping(x=x[newest], y=y[newest], grown_on=before)


def only_side(labels: np.ndarray) -> str:
    """Return `up` or `down` where all labels are that, and an empty string for both sides.

    Args:
        labels: 0.0 or 1.0, `(rows,)`, one or more.
    """
    if labels.min() < labels.max():
        return ""
    return "up" if labels[0] else "down"


Model = TypeVar("Model", LogisticRegression, RandomForestClassifier)
Probabilities = dict[str, np.ndarray]
Baseline = Callable[[BaselineInputs], Probabilities]


def majority(inputs: BaselineInputs) -> Probabilities:
    """Predict the training part's share of up labels for every bar."""
    share = float(inputs.y_train.mean())
    return {part: np.full(len(x), share) for part, x in inputs.parts.items()}


def persistence(inputs: BaselineInputs) -> Probabilities:
    """Predict that the next move has the sign of the last bar's return, with 51% for that side."""
    return {part: last_move_again(last) for part, last in inputs.last_return.items()}


def last_move_again(last_return: np.ndarray) -> np.ndarray:
    """Return a probability of 51% that the next move has the sign of the last, `(rows,)`."""
    return 0.5 + 0.01 * np.sign(last_return)


def logistic_regression(inputs: BaselineInputs) -> Probabilities:
    """L2 logistic regression on clipped features, C = 0.01."""
    return answers(fitted(logistic_model(), inputs), inputs)


def gradient_boosting(inputs: BaselineInputs) -> Probabilities:
    """Histogram gradient boosting of 15 leaves at a slow rate, stopped early by other rows."""
    grown = boosted(inputs)
    return {part: expit(grown.margin(np.clip(x, -CLIP, CLIP))) for part, x in inputs.parts.items()}


def random_forest(inputs: BaselineInputs) -> Probabilities:
    """Random forest of 100 trees, each on at most 20,000 training rows."""
    return answers(fitted(forest_model(inputs), inputs), inputs)


def logistic_model() -> LogisticRegression:
    """Return the logistic regression, not fitted."""
    return LogisticRegression(C=0.01, max_iter=500)


def boosted(inputs: BaselineInputs) -> HistGradientBoosting:
    """Grow the gradient boosting."""
    train, watched = boosting_samples(inputs)
    return HistGradientBoosting.grow(train, watched, boosting_config(inputs))[0]


def boosting_config(inputs: BaselineInputs) -> HistGradientBoostingConfig:
    """Return how the gradient boosting is grown."""
    return HistGradientBoostingConfig(
        learning_rate=0.01,
        leaves=15,
        feature_share=0.3,
        trees=UNSTOPPED_TREES if inputs.stopping is None else BOOSTED_TREES,
        patience=BOOSTING_PATIENCE,
        # One thread of OpenMP is as fast as two here, and the same bits: they wait for each other.
        threads=1,
        seed=inputs.seed,
    )


def boosting_samples(inputs: BaselineInputs) -> tuple[Sample, Sample | None]:
    """Return the rows that boosting grows on, and those that it stops by, where there are any."""
    weight = np.ones(len(inputs.y_train)) if inputs.weight is None else inputs.weight
    stopping = inputs.stopping
    if stopping is None:
        return _sample(inputs.x_train, inputs.y_train, weight), None
    on = stopping.grown_on
    train = _sample(inputs.x_train[on], inputs.y_train[on], weight[on])
    return train, _sample(stopping.x, stopping.y, np.ones(len(stopping.y)))


def _sample(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Sample:
    clipped = np.ascontiguousarray(np.clip(x, -CLIP, CLIP))
    return Sample(x=clipped, y=y.astype(np.float32), weight=weight.astype(np.float32))


def forest_model(inputs: BaselineInputs, trees: int = FOREST_TREES) -> RandomForestClassifier:
    """Return the random forest, not fitted.

    Args:
        inputs: What it is fitted on.
        trees: Another number in a trial.
    """
    return RandomForestClassifier(
        n_estimators=trees,
        min_samples_leaf=20,
        max_samples=min(FOREST_ROWS, len(inputs.y_train)),
        n_jobs=-1,
        random_state=inputs.seed,
    )


BASELINES: dict[str, Baseline] = {
    "majority": majority,
    "persistence": persistence,
    "logistic regression": logistic_regression,
    "gradient boosting": gradient_boosting,
    "random forest": random_forest,
}


_FITTED_ON = {
    "run": "Baselines are fitted on the training part; `evaluate` fits its own on all bars before "
    "those judged.",
    "evaluation": "Baselines are fitted on all bars before those judged; the run's own were fitted "
    "on its training part.",
    "judgement": "Baselines are fitted on the bars up to the end of training.",
}


def fitted_note(names: Iterable[str], page: Literal["run", "evaluation", "judgement"]) -> str:
    """Return on which bars the baselines of a page are fitted; empty where none of them is.

    Args:
        names: Names of those that stand on the page.
        page: What the page shows.
    """
    learning = set(BASELINES) - {"persistence"}
    return _FITTED_ON[page] if learning & set(names) else ""


def fitted(model: Model, inputs: BaselineInputs) -> Model:
    """Fit a model on the training rows and return it."""
    with openmp_threads(1):
        clipped = np.clip(inputs.x_train, -CLIP, CLIP)
        model.fit(clipped, inputs.y_train, sample_weight=inputs.weight)
    if isinstance(model, RandomForestClassifier):
        model.n_jobs = 1  # threads would add the trees up in the order in which they end
    return model


def answers(model: Model, inputs: BaselineInputs) -> Probabilities:
    """Return a fitted model's probability of up for every part."""
    return {
        part: model.predict_proba(np.clip(x, -CLIP, CLIP))[:, 1] for part, x in inputs.parts.items()
    }
