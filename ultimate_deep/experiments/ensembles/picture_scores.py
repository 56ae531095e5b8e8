"""Figures of nets on written pictures: directions, patterns, and several nets together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from ultimate_deep.market.candlesticks import PATTERNS
from ultimate_deep.pipeline.gaf_folders import GafFolder

# What each pattern is said to foretell.
_SIDES = {
    "morning_star": 1,
    "evening_star": -1,
    "bullish_engulfing": 1,
    "bearish_engulfing": -1,
    "bullish_harami": 1,
    "bearish_harami": -1,
    "shooting_star": -1,
    "inverted_hammer": 1,
}
_EPSILON = 1e-12


def direction_scores(
    up: np.ndarray, probability: np.ndarray, return_log: np.ndarray, *, cost_bps: float
) -> dict[str, float]:
    """Return figures of probabilities of up.

    Args:
        up: Labels 0 or 1, `(rows,)`.
        probability: Probabilities of 1, `(rows,)`.
        return_log: Log returns from the fill to the horizon's end, `(rows,)`.
        cost_bps: Cost of one side of a trade, basis points.

    Returns:
        `rows`, `accuracy`, `majority` (of always saying the more frequent side), `log_loss` and
        `base_log_loss` (of the base rate) in nats, and of trading the likelier side at each
        decision `win_rate` and `net_bps`, the mean return after both sides' costs.
    """
    base = float(np.clip(up.mean(), _EPSILON, 1 - _EPSILON))
    side = np.where(probability > 0.5, 1.0, -1.0)
    net = side * return_log * 1e4 - 2 * cost_bps
    return {
        "rows": len(up),
        "accuracy": float(np.mean((probability > 0.5) == (up == 1))),
        "majority": max(base, 1 - base),
        "log_loss": _log_loss(up, probability),
        "base_log_loss": _log_loss(up, np.full(len(up), base)),
        "win_rate": float(np.mean(net > 0)),
        "net_bps": float(net.mean()),
    }


def pattern_scores(pattern: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Return figures of recognised patterns.

    Args:
        pattern: Patterns that are there, positions in `PATTERNS`, `(rows,)`.
        found: Those that a net says, likewise.

    Returns:
        `rows`, `accuracy`, `majority` (of always saying the most frequent one),
        `balanced_accuracy`, the mean share of each pattern's rows that are recognised, and
        `worst_recall`, the least of them; patterns that are not there count nowhere.
    """
    present = np.unique(pattern)
    recall = [float(np.mean(found[pattern == one] == one)) for one in present]
    return {
        "rows": len(pattern),
        "accuracy": float(np.mean(found == pattern)),
        "majority": float(np.bincount(pattern).max() / len(pattern)),
        "balanced_accuracy": float(np.mean(recall)),
        "worst_recall": min(recall),
    }


def worth_of_patterns(
    pattern: np.ndarray, found: np.ndarray, return_log: np.ndarray, *, cost_bps: float
) -> pd.DataFrame:
    """Return what recognising each pattern is worth.

    Args:
        pattern: Patterns that are there, positions in `PATTERNS`, `(rows,)`.
        found: Those that a net says, likewise.
        return_log: Log returns from the fill to the horizon's end, `(rows,)`.
        cost_bps: Cost of one side of a trade, basis points.

    Returns:
        A row for each pattern: `pattern`, `rows` (there), `found`, `recall`, `precision`, and
        `net_bps` and `net_bps_error`: mean return of the side that the pattern is said to foretell,
        wherever the net finds it, after both sides' costs, and its standard error. NaN where there
        is none.
    """
    table = []
    for place, name in enumerate(PATTERNS):
        there, said = pattern == place, found == place
        both = float(np.sum(there & said))
        row: dict[str, Any] = {
            "pattern": name,
            "rows": int(there.sum()),
            "found": int(said.sum()),
            "recall": both / there.sum() if there.any() else np.nan,
            "precision": both / said.sum() if said.any() else np.nan,
        }
        if name in _SIDES:
            net = _SIDES[name] * return_log[said] * 1e4 - 2 * cost_bps
            row["net_bps"] = net.mean() if len(net) else np.nan
            row["net_bps_error"] = net.std() / np.sqrt(len(net)) if len(net) > 1 else np.nan
        table.append(row)
    return pd.DataFrame(table)


def ensemble_scores(
    folders: list[GafFolder], logits: list[np.ndarray], *, cost_bps: float
) -> list[dict[str, Any]]:
    """Return figures of what nets of several lengths of bars say together.

    They are asked at the decisions of the shortest bars, about the label of those, once every part
    has begun; each answers by its newest picture then. Nobody learns how to weigh them.

    Args:
        folders: Pictures of one symbol each, with directions as labels.
        logits: Logits of each folder's validation part, `(rows,)`.
        cost_bps: Cost of one side of a trade, basis points.

    Returns:
        A row for the majority of the nets (a draw goes to the mean) and one for the mean of their
        probabilities; the `model` of each says which. None where they share no decision.
    """
    times = [one.rows["val"]["decision_time"] for one in folders]
    symbols = {tuple(one.metadata["symbols"]) for one in folders}
    if len(symbols) > 1 or any(len(one) > 1 for one in symbols):
        return []
    finest = min(range(len(folders)), key=lambda place: np.median(np.diff(times[place])))
    start = max(one[0] for one in times)
    asked = np.flatnonzero(times[finest] >= start)
    if not len(asked):
        return []
    said = []
    for time, logit in zip(times, logits, strict=True):
        newest = np.searchsorted(time, times[finest][asked], side="right") - 1
        said.append(expit(logit[newest].astype(np.float64)))
    probability = np.stack(said)
    mean = probability.mean(axis=0)
    votes = (probability > 0.5).mean(axis=0)
    majority = np.where(votes == 0.5, mean, votes)
    rows = folders[finest].rows["val"]["return_log"][asked]
    up = folders[finest].labels["val"][asked, 0]
    voted = direction_scores(up, majority, rows, cost_bps=cost_bps)
    voted["log_loss"] = math.nan  # a share of votes is no probability
    averaged = direction_scores(up, mean, rows, cost_bps=cost_bps)
    return [{"model": "majority of all"} | voted, {"model": "mean of all"} | averaged]


def _log_loss(up: np.ndarray, probability: np.ndarray) -> float:
    p = np.clip(probability.astype(np.float64), _EPSILON, 1 - _EPSILON)
    return float(-np.mean(up * np.log(p) + (1 - up) * np.log(1 - p)))
