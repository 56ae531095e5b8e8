"""The report as JSON: every figure of the page, strict (NaN and infinities are null)."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.measures.metrics import confusion, threshold_sweep
from ultimate_deep.evaluation.reporting.comparison_data import ComparisonData
from ultimate_deep.evaluation.reporting.data import Predictions, ReportData
from ultimate_deep.evaluation.reporting.headlines import figures_of
from ultimate_deep.evaluation.reporting.origin import origin_json
from ultimate_deep.machine.files import write_text

FORMAT = 1


def report_json(data: ReportData | ComparisonData) -> dict[str, Any]:
    """Return the figures of a report as plain dicts, lists, strings, numbers and None.

    Curves are left out; the files beside a report hold them. `format` counts changes of meaning.
    """
    fields = _comparison(data) if isinstance(data, ComparisonData) else _report(data)
    return dict(json_safe(fields))


def write_json_report(path: str | Path, data: ReportData | ComparisonData) -> Path:
    """Write `report_json` to `path`, whole or not at all, and return the path."""
    target = Path(path)
    text = json.dumps(report_json(data), allow_nan=False, indent=1, ensure_ascii=False)
    write_text(target, text + "\n")
    return target


def _report(data: ReportData) -> dict[str, Any]:
    held = data.buy_and_hold
    return {
        "format": FORMAT,
        "kind": "report",
        "title": data.title,
        "simulated": data.simulated,
        "verdict": data.verdict,
        "assessment": data.assessment,
        "contenders": data.contenders,
        "figures": figures_of(data.contenders[0].metrics, data.assessment),
        "backtest": {
            "model": data.backtest.metrics,
            "buy and hold": held.metrics if held else None,
        },
        "threshold": data.threshold,
        "temperature": data.temperature,
        "mode": data.mode,
        "costs": data.costs,
        "confusion": _confusion(data.test),
        "sweep": {
            name: _sweep(data, part)
            for name, part in (("validation", data.validation), ("test", data.test))
            if part is not None
        },
        "history": data.history,
        "horizons": data.horizons,
        "facts": data.facts,
        "plan": data.plan,
        "config": data.config,
        "notes": data.notes,
        "files": data.files,
        "origin": origin_json(data.origin),
    }


def _confusion(part: Predictions) -> Any:
    rows = part.judged
    if not rows.any():
        return None
    return confusion(part.label[rows], (part.probability[rows] >= 0.5).astype(np.float64))


def _sweep(data: ReportData, part: Predictions) -> Any:
    return threshold_sweep(part.probability, part.return_log, mode=data.mode, costs=data.costs)


def _comparison(data: ComparisonData) -> dict[str, Any]:
    models = [
        {
            "name": model.name,
            "verdict": model.verdict,
            "metrics": model.metrics,
            "intervals": model.intervals,
            "sharpe": model.sharpe,
            "share_left_after_delay": model.share_left_after_delay,
            "baseline": model.baseline,
            "calls": model.calls,
            "regimes": model.regimes,
        }
        for model in data.models
    ]
    return {
        "format": FORMAT,
        "kind": "comparison",
        "title": data.title,
        "simulated": data.simulated,
        "finding": data.finding,
        "verdict": data.kind,
        "claiming": data.claiming,
        "bars_needed": data.bars_needed,
        "models": models,
        "confidence_set": data.confidence_set,
        "superior": data.superior,
        "overfitting": data.overfitting,
        "pairwise": {"names": [model.name for model in data.models], "p_values": data.pairwise},
        "tables": [{"title": one.title, "rows": one.rows} for one in data.tables],
        "trials": data.trials,
        "looks": data.looks,
        "rules": data.rules,
        "facts": data.facts,
        "config": data.config,
        "notes": data.notes,
        "files": data.files,
        "origin": origin_json(data.origin),
    }
