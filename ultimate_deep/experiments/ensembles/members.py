"""Finished bundles brought to the same rows, parts and labels, so that they can be combined."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np
import pandas as pd

from ultimate_deep.bundles.bundle import Bundle
from ultimate_deep.bundles.ensembles.combiner import EnsembleError
from ultimate_deep.bundles.ensembles.outputs import feature_union, member_logits
from ultimate_deep.bundles.judged_bars import judged_market
from ultimate_deep.bundles.predicting import bundle_config, bundle_data
from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.out_of_fold import (
    FoldRows,
    OutOfFold,
    collected,
    fold_rows,
    fold_scheme,
)
from ultimate_deep.experiments.experiment import prepare_rows
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.experiments.warm_start import refuse_start
from ultimate_deep.machine.counts import how_many
from ultimate_deep.machine.side_by_side.tasks import side_by_side
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market
from ultimate_deep.market.splits import Split, embargo_limit
from ultimate_deep.market.times import utc_time
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.prepared import (
    Prepared,
    horizons_bars,
    learnt_labels,
    with_split,
)
from ultimate_deep.pipeline.rows import Rows, assemble_rows, feature_function, keep_features
from ultimate_deep.training.backend import load_backend_once
from ultimate_deep.training.progress import LineProgress, Progress


@dataclass(frozen=True, eq=False)
class Members:
    """Several models on the same rows.

    Args:
        bundles: The models' bundles, by name.
        config: The first member's, whose label, costs and data are the ensemble's.
        market: The bars that all were trained on.
        rows: Rows that have every feature of every member.
        split: The members' own parts, without rows that a member cannot predict.
        logits: Not calibrated, float32 `(members, rows, horizons)`, NaN in rows of no part.
        labels: `(rows, horizons)`; NaN where undefined.
    """

    bundles: dict[str, Bundle]
    config: ExperimentConfig
    market: Market
    rows: Rows
    split: Split
    logits: np.ndarray
    labels: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """Members in order."""
        return tuple(self.bundles)

    @property
    def temperature(self) -> np.ndarray:
        """Each member's own, float64 `(members, horizons)`."""
        return np.stack([bundle.temperature for bundle in self.bundles.values()])


def open_members(
    bundles: Mapping[str, Bundle],
    progress: Progress,
    *,
    fewest: int = 2,
    fills: str | tuple[str, ...] = (),
) -> Members:
    """Load the members' bars and let every member predict all rows.

    Args:
        bundles: Bundles by name, of the same bars, label, horizons and boundaries.
        progress: Told what happens.
        fewest: How many there must be.
        fills: Finer bars that orders are filled from, in place of those of the first member.

    Raises:
        EnsembleError: Members that differ in one of these, too few of them, bars that are no
            longer theirs, or bars of which no file is known.
    """
    if len(bundles) < fewest:
        raise EnsembleError(
            f"this kind of ensemble has at least {fewest} members, got {len(bundles)}: "
            f"{', '.join(bundles) or 'none'}; name more, or let trees read one member and the "
            "features (two_stage)"
        )
    configs = _checked_configs(bundles)
    config = configs[0]
    first = next(iter(bundles.values()))
    try:
        bundle_data(first, DataConfig())
    except ValueError as error:
        raise EnsembleError(
            f"the bars of {first.folder.name} were given in Python and no file of them is known; "
            "save them as a file (write_bars of ultimate_deep.market), train the members on it "
            "and combine those"
        ) from error
    market = judged_market(first, DataConfig(fills=fills))
    if fills:
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, fills=fills))
    if market.fingerprint() != first.manifest["data_fingerprint"]:
        raise EnsembleError(
            f"the bars of {config.data.paths or 'the simulator'} are not those that the members "
            "were trained on; bring back the same file"
        )
    names = feature_union(list(bundles.values()))
    with progress.busy(f"computing {len(names)} features of {len(bundles)} members"):
        rows = assemble_rows(
            market, config.label, feature_function(market, names),
            horizons_bars=max((horizons_bars(one, market) for one in configs), key=len),
        )  # fmt: skip
    with progress.busy("every member predicts all rows"):
        logits = member_logits(bundles, market, rows)
    known = np.isfinite(logits).all(axis=(0, 2))
    labels = learnt_labels(rows, config)
    split = _same_split(first, config, rows, market, known)
    return Members(dict(bundles), config, market, rows, split, logits, labels)


def out_of_fold_logits(
    members: Members, config: EnsembleConfig, progress: Progress, workers: Workers = Workers()
) -> OutOfFold:
    """Train every member anew on folds of the training part; see `predict_out_of_fold`.

    Args:
        members: Who is trained anew.
        config: How many folds, and which.
        progress: Told what happens.
        workers: How many trainings at a time; the predictions do not depend on it, to the bit,
            from one worker on.

    Returns:
        Predictions whose row numbers count `stacking_rows(members)`.
    """
    train_rows = stacking_rows(members)
    rows = members.rows
    spans = Spans.from_times(rows.decision_time[train_rows], rows.label_end_time[train_rows])
    scheme = fold_scheme(
        spans, kind=config.fold_kind, folds=config.folds,
        embargo_bars=members.config.split.embargo_bars,
    )  # fmt: skip
    prepared = {name: _prepared(members, bundle) for name, bundle in members.bundles.items()}
    for own in prepared.values():
        refuse_start(
            own.config, "know the rows that the folds leave out; combine it by average or weighted"
        )
    folds = fold_rows(spans, scheme, config.stopping_share)
    anew = _Anew(prepared, members.split, train_rows, folds)
    cases = [(number, name) for number in range(len(folds)) for name in prepared]
    found: dict[tuple[int, str], np.ndarray] = {}
    if workers.count:
        progress.message(f"{how_many(len(cases), 'training')} to go, {workers.said}")
        side_by_side(
            _anew_of_worker, cases, workers,
            make=_itself, given=anew, ready=load_backend_once,
            names=[f"fold {number + 1} of {len(folds)}" for number, _ in cases],
            say=progress.message,
            done=lambda place, logits: found.update({cases[place]: logits}),
        )  # fmt: skip
    else:
        found.update((case, anew.logits(*case, progress)) for case in cases)
    return collected(spans, list(prepared), folds, found)


