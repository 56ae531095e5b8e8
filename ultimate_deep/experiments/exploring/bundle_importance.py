"""Permutation importance of a saved model, on the validation part of its run."""

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ultimate_deep.bundles.predicting import AnyBundle, bundle_config, bundle_data, features_of
from ultimate_deep.experiments.exploring.config import ExplorationConfig, ImportanceConfig
from ultimate_deep.experiments.exploring.exploration import Exploration, explore
from ultimate_deep.experiments.exploring.importance import (
    Importances,
    JudgedRows,
    importances_of,
)
from ultimate_deep.experiments.exploring.shuffling import Readings
from ultimate_deep.experiments.trials import TrialBook
from ultimate_deep.market.market import Market
from ultimate_deep.market.times import utc_time
from ultimate_deep.pipeline.rows import Rows, assemble_rows
from ultimate_deep.training.progress import Progress

Part = Literal["validation", "test"]
_NOTES = {
    "validation": "Training stopped, and temperature and threshold were chosen, on these rows; "
    "the test part was not read.",
    "test": "This reads the test part of the run again: choose nothing by it.",
}
_WINDOWED = (
    "Of a window, the whole path of a feature is taken from another decision; each timeframe, each "
    "picture and each quarter of a picture by itself."
)
_ENSEMBLE = "All members are shuffled at once: the figures are of their one forecast."


def bundle_importance(
    bundle: AnyBundle,
    market: Market,
    *,
    part: Part = "validation",
    config: ImportanceConfig = ImportanceConfig(),
    seed: int = 0,
    progress: Progress | None = None,
) -> Importances:
    """Return what a saved model or ensemble needs, on the validation part of its run.

    What shuffling means for windows, timeframes and pictures says `exploring.shuffling`.

    Args:
        bundle: The model, with its scaler, temperature and boundaries, or an ensemble.
        market: Bars like those of the run; rows are taken between the run's own boundaries.
        part: `validation`, or `test`, which then is read once more, and counted.
        config: How the features are shuffled.
        seed: Same seed, same shuffles.
        progress: Told how long it will take.

    Raises:
        BundleError: These bars do not allow a feature that the model needs.
        ValueError: Too few rows of these bars lie between the boundaries.
    """
    label = bundle_config(bundle).label
    rows = assemble_rows(market, label, features_of(bundle, market))
    readings = Readings(bundle, market, rows)
    chosen = _between(rows, bundle, part, readings.complete)
    judged = JudgedRows(
        labels=rows.labels[chosen],
        decision_time=rows.decision_time[chosen],
        symbol_code=rows.symbol_code[chosen],
        horizon_bars=label.horizon_bars,
    )
    found = importances_of(
        readings.forecast(chosen),
        readings.groups(chosen, config.group_correlation),
        judged,
        config=config,
        seed=seed,
        progress=progress,
    )
    note = _NOTES[part]
    if readings.windowed:
        note = f"{note} {_WINDOWED}"
    if len(bundle.members) > 1:
        note = f"{note} {_ENSEMBLE}"
    if part == "test":
        book = TrialBook.opened(bundle.folder, market, bundle_config(bundle))
        book.reading(bundle.predictor.digest(), sharpe_per_bar=math.nan, accuracy=math.nan)
        note = f"{note} {book.count().sentence}."
    return replace(found, part=part, note=note)


def _between(
    rows: Rows, bundle: AnyBundle, part: Part, complete: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Numbers of the complete labelled rows of one part of the bundle's run, by symbol and time."""
    first, second = (
        utc_time(bundle.metrics["split"][name]) for name in ("validation_from", "test_from")
    )
    inside = rows.decision_time >= second
    if part == "validation":
        inside = (rows.decision_time >= first) & (rows.label_end_time < second)
    chosen = np.flatnonzero(inside & np.isfinite(rows.labels) & complete)
    if len(chosen) == 0:
        raise ValueError(
            f"no labelled row lies in the {part} part of {bundle.folder}, which begins at "
            f"{first if part == 'validation' else second} UTC; give the bars of that run"
        )
    return chosen[np.lexsort((rows.decision_time[chosen], rows.symbol_code[chosen]))]


def explore_with_bundle(
    bundle: AnyBundle, config: ExplorationConfig, progress: Progress
) -> Exploration:
    """Explore the bars of a bundle's run, then shuffle its model's features.

    Args:
        bundle: The model; bars, label and split are those of its run where `config` has defaults.
        config: What and how.
        progress: Told what happens.

    Raises:
        ValueError: `config` asks for another label or split than the run's, or names bars that the
            model cannot be judged on.
    """
    explored = explore(config_of_run(bundle, config), progress)
    progress.message(f"importance on the {config.importance_part} part of {bundle.folder.name}")
    importances = bundle_importance(
        bundle,
        explored.market,
        part=config.importance_part,
        config=config.importance,
        seed=config.seed,
        progress=progress,
    )
    return replace(explored, importances=importances)


def config_of_run(bundle: AnyBundle, config: ExplorationConfig) -> ExplorationConfig:
    """Return the exploration with the bars, label and split of the bundle's run.

    Raises:
        ValueError: Another label or split was asked for.
    """
    run, default = bundle_config(bundle), ExplorationConfig()
    for name in ("label", "split"):
        given = getattr(config, name)
        if given not in (getattr(default, name), getattr(run, name)):
            raise ValueError(
                f"with a bundle the {name} is that of its run, {getattr(run, name)}, got {given}; "
                f"leave out --{name}"
            )
    return replace(config, data=bundle_data(bundle, config.data), label=run.label, split=run.split)
