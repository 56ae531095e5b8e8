"""A verdict in one sentence for people, with what it fails for or would settle it."""

import math

from ultimate_deep.evaluation.verdicts.config import VerdictConfig
from ultimate_deep.evaluation.verdicts.evidence import Evidence
from ultimate_deep.evaluation.verdicts.phrases import (
    HOLDING,
    ahead_by,
    best,
    bps,
    confidence,
    gain,
    listed,
    probably,
    right,
    silent,
    trials,
)
from ultimate_deep.evaluation.verdicts.rule import (
    STEADY,
    Ruling,
    is_same,
    shrinks,
    shrinks_at_size,
    too_large,
    uncalibrated,
    unheard,
    unmoved,
)
from ultimate_deep.machine.counts import amount, how_many, noun_for, signed

MONTHS_PER_YEAR = 12.0
# Rivals that need no training.
UNTRAINED = {HOLDING, STEADY, "persistence", "majority"}
_TOO_GOOD = 0.4  # advantage of the rank that no market has
_MOSTLY = 0.5  # of a position, or of what is earned


def headline(evidence: Evidence, ruling: Ruling, config: VerdictConfig) -> str:
    """Return the verdict for people, with what it fails for, or would settle it."""
    heading = ruling.kind.capitalize() + (" (simulated bars)" if evidence.simulated else "")
    looks = ""
    if evidence.readings > 1:
        looks = (
            f" Counted: {evidence.readings:,} models judged on these bars, or tried for one of "
            "those."
        )
    beside = _wider(evidence, ruling) + _held_part(evidence, ruling) + _simpler(evidence, ruling)
    return f"{heading}: {_reason(evidence, ruling, config)}{beside}{looks}"


def _reason(evidence: Evidence, ruling: Ruling, config: VerdictConfig) -> str:
    said, earned, hits = ruling.answers, gain(evidence), right(evidence)
    if not evidence.active:
        return f"the model never traded ({hits})."
    if ruling.kind == "edge":
        lower = f"{signed(1e4 * evidence.net.lower)} bps"
        return f"{hits}; {earned}, at least {lower} with {confidence(evidence)} confidence."
    if ruling.kind == "forecasts, but not at a price you get":
        return f"{hits}, more than chance, but {_unpaid(evidence)}."
    if ruling.kind == "earns, but not by forecasting":
        return f"{earned}, but {hits}, and {_ignorance(evidence)}: {_source(evidence)}."
    if ruling.kind == "earns, but others earn more simply":
        return f"{hits}; {earned}, but {_better(evidence, ruling)}."
    if ruling.kind == "no edge":
        if said["knows"] != "no":
            return f"{hits}, but {_unpaid(evidence)}."
        return f"{hits}, and {_ignorance(evidence)}; {earned}."
    return f"{hits}; {earned}, but {_open(evidence, ruling, config)}."


def _open(evidence: Evidence, ruling: Ruling, config: VerdictConfig) -> str:
    """What is not shown, and what would settle it."""
    if evidence.seen:
        of_these = f"{how_many(evidence.seen, 'decision')} of these"
        return (
            f"{of_these} {noun_for(evidence.seen, 'lies', 'lie')} before its test part, where it "
            "was trained and chosen, which tells nothing: its test part alone, or later bars, "
            "would settle it"
        )
    if not ruling.enough:
        few = f"fewer than {config.minimum_decisions} decision times say nothing"
        if evidence.decisions >= config.minimum_decisions:
            few = f"positions in fewer than {config.minimum_active_bars} bars say nothing"
        return f"{few}: {_more_bars(evidence, ruling)} would settle it"
    said, unsure, wanted = ruling.answers, [], []
    if said["knows"] == "open":
        unsure.append(_unknown(evidence))
        if uncalibrated(evidence):
            wanted.append("probabilities that are calibrated on earlier bars")
    if said["pays"] == "open":
        unsure.append(_unsure(evidence, config))
        wanted += _paying(evidence, config)
    if said["luck"] == "open":
        unsure.append(_lucky(evidence, config))
    if said["fills"] == "open":
        unsure.append(_unfilled(evidence))
        wanted.append(_prints(evidence))
    if said["simplest"] == "open":
        unsure.append(_held(evidence, config))
    if ruling.bars_needed is not None or not wanted:
        wanted.append(_more_bars(evidence, ruling))
    return f"{listed(unsure)}: {', together with '.join(wanted)} would settle it"


