"""A leak report as one self-contained HTML page: the offending step first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from ultimate_deep.evaluation.leaks.findings import CheckResult, LeakFinding, LeakReport
from ultimate_deep.evaluation.leaks.trace import STEPS, Step
from ultimate_deep.evaluation.reporting.page import (
    card,
    page_header,
    render_page,
    section,
    write_page,
)
from ultimate_deep.evaluation.reporting.tables import DASH, names_table
from ultimate_deep.machine.counts import how_many, noun_for

TITLE = "Leak detection"
MEANING: dict[Step, str] = {
    "features": "each bar's features, before any scaling",
    "labels": "what each decision turned into, and when that is known",
    "split": "which rows train, validate and test",
    "rows": "what changes the rows once the split is known",
    "selection": "which features the model gets",
    "scaling": "scaler and scaled values",
    "model": "weights, and when training stops",
    "temperature": "calibration of the probabilities",
    "threshold": "least probability that trades",
    "predictions": "probabilities of the test rows",
    "signals": "positions of the test rows",
}
_TONES = {"leak": "tone-bad", "warning": "tone-open", "not run": "tone-open", "passed": "tone-good"}
_WORDS = {"leak": "✗ leak", "warning": "! warning", "not run": "? not run", "passed": "✓ passed"}


def write_leak_page(path: str | Path, report: LeakReport) -> Path:
    """Write the page, whole or not at all, and return the path."""
    return write_page(path, leak_page(report))


def leak_page(report: LeakReport) -> str:
    """Return the whole page."""
    body = "".join(
        [
            page_header(TITLE, report.subject, simulated=report.simulated),
            _verdict(report),
            _steps(report),
            *(_finding(finding) for finding in report.findings),
            _checks(report),
            _method(),
        ]
    )
    return render_page(f"{TITLE}: {report.verdict}", body, simulated=report.simulated)


def leak_sections(report: LeakReport) -> str:
    """Return verdict, steps and checks as sections of another page."""
    return _verdict(report) + _steps(report) + _checks(report)


def _verdict(report: LeakReport) -> str:
    tone = "tone-bad" if report.leaking else "tone-good"
    absent = [check for check in report.checks if check.not_run]
    if absent and not report.leaking:
        tone = "tone-open"
    seconds = sum(check.seconds for check in report.checks)
    symbols = ", ".join(report.symbols)
    cards = "".join(
        [
            card(f"{report.bars:,}", f"{noun_for(report.bars, 'bar')} looked at", symbols),
            card(
                f"{report.rows:,}",
                noun_for(report.rows, "decision"),
                f"of {how_many(report.features, 'feature')} each",
            ),
            card(
                f"{len(report.checks) - len(absent)}",
                f"{noun_for(len(report.checks) - len(absent), 'check')} run",
                f"in {seconds:,.0f} s",
            ),
            card(
                f"{len(report.leaks)}",
                f"{noun_for(len(report.leaks), 'leak')} found",
                _warnings(report),
            ),
        ]
    )
    return (
        f'<section class="verdict {tone}"><div class="kind">{escape(report.verdict.capitalize())}'
        f'</div><p class="sentence">{_coded(report.sentence)}</p>'
        f'<div class="cards">{cards}</div></section>'
    )


def _warnings(report: LeakReport) -> str:
    count = len(report.findings) - len(report.leaks)
    return f"and {count} warning{'' if count == 1 else 's'}"


def _steps(report: LeakReport) -> str:
    """The pipeline in order, with the first offender marked."""
    leaking = {finding.step for finding in report.leaks}
    rows = ""
    for step in STEPS:
        word, tone = "✓ nothing found", "tone-good"
        if step not in report.examined:
            word, tone = f"{DASH} not examined", ""
        elif step == report.step:
            word, tone = "✗ leaks first", "tone-bad"
        elif step in leaking:
            word, tone = "✗ moved too", "tone-bad"
        elif leaking and (report.step is None or STEPS.index(step) > STEPS.index(report.step)):
            word, tone = "behind the leak", "tone-open"
        rows += (
            f"<tr><td>{escape(step)}</td><td>{escape(MEANING[step])}</td>"
            f"<td>{_toned(word, tone)}</td></tr>"
        )
    return section(
        "Steps, in order",
        f'<table class="names"><tbody>{rows}</tbody></table>',
        hint="Steps behind a leak may inherit it. Mend the first one, then look again.",
    )


def _finding(finding: LeakFinding) -> str:
    title = finding.severity.capitalize() + (f" in {finding.step}" if finding.step else "")
    return section(
        f"{title}, found by: {finding.check}",
        f"<p>{_coded(finding.sentence)}</p>",
        names_table(_readable(finding.evidence)),
    )


def _readable(evidence: Mapping[str, Any]) -> dict[str, Any]:
    def shown(value: Any) -> Any:
        if isinstance(value, float):
            return f"{value:,.6g}"
        return f"{value:,}" if isinstance(value, int) else value

    return {name.replace("_", " "): shown(value) for name, value in evidence.items()}


def _checks(report: LeakReport) -> str:
    rows = "".join(_check(check) for check in report.checks)
    return section(
        "Checks",
        f'<table class="names"><tbody>{rows}</tbody></table>',
    )


def _check(check: CheckResult) -> str:
    looked = check.not_run or check.looked_at or DASH
    return (
        f"<tr><td>{escape(check.name)}<small>{check.seconds:,.1f} s</small></td>"
        f"<td>{escape(check.question)}<small>{escape(looked)}</small></td>"
        f"<td>{_toned(_WORDS[check.outcome], _TONES[check.outcome])}</td></tr>"
    )


def _coded(sentence: str) -> str:
    """Return a sentence as HTML, with names in backticks set as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(sentence))


def _toned(text: str, tone: str) -> str:
    if not tone:
        return f'<span class="hint">{escape(text)}</span>'
    return f'<b class="{tone}" style="color: var(--tone); white-space: nowrap">{escape(text)}</b>'


def _method() -> str:
    return section(
        "How",
        "<p>The pipeline is run again on bars whose future is cut off or replaced by other bars. "
        "Whatever may know only the past has to come out the same, bit for bit. Steps are compared "
        "in order, so the first one that moved is the offender. Labels are counted against the "
        "split, and what is learnt from shuffled labels or from pure noise has to be nothing.</p>"
        "<p>Not covered: leaks in how the file itself was made (restated volumes, symbols chosen "
        "because they survived), and leaks that act only at bars that were not cut at.</p>",
    )
