"""Five questions and their answers, one sentence each."""

import math
from dataclasses import dataclass

from ultimate_deep.evaluation.verdicts.config import VerdictConfig
from ultimate_deep.evaluation.verdicts.evidence import Evidence
from ultimate_deep.evaluation.verdicts.phrases import (
    ahead_by,
    best,
    bps,
    confidence,
    gain,
    probably,
    right,
    silent,
    trials,
)
from ultimate_deep.evaluation.verdicts.rule import (
    QUESTIONS,
    STEADY,
    Question,
    Ruling,
    Word,
    is_same,
    shrinks,
    shrinks_at_size,
    too_large,
)
from ultimate_deep.machine.counts import amount, how_many, signed


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One question with its answer.

    Args:
        question: What is asked.
        word: `yes`, `no`, or `open` where nothing is shown either way.
        sentence: The figures that it rests on.
    """

    question: str
    word: Word
    sentence: str


def answers(evidence: Evidence, ruling: Ruling, config: VerdictConfig) -> tuple[Answer, ...]:
    """Return all five questions with their answers, in order."""
    said: dict[Question, str] = {
        "knows": _knows(evidence),
        "pays": _pays(evidence, config),
        "fills": _fills(evidence),
        "luck": _luck(evidence, config),
        "simplest": _simplest(evidence, ruling),
    }
    return tuple(
        Answer(question=question, word=ruling.answers[name], sentence=said[name])
        for name, question in QUESTIONS.items()
    )


def _knows(evidence: Evidence) -> str:
    gain, rank = evidence.knows.gain, evidence.knows.rank
    return (
        f"It ranks an up above a down in {0.5 + rank.estimate:.2%} of pairs (at least "
        f"{0.5 + rank.lower:.2%}), and its log loss is {abs(gain.estimate):.4f} nats per decision "
        f"{'below' if gain.estimate >= 0.0 else 'above'} the best constant's (it knows at least "
        f"{gain.lower:+.4f}); {right(evidence)}."
    )


def _pays(evidence: Evidence, config: VerdictConfig) -> str:
    if not evidence.active:
        return "It never traded."
    lower = f"{signed(1e4 * evidence.net.lower)} bps"
    lost = ""
    if shrinks(evidence):
        total, among = evidence.total, "all the same"
        if shrinks_at_size(evidence):
            total, among = evidence.impact_total, "with the impact of its own orders"
        lost = (
            f" The account made {100.0 * total:+.3g}% {among}: gains and losses of "
            "this size cost more growth than the average bar brings."
        )
    return (
        f"{gain(evidence)[0].upper()}{gain(evidence)[1:]}, at least {lower} with "
        f"{confidence(evidence)} confidence.{lost}{_own_impact(evidence, config)}{_cheap(evidence)}"
    )


def _own_impact(evidence: Evidence, config: VerdictConfig) -> str:
    """What the account's own orders cost it."""
    if evidence.coefficient > 0.0:
        return f" The impact of its own orders is paid (coefficient {evidence.coefficient:g})."
    if evidence.coefficient == 0.0:
        return " The impact of its own orders is left out, as was asked."
    if evidence.impact is None and not evidence.silent:
        return " What its own orders move the price by was not asked."
    if evidence.impact is None:
        return f" What its own orders move the price by is not known: {silent(evidence)}."
    share = f"a full position is {_share(evidence.volume_share)} what is traded in a usual bar"
    if too_large(evidence, config):
        return (
            f" With a capital of {amount(evidence.capital)} {share}: too much to know its impact."
        )
    return (
        f" With the impact of its own orders at a capital of {amount(evidence.capital)} it is "
        f"{bps(evidence.impact)}, at least {signed(1e4 * evidence.impact.lower)} bps ({share})."
    )


def _share(share: float) -> str:
    if share > 1.0:
        return f"{amount(share)} times"
    return "less than 0.001% of" if share < 1e-5 else f"{100.0 * share:.2g}% of"


