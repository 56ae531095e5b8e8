"""Predictions by models that have not seen the predicted rows, nor labels that overlap them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ultimate_deep.bundles.ensembles.combiner import EnsembleError, check_names
from ultimate_deep.evaluation.schemes.purged_k_fold import PurgedKFold
from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.evaluation.schemes.scheme import Scheme
from ultimate_deep.evaluation.schemes.walk_forward import WalkForward

FoldKind = Literal["walk_forward", "purged_k_fold"]
Predict = Callable[[np.ndarray], np.ndarray]
"""Row numbers to logits `(rows, horizons)`."""
MemberFit = Callable[[np.ndarray, np.ndarray], Predict]
"""Row numbers to train on and row numbers to stop by, to a fitted member."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldPrediction:
    """What one fitted member says about rows it has not seen.

    Args:
        seen: Row numbers that it was trained, stopped or calibrated on.
        rows: Row numbers that it predicts.
        logits: `(len(rows), horizons)`.
    """

    seen: np.ndarray
    rows: np.ndarray
    logits: np.ndarray


@dataclass(frozen=True, eq=False)
class FoldRows:
    """Row numbers of one fold.

    Args:
        train: Those that are trained on.
        stopping: Those that decide when training stops.
        test: Those that are predicted.
    """

    train: np.ndarray
    stopping: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class OutOfFold:
    """Every member's predictions of rows it has not seen; checked, whoever made them.

    Args:
        spans: Span of time that each row's label reaches over.
        predictions: Predictions of each member, by name.

    Raises:
        EnsembleError: A member predicts a row that it has seen, or one whose label shares a
            moment with the label of a row it has seen; or a row is predicted twice.
    """

    spans: Spans
    predictions: Mapping[str, Sequence[FoldPrediction]]

    def __post_init__(self) -> None:
        check_names(self.names)
        for name, folds in self.predictions.items():
            if not folds:
                raise EnsembleError(f"member {name!r} predicts nothing; leave it out")
            predicted = np.concatenate([fold.rows for fold in folds])
            if len(np.unique(predicted)) != len(predicted):
                raise EnsembleError(
                    f"member {name!r} predicts a row twice; let each fold be tested once"
                )
            for number, fold in enumerate(folds, start=1):
                _check_fold(self.spans, fold, f"member {name!r}, fold {number}")
        widths = {fold.logits.shape[1] for folds in self.predictions.values() for fold in folds}
        if len(widths) != 1:
            raise EnsembleError(
                f"members predict the same horizons, got {sorted(widths)} of them; "
                "train all of them for the same ones"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Members in order."""
        return tuple(self.predictions)

    def logits(self) -> np.ndarray:
        """Return logits `(members, rows, horizons)` float64, NaN where a member predicts none."""
        first = next(iter(self.predictions.values()))[0]
        shape = (len(self.predictions), len(self.spans), first.logits.shape[1])
        out = np.full(shape, np.nan)
        for member, folds in enumerate(self.predictions.values()):
            for fold in folds:
                out[member, fold.rows] = fold.logits
        return out

    def rows(self) -> np.ndarray:
        """Return the row numbers that every member predicts."""
        return np.flatnonzero(np.isfinite(self.logits()).all(axis=(0, 2)))


def fold_scheme(
    spans: Spans, *, kind: FoldKind = "walk_forward", folds: int = 5, embargo_bars: int = 0
) -> Scheme:
    """Return purged folds in the order of time.

    Args:
        spans: Spans of the rows that are shared out, the training part alone.
        kind: `walk_forward` predicts from the past alone, and not the oldest
            `1 / (folds + 1)` of the rows; `purged_k_fold` predicts all rows, also from what came
            after them.
        folds: How many stretches are predicted.
        embargo_bars: Bars beside each stretch from which no row trains.

    Raises:
        EnsembleError: An unknown kind or fewer than two folds.
        ValueError: Too few rows.
    """
    if folds < 2:
        raise EnsembleError(f"folds must be at least 2, got {folds}; use e.g. 5")
    if kind == "purged_k_fold":
        return PurgedKFold(spans, n_splits=folds, embargo_bars=embargo_bars)
    if kind != "walk_forward":
        raise EnsembleError(f"kind must be walk_forward or purged_k_fold, got {kind!r}")
    stretch = max(1, len(spans.times) // (folds + 1))
    first = len(spans.times) - folds * stretch
    return WalkForward(spans, train=max(first, 1), test=stretch, embargo_bars=embargo_bars)


def predict_out_of_fold(
    members: Mapping[str, MemberFit],
    spans: Spans,
    scheme: Scheme,
    *,
    stopping_share: float = 0.15,
) -> OutOfFold:
    """Fit every member anew for every fold and let it predict what it has not seen.

    Args:
        members: How each is fitted, by name.
        spans: Spans of the training part's rows; their numbers are what members are handed.
        scheme: Folds over the same spans, such as `fold_scheme` gives.
        stopping_share: The newest share of a fold's training rows, which decides when training
            stops and trains nothing; rows before it whose labels reach into it are left out.

    Raises:
        EnsembleError: A scheme over other rows, or a share outside (0, 1).
    """
    folds = fold_rows(spans, scheme, stopping_share)
    found = {
        (number, name): fit_member(fold.train, fold.stopping)(fold.test)
        for number, fold in enumerate(folds)
        for name, fit_member in members.items()
    }
    return collected(spans, list(members), folds, found)


def fold_rows(spans: Spans, scheme: Scheme, stopping_share: float) -> list[FoldRows]:
    """Return the rows of each fold.

    Args:
        spans: Spans of the training part's rows.
        scheme: Folds over the same spans.
        stopping_share: The newest share of a fold's training rows, see `predict_out_of_fold`.

    Raises:
        EnsembleError: A scheme over other rows, or a share outside (0, 1).
    """
    if scheme.spans is not spans:
        raise EnsembleError("the folds were made for other rows; make them from the same spans")
    return [
        FoldRows(*inner_split(spans, fold.train, stopping_share), fold.test)
        for fold in scheme.folds()
    ]


def collected(
    spans: Spans,
    names: Sequence[str],
    folds: Sequence[FoldRows],
    logits: Mapping[tuple[int, str], np.ndarray],
) -> OutOfFold:
    """Return predictions in the order of members and folds, in whatever order they came.

    Args:
        spans: Spans of the training part's rows.
        names: Members in order.
        folds: Rows of each fold.
        logits: What each member said of each fold's test rows, by number of the fold and name.
    """
    predictions = {
        name: [
            FoldPrediction(
                seen=np.concatenate([fold.train, fold.stopping]),
                rows=fold.test,
                logits=np.asarray(logits[number, name], np.float64),
            )
            for number, fold in enumerate(folds)
        ]
        for name in names
    }
    return OutOfFold(spans=spans, predictions=predictions)


def inner_split(spans: Spans, rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Split rows by time into those that train and the newest, which stop training.

    Args:
        spans: Spans of all rows.
        rows: Row numbers to split.
        share: Share of the distinct decision times that the newest part has, in (0, 1).

    Returns:
        Both parts' row numbers; no label of the first reaches into the second.

    Raises:
        EnsembleError: A share outside (0, 1), or a part without rows.
    """
    if not 0 < share < 1:
        raise EnsembleError(f"stopping_share must be between 0 and 1, got {share}; use e.g. 0.15")
    times = np.unique(spans.decided[rows])
    boundary = times[min(int(len(times) * (1.0 - share)), len(times) - 1)]
    stopping = rows[spans.decided[rows] >= boundary]
    train = rows[spans.ended[rows] < boundary]
    if not len(train):
        raise EnsembleError(
            f"no row is left to train on before {boundary}; bring more bars or use fewer folds"
        )
    return train, stopping


def _check_fold(spans: Spans, fold: FoldPrediction, where: str) -> None:
    if fold.logits.ndim != 2 or len(fold.logits) != len(fold.rows):
        raise EnsembleError(
            f"{where}: logits have shape ({len(fold.rows)} rows, horizons), got "
            f"{fold.logits.shape}; give a row of them for each predicted row"
        )
    for numbers in (fold.seen, fold.rows):
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(spans)):
            raise EnsembleError(
                f"{where}: row numbers lie in [0, {len(spans)}), got others; count rows from 0"
            )
    seen = np.isin(fold.rows, fold.seen)
    if seen.any():
        raise EnsembleError(
            f"{where}: {seen.sum()} of {len(seen)} predicted rows were trained on, row "
            f"{fold.rows[seen][0]} first; predict out of fold (predict_out_of_fold)"
        )
    touching = overlapping(spans, fold.rows, fold.seen)
    if touching.any():
        raise EnsembleError(
            f"{where}: the labels of {touching.sum()} predicted rows share a moment with labels "
            f"trained on, row {fold.rows[touching][0]} first; purge the folds (fold_scheme)"
        )


def overlapping(spans: Spans, rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return whether each row's label shares a moment with the label of any seen row, bool."""
    # Seen labels that end before a row's begins are among those that begin before its ends.
    begun = np.searchsorted(np.sort(spans.decided[seen]), spans.ended[rows], side="right")
    over = np.searchsorted(np.sort(spans.ended[seen]), spans.decided[rows], side="left")
    return begun > over
