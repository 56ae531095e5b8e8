"""Checks of the split by counting: no label of an earlier part may reach a later one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.leaks.data_checks import Findings, Looked
from ultimate_deep.evaluation.leaks.findings import LeakFinding
from ultimate_deep.evaluation.leaks.runner import Runner
from ultimate_deep.evaluation.leaks.trace import Trace
from ultimate_deep.machine.counts import how_many

_CHECK = "label spans"
PAIRS = (("train", "validation"), ("train", "test"), ("validation", "test"))


def check_label_spans(runner: Runner) -> Looked:
    """Compare the label span of every labelled row with the parts that come after its own."""
    trace = runner.clean("scaling")
    interval = max(bars.interval for bars in runner.market.values()).to_timedelta64()
    findings: Findings = _backward_labels(trace) + _shared_rows(trace)
    compared = 0
    for earlier, later in PAIRS:
        rows = labelled(trace, earlier)
        compared += len(rows)
        findings += _overlap(trace, rows, earlier, later) or _embargo(
            trace, rows, earlier, later, interval
        )
    spans = f"{how_many(compared, 'label span')}"
    embargo = f", embargo of {how_many(trace.embargo_bars, 'bar')}" if trace.embargo_bars else ""
    return Looked(findings, spans + embargo)


def labelled(trace: Trace, part: str) -> npt.NDArray[np.int64]:
    """Return the row numbers of a part whose label is defined."""
    rows = getattr(trace, part)
    return rows[np.isfinite(trace.labels[rows])]


def _backward_labels(trace: Trace) -> Findings:
    known = np.isfinite(trace.labels)
    early = known & (trace.label_end_time <= trace.decision_time)
    if not early.any():
        return ()
    return (
        LeakFinding(
            step="labels",
            check=_CHECK,
            severity="leak",
            sentence="The step labels says that "
            f"{how_many(early.sum(), 'label is', 'labels are')} known when the row "
            "is decided; a label ends after its decision.",
            evidence={"labels": int(early.sum())},
        ),
    )


def _shared_rows(trace: Trace) -> Findings:
    total = sum(len(getattr(trace, name)) for name in ("train", "validation", "test"))
    rows = np.concatenate([trace.train, trace.validation, trace.test])
    shared = total - len(np.unique(rows))
    if not shared:
        return ()
    return (
        LeakFinding(
            step="split",
            check=_CHECK,
            severity="leak",
            sentence=f"The step split puts {how_many(shared, 'row')} into more than one part.",
            evidence={"rows_shared": shared},
        ),
    )


def _overlap(trace: Trace, rows: npt.NDArray[np.int64], earlier: str, later: str) -> Findings:
    begins = trace.begins(later)
    after = trace.decision_time[rows] >= begins
    reach = ~after & (trace.label_end_time[rows] >= begins)
    if not (after.any() or reach.any()):
        return ()
    parts = []
    if after.any():
        parts.append(
            f"{after.sum():,} {earlier} rows are decided after the {later} part has begun: the "
            "parts are not in order of time"
        )
    if reach.any():
        parts.append(
            f"the labels of {reach.sum():,} {earlier} rows reach into the {later} part: purge them"
        )
    return (
        LeakFinding(
            step="split",
            check=_CHECK,
            severity="leak",
            sentence=f"The step split mixes its parts: {'; '.join(parts)}.",
            evidence={
                "earlier": earlier,
                "later": later,
                "rows_after": int(after.sum()),
                "labels_reaching": int(reach.sum()),
                "begins": str(pd.Timestamp(begins)),
            },
        ),
    )


def _embargo(
    trace: Trace,
    rows: npt.NDArray[np.int64],
    earlier: str,
    later: str,
    interval: np.timedelta64,
) -> Findings:
    """The embargo holds by the clock and by the count of decision times, whichever is stricter."""
    if not trace.embargo_bars or not len(rows):
        return ()
    begins, ends = trace.begins(later), trace.label_end_time[rows]
    times = np.unique(trace.decision_time[trace.decision_time < begins])
    between = len(times) - np.searchsorted(times, ends, side="right")
    near = (ends >= begins - trace.embargo_bars * interval) | (between < trace.embargo_bars)
    if not near.any():
        return ()
    return (
        LeakFinding(
            step="split",
            check=_CHECK,
            severity="leak",
            sentence="The step split breaks its embargo of "
            f"{how_many(trace.embargo_bars, 'bar')}: the "
            f"labels of {how_many(near.sum(), f'{earlier} row')} end within it, before the "
            f"{later} part.",
            evidence={"earlier": earlier, "later": later, "labels_near": int(near.sum())},
        ),
    )
