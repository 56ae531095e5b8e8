"""What is fitted on validation after training: the temperature and the trading threshold."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.measures.temperature import TEMPERATURE_RANGE, inverse_temperature
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.portfolio.mode import Mode

FALLBACK_THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class TemperatureFit:
    """A temperature and what it did.

    Args:
        temperature: Divides the logits; within `TEMPERATURE_RANGE`.
        log_loss_before: Mean log loss at temperature one, nats.
        log_loss_after: Mean log loss at the fitted temperature, nats.
        rows: Rows with a label.
        note: A sentence for people where the fit met a limit; else empty.
    """

    temperature: float
    log_loss_before: float
    log_loss_after: float
    rows: int
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdChoice:
    """A threshold and what it was chosen from.

    Args:
        threshold: Least probability of the side taken, in [0.5, 1].
        value: The objective there; NaN for the fallback without a value.
        coverage: Share of rows with a signal there.
        table: One row per candidate: `threshold`, `coverage`, `value`, `eligible`.
        note: A sentence for people; empty where a candidate with a positive value was found.
        returns: Net return of each candidate's account, `(periods, candidates)`; None where
            the candidates were judged without an account.
    """

    threshold: float
    value: float
    coverage: float
    table: pd.DataFrame
    note: str = ""
    returns: np.ndarray | None = None


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> TemperatureFit:
    """Return the temperature that minimises the log loss of `sigmoid(logits / temperature)`.

    Logits that say nothing (or the opposite) end at the largest temperature: probabilities close to
    one half. See `evaluation.measures.temperature`.

    Args:
        logits: Logits of one horizon on validation, `(rows,)`, finite.
        labels: 0, 1 or NaN (row left out), `(rows,)`.

    Raises:
        ValueError: Shapes differ, a logit is not finite, a label is neither 0 nor 1, or no row
            has a label.
    """
    logit, label = _labelled(logits, labels)
    inverse, note = inverse_temperature(logit, label), ""
    if label.min() == label.max():
        note = "all validation labels are of one class, so the temperature stays 1"
    elif not logit.any():
        note = "all logits are zero, so the temperature stays 1"
    elif inverse == 1 / TEMPERATURE_RANGE[1]:
        note = "validation logits do not tell the classes apart: largest temperature"
    elif inverse == 1 / TEMPERATURE_RANGE[0]:
        note = "validation logits separate the classes perfectly: smallest temperature"
    return TemperatureFit(
        temperature=1.0 / inverse,
        log_loss_before=log_loss_of_logits(logit, label),
        log_loss_after=log_loss_of_logits(logit * inverse, label),
        rows=len(logit),
        note=note,
    )


def choose_threshold(
    probability: np.ndarray,
    objective: Callable[[float], float],
    *,
    mode: Mode = "long_short",
    minimum_coverage: float = 0.05,
    candidates: int = 40,
) -> ThresholdChoice:
    """Return the threshold with the largest objective among those that trade enough.

    Candidates are one half and quantiles of the probability of the side taken, so that they
    spread over what this model says however flat its probabilities are. Of equal values the
    lower threshold is taken, which trades more.

    Args:
        probability: Calibrated probability of up on validation, `(rows,)`; NaN gives no signal.
        objective: Value of a threshold on validation, such as the mean net return per bar of
            its backtest; larger is better, NaN excludes the threshold.
        mode: Trading mode as in `signal_from_probability`.
        minimum_coverage: Smallest share of rows with a signal, in (0, 1].
        candidates: Largest number of thresholds tried.

    Raises:
        ValueError: Wrong shape, a probability outside [0, 1], a share outside (0, 1], or fewer
            than one candidate.
    """
    probability = np.asarray(probability, dtype=np.float64)
    if probability.ndim != 1 or len(probability) == 0:
        raise ValueError(
            f"probability has shape (rows,) with rows, got {probability.shape}; "
            "give that of one horizon on validation"
        )
    if not 0 < minimum_coverage <= 1:
        raise ValueError(
            f"minimum_coverage is a share in (0, 1], got {minimum_coverage}; use e.g. 0.05"
        )
    if candidates < 1:
        raise ValueError(f"candidates is at least 1, got {candidates}; use e.g. 40")
    rows = []
    for threshold in _candidate_thresholds(probability, mode, minimum_coverage, candidates):
        signal = signal_from_probability(probability, threshold, mode=mode)
        coverage = float(np.mean(signal != 0))
        value = float(objective(threshold))
        eligible = coverage >= minimum_coverage and not math.isnan(value)
        rows.append((threshold, coverage, value, eligible))
    table = pd.DataFrame(rows, columns=["threshold", "coverage", "value", "eligible"])
    return _best_of(table, minimum_coverage)


def _candidate_thresholds(
    probability: np.ndarray, mode: Mode, minimum_coverage: float, candidates: int
) -> list[float]:
    known = probability[~np.isnan(probability)]
    side = np.maximum(known, 1.0 - known) if mode == "long_short" else known
    side = side[side > FALLBACK_THRESHOLD]
    if side.size == 0 or candidates == 1:
        return [FALLBACK_THRESHOLD]
    # Coverage counts all rows, the quantiles only those on the side taken.
    least = min(1.0, minimum_coverage * len(probability) / side.size)
    shares = np.linspace(0.0, 1.0 - least, candidates)[1:]
    # Between two rows' probabilities, so that the last bit of one never decides a trade.
    found = np.quantile(side, shares, method="midpoint")
    return [FALLBACK_THRESHOLD, *np.unique(found[found > FALLBACK_THRESHOLD]).tolist()]


def _best_of(table: pd.DataFrame, minimum_coverage: float) -> ThresholdChoice:
    values = table["value"].where(table["eligible"])
    if values.isna().all():
        best = table.iloc[0]
        note = (
            f"no threshold trades at least {minimum_coverage:.1%} of the validation rows: "
            f"{FALLBACK_THRESHOLD} is kept"
        )
    else:
        best = table.iloc[int(np.nanargmax(values))]  # the first of equals, the lowest threshold
        note = ""
        if best["value"] <= 0:
            note = "no threshold earns anything on validation after costs: the least loss is kept"
    return ThresholdChoice(
        threshold=float(best["threshold"]),
        value=float(best["value"]),
        coverage=float(best["coverage"]),
        table=table,
        note=note,
    )


def _labelled(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits = np.asarray(logits, dtype=np.float64)
    labels = np.asarray(labels, dtype=np.float64)
    if logits.ndim != 1 or logits.shape != labels.shape:
        raise ValueError(
            f"logits and labels have shape (rows,), got {logits.shape} and {labels.shape}; "
            "fit one temperature per horizon"
        )
    known = ~np.isnan(labels)
    logits, labels = logits[known], labels[known]
    if not len(labels):
        raise ValueError("no validation row has a label; bring more bars")
    if not np.isfinite(logits).all():
        row = int(np.flatnonzero(~np.isfinite(logits))[0])
        raise ValueError(
            f"logits are finite, got {logits[row]} in labelled row {row}; "
            "training diverged: lower the learning rate"
        )
    if not np.isin(labels, (0.0, 1.0)).all():
        bad = labels[~np.isin(labels, (0.0, 1.0))][0]
        raise ValueError(f"labels are 0, 1 or NaN, got {bad}; give directions")
    return logits, labels


def log_loss_of_logits(logit: np.ndarray, label: np.ndarray) -> float:
    """Return the mean log loss in nats of logits of up, `(rows,)` each."""
    # -log sigmoid(z) for label 1, -log(1 - sigmoid(z)) for label 0, without overflow
    return float(np.mean(np.logaddexp(0.0, logit) - label * logit))
