"""The parts of each fold of a walk-forward."""

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.schemes.combinatorial import CombinatorialPurged
from ultimate_deep.evaluation.schemes.purged_k_fold import PurgedKFold
from ultimate_deep.evaluation.schemes.purging import Fold, Spans, period_between, purged_fold
from ultimate_deep.evaluation.schemes.scheme import Scheme
from ultimate_deep.evaluation.schemes.walk_forward import WalkForward
from ultimate_deep.experiments.walk_forward.config import WalkForwardConfig
from ultimate_deep.market.splits import Split


def make_scheme(walk: WalkForwardConfig, spans: Spans, embargo_bars: int) -> Scheme:
    """Return the configured scheme over these rows.

    Raises:
        ValueError: Sizes that the rows do not allow.
    """
    count, stretches = len(spans.times), {"purged_k_fold": "folds", "combinatorial": "groups"}
    name = stretches.get(walk.scheme)
    if name and (asked := getattr(walk, name)) > count:
        raise ValueError(
            f"walk.{name} must be at most {count:,}, the number of distinct decision times, got "
            f"{asked:,}; ask for fewer or bring more bars"
        )
    if walk.scheme == "purged_k_fold":
        return PurgedKFold(spans, n_splits=walk.folds, embargo_bars=embargo_bars)
    if walk.scheme == "combinatorial":
        return CombinatorialPurged(
            spans,
            n_groups=walk.groups,
            n_test_groups=walk.test_groups,
            embargo_bars=embargo_bars,
        )
    return WalkForward(
        spans, kind=walk.scheme, train=walk.train, test=walk.test, embargo_bars=embargo_bars
    )


def fold_split(spans: Spans, fold: Fold, *, validation: float, embargo_bars: int) -> Split:
    """Hold back the newest training rows for validation, and purge the others beside them.

    Args:
        spans: Spans of all rows.
        fold: What may train and what is tested.
        validation: Share of the fold's training times.
        embargo_bars: Between training and validation.

    Raises:
        ValueError: Nothing is left to train on.
    """
    places = np.unique(spans.place[fold.train])
    first = int(places[int(len(places) * (1.0 - validation))])
    asked = np.zeros(len(spans), bool)
    asked[fold.train] = True
    period = period_between(spans, first, len(spans.times))
    inner = purged_fold(spans, asked, (period,), embargo_bars)
    if inner.train.size == 0:
        raise ValueError(
            f"{fold.train.size} training rows leave none beside a validation share of {validation} "
            "and its purge; bring more bars, or ask for fewer and longer test parts"
        )
    return Split(
        train=inner.train,
        validation=np.intersect1d(inner.test, fold.train),
        test=fold.test,
        boundaries=(_stamp(period.start), _stamp(fold.periods[0].start)),
        purged=fold.purged.size + inner.purged.size,
        embargoed=fold.embargoed.size + inner.embargoed.size,
    )


def _stamp(time: np.datetime64) -> pd.Timestamp:
    return pd.Timestamp(time).tz_localize("UTC")
