"""How often verdicts are wrong, over many markets whose answer is known."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, binomtest

from ultimate_deep.evaluation.arrays import binary
from ultimate_deep.evaluation.verdicts.rule import KINDS

CANNOT_TELL = "cannot tell"  # what tables of before call "cannot tell yet"


@dataclass(frozen=True, kw_only=True)
class ClaimRate:
    """How often an edge was claimed on markets of one kind.

    Args:
        has_edge: Whether the markets have one.
        markets: How many were judged.
        claims: How many verdicts were "edge".
        cannot_tell: How many were "cannot tell yet", or "cannot tell" in tables of before.
        rate: Share of claims; NaN without markets.
        lower, upper: Exact bounds of the rate, each missed with `(1 - level) / 2` at most.
        level: Confidence of the intervals.
        designed_rate: The rate that the rule is designed for.
        p_value: Chance of a count at least as far on the bad side (more claims without an edge,
            fewer with one) if the rate is the designed one; NaN without markets.

    Source: bounds, Clopper & Pearson (1934), Biometrika 26(4).
    """

    has_edge: bool
    markets: int
    claims: int
    cannot_tell: int
    rate: float
    lower: float
    upper: float
    level: float
    designed_rate: float
    p_value: float

    @property
    def sentence(self) -> str:
        """The rate in words."""
        kind = "with a tradeable edge" if self.has_edge else "without an edge"
        return (
            f"{self.claims} claims on {self.markets} markets {kind}: {self.rate:.1%} "
            f"({self.level:.0%} interval {self.lower:.1%} to {self.upper:.1%}), "
            f"designed for {self.designed_rate:.0%}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def claim_rates(
    has_edge: npt.ArrayLike,
    kinds: Sequence[str],
    *,
    level: float = 0.95,
    designed_false: float = 0.02,
    designed_found: float = 0.95,
) -> tuple[ClaimRate, ClaimRate]:
    """Count claims of an edge that is not there, and of one that is, over many verdicts.

    Args:
        has_edge: Whether each market has an edge, shape `(markets,)`, 0 or 1.
        kinds: The verdict on each, in the same order.
        level: Confidence of the intervals.
        designed_false: Rate of claims without an edge that the rule is designed for.
        designed_found: Rate of claims that is wanted on markets with an edge.

    Returns:
        Rates on the markets without an edge and on those with one.

    Raises:
        ValueError: Lengths that differ, or a kind that no verdict has.
    """
    truth, verdicts = binary("has_edge", has_edge), np.asarray(kinds, dtype=object)
    if verdicts.shape != truth.shape:
        raise ValueError(
            f"kinds must have one verdict per market: {len(truth)} markets, {len(kinds)} verdicts"
        )
    unknown = sorted(set(verdicts) - {*KINDS, CANNOT_TELL})
    if unknown:
        raise ValueError(
            f"a verdict is one of {', '.join(KINDS)}, got {unknown}; give `Verdict.kind`"
        )
    return (
        _rate(verdicts[truth == 0.0], False, designed_false, level),
        _rate(verdicts[truth == 1.0], True, designed_found, level),
    )


def _rate(kinds: npt.NDArray[Any], has_edge: bool, designed: float, level: float) -> ClaimRate:
    count, claims = len(kinds), int((kinds == "edge").sum())
    lower, upper, p_value = 0.0, 1.0, math.nan
    if count:
        interval = binomtest(claims, count).proportion_ci(level, method="exact")
        lower, upper = float(interval.low), float(interval.high)
        further = binom.cdf(claims, count, designed)
        p_value = float(further if has_edge else binom.sf(claims - 1, count, designed))
    return ClaimRate(
        has_edge=has_edge,
        markets=count,
        claims=claims,
        cannot_tell=int(np.isin(kinds, [CANNOT_TELL, f"{CANNOT_TELL} yet"]).sum()),
        rate=claims / count if count else math.nan,
        lower=lower,
        upper=upper,
        level=level,
        designed_rate=designed,
        p_value=p_value,
    )