def stacking_rows(members: Members) -> np.ndarray:
    """Return the training rows with labels and all inputs, which the folds share out."""
    train_rows = members.split.train
    return train_rows[np.isfinite(members.labels[train_rows]).all(axis=1)]


@dataclass(frozen=True, eq=False)
class _Anew:
    """What trains members anew on folds.

    Args:
        prepared: Rows and inputs of each member, by name.
        split: The members' own parts.
        train_rows: Rows that the folds share out.
        folds: Rows of each fold, as they are counted in `train_rows`.
    """

    prepared: Mapping[str, Prepared]
    split: Split
    train_rows: np.ndarray
    folds: Sequence[FoldRows]

    def logits(self, number: int, name: str, progress: Progress) -> np.ndarray:
        """Train one member on one fold, of number 0 and up, and predict its test rows."""
        rows = self.folds[number]
        progress.message(
            f"{name} anew on {len(rows.train):,} rows, stopping by {len(rows.stopping):,}"
        )
        stopping = self.train_rows[rows.stopping]
        parts = dataclasses.replace(
            self.split, train=self.train_rows[rows.train], validation=stopping, test=stopping
        )
        fold = with_split(self.prepared[name], parts)
        predictor, _ = learner_of(fold.config.model.name).fit(fold, progress)
        return predictor.outputs(fold.inputs.take(self.train_rows[rows.test]))["logits"]


def _itself(anew: _Anew) -> _Anew:
    return anew


def _anew_of_worker(anew: _Anew, case: tuple[int, str], lines: TextIO) -> np.ndarray:
    return anew.logits(*case, LineProgress(lines))


def _prepared(members: Members, bundle: Bundle) -> Prepared:
    own = keep_features(members.rows, bundle.feature_names)
    return prepare_rows(bundle_config(bundle), members.market, own, members.split)


def _checked_configs(bundles: Mapping[str, Bundle]) -> list[ExperimentConfig]:
    configs = {name: bundle_config(bundle) for name, bundle in bundles.items()}
    _check_same("bars", {name: b.manifest["data_fingerprint"] for name, b in bundles.items()})
    _check_same("boundaries", {name: _boundaries(bundle) for name, bundle in bundles.items()})
    rules: dict[str, Callable[[ExperimentConfig], object]] = {
        "label": lambda config: config.label,
        "horizons": lambda config: config.heads.further_horizons,
        "embargo": lambda config: config.split.embargo_bars,
    }
    for rule, value_of in rules.items():
        _check_same(rule, {name: value_of(config) for name, config in configs.items()})
    return list(configs.values())


def _check_same(rule: str, values: Mapping[str, object]) -> None:
    if any(value != next(iter(values.values())) for value in values.values()):
        listed = "; ".join(f"{name}: {value}" for name, value in values.items())
        raise EnsembleError(
            f"members must have the same {rule}, got {listed}; train them with the same data, "
            "label, features and split, or combine those that agree"
        )


def _boundaries(bundle: Bundle) -> tuple[str, str]:
    split = bundle.metrics["split"]
    return split["validation_from"], split["test_from"]


def _same_split(
    bundle: Bundle, config: ExperimentConfig, rows: Rows, market: Market, known: np.ndarray
) -> Split:
    """Return the parts between the members' own boundaries, purged and embargoed as theirs."""
    stamps = [pd.Timestamp(text) for text in _boundaries(bundle)]
    first, second = map(utc_time, stamps)
    decided, ended = rows.decision_time, rows.label_end_time
    times, embargo = np.unique(decided), config.split.embargo_bars
    limits = [embargo_limit(times, bound, embargo, market.interval) for bound in (first, second)]
    in_train, in_test = decided < first, decided >= second
    in_validation = ~in_train & ~in_test
    parts = {
        "train": in_train & (ended < limits[0]),
        "validation": in_validation & (ended < limits[1]),
        "test": in_test,
    }
    if empty := [name for name, part in parts.items() if not (part & known).any()]:
        raise EnsembleError(
            f"no row of the {' and '.join(empty)} part is predicted by every member; "
            "bring more bars"
        )
    purged = (in_train & (ended >= first)) | (in_validation & (ended >= second))
    late = (in_train & ~parts["train"]) | (in_validation & ~parts["validation"])
    return Split(
        **{name: np.flatnonzero(part & known) for name, part in parts.items()},
        boundaries=(stamps[0], stamps[1]),
        purged=int(purged.sum()),
        embargoed=int((late & ~purged).sum()),
    )
