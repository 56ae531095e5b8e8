"""From a stored row of figures back to what a verdict rests on."""

import math
from collections.abc import Mapping
from typing import Any

from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.evidence import Evidence
from ultimate_deep.evaluation.verdicts.knowledge import Knowledge

ERROR_RATE = 0.02
_AHEAD = "ahead_"


def evidence_of(row: Mapping[str, Any]) -> Evidence:
    """Return the evidence of one predictor on one market, as `run_market` has stored it."""
    rivals = [
        name
        for name in row
        if name.startswith(_AHEAD) and not name.endswith(("_lower", "_upper", "_error"))
    ]
    return Evidence(
        knows=Knowledge(
            gain=_interval(row, "gain"),
            rank=_interval(row, "rank"),
            decisions=int(row["decisions"]),
        ),
        net=_interval(row, "net"),
        impact=_interval(row, "impact"),
        volume_share=_number(row["volume_share"]),
        later=_interval(row, "later"),
        spread=_interval(row, "spread") if "spread" in row else None,
        patient=_interval(row, "patient"),
        repeated_opens=_number(row["repeated_opens"]),
        deflated=_number(row["deflated"]),
        trials=_number(row["trials"]),
        rivals={name.removeprefix(_AHEAD): _interval(row, name) for name in rivals},
        exposure=_number(row["exposure"]),
        moved=_number(row["moved"]),
        total=_number(row["total"]),
        impact_total=_number(row["impact_total"]),
        patient_total=_number(row["patient_total"]),
        decisions=int(row["decisions"]),
        bars=int(row["bars"]),
        active=int(row["traded"]),
        error_rate=ERROR_RATE,
    )


def _interval(row: Mapping[str, Any], name: str) -> Interval:
    return Interval(
        estimate=_number(row[name]),
        lower=_number(row[f"{name}_lower"]),
        upper=_number(row[f"{name}_upper"]),
        level=1.0 - 2.0 * ERROR_RATE,
        standard_error=_number(row[f"{name}_error"]),
        block_bars=math.nan,
        resamples=4_000,
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
