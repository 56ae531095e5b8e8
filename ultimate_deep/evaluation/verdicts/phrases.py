"""What the sentences of a verdict have in common."""

import math
from collections.abc import Collection

from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.evidence import Evidence
from ultimate_deep.machine.counts import how_many, signed, sure_of

HOLDING = "buy and hold"


def right(evidence: Evidence) -> str:
    """Return how often it is right, beside the majority."""
    if evidence.hits is None:
        return how_many(evidence.decisions, "decision time")
    found = evidence.hits
    decided = how_many(evidence.decisions, "decision time")
    if found.rows != evidence.decisions:
        times = how_many(evidence.decisions, "time")
        decided = f"{how_many(found.rows, 'decision')} at {times}"
    return (
        f"right on {found.accuracy.estimate:.2%} of {decided}, "
        f"{100 * found.advantage.estimate:+.2f} points against the majority's {found.majority:.2%}"
    )


def gain(evidence: Evidence) -> str:
    """Return what the account earns per bar."""
    return f"{bps(evidence.net)} per bar after costs"


def bps(interval: Interval) -> str:
    """Return an estimate in basis points."""
    return f"{signed(1e4 * interval.estimate)} bps"


def silent(evidence: Evidence) -> str:
    """Return whose bars have no volume, in words."""
    return f"the bars of {how_many(evidence.silent, 'symbol')} have no volume"


def ahead_by(interval: Interval) -> str:
    """Return how much more or less another account earns."""
    more = "more" if interval.estimate >= 0.0 else "less"
    return f"{1e4 * abs(interval.estimate):.3f} bps per bar {more}"


def filled_at(evidence: Evidence) -> str:
    """Return the price that orders of an account are filled at, in words."""
    share = evidence.from_finer_bars
    if math.isnan(share):
        return "the next open"
    rest = "" if share == 1.0 else f" ({share:.1%} of bars; the others at the open)"
    return f"the close of the first finer bar after the next open{rest}"


def confidence(evidence: Evidence) -> str:
    """Return the confidence of a bound."""
    return sure_of(1.0 - evidence.error_rate)


def trials(evidence: Evidence) -> str:
    """Return how many models were judged."""
    return how_many(round(evidence.trials), "model")


def probably(probability: float) -> str:
    """Return a probability in two digits, never rounded up and never said to be certain."""
    if probability > 0.99:
        return "more than 0.99"
    return (
        "less than 0.01"
        if probability < 0.01
        else f"{math.floor(100.0 * probability + 1e-9) / 100.0:.2f}"
    )


def best(evidence: Evidence, among: Collection[str] = ()) -> tuple[str, Interval]:
    """Return the simpler model that earns most, and how much more.

    Args:
        evidence: Figures of all simpler models.
        among: Names of those that are looked at; all unless given.
    """
    rivals = {name: one for name, one in evidence.rivals.items() if not among or name in among}
    return max(rivals.items(), key=lambda each: each[1].estimate)


def listed(parts: list[str]) -> str:
    """Return parts as one list."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
