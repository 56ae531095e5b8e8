"""All checks of one pipeline, in order, to one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ultimate_deep.evaluation.leaks.chance_checks import (
    check_delay,
    check_fills,
    check_noise,
    check_shuffled_labels,
)
from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.data_checks import (
    Looked,
    check_fitted_before_test,
    check_fitted_on_train,
    check_poison,
    check_price_scale,
    check_truncation,
)
from ultimate_deep.evaluation.leaks.findings import CheckResult, LeakReport
from ultimate_deep.evaluation.leaks.perturbation import newest
from ultimate_deep.evaluation.leaks.runner import Busy, Runner, silent
from ultimate_deep.evaluation.leaks.split_checks import check_label_spans
from ultimate_deep.evaluation.leaks.trace import BarsBySymbol, Pipeline


@dataclass(frozen=True)
class Check:
    """A check, its name and what it asks."""

    name: str
    question: str
    run: Callable[[Runner], Looked]


DATA_CHECKS = (
    Check(
        "truncation",
        "With the bars cut off, are features and labels known by then the same?",
        check_truncation,
    ),
    Check(
        "poisoned future",
        "With other bars after a time, are features and labels known by then the same?",
        check_poison,
    ),
    Check(
        "price scale", "With all prices divided by four, are features the same?", check_price_scale
    ),
    Check(
        "label spans",
        "Does any label of an earlier part reach a later one, or into the embargo?",
        check_label_spans,
    ),
    Check(
        "fitted on train",
        "With other bars from the validation part on, are selection and scaler the same?",
        check_fitted_on_train,
    ),
    Check("fills", "Could the fills have been had?", check_fills),
)
TRAINING_CHECKS = (
    Check(
        "fitted before test",
        "With other bars from the test part on, are weights, temperature and threshold the same?",
        check_fitted_before_test,
    ),
    Check(
        "shuffled labels",
        "Trained on labels in random order, is it right no more often than chance?",
        check_shuffled_labels,
    ),
    Check(
        "one-bar delay",
        "Is a prediction that comes one bar late worth something still?",
        check_delay,
    ),
    Check("pure noise", "On bars without an edge, does it find none?", check_noise),
)
CHECKS = DATA_CHECKS + TRAINING_CHECKS


def detect_leaks(
    pipeline: Pipeline,
    market: BarsBySymbol,
    config: LeakConfig = LeakConfig(),
    *,
    checks: Sequence[Check] = CHECKS,
    busy: Busy = silent,
    subject: str = "",
) -> LeakReport:
    """Examine a pipeline for anything that knows what it cannot know yet.

    A check that the pipeline refuses with a `ValueError` is reported as not run.

    Args:
        pipeline: The pipeline, from bars to a trace of every step.
        market: Symbol to bars; the newest `config.most_bars` are used.
        config: How thoroughly to look.
        checks: Which checks; `DATA_CHECKS` train nothing.
        busy: Called with a sentence before each run; the run happens inside the context it gives.
        subject: What is examined, for people.

    Raises:
        ValueError: The pipeline refuses the bars as they are.
    """
    market = newest(market, config.most_bars)
    runner = Runner(pipeline, market, config, busy)
    clean = runner.clean("labels")
    results = tuple(_run(check, runner, busy) for check in checks)
    return LeakReport(
        checks=(*results, _repeatability(runner)),
        symbols=tuple(market),
        bars=sum(len(bars) for bars in market.values()),
        rows=len(clean.decision_time),
        features=len(clean.names),
        examined=runner.examined,
        simulated=any(bars.simulated for bars in market.values()),
        subject=subject,
    )


def _run(check: Check, runner: Runner, busy: Busy) -> CheckResult:
    started = time.monotonic()
    looked, refused = Looked((), ""), ""
    try:
        # A check that trains shows each training by itself.
        with silent("") if check in TRAINING_CHECKS else busy(f"check: {check.name}"):
            looked = check.run(runner)
    except ValueError as error:
        refused = str(error)
    return CheckResult(
        name=check.name,
        question=check.question,
        looked_at=looked.at,
        findings=looked.findings,
        not_run=refused,
        seconds=time.monotonic() - started,
    )


def _repeatability(runner: Runner) -> CheckResult:
    """Tell of steps that differ between two runs on the same bars; run only where one moved."""
    name = "repeatability"
    return CheckResult(
        name=name,
        question="Where something moved: do two runs on the same bars agree?",
        looked_at=f"{'' if runner.repeated else 'nothing moved, so none was needed; '}"
        f"{runner.runs} runs of the pipeline in all",
        findings=runner.repeatability(name),
    )
