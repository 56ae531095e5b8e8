"""The baselines beside predictions that somebody else has made, fitted on the bars before them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ultimate_deep.experiments.baselines import (
    BASELINES,
    BaselineInputs,
    Stopping,
    newest_to_stop_by,
    only_side,
)
from ultimate_deep.machine.counts import how_many
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.pipeline.judge import Judge, Judgement
from ultimate_deep.pipeline.rows import (
    Rows,
    assemble_rows,
    check_feature_names,
    feature_function,
    own_returns,
)
from ultimate_deep.pipeline.scaling import ArrayScaler, fit_scaler

LEAST_TRAINING_ROWS = 200


def judge_rivals(
    judge: Judge,
    before: np.ndarray,
    label: LabelSpec,
    *,
    features: Sequence[str] | None,
    seed: int,
) -> tuple[tuple[Judgement, ...], list[str]]:
    """Fit the baselines on the rows before and judge them on the rows of a judge.

    Args:
        judge: Who judges, on which bars and rows.
        before: Numbers of the earlier rows that have a label.
        label: What is predicted.
        features: Names of those that trained baselines read; None reads all that the bars allow
            and leaves those baselines out where there are too few bars.
        seed: Seed of the baselines.

    Returns:
        The judged baselines, and sentences on those that were left out.

    Raises:
        ValueError: No earlier label, or named features that these bars do not allow.
    """
    rows, part, market = judge.rows, judge.part, judge.market
    check_feature_names(features or (), "features")
    if not before.size:
        raise ValueError("no bar up to trained_until has a label; give earlier bars too")
    last = own_returns(market, rows)[part]
    notes: list[str] = []
    names = ["majority", "persistence"]
    stopping: Stopping | None = None
    x_train, x_part = np.zeros((before.size, 1), np.float32), np.zeros((part.size, 1), np.float32)
    try:
        featured = assemble_rows(market, label, feature_function(market, features))
    except ValueError as error:
        if features is not None:
            raise
        notes.append(f"baselines that are trained were left out: {error}")
    else:
        place = _places(rows, featured)
        train, tested = before[place[before] >= 0], place[part]
        if (tested < 0).any() or train.size < LEAST_TRAINING_ROWS:
            notes.append(
                f"baselines that are trained were left out: {how_many(train.size, 'row')} before "
                "the end of "
                f"training and {int((tested >= 0).sum()):,} of the {part.size:,} judged have all "
                "features; give earlier bars too"
            )
        elif side := only_side(rows.labels[train]):
            labels = (
                "the only label before the end of training is"
                if train.size == 1
                else f"all {train.size:,} labels before the end of training are"
            )
            notes.append(
                f"baselines that are trained were left out: {labels} {side}; give earlier bars too"
            )
        else:
            scaler = ArrayScaler.from_sklearn(fit_scaler(featured.values, place[train]))
            scaled = scaler.transform(featured.values)
            before, x_train, x_part = train, scaled[place[train]], scaled[tested]
            names = list(BASELINES)
            times = rows.decision_time[before], rows.label_end_time[before]
            stopping = newest_to_stop_by(x_train, rows.labels[before], *times)
    inputs = BaselineInputs(
        x_train=x_train,
        y_train=rows.labels[before],
        parts={"test": x_part},
        last_return={"test": last},
        seed=seed,
        stopping=stopping,
    )
    judged = [judge.judge(name, BASELINES[name](inputs)["test"], 0.5) for name in names]
    return tuple(judged), notes


def _places(rows: Rows, featured: Rows) -> np.ndarray:
    """Return, for each row, its number among the rows that have features; -1 where it has none."""
    keys = pd.MultiIndex.from_arrays([featured.symbol_code, featured.bar_row])
    return keys.get_indexer(pd.MultiIndex.from_arrays([rows.symbol_code, rows.bar_row]))
