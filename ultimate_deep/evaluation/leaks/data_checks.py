"""Checks of what the bars alone decide: features, labels, split, selection and scaling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.leaks.comparison import Movement
from ultimate_deep.evaluation.leaks.findings import LeakFinding
from ultimate_deep.evaluation.leaks.pair import differs
from ultimate_deep.evaluation.leaks.perturbation import (
    POISONS,
    Poison,
    poison,
    rescale,
    truncate,
)
from ultimate_deep.evaluation.leaks.runner import Runner
from ultimate_deep.evaluation.leaks.trace import Floats, Integers, Step, Trace
from ultimate_deep.machine.counts import how_many
from ultimate_deep.market.times import close_times, open_times

PRICE_FACTOR = 0.25  # a power of two, so that only rounding inside a feature can differ
PRICE_TOLERANCE = 1e-3  # standard deviations
_LEAST_LABELS = 8
_EARLY_ROWS = 100
_NAMED = 5

Findings = tuple[LeakFinding, ...]


@dataclass(frozen=True)
class Looked:
    """What a check returns: its findings and how much it examined."""

    findings: Findings
    at: str


def check_truncation(runner: Runner) -> Looked:
    """Cut the bars off: what was known by then must be as it was."""
    clean = runner.clean("labels")
    times = np.unique(clean.decision_time)
    generator = np.random.default_rng(runner.config.seed + 1)
    later = np.arange(len(times) // 3, len(times))
    wanted = min(runner.config.truncations, len(later))
    places = np.sort(generator.choice(later, wanted, False))
    moved: list[Movement] = []
    rows = 0
    for time in times[places]:
        cut = truncate(runner.market, time)
        text = f"bars cut off after {pd.Timestamp(time):%Y-%m-%d %H:%M}"
        moved += runner.compare(cut, text, until="labels")[1]
        rows += int((clean.decision_time <= time).sum())
    findings = _worst(moved, "truncation", "when the bars ended there")
    return Looked(
        findings,
        f"{how_many(len(places), 'cut')}, {how_many(rows, 'row')} of "
        f"{how_many(len(clean.names), 'feature')}",
    )


def check_poison(runner: Runner) -> Looked:
    """Replace the future at many times: features and labels known by then must not move."""
    clean = runner.clean("labels")
    times = _cut_times(runner, clean)
    moved: list[Movement] = []
    rows = cells = 0
    answered: list[bool] = []
    reacted = False
    for number, time in enumerate(times):
        # The first two share a time, so that a label which cannot differ is told from luck.
        kind: Poison = POISONS[number % len(POISONS)]
        cut = poison(runner.market, time, kind, seed=runner.config.seed + number)
        text = f"poison ({kind}) after {pd.Timestamp(time):%Y-%m-%d %H:%M}"
        other, found = runner.compare(cut, f"{text}, {number + 1} of {len(times)}", until="labels")
        moved += found
        answered += _label_answers(clean, other, time)
        reacted = reacted or _reacts(clean, other, time)
        rows += int((clean.decision_time <= time).sum())
        cells += int((clean.decision_time <= time).sum()) * len(clean.names)
    findings = _worst(moved, "poisoned future", "when only later bars were changed")
    findings += _known_labels(answered) + _blind(reacted)
    return Looked(
        findings,
        f"{how_many(len(times), 'cut')}, {how_many(rows, 'row')}, "
        f"{how_many(cells, 'feature value')}",
    )


def check_fitted_on_train(runner: Runner) -> Looked:
    """Poison from the validation part on: selection and scaler may not have seen it."""
    return _check_boundary(runner, "validation", "scaling", "fitted on train")


def check_fitted_before_test(runner: Runner) -> Looked:
    """Poison from the test part on: model, temperature and threshold may not have seen it."""
    return _check_boundary(runner, "test", "signals", "fitted before test")


def check_price_scale(runner: Runner) -> Looked:
    """Divide all prices by four: features of adjusted prices must not tell the difference."""
    clean = runner.clean("labels")
    other = runner.run(
        rescale(runner.market, PRICE_FACTOR), "prices divided by four", until="labels"
    )
    shared = [name for name in clean.names if name in set(other.names)]
    looked = f"{how_many(len(clean.decision_time), 'row')} of {how_many(len(shared), 'feature')}"
    if not np.array_equal(clean.decision_time, other.decision_time):
        return Looked((_scale_finding(["the rows themselves"], float("nan")),), looked)
    moved, largest = [], 0.0
    for name in shared:
        before = clean.features[:, clean.names.index(name)].astype(np.float64)
        after = other.features[:, other.names.index(name)].astype(np.float64)
        deviation = np.nanstd(before)
        with np.errstate(invalid="ignore"):
            change = np.nanmax(np.abs(after - before), initial=0.0)
        if deviation > 0 and change > PRICE_TOLERANCE * deviation:
            moved.append(name)
            largest = max(largest, float(change / deviation))
    return Looked((_scale_finding(moved, largest),) if moved else (), looked)


def _check_boundary(runner: Runner, part: str, until: Step, check: str) -> Looked:
    clean = runner.clean(until)
    boundary = clean.begins(part)
    moved: list[Movement] = []
    # A choice between few things may come out the same by luck: cheap runs are repeated.
    kinds: tuple[Poison, ...] = ("wild", "trend", "rise", "fall", "wild", "trend")
    times = [boundary] * len(kinds)
    if part == "test":
        inside = np.unique(clean.decision_time[clean.test])
        times, kinds = [boundary, inside[len(inside) // 2]], ("wild", "trend")
    for number, (time, kind) in enumerate(zip(times, kinds, strict=True)):
        cut = poison(runner.market, time, kind, seed=runner.config.seed + 100 + number)
        where = f"the {part} part" if time == boundary else f"the middle of the {part} part"
        text = f"poison ({kind}) from {where} on, to {until}"
        moved += runner.compare(cut, text, until=until)[1]
    changed = f"when only bars from the {part} part on were changed"
    if part == "test":
        moved += runner.compare_labels(opposite_test_labels, "the opposite of every test label")
        changed = "when only bars or labels of the test part were changed"
    runs = len(times) + (part == "test")
    findings = _worst(moved, check, changed)
    return Looked(
        findings, f"{how_many(runs, 'run')}, {how_many(len(clean.decision_time), 'row')} each"
    )


def opposite_test_labels(labels: Floats, parts: Mapping[str, Integers]) -> Floats:
    """Turn over the labels of the test rows: whatever was chosen by them is chosen otherwise."""
    out = labels.copy()
    out[parts["test"]] = 1.0 - out[parts["test"]]
    return out


def _worst(moved: list[Movement], check: str, when: str) -> Findings:
    """One finding per step, the farthest-reaching movement of each."""
    findings = []
    for step in dict.fromkeys(movement.step for movement in moved):
        of_step = [movement for movement in moved if movement.step == step]
        worst = max(of_step, key=lambda movement: movement.evidence.get("rows_moved", 0))
        sentence = f"The step {step} looks ahead: its {worst.what} moved {when}."
        if worst.evidence.get("largest_change_in_deviations", 1.0) < 1e-6:
            sentence += " The change is so small that rounding may explain it."
        evidence = dict(worst.evidence) | {"runs_in_which_it_moved": len(of_step)}
        findings.append(
            LeakFinding(
                step=step, check=check, severity="leak", sentence=sentence, evidence=evidence
            )
        )
    return tuple(findings)


def _cut_times(runner: Runner, clean: Trace) -> npt.NDArray[np.datetime64]:
    """Return times to cut at: early ones, random ones, and where bars are unusual."""
    generator = np.random.default_rng(runner.config.seed)
    times = np.unique(clean.decision_time)
    wanted = runner.config.cuts
    early = [times[0], generator.choice(times[:_EARLY_ROWS])]
    spread = generator.choice(times, min(wanted, len(times)), False)
    unusual = _unusual_times(runner, generator)
    unusual = unusual[np.isin(unusual, times)][:wanted]
    twice = spread[:1]
    return np.concatenate([twice, spread, np.array(early), unusual])


def _unusual_times(runner: Runner, generator: np.random.Generator) -> npt.NDArray[np.datetime64]:
    """Return closes of bars before a gap, without volume, or that repeat the bar before, mixed.

    That is where a fill of what is missing would reach back.
    """
    found = []
    for bars in runner.market.values():
        frame, opens = bars.frame, open_times(bars)
        close = frame["close"].to_numpy()
        step = np.diff(opens)
        gap = np.append(step > bars.interval.to_timedelta64(), False)
        idle = frame["volume"].to_numpy() <= 0
        if idle.all():
            idle[:] = False
        stale = np.append(close[1:] == close[:-1], False)
        known_at = close_times(bars)
        for which in (gap, idle, stale):
            places = np.flatnonzero(which)
            found.append(known_at[generator.permutation(places)[: runner.config.cuts]])
    mixed = np.unique(np.concatenate(found))
    return generator.permutation(mixed)


def _label_answers(clean: Trace, other: Trace, time: np.datetime64) -> list[bool]:
    """Whether labels decided exactly at the cut answered to another future."""
    if not np.array_equal(clean.decision_time, other.decision_time):
        return []
    here = clean.decision_time == time
    both = np.isfinite(clean.labels) & np.isfinite(other.labels) & here
    return (clean.labels[both] != other.labels[both]).tolist()


def _known_labels(answered: list[bool]) -> Findings:
    if len(answered) < _LEAST_LABELS or any(answered):
        return ()
    return (
        LeakFinding(
            step="labels",
            check="poisoned future",
            severity="leak",
            sentence="The step labels predicts what is already known: no label of "
            f"{len(answered)} at the cuts changed when all bars after the decision did.",
            evidence={"labels_compared": len(answered)},
        ),
    )


def _reacts(clean: Trace, other: Trace, time: np.datetime64) -> bool:
    later = [trace.features[trace.decision_time > time] for trace in (clean, other)]
    if later[0].shape != later[1].shape:
        return True
    return bool(differs(*later).any())


def _blind(reacted: bool) -> Findings:
    if reacted:
        return ()
    return (
        LeakFinding(
            step="features",
            check="poisoned future",
            severity="leak",
            sentence="The step features does not read the bars it is given: no feature after any "
            "cut changed with them, so they come from elsewhere and nothing else is proven.",
        ),
    )


def _scale_finding(moved: list[str], largest: float) -> LeakFinding:
    shown = ", ".join(f"`{name}`" for name in moved[:_NAMED])
    rest = f" and {len(moved) - _NAMED:,} more" if len(moved) > _NAMED else ""
    return LeakFinding(
        step="features",
        check="price scale",
        severity="warning",
        sentence=f"{shown}{rest} depend on the level of prices. Where prices are adjusted for "
        "later splits and dividends, that level is known only afterwards.",
        evidence={"features_moved": len(moved), "largest_change_in_deviations": largest},
    )
