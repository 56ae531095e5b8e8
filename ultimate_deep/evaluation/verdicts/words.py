"""A verdict in words: one sentence for each question, and the headline."""

import math
from dataclasses import dataclass

from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.config import VerdictConfig
from ultimate_deep.evaluation.verdicts.evidence import Evidence
from ultimate_deep.evaluation.verdicts.rule import (
    QUESTIONS,
    Question,
    Ruling,
    Word,
    most_repeated,
)

HOLDING = "buy and hold"
_MOSTLY = 0.5  # mean position from which on an account is said to be mostly on one side


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
        "pays": _pays(evidence),
        "fills": _fills(evidence, config),
        "luck": _luck(evidence, config),
        "simplest": _simplest(evidence, ruling),
    }
    return tuple(
        Answer(question=question, word=ruling.answers[name], sentence=said[name])
        for name, question in QUESTIONS.items()
    )


def filled_at(evidence: Evidence) -> str:
    """Return the price that orders of an account are filled at, in words."""
    share = evidence.from_finer_bars
    if math.isnan(share):
        return "the next open"
    rest = "" if share == 1.0 else f" ({share:.1%} of bars; the others at the open)"
    return f"the close of the first finer bar after the next open{rest}"


def headline(evidence: Evidence, ruling: Ruling, config: VerdictConfig) -> str:
    """Return the verdict for people, with what it fails for, or would settle it."""
    heading = ruling.kind.capitalize() + (" (simulated bars)" if evidence.simulated else "")
    looks = ""
    if evidence.readings > 1:
        looks = f" Counted: {evidence.readings} models judged on these bars."
    return f"{heading}: {_reason(evidence, ruling, config)}{_simpler(evidence, ruling)}{looks}"


def _reason(evidence: Evidence, ruling: Ruling, config: VerdictConfig) -> str:
    said, gain = ruling.answers, _gain(evidence)
    right = _right(evidence)
    if not evidence.active:
        return f"the model never traded ({right})."
    if ruling.kind == "edge":
        lower = f"{1e4 * evidence.net.lower:+.3f} bps"
        return f"{right}; {gain}, at least {lower} with {_confidence(evidence)} confidence."
    if ruling.kind == "forecasts, but not at a price you get":
        return f"{right}, more than chance, but {gain}: nothing is earned by it."
    if ruling.kind == "earns, but not by forecasting":
        return f"{gain}, but {right}, and {_ignorance(evidence)}: {_source(evidence)}."
    if ruling.kind == "earns, but others earn more simply":
        return f"{right}; {gain}, but {_better(evidence, ruling)}."
    if ruling.kind == "no edge":
        if said["knows"] != "no":
            return f"{right}, but {gain}: nothing is earned by it."
        return f"{right}, and {_ignorance(evidence)}; {gain}."
    return f"{right}; {gain}, but {_open(evidence, ruling, config)}."


def _open(evidence: Evidence, ruling: Ruling, config: VerdictConfig) -> str:
    """What is not shown, and what would settle it."""
    needed = "more bars of test data are needed"
    if ruling.bars_needed is not None:
        needed = f"about {ruling.bars_needed:,} bars of test data would settle it"
    if not ruling.enough:
        few = f"fewer than {config.minimum_decisions} decision times say nothing"
        if evidence.decisions >= config.minimum_decisions:
            few = f"positions in fewer than {config.minimum_active_bars} bars say nothing"
        return f"{few}: {needed}"
    said = ruling.answers
    if all(said[name] == "yes" for name in ("knows", "pays", "luck")):
        later = "" if evidence.later is None else f", and one bar later {_bps(evidence.later)} stay"
        if not math.isnan(evidence.from_finer_bars):
            return (
                f"the finer bars fill its orders in {evidence.from_finer_bars:.0%} of the bars, "
                f"and in {evidence.repeated_opens:.0%} the price still repeats the last close"
                f"{later}: finer bars of all of them, with their volume, or quotes, would settle it"
            )
        return (
            f"it needs a fill at the opening print, and {evidence.repeated_opens:.0%} of these "
            f"opens repeat the last close{later}: finer bars of the same market "
            "(--data.fills 1m.csv), or quotes, would settle it"
        )
    unsure = []
    if said["knows"] == "open":
        unsure.append("its forecasts could be chance")
    if said["pays"] == "open":
        lower = f"{1e4 * evidence.net.lower:+.3f} bps"
        unsure.append(f"the {_confidence(evidence)} lower bound of what it earns is {lower}")
    if said["luck"] == "open":
        unsure.append(_lucky(evidence, config))
    return f"{_listed(unsure)}; {needed}"


def _lucky(evidence: Evidence, config: VerdictConfig) -> str:
    if math.isnan(evidence.deflated):
        return "its Sharpe ratio is undefined"
    return (
        f"its deflated Sharpe ratio is {evidence.deflated:.2f}, not the {config.deflated:.2f} that "
        f"is asked for ({_trials(evidence)} judged on these bars)"
    )


def _trials(evidence: Evidence) -> str:
    tried = f"{evidence.trials:,.0f}"
    return f"{tried} {'model' if tried == '1' else 'models'}"