def _held(evidence: Evidence, config: VerdictConfig) -> str:
    """Why it is not told from holding a position."""
    if unmoved(evidence, config):
        return (
            f"its position is another than the usual one in {how_many(evidence.moved, 'bar')}, too "
            "few to tell it from holding"
        )
    return (
        f"holding its mean position ({evidence.exposure:+.2f}) all the time earned "
        f"{ahead_by(evidence.rivals[STEADY])}, which is not shown to be less"
    )


def _paying(evidence: Evidence, config: VerdictConfig) -> list[str]:
    """What would tell what it pays, besides more bars."""
    if not evidence.net.lower > 0.0:
        return []
    leaves = "a run with --backtest.costs.impact_coefficient 0, in Python costs=, leaves impact out"
    if unheard(evidence):
        return [f"bars with volume ({leaves})"]
    if too_large(evidence, config):
        return [
            "the capital that is really traded (a run with --backtest.capital, in Python capital=; "
            f"where volume does not count units of the price, {leaves})"
        ]
    return []


def _unfilled(evidence: Evidence) -> str:
    """Why its fills were perhaps not to be had."""
    if math.isnan(evidence.repeated_opens):
        return "whether its opens are prints of their own is not known"
    share, later = f"{evidence.repeated_opens:.0%}", ""
    waited = evidence.later if evidence.patient is None else evidence.patient
    if waited is not None:
        later = f" (where those wait for another price it earns {bps(waited)})"
    at = "the opening print"
    if not math.isnan(evidence.from_finer_bars):
        at = f"prices that finer bars tell for {evidence.from_finer_bars:.0%} of the bars alone"
    return (
        f"it needs a fill at {at} while {share} of what it trades meets one that repeats the last "
        f"close, or nearly{later}"
    )


def _prints(evidence: Evidence) -> str:
    """What would tell of its fills."""
    if evidence.from_finer_bars == 1.0:
        return "still finer bars, with their volume, or quotes"
    if not math.isnan(evidence.from_finer_bars):
        return "finer bars of all of them, with their volume, or quotes"
    return "finer bars of the same market (--data.fills 1m.csv) or quotes"


def _more_bars(evidence: Evidence, ruling: Ruling) -> str:
    """How many bars would settle it, and how long they take."""
    if ruling.bars_needed is None:
        return "more bars of test data"
    years = ruling.bars_needed / evidence.bars_per_year
    bars = f"about {how_many(ruling.bars_needed, 'bar')}"
    if math.isnan(years):
        return f"{bars} of test data"
    months = MONTHS_PER_YEAR * years
    long = f"{years:,.0f} years" if years >= 2.0 else f"{months:.0f} months"
    if round(months) < 2:
        long = "a month" if months > 0.5 else "less than a month"
    return f"{bars} ({long}) of test data"


def _unknown(evidence: Evidence) -> str:
    """Why it is not shown to know something."""
    if not uncalibrated(evidence):
        return "its forecasts could be chance"
    return (
        f"it ranks an up above a down in {0.5 + evidence.knows.rank.estimate:.2%} of pairs, more "
        f"than chance, while its probabilities say less than always naming the same one would "
        f"({evidence.knows.gain.estimate:+.4f} nats per decision)"
    )


def _unsure(evidence: Evidence, config: VerdictConfig) -> str:
    """Why it is not shown to pay."""
    if evidence.net.lower > 0.0 and unheard(evidence):
        return f"what its own orders move the price by is not known: {silent(evidence)}"
    if evidence.net.lower > 0.0 and too_large(evidence, config):
        capital, times = amount(evidence.capital), amount(evidence.volume_share)
        return (
            f"a full position of {capital} is {times} times what is traded in a usual bar, too "
            "much to know its impact"
        )
    tight = evidence.net
    among = ""
    if evidence.impact is not None and evidence.net.lower > 0.0:
        tight = evidence.impact
        among = f" with the impact of a capital of {amount(evidence.capital)}"
    lower = f"{signed(1e4 * tight.lower)} bps"
    return f"the {confidence(evidence)} lower bound of what it earns{among} is {lower}"


