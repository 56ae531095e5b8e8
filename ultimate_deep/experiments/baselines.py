"""Simple predictors on the same split and costs, always beside the model.

Each turns scaled features into the probability of an up label. The trained ones see the training
part alone; none is tuned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from ultimate_deep.experiments.kept import digest_of
from ultimate_deep.machine.threads import openmp_threads

CLIP = 8.0
FOREST_ROWS, FOREST_TREES, BOOSTED_TREES = 20_000, 100, 300


@dataclass(frozen=True, eq=False)
class BaselineInputs:
    """What a baseline may look at.

    Args:
        x_train: Scaled features, float32 `(rows, features)`, rows with a label.
        y_train: 0.0 or 1.0, shape `(rows,)`.
        parts: Scaled features of the parts to predict, by name.
        last_return: Return of each row's own bar, by part, for persistence.
        seed: Seed of the random forest and of boosting.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    parts: dict[str, np.ndarray]
    last_return: dict[str, np.ndarray]
    seed: int

    def digest(self) -> str:
        """Return a hash of all of it."""
        parts = (*self.parts.values(), *self.last_return.values(), np.array(self.seed))
        return digest_of(self.x_train, self.y_train, *parts)


def only_side(labels: np.ndarray) -> str:
    """Return `up` or `down` where all labels are that, and an empty string for both sides.

    Args:
        labels: 0.0 or 1.0, `(rows,)`, one or more.
    """
    if labels.min() < labels.max():
        return ""
    return "up" if labels[0] else "down"


Model = TypeVar("Model", LogisticRegression, HistGradientBoostingClassifier, RandomForestClassifier)
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
    """Histogram gradient boosting, 300 trees of at most 15 leaves."""
    return answers(fitted(boosting_model(inputs.seed), inputs), inputs)


def random_forest(inputs: BaselineInputs) -> Probabilities:
    """Random forest of 100 trees, each on at most 20,000 training rows."""
    return answers(fitted(forest_model(inputs), inputs), inputs)


def logistic_model() -> LogisticRegression:
    """Return the logistic regression, not fitted."""
    return LogisticRegression(C=0.01, max_iter=500)


def boosting_model(seed: int, **trial: Any) -> HistGradientBoostingClassifier:
    """Return the gradient boosting, not fitted.

    Args:
        seed: Seed of its draws.
        trial: Options of a trial, other than the baseline's.
    """
    options = {"max_iter": BOOSTED_TREES, "early_stopping": False} | trial
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_leaf_nodes=15,
        l2_regularization=1.0,
        random_state=seed,
        **options,
    )


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


def fitted(model: Model, inputs: BaselineInputs) -> Model:
    """Fit a model on the training rows and return it."""
    # One thread of OpenMP is as fast as two here, and the same bits: they wait for each other.
    with openmp_threads(1):
        model.fit(np.clip(inputs.x_train, -CLIP, CLIP), inputs.y_train)
    if isinstance(model, RandomForestClassifier):
        model.n_jobs = 1  # threads would add the trees up in the order in which they end
    return model


def answers(model: Model, inputs: BaselineInputs) -> Probabilities:
    """Return a fitted model's probability of up for every part."""
    return {
        part: model.predict_proba(np.clip(x, -CLIP, CLIP))[:, 1] for part, x in inputs.parts.items()
    }
