"""What was looked at and what was found: the result of every check and the verdict over all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.leaks.trace import STEPS, Step
from ultimate_deep.machine.counts import how_many

Severity = Literal["leak", "warning"]
NO_LEAK = "no leak found"


@dataclass(frozen=True, kw_only=True)
class LeakFinding:
    """One thing that must not be, or that one should know.

    Args:
        step: The first step whose output moved or broke a rule; None where no step can be named.
        check: The check that found it.
        severity: `leak` spoils the results; `warning` does not by itself.
        sentence: The finding for people.
        evidence: The figures behind it.
    """

    step: Step | None
    check: str
    severity: Severity
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check.

    Args:
        name: The check's short name.
        question: What it asks.
        looked_at: How much was examined.
        findings: What it found.
        not_run: Why it could not run; empty where it did.
        seconds: How long it took.
    """

    name: str
    question: str
    looked_at: str
    findings: tuple[LeakFinding, ...] = ()
    not_run: str = ""
    seconds: float = 0.0

    @property
    def outcome(self) -> str:
        """`leak`, `warning`, `not run` or `passed`."""
        severities = [finding.severity for finding in self.findings]
        for severity in ("leak", "warning"):
            if severity in severities:
                return severity
        return "not run" if self.not_run else "passed"


@dataclass(frozen=True, kw_only=True)
class LeakReport:
    """All checks of one pipeline.

    Args:
        checks: Results of the checks, in the order in which they ran.
        symbols: Names of the symbols.
        bars: Bars of all symbols together.
        rows: Decisions of all symbols together.
        features: Features before any selection.
        examined: The steps that ran and gave something to compare.
        simulated: Whether the bars were simulated.
        subject: What was examined, for people.
    """

    checks: tuple[CheckResult, ...]
    symbols: tuple[str, ...]
    bars: int
    rows: int
    features: int
    examined: tuple[Step, ...]
    simulated: bool
    subject: str = ""

    @property
    def findings(self) -> tuple[LeakFinding, ...]:
        """All findings: leaks by step, the earliest first, those without one, then warnings."""

        def order(finding: LeakFinding) -> tuple[bool, int]:
            place = len(STEPS) if finding.step is None else STEPS.index(finding.step)
            return finding.severity != "leak", place

        return tuple(sorted((f for check in self.checks for f in check.findings), key=order))

    @property
    def leaks(self) -> tuple[LeakFinding, ...]:
        """The findings that spoil results, that of the earliest step first."""
        return tuple(finding for finding in self.findings if finding.severity == "leak")

    @property
    def step(self) -> Step | None:
        """The offending step: the earliest with a leak; None where there is none to name."""
        return self.leaks[0].step if self.leaks else None

    @property
    def leaking(self) -> bool:
        """Whether any leak was found."""
        return bool(self.leaks)

    @property
    def verdict(self) -> str:
        """`no leak found`, `leak in <step>`, or `leak` where no step can be named."""
        if not self.leaks:
            return NO_LEAK
        return f"leak in {self.step}" if self.step else "leak, step unknown"

    @property
    def sentence(self) -> str:
        """The verdict for people, with what it rests on."""
        absent = [check.name for check in self.checks if check.not_run]
        missing = f" Not run: {', '.join(absent)}." if absent else ""
        if self.leaks:
            return self.leaks[0].sentence + missing
        warned = f", {len(self.findings)} warned" if self.findings else ""
        return (
            f"{how_many(len(self.checks) - len(absent), 'check')} over "
            f"{how_many(self.rows, 'decision')} and {how_many(self.features, 'feature')} found "
            f"no leak{warned}. None found is not none there: a "
            f"leak that acts only at bars that were not cut at can hide.{missing}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values, the verdict first."""
        return {
            "verdict": self.verdict,
            "step": self.step,
            "sentence": self.sentence,
            "simulated": self.simulated,
            "subject": self.subject,
            "symbols": list(self.symbols),
            "bars": self.bars,
            "rows": self.rows,
            "features": self.features,
            "examined": list(self.examined),
            "findings": json_safe(self.findings),
            "checks": [json_safe(check) | {"outcome": check.outcome} for check in self.checks],
        }
