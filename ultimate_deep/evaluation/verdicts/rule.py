"""The rule: an edge is claimed where five questions are answered with yes.

1. Does it know something? Log loss and rank are both better than the best constants'.
2. Does it pay? The mean net return per bar is above zero, with the impact of its own orders too.
3. Could you have had it? The account gains where orders that meet a price which repeats the last
   close wait for another one.
4. Is it more than luck? The Sharpe ratio is more than so many trials would show by chance.
5. Is it this model? No simpler one is shown to earn more, or earns the same in every bar, and it is
   shown to earn more than holding its mean position all the time.

Each bound is one-sided at `error_rate`, divided by the number of models judged on the same bars,
and nothing else is corrected: all must hold together, so that a claim is wrong at most that often
whichever of them fails (an intersection-union test: Berger 1982, Technometrics 24(4), theorem 1).
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from scipy.stats import norm

from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.config import VerdictConfig
from ultimate_deep.evaluation.verdicts.evidence import Evidence

Word = Literal["yes", "no", "open"]
Question = Literal["knows", "pays", "fills", "luck", "simplest"]
Kind = Literal[
    "edge",
    "earns, but others earn more simply",
    "cannot tell yet",
    "forecasts, but not at a price you get",
    "earns, but not by forecasting",
    "no edge",
]
# From the best that may be claimed to the worst.
KINDS: tuple[Kind, ...] = get_args(Kind)
# How they are shown.
TONES: dict[Kind, Literal["good", "open", "bad"]] = {
    "edge": "good",
    "earns, but others earn more simply": "open",
    "cannot tell yet": "open",
    "forecasts, but not at a price you get": "bad",
    "earns, but not by forecasting": "bad",
    "no edge": "bad",
}
QUESTIONS: dict[Question, str] = {
    "knows": "Does it know something?",
    "pays": "Does it pay?",
    "fills": "Could you have had it?",
    "luck": "Is it more than luck?",
    "simplest": "Is it this model?",
}
STEADY = "holding its mean position"
_MOST_BARS = 10**12


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """The word, and the answer to each question.

    Args:
        kind: What may be claimed.
        answers: Each question's answer.
        better: Simpler models that are shown to earn more, or whose account is the same.
        enough: Whether there are as many decisions and positions as anything needs.
        bars_needed: Bars that would settle what is open, were the estimates true; None where
            nothing is, or more bars would not help.
    """

    kind: Kind
    answers: dict[Question, Word]
    better: tuple[str, ...]
    enough: bool
    bars_needed: int | None


def rule(evidence: Evidence, config: VerdictConfig = VerdictConfig()) -> Ruling:
    """Answer the five questions and choose the word."""
    better = tuple(name for name in evidence.rivals if _is_better(evidence, name))
    answers: dict[Question, Word] = {
        "knows": _knows(evidence, config),
        "pays": _pays(evidence, config),
        "fills": _fills(evidence, config),
        "luck": _luck(evidence, config),
        "simplest": "no" if better else "open" if unsteady(evidence, config) else "yes",
    }
    enough = (
        evidence.decisions >= config.minimum_decisions
        and evidence.active >= config.minimum_active_bars
    )
    # Who never trades has no edge, however few decisions there were.
    kind = _kind(answers, enough=enough and not evidence.seen) if evidence.active else "no edge"
    needed = _bars_needed(evidence, config) if kind == "cannot tell yet" else None
    return Ruling(kind=kind, answers=answers, better=better, enough=enough, bars_needed=needed)


def _knows(evidence: Evidence, config: VerdictConfig) -> Word:
    gain, rank = evidence.knows.gain, evidence.knows.rank
    if rank.upper < config.smallest_rank and gain.lower <= 0.0:
        return "no"
    if uncalibrated(evidence):
        return "open"
    return _both(_above(gain), _above(rank))


def is_same(ahead: Interval) -> bool:
    """Return whether two accounts earn the same in every bar."""
    return ahead.lower == ahead.estimate == ahead.upper == 0.0


def _is_better(evidence: Evidence, name: str) -> bool:
    """Return whether a simpler model is shown to earn more, or earns the same; of holding the mean
    position it is enough that it does not earn less.
    """
    ahead = evidence.rivals[name]
    if name == STEADY and not evidence.active:
        return False  # both do nothing
    if name == STEADY and evidence.net.lower > 0.0 and ahead.estimate >= 0.0:
        return True
    return ahead.lower > 0.0 or is_same(ahead)


def unsteady(evidence: Evidence, config: VerdictConfig) -> bool:
    """Return whether it is open that its changes of position earn anything."""
    if STEADY not in evidence.rivals or not evidence.active:
        return False
    return evidence.rivals[STEADY].upper >= 0.0 or unmoved(evidence, config)


def unmoved(evidence: Evidence, config: VerdictConfig) -> bool:
    """Return whether positions differ from the usual one too seldom to tell it from holding."""
    return evidence.moved < config.minimum_active_bars


def uncalibrated(evidence: Evidence) -> bool:
    """Return whether forecasts rank well, as is shown, while their probabilities say nothing."""
    return evidence.knows.rank.lower > 0.0 >= evidence.knows.gain.estimate


def _pays(evidence: Evidence, config: VerdictConfig) -> Word:
    without = _above(evidence.net)
    if shrinks(evidence):
        return "no"
    if without == "no":
        return without
    if unheard(evidence) or too_large(evidence, config):
        return "open"
    return without if evidence.impact is None else _both(without, _above(evidence.impact))


def unheard(evidence: Evidence) -> bool:
    """Return whether bars without volume leave open what its own orders move the price by."""
    return evidence.silent > 0 and math.isnan(evidence.coefficient)


def shrinks(evidence: Evidence) -> bool:
    """Return whether the account lost although its bars gain on average (their sizes cost it)."""
    return evidence.total <= 0.0 < evidence.net.estimate or shrinks_at_size(evidence)


def shrinks_at_size(evidence: Evidence) -> bool:
    """Return whether it does so with the impact of its own orders alone."""
    impact = evidence.impact
    return impact is not None and evidence.impact_total <= 0.0 < min(
        impact.estimate, evidence.total
    )


def too_large(evidence: Evidence, config: VerdictConfig) -> bool:
    """Return whether a full position is more than the law of impact is known to hold for, which
    does not matter to whoever has said what it pays.
    """
    return math.isnan(evidence.coefficient) and evidence.volume_share > config.largest_share


def _above(interval: Interval) -> Word:
    if interval.lower > 0.0:
        return "yes"
    return "open" if interval.estimate > 0.0 else "no"


def _both(one: Word, other: Word) -> Word:
    if "no" in (one, other):
        return "no"
    return "open" if "open" in (one, other) else "yes"


def _fills(evidence: Evidence, config: VerdictConfig) -> Word:
    if evidence.repeated_opens == 0.0:
        return "yes"
    patient = evidence.later if evidence.patient is None else evidence.patient
    # NaN where none was asked.
    if patient is not None and patient.lower > 0.0 and not evidence.patient_total <= 0.0:
        return "yes"
    # Where nothing is shown to be earned anyway, a few stale prices are not what it fails for.
    if evidence.net.lower <= 0.0 and evidence.repeated_opens < config.repeated_opens:
        return "yes"
    # That a fill at a stale price is not to be had is not known either: quotes would tell.
    return "open"


def _luck(evidence: Evidence, config: VerdictConfig) -> Word:
    if evidence.deflated >= config.deflated:
        return "yes"
    return "open"


def _kind(answers: dict[Question, Word], *, enough: bool) -> Kind:
    knows, pays = answers["knows"], answers["pays"]
    if not enough:
        return "cannot tell yet"
    if knows == "yes" and pays == "no":
        return "forecasts, but not at a price you get"
    if knows == "no" and pays == "yes" and answers["luck"] == "yes":
        return "earns, but not by forecasting"
    if "no" in (knows, pays):
        return "no edge"
    if "open" in answers.values():
        return "cannot tell yet"
    return "edge" if answers["simplest"] == "yes" else "earns, but others earn more simply"


def _bars_needed(evidence: Evidence, config: VerdictConfig) -> int | None:
    """Return bars after which estimates as large as these would be shown, by the power rule."""
    reach = float(norm.ppf(1.0 - evidence.error_rate) + norm.ppf(config.power))
    shares = [
        config.minimum_decisions / max(evidence.decisions, 1),
        config.minimum_active_bars / max(evidence.active, 1),
        0.0 if math.isnan(evidence.moved) else config.minimum_active_bars / max(evidence.moved, 1),
    ]
    steady = _reversed(evidence.rivals.get(STEADY))
    impact = None if too_large(evidence, config) else evidence.impact
    accounts = (evidence.net, impact, steady)
    for one in (evidence.knows.gain, evidence.knows.rank, *accounts):
        if one is not None and one.lower <= 0.0 < one.estimate:
            shares.append((reach * one.standard_error / one.estimate) ** 2)
    if evidence.deflated < config.deflated and evidence.net.standard_error > 0.0:
        wanted = float(norm.ppf(config.deflated) + norm.ppf(config.power))
        has = float(norm.ppf(max(evidence.deflated, 1e-9)))
        if has > 0.0:
            shares.append((wanted / has) ** 2)
    if max(shares) <= 1.0 or evidence.seen:
        return None  # only what more bars of the kind would not settle is open
    return math.ceil(min(evidence.bars * max(shares), _MOST_BARS))


def _reversed(ahead: Interval | None) -> Interval | None:
    """How much more than a rival the model earns."""
    if ahead is None:
        return None
    return replace(ahead, estimate=-ahead.estimate, lower=-ahead.upper, upper=-ahead.lower)
