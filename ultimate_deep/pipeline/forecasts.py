"""What a model's heads were worth: every horizon and class of one part, judged after the fact."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.forecasts.table import (
    Forecasts,
    confusion_table,
    forecast_table,
    probability_of_logits,
    quantile_table,
)
from ultimate_deep.pipeline.calibration import TemperatureFit, fit_temperature
from ultimate_deep.pipeline.prepared import Prepared

SHOWN = ("rows", "accuracy", "mcc", "confidence_ece", "rank_ic", "rank_ic_p", "interval_coverage")
UP_SHOWN = ("precision", "recall", "f1")


def further_temperatures(
    prepared: Prepared, outputs: Mapping[str, Mapping[str, np.ndarray]]
) -> tuple[TemperatureFit, ...]:
    """Fit the temperature of every horizon after the first on validation.

    Args:
        prepared: Data and split.
        outputs: Heads by name, by part; `logits` `(rows, horizons)`.
    """
    labels = horizon_labels(prepared, "validation")
    logits = outputs["validation"]["logits"]
    return tuple(
        fit_temperature(logits[:, column], labels[:, column])
        for column in range(1, logits.shape[1])
    )


def horizon_labels(prepared: Prepared, part: str) -> np.ndarray:
    """Return 1 up, 0 down, NaN flat or undefined of every horizon, `(rows, horizons)`."""
    rows, targets = prepared.part(part), prepared.rows.targets
    first = prepared.rows.labels[rows][:, None]
    if targets is None:
        return first
    further = targets.up[rows, 1:]
    return np.concatenate([first, np.where(further == 0.5, np.nan, further)], axis=1)


def judged_heads(
    prepared: Prepared,
    outputs: Mapping[str, np.ndarray],
    temperatures: np.ndarray,
    part: str = "test",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return every measure of every head on a part, and the confusion behind them.

    Args:
        prepared: Data and split.
        outputs: Heads by name on that part; `logits` `(rows, horizons)`.
        temperatures: Temperatures of each horizon, `(horizons,)`.
        part: Name of the part.

    Returns:
        Columns `horizon_bars`, `of` (all, or a class or quantile), `metric`, `value`; and
        `horizon_bars`, `label`, `predicted`, `rows`.
    """
    forecasts = _forecasts(prepared, outputs, temperatures, part)
    tables = [forecast_table(forecasts)]
    if "quantiles" in outputs:
        rows, targets = prepared.part(part), prepared.rows.targets
        assert targets is not None
        scaled = targets.return_log[rows] / targets.return_scale[rows]
        tables.append(quantile_table(scaled, outputs["quantiles"], prepared.config.heads.quantiles))
    measures = pd.concat(tables, ignore_index=True)
    confusion = confusion_table(forecasts)
    for table in (measures, confusion):
        bars = [forecasts.bars_of(int(horizon)) for horizon in table.pop("horizon")]
        table.insert(0, "horizon_bars", bars)
    return measures, confusion


def _forecasts(
    prepared: Prepared, outputs: Mapping[str, np.ndarray], temperatures: np.ndarray, part: str
) -> Forecasts:
    rows, targets = prepared.part(part), prepared.rows.targets
    # Rows of one symbol in order of time, as errors of overlapping returns need them.
    order = np.lexsort((prepared.rows.decision_time[rows], prepared.rows.symbol_code[rows]))
    labels, scores = horizon_labels(prepared, part), outputs["logits"] / temperatures
    returns = prepared.rows.return_log[rows][:, None]
    bars: tuple[int, ...] = (prepared.config.label.horizon_bars,)
    if targets is not None:
        returns, bars = targets.return_log[rows], targets.horizons_bars
        direction = outputs.get("direction")  # an ensemble has the logit of up alone
        if direction is not None and direction.ndim == 3:
            labels = 2.0 * targets.up[rows]
            scores = direction / temperatures[:, None]
    return Forecasts(
        labels=labels[order],
        probability=probability_of_logits(scores)[order],
        returns=returns[order],
        horizon_bars=bars,
    )


def horizons_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each horizon, with the measures that a reader looks at first."""
    lines = []
    for bars, part in table.groupby("horizon_bars", sort=False):
        line: dict[str, float] = {"horizon_bars": int(str(bars))}
        for metrics, of in ((SHOWN, "all"), (UP_SHOWN, "up")):
            chosen = part[part["of"] == of].drop_duplicates("metric").set_index("metric")["value"]
            prefix = "" if of == "all" else f"{of}_"
            line |= {f"{prefix}{name}": float(chosen[name]) for name in metrics if name in chosen}
        lines.append(line)
    return pd.DataFrame(lines)
