"""A first model's logits as features of a second, such as pictures for trees; leak-proof.

A model that is asked about its own training rows repeats what it has memorised, and a second
model would learn to trust it. So each training row gets the logits of a fold's model that has
seen neither that row nor a label overlapping it, and only later rows get those of the model of
the whole training part. The first model is fitted in here, so that nobody can hand in others.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluation.schemes.purging import Spans
from training.ensembles.combiner import EnsembleError
from training.ensembles.out_of_fold import (
    FoldKind,
    MemberFit,
    OutOfFold,
    fold_scheme,
    inner_split,
    overlapping,
    predict_out_of_fold,
)


@dataclass(frozen=True, eq=False)
class TwoStage:
    """The first model's logits, for every row that it has not seen.

    Args:
        features: float32 `(rows, horizons)`; NaN for training rows that no fold predicts (the
            oldest ones when walking forward) and for rows of no part.
        train: Training rows that have features, the only ones the second model may learn from.
        out_of_fold: The folds' predictions, checked; its row numbers count training rows.
        predict: The first model, fitted on the whole training part.
    """

    features: np.ndarray
    train: np.ndarray
    out_of_fold: OutOfFold
    predict: Callable[[np.ndarray], np.ndarray]


def two_stage_features(
    fit_member: MemberFit,
    spans: Spans,
    train: np.ndarray,
    later: np.ndarray,
    *,
    kind: FoldKind = "walk_forward",
    folds: int = 5,
    embargo_bars: int = 0,
    stopping_share: float = 0.15,
) -> TwoStage:
    """Fit the first model on folds and on the whole training part, and collect its logits.

    The newest `stopping_share` of what a model is fitted on decides when it stops; validation and
    test rows are never touched, so that both stay what they are for the second model.

    Args:
        fit_member: Row numbers to train on and to stop by, to a function from row numbers to
            logits.
        spans: Of all rows, whose numbers `fit_member` is handed.
        train: Row numbers of the training part, labels known.
        later: Row numbers of the validation and test parts.
        kind: See `fold_scheme`.
        folds: How many stretches of the training part are predicted.
        embargo_bars: Bars beside each stretch from which no row trains.
        stopping_share: See above.

    Raises:
        EnsembleError: A later row's label overlaps a training row's, or logits that are not
            finite.
    """
    touching = overlapping(spans, later, train)
    if touching.any():
        raise EnsembleError(
            f"{touching.sum()} later rows share a moment of their labels with training rows, row "
            f"{later[touching][0]} first; take the parts of a purged split"
        )
    inner = Spans.from_times(spans.decided[train], spans.ended[train])
    scheme = fold_scheme(inner, kind=kind, folds=folds, embargo_bars=embargo_bars)

    def fit_inside(chosen: np.ndarray, stopping: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        predict = fit_member(train[chosen], train[stopping])
        return lambda rows: predict(train[rows])

    found = predict_out_of_fold({"first": fit_inside}, inner, scheme, stopping_share=stopping_share)
    predict = fit_member(*inner_split(spans, train, stopping_share))
    known = found.rows()
    inside = found.logits()[0]
    features = np.full((len(spans), inside.shape[1]), np.nan, np.float32)
    features[train[known]] = inside[known]
    features[later] = predict(later)
    wrong = np.flatnonzero(~np.isfinite(features[later]).all(axis=1))
    if len(wrong):
        raise EnsembleError(f"the first model's logits of row {later[wrong[0]]} are not finite")
    return TwoStage(features, train[known], found, predict)
