"""A walk-forward as tables and JSON: folds, paths, predictions."""

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.reporting.origin import Origin, origin_json
from ultimate_deep.evaluation.verdicts.luck import account_sharpe
from ultimate_deep.experiments.reproducing import (
    config_options,
    counted,
    options_of,
    origin_of,
)
from ultimate_deep.experiments.runs import CONFIG_FILE
from ultimate_deep.experiments.walk_forward.config import TITLES
from ultimate_deep.experiments.walk_forward.judging import JudgedPart
from ultimate_deep.experiments.walk_forward.walk_forward import Walked
from ultimate_deep.market.times import utc_index

FIGURES = (
    "accuracy",
    "roc_auc",
    "log_loss",
    "share_of_edge",
    "total_return",
    "sharpe",
    "max_drawdown",
    "trades",
    "win_rate",
    "coverage",
)
_SPREAD = {"lowest": 0.0, "lower quarter": 0.25, "middle": 0.5, "upper quarter": 0.75, "highest": 1}


def folds_table(walked: Walked) -> pd.DataFrame:
    """Return one row per fold: its test period, training facts, figures and verdict."""
    rows = []
    for result, part in zip(walked.results, walked.judged.folds, strict=True):
        times = walked.prepared.rows.decision_time[result.rows]
        period = {"fold": part.name, "test_from": times.min(), "test_to": times.max()}
        facts = {key: value for key, value in result.facts.items() if key not in FIGURES}
        threshold = {"threshold": float(result.thresholds[0])}
        rows.append(period | {"test_rows": len(result.rows)} | facts | threshold | _figures(part))
    return pd.DataFrame(rows)


def paths_table(walked: Walked) -> pd.DataFrame:
    """Return one row per path: figures and verdict."""
    return pd.DataFrame([{"path": part.name} | _figures(part) for part in walked.judged.paths])


def spread_table(walked: Walked) -> pd.DataFrame:
    """Return how figures spread over the paths: lowest, quarters, middle, highest."""
    paths = paths_table(walked)
    names = ["accuracy", "total_return", "sharpe", "max_drawdown"]
    rows = [
        {"": name} | {key: float(paths[key].quantile(share)) for key in names}
        for name, share in _SPREAD.items()
    ]
    return pd.DataFrame(rows)


def predictions_table(walked: Walked) -> pd.DataFrame:
    """Return one row per decision and path: its time, probability of up, signal and label."""
    rows = walked.prepared.rows
    symbols = np.array(rows.symbols, dtype=object)
    tables = []
    for part in walked.judged.paths:
        table = {
            "path": part.name,
            "symbol": symbols[rows.symbol_code[part.rows]],
            "decision_time": utc_index(rows.decision_time[part.rows]),
            "probability": part.judged.probability,
            "signal": part.signal,
            "label": rows.labels[part.rows],
        }
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def walk_json(walked: Walked) -> dict[str, Any]:
    """Return everything that `walk_forward.json` holds, strict JSON."""
    whole, prepared = walked.judged.whole, walked.prepared
    horizon = prepared.config.label.horizon_bars
    return json_safe(
        {
            "simulated": prepared.market.simulated,
            "title": TITLES[walked.walk.scheme],
            "scheme": dataclasses.asdict(walked.walk),
            "past_only": walked.walk.past_only,
            "verdict": whole.verdict,
            "judged": whole.name,
            "sharpe": account_sharpe(whole.judged.backtest, walked.trials, horizon_bars=horizon),
            "intervals": walked.judged.intervals,
            "contenders": contenders(walked),
            "folds": folds_table(walked),
            "paths": paths_table(walked),
            "spread": spread_table(walked),
            "trials": walked.trials,
            "ledger": walked.ledger,
            "bars": prepared.market.fingerprint(),
            "fills": prepared.market.fills_digest or None,
            "origin": origin_json(origin_of_walk(walked)),
        }
    )


def origin_of_walk(walked: Walked) -> Origin:
    """Return what was done with what times, and how to do it again."""
    config = walked.prepared.config
    return origin_of(
        [
            "walk-forward",
            *config_options(config, walked.folder / CONFIG_FILE),
            *options_of(walked.walk, "walk."),
        ],
        walked.prepared.market,
        seconds=walked.seconds,
        needs=[counted(walked.trials.test_readings)],
        resumed=walked.resumed,
    )


def contenders(walked: Walked) -> list[dict[str, Any]]:
    """Return name and figures of the model and of what stands beside it on the same rows."""
    judged = (walked.judged.whole.judged, *walked.judged.rivals)
    return [{"name": one.name} | _chosen(one.metrics) for one in judged]


def _figures(part: JudgedPart) -> dict[str, Any]:
    verdict = {
        "majority_accuracy": part.verdict.majority_accuracy,
        "verdict": part.verdict.kind,
    }
    return _chosen(part.judged.metrics) | verdict


def _chosen(metrics: dict[str, float]) -> dict[str, float]:
    return {name: metrics.get(name, math.nan) for name in FIGURES}
