import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from ultimate_deep.evaluation.schemes.combinatorial import CombinatorialPurged
from ultimate_deep.evaluation.schemes.purged_k_fold import PurgedKFold
from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.evaluation.schemes.walk_forward import WalkForward

ROWS = 120


def spans():
    decided = np.datetime64("2024-01-01", "ns") + np.arange(ROWS) * np.timedelta64(60, "s")
    return Spans.from_times(decided, decided + np.timedelta64(180, "s"))


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 3))
    return x, (x[:, 0] + 0.1 * rng.normal(size=ROWS) > 0).astype(int)


@pytest.mark.parametrize(
    "scheme",
    [
        WalkForward(spans(), test=0.2),
        WalkForward(spans(), kind="rolling", test=0.25),
        PurgedKFold(spans(), n_splits=4, embargo_bars=2),
        CombinatorialPurged(spans(), n_groups=4),
    ],
    ids=["expanding", "rolling", "k-fold", "combinatorial"],
)
def test_schemes_serve_as_cv(scheme):
    x, y = data()
    scores = cross_val_score(LogisticRegression(), x, y, cv=scheme)
    assert len(scores) == scheme.get_n_splits(x, y)
    assert scores.min() > 0.8
    by_hand = [
        LogisticRegression().fit(x[train], y[train]).score(x[test], y[test])
        for train, test in scheme.split(x, y)
    ]
    np.testing.assert_array_equal(scores, by_hand)


def test_schemes_serve_in_a_grid_search():
    x, y = data()
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=PurgedKFold(spans()))
    assert search.fit(x, y).n_splits_ == 5