def _cheap(evidence: Evidence) -> str:
    if not round(evidence.half_spread_bps, 2) > round(evidence.cost_bps, 2):
        return ""
    return (
        f" The bars bounce as with half a spread of {evidence.half_spread_bps:.2f} bps, more than "
        f"the {evidence.cost_bps:.2f} bps per side that were paid{_at_spread(evidence)}."
    )


def _at_spread(evidence: Evidence) -> str:
    if evidence.spread is None:
        return ""
    return (
        f"; with those it earns {bps(evidence.spread)}, at least "
        f"{signed(1e4 * evidence.spread.lower)} bps"
    )


def _fills(evidence: Evidence) -> str:
    later = ""
    if evidence.later is not None and evidence.active:
        lower = f"{signed(1e4 * evidence.later.lower)}"
        later = f" One bar later the account earns {bps(evidence.later)} (at least {lower})."
    share = evidence.repeated_opens
    if not evidence.active:
        return "It never traded."
    if math.isnan(share):
        return f"Whether opens are prints of their own is not known.{later}"
    filled, opening = "", "Opens are prints of their own"
    if not math.isnan(evidence.from_finer_bars):
        filled = f"Orders are filled from finer bars ({evidence.from_finer_bars:.1%} of bars)"
    stale = f"{share:.1%} of what is traded meets a price that repeats the last close, or nearly"
    if share == 0.0:
        return f"{filled or opening} ({stale}).{later}"
    if evidence.patient is not None and evidence.active:
        stale += (
            ", which may be no trade to be had; where those orders wait for another one it earns "
            f"{bps(evidence.patient)} (at least {signed(1e4 * evidence.patient.lower)})"
        )
    return f"{filled}{'. ' if filled else ''}{stale}.{later}"


def _luck(evidence: Evidence, config: VerdictConfig) -> str:
    if math.isnan(evidence.deflated):
        return "The Sharpe ratio is undefined."
    chance = "zero"
    if evidence.trials > 1.0:
        chance = f"the best of {trials(evidence)} without skill"
    return (
        f"The Sharpe ratio is above {chance} with a probability of {probably(evidence.deflated)} "
        f"({config.deflated:.2f} is asked for)."
    )


def _simplest(evidence: Evidence, ruling: Ruling) -> str:
    beside = "".join(
        f" {name.capitalize()}, no simpler, earns {ahead_by(ahead)}."
        for name, ahead in sorted(evidence.others.items())
    )
    return _than_simpler(evidence, ruling) + beside


def _than_simpler(evidence: Evidence, ruling: Ruling) -> str:
    if not evidence.rivals:
        return "No simpler model was judged beside it."
    held = _than_held(evidence, ruling)
    names = sorted(name for name in evidence.rivals if name != STEADY)
    if not names:
        return f"No simpler model was judged beside it.{held}"
    better = [name for name in ruling.better if name != STEADY]
    name, ahead = best(evidence, better or names)
    beside = (
        f"The best simpler one, {name}, earns {ahead_by(ahead)} (the difference is at "
        f"least {signed(1e4 * ahead.lower)} bps, paired bar by bar)."
    )
    if is_same(ahead):
        beside = f"The account of {name} is the same, bar by bar."
    if better:
        return f"{beside}{held}"
    if ruling.better:
        return f"{held.strip()} {beside}"
    judged = how_many(len(names), "that was", "that were")
    return (
        f"No simpler one is shown to earn more (of {judged} judged beside it: {', '.join(names)}). "
        f"{beside}{held}"
    )


def _than_held(evidence: Evidence, ruling: Ruling) -> str:
    """Whether its changes of position earn more than holding the mean one."""
    ahead = evidence.rivals.get(STEADY)
    if ahead is None or not evidence.active:
        return ""
    if is_same(ahead):
        return " Holding its mean position all the time is the same, bar by bar."
    said = "which is not shown to be less"
    if ahead.upper < 0.0:
        said = f"at least {-1e4 * ahead.upper:.3f} bps less"
        if ruling.answers["simplest"] == "open":
            said += f", but in {how_many(evidence.moved, 'bar')} of another position alone"
    return (
        f" Holding its mean position ({evidence.exposure:+.2f}) all the time earns "
        f"{ahead_by(ahead)} ({said})."
    )