def _knows(evidence: Evidence) -> str:
    gain, rank = evidence.knows.gain, evidence.knows.rank
    return (
        f"It ranks an up above a down in {0.5 + rank.estimate:.2%} of pairs (at least "
        f"{0.5 + rank.lower:.2%}), and its log loss beats the best constant's by "
        f"{gain.estimate:+.4f} nats per decision (at least {gain.lower:+.4f}); {_right(evidence)}."
    )


def _pays(evidence: Evidence) -> str:
    lower = f"{1e4 * evidence.net.lower:+.3f} bps"
    return (
        f"{_gain(evidence)[0].upper()}{_gain(evidence)[1:]}, at least {lower} with "
        f"{_confidence(evidence)} confidence.{_cheap(evidence)}"
    )


def _cheap(evidence: Evidence) -> str:
    if not evidence.half_spread_bps > evidence.cost_bps:
        return ""
    return (
        f" The bars bounce as with half a spread of {evidence.half_spread_bps:.2f} bps, more than "
        f"the {evidence.cost_bps:.2f} bps per side that were paid."
    )


def _fills(evidence: Evidence, config: VerdictConfig) -> str:
    later = ""
    if evidence.later is not None:
        lower = f"{1e4 * evidence.later.lower:+.3f}"
        later = f" One bar later the account earns {_bps(evidence.later)} (at least {lower})."
    share = evidence.repeated_opens
    if not math.isnan(evidence.from_finer_bars):
        stale = "" if share < most_repeated(evidence, config) else ", so that they may be no trades"
        return (
            f"Orders are filled from finer bars ({evidence.from_finer_bars:.0%} of bars), and "
            f"{share:.0%} of the prices repeat the last close{stale}.{later}"
        )
    if math.isnan(share):
        return f"A single bar does not tell whether opens are prints of their own.{later}"
    if share < config.repeated_opens:
        return f"Opens are prints of their own ({share:.0%} repeat the last close).{later}"
    return f"{share:.0%} of the opens repeat the last close, so that they may be no trades.{later}"


def _luck(evidence: Evidence, config: VerdictConfig) -> str:
    if math.isnan(evidence.deflated):
        return "The Sharpe ratio is undefined."
    chance = "zero"
    if evidence.trials > 1.0:
        chance = f"the best of {_trials(evidence)} without skill"
    return (
        f"The Sharpe ratio is above {chance} with a probability of {evidence.deflated:.2f} "
        f"({config.deflated:.2f} is asked for)."
    )


def _simplest(evidence: Evidence, ruling: Ruling) -> str:
    if not evidence.rivals:
        return "No simpler model was judged beside it."
    name, ahead = _best(evidence)
    beside = (
        f"The best simpler one, {name}, earns {_bps(ahead)} per bar more, at least "
        f"{1e4 * ahead.lower:+.3f}, paired bar by bar."
    )
    return beside if ruling.better else f"No simpler one is shown to earn more. {beside}"


def _simpler(evidence: Evidence, ruling: Ruling) -> str:
    """Return what the headline says of simpler models that did as well."""
    if ruling.kind != "edge" or not evidence.rivals:
        return ""
    name, ahead = _best(evidence)
    if ahead.estimate < 0.0:
        return ""
    return f" {name.capitalize()} did as well or better here ({_bps(ahead)} per bar more)."


def _better(evidence: Evidence, ruling: Ruling) -> str:
    name, ahead = _best(evidence)
    lower = f"{1e4 * ahead.lower:+.3f}"
    if name == HOLDING:
        return f"holding the market earned {_bps(ahead)} per bar more (at least {lower})"
    return f"{name} earned {_bps(ahead)} per bar more (at least {lower}), more simply"


def _best(evidence: Evidence) -> tuple[str, Interval]:
    return max(evidence.rivals.items(), key=lambda each: each[1].estimate)


def _source(evidence: Evidence) -> str:
    """Where the earnings come from, if not from forecasts."""
    if evidence.exposure > _MOSTLY:
        return f"it is long {evidence.exposure:.0%} of the time on average, and the market rose"
    if evidence.exposure < -_MOSTLY:
        return f"it is short {-evidence.exposure:.0%} of the time on average, and the market fell"
    return "the sizes of a few moves made it"


def _ignorance(evidence: Evidence) -> str:
    gain, rank = evidence.knows.gain, evidence.knows.rank
    if rank.estimate <= 0.0:
        return (
            f"it ranks an up above a down in {0.5 + rank.estimate:.2%} of pairs, no better than "
            "chance"
        )
    if gain.estimate <= 0.0:
        return (
            "its probabilities say no more than always naming the same one would "
            f"({gain.estimate:+.4f} nats per decision)"
        )
    return (
        f"it ranks an up above a down in {0.5 + rank.upper:.2%} of pairs at most, too little to be "
        "of interest"
    )


def _right(evidence: Evidence) -> str:
    if evidence.hits is None:
        return f"{evidence.decisions:,} decision times"
    found = evidence.hits
    return (
        f"right on {found.accuracy.estimate:.2%} of {evidence.decisions:,} decision times, "
        f"{100 * found.advantage.estimate:+.2f} points against the majority's {found.majority:.2%}"
    )


def _gain(evidence: Evidence) -> str:
    return f"{_bps(evidence.net)} per bar after costs"


def _bps(interval: Interval) -> str:
    return f"{1e4 * interval.estimate:+.3f} bps"


def _confidence(evidence: Evidence) -> str:
    return f"{100.0 * (1.0 - evidence.error_rate):.3g}%"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