def _unpaid(evidence: Evidence) -> str:
    """Why nothing is earned by it."""
    if shrinks(evidence):
        total, among = evidence.total, ""
        if shrinks_at_size(evidence):
            total, among = evidence.impact_total, f" with the impact of {amount(evidence.capital)}"
        return (
            f"of {gain(evidence)} on average nothing is left{among}: gains and losses of this size "
            f"made {100.0 * total:+.3g}% of it, and nothing is earned by it"
        )
    if evidence.impact is None or evidence.net.estimate <= 0.0:
        return f"{gain(evidence)}: nothing is earned by it"
    return (
        f"of {gain(evidence)} the impact of its own orders leaves {bps(evidence.impact)} at a "
        f"capital of {amount(evidence.capital)}: nothing is earned at that size"
    )


def _lucky(evidence: Evidence, config: VerdictConfig) -> str:
    if math.isnan(evidence.deflated):
        return "its Sharpe ratio is undefined"
    return (
        f"its deflated Sharpe ratio is {probably(evidence.deflated)}, not the "
        f"{config.deflated:.2f} that is asked for ({trials(evidence)} counted)"
    )


def _simpler(evidence: Evidence, ruling: Ruling) -> str:
    """Return what the headline says of simpler models that did as well, or were not there."""
    if ruling.kind != "edge":
        return ""
    if evidence.knows.rank.estimate > _TOO_GOOD:
        return " So much is a leak until shown otherwise: look for one (detect-leaks)."
    alone = ""
    if not set(evidence.rivals) - UNTRAINED:
        alone = " No simpler model that is trained was judged beside it."
    others = [name for name in evidence.rivals if name != STEADY]
    if not others:
        return alone
    name, ahead = best(evidence, others)
    if ahead.estimate < 0.0:
        return alone
    return f" {name.capitalize()} did as well or better here ({ahead_by(ahead)}).{alone}"


def _held_part(evidence: Evidence, ruling: Ruling) -> str:
    """Return what the headline says where most of what is earned is that of held positions."""
    ahead = evidence.rivals.get(STEADY)
    if ruling.kind != "edge" or ahead is None:
        return ""
    held = evidence.net.estimate + ahead.estimate
    if held < _MOSTLY * evidence.net.estimate:
        return ""
    return f" Of that, holding its mean position all the time earned {1e4 * held:.3f} bps."


def _wider(evidence: Evidence, ruling: Ruling) -> str:
    """Return what the headline says of a spread that is wider than what was paid."""
    if ruling.kind != "edge" or evidence.spread is None or evidence.spread.lower > 0.0:
        return ""
    return (
        f" The bars bounce as with half a spread of {evidence.half_spread_bps:.2f} bps, more than "
        f"the {evidence.cost_bps:.2f} bps per side that were paid; with that it earns "
        f"{bps(evidence.spread)} per bar."
    )


def _better(evidence: Evidence, ruling: Ruling) -> str:
    name, ahead = best(evidence, ruling.better)
    who = "holding the market" if name == HOLDING else name
    if is_same(ahead):
        return f"{who} earned the same, bar by bar"
    lower = f"{signed(1e4 * ahead.lower)}"
    if name == STEADY:
        who = f"holding its mean position ({evidence.exposure:+.2f}) all the time"
    simply = "" if name in (HOLDING, STEADY) else ", more simply"
    return f"{who} earned {ahead_by(ahead)} (at least {lower}){simply}"


def _source(evidence: Evidence) -> str:
    """Where the earnings come from, if not from forecasts."""
    held = evidence.net.estimate
    if HOLDING in evidence.rivals:
        held += evidence.rivals[HOLDING].estimate
    if evidence.exposure > _MOSTLY and held > 0.0:
        return f"it is long {evidence.exposure:.0%} of the time on average, and the market rose"
    if evidence.exposure < -_MOSTLY and held < 0.0:
        return f"it is short {-evidence.exposure:.0%} of the time on average, and the market fell"
    return "the sizes of a few moves made it"


def _ignorance(evidence: Evidence) -> str:
    nats, rank = evidence.knows.gain, evidence.knows.rank
    if rank.estimate <= 0.0:
        return (
            f"it ranks an up above a down in {0.5 + rank.estimate:.2%} of pairs, no better than "
            "chance"
        )
    if nats.estimate <= 0.0:
        return (
            "its probabilities say no more than always naming the same one would "
            f"({nats.estimate:+.4f} nats per decision)"
        )
    return (
        f"it ranks an up above a down in {0.5 + rank.upper:.2%} of pairs at most, too little to be "
        "of interest"
    )
