"""From rows of any bars to what a saved model is fed, and its answers back at their rows."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep import features
from ultimate_deep.bundles.manifest import BundleError
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.config import config_from_dict
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs
from ultimate_deep.pipeline.inputs.tables import RowInputs, apply_scalers, input_tables
from ultimate_deep.pipeline.own_steps import OWN_STEPS
from ultimate_deep.pipeline.rows import Rows
from ultimate_deep.pipeline.scaling import ArrayScaler


def features_of_bars(
    frame: pd.DataFrame,
    names: Sequence[str],
    folder: Path,
    interval: str | pd.Timedelta | None = None,
) -> features.FeatureMatrix:
    """Compute what the saved model in `folder` reads, from canonical bars of one symbol.

    Args:
        frame: Canonical bars of one symbol.
        names: Features in the model's order.
        folder: Where it was loaded from.
        interval: How long a bar is; None finds it, as `compute_features` does.

    Raises:
        BundleError: A feature cannot be computed from these bars.
    """
    try:
        return features.compute_features(frame, names, interval=interval)
    except ValueError as error:
        raise BundleError(
            f"the features of {folder} cannot be computed from these bars: {error}; "
            "bring bars like those that it was trained on, since a model needs all of its features"
        ) from error


def own_features(frame: pd.DataFrame, names: Sequence[str], folder: Path) -> features.FeatureMatrix:
    """Compute features by a user's own step, as the run of the bundle in `folder` did.

    Raises:
        BundleError: No loaded plugin has such a step, or it gives other features.
    """
    step = OWN_STEPS[0].features if OWN_STEPS else None
    if step is None:
        raise BundleError(
            f"the features of {folder} were computed by a step of its user's own; register it with "
            "ultimate_deep.plugins.steps in a plugin, and load that"
        )
    matrix = step(frame)
    place = {name: column for column, name in enumerate(matrix.names)}
    if absent := [name for name in names if name not in place]:
        raise BundleError(
            f"{folder} was trained on {', '.join(names)}, and the loaded step gives "
            f"{', '.join(matrix.names)}, without {', '.join(absent)}; load the step that it was "
            "trained with"
        )
    columns = [place[name] for name in names]
    return dataclasses.replace(
        matrix,
        values=matrix.values[:, columns],
        names=tuple(names),
        families=tuple(matrix.families[column] for column in columns),
    )


def complete_inputs(
    config: Mapping[str, Any],
    scaler: ArrayScaler,
    scalers: dict[str, ArrayScaler],
    market: Market,
    rows: Rows,
    among: np.ndarray | None = None,
) -> tuple[ModelInputs, np.ndarray]:
    """Return a model's inputs of the rows that have all of them, and those rows' numbers.

    Args:
        config: Configuration of the run that trained the model, as its bundle keeps it.
        scaler: Scaler from unscaled features to the model's.
        scalers: Input name to scaler, of inputs with tables of their own.
        market: Bars by symbol.
        rows: Rows with the model's features, in its order.
        among: Row numbers to choose from, in order; None takes all rows.
    """
    inputs = readings(config, scaler, scalers, market, rows)
    known = inputs.tables.complete
    complete = np.flatnonzero(known) if among is None else among[known[among]]
    return inputs.take(complete), complete


def readings(
    config: Mapping[str, Any],
    scaler: ArrayScaler,
    scalers: dict[str, ArrayScaler],
    market: Market,
    rows: Rows,
) -> RowInputs:
    """Return a model's scaled inputs of all rows; the arguments are those of `complete_inputs`."""
    kind = _resolved(config)
    assert kind.kind != "auto"
    tables = input_tables(market, rows, kind.kind, kind)
    return RowInputs(apply_scalers(tables, scaler.transform(rows.values), scalers), tables, {})


def spread(values: np.ndarray, at: np.ndarray, rows: int) -> np.ndarray:
    """Return values at their row numbers, NaN in the other rows."""
    out = np.full((rows, *values.shape[1:]), np.nan, values.dtype)
    out[at] = values
    return out


def _resolved(config: Mapping[str, Any]) -> InputConfig:
    """Return what the model reads; bundles from before there were windows read features."""
    inputs = config_from_dict(dict(config)).inputs
    return dataclasses.replace(inputs, kind="features") if inputs.kind == "auto" else inputs
